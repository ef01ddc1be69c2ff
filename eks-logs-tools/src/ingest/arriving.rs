//! An archive on its way through: what is scanned of it is also written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use eks_logs_core::archive::walk_incoming;
use eks_logs_core::bundle::{LeftOut, Manifest, ManifestEntry, records};
use eks_logs_core::store::{ByteStream, Children, ObjectStream};
use eks_logs_core::{
    ByteRange, Error, FileEnd, FileSink, Flow, Layout, Limits, Located, Object, PutMode, Refusal, RefusalReason, Store,
    StorePath, StoreWriter, Upload, Version,
};
use futures_lite::{future, stream};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use sha2::{Digest as _, Sha256};

/// Members whose last bytes are on their way, while the next ones are read.
const FINISHING: usize = 6;
/// Bytes handed over at a time of a member that is not scanned.
const SPACE: usize = 256 << 10;

/// What was stored: files, what was left out, and the state of each file.
pub(super) type StoredMembers = (Vec<ManifestEntry>, Vec<LeftOut>, BTreeMap<String, Version>);

/// An archive in a store, as a store that can be walked once: what it hands over, it also writes.
#[derive(Debug)]
pub(super) struct Arriving {
    writer: Arc<dyn StoreWriter>,
    archive: Object,
    root: StorePath,
    stored: Mutex<StoredMembers>,
}

impl Arriving {
    /// An archive whose members go below `root`.
    pub(super) fn new(writer: &Arc<dyn StoreWriter>, archive: &Object, root: &StorePath) -> Self {
        Self { writer: Arc::clone(writer), archive: archive.clone(), root: root.clone(), stored: Mutex::default() }
    }

    pub(super) fn take(&self) -> StoredMembers {
        std::mem::take(&mut *self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a former bundle of the same name out of sight before its files are written over.
    async fn withdraw(&self) -> Result<(), Error> {
        let bundle = Located {
            store: Arc::clone(&self.writer) as Arc<dyn Store>,
            root: self.root.clone(),
            locator: self.locator(),
            name: None,
        };
        let path = self.root.join(records::MANIFEST)?;
        let version = self.archive.version.as_ref().map_or(String::new(), |version| version.0.clone());
        loop {
            let seen = match self.writer.head(&path).await {
                Ok(seen) => seen.version.map_or(PutMode::Overwrite, PutMode::Match),
                Err(Error::NotFound { .. }) => return Ok(()),
                Err(why) => return Err(why),
            };
            let former = match Manifest::load(&bundle).await {
                Ok(Some(former)) => former,
                Ok(None) => return Ok(()),
                Err(Error::Corrupt { .. }) => Manifest::default(),
                Err(why) => return Err(why),
            };
            if former.extracting.is_some() || former.archive_version.as_ref() == Some(&version) {
                return Ok(());
            }
            let marked = Manifest { extracting: Some(version.clone()), ..former };
            match self.writer.put(&path, marked.to_json().into(), seen).await {
                Ok(_) => return Ok(()),
                // Another run has marked it, or is done: look again.
                Err(Error::Precondition { .. }) => {}
                Err(why) => return Err(why),
            }
        }
    }

    fn not_here(&self, path: &StorePath) -> Error {
        Error::NotFound { path: format!("{}/{path}", self.locator()) }
    }
}

#[async_trait]
impl Store for Arriving {
    fn locator(&self) -> String {
        format!("{}/{}", self.writer.locator(), self.archive.path)
    }

    fn list<'a>(&'a self, _: &'a StorePath) -> ObjectStream<'a> {
        Box::pin(stream::empty())
    }

    async fn children(&self, _: &StorePath) -> Result<Children, Error> {
        Ok(Children::default())
    }

    async fn head(&self, path: &StorePath) -> Result<Object, Error> {
        Err(self.not_here(path))
    }

    async fn get(&self, path: &StorePath, _: ByteRange) -> Result<Bytes, Error> {
        Err(self.not_here(path))
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, _: ByteRange) -> Result<ByteStream<'a>, Error> {
        Err(self.not_here(path))
    }

    fn is_sequential(&self) -> bool {
        true
    }

    async fn walk(&self, _: &StorePath, sink: &mut dyn FileSink) -> Result<(), Error> {
        let bytes = self.writer.stream(&self.archive.path, ByteRange::WHOLE).await?;
        let mut writing = Writing {
            inner: sink,
            arriving: self,
            withdrawn: false,
            member: None,
            own: vec![0; SPACE],
            finishing: FuturesUnordered::new(),
            stored: StoredMembers::default(),
        };
        walk_incoming(bytes, self.archive.size, &self.locator(), Limits::default(), &mut writing).await?;
        while writing.finished().await? {}
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = writing.stored;
        Ok(())
    }
}

/// A member that is being written.
struct Member<'a> {
    path: StorePath,
    upload: Box<dyn Upload + 'a>,
    sum: Sha256,
    size: u64,
    /// The scan wants its bytes.
    scanned: bool,
}

/// Writes what passes through.
struct Writing<'a> {
    inner: &'a mut dyn FileSink,
    arriving: &'a Arriving,
    /// A former bundle is out of sight.
    withdrawn: bool,
    member: Option<Member<'a>>,
    own: Vec<u8>,
    finishing: FuturesUnordered<BoxFuture<'a, Result<(ManifestEntry, Version), Error>>>,
    stored: StoredMembers,
}

impl Writing<'_> {
    /// Waits for a member that is being finished; `false` if none is.
    async fn finished(&mut self) -> Result<bool, Error> {
        let Some(done) = self.finishing.next().await else { return Ok(false) };
        self.note(done?);
        Ok(true)
    }

    fn note(&mut self, (entry, version): (ManifestEntry, Version)) {
        self.stored.2.insert(entry.key.clone(), version);
        self.stored.0.push(entry);
    }

    fn leave_out(&mut self, name: String, reason: RefusalReason, detail: &str) {
        self.stored.1.push(LeftOut { name: name.clone(), reason: detail.to_owned() });
        self.inner.refused(Refusal { name, reason, detail: detail.to_owned() });
    }
}

#[async_trait]
impl FileSink for Writing<'_> {
    async fn begin(&mut self, file: &Object) -> Result<Flow, Error> {
        self.member = None;
        if records::is_record(&file.path) {
            self.leave_out(
                file.path.to_string(),
                RefusalReason::UnsafeName,
                "it has the name of a record that is written beside the files",
            );
            return Ok(Flow::Skip);
        }
        let Ok(to) = self.arriving.root.join(file.path.as_str()) else {
            self.leave_out(file.path.to_string(), RefusalReason::UnsafeName, "its name is too long to be stored");
            return Ok(Flow::Skip);
        };
        if !self.withdrawn {
            self.arriving.withdraw().await?;
            self.withdrawn = true;
        }
        let upload = self.arriving.writer.upload(&to).await?;
        let scanned = self.inner.begin(file).await? == Flow::Read;
        self.member = Some(Member { path: file.path.clone(), upload, sum: Sha256::new(), size: 0, scanned });
        Ok(Flow::Read)
    }

    fn space(&mut self) -> &mut [u8] {
        match &self.member {
            Some(member) if member.scanned => self.inner.space(),
            _ => &mut self.own,
        }
    }

    async fn filled(&mut self, count: usize) -> Result<Flow, Error> {
        let piece = Bytes::copy_from_slice(&self.space()[..count]);
        let Some(member) = &mut self.member else { return Ok(Flow::Skip) };
        member.sum.update(&piece);
        member.size += count as u64;
        member.upload.write(piece).await?;
        if member.scanned && self.inner.filled(count).await? == Flow::Skip {
            member.scanned = false;
        }
        while let Some(Some(done)) = future::poll_once(self.finishing.next()).await {
            self.note(done?);
        }
        Ok(Flow::Read)
    }

    async fn end(&mut self, end: FileEnd) -> Result<(), Error> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let class = Layout::builtin().classify(&member.path);
        let entry = ManifestEntry {
            key: member.path.to_string(),
            full_key: self.arriving.root.join(member.path.as_str())?.to_string(),
            size: member.size,
            content_type: None,
            sha256: Some(hex(&member.sum.finalize())),
            source: Some(class.source.name().to_owned()),
            truncated: match &end {
                FileEnd::Whole => None,
                FileEnd::Cut(reason) => Some(reason.clone()),
            },
        };
        let upload = member.upload;
        self.finishing.push(Box::pin(async move { Ok((entry, upload.finish().await?)) }));
        self.inner.end(end).await?;
        while self.finishing.len() >= FINISHING {
            self.finished().await?;
        }
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) {
        self.stored.1.push(LeftOut { name: refusal.name.clone(), reason: refusal.detail.clone() });
        self.inner.refused(refusal);
    }

    fn cut(&mut self, reason: String) {
        self.stored.1.push(LeftOut { name: "the rest of the archive".to_owned(), reason: reason.clone() });
        self.inner.cut(reason);
    }

    fn progress(&mut self, done: u64, total: u64) {
        self.inner.progress(done, total);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
