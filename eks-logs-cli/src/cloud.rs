//! What commands need of AWS: buckets as stores, and an account to work on. Builds without the feature `aws` say so.

#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
mod without;

#[cfg(feature = "aws")]
pub(crate) use aws::{Collecting, access, block_on, bucket, bundle, prepare};
#[cfg(not(feature = "aws"))]
pub(crate) use without::{Collecting, access, block_on, bucket, bundle, prepare};
