//! Reading by lines.

use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr_iter;

use super::content::{Blocks, Window};
use super::{Chunk, LONGEST, MOST_LINES, Reader, SMALL};
use crate::error::{Error, Result};
use crate::path::StorePath;
use crate::store::{Object, Store};
use crate::text::{LineIndex, LineIndexBuilder, segments};

/// Lines that are asked for: the first, 0-based, and how many.
#[derive(Clone, Copy)]
struct Wanted {
    first: u64,
    count: u64,
}

pub(super) async fn read(reader: &Reader, path: &StorePath, start: i64, count: u64) -> Result<Chunk> {
    if start == 0 || !(1..=MOST_LINES).contains(&count) {
        let (start, count) = (start.unsigned_abs(), count);
        return Err(Error::InvalidLines { path: path.to_string(), start, count, most: MOST_LINES });
    }
    let store = reader.store.as_ref();
    let object = store.stat(path).await?;
    let (mut index, mut stale) = if object.size > SMALL { reader.index(&object).await } else { (None, false) };
    // A negative start needs all lines counted; for a small file that is one read.
    if index.is_none() && (start < 0 || object.size <= SMALL) {
        index = Some(reader.keep_if_large(&object, build(store, &object).await?));
    }
    let mut chunk = match (index, u64::try_from(start)) {
        (Some(index), _) => {
            let first = match u64::try_from(start) {
                Ok(start) => start - 1,
                Err(_) => index.lines().saturating_sub(start.unsigned_abs()),
            };
            let wanted = Wanted { first, count };
            match with_index(store, &object, &index, wanted).await? {
                Some(chunk) => chunk,
                None => {
                    // The bytes are not those of the index.
                    reader.forget(path);
                    stale = true;
                    let index = Arc::new(build(store, &object).await?);
                    let first = if start < 0 { index.lines().saturating_sub(start.unsigned_abs()) } else { first };
                    let found = with_index(store, &object, &index, Wanted { first, count }).await?;
                    found.ok_or_else(|| changed(path))?
                }
            }
        }
        (None, Ok(start)) => in_order(store, &object, Wanted { first: start - 1, count }).await?,
        // A negative start has had its index built above.
        (None, Err(_)) => return Err(changed(path)),
    };
    chunk.stale_index = stale;
    Ok(chunk)
}

impl Reader {
    fn keep_if_large(&self, object: &Object, index: LineIndex) -> Arc<LineIndex> {
        if object.size > SMALL { self.keep(&object.path, index) } else { Arc::new(index) }
    }
}

fn changed(path: &StorePath) -> Error {
    let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "the file changed while it was read");
    Error::Io { path: path.to_string(), source }
}

/// Counts the lines of a file.
async fn build(store: &dyn Store, object: &Object) -> Result<LineIndex> {
    let mut blocks = Blocks::open(store, &object.path).await?;
    let mut builder = LineIndexBuilder::default();
    while let Some((start, data)) = blocks.next().await? {
        builder.add(segments(start, &data), !data.ends_with(b"\n"));
    }
    Ok(builder.finish(object.size, object.version.clone()))
}

/// Reads the segments that hold the lines. `None` if their bytes are not those that the index is of.
async fn with_index(store: &dyn Store, object: &Object, index: &LineIndex, wanted: Wanted) -> Result<Option<Chunk>> {
    let Some((found, before)) = index.locate(wanted.first, wanted.first.saturating_add(wanted.count)) else {
        let window = Window::open(store, object, object.size, object.size).await?;
        let size = index.size;
        return Ok(Some(Chunk { lines: Some(index.lines()), ..behind(&window, size) }));
    };
    // Where a line ends, or that it goes on, shows within the longest chunk.
    let from = found[0].start;
    let enough = found.partition_point(|segment| segment.start <= from + LONGEST + u64::from(found[0].len)).max(1);
    let found = &found[..enough];
    let to = found[found.len() - 1].end();
    let mut window = Window::open(store, object, from, to).await?;
    window.reach(from, to).await?;
    if found.iter().any(|segment| !segment.holds(window.slice(segment.start, segment.end()))) {
        return Ok(None);
    }
    let mut take = Take::new(wanted, before);
    take.add(from, window.slice(from, to));
    let mut chunk = take.finish(index.size);
    chunk.compressed = window.compressed;
    chunk.unfinished = window.unfinished.clone();
    chunk.lines = Some(index.lines());
    Ok(Some(chunk))
}

/// An empty chunk at the end of a file.
fn behind(window: &Window<'_>, size: u64) -> Chunk {
    let mut chunk = Take::new(Wanted { first: 0, count: 0 }, 0).finish(size);
    (chunk.start, chunk.end) = (size, size);
    chunk.compressed = window.compressed;
    chunk
}

/// Reads from the start up to the lines.
async fn in_order(store: &dyn Store, object: &Object, wanted: Wanted) -> Result<Chunk> {
    let mut blocks = Blocks::open(store, &object.path).await?;
    let mut take = Take::new(wanted, 0);
    while let Some((start, data)) = blocks.next().await? {
        take.add(start, &data);
        // What a compressed file comes to shows at its end only.
        if take.is_done() && !blocks.is_compressed() {
            let mut chunk = take.finish(object.size);
            chunk.lines = None;
            return Ok(chunk);
        }
    }
    let mut chunk = take.finish(blocks.covered);
    chunk.compressed = blocks.is_compressed();
    chunk.unfinished = blocks.unfinished();
    Ok(chunk)
}

/// Takes lines out of bytes that come in order.
struct Take {
    wanted: Wanted,
    /// Newlines so far.
    newlines: u64,
    start: Option<u64>,
    content: Vec<u8>,
    /// Newlines in `content`.
    taken: u64,
    full: bool,
    ends_open: bool,
    covered: u64,
}

impl Take {
    fn new(wanted: Wanted, newlines: u64) -> Self {
        Self { wanted, newlines, start: None, content: Vec::new(), taken: 0, full: false, ends_open: false, covered: 0 }
    }

    fn is_done(&self) -> bool {
        self.full || (self.start.is_some() && self.taken == self.wanted.count)
    }

    fn add(&mut self, offset: u64, data: &[u8]) {
        let mut rest = data;
        if self.start.is_none() {
            let skip = self.wanted.first - self.newlines.min(self.wanted.first);
            let start = match skip {
                0 => Some(0),
                _ => memchr_iter(b'\n', data).nth(skip as usize - 1).map(|newline| newline + 1),
            };
            if let Some(start) = start.filter(|start| *start < data.len()) {
                self.start = Some(offset + start as u64);
                rest = &data[start..];
            }
        }
        if self.start.is_some() && !self.is_done() {
            let left = (self.wanted.count - self.taken) as usize;
            let mut newlines = memchr_iter(b'\n', rest);
            let end = newlines.nth(left - 1).map_or(rest.len(), |newline| newline + 1);
            self.taken += memchr_iter(b'\n', &rest[..end]).count() as u64;
            self.content.extend_from_slice(&rest[..end]);
            self.full = self.content.len() as u64 > LONGEST;
        }
        self.newlines += memchr_iter(b'\n', data).count() as u64;
        self.ends_open = data.last().is_some_and(|byte| *byte != b'\n');
        self.covered = offset + data.len() as u64;
    }

    fn finish(mut self, size: u64) -> Chunk {
        // Too much: whole lines that fit, or a piece of the one line that does not.
        if self.content.len() as u64 > LONGEST {
            self.content.truncate(LONGEST as usize);
            if let Some(newline) = memchr::memrchr(b'\n', &self.content) {
                self.content.truncate(newline + 1);
            }
            self.taken = memchr_iter(b'\n', &self.content).count() as u64;
        }
        let start = self.start.unwrap_or(size);
        let end = start + self.content.len() as u64;
        let open = self.content.last().is_some_and(|byte| *byte != b'\n');
        let lines = self.taken + u64::from(open);
        Chunk {
            start,
            end,
            size,
            start_line: (lines > 0).then_some(self.wanted.first + 1),
            end_line: (lines > 0).then_some(self.wanted.first + lines),
            lines: (self.covered == size).then_some(self.newlines + u64::from(self.ends_open)),
            starts_inside_line: false,
            ends_inside_line: open && end < size,
            content: Bytes::from(self.content),
            compressed: false,
            unfinished: None,
            stale_index: false,
        }
    }
}
