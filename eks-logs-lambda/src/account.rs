//! The account that the functions work in, as the tools want it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use eks_logs_aws::{Account, Collecting, Ec2EksInventory, Patience, S3Store, TokioTimer};
use eks_logs_core::inventory::{Agent, Cluster, Instance, NetworkInterface, Nodegroup, RegisteredNode};
use eks_logs_core::{Clock, InstanceId, Inventory, Region, Result, Store, StoreWriter};
use eks_logs_tools::{AccountPorts, Bundles, Context};
use jiff::Timestamp;

use crate::settings::Settings;

/// The clock of this machine.
#[derive(Debug)]
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What the tools work with, and where they write. Nothing is asked of AWS yet.
pub(crate) async fn context(settings: &Settings) -> (Context, Arc<S3Store>) {
    let (document, role) = (settings.document.clone(), settings.automation_role.clone());
    let collecting = Collecting { document, role, ..Collecting::default() };
    let account = Account::open(settings.store.clone(), &collecting, Patience::default()).await;
    let store = Arc::new(account.store);
    let mut context = Context::new(Bundles::Store(Arc::clone(&store) as Arc<dyn Store>));
    context.work_on(AccountPorts {
        bucket: Arc::clone(&store) as Arc<dyn StoreWriter>,
        collector: Arc::new(account.collector),
        inventory: Some(match settings.regions.as_slice() {
            [] => Arc::new(account.inventory),
            regions => Arc::new(Within { inner: account.inventory, regions: regions.to_vec() }),
        }),
        clock: Arc::new(Now),
        timer: Arc::new(TokioTimer),
    });
    context.learns.clone_from(&settings.learn);
    (context, store)
}

/// An inventory that looks for nodes and clusters in some regions only: those that the function's role may ask.
#[derive(Debug)]
struct Within {
    inner: Ec2EksInventory,
    regions: Vec<Region>,
}

#[async_trait]
impl Inventory for Within {
    fn default_region(&self) -> Region {
        self.inner.default_region()
    }

    async fn regions(&self) -> Result<Vec<Region>> {
        Ok(self.regions.clone())
    }

    async fn instance(&self, id: &InstanceId, region: &Region) -> Result<Option<Instance>> {
        self.inner.instance(id, region).await
    }

    async fn cluster(&self, name: &str, region: &Region) -> Result<Cluster> {
        self.inner.cluster(name, region).await
    }

    async fn nodegroups(&self, cluster: &Cluster) -> Result<Vec<Nodegroup>> {
        self.inner.nodegroups(cluster).await
    }

    async fn nodes(&self, cluster: &Cluster) -> Result<Vec<Instance>> {
        self.inner.nodes(cluster).await
    }

    async fn hybrid_nodes(&self, cluster: &Cluster) -> Result<Vec<Instance>> {
        self.inner.hybrid_nodes(cluster).await
    }

    async fn registered(&self, cluster: &Cluster) -> Result<Option<Vec<RegisteredNode>>> {
        self.inner.registered(cluster).await
    }

    async fn agents(&self, nodes: &[InstanceId], region: &Region) -> Result<BTreeMap<InstanceId, Agent>> {
        self.inner.agents(nodes, region).await
    }

    async fn network_interfaces(&self, id: &InstanceId, region: &Region) -> Result<Vec<NetworkInterface>> {
        self.inner.network_interfaces(id, region).await
    }
}
