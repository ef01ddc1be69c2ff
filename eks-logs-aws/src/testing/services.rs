use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use eks_logs_core::StorePath;

use crate::{Patience, S3Location, S3Store};

/// The servers that `.ci/services.py` has started.
#[derive(Clone, Debug)]
pub struct Servers {
    /// SeaweedFS.
    pub s3: String,
    /// moto.
    pub moto: String,
}

/// The servers; `None`, with a line that says so, where they do not run.
pub fn servers(test: &str) -> Option<Servers> {
    let of = |name: &str| std::env::var(name).ok();
    match (of("EKS_LOGS_TEST_S3"), of("EKS_LOGS_TEST_MOTO")) {
        (Some(s3), Some(moto)) => Some(Servers { s3, moto }),
        _ => {
            eprintln!("skipped: {test}: needs SeaweedFS and moto (python3 .ci/services.py cargo test ...)");
            None
        }
    }
}

/// A configuration for one endpoint, with the key that the servers know.
pub fn sdk_config(endpoint: &str, region: &str) -> SdkConfig {
    sdk_config_with(endpoint, region, Credentials::new("test", "testsecret", None, None, "tests"))
}

/// The same with other credentials.
pub fn sdk_config_with(endpoint: &str, region: &str, credentials: Credentials) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

impl Servers {
    /// A name that no other test uses.
    pub fn fresh_name(what: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        format!("{what}-{}-{number}", std::process::id())
    }

    /// A new, empty bucket on SeaweedFS, seen directly.
    pub async fn bucket(&self) -> S3Store {
        let name = Self::fresh_name("eks-logs");
        let config = sdk_config(&self.s3, "us-east-1");
        let plain = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Client::from_conf(plain).create_bucket().bucket(&name).send().await.expect("a new bucket");
        let location = S3Location { bucket: name, prefix: StorePath::root() };
        S3Store::new(&config, location, Patience::default())
    }
}
