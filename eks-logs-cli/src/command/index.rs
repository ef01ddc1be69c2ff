//! `eks-logs index`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;
use eks_logs_core::{LocalStore, StorePath};
use eks_logs_tools::{Call, Code, Failure, index_bundle};
use futures_lite::future::block_on;
use jiff::Timestamp;

use super::{OK, Target, context};
use crate::args::Args;
use crate::human;
use crate::output::print;
use crate::progress::Progress;

#[derive(Debug, ClapArgs)]
pub(crate) struct Index {
    #[command(flatten)]
    target: Target,

    /// The cluster whose baseline learns from the bundle
    #[arg(long, value_name = "NAME")]
    cluster_context: Option<String>,

    /// The directory that holds `baselines/` [default: --store]
    #[arg(long, value_name = "DIR", requires = "cluster_context")]
    records: Option<PathBuf>,
}

impl Index {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let mut context = context(args, &self.target)?;
        context.learns.clone_from(&self.cluster_context);
        if let Some(records) = &self.records {
            context.records = Some(Arc::new(LocalStore::open(records)?));
        }
        let progress = Progress::start();
        let hear = |done, total| progress.at(done, total);
        let answer = block_on(async {
            let bundle = context.select(&self.target.selector()).await?.located;
            let root = bundle.store.local_file(&StorePath::root()).filter(|_| !bundle.store.is_sequential());
            let Some(root) = root else {
                return Err(Failure::new(
                    Code::BadArgument,
                    format!("{}: an archive is not written to", bundle.locator),
                    "unpack it and index the directory; archives are scanned in one pass anyway",
                ));
            };
            index_bundle(&LocalStore::open(root)?, &bundle, &context, Timestamp::now(), Call::heard_by(&hear)).await
        })?;
        drop(progress);
        print(args, &answer, human::indexed)?;
        Ok(OK)
    }
}
