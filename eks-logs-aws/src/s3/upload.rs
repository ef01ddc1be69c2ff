//! Objects of any size, in parts.

use async_trait::async_trait;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use bytes::{Bytes, BytesMut};
use eks_logs_core::{Error, Object, PutMode, Result, Store as _, StorePath, StoreWriter as _, Upload, Version};
use tokio::task::JoinSet;

use super::{Encryption, S3Store};
use crate::error::Asked;

/// Bytes of a part; S3 wants 5 MiB at least.
const PART: usize = 8 << 20;
/// From this part on parts are larger, because there may be 10 000 at the most: 8 GiB in small ones, 280 GiB in large ones.
const LARGE_FROM: i32 = 1001;
const LARGE_PART: usize = 32 << 20;
/// Parts on their way at a time.
const IN_FLIGHT: usize = 3;

/// An upload: one put if it stays small, else a multipart upload.
pub(super) struct Parts<'a> {
    store: &'a S3Store,
    path: StorePath,
    buffer: BytesMut,
    /// The multipart upload, once there is one.
    id: Option<String>,
    next: i32,
    written: u64,
    sending: JoinSet<Result<CompletedPart>>,
    sent: Vec<CompletedPart>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(store: &'a S3Store, path: StorePath) -> Self {
        let (buffer, sending) = (BytesMut::new(), JoinSet::new());
        Self { store, path, buffer, id: None, next: 1, written: 0, sending, sent: Vec::new() }
    }

    fn part_size(&self) -> usize {
        if self.next < LARGE_FROM { PART } else { LARGE_PART }
    }

    fn key(&self) -> (String, String) {
        let location = &self.store.inner.location;
        (location.bucket.clone(), location.key(&self.path))
    }

    async fn id(&mut self) -> Result<String> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let uri = self.store.uri(&self.path);
        let asked = Asked { path: &uri, action: "s3:PutObject" };
        let (bucket, key) = self.key();
        let created = self
            .store
            .ask(&asked, |client| {
                let create = client.create_multipart_upload().bucket(&bucket).key(&key);
                let create = create.checksum_algorithm(ChecksumAlgorithm::Crc32);
                match &self.store.inner.encryption {
                    Encryption::BucketDefault => create,
                    Encryption::Kms(kms) => {
                        create.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(kms)
                    }
                }
                .send()
            })
            .await?;
        let id = created.upload_id().unwrap_or_default().to_owned();
        Ok(self.id.insert(id).clone())
    }

    /// Sends a part, when there is room for it.
    async fn send(&mut self, content: Bytes) -> Result<()> {
        let id = self.id().await?;
        while self.sending.len() >= IN_FLIGHT {
            self.arrived().await?;
        }
        let number = self.next;
        self.next += 1;
        let (store, uri) = (self.store.clone(), self.store.uri(&self.path));
        let (bucket, key) = self.key();
        self.sending.spawn(async move {
            let asked = Asked { path: &uri, action: "s3:PutObject" };
            let part = store
                .ask(&asked, |client| {
                    let body = aws_sdk_s3::primitives::ByteStream::from(content.clone());
                    let part = client.upload_part().bucket(&bucket).key(&key).upload_id(&id).part_number(number);
                    part.checksum_algorithm(ChecksumAlgorithm::Crc32).body(body).send()
                })
                .await?;
            let checksum = part.checksum_crc32().map(str::to_owned);
            let part = CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).set_checksum_crc32(checksum);
            Ok(part.build())
        });
        Ok(())
    }

    /// Waits for one part.
    async fn arrived(&mut self) -> Result<()> {
        let Some(part) = self.sending.join_next().await else { return Ok(()) };
        let part = part.map_err(|why| Error::Unavailable {
            path: self.store.uri(&self.path),
            detail: format!("sending a part was stopped: {why}"),
        })?;
        self.sent.push(part?);
        Ok(())
    }

    /// Gives the parts back, that nobody pays for them.
    async fn give_up(&mut self) -> Result<()> {
        self.sending.shutdown().await;
        let Some(id) = self.id.take() else { return Ok(()) };
        let uri = self.store.uri(&self.path);
        let asked = Asked { path: &uri, action: "s3:AbortMultipartUpload" };
        let (bucket, key) = self.key();
        self.store
            .ask(&asked, |client| client.abort_multipart_upload().bucket(&bucket).key(&key).upload_id(&id).send())
            .await
            .map(|_| ())
    }

    async fn complete(&mut self) -> Result<Version> {
        let rest = self.buffer.split().freeze();
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        while !self.sending.is_empty() {
            self.arrived().await?;
        }
        self.sent.sort_by_key(CompletedPart::part_number);
        let id = self.id().await?;
        let uri = self.store.uri(&self.path);
        let asked = Asked { path: &uri, action: "s3:PutObject" };
        let (bucket, key) = self.key();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.sent.clone())).build();
        let done = self
            .store
            .ask(&asked, |client| {
                let complete = client.complete_multipart_upload().bucket(&bucket).key(&key).upload_id(&id);
                complete.multipart_upload(parts.clone()).send()
            })
            .await;
        match done {
            Ok(done) => super::version(done.e_tag()).ok_or_else(|| self.store.no_etag(&self.path)),
            // An upload that was completed is gone: the answer to an earlier attempt got lost, if the object is there.
            Err(why @ Error::NotFound { .. }) => match self.store.head(&self.path).await {
                Ok(Object { size, version: Some(version), .. }) if size == self.written => Ok(version),
                _ => Err(why),
            },
            Err(why) => Err(why),
        }
    }
}

#[async_trait]
impl Upload for Parts<'_> {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.buffer.extend_from_slice(&piece);
        self.written += piece.len() as u64;
        while self.buffer.len() > self.part_size() {
            let part = self.buffer.split_to(self.part_size()).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Version> {
        if self.id.is_none() {
            let content = self.buffer.split().freeze();
            return self.store.put(&self.path, content, PutMode::Overwrite).await;
        }
        match self.complete().await {
            Ok(version) => Ok(version),
            Err(why) => {
                // What failed first is what counts.
                let _ = self.give_up().await;
                Err(why)
            }
        }
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.give_up().await
    }
}
