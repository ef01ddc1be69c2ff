//! A bucket as the store, with the account that it belongs to. Builds without the feature `aws` say so.

use std::sync::Arc;

use eks_logs_core::Clock;
use eks_logs_tools::{Context, Failure};

use crate::args::Account;

#[cfg(feature = "aws")]
mod open {
    use eks_logs_aws::{Account as Opened, Collecting, Patience, S3Location, TokioTimer};
    use eks_logs_core::{CollectionName, StoreWriter};
    use eks_logs_tools::{AccountPorts, Bundles, Code};

    use super::*;

    /// A bucket, or a part of one, of which nothing is known yet.
    #[derive(Debug)]
    pub(crate) struct Bucket {
        location: S3Location,
        collecting: Collecting,
    }

    impl Bucket {
        pub(crate) fn of(store: &str, account: &Account) -> Result<Self, Failure> {
            let location: S3Location = store.parse()?;
            let name = location.prefix.as_str().split('/').find(|part| CollectionName::parse(part).is_some());
            if let Some(name) = name {
                return Err(Failure::new(
                    Code::BadArgument,
                    format!("--store {store}: {name} is one bundle, and a store in a bucket holds many"),
                    "give the place around it (s3://BUCKET or s3://BUCKET/PREFIX); calls pick a bundle by instanceId or bundleId",
                ));
            }
            let collecting = Collecting {
                document: account.document.clone(),
                role: account.automation_role.clone(),
                kms_key: account.kms_key.clone(),
            };
            Ok(Self { location, collecting })
        }

        /// Looks credentials and region up.
        pub(crate) fn context(self, clock: Arc<dyn Clock>) -> Context {
            let opening = Opened::open(self.location, &self.collecting, Patience::default());
            let account = tokio::runtime::Handle::current().block_on(opening);
            let bucket: Arc<dyn StoreWriter> = Arc::new(account.store);
            // The bucket takes this place.
            let mut context = Context::new(Bundles::Directory(std::path::PathBuf::new()));
            context.work_on(AccountPorts {
                bucket,
                collector: Arc::new(account.collector),
                inventory: Some(Arc::new(account.inventory)),
                clock,
                timer: Arc::new(TokioTimer),
            });
            context
        }
    }
}

#[cfg(not(feature = "aws"))]
mod open {
    use eks_logs_tools::Code;

    use super::*;

    /// There is none.
    #[derive(Debug)]
    pub(crate) enum Bucket {}

    impl Bucket {
        pub(crate) fn of(store: &str, _: &Account) -> Result<Self, Failure> {
            Err(Failure::new(
                Code::NeedsAws,
                format!("--store {store}: this build reads local stores only"),
                "use a build with the feature `aws`, or copy the bundles (`aws s3 sync s3://... DIR`) and point --store at the directory",
            ))
        }

        pub(crate) fn context(self, _: Arc<dyn Clock>) -> Context {
            match self {}
        }
    }
}

pub(crate) use open::Bucket;
