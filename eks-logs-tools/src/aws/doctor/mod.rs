//! What must hold for collections to work, looked at from outside, with the fix for what does not hold.

mod policy;
mod upload;

use std::collections::{BTreeMap, BTreeSet};

use eks_logs_core::access::Role;
use eks_logs_core::inventory::Cluster;
use eks_logs_core::{Access, Error, InstanceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster_health::check_cluster_name;
use super::fleet::{Fleet, Member};
use super::{Account, region};
use crate::context::Context;
use crate::failure::Failure;

/// Nodes that are named in one check.
const NAMED: usize = 20;

/// Which cluster is looked at.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorRequest {
    /// The cluster's name.
    pub cluster_name: String,
    /// Where it is; without it, the cluster is looked for.
    #[serde(default)]
    pub region: Option<String>,
}

/// Whether what is checked holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// It holds.
    Ok,
    /// It does not: collections fail.
    Failed,
    /// It could not be found out.
    Unknown,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// Which: document, bucket, bucket-policy, nodes, agents, node-role, upload, encryption.
    pub id: &'static str,
    /// What it is about: a document, a bucket, a role.
    pub subject: String,
    /// Whether it holds.
    pub status: CheckStatus,
    /// What was found.
    pub detail: String,
    /// What to do, in order; empty where it holds.
    pub fix: Vec<String>,
}

/// What must hold for collections, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorAnswer {
    /// Always true: the checks were made, whatever they found.
    pub success: bool,
    /// The cluster.
    pub cluster_name: String,
    /// Where it is.
    pub region: String,
    /// True if everything is known to hold.
    pub healthy: bool,
    /// All checks, in the order in which a collection needs them.
    pub checks: Vec<Check>,
}

impl Check {
    fn ok(id: &'static str, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { id, subject: subject.into(), status: CheckStatus::Ok, detail: detail.into(), fix: Vec::new() }
    }

    fn failed(id: &'static str, subject: impl Into<String>, detail: impl Into<String>, fix: Vec<String>) -> Self {
        Self { id, subject: subject.into(), status: CheckStatus::Failed, detail: detail.into(), fix }
    }

    fn unknown(id: &'static str, subject: impl Into<String>, detail: impl Into<String>, fix: Vec<String>) -> Self {
        Self { id, subject: subject.into(), status: CheckStatus::Unknown, detail: detail.into(), fix }
    }

    /// A check that could not be made.
    fn not_made(id: &'static str, subject: impl Into<String>, why: Error) -> Self {
        let failure = Failure::from(why);
        Self::unknown(id, subject, failure.error, vec![failure.details.suggestion])
    }
}

/// Looks at what must hold for the nodes of a cluster to be collected.
///
/// # Errors
/// If no account is set up, or the cluster is not found. What else cannot be found out is a check whose status is unknown.
pub async fn examine(context: &Context, access: &dyn Access, request: &DoctorRequest) -> Result<DoctorAnswer, Failure> {
    check_cluster_name(&request.cluster_name)?;
    let account = context.account("doctor")?;
    let inventory = account.inventory("doctor")?;
    let cluster = region::of_cluster(&account, inventory, &request.cluster_name, request.region.as_deref()).await?;
    let mut checks = vec![document(&account, &cluster).await, bucket(&account).await];
    let fleet = Fleet::of(inventory, cluster, account.collector.document(), true).await?;
    checks.extend(nodes(&fleet));
    let roles = roles(&fleet, access, &mut checks).await;
    upload::check(access, &roles, &mut checks).await;
    Ok(DoctorAnswer {
        success: true,
        cluster_name: fleet.cluster.name.clone(),
        region: fleet.cluster.region.to_string(),
        healthy: checks.iter().all(|check| check.status == CheckStatus::Ok),
        checks,
    })
}

async fn document(account: &Account<'_>, cluster: &Cluster) -> Check {
    let (id, region, name) = ("document", &cluster.region, account.collector.document());
    match account.collector.has_document(region).await {
        Ok(true) => Check::ok(id, name, format!("it is in {region}")),
        Ok(false) => Check::failed(
            id,
            name,
            format!("it is not in {region}"),
            vec![
                format!("see `aws ssm describe-document --name {name} --region {region}`"),
                "collect with a document that is there (--document), or copy this one into the region under a name of your own".to_owned(),
            ],
        ),
        Err(why) => Check::not_made(id, name, why),
    }
}

async fn bucket(account: &Account<'_>) -> Check {
    let (id, subject) = ("bucket", format!("s3://{}", account.collector.bucket()));
    match account.collector.check_destination().await {
        Ok(()) => Check::ok(id, subject, "it is there and can be listed"),
        Err(why @ Error::Unavailable { .. }) => Check::not_made(id, subject, why),
        Err(why) => {
            let failure = Failure::from(why);
            Check::failed(id, subject, failure.error, vec![failure.details.suggestion])
        }
    }
}

fn named<'a>(members: impl Iterator<Item = &'a InstanceId>) -> String {
    let all: Vec<&str> = members.map(InstanceId::as_str).collect();
    let more = if all.len() > NAMED { format!(" and {} more", all.len() - NAMED) } else { String::new() };
    all.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ") + &more
}

/// Whether there are nodes, and whether commands reach them.
fn nodes(fleet: &Fleet) -> Vec<Check> {
    let subject = fleet.cluster.name.as_str();
    let running: Vec<&Member> =
        fleet.members.iter().filter(|member| matches!(member.instance.state.as_str(), "running" | "hybrid")).collect();
    if running.is_empty() {
        let detail = "no machine that runs carries a tag of this cluster";
        let fix = "see that the nodes are tagged eks:cluster-name, eks:eks-cluster-name or kubernetes.io/cluster/<name>, as EKS and Karpenter do it";
        return vec![Check::failed("nodes", subject, detail, vec![fix.to_owned()])];
    }
    let mut checks = vec![Check::ok("nodes", subject, format!("{} run", running.len()))];
    if !fleet.ssm {
        let gap = fleet.gaps.iter().find(|gap| gap.kind == "ssm");
        let detail = gap.map_or("SSM was not asked".to_owned(), |gap| gap.detail.clone());
        let fix = format!("allow ssm:DescribeInstanceInformation in {}", fleet.cluster.region);
        checks.push(Check::unknown("agents", subject, detail, vec![fix]));
        return checks;
    }
    let of = |wanted: &dyn Fn(&Member) -> bool| -> Vec<&InstanceId> {
        running.iter().filter(|member| wanted(member)).map(|member| &member.instance.id).collect()
    };
    let absent = of(&|member| member.agent.is_none());
    let silent = of(&|member| member.agent.as_ref().is_some_and(|agent| !agent.is_online()));
    if absent.is_empty() && silent.is_empty() {
        checks.push(Check::ok("agents", subject, format!("{} are online", running.len())));
    }
    let region = &fleet.cluster.region;
    if !absent.is_empty() {
        checks.push(Check::failed(
            "agents",
            subject,
            format!("SSM does not know {} of {} nodes: {}", absent.len(), running.len(), named(absent.iter().copied())),
            vec![
                "attach AmazonSSMManagedInstanceCore to the role of the nodes, or turn on Default Host Management".to_owned(),
                format!("see that nodes reach ssm, ssmmessages and ec2messages in {region}: through NAT, or by VPC endpoints"),
                "see on a node that the agent runs: systemctl status amazon-ssm-agent".to_owned(),
            ],
        ));
    }
    if !silent.is_empty() {
        checks.push(Check::failed(
            "agents",
            subject,
            format!("SSM does not reach {} of {} nodes: {}", silent.len(), running.len(), named(silent.iter().copied())),
            vec![
                "restart the agent (systemctl restart amazon-ssm-agent) or the node; a node out of memory or disk loses it first".to_owned(),
                format!("see that nodes still reach ssm, ssmmessages and ec2messages in {region}"),
            ],
        ));
    }
    checks
}

/// The roles of the nodes, each with one node that has it.
async fn roles(fleet: &Fleet, access: &dyn Access, checks: &mut Vec<Check>) -> BTreeMap<Role, InstanceId> {
    let (id, subject) = ("node-role", fleet.cluster.name.as_str());
    let machines: Vec<InstanceId> = fleet
        .members
        .iter()
        .map(|member| &member.instance)
        .filter(|machine| machine.state == "running" && !machine.id.is_hybrid())
        .map(|machine| machine.id.clone())
        .collect();
    let mut roles = BTreeMap::new();
    if machines.is_empty() {
        return roles;
    }
    let found = match access.node_roles(&machines, &fleet.cluster.region).await {
        Ok(found) => found,
        Err(why) => {
            checks.push(Check::not_made(id, subject, why));
            return roles;
        }
    };
    let mut without = BTreeSet::new();
    for (node, role) in found {
        match role {
            Some(role) => {
                roles.entry(role).or_insert(node);
            }
            None => {
                without.insert(node);
            }
        }
    }
    if !without.is_empty() {
        checks.push(Check::failed(
            id,
            subject,
            format!(
                "{} nodes have no instance profile, so they cannot upload: {}",
                without.len(),
                named(without.iter())
            ),
            vec!["attach an instance profile with the nodes' role".to_owned()],
        ));
    }
    if !roles.is_empty() {
        let names: Vec<&str> = roles.keys().map(Role::name).collect();
        checks.push(Check::ok(id, subject, format!("nodes have {}", names.join(", "))));
    }
    roles
}
