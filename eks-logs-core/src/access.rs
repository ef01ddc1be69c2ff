//! The access port: who may do what, as far as an account's policies tell from outside.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::id::{InstanceId, Region};

/// Knows roles and policies. Reading only.
#[async_trait]
pub trait Access: fmt::Debug + Send + Sync {
    /// The role of each node, by its instance profile; `None` for a node without one. Nodes that EC2 does not know are absent.
    async fn node_roles(&self, nodes: &[InstanceId], region: &Region) -> Result<BTreeMap<InstanceId, Option<Role>>>;

    /// What a role's own policies say to an action on a resource (an ARN), its permissions boundary and the organisation's policies included;
    /// `known` are keys of the request's context that their conditions may ask for.
    async fn own_policies(
        &self,
        role: &Role,
        action: &str,
        resource: &str,
        known: &[(&str, &str)],
    ) -> Result<OwnPolicies>;

    /// What a bucket says of itself.
    async fn bucket(&self) -> Result<BucketAccess>;

    /// A KMS key, by its id, alias or ARN.
    async fn key(&self, key: &str) -> Result<KeyAccess>;
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
}

impl Role {
    /// Its name: what stands behind the last slash.
    pub fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }

    /// The account that it belongs to.
    pub fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    /// The partition: aws, aws-cn, aws-us-gov.
    pub fn partition(&self) -> &str {
        self.arn.split(':').nth(1).unwrap_or("aws")
    }
}

/// What a principal's own policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnPolicies {
    /// A statement allows it.
    Allow,
    /// A statement denies it, whatever others allow.
    Deny,
    /// Nothing is said, which denies it where no policy of the resource allows it.
    Silent,
}

/// What a bucket says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketAccess {
    /// Its name.
    pub bucket: String,
    /// Its policy, as JSON; `None` if it has none.
    pub policy: Option<String>,
    /// Whether its policy makes it public; `None` where S3 does not tell.
    pub is_public: Option<bool>,
    /// The KMS key that encrypts what is stored by default; `None` where S3's own keys do.
    pub kms_key: Option<String>,
}

/// What a KMS key says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAccess {
    /// Its ARN.
    pub arn: String,
    /// Its policy, as JSON.
    pub policy: String,
    /// Whether it can be used: neither disabled nor about to be deleted.
    pub is_enabled: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_tells_who_it_is() {
        let role = Role { arn: "arn:aws-cn:iam::123456789012:role/eks/nodes".to_owned() };
        assert_eq!((role.name(), role.account(), role.partition()), ("nodes", "123456789012", "aws-cn"));
    }
}
