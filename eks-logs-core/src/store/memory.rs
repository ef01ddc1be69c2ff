use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::stream;
use xxhash_rust::xxh3::xxh3_128;

use super::{ByteRange, ByteStream, Children, Object, ObjectStream, PutMode, Store, StoreWriter, Version};
use crate::error::{Error, Result};
use crate::path::StorePath;

/// A store in memory: for tests and for bundles that never touch a disk.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<StorePath, Bytes>>,
}

/// The version of some content: its hash.
pub(super) fn content_version(content: &[u8]) -> Version {
    Version(format!("{:032x}", xxh3_128(content)))
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces an object.
    pub fn insert(&self, path: StorePath, content: impl Into<Bytes>) {
        self.lock().insert(path, content.into());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StorePath, Bytes>> {
        // A panic elsewhere cannot leave the map half changed: every change is one call.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, path: &StorePath) -> Result<Bytes> {
        self.lock().get(path).cloned().ok_or_else(|| Error::NotFound { path: path.to_string() })
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn locator(&self) -> String {
        "memory:".to_owned()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        let found: Vec<_> = self
            .lock()
            .iter()
            .filter(|(path, _)| path.below(prefix).is_some())
            .map(|(path, content)| Ok(Object { path: path.clone(), size: content.len() as u64, version: None }))
            .collect();
        Box::pin(stream::iter(found))
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children> {
        let mut directories = BTreeSet::new();
        let mut objects = Vec::new();
        for (path, content) in self.lock().iter() {
            let Some(rest) = path.below(prefix) else { continue };
            match rest.split_first() {
                (name, Some(_)) => {
                    directories.insert(prefix.join(name)?);
                }
                (_, None) => {
                    objects.push(Object { path: path.clone(), size: content.len() as u64, version: None });
                }
            }
        }
        Ok(Children { directories: directories.into_iter().collect(), objects })
    }

    async fn head(&self, path: &StorePath) -> Result<Object> {
        let content = self.find(path)?;
        Ok(Object { path: path.clone(), size: content.len() as u64, version: Some(content_version(&content)) })
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        let content = self.find(path)?;
        let range = range.within(path, content.len() as u64)?;
        Ok(content.slice(range.start as usize..range.end as usize))
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        let content = self.get(path, range).await?;
        Ok(Box::pin(stream::once(Ok(content))))
    }
}

#[async_trait]
impl StoreWriter for MemoryStore {
    async fn put(&self, path: &StorePath, content: Bytes, mode: PutMode) -> Result<Version> {
        let version = content_version(&content);
        let mut objects = self.lock();
        let allowed = match (&mode, objects.get(path)) {
            (PutMode::Overwrite, _) | (PutMode::Create, None) => true,
            (PutMode::Create, Some(_)) | (PutMode::Match(_), None) => false,
            (PutMode::Match(wanted), Some(there)) => content_version(there) == *wanted,
        };
        if !allowed {
            return Err(Error::Precondition { path: path.to_string() });
        }
        objects.insert(path.clone(), content);
        Ok(version)
    }
}
