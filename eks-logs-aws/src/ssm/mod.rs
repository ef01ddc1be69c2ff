//! Collections through SSM Automation.

pub(crate) mod agents;
mod failures;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Region as SdkRegion;
use aws_sdk_ssm::types::{
    AutomationExecution, AutomationExecutionFilter, AutomationExecutionFilterKey, AutomationExecutionMetadata,
    StepExecution,
};
use eks_logs_core::collection::{Collector, Execution, ExecutionFilter, ExecutionPage, ExecutionState, Step};
use eks_logs_core::inventory::Agent;
use eks_logs_core::{Error, ExecutionId, InstanceId, Region, Result};

use self::agents::time;
use crate::config::{Patience, region_of};
use crate::error::{Asked, meaning};
use crate::s3::S3Store;

/// AWS's own document.
pub const DOCUMENT: &str = "AWSSupport-CollectEKSInstanceLogs";
/// Executions of one page; SSM gives no more.
const PAGE: i32 = 50;

/// SSM Automation as a [`Collector`]: each region is asked by a client of its own.
pub struct SsmCollector {
    shared: SdkConfig,
    patience: Patience,
    document: String,
    /// The role that the automation takes on, where it is not the caller's own.
    role: Option<String>,
    store: S3Store,
    clients: Mutex<HashMap<Region, Client>>,
}

impl fmt::Debug for SsmCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsmCollector").field("document", &self.document).finish_non_exhaustive()
    }
}

/// The client of one region.
pub(crate) fn client(shared: &SdkConfig, patience: &Patience, region: &Region) -> Client {
    let config = aws_sdk_ssm::config::Builder::from(shared)
        .region(SdkRegion::new(region.to_string()))
        .retry_config(patience.retries())
        .retry_partition(patience.budget("ssm"))
        .timeout_config(patience.timeouts())
        .build();
    Client::from_conf(config)
}

impl SsmCollector {
    /// Collections that are uploaded to the bucket of a store.
    pub fn new(shared: &SdkConfig, store: S3Store, patience: Patience) -> Self {
        let (document, role) = (DOCUMENT.to_owned(), None);
        Self { shared: shared.clone(), patience, document, role, store, clients: Mutex::default() }
    }

    /// Runs another document: a fork of AWS's, with the same parameters.
    #[must_use]
    pub fn with_document(mut self, document: impl Into<String>) -> Self {
        self.document = document.into();
        self
    }

    /// Lets the automation take on a role.
    #[must_use]
    pub fn with_role(mut self, arn: impl Into<String>) -> Self {
        self.role = Some(arn.into());
        self
    }

    fn client(&self, region: &Region) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(region.clone()).or_insert_with(|| client(&self.shared, &self.patience, region)).clone()
    }

    fn of_metadata(&self, row: &AutomationExecutionMetadata, region: &Region) -> Option<Execution> {
        let word = row.automation_execution_status().map_or("", |status| status.as_str());
        Some(Execution {
            id: ExecutionId::parse(row.automation_execution_id()?).ok()?,
            region: region.clone(),
            document: row.document_name().unwrap_or_default().to_owned(),
            state: ExecutionState::from_ssm(word),
            word: word.to_owned(),
            instance: None,
            started_at: time(row.execution_start_time()),
            ended_at: time(row.execution_end_time()),
            steps: Vec::new(),
            failure_message: row.failure_message().map(str::to_owned),
            failure: None,
            outputs: row.outputs().cloned().unwrap_or_default().into_iter().collect(),
        })
    }

    /// All steps; an answer holds the first ones only where there are many.
    async fn steps(&self, of: &AutomationExecution, id: &ExecutionId, region: &Region) -> Result<Vec<StepExecution>> {
        if !of.step_executions_truncated() {
            return Ok(of.step_executions().to_vec());
        }
        let asked = Asked { path: id.as_str(), action: "ssm:DescribeAutomationStepExecutions" };
        let call = self.client(region).describe_automation_step_executions().automation_execution_id(id.as_str());
        let mut steps = Vec::new();
        let mut pages = call.into_paginator().items().send();
        while let Some(step) = pages.next().await {
            steps.push(step.map_err(|why| meaning(&asked, &why))?);
        }
        Ok(steps)
    }
}

fn step(of: &StepExecution) -> Step {
    Step {
        name: of.step_name().unwrap_or_default().to_owned(),
        action: of.action().map(str::to_owned),
        word: of.step_status().map_or("", |status| status.as_str()).to_owned(),
        started_at: time(of.execution_start_time()),
        ended_at: time(of.execution_end_time()),
        failure_message: of.failure_message().map(str::to_owned),
    }
}

/// The node among a document's parameters; forks may name it otherwise.
fn node(parameters: Option<&HashMap<String, Vec<String>>>) -> Option<InstanceId> {
    let parameters = parameters?;
    let of = |name: &str| InstanceId::parse(parameters.get(name)?.first()?).ok();
    let others = || {
        let sorted: BTreeMap<_, _> = parameters.iter().collect();
        sorted.into_values().flatten().find_map(|value| InstanceId::parse(value).ok())
    };
    of("EKSInstanceId").or_else(|| of("InstanceId")).or_else(others)
}

#[async_trait]
impl Collector for SsmCollector {
    fn document(&self) -> &str {
        &self.document
    }

    fn default_region(&self) -> Region {
        region_of(&self.shared)
    }

    fn bucket(&self) -> &str {
        &self.store.location().bucket
    }

    async fn has_document(&self, region: &Region) -> Result<bool> {
        let asked = Asked { path: &self.document, action: "ssm:DescribeDocument" };
        match self.client(region).describe_document().name(&self.document).send().await {
            Ok(_) => Ok(true),
            Err(why) => match meaning(&asked, &why) {
                Error::NotFound { .. } => Ok(false),
                other => Err(other),
            },
        }
    }

    async fn agent(&self, node: &InstanceId, region: &Region) -> Result<Option<Agent>> {
        Ok(agents::of(&self.client(region), std::slice::from_ref(node)).await?.remove(node))
    }

    async fn check_destination(&self) -> Result<()> {
        let location = self.store.location();
        if !location.prefix.is_root() {
            return Err(Error::Rejected {
                path: location.to_string(),
                code: "prefix".to_owned(),
                detail: format!(
                    "nodes upload to the root of a bucket, not below {}; give s3://{} to collect",
                    location.prefix, location.bucket
                ),
            });
        }
        self.store.check().await
    }

    async fn start(&self, node: &InstanceId, region: &Region, client_token: &str) -> Result<ExecutionId> {
        let asked = Asked { path: node.as_str(), action: "ssm:StartAutomationExecution" };
        let mut call = self
            .client(region)
            .start_automation_execution()
            .document_name(&self.document)
            .client_token(client_token)
            .parameters("EKSInstanceId", vec![node.to_string()])
            .parameters("LogDestination", vec![self.bucket().to_owned()]);
        if let Some(role) = &self.role {
            call = call.parameters("AutomationAssumeRole", vec![role.clone()]);
        }
        // It has to be over, one way or the other, well before the claim of whoever starts ends.
        let config = aws_sdk_ssm::config::Builder::new().timeout_config(self.patience.start_timeouts());
        let started = call.customize().config_override(config).send().await.map_err(|why| meaning(&asked, &why))?;
        ExecutionId::parse(started.automation_execution_id().unwrap_or_default())
    }

    async fn execution(&self, id: &ExecutionId, region: &Region) -> Result<Execution> {
        let asked = Asked { path: id.as_str(), action: "ssm:GetAutomationExecution" };
        let got = self.client(region).get_automation_execution().automation_execution_id(id.as_str()).send().await;
        let got = got.map_err(|why| meaning(&asked, &why))?;
        let Some(of) = got.automation_execution() else {
            return Err(Error::NotFound { path: id.to_string() });
        };
        let steps: Vec<Step> = self.steps(of, id, region).await?.iter().map(step).collect();
        let word = of.automation_execution_status().map_or("", |status| status.as_str());
        let state = ExecutionState::from_ssm(word);
        let failure = (state == ExecutionState::Failed).then(|| failures::diagnose(of.failure_message(), &steps));
        Ok(Execution {
            id: id.clone(),
            region: region.clone(),
            document: of.document_name().unwrap_or_default().to_owned(),
            state,
            word: word.to_owned(),
            instance: node(of.parameters()),
            started_at: time(of.execution_start_time()),
            ended_at: time(of.execution_end_time()),
            steps,
            failure_message: of.failure_message().map(str::to_owned),
            failure,
            outputs: of.outputs().cloned().unwrap_or_default().into_iter().collect(),
        })
    }

    async fn executions(
        &self,
        region: &Region,
        filter: &ExecutionFilter,
        token: Option<&str>,
    ) -> Result<ExecutionPage> {
        let asked = Asked { path: region.as_str(), action: "ssm:DescribeAutomationExecutions" };
        let row = |key, values: Vec<String>| {
            AutomationExecutionFilter::builder().key(key).set_values(Some(values)).build().map_err(|why| {
                Error::Rejected { path: region.to_string(), code: "filter".to_owned(), detail: why.to_string() }
            })
        };
        let mut call = self
            .client(region)
            .describe_automation_executions()
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned));
        call = call.filters(row(AutomationExecutionFilterKey::DocumentNamePrefix, vec![self.document.clone()])?);
        if let Some(state) = filter.state {
            let words = words(state).iter().map(|word| (*word).to_owned()).collect();
            call = call.filters(row(AutomationExecutionFilterKey::ExecutionStatus, words)?);
        }
        let got = call.send().await.map_err(|why| meaning(&asked, &why))?;
        let mut page = ExecutionPage { executions: Vec::new(), next: got.next_token().map(str::to_owned) };
        for row in got.automation_execution_metadata_list() {
            // A prefix is not a name.
            if row.document_name() != Some(self.document.as_str()) {
                continue;
            }
            let Some(execution) = self.of_metadata(row, region) else { continue };
            if filter.started_after.is_some_and(|after| execution.started_at.is_some_and(|at| at < after)) {
                // Newest first: all that follow are older still.
                page.next = None;
                break;
            }
            page.executions.push(execution);
        }
        Ok(page)
    }

    async fn cancel(&self, id: &ExecutionId, region: &Region) -> Result<()> {
        let asked = Asked { path: id.as_str(), action: "ssm:StopAutomationExecution" };
        let stopped = self.client(region).stop_automation_execution().automation_execution_id(id.as_str()).send().await;
        stopped.map(|_| ()).map_err(|why| meaning(&asked, &why))
    }
}

/// SSM's words for a state, as filters take them.
fn words(state: ExecutionState) -> &'static [&'static str] {
    match state {
        ExecutionState::Running => &["Pending", "InProgress", "Waiting"],
        ExecutionState::Success => &["Success"],
        ExecutionState::Failed => &["Failed", "TimedOut"],
        ExecutionState::Cancelling => &["Cancelling"],
        ExecutionState::Cancelled => &["Cancelled"],
    }
}
