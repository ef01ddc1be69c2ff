//! The storage port: where bundles and our own records live.
//!
//! The primitives are few and object safe; what can be built from them is in [`StoreExt`]. Reading and writing are separate traits,
//! so that a tool that reads holds nothing that could write. [`Store::walk`] is the one way in which a scan reads: every file below
//! a prefix once, front to back, in pieces of a fixed size, so that an archive is decompressed a single time and memory does not
//! grow with the size of a file.
//!
//! A local directory and an archive read with blocking calls on the task that awaits them. A server runs a scan on a blocking thread.

mod ext;
mod local;
mod memory;
mod unlinked;
mod upload;
mod walk;

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use futures_lite::StreamExt as _;
use jiff::Timestamp;

pub use ext::StoreExt;
pub use local::LocalStore;
pub(crate) use local::file_state;
pub use memory::MemoryStore;
pub use upload::Upload;
pub use walk::{FileEnd, FileSink, Flow, Refusal, RefusalReason};

use crate::error::Result;
use crate::path::StorePath;

/// Objects, as they are found.
pub type ObjectStream<'a> = Pin<Box<dyn Stream<Item = Result<Object>> + Send + 'a>>;
/// The bytes of one object, in order.
pub type ByteStream<'a> = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + 'a>>;

/// Marks one state of an object; equal exactly when the content is. What it looks like is the store's own business.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// One stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Where it is.
    pub path: StorePath,
    /// Its size in bytes.
    pub size: u64,
    /// The state it is in, where the store knows it without reading.
    pub version: Option<Version>,
}

/// One level of a store: the directories (common prefixes) and the objects in it, each sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Children {
    /// Directories, as paths from the root of the store.
    pub directories: Vec<StorePath>,
    /// Objects.
    pub objects: Vec<Object>,
}

impl Children {
    /// Keeps what has a name behind `after`, and of that the first `most` in the order of names ([`Store::children_after`]).
    pub fn keep_after(&mut self, after: &str, most: usize) {
        let of = |path: &StorePath| format!("{}/", path.name());
        self.directories.retain(|path| of(path).as_str() > after);
        self.objects.retain(|object| object.path.name() > after);
        let objects = self.objects.iter().map(|object| object.path.name().to_owned());
        let mut names: Vec<String> = self.directories.iter().map(of).chain(objects).collect();
        names.sort();
        if let Some(first_left_out) = names.get(most) {
            self.directories.retain(|path| of(path) < *first_left_out);
            self.objects.retain(|object| object.path.name() < first_left_out.as_str());
        }
    }
}

/// A range of bytes: from `start` to before `end`, or to the end of the object. An end beyond the object is the object's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// One past the last byte; `None` reads to the end.
    pub end: Option<u64>,
}

impl ByteRange {
    /// The whole object.
    pub const WHOLE: Self = Self { start: 0, end: None };

    /// From `start` to before `end`.
    pub fn new(start: u64, end: u64) -> Self {
        Self { start, end: Some(end) }
    }

    /// From `start` to the end of the object.
    pub fn starting_at(start: u64) -> Self {
        Self { start, end: None }
    }

    /// The range within an object of `size` bytes; an error if it starts behind its end or ends before its start.
    pub fn within(self, path: &StorePath, size: u64) -> Result<std::ops::Range<u64>> {
        let end = self.end.unwrap_or(size).min(size);
        if self.start > size || self.end.is_some_and(|end| end < self.start) {
            return Err(crate::Error::InvalidRange {
                path: path.to_string(),
                start: self.start,
                end: self.end.unwrap_or(size),
                size,
            });
        }
        Ok(self.start..end.max(self.start))
    }
}

/// Reads bundles and records.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Where the store is, for people: a path, a URL.
    fn locator(&self) -> String;

    /// Every object below `prefix`, sorted by path. Links, devices and names that no path can hold are left out ([`Store::walk`]
    /// names them).
    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a>;

    /// One level below `prefix`.
    async fn children(&self, prefix: &StorePath) -> Result<Children>;

    /// Size and version of one object.
    async fn head(&self, path: &StorePath) -> Result<Object>;

    /// Size of one object, and its version if the store knows that without reading the object.
    async fn stat(&self, path: &StorePath) -> Result<Object> {
        self.head(path).await
    }

    /// A range of one object, in one piece.
    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes>;

    /// A range of one object, in pieces of bounded size.
    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>>;

    /// A mark that changes when anything below `prefix` does, where the store can tell without reading content; `None` where it cannot.
    /// What was worked out from the files may be kept as long as it stays the same.
    async fn state(&self, prefix: &StorePath) -> Result<Option<Version>> {
        let _ = prefix;
        Ok(None)
    }

    /// Reads every file below `prefix` once, front to back. A file that cannot be read is told to the sink and the walk goes on; an
    /// error means that the walk itself could not go on.
    async fn walk(&self, prefix: &StorePath, sink: &mut dyn FileSink) -> Result<()> {
        let mut objects = self.list(prefix);
        while let Some(object) = objects.next().await {
            walk::stream_into(self, &object?, sink).await?;
        }
        Ok(())
    }

    /// True where listing means reading everything, as in an archive.
    fn is_sequential(&self) -> bool {
        false
    }

    /// The local file that is, or holds, this object.
    fn local_file(&self, path: &StorePath) -> Option<PathBuf> {
        let _ = path;
        None
    }

    /// What makes links to objects, where the store can.
    fn presign(&self) -> Option<&dyn Presign> {
        None
    }

    /// One level below `directory`, as [`Store::children`], of what has a name that begins with `beginning`. A bucket of thousands of
    /// bundles answers this for one node without listing the others.
    async fn children_named(&self, directory: &StorePath, beginning: &str) -> Result<Children> {
        let mut children = self.children(directory).await?;
        children.directories.retain(|path| path.name().starts_with(beginning));
        children.objects.retain(|object| object.path.name().starts_with(beginning));
        Ok(children)
    }

    /// One level below `directory`, as [`Store::children`], of what has a name behind `after`: the first `most` in the order of their
    /// names, a directory's with a slash at its end. Fewer are all that there are. A bucket of thousands of bundles answers this with one
    /// page.
    async fn children_after(&self, directory: &StorePath, after: &str, most: usize) -> Result<Children> {
        let mut children = self.children(directory).await?;
        children.keep_after(after, most);
        Ok(children)
    }

    /// When an object was last written, where the store knows. It orders bundles whose names do not tell when they were collected.
    async fn modified(&self, path: &StorePath) -> Result<Option<Timestamp>> {
        let _ = path;
        Ok(None)
    }
}

/// Makes links with which one object can be fetched without credentials, for a while.
#[async_trait]
pub trait Presign: Send + Sync {
    /// A link to the object that holds for `expires` from now on.
    async fn presign_get(&self, path: &StorePath, expires: Duration) -> Result<Presigned>;
}

/// A link to one object.
#[derive(Clone, PartialEq, Eq)]
pub struct Presigned {
    /// The link: a secret as long as it holds.
    pub url: String,
    /// When it ends to hold.
    pub expires_at: Timestamp,
    /// The object as its store names it: `s3://bucket/key`.
    pub uri: String,
}

impl fmt::Debug for Presigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presigned")
            .field("uri", &self.uri)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// On what a write depends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Whatever is there is replaced.
    Overwrite,
    /// Only if nothing is there.
    Create,
    /// Only if what is there is still in this state.
    Match(Version),
}

/// Writes records. A put is whole or not at all: no reader ever sees half of one.
#[async_trait]
pub trait StoreWriter: Store {
    /// Stores `content` at `path` and returns its version; [`crate::Error::Precondition`] if `mode` does not hold.
    async fn put(&self, path: &StorePath, content: Bytes, mode: PutMode) -> Result<Version>;

    /// Begins an object that is written piece by piece, of any size; it replaces what is there when it is finished, and nothing of it
    /// is seen before. A store that has no better way keeps the pieces in memory.
    async fn upload<'a>(&'a self, path: &StorePath) -> Result<Box<dyn Upload + 'a>> {
        Ok(Box::new(upload::Kept::new(self, path.clone())))
    }
}
