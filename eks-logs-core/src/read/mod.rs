//! Any part of any file, exactly: by bytes or by lines, whole lines, from any store, with few ranged reads.
//!
//! # Chunks
//!
//! A file has boundaries: its start, its end, behind each newline, and in a line that goes on for more than [`LONGEST`] bytes every
//! place that far behind the line's start. Both ends of a range snap forward to the next boundary, by the same rule, so that
//! consecutive ranges tile the file: no gap, no overlap, whatever the bytes. A chunk has [`LONGEST`] bytes at the most; the next one
//! starts at its [`Chunk::end`].
//!
//! A file that is compressed inside the bundle is read as what it holds: offsets and lines are those of its decompressed content.

mod content;
mod lines;
mod range;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::bundle::Located;
use crate::error::Result;
use crate::path::StorePath;
use crate::store::{ByteRange, Object, Store, Version};
use crate::text::LineIndex;

/// The most bytes of one chunk (5 MiB).
pub const LONGEST: u64 = 5 << 20;
/// Bytes of a chunk whose end is not given (1 MiB).
pub const DEFAULT_BYTES: u64 = 1 << 20;
/// Lines of a chunk whose number is not given.
pub const DEFAULT_LINES: u64 = 1000;
/// The most lines of one chunk.
pub const MOST_LINES: u64 = 10_000;
/// Files up to this size are read whole: an index would cost more than it saves.
const SMALL: u64 = 1 << 20;
/// Line indexes that a reader keeps.
const KEPT: usize = 32;

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes.
    pub content: Bytes,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte: where the next chunk starts.
    pub end: u64,
    /// Bytes of the file.
    pub size: u64,
    /// The first line, 1-based, where lines were counted and there is one.
    pub start_line: Option<u64>,
    /// The last line, 1-based.
    pub end_line: Option<u64>,
    /// Lines of the file, where that is known.
    pub lines: Option<u64>,
    /// The chunk starts inside a line.
    pub starts_inside_line: bool,
    /// The chunk ends inside a line: a line longer than [`LONGEST`], in pieces.
    pub ends_inside_line: bool,
    /// The file is compressed inside the bundle.
    pub compressed: bool,
    /// Why the end of the file is missing, if it is: `size` is then what can be read.
    pub unfinished: Option<String>,
    /// A stored line index was there and was not of this content.
    pub stale_index: bool,
}

/// Reads the files of one bundle. Keeps what it learns about them.
#[derive(Debug)]
pub struct Reader {
    store: Arc<dyn Store>,
    root: StorePath,
    indexes: Mutex<BTreeMap<StorePath, Arc<LineIndex>>>,
}

impl Reader {
    /// A reader of this bundle's files.
    pub fn new(bundle: &Located) -> Self {
        Self { store: Arc::clone(&bundle.store), root: bundle.root.clone(), indexes: Mutex::new(BTreeMap::new()) }
    }

    /// From `start` to before `end` (default: [`DEFAULT_BYTES`] further), both snapped forward to a boundary. Costs one look at the
    /// file's size and one ranged read, unless a line at either end is longer than 16 KiB.
    ///
    /// # Errors
    /// [`crate::Error::InvalidRange`] for a range that starts behind the end of the file or ends before it starts.
    pub async fn bytes(&self, path: &StorePath, start: u64, end: Option<u64>) -> Result<Chunk> {
        range::snapped(self.store.as_ref(), path, start, end).await
    }

    /// Exactly these bytes ([`LONGEST`] at the most), wherever lines start: what evidence cites.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub async fn exact(&self, path: &StorePath, start: u64, end: u64) -> Result<Chunk> {
        range::exact(self.store.as_ref(), path, start, end).await
    }

    /// `count` lines from line `start` on: 1-based, or negative from the end (-1 is the last line). With a line index a few ranged
    /// reads; without one the file is read up to the lines, or for a negative start to its end.
    ///
    /// # Errors
    /// [`crate::Error::InvalidRange`] for line 0 and for no or more than [`MOST_LINES`] lines.
    pub async fn lines(&self, path: &StorePath, start: i64, count: u64) -> Result<Chunk> {
        lines::read(self, path, start, count).await
    }

    /// Where the index of this file's lines is stored.
    pub fn index_path(root: &StorePath, path: &StorePath) -> Option<StorePath> {
        let below = path.below(root)?;
        root.join(&format!("{}/{below}.json", crate::bundle::records::LINE_INDEX)).ok()
    }

    /// What is known of a file's lines: kept, or stored and of this content. The flag tells of a stored one that is not.
    async fn index(&self, object: &Object) -> (Option<Arc<LineIndex>>, bool) {
        if let Some(kept) = self.kept().get(&object.path) {
            return (Some(Arc::clone(kept)), false);
        }
        // In an archive nothing of ours is stored, and looking for it would read all of it.
        if self.store.is_sequential() {
            return (None, false);
        }
        let below = object.path.below(&self.root);
        let Some((at, below)) = Self::index_path(&self.root, &object.path).zip(below) else { return (None, false) };
        let Ok(json) = self.store.get(&at, ByteRange::WHOLE).await else { return (None, false) };
        let fits = |index: &LineIndex| {
            let other = |known: &Version| object.version.as_ref().is_some_and(|version| version != known);
            index.stored_size == object.size && !index.version.as_ref().is_some_and(other)
        };
        match LineIndex::from_json(&json, below.as_str()).filter(fits) {
            Some(index) => (Some(self.keep(&object.path, index)), false),
            None => (None, true),
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<StorePath, Arc<LineIndex>>> {
        // A panic elsewhere cannot leave the map half changed: every change is one call.
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, path: &StorePath, index: LineIndex) -> Arc<LineIndex> {
        let index = Arc::new(index);
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.pop_first();
        }
        kept.insert(path.clone(), Arc::clone(&index));
        index
    }

    fn forget(&self, path: &StorePath) {
        self.kept().remove(path);
    }
}
