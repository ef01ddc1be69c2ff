//! What commands need of AWS: buckets as stores, and an account to work on. Builds without the feature `aws` say so.

#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
mod without;

#[cfg(feature = "aws")]
pub(crate) use aws::{access, block_on, bucket, bundle, prepare};
#[cfg(not(feature = "aws"))]
pub(crate) use without::{access, block_on, bucket, bundle, prepare};

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
