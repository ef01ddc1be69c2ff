use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use super::{PutMode, StoreWriter, Version};
use crate::error::Result;
use crate::path::StorePath;

/// An object that is being written. Dropping it leaves nothing behind that a reader sees.
#[async_trait]
pub trait Upload: Send {
    /// Adds bytes at the end. May wait until earlier ones are on their way.
    async fn write(&mut self, piece: Bytes) -> Result<()>;

    /// Makes the object visible, whole.
    async fn finish(self: Box<Self>) -> Result<Version>;

    /// Gives up what was written so far, and what the store keeps for it.
    async fn abort(self: Box<Self>) -> Result<()>;
}

/// Keeps all pieces until the end.
pub(super) struct Kept<'a, S: ?Sized> {
    store: &'a S,
    path: StorePath,
    content: BytesMut,
}

impl<'a, S: StoreWriter + ?Sized> Kept<'a, S> {
    pub(super) fn new(store: &'a S, path: StorePath) -> Self {
        Self { store, path, content: BytesMut::new() }
    }
}

#[async_trait]
impl<S: StoreWriter + ?Sized> Upload for Kept<'_, S> {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.content.extend_from_slice(&piece);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Version> {
        self.store.put(&self.path, self.content.freeze(), PutMode::Overwrite).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
