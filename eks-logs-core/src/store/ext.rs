use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::StreamExt as _;

use super::{ByteRange, Object, Store};
use crate::error::Result;
use crate::path::StorePath;

/// What every store can do because it can do the primitives. Implemented for all of them; not for implementing.
#[async_trait]
pub trait StoreExt: Store {
    /// All objects below `prefix`, collected.
    async fn list_all(&self, prefix: &StorePath) -> Result<Vec<Object>> {
        self.list(prefix).try_collect().await
    }

    /// A whole object; for records and other small ones.
    async fn get_all(&self, path: &StorePath) -> Result<Bytes> {
        self.get(path, ByteRange::WHOLE).await
    }
}

impl<S: Store + ?Sized> StoreExt for S {}
