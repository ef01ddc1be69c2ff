use std::collections::BTreeMap;

use async_trait::async_trait;
use eks_logs_core::collection::record::IngestFailure;
use eks_logs_core::collection::stage::bundle_id;
use eks_logs_core::collection::{Execution, ExecutionState, Stage, record, stage};
use eks_logs_core::{Error, ExecutionId, InstanceId, Region};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Account, POLL_SECONDS, Task, progress, seconds_between, state_word};
use crate::context::{Call, Context};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

/// After this long behind the upload somebody should have extracted the archive.
const PATIENCE_SECONDS: i64 = 600;

fn yes() -> bool {
    true
}

/// How far a collection is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusRequest {
    /// The execution, as collect answered it.
    pub execution_id: String,
    /// Whether the steps of the run are listed.
    #[serde(default = "yes")]
    pub include_step_details: bool,
    /// Where it runs; without it, the region that was remembered when it was started.
    #[serde(default)]
    pub region: Option<String>,
}

/// How far a collection is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    /// Always true.
    pub success: bool,
    /// The run of the document.
    pub automation: AutomationStatus,
    /// collecting, uploading, extracting, indexing, ready or failed.
    pub stage: &'static str,
    /// The node.
    pub instance_id: Option<String>,
    /// Where it runs.
    pub region: String,
    /// The bundle, for the analysis tools; from the moment its archive is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_id: Option<String>,
    /// Why it failed, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Cause>,
    /// The same as a task.
    pub task: Task,
    /// What to call next.
    pub next_step: String,
}

/// The run of the document.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutomationStatus {
    /// The execution.
    pub execution_id: String,
    /// running, completed (the findings index can be read), failed, cancelling or cancelled.
    pub status: &'static str,
    /// SSM's own word.
    pub ssm_status: String,
    /// The document.
    pub document_name: String,
    /// When it began, UTC.
    pub start_time: Option<Timestamp>,
    /// When it ended, UTC.
    pub end_time: Option<Timestamp>,
    /// Percent, roughly.
    pub progress: u8,
    /// What SSM says of the failure.
    pub failure_reason: Option<String>,
    /// The steps, in order.
    pub step_details: Vec<StepDetail>,
    /// What the document put out.
    pub outputs: BTreeMap<String, Vec<String>>,
}

/// One step.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepDetail {
    /// Its name in the document.
    pub step_name: String,
    /// Such as aws:runCommand.
    pub action: Option<String>,
    /// SSM's word.
    pub status: String,
    /// When it began, UTC.
    pub start_time: Option<Timestamp>,
    /// When it ended, UTC.
    pub end_time: Option<Timestamp>,
    /// What SSM says of its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
}

/// Why a collection failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cause {
    /// Names the cause, such as s3-access-denied; `unknown` where nothing fits.
    pub id: String,
    /// The cause.
    pub cause: String,
    /// What to do, in order.
    pub fix: Vec<String>,
    /// The step that failed.
    pub step: Option<String>,
}

/// An execution and how far its bundle is.
pub(super) struct Followed {
    pub(super) execution: Execution,
    pub(super) stage: Stage,
    pub(super) node: Option<InstanceId>,
    pub(super) bundle_id: Option<String>,
    /// Why the archive was not ingested, when that was last tried.
    pub(super) not_ingested: Option<IngestFailure>,
}

impl Followed {
    pub(super) fn word(&self) -> &'static str {
        if self.stage == Stage::Failed && self.execution.state == ExecutionState::Success {
            return "failed";
        }
        state_word(self.execution.state, self.stage)
    }

    /// What went wrong when the archive was last tried, where it may well be tried again.
    fn last_failure(&self) -> String {
        self.not_ingested.as_ref().map_or(String::new(), |said| format!("; the last attempt failed: {}", said.error))
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        if let (Stage::Failed, Some(said)) = (self.stage, &self.not_ingested) {
            return Some(Cause {
                id: "ingestion-failed".to_owned(),
                cause: format!("the archive is in the bucket and could not be ingested: {}", said.error),
                fix: vec![said.suggestion.clone()],
                step: None,
            });
        }
        let failure = self.execution.failure.clone()?;
        Some(Cause { id: failure.id, cause: failure.cause, fix: failure.fix, step: failure.step })
    }
}

/// Follows an execution whose region is known.
pub(super) async fn follow(
    account: &Account<'_>,
    id: &ExecutionId,
    region: &Region,
    node: Option<InstanceId>,
) -> Result<Followed, Error> {
    let execution = account.collector.execution(id, region).await?;
    let node = execution.instance.clone().or(node);
    let (mut stage, stored) = stage(account.store(), &execution, node.as_ref()).await?;
    let not_ingested = match (&stored.archive, stage) {
        (Some(archive), Stage::Extracting | Stage::Indexing) => record::failure_of(account.store(), archive).await?,
        _ => None,
    };
    if not_ingested.as_ref().is_some_and(|said| said.lasting) {
        stage = Stage::Failed;
    }
    let has_bundle = stored.archive.is_some() || stored.directory.is_some();
    let bundle_id = node.as_ref().filter(|_| has_bundle).map(|node| bundle_id(node, id.as_str()));
    Ok(Followed { execution, stage, node, bundle_id, not_ingested })
}

/// Where an execution runs, and for which node: as the caller says, as the record says, else wherever it is known.
pub(super) async fn find(
    account: &Account<'_>,
    id: &ExecutionId,
    explicit: Option<&str>,
) -> Result<(Region, Option<InstanceId>), Failure> {
    let remembered = record::region_of(account.store(), id).await?;
    if let Some(region) = explicit {
        return Ok((Region::parse(region)?, remembered.and_then(|(_, node)| node)));
    }
    if let Some((region, node)) = remembered {
        return Ok((region, node));
    }
    let default = account.collector.default_region();
    match account.collector.execution(id, &default).await {
        Ok(_) => return Ok((default, None)),
        Err(Error::NotFound { .. }) => {}
        Err(why) => return Err(why.into()),
    }
    let others = match account.inventory {
        Some(inventory) => inventory.regions().await?,
        None => Vec::new(),
    };
    let mut asked: FuturesUnordered<_> = others
        .into_iter()
        .filter(|region| *region != default)
        .map(async |region| (account.collector.execution(id, &region).await, region))
        .collect();
    while let Some((answer, region)) = asked.next().await {
        if answer.is_ok() {
            return Ok((region, None));
        }
    }
    Err(Failure::new(
        Code::NotFound,
        format!("no execution {id} is known: not remembered, and in no enabled region"),
        "take the executionId that collect answered, and name its region; SSM forgets executions after 30 days",
    ))
}

#[async_trait]
impl Request for StatusRequest {
    type Answer = StatusAnswer;
    const ABOUT: About = About {
        name: "status",
        title: "How far a collection is",
        description: "Tells how far a collection is that collect has started: collecting, uploading, extracting, indexing, ready. `completed` is only \
                      said when the findings can be read: call triage then. A failed collection comes with its cause and the steps that fix it. Poll \
                      every 15 seconds, not faster.",
        needs: Needs::Aws,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, _: Call<'_>) -> Result<StatusAnswer, Failure> {
        let id = ExecutionId::parse(&self.execution_id)?;
        let account = context.account("status")?;
        let (region, node) = find(&account, &id, self.region.as_deref()).await?;
        let followed = follow(&account, &id, &region, node).await?;
        let waited = followed.execution.ended_at.map_or(0, |ended| seconds_between(ended, account.clock.now()));
        let (message, next_step) = said(&followed, waited);
        let execution = &followed.execution;
        let word = followed.word();
        let progress = progress(execution, followed.stage);
        let step = |step: &eks_logs_core::collection::Step| StepDetail {
            step_name: step.name.clone(),
            action: step.action.clone(),
            status: step.word.clone(),
            start_time: step.started_at,
            end_time: step.ended_at,
            failure_message: step.failure_message.clone(),
        };
        let steps = if self.include_step_details { execution.steps.iter().map(step).collect() } else { Vec::new() };
        Ok(StatusAnswer {
            success: true,
            automation: AutomationStatus {
                execution_id: id.to_string(),
                status: word,
                ssm_status: execution.word.clone(),
                document_name: execution.document.clone(),
                start_time: execution.started_at,
                end_time: execution.ended_at,
                progress,
                failure_reason: execution.failure_message.clone(),
                step_details: steps,
                outputs: execution.outputs.clone(),
            },
            stage: followed.stage.word(),
            instance_id: followed.node.as_ref().map(ToString::to_string),
            region: region.to_string(),
            bundle_id: followed.bundle_id.clone(),
            failure: followed.cause(),
            task: Task { task_id: id.to_string(), state: word, message, progress },
            next_step,
        })
    }
}

/// Where it stands and what to do next; `waited` is how many seconds ago the document ended.
fn said(followed: &Followed, waited: i64) -> (String, String) {
    let again = format!("call status again in {POLL_SECONDS} seconds");
    let node = followed.node.as_ref().map_or("the node".to_owned(), ToString::to_string);
    match (followed.stage, followed.execution.state) {
        (Stage::Ready, _) => ("the findings can be read".to_owned(), format!("call triage with instanceId {node}")),
        (Stage::Failed, ExecutionState::Cancelled) => {
            ("it was stopped".to_owned(), "call collect again if the logs are still wanted".to_owned())
        }
        (Stage::Failed, ExecutionState::Success) => {
            let cause = followed.cause();
            let (said, fix) = cause.map_or_else(Default::default, |cause| (cause.cause, cause.fix.join("; ")));
            (said, format!("{fix}; then have it ingested again (`eks-logs ingest`), or call collect again"))
        }
        (Stage::Failed, _) => {
            let cause = followed.execution.failure.as_ref();
            let said = cause.map_or_else(|| "it failed".to_owned(), |failure| failure.cause.clone());
            let fix = cause.and_then(|failure| failure.fix.first().cloned());
            (said, fix.map_or_else(|| "see failureReason".to_owned(), |fix| format!("{fix}; then call collect again")))
        }
        (Stage::Collecting, _) => ("the collector is at work on the node".to_owned(), again),
        (Stage::Uploading, ExecutionState::Success) if waited > PATIENCE_SECONDS => (
            "the document ended well, but its archive is not in the bucket".to_owned(),
            "see whether the node uploaded to another bucket, or a lifecycle rule has removed the archive".to_owned(),
        ),
        (Stage::Uploading, _) => ("the archive is on its way to the bucket".to_owned(), again),
        (Stage::Extracting | Stage::Indexing, _) if waited > PATIENCE_SECONDS => (
            format!("the archive has been in the bucket for {waited} seconds and is not indexed{}", followed.last_failure()),
            "see whether the ingestion function is deployed and whether it fails (its dead-letter queue), or run `eks-logs ingest` for it"
                .to_owned(),
        ),
        (Stage::Extracting, _) => (format!("the archive is there and is being extracted{}", followed.last_failure()), again),
        (Stage::Indexing, _) => ("the files are there and are being indexed".to_owned(), again),
    }
}
