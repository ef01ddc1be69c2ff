//! `eks-logs doctor`: whether the nodes of a cluster can be collected.

use clap::Args as ClapArgs;
use eks_logs_tools::{DoctorRequest, Failure, examine};

use super::{Account, FOUND, OK};
use crate::args::Args;
use crate::cloud::{self, block_on};
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    #[command(flatten)]
    account: Account,

    /// The cluster's name
    #[arg(long, value_name = "NAME")]
    cluster: String,

    /// Where it is; without it, the cluster is looked for
    #[arg(long)]
    region: Option<String>,
}

impl Doctor {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, _) = self.account.prepare(args)?;
        let access = cloud::access(self.account.store())?;
        let request = DoctorRequest { cluster_name: self.cluster.clone(), region: self.region.clone() };
        let answer = block_on(examine(&context, access.as_ref(), &request))?;
        print(args, &answer, human::doctor)?;
        Ok(if answer.healthy { OK } else { FOUND })
    }
}
