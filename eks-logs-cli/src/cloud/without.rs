use std::future::Future;
use std::sync::Arc;

use eks_logs_core::{Access, Located, StoreWriter};
use eks_logs_tools::{Code, Context, Failure};

/// How collections are run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collecting {
    /// The document, where it is not AWS's own.
    pub(crate) document: Option<String>,
    /// The role that the automation takes on.
    pub(crate) role: Option<String>,
    /// The KMS key with which our objects are encrypted.
    pub(crate) kms_key: Option<String>,
}

fn refuse<T>(location: &str) -> Result<T, Failure> {
    Err(Failure::new(
        Code::NeedsAws,
        format!("{location}: this build reads local bundles only"),
        "use a build with the feature `aws`, or copy the bundle (`aws s3 cp`) and point at the copy",
    ))
}

pub(crate) fn bucket(location: &str) -> Result<Arc<dyn StoreWriter>, Failure> {
    refuse(location)
}

pub(crate) fn bundle(location: &str) -> Result<Located, Failure> {
    refuse(location)
}

pub(crate) fn prepare(_: &mut Context, location: &str, _: &Collecting) -> Result<Arc<dyn StoreWriter>, Failure> {
    refuse(location)
}

pub(crate) fn access(location: &str) -> Result<Arc<dyn Access>, Failure> {
    refuse(location)
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    futures_lite::future::block_on(future)
}
