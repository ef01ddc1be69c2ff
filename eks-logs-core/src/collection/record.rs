//! What is remembered of collections, as small JSON records beside the bundles.

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{ExecutionId, InstanceId, Region};
use crate::path::StorePath;
use crate::store::{PutMode, Store, StoreExt as _, StoreWriter, Version};

/// `idempotency/<instance>/<token>.json`: who starts, or has started, what a token stands for.
///
/// Written with create-only and compare-and-swap puts: of all callers with one token one holds the claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The execution, once it is started. A record with this field alone, as other tools write it, is a started one.
    #[serde(default)]
    pub execution_id: Option<String>,
    /// Where it runs.
    #[serde(default)]
    pub region: Option<String>,
    /// When the claim was made, UTC; renewed by a take-over.
    #[serde(default)]
    pub claimed_at: Option<Timestamp>,
    /// When the first claim was made under this token: an execution of the node that began later may be the one that a caller started
    /// before it died.
    #[serde(default)]
    pub first_claimed_at: Option<Timestamp>,
    /// How many times what the token stands for was begun anew because it had failed.
    #[serde(default)]
    pub generation: u32,
    /// Tells one caller's claim from another's.
    #[serde(default)]
    pub claimed_by: String,
    /// Why the start failed; such a claim may be taken over at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// `execution-regions/<execution>.json`: where an execution runs, and for which node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionRegion {
    /// The execution.
    #[serde(default)]
    pub execution_id: Option<String>,
    /// Where it runs.
    pub region: String,
    /// The node.
    #[serde(default, alias = "instance_id")]
    pub instance_id: Option<String>,
    /// When it was started, UTC.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// The cluster of the node, where whoever started it knew: its baseline learns from the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// `ingest-failures/<archive>.json`: why an archive was not extracted and indexed. It speaks for one state of the archive; a later success
/// needs no word here, the index tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngestFailure {
    /// The archive, relative to the store.
    pub archive: String,
    /// Its state.
    #[serde(default)]
    pub archive_version: Option<String>,
    /// When it was tried, UTC.
    pub failed_at: Timestamp,
    /// The failure's code, such as unreadable.
    pub code: String,
    /// What failed, for people.
    pub error: String,
    /// What to do.
    pub suggestion: String,
    /// The same archive fails again until somebody has done that; where false, the next attempt may well succeed.
    pub lasting: bool,
}

/// Where it is said why an archive was not ingested.
pub fn failure_path(archive: &StorePath) -> Result<StorePath> {
    StorePath::parse(&format!("ingest-failures/{archive}.json"))
}

/// Why an archive, in the state in which it is now, was not ingested; `None` if nothing is said of it.
pub async fn failure_of(store: &dyn Store, archive: &StorePath) -> Result<Option<IngestFailure>> {
    // What somebody else has put there says nothing.
    let said = match peek::<IngestFailure>(store, &failure_path(archive)?).await {
        Ok(Some(said)) => said,
        Ok(None) | Err(Error::Corrupt { .. }) => return Ok(None),
        Err(why) => return Err(why),
    };
    let now = match store.head(archive).await {
        Ok(object) => object.version.map(|version| version.0),
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(why) => return Err(why),
    };
    Ok((said.archive_version == now).then_some(said))
}

/// Where the claim of a token is.
pub fn claim_path(node: &InstanceId, token: &str) -> Result<StorePath> {
    StorePath::parse(&format!("idempotency/{node}/{token}.json"))
}

/// Where it is said in which region an execution runs.
pub fn region_path(id: &ExecutionId) -> Result<StorePath> {
    StorePath::parse(&format!("execution-regions/{id}.json"))
}

/// Reads a record and the version to swap it by; `None` if there is none.
pub async fn read<T: DeserializeOwned>(store: &dyn Store, path: &StorePath) -> Result<Option<(T, Version)>> {
    // The version is asked for first: a record that changes in between loses its swap, it is not overwritten.
    let version = match store.head(path).await {
        Ok(object) => object.version.unwrap_or_else(|| Version(String::new())),
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(why) => return Err(why),
    };
    let content = match store.get_all(path).await {
        Ok(content) => content,
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(why) => return Err(why),
    };
    parse(path, &content).map(|record| Some((record, version)))
}

/// Reads a record for which no version is needed; `None` if there is none.
pub async fn peek<T: DeserializeOwned>(store: &dyn Store, path: &StorePath) -> Result<Option<T>> {
    match store.get_all(path).await {
        Ok(content) => parse(path, &content).map(Some),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(why) => Err(why),
    }
}

fn parse<T: DeserializeOwned>(path: &StorePath, content: &[u8]) -> Result<T> {
    serde_json::from_slice(content).map_err(|why| Error::Corrupt {
        path: path.to_string(),
        detail: format!("not a record of this kind: {why}; remove it if nobody knows what it is"),
    })
}

/// Writes a record.
pub async fn write<T: Serialize>(
    store: &dyn StoreWriter,
    path: &StorePath,
    record: &T,
    mode: PutMode,
) -> Result<Version> {
    let text = serde_json::to_vec_pretty(record)
        .map_err(|why| Error::Data { file: path.to_string(), detail: why.to_string() })?;
    store.put(path, Bytes::from(text), mode).await
}

/// The cluster for which a collection was started, as far as the record of it tells.
pub async fn cluster_of(store: &dyn Store, id: &ExecutionId) -> Result<Option<String>> {
    Ok(peek::<ExecutionRegion>(store, &region_path(id)?).await?.and_then(|record| record.cluster))
}

/// Where an execution was started, as far as the record of it tells.
pub async fn region_of(store: &dyn Store, id: &ExecutionId) -> Result<Option<(Region, Option<InstanceId>)>> {
    let Some(record) = peek::<ExecutionRegion>(store, &region_path(id)?).await? else { return Ok(None) };
    let node = record.instance_id.as_deref().and_then(|id| InstanceId::parse(id).ok());
    Ok(Some((Region::parse(&record.region)?, node)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_other_tools_are_read() {
        let claim: Claim =
            serde_json::from_str(r#"{"executionId":"11111111-2222-3333-4444-555555555555","extra":1}"#).unwrap();
        assert_eq!(claim.execution_id.as_deref(), Some("11111111-2222-3333-4444-555555555555"));
        let region: ExecutionRegion =
            serde_json::from_str(r#"{"region":"us-west-2","instance_id":"i-0123abcd"}"#).unwrap();
        assert_eq!(region.instance_id.as_deref(), Some("i-0123abcd"));
    }
}
