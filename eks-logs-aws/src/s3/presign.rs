//! Links to objects.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::presigning::PresigningConfig;
use eks_logs_core::{Error, Presign, Presigned, Result, StorePath};
use jiff::{SignedDuration, Timestamp};

use super::{S3Store, meaning};
use crate::error::Asked;

#[async_trait]
impl Presign for S3Store {
    async fn presign_get(&self, path: &StorePath, expires: Duration) -> Result<Presigned> {
        let uri = self.uri(path);
        let rejected = |detail: String| Error::Rejected { path: uri.clone(), code: "InvalidExpiry".to_owned(), detail };
        let config = PresigningConfig::expires_in(expires).map_err(|why| rejected(why.to_string()))?;
        let asked = Asked { path: &uri, action: "s3:GetObject" };
        // A link holds for one region: an answer of the bucket has to tell which it is.
        self.head_object(path).await?;
        let (bucket, key) = (&self.inner.location.bucket, self.inner.location.key(path));
        let signed = self.client().get_object().bucket(bucket).key(&key).presigned(config).await;
        let signed = signed.map_err(|why| meaning(&asked, &why))?;
        let url = signed.uri().to_owned();
        let expires_at = signed_at(&url)
            .and_then(|at| at.checked_add(SignedDuration::try_from(expires).ok()?).ok())
            .ok_or_else(|| rejected("the link does not say when it was signed".to_owned()))?;
        Ok(Presigned { url, expires_at, uri })
    }
}

/// When a link was signed: the signer's own clock, as the link itself tells.
fn signed_at(url: &str) -> Option<Timestamp> {
    let text = url.split(['?', '&']).find_map(|part| part.strip_prefix("X-Amz-Date="))?;
    Timestamp::strptime("%Y%m%dT%H%M%S%z", text.strip_suffix('Z')?.to_owned() + "+0000").ok()
}

#[cfg(test)]
mod tests {
    use super::signed_at;

    #[test]
    fn a_link_tells_when_it_was_signed() {
        let url = "http://127.0.0.1/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261120T030405Z&X-Amz-Expires=60";
        assert_eq!(signed_at(url).unwrap().to_string(), "2026-11-20T03:04:05Z");
        assert_eq!(signed_at("http://127.0.0.1/b/k"), None);
    }
}
