//! `eks-logs cluster-health`, `batch-collect`, `batch-status`: many nodes at once.

use clap::{Args as ClapArgs, ValueEnum};
use eks_logs_tools::sample::GroupBy;
use eks_logs_tools::{BatchCollectRequest, BatchStatusRequest, ClusterHealthRequest, Failure, NodeFilter, Strategy};

use super::{Account, OK, answer};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct ClusterHealth {
    /// The cluster's name
    #[arg(value_name = "CLUSTER")]
    cluster_name: String,
    #[command(flatten)]
    account: Account,

    /// Where it is; without it, the cluster is looked for
    #[arg(long)]
    region: Option<String>,

    /// Does not ask SSM which nodes can be collected
    #[arg(long)]
    no_ssm_status: bool,
}

impl ClusterHealth {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, _) = self.account.prepare(args)?;
        let request = ClusterHealthRequest {
            cluster_name: self.cluster_name.clone(),
            region: self.region.clone(),
            include_ssm_status: !self.no_ssm_status,
        };
        print(args, &answer(&context, &request)?, human::cluster_health)?;
        Ok(OK)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Filter {
    Unhealthy,
    Notready,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    Sample,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Auto,
    Az,
    Nodegroup,
    InstanceType,
    Ami,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BatchCollect {
    /// The cluster's name
    #[arg(value_name = "CLUSTER")]
    cluster_name: String,
    #[command(flatten)]
    account: Account,

    /// Where it is; without it, the cluster is looked for
    #[arg(long)]
    region: Option<String>,

    /// Which nodes
    #[arg(long, value_enum, default_value_t = Filter::Unhealthy)]
    filter: Filter,

    /// A sample of each bucket, or all
    #[arg(long, value_enum, default_value_t = How::Sample)]
    strategy: How,

    /// Nodes of each bucket, 1 to 5
    #[arg(long, value_name = "N", default_value_t = 3)]
    samples_per_bucket: usize,

    /// Collections in all, 1 to 15
    #[arg(long, value_name = "N", default_value_t = 15)]
    max_total_collections: usize,

    /// By what nodes with the same troubles are told apart
    #[arg(long, value_enum, default_value_t = By::Auto)]
    group_by: By,

    /// Decides among nodes that are alike
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Shows the plan and starts nothing
    #[arg(long)]
    dry_run: bool,
}

impl BatchCollect {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, _) = self.account.prepare(args)?;
        let request = BatchCollectRequest {
            cluster_name: self.cluster_name.clone(),
            region: self.region.clone(),
            filter: match self.filter {
                Filter::Unhealthy => NodeFilter::Unhealthy,
                Filter::Notready => NodeFilter::NotReady,
                Filter::All => NodeFilter::All,
            },
            strategy: match self.strategy {
                How::Sample => Strategy::Sample,
                How::All => Strategy::All,
            },
            samples_per_bucket: self.samples_per_bucket,
            max_total_collections: self.max_total_collections,
            group_by: match self.group_by {
                By::Auto => GroupBy::Auto,
                By::Az => GroupBy::Az,
                By::Nodegroup => GroupBy::Nodegroup,
                By::InstanceType => GroupBy::InstanceType,
                By::Ami => GroupBy::Ami,
            },
            dry_run: self.dry_run,
            seed: self.seed,
        };
        print(args, &answer(&context, &request)?, human::batch)?;
        Ok(OK)
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BatchStatus {
    /// The batch, as batch-collect answered it
    #[arg(value_name = "BATCH", required_unless_present = "execution_ids")]
    batch_id: Option<String>,
    #[command(flatten)]
    account: Account,

    /// Executions in the place of a batch: a comma list
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "batch_id")]
    execution_ids: Vec<String>,

    /// Where they run, if that was not remembered
    #[arg(long)]
    region: Option<String>,
}

impl BatchStatus {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, _) = self.account.prepare(args)?;
        let request = BatchStatusRequest {
            batch_id: self.batch_id.clone(),
            execution_ids: self.execution_ids.clone(),
            region: self.region.clone(),
        };
        print(args, &answer(&context, &request)?, human::batch_status)?;
        Ok(OK)
    }
}
