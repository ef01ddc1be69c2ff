use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::{StreamExt as _, stream};

use crate::store::{ByteStream, Children, ObjectStream};
use crate::{ByteRange, Error, Object, Result, Store, StorePath};

/// A store around another in which chosen objects fail: refused outright, or broken off in the middle.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    denied: BTreeSet<StorePath>,
    broken: BTreeSet<StorePath>,
}

impl<S: Store> FaultyStore<S> {
    /// Wraps a store; without faults it behaves as that store does.
    pub fn new(inner: S) -> Self {
        Self { inner, denied: BTreeSet::new(), broken: BTreeSet::new() }
    }

    /// Reading this object is denied.
    #[must_use]
    pub fn deny(mut self, path: StorePath) -> Self {
        self.denied.insert(path);
        self
    }

    /// Reading this object breaks off after half of its bytes.
    #[must_use]
    pub fn break_off(mut self, path: StorePath) -> Self {
        self.broken.insert(path);
        self
    }

    fn check(&self, path: &StorePath) -> Result<()> {
        if self.denied.contains(path) { Err(Error::Denied { path: path.to_string() }) } else { Ok(()) }
    }
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    fn locator(&self) -> String {
        self.inner.locator()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        self.inner.list(prefix)
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children> {
        self.inner.children(prefix).await
    }

    async fn head(&self, path: &StorePath) -> Result<Object> {
        self.check(path)?;
        self.inner.head(path).await
    }

    async fn stat(&self, path: &StorePath) -> Result<Object> {
        self.check(path)?;
        self.inner.stat(path).await
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        self.check(path)?;
        self.inner.get(path, range).await
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        self.check(path)?;
        if !self.broken.contains(path) {
            return self.inner.stream(path, range).await;
        }
        let half = self.inner.head(path).await?.size / 2;
        let beginning = self.inner.get(path, ByteRange::new(0, half)).await;
        let source =
            std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset in the middle of the body");
        let broken = Err(Error::Io { path: path.to_string(), source });
        Ok(Box::pin(stream::iter([beginning, broken]).boxed()))
    }
}
