//! Whether the roles of the nodes may upload: their own policies, the bucket's and the key's together.

use std::collections::BTreeMap;

use eks_logs_core::access::{BucketAccess, KeyAccess, OwnPolicies, Role};
use eks_logs_core::{Access, Error, InstanceId};

use super::Check;
use super::policy::{Ask, Says, says};

/// What uploading needs of the bucket's objects, and of the bucket: the document refuses to upload to a public one.
const ON_OBJECTS: [&str; 1] = ["s3:PutObject"];
const ON_BUCKET: [&str; 2] = ["s3:GetBucketPolicyStatus", "s3:GetBucketAcl"];
/// What it needs of the key: an upload in parts decrypts the data key of the parts before.
const ON_KEY: [&str; 2] = ["kms:GenerateDataKey", "kms:Decrypt"];

/// Checks the bucket's policy, and for each role whether it may upload and encrypt.
pub(super) async fn check(access: &dyn Access, roles: &BTreeMap<Role, InstanceId>, checks: &mut Vec<Check>) {
    let bucket = match access.bucket().await {
        Ok(bucket) => bucket,
        Err(why) => {
            checks.push(Check::not_made("bucket-policy", "the bucket", why));
            return;
        }
    };
    let subject = format!("s3://{}", bucket.bucket);
    checks.push(match bucket.is_public {
        Some(true) => {
            let detail = "it is public: the document does not upload to it, and logs must not lie there";
            let block =
                format!("aws s3api put-public-access-block --bucket {} with all four settings true", bucket.bucket);
            let fix = vec![block, "remove the statement that allows everybody".to_owned()];
            Check::failed("bucket-policy", subject, detail, fix)
        }
        Some(false) => Check::ok("bucket-policy", subject, "it is not public"),
        None => {
            let fix = "allow s3:GetBucketPolicyStatus on the bucket to the identity that runs doctor".to_owned();
            Check::unknown("bucket-policy", subject, "whether it is public is not known", vec![fix])
        }
    });
    let key = match &bucket.kms_key {
        None => None,
        Some(key) => Some((key.as_str(), access.key(key).await)),
    };
    for (role, node) in roles {
        checks.push(upload(access, &bucket, role, node).await);
        match &key {
            None => checks.push(Check::ok("encryption", role.name(), "the bucket is encrypted with keys of S3 itself")),
            Some((name, key)) => checks.push(encrypt(access, name, key, role).await),
        }
    }
}

/// What stands in the way of one action.
enum Way {
    Open,
    /// Denied by a statement that has to go or to make an exception.
    Denied(String),
    /// Nobody allows it.
    Closed,
    Unknown(String, String),
}

/// What a role may do with one action on one resource.
async fn way(
    access: &dyn Access,
    role: &Role,
    action: &str,
    resource: &str,
    policy: Option<&str>,
    via: Option<String>,
    key: bool,
) -> Way {
    let mut known = vec![("aws:SecureTransport", "true")];
    known.extend(via.as_deref().map(|via| ("kms:ViaService", via)));
    let ask = Ask { role, action, resource, via: via.clone() };
    let of_resource = match policy.map(|policy| says(policy, &ask)).transpose() {
        Ok(said) => said.unwrap_or(Says::Silent),
        Err(why) => return Way::Unknown(format!("the policy cannot be read: {why}"), "correct the policy".to_owned()),
    };
    if let Says::Deny(name) = &of_resource {
        return Way::Denied(format!("{name} of the resource's policy denies {action}"));
    }
    let own = match access.own_policies(role, action, resource, &known).await {
        Ok(own) => own,
        Err(Error::AccessDenied { detail, .. }) => {
            let fix = "allow iam:SimulatePrincipalPolicy on the role to the identity that runs doctor".to_owned();
            return Way::Unknown(format!("{action}: the role's policies cannot be simulated ({detail})"), fix);
        }
        Err(why) => return Way::Unknown(format!("{action}: {why}"), "try again".to_owned()),
    };
    match (own, of_resource) {
        (OwnPolicies::Deny, _) => {
            Way::Denied(format!("a policy of the role, its boundary or the organisation denies {action}"))
        }
        (_, Says::Depends(what)) if what.contains(" denies ") || own == OwnPolicies::Silent => {
            Way::Unknown(format!("{action}: {what}"), "see that the condition holds for the nodes".to_owned())
        }
        (_, Says::Allow) => Way::Open,
        // A key is used by nobody whom its own policy does not let in, whatever the role's policies say.
        (OwnPolicies::Allow, Says::Delegates) => Way::Open,
        (OwnPolicies::Allow, _) if !key => Way::Open,
        _ => Way::Closed,
    }
}

/// The worst of several ways, as one check.
fn judged(id: &'static str, role: &Role, ways: Vec<(String, Way)>, ok: String, fix: Vec<String>) -> Check {
    let (mut closed, mut denied, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let mut fixes = Vec::new();
    for (action, way) in ways {
        match way {
            Way::Open => {}
            Way::Closed => closed.push(action),
            Way::Denied(what) => denied.push(what),
            Way::Unknown(what, fix) => {
                unknown.push(what);
                if !fixes.contains(&fix) {
                    fixes.push(fix);
                }
            }
        }
    }
    if denied.is_empty() && closed.is_empty() {
        return match unknown.is_empty() {
            true => Check::ok(id, role.name(), ok),
            false => Check::unknown(id, role.name(), unknown.join("; "), fixes),
        };
    }
    let mut said = denied.clone();
    let mut steps = Vec::new();
    if !denied.is_empty() {
        steps.push("take the role out of the statement that denies it".to_owned());
    }
    if !closed.is_empty() {
        said.push(format!("nothing allows {}", closed.join(", ")));
        steps.extend(fix);
    }
    Check::failed(id, role.name(), said.join("; "), steps)
}

async fn upload(access: &dyn Access, bucket: &BucketAccess, role: &Role, node: &InstanceId) -> Check {
    let arn = format!("arn:{}:s3:::{}", role.partition(), bucket.bucket);
    let object = format!("{arn}/eks_{node}_00000000-0000-4000-8000-000000000000.tar.gz");
    let mut ways = Vec::new();
    let asked =
        ON_OBJECTS.iter().map(|action| (*action, &object)).chain(ON_BUCKET.iter().map(|action| (*action, &arn)));
    for (action, resource) in asked {
        let way = way(access, role, action, resource, bucket.policy.as_deref(), None, false).await;
        ways.push((action.to_owned(), way));
    }
    let fix = vec![
        format!(
            "deploy with --node-role {}, or attach the policy of the stack's output NodeUploadPolicyArn to {}",
            role.arn,
            role.name()
        ),
        format!(
            "elsewhere, allow the role {} on {arn}/eks_*.tar.gz and {} on {arn}",
            ON_OBJECTS.join(", "),
            ON_BUCKET.join(" and ")
        ),
    ];
    judged("upload", role, ways, format!("it may upload to s3://{}", bucket.bucket), fix)
}

async fn encrypt(access: &dyn Access, name: &str, key: &Result<KeyAccess, Error>, role: &Role) -> Check {
    let id = "encryption";
    let key = match key {
        Ok(key) if !key.is_enabled => {
            let fix = vec![format!("aws kms enable-key --key-id {name}, or cancel its deletion first")];
            return Check::failed(id, role.name(), format!("{name} is disabled or about to be deleted"), fix);
        }
        Ok(key) => key,
        Err(why) => {
            let fix =
                "allow kms:DescribeKey and kms:GetKeyPolicy on the key to the identity that runs doctor".to_owned();
            return Check::unknown(id, role.name(), format!("the policy of {name} is not known: {why}"), vec![fix]);
        }
    };
    let region = key.arn.split(':').nth(3).unwrap_or_default();
    let domain = if role.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let via = format!("s3.{region}.{domain}");
    let mut ways = Vec::new();
    for action in ON_KEY {
        let way = way(access, role, action, &key.arn, Some(&key.policy), Some(via.clone()), true).await;
        ways.push((action.to_owned(), way));
    }
    let fix = vec![
        format!("deploy with --node-role {}, which lets it in by the key's policy", role.arn),
        format!(
            "elsewhere, allow {} on {} with kms:ViaService {via}: in the key's policy, or in the role's where the key's policy lets the account in",
            ON_KEY.join(" and "),
            key.arn
        ),
    ];
    judged(id, role, ways, format!("it may encrypt with {}", key.arn), fix)
}
