//! The collection port: starting, following and finding runs of the document that collects a node's logs.
//!
//! A collection is one run (an **execution**) of `AWSSupport-CollectEKSInstanceLogs` or a document like it: the node's SSM agent runs the log
//! collector and uploads one archive, `eks_<instance>_<execution>.tar.gz`. [`once`] starts it exactly once whoever calls at the same time,
//! [`record`] has what is remembered in the store, [`stage()`] tells how far a collection is between "started" and "can be read".

pub mod once;
pub mod record;
pub mod stage;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use crate::error::Result;
use crate::id::{ExecutionId, InstanceId, Region};
use crate::inventory::Agent;

pub use stage::{Stage, stage};

/// Starts and follows collections.
#[async_trait]
pub trait Collector: fmt::Debug + Send + Sync {
    /// The document that is run.
    fn document(&self) -> &str;

    /// The region that is asked where nobody names one.
    fn default_region(&self) -> Region;

    /// The bucket to which nodes upload.
    fn bucket(&self) -> &str;

    /// Whether the document can be run in a region.
    async fn has_document(&self, region: &Region) -> Result<bool>;

    /// The node's SSM agent; `None` if SSM has never heard of the node there.
    async fn agent(&self, node: &InstanceId, region: &Region) -> Result<Option<Agent>>;

    /// Whether the bucket can be reached, is there and may be used; the error names the fix.
    async fn check_destination(&self) -> Result<()>;

    /// Starts a collection. Two calls with one `client_token` and the same node start one execution.
    async fn start(&self, node: &InstanceId, region: &Region, client_token: &str) -> Result<ExecutionId>;

    /// One execution with its steps.
    async fn execution(&self, id: &ExecutionId, region: &Region) -> Result<Execution>;

    /// Executions of the document in one region, newest first, from where `token` left off.
    async fn executions(&self, region: &Region, filter: &ExecutionFilter, token: Option<&str>)
    -> Result<ExecutionPage>;

    /// Stops an execution.
    async fn cancel(&self, id: &ExecutionId, region: &Region) -> Result<()>;
}

/// How a run of the document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// Waiting for its turn or at work.
    Running,
    /// Ended as it should: the archive is uploaded.
    Success,
    /// Ended without an archive.
    Failed,
    /// Being stopped.
    Cancelling,
    /// Stopped.
    Cancelled,
}

impl ExecutionState {
    /// What SSM's word means; a word that is not known means that it still runs, and is shown beside.
    pub fn from_ssm(word: &str) -> Self {
        match word {
            "Success" | "CompletedWithSuccess" => Self::Success,
            "Failed"
            | "TimedOut"
            | "CompletedWithFailure"
            | "Rejected"
            | "ChangeCalendarOverrideRejected"
            | "Exited" => Self::Failed,
            "Cancelling" => Self::Cancelling,
            "Cancelled" => Self::Cancelled,
            _ => Self::Running,
        }
    }

    /// Nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }
}

/// One run of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// Where it runs.
    pub region: Region,
    /// The document.
    pub document: String,
    /// How it is.
    pub state: ExecutionState,
    /// The same in SSM's word.
    pub word: String,
    /// The node, where the execution tells it.
    pub instance: Option<InstanceId>,
    /// When it began, UTC.
    pub started_at: Option<Timestamp>,
    /// When it ended, UTC.
    pub ended_at: Option<Timestamp>,
    /// Its steps in order; empty where they were not asked for.
    pub steps: Vec<Step>,
    /// What SSM says of its failure.
    pub failure_message: Option<String>,
    /// What that means and what to do.
    pub failure: Option<Diagnosis>,
    /// What the document put out.
    pub outputs: BTreeMap<String, Vec<String>>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name in the document.
    pub name: String,
    /// Such as aws:runCommand.
    pub action: Option<String>,
    /// How it is, in SSM's word.
    pub word: String,
    /// When it began, UTC.
    pub started_at: Option<Timestamp>,
    /// When it ended, UTC.
    pub ended_at: Option<Timestamp>,
    /// What SSM says of its failure.
    pub failure_message: Option<String>,
}

/// Why a collection failed, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Names the cause, such as `s3-access-denied`; `unknown` where no row of the table fits.
    pub id: String,
    /// The cause, in a sentence.
    pub cause: String,
    /// What to do, in order.
    pub fix: Vec<String>,
    /// The step that failed.
    pub step: Option<String>,
}

/// Which executions are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Only those in this state.
    pub state: Option<ExecutionState>,
    /// Only those that began at this moment or later.
    pub started_after: Option<Timestamp>,
}

/// Some executions, and where the next ones are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionPage {
    /// Newest first.
    pub executions: Vec<Execution>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}
