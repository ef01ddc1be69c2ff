use async_trait::async_trait;
use eks_logs_core::collection::record::{self, Claim};
use eks_logs_core::{Error, ExecutionId, InstanceId, Region};
use futures_util::StreamExt as _;
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batch::{BatchExecution, BatchRecord, record_path, save, token};
use super::status::{Cause, follow};
use super::{Account, POLL_SECONDS, Task};
use crate::context::{Call, Context};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

/// Executions that are asked for at a time.
const AT_A_TIME: usize = 5;
/// Executions of one question, at the most.
const MOST: usize = 100;

/// How far a batch is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchStatusRequest {
    /// The batch, as batch_collect answered it.
    #[serde(default)]
    pub batch_id: Option<String>,
    /// Or executions, as collect answered them.
    #[serde(default)]
    pub execution_ids: Vec<String>,
    /// Where executions run whose region was not remembered.
    #[serde(default)]
    pub region: Option<String>,
}

/// How far a batch is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchStatusAnswer {
    /// Always true.
    pub success: bool,
    /// The batch.
    pub batch_id: Option<String>,
    /// True when nothing more will happen: every collection is ready or has failed.
    pub all_complete: bool,
    /// Counts.
    pub summary: BatchSummary,
    /// The collections.
    pub executions: Vec<BatchMember>,
    /// Nodes whose collection failed or was not started.
    pub failed_instances: Vec<String>,
    /// The same as a task.
    pub task: Task,
    /// What to call next.
    pub next_step: String,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchSummary {
    /// All.
    pub total: usize,
    /// Their findings can be read.
    pub succeeded: usize,
    /// Failed, stopped or not started.
    pub failed: usize,
    /// Under way.
    pub in_progress: usize,
    /// Could not be asked.
    pub unknown: usize,
}

/// One collection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchMember {
    /// The node.
    pub instance_id: Option<String>,
    /// The execution; `null` if none was started.
    pub execution_id: Option<String>,
    /// Where it runs.
    pub region: Option<String>,
    /// running, completed, failed, cancelling, cancelled, not-started or unknown.
    pub status: &'static str,
    /// collecting, uploading, extracting, indexing, ready or failed.
    pub stage: Option<&'static str>,
    /// The bundle, for the analysis tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_id: Option<String>,
    /// Why it failed, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Cause>,
    /// Why it was not started, or could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[async_trait]
impl Request for BatchStatusRequest {
    type Answer = BatchStatusAnswer;
    const ABOUT: About = About {
        name: "batch_status",
        title: "How far a batch of collections is",
        description: "Tells how far the collections of a batch are (batchId of batch_collect) or those of a list of executionIds. Poll every 15 seconds \
                      until allComplete. Failed ones come with their cause. Then call compare_nodes with the nodes that succeeded, or triage with one.",
        needs: Needs::Aws,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, _: Call<'_>) -> Result<BatchStatusAnswer, Failure> {
        let explicit = self.region.as_deref().map(Region::parse).transpose()?;
        let wanted = match (&self.batch_id, self.execution_ids.as_slice()) {
            (Some(batch), []) => Wanted::Batch(batch.clone()),
            (None, ids) if !ids.is_empty() && ids.len() <= MOST => {
                Wanted::Executions(ids.iter().map(|id| ExecutionId::parse(id)).collect::<Result<_, _>>()?)
            }
            (None, []) => {
                return Err(bad("neither batchId nor executionIds is given", "give the batchId of batch_collect"));
            }
            (None, _) => return Err(bad("more than 100 executionIds", "ask for fewer at a time")),
            (Some(_), _) => return Err(bad("batchId stands beside executionIds", "give one of them")),
        };
        let account = context.account("batch_status")?;
        let entries = match wanted {
            Wanted::Batch(batch) => entries(&account, &batch).await?,
            Wanted::Executions(ids) => {
                let entry = |id: ExecutionId| BatchExecution {
                    instance_id: String::new(),
                    execution_id: Some(id.to_string()),
                    region: None,
                    status: "started".to_owned(),
                    error: None,
                };
                ids.into_iter().map(entry).collect()
            }
        };
        let account = &account;
        let explicit = &explicit;
        let mut members: Vec<BatchMember> = Vec::new();
        let mut asked = stream::iter(entries).map(|entry| member(account, entry, explicit.clone())).buffered(AT_A_TIME);
        while let Some(member) = asked.next().await {
            members.push(member?);
        }
        drop(asked);
        Ok(told(self.batch_id.clone(), members))
    }
}

enum Wanted {
    Batch(String),
    Executions(Vec<ExecutionId>),
}

fn bad(error: &str, suggestion: &str) -> Failure {
    Failure::new(Code::BadArgument, error, suggestion)
}

/// The entries of a batch; what the record does not know, because its caller died, is completed from the claims of its starts.
pub(super) async fn entries(account: &Account<'_>, batch: &str) -> Result<Vec<BatchExecution>, Failure> {
    let safe =
        batch.len() <= 100 && batch.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !safe || batch.is_empty() {
        return Err(bad(&format!("{batch:?} is not a batch's id"), "give the batchId that batch_collect answered"));
    }
    let Some((mut record, version)) = record::read::<BatchRecord>(account.store(), &record_path(batch)?).await? else {
        let error = format!("no batch {batch} is known");
        return Err(Failure::new(
            Code::NotFound,
            error,
            "give the batchId that batch_collect answered, and the same bucket",
        ));
    };
    let mut completed = false;
    for entry in record.executions.iter_mut().filter(|entry| entry.execution_id.is_none()) {
        let node = InstanceId::parse(&entry.instance_id)?;
        let claim = record::peek::<Claim>(account.store(), &record::claim_path(&node, &token(batch))?).await?;
        if let Some(claim) = claim {
            if let Some(id) = claim.execution_id {
                entry.execution_id = Some(id);
                entry.region = claim.region.or(entry.region.take());
                "started".clone_into(&mut entry.status);
                entry.error = None;
                completed = true;
            } else if entry.error.is_none() && claim.failed.is_some() {
                entry.error = claim.failed;
                "failed".clone_into(&mut entry.status);
                completed = true;
            }
        }
    }
    if completed {
        // Whoever comes next reads it from the record; if it cannot be written, they complete it as this call did.
        let _ = save(account, &record, version).await;
    }
    Ok(record.executions)
}

async fn member(
    account: &Account<'_>,
    entry: BatchExecution,
    explicit: Option<Region>,
) -> Result<BatchMember, Failure> {
    let mut member = BatchMember {
        instance_id: (!entry.instance_id.is_empty()).then(|| entry.instance_id.clone()),
        execution_id: entry.execution_id.clone(),
        region: entry.region.clone(),
        status: "not-started",
        stage: None,
        bundle_id: None,
        failure: None,
        error: entry.error.clone(),
    };
    let Some(id) = entry.execution_id else { return Ok(member) };
    let id = ExecutionId::parse(&id)?;
    let node = InstanceId::parse(&entry.instance_id).ok();
    let (region, node) = match (explicit, entry.region) {
        (Some(region), _) => (region, node),
        (None, Some(region)) => (Region::parse(&region)?, node),
        (None, None) => match record::region_of(account.store(), &id).await? {
            Some((region, of)) => (region, node.or(of)),
            None => (account.collector.default_region(), node),
        },
    };
    member.region = Some(region.to_string());
    match follow(account, &id, &region, node).await {
        Ok(followed) => {
            member.status = followed.word();
            member.stage = Some(followed.stage.word());
            member.failure = followed.cause();
            member.instance_id = followed.node.map(|node| node.to_string()).or(member.instance_id);
            member.bundle_id = followed.bundle_id;
        }
        // Credentials that do not hold for one hold for none.
        Err(why @ Error::Credentials { .. }) => return Err(why.into()),
        // SSM forgets executions after 30 days: waiting brings nothing.
        Err(Error::NotFound { .. }) => {
            member.status = "failed";
            member.error = Some(format!("SSM in {region} does not know this execution (any more)"));
        }
        Err(why) => {
            member.status = "unknown";
            member.error = Some(why.to_string());
        }
    }
    Ok(member)
}

fn told(batch_id: Option<String>, members: Vec<BatchMember>) -> BatchStatusAnswer {
    let count = |words: &[&str]| members.iter().filter(|member| words.contains(&member.status)).count();
    let summary = BatchSummary {
        total: members.len(),
        succeeded: count(&["completed"]),
        failed: count(&["failed", "cancelled", "not-started"]),
        in_progress: count(&["running", "cancelling"]),
        unknown: count(&["unknown"]),
    };
    let all_complete = summary.succeeded + summary.failed == summary.total;
    let failed_instances = members
        .iter()
        .filter(|member| matches!(member.status, "failed" | "cancelled" | "not-started"))
        .filter_map(|member| member.instance_id.clone())
        .collect();
    let ready: Vec<String> = members
        .iter()
        .filter(|member| member.status == "completed")
        .filter_map(|member| member.instance_id.clone())
        .take(10)
        .collect();
    let next_step = match (all_complete, ready.as_slice()) {
        (false, _) => format!("call batch_status again in {POLL_SECONDS} seconds"),
        (true, []) => "no collection succeeded: see the failures for what to do".to_owned(),
        (true, [only]) => format!("call triage with instanceId {only}"),
        (true, several) => format!("call compare_nodes with instanceIds {}", several.join(", ")),
    };
    let done = summary.succeeded + summary.failed;
    let progress = u8::try_from(done * 100 / summary.total.max(1)).unwrap_or(100);
    let state = match (all_complete, summary.succeeded) {
        (false, _) => "running",
        (true, 0) => "failed",
        (true, _) => "completed",
    };
    let message = format!(
        "{} ready, {} failed, {} under way, {} unknown",
        summary.succeeded, summary.failed, summary.in_progress, summary.unknown
    );
    BatchStatusAnswer {
        success: true,
        task: Task { task_id: batch_id.clone().unwrap_or_default(), state, message, progress },
        batch_id,
        all_complete,
        summary,
        executions: members,
        failed_instances,
        next_step,
    }
}
