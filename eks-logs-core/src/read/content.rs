//! The content of a file, compressed inside the bundle or not, as a window that grows.

use futures_lite::StreamExt as _;

use crate::error::Result;
use crate::path::StorePath;
use crate::store::{ByteRange, Object, Store};
use crate::text::{BLOCK, Feed, GZIP_MAGIC};

/// Bytes that are looked at to tell text from compressed data.
const SAMPLE: usize = 4 << 10;
/// What is kept around a window of compressed content: it costs a pass over the file to get.
const AROUND: u64 = super::LONGEST + (64 << 10);

/// A part of a file's content that is in memory, and what is known of the whole.
pub(super) struct Window<'a> {
    store: &'a dyn Store,
    path: &'a StorePath,
    /// Bytes of the content.
    pub(super) size: u64,
    pub(super) compressed: bool,
    pub(super) unfinished: Option<String>,
    from: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    /// Opens a file at the bytes from `from` to before `to`.
    pub(super) async fn open(store: &'a dyn Store, object: &'a Object, from: u64, to: u64) -> Result<Self> {
        let Object { path, size, .. } = object;
        let mut window =
            Self { store, path, size: *size, compressed: false, unfinished: None, from: 0, bytes: Vec::new() };
        if from < *size {
            window.from = from;
            // The first bytes of a file tell whether it is compressed.
            let to = to.max(GZIP_MAGIC.len() as u64).min(*size);
            window.bytes = store.get(path, ByteRange::new(from, to.max(from))).await?.to_vec();
        }
        // A file that is compressed may have any name; the bytes of one never look like text.
        let head = if from == 0 {
            window.bytes.get(..GZIP_MAGIC.len()).map(<[u8]>::to_vec)
        } else if path.as_str().contains(".gz") || from >= *size || !is_text(&window.bytes) {
            Some(store.get(path, ByteRange::new(0, (GZIP_MAGIC.len() as u64).min(*size))).await?.to_vec())
        } else {
            None
        };
        if *size > GZIP_MAGIC.len() as u64 && head.is_some_and(|head| head.starts_with(&GZIP_MAGIC)) {
            window.compressed = true;
            window.decode(from, to).await?;
        }
        Ok(window)
    }

    /// Bytes that are in memory.
    pub(super) fn to(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }

    pub(super) fn path(&self) -> &StorePath {
        self.path
    }

    /// The bytes from `from` to before `to`, which must be in memory.
    pub(super) fn slice(&self, from: u64, to: u64) -> &[u8] {
        let at = |offset: u64| (offset.saturating_sub(self.from) as usize).min(self.bytes.len());
        &self.bytes[at(from)..at(to).max(at(from))]
    }

    /// Brings the bytes from `from` to before `to` into memory, what there is of them.
    pub(super) async fn reach(&mut self, from: u64, to: u64) -> Result<()> {
        let to = to.min(self.size);
        let from = from.min(to);
        if from >= self.from && to <= self.to() {
            return Ok(());
        }
        if self.compressed {
            return self.decode(from.min(self.from), to.max(self.to())).await;
        }
        if from < self.from {
            let mut bytes = self.store.get(self.path, ByteRange::new(from, self.from)).await?.to_vec();
            bytes.append(&mut self.bytes);
            (self.from, self.bytes) = (from, bytes);
        }
        if to > self.to() {
            let more = self.store.get(self.path, ByteRange::new(self.to(), to)).await?;
            self.bytes.extend_from_slice(&more);
        }
        Ok(())
    }

    /// One pass over compressed content, of which the window and something around it is kept.
    async fn decode(&mut self, from: u64, to: u64) -> Result<()> {
        let (from, to) = (from.saturating_sub(AROUND), to.saturating_add(AROUND));
        let mut kept = Vec::new();
        let mut blocks = Blocks::open(self.store, self.path).await?;
        while let Some((start, data)) = blocks.next().await? {
            let end = start + data.len() as u64;
            if start < to && end > from {
                let cut = |offset: u64| (offset.clamp(start, end) - start) as usize;
                kept.extend_from_slice(&data[cut(from)..cut(to)]);
            }
        }
        self.size = blocks.covered;
        self.unfinished = blocks.unfinished();
        (self.from, self.bytes) = (from.min(self.size), kept);
        Ok(())
    }
}

/// The content of a file in order, in blocks of whole lines where lines are not too long.
pub(super) struct Blocks<'a> {
    stream: crate::store::ByteStream<'a>,
    piece: bytes::Bytes,
    feed: Feed,
    spare: Vec<Vec<u8>>,
    /// Bytes so far.
    pub(super) covered: u64,
    done: bool,
}

impl<'a> Blocks<'a> {
    pub(super) async fn open(store: &'a dyn Store, path: &'a StorePath) -> Result<Self> {
        let stream = store.stream(path, ByteRange::WHOLE).await?;
        let mut feed = Feed::holding(BLOCK);
        feed.begin(Vec::new(), 0);
        let piece = bytes::Bytes::new();
        Ok(Self { stream, piece, feed, spare: Vec::new(), covered: 0, done: false })
    }

    /// The next bytes, and the offset of the first.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        loop {
            if let Some(cut) = self.feed.next(&mut self.spare) {
                // Pieces of an overlong line overlap.
                let repeated = (self.covered - cut.start) as usize;
                let mut data = cut.data;
                data.drain(..repeated);
                let start = self.covered;
                self.covered += data.len() as u64;
                return Ok(Some((start, data)));
            }
            if self.done {
                return Ok(None);
            }
            if self.piece.is_empty() && self.feed.unfinished().is_none() {
                match self.stream.next().await {
                    Some(piece) => self.piece = piece?,
                    None => self.done = true,
                }
            }
            if self.done || self.feed.unfinished().is_some() {
                self.done = true;
                self.feed.end();
                continue;
            }
            let space = self.feed.space();
            let count = space.len().min(self.piece.len());
            space[..count].copy_from_slice(&self.piece.split_to(count));
            self.feed.filled(count);
        }
    }

    /// Why the content ends early.
    pub(super) fn unfinished(&self) -> Option<String> {
        self.feed.unfinished().map(|unfinished| unfinished.0.clone())
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.feed.is_compressed()
    }
}

/// Whether bytes may be (a part of) text: UTF-8 without NUL, a cut character at either end aside.
fn is_text(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let start = sample.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    let sample = &sample[start..];
    let valid = match std::str::from_utf8(sample) {
        Ok(_) => true,
        Err(why) => why.error_len().is_none() && sample.len() - why.valid_up_to() < 4,
    };
    valid && !sample.contains(&0)
}
