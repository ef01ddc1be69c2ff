//! Clusters, nodes and regions (feature `inventory`).

mod ec2;
mod eks;
mod kubernetes;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::config::Region as SdkRegion;
use eks_logs_core::inventory::{
    Agent, Cluster, Instance, Inventory, NetworkInterface, Nodegroup, RegisteredNode, cluster_tags,
};
use eks_logs_core::{InstanceId, Region, Result};

use crate::config::{Patience, region_of};
use crate::ssm::agents;

/// EC2, EKS, SSM and, where it lets us, the Kubernetes API server, as an [`Inventory`]. Each region is asked by clients of its own.
pub struct Ec2EksInventory {
    shared: SdkConfig,
    patience: Patience,
    clients: Mutex<HashMap<Region, Clients>>,
}

#[derive(Clone)]
struct Clients {
    ec2: aws_sdk_ec2::Client,
    eks: aws_sdk_eks::Client,
    ssm: aws_sdk_ssm::Client,
}

impl fmt::Debug for Ec2EksInventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ec2EksInventory").finish_non_exhaustive()
    }
}

impl Ec2EksInventory {
    /// The account whose credentials a configuration holds.
    pub fn new(shared: &SdkConfig, patience: Patience) -> Self {
        Self { shared: shared.clone(), patience, clients: Mutex::default() }
    }

    fn clients(&self, region: &Region) -> Clients {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients
            .entry(region.clone())
            .or_insert_with(|| {
                let sdk_region = SdkRegion::new(region.to_string());
                let ec2 = aws_sdk_ec2::config::Builder::from(&self.shared)
                    .region(sdk_region.clone())
                    .retry_config(self.patience.retries())
                    .retry_partition(self.patience.budget("ec2"))
                    .timeout_config(self.patience.timeouts());
                let eks = aws_sdk_eks::config::Builder::from(&self.shared)
                    .region(sdk_region)
                    .retry_config(self.patience.retries())
                    .retry_partition(self.patience.budget("eks"))
                    .timeout_config(self.patience.timeouts());
                Clients {
                    ec2: aws_sdk_ec2::Client::from_conf(ec2.build()),
                    eks: aws_sdk_eks::Client::from_conf(eks.build()),
                    ssm: crate::ssm::client(&self.shared, &self.patience, region),
                }
            })
            .clone()
    }
}

#[async_trait]
impl Inventory for Ec2EksInventory {
    fn default_region(&self) -> Region {
        region_of(&self.shared)
    }

    async fn regions(&self) -> Result<Vec<Region>> {
        ec2::regions(&self.clients(&self.default_region()).ec2).await
    }

    async fn instance(&self, id: &InstanceId, region: &Region) -> Result<Option<Instance>> {
        let clients = self.clients(region);
        if !id.is_hybrid() {
            return ec2::instance(&clients.ec2, id, region).await;
        }
        let known = agents::of(&clients.ssm, std::slice::from_ref(id)).await?;
        Ok(known.contains_key(id).then(|| hybrid(id.clone(), region)))
    }

    async fn cluster(&self, name: &str, region: &Region) -> Result<Cluster> {
        eks::cluster(&self.clients(region).eks, name, region).await
    }

    async fn nodegroups(&self, cluster: &Cluster) -> Result<Vec<Nodegroup>> {
        eks::nodegroups(&self.clients(&cluster.region).eks, &cluster.name).await
    }

    async fn nodes(&self, cluster: &Cluster) -> Result<Vec<Instance>> {
        let clients = self.clients(&cluster.region);
        let mut found = BTreeMap::new();
        let tags = cluster_tags(&cluster.name);
        let [managed, karpenter, owned] =
            tags.each_ref().map(|(name, value)| ec2::tagged(&clients.ec2, name, value.as_deref(), &cluster.region));
        let (managed, karpenter, owned) = tokio::join!(managed, karpenter, owned);
        for instance in managed?.into_iter().chain(karpenter?).chain(owned?) {
            found.insert(instance.id.clone(), instance);
        }
        Ok(found.into_values().collect())
    }

    async fn hybrid_nodes(&self, cluster: &Cluster) -> Result<Vec<Instance>> {
        let Some(arn) = &cluster.arn else { return Ok(Vec::new()) };
        let mut found = BTreeMap::new();
        for (id, row) in agents::hybrid(&self.clients(&cluster.region).ssm, arn).await? {
            let mut node = hybrid(id.clone(), &cluster.region);
            node.private_ip = row.ip_address().map(str::to_owned);
            node.private_dns = row.computer_name().map(str::to_owned);
            found.insert(id, node);
        }
        Ok(found.into_values().collect())
    }

    async fn registered(&self, cluster: &Cluster) -> Result<Option<Vec<RegisteredNode>>> {
        kubernetes::nodes(&self.shared, cluster, &self.patience).await
    }

    async fn agents(&self, nodes: &[InstanceId], region: &Region) -> Result<BTreeMap<InstanceId, Agent>> {
        agents::of(&self.clients(region).ssm, nodes).await
    }

    async fn network_interfaces(&self, id: &InstanceId, region: &Region) -> Result<Vec<NetworkInterface>> {
        ec2::network_interfaces(&self.clients(region).ec2, id).await
    }
}

/// A machine outside of EC2: SSM knows it, and little of it.
fn hybrid(id: InstanceId, region: &Region) -> Instance {
    Instance {
        id,
        region: region.clone(),
        state: "hybrid".to_owned(),
        instance_type: None,
        availability_zone: None,
        launched_at: None,
        private_ip: None,
        private_dns: None,
        image_id: None,
        platform: None,
        tags: BTreeMap::new(),
    }
}
