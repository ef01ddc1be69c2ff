//! Everything of one account that the tools work on, from one configuration.

use crate::{Ec2EksInventory, Encryption, Patience, S3Location, S3Store, SsmCollector, load};

/// How collections are run, and how what we write is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collecting {
    /// The document, where it is not AWS's own.
    pub document: Option<String>,
    /// The role that the automation takes on, where it is not the caller's.
    pub role: Option<String>,
    /// The KMS key with which our objects are encrypted, where it is not as the bucket's default says.
    pub kms_key: Option<String>,
}

/// The account whose credentials are at hand, with the bucket for bundles and records.
#[derive(Debug)]
pub struct Account {
    /// The bucket, or a part of it.
    pub store: S3Store,
    /// Starts and follows collections.
    pub collector: SsmCollector,
    /// Clusters, nodes and regions.
    pub inventory: Ec2EksInventory,
}

impl Account {
    /// Takes credentials and region from where AWS's SDKs find them, which may ask the machine's metadata service for the region; the
    /// account itself is asked by the first call that needs it.
    pub async fn open(location: S3Location, collecting: &Collecting, patience: Patience) -> Self {
        let shared = load(None, patience).await;
        let mut store = S3Store::new(&shared, location, patience);
        if let Some(key) = &collecting.kms_key {
            store = store.with_encryption(Encryption::Kms(key.clone()));
        }
        let mut collector = SsmCollector::new(&shared, store.clone(), patience);
        if let Some(document) = &collecting.document {
            collector = collector.with_document(document);
        }
        if let Some(role) = &collecting.role {
            collector = collector.with_role(role);
        }
        Self { store, collector, inventory: Ec2EksInventory::new(&shared, patience) }
    }
}
