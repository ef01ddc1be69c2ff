//! Bodies, taken up again where they break off.

use std::ops::Range;
use std::pin::Pin;

use aws_sdk_s3::primitives::ByteStream as Body;
use bytes::{Bytes, BytesMut};
use eks_logs_core::store::ByteStream;
use eks_logs_core::{ByteRange, Error, Result, StorePath};
use futures_lite::stream;

use super::{S3Store, answered, meaning};
use crate::error::{Asked, chain};

/// Failures in a row, without a byte between them, after which a body is given up.
const FRUITLESS: u32 = 4;

/// A body and how to go on with it.
pub(super) struct Resumed {
    store: S3Store,
    path: StorePath,
    body: Body,
    /// What is still to come, in bytes of the object.
    left: Range<u64>,
    etag: Option<String>,
    fruitless: u32,
}

impl S3Store {
    /// The body of a range.
    pub(super) async fn body(&self, path: &StorePath, range: ByteRange) -> Result<Resumed> {
        let empty = |left: Range<u64>| Resumed {
            store: self.clone(),
            path: path.clone(),
            body: Body::from_static(b""),
            left,
            etag: None,
            fruitless: 0,
        };
        if range.end.is_some_and(|end| end <= range.start) {
            // A range of no bytes cannot be asked for: the size tells whether it is one.
            let head = self.head_object(path).await?;
            return range.within(path, super::size(head.content_length())).map(empty);
        }
        let asked_range = match (range.start, range.end) {
            (0, None) => None,
            (start, None) => Some(format!("bytes={start}-")),
            (start, Some(end)) => Some(format!("bytes={start}-{}", end - 1)),
        };
        let (bucket, key) = (&self.inner.location.bucket, self.inner.location.key(path));
        let got = self
            .ask_raw(|client| client.get_object().bucket(bucket).key(&key).set_range(asked_range.clone()).send())
            .await;
        let got = match got {
            Ok(got) => got,
            Err(why) if answered(&why).0 == Some(416) => {
                let head = self.head_object(path).await?;
                let whole = super::size(head.content_length());
                let range = range.within(path, whole)?;
                return Ok(empty(whole..range.end.min(whole)));
            }
            Err(why) => return Err(meaning(&Asked { path: &self.uri(path), action: "s3:GetObject" }, &why)),
        };
        // Content-Length is the length of this answer, whatever the object's.
        let length = super::size(got.content_length());
        Ok(Resumed {
            store: self.clone(),
            path: path.clone(),
            left: range.start..range.start + length,
            etag: got.e_tag().map(str::to_owned),
            body: got.body,
            fruitless: 0,
        })
    }

    pub(super) async fn read_whole(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        let mut body = self.body(path, range).await?;
        let length = body.left.end.saturating_sub(body.left.start);
        // The length is what a server claims: more than some megabytes are only reserved as they come.
        let mut content = BytesMut::with_capacity(usize::try_from(length).unwrap_or(0).min(16 << 20));
        while let Some(piece) = body.next().await? {
            content.extend_from_slice(&piece);
        }
        Ok(content.freeze())
    }
}

impl Resumed {
    /// The next bytes.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.left.start < self.left.end {
            let why = match self.body.try_next().await {
                Ok(Some(piece)) if piece.is_empty() => continue,
                Ok(Some(mut piece)) => {
                    let most = usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX);
                    piece.truncate(most);
                    self.left.start += piece.len() as u64;
                    self.fruitless = 0;
                    return Ok(Some(piece));
                }
                Ok(None) => "the connection ended before the object did".to_owned(),
                Err(why) => chain(&why),
            };
            self.resume(why).await?;
        }
        Ok(None)
    }

    /// Asks for the rest of the same version.
    async fn resume(&mut self, why: String) -> Result<()> {
        let uri = self.store.uri(&self.path);
        self.fruitless += 1;
        if self.fruitless > FRUITLESS {
            let at = self.left.start;
            return Err(Error::Unavailable {
                path: uri,
                detail: format!("it broke off at byte {at} again and again: {why}"),
            });
        }
        tracing::debug!(uri, at = self.left.start, why, "a body broke off");
        let pause = self.store.inner.patience.first_pause * (1 << (self.fruitless - 1));
        tokio::time::sleep(pause).await;
        let location = &self.store.inner.location;
        let range = format!("bytes={}-{}", self.left.start, self.left.end - 1);
        let got = self.store.ask_raw(|client| {
            let get = client.get_object().bucket(&location.bucket).key(location.key(&self.path));
            get.range(&range).set_if_match(self.etag.clone()).send()
        });
        match got.await {
            Ok(got) => {
                // A server that knows no If-Match tells by the ETag.
                if got.e_tag() != self.etag.as_deref() {
                    return Err(Error::Precondition { path: uri });
                }
                self.body = got.body;
                Ok(())
            }
            Err(why) => Err(meaning(&Asked { path: &uri, action: "s3:GetObject" }, &why)),
        }
    }

    pub(super) fn into_stream<'a>(self) -> ByteStream<'a> {
        Pin::from(Box::new(stream::unfold(Some(self), |body| async move {
            let mut body = body?;
            match body.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(body))),
                Ok(None) => None,
                Err(why) => Some((Err(why), None)),
            }
        })))
    }
}
