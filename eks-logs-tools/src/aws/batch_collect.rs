use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use eks_logs_core::{InstanceId, Region};
use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::batch::{BatchExecution, BatchRecord, create, save, token};
use super::cluster_health::check_cluster_name;
use super::fleet::{Fleet, FleetGap, Member};
use super::{Account, POLL_SECONDS, Task, region};
use crate::context::{Call, Context};
use crate::failure::{Code, Failure};
use crate::sample::{Bucket, Caps, Chance, Drawable, GroupBy, chances, plan, share_seen};
use crate::tool::{About, Effect, Needs, Request};

/// Collections that are started at the same time, and how far apart: SSM starts a few a second.
const AT_A_TIME: usize = 3;
const APART: Duration = Duration::from_millis(200);

/// Collect a sample of a cluster's nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchCollectRequest {
    /// The cluster's name.
    pub cluster_name: String,
    /// Where it is; without it, the cluster is looked for.
    #[serde(default)]
    pub region: Option<String>,
    /// Which nodes.
    #[serde(default)]
    pub filter: NodeFilter,
    /// A sample of each bucket, or all.
    #[serde(default)]
    pub strategy: Strategy,
    /// Nodes of each bucket, 1 to 5.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 5))]
    pub samples_per_bucket: usize,
    /// Collections in all, 1 to 15.
    #[serde(default = "fifteen")]
    #[schemars(range(min = 1, max = 15))]
    pub max_total_collections: usize,
    /// By what nodes with the same troubles are told apart.
    #[serde(default)]
    pub group_by: GroupBy,
    /// Only plans: starts nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Decides among nodes that are alike; the same seed draws the same nodes. Without it, the cluster's name and its nodes decide.
    #[serde(default)]
    pub seed: Option<u64>,
}

fn three() -> usize {
    3
}

fn fifteen() -> usize {
    15
}

/// Which nodes are collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeFilter {
    /// Those with which something is known to be wrong.
    #[default]
    Unhealthy,
    /// Those that Kubernetes does not call Ready.
    NotReady,
    /// All.
    All,
}

/// A sample, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// A few of each bucket.
    #[default]
    Sample,
    /// As many as the cap allows.
    All,
}

/// A batch of collections, or the plan of one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchCollectAnswer {
    /// Always true.
    pub success: bool,
    /// True when nothing was started.
    pub dry_run: bool,
    /// The batch: ask for its status by this id; empty in a dry run.
    pub batch_id: String,
    /// The cluster.
    pub cluster_name: String,
    /// Where it is.
    pub region: String,
    /// What was started, or failed to start.
    pub executions: Vec<BatchExecution>,
    /// Nodes of the cluster.
    pub total_nodes: usize,
    /// Nodes that the filter lets through.
    pub filtered_nodes: usize,
    /// By what the buckets are told apart.
    pub grouped_by: &'static str,
    /// The seed that draws the same nodes again.
    pub seed: u64,
    /// How many buckets there are.
    pub bucket_count: usize,
    /// Nodes that look alike, those in trouble first.
    pub buckets: Vec<BucketView>,
    /// Collections that are planned.
    pub planned_collections: usize,
    /// Collections that run.
    pub collections_started: usize,
    /// Collections that could not be started.
    pub collections_failed: usize,
    /// Nodes that cannot be collected, and why; they are not started.
    pub not_collectable: Vec<NotCollectable>,
    /// What the sample can and cannot show, in words.
    pub limits: Vec<String>,
    /// What is not known of the cluster.
    pub gaps: Vec<FleetGap>,
    /// The same as a task.
    pub task: Task,
    /// What to call next.
    pub next_step: String,
    /// What could not be remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// Nodes that look alike.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketView {
    /// What its nodes have in common.
    pub signature: String,
    /// How many there are.
    pub total_nodes: usize,
    /// How many of them can be collected.
    pub collectable_nodes: usize,
    /// How many are drawn.
    pub sample_count: usize,
    /// Those drawn, by id.
    pub sample_nodes: Vec<String>,
    /// One that stands for them.
    pub representative_info: Representative,
    /// The chance that a fault which affects a part of the bucket is in at least one node of the sample.
    pub chances: Vec<Chance>,
    /// A fault that affects this many nodes of the bucket, or more, is in the sample with a chance of 95 percent at least.
    pub seen_at95_percent: Option<usize>,
}

/// A node that stands for others.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Representative {
    /// Its id.
    pub instance_id: String,
    /// Such as m5.large.
    pub instance_type: String,
    /// Such as eu-central-1a.
    pub availability_zone: String,
    /// Its nodegroup or pool.
    pub nodegroup: String,
    /// The AMI.
    pub image_id: String,
}

/// A node that cannot be collected.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotCollectable {
    /// The node.
    pub instance_id: String,
    /// Why.
    pub reason: String,
}

#[async_trait]
impl Request for BatchCollectRequest {
    type Answer = BatchCollectAnswer;
    const ABOUT: About = About {
        name: "batch_collect",
        title: "Collect a sample of a cluster's nodes",
        description: "Collects logs of several nodes of a cluster: sorts nodes into buckets by what is wrong with them, draws a few of each (spread over \
                      zone, type, AMI and age) and starts their collections, 15 at the most. Set dryRun true first: the plan says which nodes, \
                      and in numbers what the sample can show. Then batch_status with the batchId. For a single node use collect.",
        needs: Needs::Aws,
        effect: Effect::Adds,
    };

    async fn answer(&self, context: &Context, _: Call<'_>) -> Result<BatchCollectAnswer, Failure> {
        self.check()?;
        let account = context.account("batch_collect")?;
        let inventory = account.inventory("batch_collect")?;
        let cluster = region::of_cluster(&account, inventory, &self.cluster_name, self.region.as_deref()).await?;
        let fleet = Fleet::of(inventory, cluster, account.collector.document(), true).await?;
        if self.filter == NodeFilter::NotReady && !fleet.kubernetes {
            return Err(Failure::new(
                Code::Denied,
                "which nodes are not Ready is not known: Kubernetes could not be asked",
                "let the identity in use list nodes (an EKS access entry with AmazonEKSViewPolicy), or use filter all",
            ));
        }
        let (all, wanted) = self.sort(&fleet);
        let by = self.group_by.resolve(&all);
        let seed = self.seed.unwrap_or_else(|| seed(&self.cluster_name, &wanted));
        let caps = Caps { per_bucket: self.samples_per_bucket, in_all: self.max_total_collections };
        let buckets = plan(&wanted, by, caps, self.strategy == Strategy::All, seed);
        let drawn: Vec<String> = buckets.iter().flat_map(|bucket| bucket.drawn.clone()).collect();

        let region = fleet.cluster.region.clone();
        let (batch, executions, warning) = if self.dry_run || drawn.is_empty() {
            (String::new(), Vec::new(), None)
        } else {
            self.start(&account, &region, &drawn, seed).await?
        };
        Ok(self.told(&fleet, wanted, buckets, by, seed, (batch, executions, warning)))
    }
}

impl BatchCollectRequest {
    fn check(&self) -> Result<(), Failure> {
        check_cluster_name(&self.cluster_name)?;
        for (name, value, most) in
            [("samplesPerBucket", self.samples_per_bucket, 5), ("maxTotalCollections", self.max_total_collections, 15)]
        {
            if !(1..=most).contains(&value) {
                let error = format!("{name} {value} is out of range");
                return Err(Failure::new(Code::BadArgument, error, format!("give 1 to {most}")));
            }
        }
        Ok(())
    }

    /// All nodes, and those that the filter lets through.
    fn sort(&self, fleet: &Fleet) -> (Vec<Drawable>, Vec<Drawable>) {
        let mut launched: Vec<Timestamp> =
            fleet.members.iter().filter_map(|member| member.instance.launched_at).collect();
        launched.sort();
        let all: Vec<(&Member, Drawable)> =
            fleet.members.iter().map(|member| (member, drawable(member, fleet, &launched))).collect();
        let lets = |member: &Member, node: &Drawable| match self.filter {
            NodeFilter::All => true,
            NodeFilter::NotReady => member.is_not_ready(),
            NodeFilter::Unhealthy => !node.troubles.is_empty(),
        };
        let wanted = all.iter().filter(|(member, node)| lets(member, node)).map(|(_, node)| node.clone()).collect();
        (all.into_iter().map(|(_, node)| node).collect(), wanted)
    }

    async fn start(
        &self,
        account: &Account<'_>,
        region: &Region,
        drawn: &[String],
        seed: u64,
    ) -> Result<(String, Vec<BatchExecution>, Option<String>), Failure> {
        if !account.collector.has_document(region).await.unwrap_or(true) {
            let error = format!("there is no document {} in {region}", account.collector.document());
            return Err(Failure::new(Code::DocumentNotFound, error, "copy the document to this region"));
        }
        account.collector.check_destination().await?;
        let now = account.clock.now();
        let planned = |id: &String| BatchExecution {
            instance_id: id.clone(),
            execution_id: None,
            region: Some(region.to_string()),
            status: "planned".to_owned(),
            error: None,
        };
        let mut record = BatchRecord {
            batch_id: String::new(),
            cluster_name: self.cluster_name.clone(),
            region: Some(region.to_string()),
            created_at: Some(now),
            seed,
            executions: drawn.iter().map(planned).collect(),
        };
        let version = create(account, &mut record, now).await?;
        let token = token(&record.batch_id);
        let nodes: Vec<(usize, String)> = drawn.iter().cloned().enumerate().collect();
        let token = token.as_str();
        let mut starts = stream::iter(nodes)
            .map(async |(number, node)| {
                if number > 0 {
                    account.timer.sleep(APART).await;
                }
                let node = InstanceId::parse(&node)?;
                account.starter(Some(&self.cluster_name)).start(&node, region, Some(token)).await
            })
            .buffered(AT_A_TIME);
        let mut results = Vec::new();
        while let Some(result) = starts.next().await {
            results.push(result);
        }
        drop(starts);
        let mut warnings = Vec::new();
        for (execution, result) in record.executions.iter_mut().zip(results) {
            match result {
                Ok(started) => {
                    execution.execution_id = Some(started.execution.to_string());
                    execution.region = Some(started.region.to_string());
                    "started".clone_into(&mut execution.status);
                    warnings.extend(started.warnings);
                }
                Err(why) => {
                    "failed".clone_into(&mut execution.status);
                    execution.error = Some(why.to_string());
                }
            }
        }
        if let Err(why) = save(account, &record, version).await {
            warnings.push(format!("the batch's record could not be completed ({why}); batch_status completes it"));
        }
        let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
        Ok((record.batch_id, record.executions, warning))
    }

    fn told(
        &self,
        fleet: &Fleet,
        wanted: Vec<Drawable>,
        buckets: Vec<Bucket>,
        by: GroupBy,
        seed: u64,
        (batch_id, executions, warning): (String, Vec<BatchExecution>, Option<String>),
    ) -> BatchCollectAnswer {
        let planned: usize = buckets.iter().map(|bucket| bucket.drawn.len()).sum();
        let started = executions.iter().filter(|execution| execution.execution_id.is_some()).count();
        let failed = executions.len() - started;
        let not_collectable: Vec<NotCollectable> = wanted
            .iter()
            .filter_map(|node| Some(NotCollectable { instance_id: node.id.clone(), reason: node.obstacle.clone()? }))
            .collect();
        let limits = limits(&buckets, not_collectable.len());
        let (state, message, next_step) = if planned == 0 {
            let next = if wanted.is_empty() {
                "no node is known to be in trouble: use filter all to sample healthy ones"
            } else {
                "none of these nodes can be collected: see notCollectable for why"
            };
            ("completed", "nothing to collect".to_owned(), next.to_owned())
        } else if self.dry_run {
            let next = format!("call batch_collect again with dryRun false and seed {seed} to collect these nodes");
            ("completed", format!("{planned} collections are planned"), next)
        } else {
            let next = format!("call batch_status with batchId {batch_id} every {POLL_SECONDS} seconds");
            let state = if started == 0 { "failed" } else { "running" };
            (state, format!("{started} of {planned} collections are started"), next)
        };
        let progress = if state == "running" { 5 } else { 100 };
        BatchCollectAnswer {
            success: true,
            dry_run: self.dry_run,
            cluster_name: self.cluster_name.clone(),
            region: fleet.cluster.region.to_string(),
            total_nodes: fleet.members.len(),
            filtered_nodes: wanted.len(),
            grouped_by: by.word(),
            seed,
            bucket_count: buckets.len(),
            buckets: buckets.into_iter().map(bucket_view).collect(),
            planned_collections: planned,
            collections_started: started,
            collections_failed: failed,
            not_collectable,
            limits,
            gaps: fleet.gaps.clone(),
            task: Task { task_id: batch_id.clone(), state, message, progress },
            next_step,
            batch_id,
            executions,
            warning,
        }
    }
}

fn drawable(member: &Member, fleet: &Fleet, launched: &[Timestamp]) -> Drawable {
    let instance = &member.instance;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let age = instance.launched_at.map_or(0, |at| {
        let before = launched.partition_point(|other| *other < at);
        (before * 4 / launched.len().max(1)).min(3)
    });
    Drawable {
        id: instance.id.to_string(),
        troubles: member.troubles(fleet),
        zone: text(&instance.availability_zone),
        group: member.provisioner.group().unwrap_or(member.provisioner.kind()).to_owned(),
        instance_type: text(&instance.instance_type),
        image: text(&instance.image_id),
        age: u8::try_from(age).unwrap_or(3),
        obstacle: member.obstacle(fleet),
    }
}

/// The same for the same nodes in the same condition.
fn seed(cluster: &str, nodes: &[Drawable]) -> u64 {
    let mut text = cluster.to_owned();
    let mut ids: Vec<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
    ids.sort_unstable();
    for id in ids {
        text.push('/');
        text.push_str(id);
    }
    // JSON numbers are exact up to 2^53.
    xxh3_64(text.as_bytes()) >> 11
}

fn bucket_view(bucket: Bucket) -> BucketView {
    let node = bucket.representative;
    BucketView {
        signature: bucket.signature,
        total_nodes: bucket.total,
        collectable_nodes: bucket.collectable,
        sample_count: bucket.drawn.len(),
        chances: chances(bucket.collectable, bucket.drawn.len()),
        seen_at95_percent: share_seen(bucket.collectable, bucket.drawn.len(), 0.95),
        sample_nodes: bucket.drawn,
        representative_info: Representative {
            instance_id: node.id,
            instance_type: node.instance_type,
            availability_zone: node.zone,
            nodegroup: node.group,
            image_id: node.image,
        },
    }
}

/// What the sample can and cannot show.
fn limits(buckets: &[Bucket], not_collectable: usize) -> Vec<String> {
    let mut said = Vec::new();
    for bucket in buckets.iter().filter(|bucket| !bucket.drawn.is_empty() && bucket.drawn.len() < bucket.collectable) {
        if let Some(needed) = share_seen(bucket.collectable, bucket.drawn.len(), 0.95) {
            said.push(format!(
                "{}: {} of {} nodes are collected; a fault that {needed} or more of them have is seen with a chance of 95 %, a rarer one may be missed",
                bucket.signature,
                bucket.drawn.len(),
                bucket.collectable
            ));
        }
    }
    let empty: BTreeMap<&str, usize> = buckets
        .iter()
        .filter(|bucket| bucket.drawn.is_empty() && bucket.collectable > 0)
        .map(|bucket| (bucket.signature.as_str(), bucket.total))
        .collect();
    if !empty.is_empty() {
        let nodes: usize = empty.values().sum();
        said.push(format!(
            "{} buckets with {nodes} nodes get no collection: the cap of collections is used up",
            empty.len()
        ));
    }
    if not_collectable > 0 {
        said.push(format!("{not_collectable} nodes cannot be collected; the sample says nothing of them"));
    }
    said
}
