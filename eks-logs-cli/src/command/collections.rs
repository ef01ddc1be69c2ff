//! `eks-logs status`, `history`, `ingest`: what becomes of collections.

use std::sync::Arc;

use clap::Args as ClapArgs;
use eks_logs_core::StorePath;
use eks_logs_tools::{Call, Failure, HistoryRequest, StatusRequest, ingest_archive};
use jiff::Timestamp;

use super::{Account, OK, answer};
use crate::args::Args;
use crate::cloud::block_on;
use crate::human;
use crate::output::print;
use crate::progress::Progress;

#[derive(Debug, ClapArgs)]
pub(crate) struct Status {
    /// The execution, as collect answered it
    #[arg(value_name = "EXECUTION")]
    execution_id: String,
    #[command(flatten)]
    account: Account,

    /// Where it runs, if that was not remembered
    #[arg(long)]
    region: Option<String>,
}

impl Status {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, _) = self.account.prepare(args)?;
        let request = StatusRequest {
            execution_id: self.execution_id.clone(),
            include_step_details: true,
            region: self.region.clone(),
        };
        print(args, &answer(&context, &request)?, human::status)?;
        Ok(OK)
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct History {
    #[command(flatten)]
    account: Account,

    /// Only collections of this node
    #[arg(long, value_name = "ID")]
    instance_id: Option<String>,

    /// Only those that are running, completed, failed, cancelling or cancelled
    #[arg(long, value_name = "STATE")]
    status: Option<String>,

    /// Only those of one region [default: all enabled regions]
    #[arg(long)]
    region: Option<String>,

    /// Collections on a page, 1 to 50
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_results: usize,

    /// Where the last page ended: its nextPageToken
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
}

impl History {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, _) = self.account.prepare(args)?;
        let request = HistoryRequest {
            instance_id: self.instance_id.clone(),
            max_results: self.max_results,
            status: self.status.clone(),
            region: self.region.clone(),
            page_token: self.page_token.clone(),
        };
        print(args, &answer(&context, &request)?, human::history)?;
        Ok(OK)
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Ingest {
    /// The archive, relative to the store, such as eks_i-..._....tar.gz
    archive: String,
    #[command(flatten)]
    account: Account,
}

impl Ingest {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let archive = StorePath::parse(&self.archive)?;
        let (context, writer) = self.account.prepare(args)?;
        let progress = Progress::start();
        let hear = |done, total| progress.at(done, total);
        let call = Call::heard_by(&hear);
        let ingested = block_on(ingest_archive(Arc::clone(&writer), &archive, &context, Timestamp::now(), call))?;
        drop(progress);
        print(args, &ingested, human::ingested)?;
        Ok(OK)
    }
}
