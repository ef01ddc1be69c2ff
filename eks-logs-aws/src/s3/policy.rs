//! What a bucket says of itself.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::ServerSideEncryption;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use eks_logs_core::access::BucketAccess;
use eks_logs_core::{Error, Result};

use super::S3Store;
use crate::error::{Asked, answered, meaning};

impl S3Store {
    /// The bucket's policy, whether it is public, and the key that encrypts it.
    ///
    /// # Errors
    /// If the policy or the encryption may not be seen, or there is no such bucket.
    pub async fn access(&self) -> Result<BucketAccess> {
        let bucket = self.location().bucket.clone();
        let path = format!("s3://{bucket}");
        let asked = |action| Asked { path: &path, action };
        let policy = self.ask_raw(|client| client.get_bucket_policy().bucket(&bucket).send()).await;
        let policy = unless_absent(&asked("s3:GetBucketPolicy"), policy, "NoSuchBucketPolicy")?;
        let status = self.ask_raw(|client| client.get_bucket_policy_status().bucket(&bucket).send()).await;
        let is_public = match unless_absent(&asked("s3:GetBucketPolicyStatus"), status, "NoSuchBucketPolicy") {
            Ok(None) => Some(false),
            Ok(Some(status)) => status.policy_status().and_then(|status| status.is_public()),
            Err(_) => None,
        };
        let encryption = self.ask_raw(|client| client.get_bucket_encryption().bucket(&bucket).send()).await;
        let encryption = unless_absent(
            &asked("s3:GetEncryptionConfiguration"),
            encryption,
            "ServerSideEncryptionConfigurationNotFoundError",
        )?;
        let rules = encryption.as_ref().and_then(|of| of.server_side_encryption_configuration());
        let by_kms = |kind: &ServerSideEncryption| {
            matches!(kind, ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse)
        };
        let kms_key = rules.into_iter().flat_map(|of| of.rules()).find_map(|rule| {
            let of = rule.apply_server_side_encryption_by_default()?;
            of.kms_master_key_id().filter(|_| by_kms(of.sse_algorithm())).map(str::to_owned)
        });
        let policy = policy.and_then(|policy| policy.policy().map(str::to_owned));
        Ok(BucketAccess { bucket, policy, is_public, kms_key })
    }
}

/// What was asked for, or `None` where the answer says that there is none.
fn unless_absent<T, E>(
    asked: &Asked<'_>,
    answer: std::result::Result<T, SdkError<E, HttpResponse>>,
    absent: &str,
) -> std::result::Result<Option<T>, Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(why) if answered(&why).1 == Some(absent) => Ok(None),
        Err(why) => Err(meaning(asked, &why)),
    }
}
