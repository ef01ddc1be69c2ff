//! The inventory port: which clusters, nodes and network interfaces there are, and how a node came to be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::id::{InstanceId, Region};

/// Knows the account: clusters, nodes, regions. Reading only.
#[async_trait]
pub trait Inventory: fmt::Debug + Send + Sync {
    /// The region that is asked where nobody names one.
    fn default_region(&self) -> Region;

    /// The regions that are enabled for this account, sorted.
    async fn regions(&self) -> Result<Vec<Region>>;

    /// A node by its id; `None` if this region does not know it. A hybrid node is looked for among the managed nodes of SSM.
    async fn instance(&self, id: &InstanceId, region: &Region) -> Result<Option<Instance>>;

    /// A cluster by its name.
    async fn cluster(&self, name: &str, region: &Region) -> Result<Cluster>;

    /// All managed nodegroups of a cluster, by name.
    async fn nodegroups(&self, cluster: &Cluster) -> Result<Vec<Nodegroup>>;

    /// All nodes that carry a tag of this cluster (see [`Provisioner::of`]) and are not terminated, by id.
    async fn nodes(&self, cluster: &Cluster) -> Result<Vec<Instance>>;

    /// The nodes outside of EC2 that were activated for this cluster, by id.
    async fn hybrid_nodes(&self, cluster: &Cluster) -> Result<Vec<Instance>>;

    /// What Kubernetes itself knows of its nodes; `None` where this inventory cannot ask it.
    async fn registered(&self, cluster: &Cluster) -> Result<Option<Vec<RegisteredNode>>>;

    /// The SSM agents of these nodes; a node that SSM does not know is absent.
    async fn agents(&self, nodes: &[InstanceId], region: &Region) -> Result<BTreeMap<InstanceId, Agent>>;

    /// The network interfaces that are attached to a node, by device index.
    async fn network_interfaces(&self, id: &InstanceId, region: &Region) -> Result<Vec<NetworkInterface>>;
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Where it is.
    pub region: Region,
    /// EC2's word: pending, running, stopping, stopped, shutting-down, terminated; for a hybrid node `hybrid`.
    pub state: String,
    /// Such as m5.large.
    pub instance_type: Option<String>,
    /// Such as eu-central-1a.
    pub availability_zone: Option<String>,
    /// When it was launched, UTC.
    pub launched_at: Option<Timestamp>,
    /// Its first private address.
    pub private_ip: Option<String>,
    /// Its private DNS name: what Kubernetes calls the node on most clusters.
    pub private_dns: Option<String>,
    /// The AMI.
    pub image_id: Option<String>,
    /// `windows` for Windows, else empty.
    pub platform: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Instance {
    /// The tag `Name`.
    pub fn name(&self) -> Option<&str> {
        self.tags.get("Name").map(String::as_str)
    }
}

/// How a node came to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Provisioner {
    /// A managed nodegroup.
    Nodegroup(String),
    /// Karpenter, with the name of the pool where the tags have it.
    Karpenter(Option<String>),
    /// EKS Auto Mode, with the name of the pool where the tags have it.
    AutoMode(Option<String>),
    /// An Auto Scaling group or a machine of the account's own.
    SelfManaged,
    /// A machine outside of EC2.
    Hybrid,
}

/// The tags by which the nodes of a cluster are found. Managed nodegroups set the first
/// (docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html), Karpenter and Auto Mode the second
/// (karpenter.sh/docs/concepts/nodeclasses, the resource tag condition of AmazonEKSComputePolicy); the third is what a self-managed node
/// must carry (docs.aws.amazon.com/eks/latest/userguide/worker.html).
pub fn cluster_tags(cluster: &str) -> [(String, Option<String>); 3] {
    [
        ("eks:cluster-name".to_owned(), Some(cluster.to_owned())),
        ("eks:eks-cluster-name".to_owned(), Some(cluster.to_owned())),
        (format!("kubernetes.io/cluster/{cluster}"), None),
    ]
}

/// The cluster that a machine's tags name; `None` where they name none, or several.
pub fn cluster_of(instance: &Instance) -> Option<&str> {
    let tag = |name: &str| instance.tags.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let owned = || {
        let mut names = instance.tags.keys().filter_map(|name| name.strip_prefix("kubernetes.io/cluster/"));
        names.next().filter(|_| names.next().is_none())
    };
    tag("eks:cluster-name").or_else(|| tag("eks:eks-cluster-name")).or_else(owned)
}

impl Provisioner {
    /// Told by the tags.
    pub fn of(instance: &Instance) -> Self {
        let tag = |name: &str| instance.tags.get(name).cloned();
        if instance.id.is_hybrid() {
            return Self::Hybrid;
        }
        if let Some(group) = tag("eks:nodegroup-name") {
            return Self::Nodegroup(group);
        }
        // Auto Mode uses Karpenter's tags too: what only it sets comes first.
        if instance.tags.contains_key("eks:kubernetes-node-class-name") {
            return Self::AutoMode(tag("eks:kubernetes-node-pool-name").or_else(|| tag("karpenter.sh/nodepool")));
        }
        if let Some(pool) = tag("karpenter.sh/nodepool").or_else(|| tag("karpenter.sh/provisioner-name")) {
            return Self::Karpenter(Some(pool));
        }
        if instance.tags.contains_key("karpenter.sh/nodeclaim") || instance.tags.contains_key("eks:eks-cluster-name") {
            return Self::Karpenter(None);
        }
        Self::SelfManaged
    }

    /// The kind alone.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nodegroup(_) => "nodegroup",
            Self::Karpenter(_) => "karpenter",
            Self::AutoMode(_) => "auto-mode",
            Self::SelfManaged => "self-managed",
            Self::Hybrid => "hybrid",
        }
    }

    /// The nodegroup or pool.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Nodegroup(name) => Some(name),
            Self::Karpenter(name) | Self::AutoMode(name) => name.as_deref(),
            Self::SelfManaged | Self::Hybrid => None,
        }
    }
}

/// The SSM agent of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// SSM's word: Online, ConnectionLost, Inactive.
    pub ping: String,
    /// When it was last heard of, UTC.
    pub last_ping: Option<Timestamp>,
    /// The agent's version.
    pub version: Option<String>,
    /// Such as Amazon Linux, Bottlerocket.
    pub platform_name: Option<String>,
    /// Linux or Windows.
    pub platform_type: Option<String>,
}

impl Agent {
    /// Whether commands reach the node.
    pub fn is_online(&self) -> bool {
        self.ping == "Online"
    }
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Option<String>,
    /// Where it is.
    pub region: Region,
    /// Kubernetes version, such as 1.33.
    pub version: Option<String>,
    /// EKS's word: CREATING, ACTIVE, DELETING, FAILED, UPDATING, PENDING.
    pub status: String,
    /// Such as eks.9.
    pub platform_version: Option<String>,
    /// The API server's URL.
    pub endpoint: Option<String>,
    /// The certificate authority of the API server, PEM.
    pub certificate_authority: Option<Vec<u8>>,
    /// What EKS reports as wrong with the cluster.
    pub issues: Vec<Issue>,
}

/// A managed nodegroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodegroup {
    /// Its name.
    pub name: String,
    /// EKS's word: ACTIVE, DEGRADED, ...
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
    pub desired: Option<i32>,
    /// What EKS reports as wrong with it.
    pub issues: Vec<Issue>,
}

/// What EKS reports as wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// EKS's code, such as NodeCreationFailure.
    pub code: String,
    /// EKS's words.
    pub message: String,
    /// Instances, groups or subnets that are concerned.
    pub resources: Vec<String>,
}

/// A node as Kubernetes knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredNode {
    /// Its name.
    pub name: String,
    /// The machine, where the node's provider id tells it.
    pub instance: Option<InstanceId>,
    /// The condition Ready; `None` for Unknown.
    pub ready: Option<bool>,
    /// The reason that comes with the condition, such as KubeletNotReady.
    pub reason: Option<String>,
    /// Other conditions that are true and should not be (MemoryPressure, DiskPressure, ...), sorted.
    pub pressures: Vec<String>,
    /// True when it is cordoned.
    pub unschedulable: bool,
    /// The kubelet's version.
    pub kubelet_version: Option<String>,
}

/// A network interface of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInterface {
    /// Its id.
    pub id: String,
    /// EC2's word: in-use, attaching, ...
    pub status: String,
    /// Such as interface, trunk, branch, efa.
    pub interface_type: Option<String>,
    /// Which number it has on the machine.
    pub device_index: Option<i32>,
    /// Its hardware address.
    pub mac: Option<String>,
    /// The subnet.
    pub subnet: Option<String>,
    /// Private addresses, the primary one first.
    pub private_ips: Vec<String>,
    /// Delegated prefixes.
    pub prefixes: Vec<String>,
    /// Security groups.
    pub security_groups: BTreeSet<String>,
    /// Whether packets for other addresses are dropped.
    pub source_dest_check: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(id: &str, tags: &[(&str, &str)]) -> Instance {
        Instance {
            id: InstanceId::parse(id).unwrap(),
            region: Region::parse("eu-central-1").unwrap(),
            state: "running".to_owned(),
            instance_type: None,
            availability_zone: None,
            launched_at: None,
            private_ip: None,
            private_dns: None,
            image_id: None,
            platform: None,
            tags: tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn tags_tell_how_a_node_came_to_be() {
        let of = |tags: &[(&str, &str)]| Provisioner::of(&instance("i-0123abcd", tags));
        let owned = ("kubernetes.io/cluster/prod", "owned");
        assert_eq!(
            of(&[owned, ("eks:cluster-name", "prod"), ("eks:nodegroup-name", "web")]),
            Provisioner::Nodegroup("web".to_owned())
        );
        assert_eq!(
            of(&[owned, ("eks:eks-cluster-name", "prod"), ("karpenter.sh/nodepool", "spot")]),
            Provisioner::Karpenter(Some("spot".to_owned()))
        );
        assert_eq!(
            of(&[
                ("eks:eks-cluster-name", "prod"),
                ("eks:kubernetes-node-class-name", "default"),
                ("eks:kubernetes-node-pool-name", "system")
            ]),
            Provisioner::AutoMode(Some("system".to_owned()))
        );
        assert_eq!(of(&[("karpenter.sh/provisioner-name", "old")]), Provisioner::Karpenter(Some("old".to_owned())));
        assert_eq!(of(&[owned]), Provisioner::SelfManaged);
        assert_eq!(Provisioner::of(&instance("mi-0123456789abcdef0", &[])), Provisioner::Hybrid);
    }
}
