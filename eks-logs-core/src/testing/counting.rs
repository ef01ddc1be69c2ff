use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::StreamExt as _;

use crate::store::{ByteStream, Children, ObjectStream};
use crate::{ByteRange, Object, Result, Store, StorePath};

/// What was asked of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Sizes and versions.
    pub heads: u64,
    /// Ranges, in one piece or streamed.
    pub gets: u64,
    /// Bytes that were handed over.
    pub bytes: u64,
}

/// A store around another that counts what it is asked for, as a bucket would bill it.
#[derive(Debug)]
pub struct CountingStore<S> {
    inner: S,
    heads: AtomicU64,
    gets: AtomicU64,
    bytes: std::sync::Arc<AtomicU64>,
}

impl<S: Store> CountingStore<S> {
    /// Wraps a store.
    pub fn new(inner: S) -> Self {
        Self { inner, heads: AtomicU64::new(0), gets: AtomicU64::new(0), bytes: AtomicU64::new(0).into() }
    }

    /// What was asked since the last call.
    pub fn take(&self) -> Requests {
        Requests {
            heads: self.heads.swap(0, Ordering::Relaxed),
            gets: self.gets.swap(0, Ordering::Relaxed),
            bytes: self.bytes.swap(0, Ordering::Relaxed),
        }
    }

    /// The store that is wrapped.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

#[async_trait]
impl<S: Store> Store for CountingStore<S> {
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
        self.heads.fetch_add(1, Ordering::Relaxed);
        self.inner.head(path).await
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        let content = self.inner.get(path, range).await?;
        self.bytes.fetch_add(content.len() as u64, Ordering::Relaxed);
        Ok(content)
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        let bytes = std::sync::Arc::clone(&self.bytes);
        let inner = self.inner.stream(path, range).await?;
        Ok(inner
            .inspect(move |piece| {
                if let Ok(piece) = piece {
                    bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            })
            .boxed())
    }
}
