use async_trait::async_trait;
use eks_logs_core::collection::once::Origin;
use eks_logs_core::inventory::{Agent, Instance, Provisioner, cluster_of};
use eks_logs_core::{Collector, Error, InstanceId, Region};
use futures_lite::future;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Account, POLL_SECONDS, Task, region};
use crate::context::{Call, Context};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

/// AWS's own document, which collects on Linux.
const LINUX_ONLY: &str = "AWSSupport-CollectEKSInstanceLogs";
/// What a collection takes on most nodes, from the start to the index.
const USUALLY: SignedDuration = SignedDuration::from_mins(4);

/// Collect a node's logs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectRequest {
    /// The node: i- and 8 or 17 hex digits, or mi- and 17 for a hybrid node.
    pub instance_id: String,
    /// Two calls with one token start one collection (1 to 128 of A-Z a-z 0-9 . _ -). Without one, a collection that runs on the node is
    /// the answer.
    #[serde(default)]
    pub idempotency_token: Option<String>,
    /// Where the node is; without it, the node is looked for.
    #[serde(default)]
    pub region: Option<String>,
}

/// A collection that is under way.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectAnswer {
    /// Always true.
    pub success: bool,
    /// The execution: ask for its status by this id.
    pub execution_id: String,
    /// The node.
    pub instance_id: String,
    /// Where it is.
    pub region: String,
    /// running.
    pub status: &'static str,
    /// The bucket to which the node uploads.
    pub s3_bucket: String,
    /// When it is likely to be ready, UTC.
    pub estimated_completion_time: Timestamp,
    /// How often to ask for the status.
    pub suggested_poll_interval_seconds: u32,
    /// True when this call started nothing, because the collection was there.
    pub idempotent: bool,
    /// Why this execution is the answer: started, same-token, already-running or adopted.
    pub origin: &'static str,
    /// The failed execution that the token stood for before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces_execution_id: Option<String>,
    /// The same as a task.
    pub task: Task,
    /// What to call next.
    pub next_step: String,
    /// What could not be remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

#[async_trait]
impl Request for CollectRequest {
    type Answer = CollectAnswer;
    const ABOUT: About = About {
        name: "collect",
        title: "Collect a node's logs",
        description: "Starts the collection of an EKS worker node's logs through SSM and answers at once with an executionId; the node uploads one \
                      archive, which is then indexed. Poll status every 15 seconds until it says completed, then call triage. Finds the node's region by \
                      itself. Give an idempotencyToken when you may call twice. Refuses, and says why, for a node that is gone, stopped, or \
                      whose SSM agent is offline. If a bundle of the node is recent enough (history), do not collect again.",
        needs: Needs::Aws,
        effect: Effect::AddsOnce,
    };

    async fn answer(&self, context: &Context, _: Call<'_>) -> Result<CollectAnswer, Failure> {
        let node = InstanceId::parse(&self.instance_id)?;
        let token = self.idempotency_token.as_deref();
        token.map(eks_logs_core::collection::once::check_token).transpose()?;
        let account = context.account("collect")?;
        let (region, instance) = region::of_node(&account, &node, self.region.as_deref()).await?;
        if let Some(instance) = &instance {
            check_instance(instance)?;
            check_platform(instance, account.collector.document())?;
        }
        preflight(&account, &node, &region).await?;
        let cluster = instance.as_ref().and_then(cluster_of);
        let started = account.starter(cluster).start(&node, &region, token).await?;
        let now = account.clock.now();
        let (origin, message) = match started.origin {
            Origin::Started => ("started", "the collector is being started on the node"),
            Origin::SameToken => ("same-token", "this token's collection was started before"),
            Origin::AlreadyRunning => {
                ("already-running", "a collection runs on the node already; two would mix their files")
            }
            Origin::Adopted => ("adopted", "a caller that did not come back had started it"),
        };
        let id = started.execution.to_string();
        Ok(CollectAnswer {
            success: true,
            instance_id: node.to_string(),
            region: started.region.to_string(),
            status: "running",
            s3_bucket: account.collector.bucket().to_owned(),
            estimated_completion_time: now.checked_add(USUALLY).unwrap_or(now),
            suggested_poll_interval_seconds: POLL_SECONDS,
            idempotent: started.origin != Origin::Started,
            origin,
            replaces_execution_id: started.replaces.map(|id| id.to_string()),
            task: Task { task_id: id.clone(), state: "running", message: message.to_owned(), progress: 0 },
            next_step: format!("call status with executionId {id} every {POLL_SECONDS} seconds until it is completed"),
            warning: (!started.warnings.is_empty()).then(|| started.warnings.join("; ")),
            execution_id: id,
        })
    }
}

/// Whether a machine can be collected by what EC2 says of it.
pub(super) fn check_instance(instance: &Instance) -> Result<(), Failure> {
    let id = &instance.id;
    let refuse = |error: String, suggestion: &str| Err(Failure::new(Code::NotCollectable, error, suggestion));
    match instance.state.as_str() {
        "terminated" | "shutting-down" => {
            return refuse(
                format!("{id} is {}: its disk and its logs are gone", instance.state),
                "look for bundles that were collected before (history with this instanceId), or at another node of its group",
            );
        }
        "stopped" | "stopping" => {
            return refuse(
                format!("{id} is {}: commands do not reach it", instance.state),
                "start it and collect then, or attach its root volume to another machine",
            );
        }
        _ => {}
    }
    if matches!(Provisioner::of(instance), Provisioner::AutoMode(_)) {
        return refuse(
            format!("{id} is a node of EKS Auto Mode, on which SSM runs nothing"),
            "create a NodeDiagnostic resource in the cluster, and read the archive that it uploads",
        );
    }
    Ok(())
}

/// Whether the document collects on the machine's platform. A document of somebody's own may.
pub(super) fn check_platform(instance: &Instance, document: &str) -> Result<(), Failure> {
    let windows = instance.platform.as_deref().is_some_and(|platform| platform.eq_ignore_ascii_case("windows"));
    if windows && document == LINUX_ONLY {
        return Err(Failure::new(
            Code::NotCollectable,
            format!("{} runs Windows, which {document} does not collect", instance.id),
            "run the Windows log collector on it (eks-log-collector.ps1) and upload its archive, or name a document that does",
        ));
    }
    Ok(())
}

/// Whether the node's agent can be reached.
pub(super) fn check_agent(node: &InstanceId, region: &Region, agent: Option<&Agent>) -> Result<(), Failure> {
    let refuse = |error: String, suggestion: &str| Err(Failure::new(Code::NotCollectable, error, suggestion));
    match agent {
        None => refuse(
            format!("SSM in {region} does not know {node}: its agent has never registered"),
            "give the node's role AmazonSSMManagedInstanceCore, see that the SSM agent runs, and that the node reaches ssm, ssmmessages and \
             ec2messages (NAT or VPC endpoints); Bottlerocket needs its control container enabled",
        ),
        Some(agent) if !agent.is_online() => {
            let last = agent.last_ping.map_or("at an unknown time".to_owned(), |at| at.to_string());
            refuse(
                format!("the SSM agent of {node} is offline ({}), last heard of {last}", agent.ping),
                "what cut the agent off may be the fault itself: look at the node's status checks and at the EC2 serial console; \
                 reboot it only if its logs may be lost",
            )
        }
        Some(_) => Ok(()),
    }
}

/// What must hold before a collection is started.
async fn preflight(account: &Account<'_>, node: &InstanceId, region: &Region) -> Result<(), Failure> {
    let collector = account.collector;
    let checks = future::zip(
        collector.check_destination(),
        future::zip(collector.has_document(region), collector.agent(node, region)),
    );
    let (destination, (document, agent)) = checks.await;
    destination.map_err(|why| {
        let mut failure = Failure::from(why);
        failure.error = format!("the bucket for bundles cannot be used: {}", failure.error);
        failure
    })?;
    match document {
        Ok(true) => {}
        Ok(false) => return Err(no_document(account, region).await),
        // Whoever may start it need not be allowed to describe it.
        Err(Error::AccessDenied { .. }) => {}
        Err(why) => return Err(why.into()),
    }
    match agent {
        Ok(agent) => check_agent(node, region, agent.as_ref()),
        Err(Error::AccessDenied { .. }) => Ok(()),
        Err(why) => Err(why.into()),
    }
}

/// Says where the document is.
async fn no_document(account: &Account<'_>, region: &Region) -> Failure {
    let name = account.collector.document();
    let regions = match account.inventory {
        Some(inventory) => inventory.regions().await.unwrap_or_default(),
        None => vec![account.collector.default_region()],
    };
    let known = having(account.collector, regions.into_iter().filter(|other| other != region).collect()).await;
    let suggestion = if known.is_empty() {
        "check the document's name, or copy the document to this region".to_owned()
    } else {
        format!("copy the document to {region}; it is in {}", known.join(", "))
    };
    let mut failure =
        Failure::new(Code::DocumentNotFound, format!("there is no document {name} in {region}"), suggestion);
    failure.details.all = known;
    failure
}

async fn having(collector: &dyn Collector, regions: Vec<Region>) -> Vec<String> {
    let mut asked: FuturesUnordered<_> =
        regions.into_iter().map(async |region| (collector.has_document(&region).await, region)).collect();
    let mut known = Vec::new();
    while let Some((answer, region)) = asked.next().await {
        // A region that does not answer is not known to have it.
        if matches!(answer, Ok(true)) {
            known.push(region.to_string());
        }
    }
    known.sort();
    known
}
