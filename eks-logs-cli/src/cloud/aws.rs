use std::future::Future;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use eks_logs_aws::{Account, AccountAccess, Patience, S3Location, S3Store, TokioTimer, load};
use eks_logs_core::store::{ByteStream, Children, ObjectStream};
use eks_logs_core::{
    ARCHIVE_SUFFIXES, Access, ArchiveStore, ByteRange, Clock, CollectionName, Error, FileSink, Located, Object, Store,
    StorePath, StoreWriter, bundle as bundles,
};
use eks_logs_tools::{AccountPorts, Code, Context, Failure};
use futures_lite::StreamExt as _;
use jiff::Timestamp;
use tempfile::TempPath;
use tokio::runtime::Runtime;

pub(crate) use eks_logs_aws::Collecting;

/// Started by whatever first needs AWS; local work does without.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

fn runtime() -> Result<&'static Runtime, Failure> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let started = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let started = started.map_err(|why| Failure::new(Code::Internal, why.to_string(), "see what the system said"))?;
    Ok(RUNTIME.get_or_init(|| started))
}

/// Waits for a future, within the runtime if there is one.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    match RUNTIME.get() {
        Some(runtime) => runtime.block_on(future),
        None => futures_lite::future::block_on(future),
    }
}

/// The clock of this machine.
#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn open(location: S3Location) -> Result<S3Store, Failure> {
    let patience = Patience::default();
    Ok(runtime()?.block_on(async { S3Store::new(&load(None, patience).await, location, patience) }))
}

/// A bucket of many bundles.
pub(crate) fn bucket(location: &str) -> Result<Arc<dyn StoreWriter>, Failure> {
    Ok(Arc::new(open(location.parse()?)?))
}

/// The one bundle that a location means: an archive, a directory of files, or a place that holds one of either.
pub(crate) fn bundle(location: &str) -> Result<Located, Failure> {
    let whole: S3Location = location.parse()?;
    let name = CollectionName::parse(whole.prefix.name());
    if ArchiveStore::is_archive_name(whole.prefix.name()) {
        let store = open(S3Location { bucket: whole.bucket.clone(), prefix: StorePath::root() })?;
        let archive = runtime()?.block_on(Downloaded::fetch(&store, &whole.prefix, location))?;
        let store = Arc::new(archive);
        return Ok(Located { store, root: StorePath::root(), locator: location.to_owned(), name });
    }
    let store = open(whole.clone())?;
    let mut found = runtime()?.block_on(bundles::discover(&store))?;
    match (found.pop(), found.len()) {
        (None, _) => Err(Error::NotABundle { path: location.to_owned(), files: 0 }.into()),
        (Some(only), 0) if only.archive => bundle(&format!("{}/{}", store.locator(), only.path)),
        (Some(only), 0) => {
            let locator = if only.path.is_root() { location.to_owned() } else { format!("{location}/{}", only.path) };
            let name = name.or(only.name);
            let bundle = Located { store: Arc::new(store), root: only.path, locator, name };
            if bundle.root.name() == "extracted" && only.beside.is_none() {
                let bucket = open(S3Location { bucket: whole.bucket.clone(), prefix: StorePath::root() })?;
                runtime()?.block_on(check_whole(&bundle, &bucket, &whole.prefix))?;
            }
            Ok(bundle)
        }
        (Some(last), _) => {
            found.push(last);
            let bundles = found.iter().map(|bundle| format!("{}/{}", store.locator(), bundle.path)).collect();
            Err(Error::ManyBundles { path: location.to_owned(), bundles }.into())
        }
    }
}

/// A directory that is being extracted beside its archive is not read before its manifest, which is written last, is there.
async fn check_whole(bundle: &Located, bucket: &S3Store, directory: &StorePath) -> Result<(), Failure> {
    if !matches!(bundles::Manifest::load(bundle).await, Ok(None)) {
        return Ok(());
    }
    for suffix in ARCHIVE_SUFFIXES {
        match bucket.head(&StorePath::parse(&format!("{directory}{suffix}"))?).await {
            Ok(archive) => {
                return Err(Failure::new(
                    Code::NotFound,
                    format!("{}: its files are being extracted, or that broke off", bundle.locator),
                    format!("point at the archive ({}/{}), or ingest it", bucket.locator(), archive.path),
                ));
            }
            Err(Error::NotFound { .. }) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

/// Makes a context work on the account whose credentials are at hand, with a bucket for bundles and records.
pub(crate) fn prepare(
    context: &mut Context,
    location: &str,
    collecting: &Collecting,
) -> Result<Arc<dyn StoreWriter>, Failure> {
    let location: S3Location = location.parse()?;
    let account = runtime()?.block_on(Account::open(location, collecting, Patience::default()));
    let store: Arc<dyn StoreWriter> = Arc::new(account.store);
    context.work_on(AccountPorts {
        bucket: Arc::clone(&store),
        collector: Arc::new(account.collector),
        inventory: Some(Arc::new(account.inventory)),
        clock: Arc::new(SystemClock),
        timer: Arc::new(TokioTimer),
    });
    Ok(store)
}

/// Who may do what in the account whose credentials are at hand, and with a bucket.
pub(crate) fn access(location: &str) -> Result<Arc<dyn Access>, Failure> {
    let location: S3Location = location.parse()?;
    let patience = Patience::default();
    let shared = runtime()?.block_on(load(None, patience));
    let store = S3Store::new(&shared, location, patience);
    Ok(Arc::new(AccountAccess::new(&shared, store, patience)))
}

/// An archive of a bucket in a temporary file, which goes when the archive is not wanted any more.
#[derive(Debug)]
struct Downloaded {
    archive: ArchiveStore,
    locator: String,
    _file: TempPath,
}

impl Downloaded {
    async fn fetch(store: &S3Store, path: &StorePath, locator: &str) -> Result<Self, Error> {
        use std::io::Write as _;
        let failed = |why| Error::from_io(locator, why);
        let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
        let mut pieces = store.stream(path, ByteRange::WHOLE).await?;
        while let Some(piece) = pieces.next().await {
            file.write_all(&piece?).map_err(failed)?;
        }
        file.flush().map_err(failed)?;
        let file = file.into_temp_path();
        let archive = ArchiveStore::open(&file).map_err(|why| named(why, &file.display().to_string(), locator))?;
        Ok(Self { archive, locator: locator.to_owned(), _file: file })
    }
}

/// The error of a copy, about the original.
fn named(why: Error, copy: &str, original: &str) -> Error {
    match why {
        Error::NotAnArchive { found, .. } => Error::NotAnArchive { path: original.to_owned(), found },
        Error::EmptyArchive { .. } => Error::EmptyArchive { path: original.to_owned() },
        Error::Corrupt { detail, .. } => {
            Error::Corrupt { path: original.to_owned(), detail: detail.replace(copy, original) }
        }
        other => other,
    }
}

#[async_trait]
impl Store for Downloaded {
    fn locator(&self) -> String {
        self.locator.clone()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        self.archive.list(prefix)
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children, Error> {
        self.archive.children(prefix).await
    }

    async fn head(&self, path: &StorePath) -> Result<Object, Error> {
        self.archive.head(path).await
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes, Error> {
        self.archive.get(path, range).await
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>, Error> {
        self.archive.stream(path, range).await
    }

    fn is_sequential(&self) -> bool {
        true
    }

    async fn walk(&self, prefix: &StorePath, sink: &mut dyn FileSink) -> Result<(), Error> {
        self.archive.walk(prefix, sink).await
    }
}
