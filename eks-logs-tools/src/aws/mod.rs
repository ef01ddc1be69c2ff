//! The tools that work on an AWS account: they speak to the ports of core and know no SDK.

pub(crate) mod batch;
pub(crate) mod batch_collect;
pub(crate) mod batch_status;
pub(crate) mod cluster_health;
pub(crate) mod collect;
pub(crate) mod doctor;
pub(crate) mod fleet;
pub(crate) mod history;
mod region;
pub(crate) mod status;
pub(crate) mod stop;

use eks_logs_core::collection::once::Starter;
use eks_logs_core::collection::{Execution, ExecutionState, Stage};
use eks_logs_core::{Clock, Collector, Error, Inventory, Store, StoreWriter, Timer};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Code, Failure};

/// How often to ask for a collection's status.
pub(crate) const POLL_SECONDS: u32 = 15;

/// What an adapter gave to a context for work on an account.
#[derive(Clone, Copy)]
pub(crate) struct Account<'a> {
    pub(crate) collector: &'a dyn Collector,
    pub(crate) records: &'a dyn StoreWriter,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) timer: &'a dyn Timer,
    /// Absent in builds that only follow collections.
    pub(crate) inventory: Option<&'a dyn Inventory>,
}

impl Context {
    /// The account.
    pub(crate) fn account(&self, tool: &str) -> Result<Account<'_>, Failure> {
        match (&self.collector, &self.records, &self.clock, &self.timer) {
            (Some(collector), Some(records), Some(clock), Some(timer)) => Ok(Account {
                collector: collector.as_ref(),
                records: records.as_ref(),
                clock: clock.as_ref(),
                timer: timer.as_ref(),
                inventory: self.inventory.as_deref(),
            }),
            _ => Err(Failure::new(
                Code::NeedsAws,
                format!("{tool} works on an AWS account, and none is set up"),
                "name the bucket of your log bundles (`--store s3://bucket`, or the server's configuration) and sign in to AWS",
            )),
        }
    }
}

impl<'a> Account<'a> {
    pub(crate) fn store(&self) -> &'a dyn Store {
        self.records
    }

    /// What starts; `cluster` is remembered with what is started.
    pub(crate) fn starter(&self, cluster: Option<&'a str>) -> Starter<'a> {
        let Self { records, collector, clock, timer, .. } = *self;
        Starter { records, collector, clock, timer, cluster }
    }

    pub(crate) fn inventory(&self, tool: &str) -> Result<&'a dyn Inventory, Failure> {
        self.inventory.ok_or_else(|| {
            Failure::new(
                Code::NeedsAws,
                format!("{tool} asks EC2 and EKS, and this build cannot"),
                "use a build with the feature `inventory`",
            )
        })
    }
}

/// A collection as a task that can be polled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// The execution or batch.
    pub task_id: String,
    /// running, completed, failed, cancelling or cancelled.
    pub state: &'static str,
    /// Where it stands, for people.
    pub message: String,
    /// Percent, roughly.
    pub progress: u8,
}

/// The state that answers give: completed only when the findings index can be read.
pub(crate) fn state_word(execution: ExecutionState, stage: Stage) -> &'static str {
    match (execution, stage) {
        (ExecutionState::Success, Stage::Ready) => "completed",
        (ExecutionState::Success | ExecutionState::Running, _) => "running",
        (ExecutionState::Failed, _) => "failed",
        (ExecutionState::Cancelling, _) => "cancelling",
        (ExecutionState::Cancelled, _) => "cancelled",
    }
}

/// How far a run is, in percent: by its steps while it runs, by the stage behind that.
pub(crate) fn progress(execution: &Execution, stage: Stage) -> u8 {
    if execution.state != ExecutionState::Running || execution.steps.is_empty() {
        return stage.percent();
    }
    let done = execution.steps.iter().filter(|step| step.word == "Success").count();
    let share = done * usize::from(Stage::Extracting.percent() - 5) / execution.steps.len();
    u8::try_from(share).unwrap_or(0).max(5)
}

/// Seconds between two moments, never negative.
pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).max(0)
}

/// Whether the account refused, instead of something not being there.
pub(crate) fn is_refusal(why: &Error) -> bool {
    matches!(why, Error::AccessDenied { .. } | Error::Denied { .. } | Error::Credentials { .. })
}
