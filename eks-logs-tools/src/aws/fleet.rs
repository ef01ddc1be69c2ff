//! The nodes of a cluster with all that is known of each, and what is not known: what both cluster_health and batch_collect look at.

use std::collections::{BTreeMap, BTreeSet};

use eks_logs_core::inventory::{Agent, Cluster, Instance, Nodegroup, Provisioner, RegisteredNode};
use eks_logs_core::{Error, InstanceId, Inventory};
use futures_lite::future;
use schemars::JsonSchema;
use serde::Serialize;

use super::collect::{check_agent, check_instance, check_platform};
use super::is_refusal;
use crate::failure::Failure;

/// What is not known of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FleetGap {
    /// Which kind: kubernetes, ssm, nodegroups, not-in-ec2, not-in-kubernetes, desired-size.
    pub kind: &'static str,
    /// What is missing, and what that leaves unknown.
    pub detail: String,
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) instance: Instance,
    pub(super) provisioner: Provisioner,
    /// `None` if agents were not asked for or SSM does not know it.
    pub(super) agent: Option<Agent>,
    /// `None` where Kubernetes does not know it, or could not be asked.
    pub(super) registered: Option<RegisteredNode>,
}

/// A cluster and its nodes.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub(super) cluster: Cluster,
    /// The document that would collect.
    pub(super) document: String,
    pub(super) nodegroups: Vec<Nodegroup>,
    pub(super) members: Vec<Member>,
    /// Nodes of Kubernetes without a machine of this account behind them.
    pub(super) strays: Vec<RegisteredNode>,
    pub(super) gaps: Vec<FleetGap>,
    /// Whether Kubernetes could be asked.
    pub(super) kubernetes: bool,
    /// Whether SSM could be asked.
    pub(super) ssm: bool,
}

fn gap(kind: &'static str, detail: String) -> FleetGap {
    FleetGap { kind, detail }
}

impl Fleet {
    /// Asks EC2, EKS, SSM and Kubernetes. What refuses or fails to answer, beyond EC2, is a gap.
    pub(super) async fn of(
        inventory: &dyn Inventory,
        cluster: Cluster,
        document: &str,
        with_agents: bool,
    ) -> Result<Self, Failure> {
        let asked = future::zip(
            future::zip(inventory.nodes(&cluster), inventory.hybrid_nodes(&cluster)),
            future::zip(inventory.nodegroups(&cluster), inventory.registered(&cluster)),
        );
        let ((nodes, hybrid), (nodegroups, registered)) = asked.await;
        let mut nodes = nodes?;
        let mut gaps = Vec::new();
        match hybrid {
            Ok(hybrid) => nodes.extend(hybrid),
            Err(why) => gaps.push(gap("ssm", format!("hybrid nodes are not known: {why}"))),
        }
        let nodegroups = nodegroups.unwrap_or_else(|why| {
            gaps.push(gap("nodegroups", format!("nodegroups are not known: {why}")));
            Vec::new()
        });
        let registered = registered.unwrap_or_else(|why| {
            gaps.push(gap(
                "kubernetes",
                format!("Kubernetes did not answer, so whether nodes are Ready is not known: {why}"),
            ));
            None
        });
        if registered.is_none() && gaps.iter().all(|gap| gap.kind != "kubernetes") {
            gaps.push(gap(
                "kubernetes",
                "Kubernetes was not asked, so whether nodes are Ready is not known; allow eks:AccessKubernetesApi and list on nodes".to_owned(),
            ));
        }
        let ids: Vec<InstanceId> = nodes.iter().map(|node| node.id.clone()).collect();
        let mut agents = BTreeMap::new();
        let mut ssm = with_agents;
        if with_agents {
            match inventory.agents(&ids, &cluster.region).await {
                Ok(found) => agents = found,
                Err(why) => {
                    ssm = false;
                    let why: &Error = &why;
                    let refused = if is_refusal(why) { "SSM refuses to tell" } else { "SSM did not answer" };
                    gaps.push(gap("ssm", format!("{refused}, so whether nodes can be collected is not known: {why}")));
                }
            }
        }
        let kubernetes = registered.is_some();
        let (members, strays) = join(nodes, &agents, registered.unwrap_or_default());
        let document = document.to_owned();
        let mut fleet = Self { cluster, document, nodegroups, members, strays, gaps, kubernetes, ssm };
        fleet.compare();
        Ok(fleet)
    }

    /// What one side knows and the other does not.
    fn compare(&mut self) {
        let named = |names: &mut dyn Iterator<Item = String>| {
            let all: Vec<String> = names.collect();
            let more = if all.len() > 10 { format!(" and {} more", all.len() - 10) } else { String::new() };
            (all.len(), all.iter().take(10).cloned().collect::<Vec<_>>().join(", ") + &more)
        };
        let (count, names) = named(&mut self.strays.iter().map(|node| node.name.clone()));
        if count > 0 {
            let detail = format!(
                "{count} nodes are registered in Kubernetes and not in EC2 (Fargate, another account, or gone): {names}"
            );
            self.gaps.push(gap("not-in-ec2", detail));
        }
        if self.kubernetes {
            let missing =
                self.members.iter().filter(|member| member.registered.is_none() && member.instance.state == "running");
            let (count, names) = named(&mut missing.map(|member| member.instance.id.to_string()));
            if count > 0 {
                let detail = format!(
                    "{count} machines carry the cluster's tags and run, and Kubernetes does not know them: they never joined, or have been removed: {names}"
                );
                self.gaps.push(gap("not-in-kubernetes", detail));
            }
        }
        for group in &self.nodegroups {
            let there = self.members.iter().filter(|member| {
                member.provisioner.group() == Some(group.name.as_str()) && member.instance.state == "running"
            });
            let there = there.count();
            if let Some(desired) = group.desired.and_then(|desired| usize::try_from(desired).ok())
                && desired != there
            {
                let detail = format!("nodegroup {} should have {desired} nodes, and {there} run", group.name);
                self.gaps.push(gap("desired-size", detail));
            }
        }
    }

    /// How much the answer can be trusted.
    pub(super) fn confidence(&self) -> &'static str {
        match (self.kubernetes, self.ssm) {
            (true, true) => "high",
            (true, false) | (false, true) => "medium",
            (false, false) => "low",
        }
    }
}

fn join(
    nodes: Vec<Instance>,
    agents: &BTreeMap<InstanceId, Agent>,
    registered: Vec<RegisteredNode>,
) -> (Vec<Member>, Vec<RegisteredNode>) {
    let dns: BTreeMap<String, InstanceId> =
        nodes.iter().filter_map(|node| Some((node.private_dns.clone()?, node.id.clone()))).collect();
    let known: BTreeSet<InstanceId> = nodes.iter().map(|node| node.id.clone()).collect();
    let (mut by_id, mut strays) = (BTreeMap::new(), Vec::new());
    for node in registered {
        // Hybrid nodes are registered under their own id.
        let id = node
            .instance
            .clone()
            .or_else(|| dns.get(&node.name).cloned())
            .or_else(|| InstanceId::parse(&node.name).ok());
        match id.filter(|id| known.contains(id)) {
            Some(id) => {
                by_id.insert(id, node);
            }
            None => strays.push(node),
        }
    }
    let member = |instance: Instance| Member {
        provisioner: Provisioner::of(&instance),
        agent: agents.get(&instance.id).cloned(),
        registered: by_id.remove(&instance.id),
        instance,
    };
    (nodes.into_iter().map(member).collect(), strays)
}

impl Member {
    /// What is wrong with the node, sorted; empty if nothing is known to be.
    pub(super) fn troubles(&self, fleet: &Fleet) -> Vec<String> {
        let mut troubles = Vec::new();
        if let Some(node) = &self.registered {
            match node.ready {
                Some(true) => {}
                Some(false) => troubles.push(format!("NotReady/{}", node.reason.as_deref().unwrap_or("no reason"))),
                None => troubles.push(format!("ReadyUnknown/{}", node.reason.as_deref().unwrap_or("no reason"))),
            }
            troubles.extend(node.pressures.iter().cloned());
            if self.instance.state != "running" && self.instance.state != "hybrid" {
                troubles.push(format!("ec2-{}", self.instance.state));
            }
        } else if fleet.kubernetes && self.instance.state == "running" {
            troubles.push("not-joined".to_owned());
        }
        // Nodes on which SSM never runs are not ill for it.
        let expected = !matches!(self.provisioner, Provisioner::AutoMode(_)) && self.instance.state == "running";
        if fleet.ssm && expected {
            match &self.agent {
                Some(agent) if !agent.is_online() => troubles.push(format!("ssm-{}", agent.ping)),
                _ => {}
            }
        }
        troubles.sort();
        troubles
    }

    /// True when Kubernetes says that it is not Ready.
    pub(super) fn is_not_ready(&self) -> bool {
        self.registered.as_ref().is_some_and(|node| node.ready != Some(true))
    }

    /// Why the node cannot be collected; `None` if nothing is known against it.
    pub(super) fn obstacle(&self, fleet: &Fleet) -> Option<String> {
        if let Err(failure) = check_instance(&self.instance) {
            return Some(failure.error);
        }
        if let Err(failure) = check_platform(&self.instance, &fleet.document) {
            return Some(failure.error);
        }
        if !fleet.ssm {
            return None;
        }
        check_agent(&self.instance.id, &fleet.cluster.region, self.agent.as_ref()).err().map(|failure| failure.error)
    }
}
