//! AWS for eks-logs: bundles in S3 ([`S3Store`]), collections through SSM Automation ([`SsmCollector`]), and, with the feature `inventory`,
//! clusters and nodes from EC2 and EKS (`Ec2EksInventory`) and who may do what from IAM and KMS (`AccountAccess`).
//!
//! These are adapters of the ports of `eks-logs-core`; no analysis is here. Credentials, regions and endpoints come from the ordinary
//! configuration of AWS's SDKs ([`load`]); retries and timeouts are set explicitly ([`Patience`]). Errors come out by their meaning:
//! refused, expired, throttled, not there, changed in between, no answer. Everything runs on tokio.
//!
//! ```no_run
//! use eks_logs_aws::{Patience, S3Store, load};
//! use eks_logs_core::{StoreExt as _, StorePath};
//! # async fn example() -> eks_logs_core::Result<()> {
//! let config = load(None, Patience::default()).await;
//! let store = S3Store::new(&config, "s3://my-eks-logs".parse()?, Patience::default());
//! for object in store.list_all(&StorePath::root()).await? {
//!     println!("{} {}", object.path, object.size);
//! }
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "inventory")]
pub mod access;
#[cfg(feature = "inventory")]
mod account;
#[cfg(feature = "inventory")]
pub mod inventory;
pub mod s3;
pub mod ssm;
#[cfg(feature = "testing")]
pub mod testing;

mod config;
mod error;
mod timer;

#[cfg(feature = "inventory")]
pub use access::AccountAccess;
#[cfg(feature = "inventory")]
pub use account::{Account, Collecting};
pub use config::{Patience, load};
#[cfg(feature = "inventory")]
pub use inventory::Ec2EksInventory;
pub use s3::{Encryption, S3Location, S3Store};
pub use ssm::SsmCollector;
pub use timer::TokioTimer;
