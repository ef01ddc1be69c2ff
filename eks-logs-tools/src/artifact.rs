use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use eks_logs_core::bundle::Manifest;
use eks_logs_core::{ByteRange, Store, StorePath};
use futures_lite::StreamExt as _;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::context::{BundleUsed, Call, Context};
use crate::failure::{Code, Failure};
use crate::file::{Chosen, FileSelector};
use crate::human::size_human;
use crate::tool::{About, Effect, Needs, Request};
use crate::whole;

/// A file up to this size is hashed where no manifest knows its hash and reading it means a download.
const HASHED: u64 = 256 << 20;
/// How long a link holds, in minutes, if that is not said.
const MINUTES: u64 = 15;

/// Which file is handed out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactRequest {
    /// Which file.
    #[serde(flatten)]
    pub file: FileSelector,
    /// How long the link holds: 1 to 60 minutes (default 15).
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 60))]
    pub expiration_minutes: Option<u64>,
}

/// Where a file can be fetched as it is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactAnswer {
    /// Always true.
    pub success: bool,
    /// Which bundle it is of.
    #[serde(flatten)]
    pub used: BundleUsed,
    /// The file, as it was asked for.
    pub log_key: String,
    /// The file, relative to the bundle's root.
    pub file: String,
    /// A link that holds for a while, or `file:` and a path. Nothing in the file is redacted.
    pub presigned_url: String,
    /// Until when the link holds; `null` for a local file.
    pub expires_at: Option<Timestamp>,
    /// The object in its store.
    pub s3_uri: Option<String>,
    /// The member, where the link leads to an archive that holds the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Bytes, as they are stored.
    pub size: u64,
    /// The same for people.
    pub size_human: String,
    /// SHA-256 of the stored bytes; `null` where finding it out would mean to download a large file.
    pub sha256: Option<String>,
}

#[async_trait]
impl Request for ArtifactRequest {
    type Answer = ArtifactAnswer;
    const ABOUT: About = About {
        name: "artifact",
        title: "Hand out a file",
        description: "Where one file of the bundle can be fetched as it is: a link that holds for a while, or a local path, with size and \
                      SHA-256. For people and other programs; to look into a file use read. Nothing in it is redacted.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, _call: Call<'_>) -> Result<ArtifactAnswer, Failure> {
        let minutes = self.expiration_minutes.unwrap_or(MINUTES);
        if !(1..=60).contains(&minutes) {
            let error = format!("expirationMinutes {minutes} is out of range");
            return Err(Failure::new(Code::BadArgument, error, "give 1 to 60 minutes"));
        }
        let chosen = self.file.choose(context).await?;
        let store = chosen.selected.located.store.as_ref();
        let object = store.stat(&chosen.path).await?;
        let mut member = None;
        let (presigned_url, expires_at, s3_uri) = match (store.presign(), store.local_file(&chosen.path)) {
            (Some(links), _) => {
                let link = links.presign_get(&chosen.path, Duration::from_secs(60 * minutes)).await?;
                (link.url, Some(link.expires_at), Some(link.uri))
            }
            (None, Some(local)) => {
                if store.is_sequential() {
                    member = Some(chosen.path.to_string());
                }
                (file_url(&local), None, None)
            }
            (None, None) => {
                return Err(Failure::new(
                    Code::Internal,
                    format!("{}: this store hands out no links", store.locator()),
                    "use read",
                ));
            }
        };
        Ok(ArtifactAnswer {
            success: true,
            used: context.used_by_name(&chosen.selected),
            log_key: self.file.log_key.clone(),
            file: chosen.file.to_string(),
            presigned_url,
            expires_at,
            s3_uri,
            member,
            size: object.size,
            size_human: size_human(object.size),
            sha256: sha256(store, &chosen, object.size).await?,
        })
    }
}

/// The hash that the manifest knows, or that of the bytes.
async fn sha256(store: &dyn Store, chosen: &Chosen, size: u64) -> Result<Option<String>, Failure> {
    let local = store.local_file(&chosen.path).is_some();
    if !local {
        let manifest = Manifest::load(&chosen.selected.located).await.ok().flatten();
        let known = manifest.and_then(|manifest| manifest.file(chosen.file.as_str()).cloned());
        if let Some(known) = known.filter(|known| known.size == size).and_then(|known| known.sha256) {
            return Ok(Some(known));
        }
        if size > HASHED {
            return Ok(None);
        }
    }
    hash(store, &chosen.path).await.map(Some)
}

async fn hash(store: &dyn Store, path: &StorePath) -> Result<String, Failure> {
    let mut hasher = Sha256::new();
    let mut pieces = store.stream(path, ByteRange::WHOLE).await?;
    while let Some(piece) = pieces.next().await {
        hasher.update(&piece?);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A path as a `file:` URL (RFC 8089): bytes that a URL does not allow are percent-encoded.
fn file_url(path: &Path) -> String {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut url = "file://".to_owned();
    for byte in full.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => url.push(*byte as char),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_urls() {
        assert_eq!(file_url(Path::new("/tmp/a b/grün.log")), "file:///tmp/a%20b/gr%C3%BCn.log");
    }
}
