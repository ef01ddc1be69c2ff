use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::stream;
use jiff::Timestamp;
use tempfile::NamedTempFile;

use super::memory::content_version;
use super::unlinked::Unlinked;
use super::walk::read_into;
use super::{
    ByteRange, ByteStream, Children, FileEnd, FileSink, Flow, Object, ObjectStream, PutMode, Refusal, RefusalReason,
    Store, StoreWriter, Upload, Version,
};
use crate::error::{Error, Result};
use crate::path::StorePath;

/// Pieces that [`Store::stream`] yields, in bytes.
const PIECE: usize = 1 << 20;
/// The file on which writers of one directory take turns.
const LOCK_NAME: &str = ".eks-logs.lock";

/// A directory. Symbolic links below it are never followed: a bundle is untrusted input.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
}

/// What a directory entry is, links not followed.
enum Entry {
    Directory(StorePath),
    File(Object),
    Refused(Refusal),
}

impl LocalStore {
    /// Opens an existing directory.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let at = root.display().to_string();
        let kind = fs::metadata(&root).map_err(|why| Error::from_io(&at, why))?;
        if !kind.is_dir() {
            return Err(Error::NotAnArchive { path: at, found: "a file where a directory was expected".to_owned() });
        }
        Ok(Self { root })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn full(&self, path: &StorePath) -> PathBuf {
        self.root.join(path.as_str())
    }

    /// The entries of one directory, sorted by path. Our own lock and unfinished writes are not among them.
    fn entries(&self, prefix: &StorePath) -> Result<Vec<Entry>> {
        let failed = |why| Error::from_io(self.full(prefix).display().to_string(), why);
        let mut named = Vec::new();
        for entry in fs::read_dir(self.full(prefix)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            named.push((entry.file_name(), entry));
        }
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut entries = Vec::with_capacity(named.len());
        for (name, entry) in named {
            let shown = if prefix.is_root() {
                name.to_string_lossy().into_owned()
            } else {
                format!("{prefix}/{}", name.to_string_lossy())
            };
            if shown == LOCK_NAME || name.to_string_lossy().starts_with(".eks-logs-tmp") {
                continue;
            }
            let refused = |reason, detail: &str| {
                Entry::Refused(Refusal { name: shown.clone(), reason, detail: detail.to_owned() })
            };
            let path = match name.to_str().map(|name| prefix.join(name)) {
                Some(Ok(path)) => path,
                Some(Err(why)) => {
                    entries.push(Entry::Refused((shown, why).into()));
                    continue;
                }
                None => {
                    entries.push(refused(RefusalReason::UnsafeName, "unsafe name: it is not UTF-8"));
                    continue;
                }
            };
            entries.push(match entry.metadata() {
                Ok(meta) if meta.is_symlink() => refused(RefusalReason::Link, "a symbolic link: not followed"),
                Ok(meta) if meta.is_dir() => Entry::Directory(path),
                Ok(meta) if meta.is_file() => Entry::File(Object { path, size: meta.len(), version: None }),
                Ok(_) => refused(RefusalReason::NotAFile, "not a regular file (device, socket or pipe)"),
                Err(why) => Entry::Refused((shown.clone(), Error::from_io(&shown, why)).into()),
            });
        }
        Ok(entries)
    }

    /// Everything below `prefix`, sorted by path. A subdirectory that cannot be opened is a refusal, not a failure.
    fn entries_below(&self, prefix: &StorePath) -> Result<Vec<Entry>> {
        Unlinked::below(&self.root).check(prefix)?;
        let mut found = Vec::new();
        let mut pending: Vec<Entry> = self.entries(prefix)?.into_iter().rev().collect();
        while let Some(entry) = pending.pop() {
            match entry {
                Entry::Directory(path) => match self.entries(&path) {
                    Ok(inner) => pending.extend(inner.into_iter().rev()),
                    Err(why) => found.push(Entry::Refused((path.to_string(), why).into())),
                },
                other => found.push(other),
            }
        }
        Ok(found)
    }

    fn open_file(&self, path: &StorePath) -> Result<(File, u64)> {
        Unlinked::below(&self.root).open(path)
    }
}

/// How a file of `size` bytes ended of which only `read` were there to be read.
fn unless_shrunk(end: FileEnd, read: u64, size: u64) -> FileEnd {
    match end {
        FileEnd::Whole if read < size => {
            FileEnd::Cut(format!("the file shrank while it was read: {read} of {size} bytes"))
        }
        end => end,
    }
}

/// What changes with a file: its size, when its content and its inode changed, which inode it is.
pub(crate) fn file_state(path: &Path) -> Option<String> {
    let meta = fs::symlink_metadata(path).ok()?;
    let modified = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    #[cfg(unix)]
    let inode = {
        use std::os::unix::fs::MetadataExt as _;
        (meta.ino(), meta.ctime(), meta.ctime_nsec())
    };
    #[cfg(not(unix))]
    let inode = ();
    Some(format!("{} {modified:?} {inode:?}", meta.len()))
}

#[async_trait]
impl Store for LocalStore {
    fn locator(&self) -> String {
        self.root.display().to_string()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        if let Ok((_, size)) = self.open_file(prefix) {
            return Box::pin(stream::once(Ok(Object { path: prefix.clone(), size, version: None })));
        }
        match self.entries_below(prefix) {
            Ok(entries) => Box::pin(stream::iter(entries.into_iter().filter_map(|entry| match entry {
                Entry::File(object) => Some(Ok(object)),
                Entry::Directory(_) | Entry::Refused(_) => None,
            }))),
            // A prefix under which nothing is stored is an empty list, as it is in a bucket.
            Err(Error::NotFound { .. }) => Box::pin(stream::empty()),
            Err(why) => Box::pin(stream::once(Err(why))),
        }
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children> {
        Unlinked::below(&self.root).check(prefix)?;
        let mut children = Children::default();
        for entry in self.entries(prefix)? {
            match entry {
                Entry::Directory(path) => children.directories.push(path),
                Entry::File(object) => children.objects.push(object),
                Entry::Refused(_) => {}
            }
        }
        Ok(children)
    }

    async fn head(&self, path: &StorePath) -> Result<Object> {
        let (mut file, size) = self.open_file(path)?;
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        let mut buffer = vec![0; PIECE.min(size as usize + 1)];
        loop {
            match file.read(&mut buffer).map_err(|why| Error::from_io(path.as_str(), why))? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        let version = Version(format!("{:032x}", hasher.digest128()));
        Ok(Object { path: path.clone(), size, version: Some(version) })
    }

    async fn stat(&self, path: &StorePath) -> Result<Object> {
        let (_, size) = self.open_file(path)?;
        Ok(Object { path: path.clone(), size, version: None })
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        let (mut file, size) = self.open_file(path)?;
        let range = range.within(path, size)?;
        // The file may end earlier by now, and a range may be huge.
        let mut content = Vec::with_capacity((range.end - range.start).min(64 << 20) as usize);
        file.seek(SeekFrom::Start(range.start))
            .and_then(|_| file.take(range.end - range.start).read_to_end(&mut content))
            .map_err(|why| Error::from_io(path.as_str(), why))?;
        Ok(content.into())
    }

    async fn state(&self, prefix: &StorePath) -> Result<Option<Version>> {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for entry in self.entries_below(prefix)? {
            let (name, mark) = match &entry {
                Entry::File(object) => (object.path.as_str(), file_state(&self.full(&object.path))),
                Entry::Directory(path) => (path.as_str(), Some(String::new())),
                Entry::Refused(refusal) => (refusal.name.as_str(), Some(refusal.detail.clone())),
            };
            let Some(mark) = mark else { return Ok(None) };
            for part in [name, mark.as_str()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        Ok(Some(Version(format!("{:032x}", hasher.digest128()))))
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        let (mut file, size) = self.open_file(path)?;
        let range = range.within(path, size)?;
        file.seek(SeekFrom::Start(range.start)).map_err(|why| Error::from_io(path.as_str(), why))?;
        let reader = file.take(range.end - range.start);
        Ok(Box::pin(stream::unfold(Some(reader), move |reader| async move {
            let mut reader = reader?;
            let mut piece = Vec::new();
            match reader.by_ref().take(PIECE as u64).read_to_end(&mut piece) {
                Ok(0) => None,
                Ok(_) => Some((Ok(Bytes::from(piece)), Some(reader))),
                Err(why) => Some((Err(Error::from_io(path.as_str(), why)), None)),
            }
        })))
    }

    fn local_file(&self, path: &StorePath) -> Option<PathBuf> {
        Some(self.full(path))
    }

    async fn modified(&self, path: &StorePath) -> Result<Option<Timestamp>> {
        let (file, _) = self.open_file(path)?;
        let meta = file.metadata().map_err(|why| Error::from_io(path.as_str(), why))?;
        Ok(meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok()))
    }

    async fn walk(&self, prefix: &StorePath, sink: &mut dyn FileSink) -> Result<()> {
        let entries = self.entries_below(prefix)?;
        let total = entries.iter().map(|entry| if let Entry::File(object) = entry { object.size } else { 0 }).sum();
        let mut done = 0;
        let below = Unlinked::below(&self.root);
        for entry in entries {
            let object = match entry {
                Entry::File(object) => object,
                Entry::Refused(refusal) => {
                    sink.refused(refusal);
                    continue;
                }
                Entry::Directory(_) => continue,
            };
            let (mut file, size) = match below.open(&object.path) {
                Ok(opened) => opened,
                Err(why) => {
                    sink.refused((object.path.to_string(), why).into());
                    continue;
                }
            };
            let start = done;
            if sink.begin(&object).await? == Flow::Skip {
                sink.end(FileEnd::Whole).await?;
            } else if let Some(end) = sink.whole(&file, size).await? {
                sink.end(unless_shrunk(end, size, object.size)).await?;
            } else {
                let (mut read, mut over) = (0, false);
                let end = read_into(
                    |space| {
                        let count = file.read(space)?;
                        read += count as u64;
                        over |= count == 0;
                        Ok(count)
                    },
                    || None,
                    sink,
                )
                .await?;
                // A log that is still written to grows; one that shrank under our hands is not whole. The sink may have had enough
                // before the end.
                sink.end(if over { unless_shrunk(end, read, object.size) } else { end }).await?;
            }
            done = start + object.size;
            sink.progress(done, total);
        }
        Ok(())
    }
}

#[async_trait]
impl StoreWriter for LocalStore {
    async fn put(&self, path: &StorePath, content: Bytes, mode: PutMode) -> Result<Version> {
        let full = self.full(path);
        let failed = |why| Error::from_io(full.display().to_string(), why);
        let directory = full.parent().unwrap_or(&self.root);
        fs::create_dir_all(directory).map_err(failed)?;
        // Compare and swap needs the comparison and the rename to be one step among all processes that write here.
        let lock = File::create(self.root.join(LOCK_NAME)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut unfinished = tempfile::Builder::new().prefix(".eks-logs-tmp").tempfile_in(directory).map_err(failed)?;
        unfinished.write_all(&content).and_then(|()| unfinished.as_file().sync_all()).map_err(failed)?;
        let there = match fs::read(&full) {
            Ok(there) => Some(content_version(&there)),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => None,
            Err(why) => return Err(failed(why)),
        };
        let allowed = match (&mode, there) {
            (PutMode::Overwrite, _) | (PutMode::Create, None) => true,
            (PutMode::Create, Some(_)) | (PutMode::Match(_), None) => false,
            (PutMode::Match(wanted), Some(there)) => there == *wanted,
        };
        if !allowed {
            return Err(Error::Precondition { path: path.to_string() });
        }
        NamedTempFile::persist(unfinished, &full).map_err(|why| failed(why.error))?;
        Ok(content_version(&content))
    }

    async fn upload<'a>(&'a self, path: &StorePath) -> Result<Box<dyn Upload + 'a>> {
        let full = self.full(path);
        let directory = full.parent().unwrap_or(&self.root);
        let begun = fs::create_dir_all(directory)
            .and_then(|()| tempfile::Builder::new().prefix(".eks-logs-tmp").tempfile_in(directory));
        let unfinished = begun.map_err(|why| Error::from_io(full.display().to_string(), why))?;
        Ok(Box::new(Unfinished { unfinished, full, hasher: xxhash_rust::xxh3::Xxh3::new() }))
    }
}

/// An object beside its place, until it is whole.
struct Unfinished {
    unfinished: NamedTempFile,
    full: PathBuf,
    hasher: xxhash_rust::xxh3::Xxh3,
}

#[async_trait]
impl Upload for Unfinished {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.hasher.update(&piece);
        self.unfinished.write_all(&piece).map_err(|why| Error::from_io(self.full.display().to_string(), why))
    }

    async fn finish(self: Box<Self>) -> Result<Version> {
        let failed = |why| Error::from_io(self.full.display().to_string(), why);
        self.unfinished.as_file().sync_all().map_err(failed)?;
        self.unfinished.persist(&self.full).map_err(|why| failed(why.error))?;
        Ok(Version(format!("{:032x}", self.hasher.digest128())))
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
