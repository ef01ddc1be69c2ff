//! Who may do what: IAM, KMS, EC2 and S3 as an [`Access`] (feature `inventory`).
//!
//! IAM and KMS are asked three questions in all; their SDKs would cost minutes of every build, so those calls are signed here.

mod signed;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::config::Region as SdkRegion;
use eks_logs_core::access::{BucketAccess, KeyAccess, OwnPolicies, Role};
use eks_logs_core::{Access, Error, InstanceId, Region, Result};
use serde_json::{Value, json};

use crate::config::{Patience, region_of};
use crate::error::{Asked, meaning};
use crate::s3::S3Store;
use signed::{Answer, Caller};

/// Instances in one request.
const CHUNK: usize = 100;

/// The account whose credentials a configuration holds, and a bucket in it.
pub struct AccountAccess {
    shared: SdkConfig,
    patience: Patience,
    store: S3Store,
    caller: Caller,
}

impl fmt::Debug for AccountAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountAccess").field("store", &self.store).finish_non_exhaustive()
    }
}

impl AccountAccess {
    /// The account, and the bucket to which its nodes upload.
    pub fn new(shared: &SdkConfig, store: S3Store, patience: Patience) -> Self {
        Self { shared: shared.clone(), patience, store, caller: Caller::new(shared, patience) }
    }

    async fn iam(&self, role_or_profile: &str, action: &str, more: &[(String, String)]) -> Result<Answer> {
        let asked = Asked { path: role_or_profile, action: &format!("iam:{action}") };
        let mut form = vec![("Action".to_owned(), action.to_owned()), ("Version".to_owned(), "2010-05-08".to_owned())];
        form.extend_from_slice(more);
        self.caller.iam(&asked, &region_of(&self.shared), &form).await
    }

    async fn kms(&self, key: &str, action: &str, body: &Value) -> Result<Value> {
        let asked = Asked { path: key, action: &format!("kms:{action}") };
        let named = key.split(':').nth(3).filter(|region| !region.is_empty());
        let region = named.map_or_else(|| Ok(region_of(&self.shared)), Region::parse)?;
        self.caller.kms(&asked, &region, action, body).await
    }

    /// The role in an instance profile, which holds one at the most.
    async fn role_of(&self, profile: &str) -> Result<Option<Role>> {
        let name = profile.rsplit('/').next().unwrap_or(profile);
        let answer =
            self.iam(profile, "GetInstanceProfile", &[("InstanceProfileName".to_owned(), name.to_owned())]).await?;
        Ok(answer.first(&["Roles", "member", "Arn"])?.map(|arn| Role { arn }))
    }
}

#[async_trait]
impl Access for AccountAccess {
    async fn node_roles(&self, nodes: &[InstanceId], region: &Region) -> Result<BTreeMap<InstanceId, Option<Role>>> {
        let config = aws_sdk_ec2::config::Builder::from(&self.shared)
            .region(SdkRegion::new(region.to_string()))
            .retry_config(self.patience.retries())
            .retry_partition(self.patience.budget("ec2"))
            .timeout_config(self.patience.timeouts());
        let ec2 = aws_sdk_ec2::Client::from_conf(config.build());
        let mut profiles = BTreeMap::new();
        for chunk in nodes.chunks(CHUNK) {
            let ids = chunk.iter().map(ToString::to_string).collect();
            let asked = Asked { path: chunk[0].as_str(), action: "ec2:DescribeInstances" };
            let got = ec2.describe_instances().set_instance_ids(Some(ids)).send().await;
            let got = got.map_err(|why| meaning(&asked, &why))?;
            for machine in got.reservations().iter().flat_map(|reservation| reservation.instances()) {
                let Some(id) = machine.instance_id().and_then(|id| InstanceId::parse(id).ok()) else { continue };
                let profile = machine.iam_instance_profile().and_then(|profile| profile.arn()).map(str::to_owned);
                profiles.insert(id, profile);
            }
        }
        let mut roles: BTreeMap<String, Option<Role>> = BTreeMap::new();
        for profile in profiles.values().flatten() {
            if !roles.contains_key(profile) {
                roles.insert(profile.clone(), self.role_of(profile).await?);
            }
        }
        let of = |profile: Option<String>| profile.and_then(|profile| roles.get(&profile).cloned().flatten());
        Ok(profiles.into_iter().map(|(id, profile)| (id, of(profile))).collect())
    }

    async fn own_policies(
        &self,
        role: &Role,
        action: &str,
        resource: &str,
        known: &[(&str, &str)],
    ) -> Result<OwnPolicies> {
        let mut form = vec![
            ("PolicySourceArn".to_owned(), role.arn.clone()),
            ("ActionNames.member.1".to_owned(), action.to_owned()),
            ("ResourceArns.member.1".to_owned(), resource.to_owned()),
        ];
        for (number, (key, value)) in known.iter().enumerate() {
            let entry = format!("ContextEntries.member.{}", number + 1);
            let kind = if matches!(*value, "true" | "false") { "boolean" } else { "string" };
            form.push((format!("{entry}.ContextKeyName"), (*key).to_owned()));
            form.push((format!("{entry}.ContextKeyType"), kind.to_owned()));
            form.push((format!("{entry}.ContextKeyValues.member.1"), (*value).to_owned()));
        }
        let answer = self.iam(&role.arn, "SimulatePrincipalPolicy", &form).await?;
        match answer.first(&["EvaluationResults", "member", "EvalDecision"])?.as_deref() {
            Some("allowed") => Ok(OwnPolicies::Allow),
            Some("explicitDeny") => Ok(OwnPolicies::Deny),
            Some("implicitDeny") => Ok(OwnPolicies::Silent),
            other => Err(Error::Unavailable {
                path: role.arn.clone(),
                detail: format!("the simulation came to {}", other.unwrap_or("nothing")),
            }),
        }
    }

    async fn bucket(&self) -> Result<BucketAccess> {
        self.store.access().await
    }

    async fn key(&self, key: &str) -> Result<KeyAccess> {
        let described = self.kms(key, "DescribeKey", &json!({ "KeyId": key })).await?;
        let of = &described["KeyMetadata"];
        let arn = of["Arn"].as_str().unwrap_or(key).to_owned();
        let policy = self.kms(&arn, "GetKeyPolicy", &json!({ "KeyId": arn, "PolicyName": "default" })).await?;
        Ok(KeyAccess {
            arn,
            policy: policy["Policy"].as_str().unwrap_or_default().to_owned(),
            is_enabled: of["KeyState"].as_str().is_none_or(|state| matches!(state, "Enabled" | "Updating")),
        })
    }
}
