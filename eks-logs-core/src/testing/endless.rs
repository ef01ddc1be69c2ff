use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::{StreamExt as _, stream};

use crate::store::{ByteStream, Children, ObjectStream};
use crate::{ByteRange, Error, Object, Result, Store, StorePath};

/// Bytes of the pieces of a stream.
const PIECE: u64 = 1 << 20;

/// A store of one file of any size that takes no room: one text, over and over.
#[derive(Debug)]
pub struct RepeatingStore {
    path: StorePath,
    text: Bytes,
    size: u64,
}

impl RepeatingStore {
    /// A file of `size` bytes; `text` must not be empty.
    pub fn new(path: StorePath, text: impl Into<Bytes>, size: u64) -> Self {
        let text = text.into();
        assert!(!text.is_empty(), "nothing cannot be repeated");
        Self { path, text, size }
    }

    fn object(&self) -> Object {
        Object { path: self.path.clone(), size: self.size, version: None }
    }

    fn bytes(&self, start: u64, end: u64) -> Bytes {
        let period = self.text.len() as u64;
        let mut bytes = Vec::with_capacity((end - start) as usize);
        let mut at = start;
        while at < end {
            let from = (at % period) as usize;
            let count = (self.text.len() - from).min((end - at) as usize);
            bytes.extend_from_slice(&self.text[from..from + count]);
            at += count as u64;
        }
        bytes.into()
    }

    fn check(&self, path: &StorePath) -> Result<()> {
        if *path == self.path { Ok(()) } else { Err(Error::NotFound { path: path.to_string() }) }
    }
}

#[async_trait]
impl Store for RepeatingStore {
    fn locator(&self) -> String {
        "repeating:".to_owned()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        let found = self.path.below(prefix).map(|_| Ok(self.object()));
        Box::pin(stream::iter(found))
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children> {
        let mut children = Children::default();
        if let Some(rest) = self.path.below(prefix) {
            match rest.split_first() {
                (name, Some(_)) => children.directories.push(prefix.join(name)?),
                (_, None) => children.objects.push(self.object()),
            }
        }
        Ok(children)
    }

    async fn head(&self, path: &StorePath) -> Result<Object> {
        self.check(path)?;
        Ok(self.object())
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        self.check(path)?;
        let range = range.within(path, self.size)?;
        Ok(self.bytes(range.start, range.end))
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        self.check(path)?;
        let range = range.within(path, self.size)?;
        let starts = (range.start..range.end).step_by(PIECE as usize);
        Ok(stream::iter(starts).map(move |start| Ok(self.bytes(start, (start + PIECE).min(range.end)))).boxed())
    }
}
