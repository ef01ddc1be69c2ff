use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fleet::{Fleet, FleetGap, Member};
use super::region;
use crate::context::{Call, Context};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

fn yes() -> bool {
    true
}

/// How the nodes of a cluster are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterHealthRequest {
    /// The cluster's name.
    pub cluster_name: String,
    /// Where it is; without it, the cluster is looked for.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether SSM is asked which nodes can be collected.
    #[serde(default = "yes", rename = "includeSSMStatus")]
    pub include_ssm_status: bool,
}

/// How the nodes of a cluster are.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterHealthAnswer {
    /// Always true.
    pub success: bool,
    /// The cluster.
    pub cluster: ClusterView,
    /// Managed nodegroups, by name.
    pub nodegroups: Vec<NodegroupView>,
    /// All nodes, by id.
    pub nodes: Vec<NodeView>,
    /// Nodes with which something is known to be wrong.
    pub unhealthy_nodes: Vec<UnhealthyNode>,
    /// Counts.
    pub health_summary: HealthSummary,
    /// high, medium or low: by which of Kubernetes and SSM could be asked.
    pub confidence: &'static str,
    /// What is not known.
    pub gaps: Vec<FleetGap>,
    /// What to call next.
    pub next_step: String,
}

/// The cluster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterView {
    /// Its name.
    pub name: String,
    /// Kubernetes version.
    pub version: Option<String>,
    /// EKS's word.
    pub status: String,
    /// Such as eks.9.
    pub platform_version: Option<String>,
    /// The API server's URL.
    pub endpoint: Option<String>,
    /// Where it is.
    pub region: String,
    /// What EKS reports as wrong with it.
    pub issues: Vec<IssueView>,
}

/// What EKS reports as wrong.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct IssueView {
    /// EKS's code.
    pub code: String,
    /// EKS's words.
    pub message: String,
    /// What is concerned.
    pub resources: Vec<String>,
}

/// A managed nodegroup.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodegroupView {
    /// Its name.
    pub name: String,
    /// EKS's word.
    pub status: String,
    /// Kubernetes version.
    pub version: Option<String>,
    /// The AMI release.
    pub release_version: Option<String>,
    /// Such as AL2023_x86_64_STANDARD.
    pub ami_type: Option<String>,
    /// ON_DEMAND, SPOT or CAPACITY_BLOCK.
    pub capacity_type: Option<String>,
    /// Instance types that it launches.
    pub instance_types: Vec<String>,
    /// How many nodes it should have.
    pub desired_size: Option<i32>,
    /// What EKS reports as wrong with it.
    pub issues: Vec<IssueView>,
}

/// One node.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Its id.
    pub instance_id: String,
    /// Such as m5.large.
    pub instance_type: Option<String>,
    /// Such as eu-central-1a.
    pub availability_zone: Option<String>,
    /// EC2's word.
    pub state: String,
    /// When it was launched, UTC.
    pub launch_time: Option<Timestamp>,
    /// Its first private address.
    pub private_ip: Option<String>,
    /// The AMI.
    pub image_id: Option<String>,
    /// Its nodegroup or pool.
    pub nodegroup: Option<String>,
    /// nodegroup, karpenter, auto-mode, self-managed or hybrid.
    pub provisioner: &'static str,
    /// The tag Name.
    pub name: Option<String>,
    /// What Kubernetes calls it.
    pub kubernetes_name: Option<String>,
    /// The condition Ready: True, False or Unknown; `null` where Kubernetes does not know the node or was not asked.
    pub ready: Option<&'static str>,
    /// SSM's word; NotRegistered where SSM does not know the node, `null` where it was not asked.
    pub ssm_status: Option<String>,
    /// When its agent was last heard of, UTC.
    pub last_ping_time: Option<Timestamp>,
    /// Why collect would refuse it; `null` if nothing is known against it.
    pub not_collectable: Option<String>,
}

/// A node with which something is wrong.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnhealthyNode {
    /// Its id.
    pub instance_id: String,
    /// What is wrong.
    pub reasons: Vec<String>,
    /// Whether collect would take it.
    pub collectable: bool,
}

/// Counts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthSummary {
    /// All nodes.
    pub total_nodes: usize,
    /// Running in EC2.
    pub running: usize,
    /// Agents that can be reached.
    pub ssm_online: usize,
    /// Nodes whose agent cannot be reached or is not registered.
    pub ssm_offline: usize,
    /// Nodes that Kubernetes calls Ready; `null` where it was not asked.
    pub ready: Option<usize>,
    /// Nodes with which something is wrong.
    pub unhealthy_count: usize,
    /// Nodes by zone.
    pub az_distribution: BTreeMap<String, usize>,
    /// Nodes by nodegroup or pool.
    pub nodegroup_distribution: BTreeMap<String, usize>,
    /// Nodes by how they came to be.
    pub provisioner_distribution: BTreeMap<String, usize>,
}

pub(super) fn check_cluster_name(name: &str) -> Result<(), Failure> {
    // https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
    let valid = (1..=100).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if valid {
        return Ok(());
    }
    Err(Failure::new(
        Code::BadArgument,
        format!("clusterName {name:?} is not a cluster's name"),
        "give 1 to 100 of A-Z a-z 0-9 - _, as `aws eks list-clusters` shows it",
    ))
}

#[async_trait]
impl Request for ClusterHealthRequest {
    type Answer = ClusterHealthAnswer;
    const ABOUT: About = About {
        name: "cluster_health",
        title: "How the nodes of a cluster are",
        description: "Lists a cluster's nodes with what EC2, Kubernetes and SSM say of each: managed, self-managed, Karpenter, Auto Mode and hybrid \
                      ones; which are unhealthy and why; which can be collected. Start here when no node is named. Then collect an unhealthy node, or \
                      batch_collect a sample of many. Nodes that one side knows and the other does not are in gaps.",
        needs: Needs::Aws,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, _: Call<'_>) -> Result<ClusterHealthAnswer, Failure> {
        check_cluster_name(&self.cluster_name)?;
        let account = context.account("cluster_health")?;
        let inventory = account.inventory("cluster_health")?;
        let cluster = region::of_cluster(&account, inventory, &self.cluster_name, self.region.as_deref()).await?;
        let fleet = Fleet::of(inventory, cluster, account.collector.document(), self.include_ssm_status).await?;
        Ok(view(&fleet))
    }
}

fn issue(issue: &eks_logs_core::inventory::Issue) -> IssueView {
    IssueView { code: issue.code.clone(), message: issue.message.clone(), resources: issue.resources.clone() }
}

fn view(fleet: &Fleet) -> ClusterHealthAnswer {
    let cluster = &fleet.cluster;
    let nodes: Vec<NodeView> = fleet.members.iter().map(|member| node(member, fleet)).collect();
    let unhealthy_nodes: Vec<UnhealthyNode> = fleet
        .members
        .iter()
        .map(|member| UnhealthyNode {
            instance_id: member.instance.id.to_string(),
            reasons: member.troubles(fleet),
            collectable: member.obstacle(fleet).is_none(),
        })
        .filter(|node| !node.reasons.is_empty())
        .collect();
    let count = |key: &dyn Fn(&Member) -> String| {
        let mut counts = BTreeMap::new();
        for member in &fleet.members {
            *counts.entry(key(member)).or_insert(0) += 1;
        }
        counts
    };
    let online =
        fleet.members.iter().filter(|member| member.agent.as_ref().is_some_and(|agent| agent.is_online())).count();
    let ready =
        fleet.members.iter().filter(|member| member.registered.as_ref().and_then(|node| node.ready) == Some(true));
    let next_step = match unhealthy_nodes.iter().find(|node| node.collectable) {
        Some(node) if unhealthy_nodes.len() == 1 => format!("call collect with instanceId {}", node.instance_id),
        Some(_) => format!("call batch_collect with clusterName {} and dryRun true to see a plan", cluster.name),
        None if unhealthy_nodes.is_empty() => {
            "nothing is known to be wrong; collect a node that you suspect".to_owned()
        }
        None => "no unhealthy node can be collected; see notCollectable for why".to_owned(),
    };
    ClusterHealthAnswer {
        success: true,
        cluster: ClusterView {
            name: cluster.name.clone(),
            version: cluster.version.clone(),
            status: cluster.status.clone(),
            platform_version: cluster.platform_version.clone(),
            endpoint: cluster.endpoint.clone(),
            region: cluster.region.to_string(),
            issues: cluster.issues.iter().map(issue).collect(),
        },
        nodegroups: fleet
            .nodegroups
            .iter()
            .map(|group| NodegroupView {
                name: group.name.clone(),
                status: group.status.clone(),
                version: group.version.clone(),
                release_version: group.release_version.clone(),
                ami_type: group.ami_type.clone(),
                capacity_type: group.capacity_type.clone(),
                instance_types: group.instance_types.clone(),
                desired_size: group.desired,
                issues: group.issues.iter().map(issue).collect(),
            })
            .collect(),
        health_summary: HealthSummary {
            total_nodes: nodes.len(),
            running: nodes.iter().filter(|node| node.state == "running").count(),
            ssm_online: online,
            ssm_offline: if fleet.ssm { nodes.len() - online } else { 0 },
            ready: fleet.kubernetes.then(|| ready.count()),
            unhealthy_count: unhealthy_nodes.len(),
            az_distribution: count(&|member| {
                member.instance.availability_zone.clone().unwrap_or_else(|| "none".to_owned())
            }),
            nodegroup_distribution: count(&|member| member.provisioner.group().unwrap_or("none").to_owned()),
            provisioner_distribution: count(&|member| member.provisioner.kind().to_owned()),
        },
        nodes,
        unhealthy_nodes,
        confidence: fleet.confidence(),
        gaps: fleet.gaps.clone(),
        next_step,
    }
}

fn node(member: &Member, fleet: &Fleet) -> NodeView {
    let instance = &member.instance;
    let ready = member.registered.as_ref().map(|node| match node.ready {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    });
    let agent = member.agent.as_ref();
    NodeView {
        instance_id: instance.id.to_string(),
        instance_type: instance.instance_type.clone(),
        availability_zone: instance.availability_zone.clone(),
        state: instance.state.clone(),
        launch_time: instance.launched_at,
        private_ip: instance.private_ip.clone(),
        image_id: instance.image_id.clone(),
        nodegroup: member.provisioner.group().map(str::to_owned),
        provisioner: member.provisioner.kind(),
        name: instance.name().map(str::to_owned),
        kubernetes_name: member.registered.as_ref().map(|node| node.name.clone()),
        ready,
        ssm_status: fleet.ssm.then(|| agent.map_or("NotRegistered".to_owned(), |agent| agent.ping.clone())),
        last_ping_time: agent.and_then(|agent| agent.last_ping),
        not_collectable: member.obstacle(fleet),
    }
}
