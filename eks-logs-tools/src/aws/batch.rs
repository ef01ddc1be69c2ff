//! The record of a batch: written before the first start, completed by whoever comes later.

use eks_logs_core::collection::record;
use eks_logs_core::{Error, PutMode, StorePath, Version};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Account;
use crate::failure::{Code, Failure};

/// Retries of writing the record when somebody else has written it.
const ATTEMPTS: usize = 5;

/// One collection of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchExecution {
    /// The node.
    pub instance_id: String,
    /// The execution; `null` as long as it is not known to be started.
    #[serde(default)]
    pub execution_id: Option<String>,
    /// Where it runs.
    #[serde(default)]
    pub region: Option<String>,
    /// planned, started or failed.
    #[serde(default)]
    pub status: String,
    /// Why it could not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `batches/<id>/metadata.json`: written before the first start, so that what follows can be found whatever happens to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchRecord {
    pub(super) batch_id: String,
    #[serde(default)]
    pub(super) cluster_name: String,
    #[serde(default)]
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) seed: u64,
    pub(super) executions: Vec<BatchExecution>,
}

pub(super) fn record_path(batch: &str) -> Result<StorePath, Error> {
    StorePath::parse(&format!("batches/{batch}/metadata.json"))
}

/// The idempotency token of each start of a batch: what a dead caller started is found by it.
pub(super) fn token(batch: &str) -> String {
    format!("batch.{batch}")
}

/// Writes the record under an id that nobody else has.
pub(super) async fn create(
    account: &Account<'_>,
    record: &mut BatchRecord,
    now: Timestamp,
) -> Result<Version, Failure> {
    for attempt in 0..ATTEMPTS {
        let text = format!("{}/{}/{attempt}/{:?}", record.cluster_name, now.as_nanosecond(), record.executions);
        record.batch_id = format!("b-{}-{:016x}", now.strftime("%Y%m%dT%H%M%SZ"), xxh3_64(text.as_bytes()));
        let path = record_path(&record.batch_id)?;
        match record::write(account.records, &path, record, PutMode::Create).await {
            Ok(version) => return Ok(version),
            Err(Error::Precondition { .. }) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Err(Failure::new(Code::Conflict, "no id for the batch could be had", "try again"))
}

/// Completes the record. A batch_status may have completed it meanwhile: what it knows and this call does not is kept.
pub(super) async fn save(account: &Account<'_>, record: &BatchRecord, mut version: Version) -> Result<(), Error> {
    let path = record_path(&record.batch_id)?;
    let mut next = record.clone();
    for _ in 0..ATTEMPTS {
        match record::write(account.records, &path, &next, PutMode::Match(version)).await {
            Ok(_) => return Ok(()),
            Err(Error::Precondition { .. }) => {}
            Err(why) => return Err(why),
        }
        let Some((there, at)) = record::read::<BatchRecord>(account.store(), &path).await? else {
            return Err(Error::NotFound { path: path.to_string() });
        };
        for (mine, theirs) in next.executions.iter_mut().zip(&there.executions) {
            if mine.execution_id.is_none() && theirs.execution_id.is_some() {
                *mine = theirs.clone();
            }
        }
        version = at;
    }
    Err(Error::Precondition { path: path.to_string() })
}
