//! The account and the bucket that commands work on.

use std::sync::Arc;

use clap::Args as ClapArgs;
use eks_logs_core::StoreWriter;
use eks_logs_tools::{Bundles, Code, Context, Failure};

use crate::args::Args;
use crate::cloud::{self, Collecting};

/// The account and the bucket.
#[derive(Debug, ClapArgs)]
pub(crate) struct Account {
    /// The bucket to which nodes upload and where bundles and records are
    #[arg(long, value_name = "s3://BUCKET")]
    store: String,

    /// The document that collects, if not AWSSupport-CollectEKSInstanceLogs
    #[arg(long, value_name = "NAME")]
    document: Option<String>,

    /// The role that the automation takes on, if not that of the caller
    #[arg(long, value_name = "ARN")]
    automation_role: Option<String>,

    /// The KMS key with which what we write is encrypted, if not as the bucket's default says
    #[arg(long, value_name = "KEY")]
    kms_key: Option<String>,
}

impl Account {
    /// The bucket, as it was named.
    pub(crate) fn store(&self) -> &str {
        &self.store
    }

    /// What tools work with, and where they write.
    pub(crate) fn prepare(&self, args: &Args) -> Result<(Context, Arc<dyn StoreWriter>), Failure> {
        if !self.store.starts_with("s3://") {
            return Err(Failure::new(
                Code::BadArgument,
                format!("--store {}: collections arrive in a bucket", self.store),
                "give --store s3://bucket",
            ));
        }
        let collecting = Collecting {
            document: self.document.clone(),
            role: self.automation_role.clone(),
            kms_key: self.kms_key.clone(),
        };
        // The bucket takes this place.
        let mut context = Context::new(Bundles::Directory(std::path::PathBuf::new()));
        let writer = cloud::prepare(&mut context, &self.store, &collecting)?;
        if let Some(threads) = args.threads {
            context.threads = threads.into();
        }
        Ok((context, writer))
    }
}
