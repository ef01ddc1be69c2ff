//! `eks-logs baseline`

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use eks_logs_core::LocalStore;
use eks_logs_tools::{BaselineAction, BaselineRequest, Bundles, Context, Failure, Selector, open_local};
use futures_lite::future::block_on;

use super::{OK, answer};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, Subcommand)]
pub(crate) enum Baseline {
    /// What is normal in a cluster
    Show {
        #[command(flatten)]
        of: Of,
    },
    /// Takes a bundle in, or declares a finding's fingerprint normal
    Add {
        #[command(flatten)]
        of: Of,
        /// Archive or directory of a node of the cluster
        #[arg(required_unless_present_any = ["fingerprint", "instance_id"])]
        bundle: Option<PathBuf>,
        /// The node of the store whose newest bundle is taken in
        #[arg(long, value_name = "ID", conflicts_with = "bundle")]
        instance_id: Option<String>,
        /// A finding's fingerprint, which is normal from now on
        #[arg(long, value_name = "HEX", conflicts_with_all = ["bundle", "instance_id"])]
        fingerprint: Option<String>,
        /// Why
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Declares a finding's fingerprint never normal
    Remove {
        #[command(flatten)]
        of: Of,
        /// The fingerprint
        #[arg(long, value_name = "HEX")]
        fingerprint: String,
        /// Why
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Forgets all that is known of a cluster
    Reset {
        #[command(flatten)]
        of: Of,
    },
}

/// Which cluster, and where its records are.
#[derive(Debug, ClapArgs)]
pub(crate) struct Of {
    /// The cluster's name
    #[arg(long, value_name = "NAME")]
    cluster_context: String,

    /// The directory that holds the bundles, and `baselines/` beside them
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
}

impl Baseline {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (of, mut request) = match self {
            Self::Show { of } => (of, BaselineRequest::default()),
            Self::Add { of, instance_id, fingerprint, note, .. } => {
                let request = BaselineRequest {
                    action: BaselineAction::Add,
                    bundle: Selector { instance_id: instance_id.clone(), ..Selector::default() },
                    fingerprint: fingerprint.clone(),
                    note: note.clone(),
                    ..BaselineRequest::default()
                };
                (of, request)
            }
            Self::Remove { of, fingerprint, note } => {
                let request = BaselineRequest {
                    action: BaselineAction::Remove,
                    fingerprint: Some(fingerprint.clone()),
                    note: note.clone(),
                    ..BaselineRequest::default()
                };
                (of, request)
            }
            Self::Reset { of } => (of, BaselineRequest { action: BaselineAction::Reset, ..BaselineRequest::default() }),
        };
        request.cluster_context.clone_from(&of.cluster_context);
        let bundles = match self {
            Self::Add { bundle: Some(bundle), .. } => Bundles::One(block_on(open_local(bundle))?),
            _ => Bundles::Directory(of.store.clone()),
        };
        let mut context = Context::new(bundles);
        if let Some(threads) = args.threads {
            context.threads = threads.into();
        }
        context.records = Some(std::sync::Arc::new(LocalStore::open(&of.store)?));
        print(args, &answer(&context, &request)?, human::baseline)?;
        Ok(OK)
    }
}
