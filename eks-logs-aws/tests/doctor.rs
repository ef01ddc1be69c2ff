//! What doctor finds, over the wire: EC2, EKS, IAM, KMS and S3 are moto, SSM our fake; what moto has not, simulating a role's policies and whether a
//! bucket is public, a server of our own before it.
#![cfg(feature = "inventory")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_eks::types::VpcConfigRequest;
use eks_logs_aws::testing::{FakeNode, FakeOptions, FakeSsm, Servers, sdk_config, servers};
use eks_logs_aws::{AccountAccess, Ec2EksInventory, Patience, S3Location, S3Store, SsmCollector, TokioTimer};
use eks_logs_core::{Store, StorePath, StoreWriter};
use eks_logs_tools::{Bundles, CheckStatus, Code, Context, DoctorAnswer, DoctorRequest, Failure, examine};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE_ATTEMPTS: u32 = 2;

/// What the server of our own says.
#[derive(Clone, Debug, Default)]
struct Script {
    /// By action: allowed, explicitDeny, or a code of an error; implicitDeny for what is not here.
    decisions: BTreeMap<&'static str, &'static str>,
    public: bool,
    /// The simulations that were asked for.
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Script>>;

/// A server before moto. Its URL.
async fn front(behind: String, script: Shared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (behind, script) = (behind.clone(), Arc::clone(&script));
            tokio::spawn(async move { serve(connection, &behind, &script).await });
        }
    });
    url
}

async fn serve(mut connection: TcpStream, behind: &str, script: &Shared) -> Option<()> {
    let (mut read, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let count = connection.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    while read.len() < end + length.unwrap_or(0_usize) {
        let count = connection.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
    }
    let body = String::from_utf8_lossy(&read[end..]).into_owned();
    let own = {
        let mut script = script.lock().unwrap();
        if body.starts_with("Action=SimulatePrincipalPolicy") {
            Some(simulated(&body, &mut script))
        } else if head.lines().next()?.contains("?policyStatus") {
            let text = format!("<PolicyStatus><IsPublic>{}</IsPublic></PolicyStatus>", script.public);
            Some((200, text))
        } else {
            None
        }
    };
    if let Some((status, text)) = own {
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            text.len()
        );
        connection.write_all(head.as_bytes()).await.ok()?;
        return connection.write_all(text.as_bytes()).await.ok();
    }
    let mut server = TcpStream::connect(behind.trim_start_matches("http://")).await.ok()?;
    let closing: Vec<&str> =
        head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:")).collect();
    server.write_all((closing.join("\r\n") + "\r\nConnection: close\r\n\r\n").as_bytes()).await.ok()?;
    server.write_all(&read[end..]).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    connection.write_all(&answer).await.ok()
}

fn simulated(body: &str, script: &mut Script) -> (u16, String) {
    script.asked.push(body.replace("%3A", ":").replace("%2F", "/"));
    let asked = body.replace("%3A", ":");
    let action = asked.split("ActionNames.member.1=").nth(1).unwrap().split('&').next().unwrap();
    match script.decisions.get(action).copied().unwrap_or("implicitDeny") {
        decision @ ("allowed" | "explicitDeny" | "implicitDeny") => (
            200,
            format!(
                "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult>\
                 <IsTruncated>false</IsTruncated><EvaluationResults><member><EvalActionName>{action}</EvalActionName>\
                 <EvalDecision>{decision}</EvalDecision></member></EvaluationResults></SimulatePrincipalPolicyResult>\
                 </SimulatePrincipalPolicyResponse>"
            ),
        ),
        code => (
            403,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
            ),
        ),
    }
}

/// A cluster with a node, its role and a bucket with a key.
struct Account {
    fake: FakeSsm,
    script: Shared,
    url: String,
    bucket: String,
    key: String,
    role: String,
    node: String,
    cluster: String,
    servers: Servers,
}

impl Account {
    async fn new(servers: Servers) -> Self {
        let fake = FakeSsm::start(FakeOptions::before(&servers.moto)).await;
        let script = Shared::default();
        let url = front(fake.url(), Arc::clone(&script)).await;
        let mut account = Self {
            fake,
            script,
            url,
            bucket: Servers::fresh_name("doctor"),
            key: String::new(),
            role: String::new(),
            node: String::new(),
            cluster: Servers::fresh_name("cluster"),
            servers,
        };
        let name = account.bucket.clone();
        account.form("iam", &[("Action", "CreateRole"), ("RoleName", &name), ("AssumeRolePolicyDocument", "{}")]).await;
        account.form("iam", &[("Action", "CreateInstanceProfile"), ("InstanceProfileName", &name)]).await;
        let add = [("Action", "AddRoleToInstanceProfile"), ("InstanceProfileName", &name), ("RoleName", &name)];
        account.form("iam", &add).await;
        account.role = format!("arn:aws:iam::123456789012:role/{name}");
        let key = account.json("kms", "TrentService.CreateKey", &json!({})).await;
        account.key = key["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
        let s3 = account.s3();
        s3.create_bucket().bucket(&name).send().await.unwrap();
        account.encrypt().await;
        let eks = aws_sdk_eks::Client::new(&sdk_config(&account.servers.moto, "us-east-1"));
        let vpc = VpcConfigRequest::builder().subnet_ids("subnet-1").build();
        eks.create_cluster()
            .name(&account.cluster)
            .role_arn(&account.role)
            .resources_vpc_config(vpc)
            .send()
            .await
            .unwrap();
        account.node = account.machine(Some(&name)).await;
        account.fake.node(&account.node, FakeNode::default());
        account
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        let config = sdk_config(&self.servers.moto, "us-east-1");
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build())
    }

    async fn encrypt(&self) {
        use aws_sdk_s3::types::{
            ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
            ServerSideEncryptionRule,
        };
        let by_default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::AwsKms)
            .kms_master_key_id(&self.key)
            .build()
            .unwrap();
        let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(by_default).build();
        let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
        let put = self.s3().put_bucket_encryption().bucket(&self.bucket).server_side_encryption_configuration(rules);
        put.send().await.unwrap();
    }

    async fn post(&self, service: &str, headers: &str, body: &str) -> String {
        let host = self.servers.moto.trim_start_matches("http://");
        let mut connection = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n{headers}\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{answer}");
        body.to_owned()
    }

    async fn form(&self, service: &str, fields: &[(&str, &str)]) -> String {
        let version = if service == "iam" { "2010-05-08" } else { "2016-11-15" };
        let mut body = format!("Version={version}");
        for (name, value) in fields {
            let value = value.replace('%', "%25").replace('{', "%7B").replace('}', "%7D").replace(':', "%3A");
            body.push_str(&format!("&{name}={value}"));
        }
        self.post(service, "Content-Type: application/x-www-form-urlencoded\r\n", &body).await
    }

    async fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        let headers = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n");
        let answer = self.post(service, &headers, &body.to_string()).await;
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// A node of the cluster, with or without an instance profile.
    async fn machine(&self, profile: Option<&str>) -> String {
        let mut fields = vec![
            ("Action", "RunInstances"),
            ("ImageId", "ami-1e749f67"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "eks:cluster-name"),
            ("TagSpecification.1.Tag.1.Value", self.cluster.as_str()),
        ];
        fields.extend(profile.map(|profile| ("IamInstanceProfile.Name", profile)));
        let answer = self.form("ec2", &fields).await;
        let (_, rest) = answer.split_once("<instanceId>").expect("a machine");
        rest.split_once('<').unwrap().0.to_owned()
    }

    /// What the template puts on the bucket and the key for roles that it is told.
    async fn let_in(&self) {
        let bucket = format!("arn:aws:s3:::{}", self.bucket);
        self.bucket_policy(&json!([
            { "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": format!("{bucket}/*"),
              "Condition": { "Bool": { "aws:SecureTransport": "false" } } },
            { "Sid": "Up", "Effect": "Allow", "Principal": { "AWS": [self.role] }, "Action": "s3:PutObject",
              "Resource": [format!("{bucket}/eks_*.tar.gz")] },
            { "Sid": "See", "Effect": "Allow", "Principal": { "AWS": [self.role] },
              "Action": ["s3:GetBucketPolicyStatus", "s3:GetBucketAcl"], "Resource": bucket },
            { "Sid": "Else", "Effect": "Deny", "Principal": { "AWS": [self.role] }, "Action": "s3:PutObject",
              "NotResource": [format!("{bucket}/eks_*.tar.gz")] },
        ]))
        .await;
        self.key_policy(&json!([
            { "Sid": "Root", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::123456789012:root" }, "Action": "kms:*", "Resource": "*" },
            { "Sid": "Nodes", "Effect": "Allow", "Principal": { "AWS": [self.role] }, "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
              "Resource": "*", "Condition": { "StringEquals": { "kms:ViaService": "s3.us-east-1.amazonaws.com",
              "kms:CallerAccount": "123456789012" } } },
        ]))
        .await;
    }

    async fn bucket_policy(&self, statements: &Value) {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        self.s3().put_bucket_policy().bucket(&self.bucket).policy(policy).send().await.unwrap();
    }

    async fn key_policy(&self, statements: &Value) {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let body = json!({ "KeyId": self.key, "PolicyName": "default", "Policy": policy });
        self.json("kms", "TrentService.PutKeyPolicy", &body).await;
    }

    async fn ask(&self, cluster: &str) -> Result<DoctorAnswer, Failure> {
        let patience = Patience::default().with_attempts(PATIENCE_ATTEMPTS);
        let shared = sdk_config(&self.url, "us-east-1");
        let location = S3Location { bucket: self.bucket.clone(), prefix: StorePath::root() };
        let store = S3Store::new(&shared, location, patience);
        let mut context = Context::new(Bundles::Store(Arc::new(store.clone()) as Arc<dyn Store>));
        context.collector = Some(Arc::new(SsmCollector::new(&shared, store.clone(), patience)));
        context.inventory = Some(Arc::new(Ec2EksInventory::new(&shared, patience)));
        context.records = Some(Arc::new(store.clone()) as Arc<dyn StoreWriter>);
        context.clock = Some(Arc::new(Timestamp::UNIX_EPOCH));
        context.timer = Some(Arc::new(TokioTimer));
        let access = AccountAccess::new(&shared, store, patience);
        let request = DoctorRequest { cluster_name: cluster.to_owned(), region: Some("us-east-1".to_owned()) };
        examine(&context, &access, &request).await
    }

    async fn checks(&self) -> DoctorAnswer {
        self.ask(&self.cluster).await.unwrap()
    }

    fn decide(&self, decisions: &[(&'static str, &'static str)]) {
        self.script.lock().unwrap().decisions = decisions.iter().copied().collect();
    }
}

fn of(answer: &DoctorAnswer, id: &str) -> (CheckStatus, String, String) {
    let found: Vec<_> = answer.checks.iter().filter(|check| check.id == id).collect();
    // The worst, where there are several.
    let check = found.iter().find(|check| check.status != CheckStatus::Ok).or(found.first()).expect(id);
    assert_eq!(check.fix.is_empty(), check.status == CheckStatus::Ok, "{check:?}: what does not hold has a fix");
    (check.status, check.detail.clone(), check.fix.join("; "))
}

#[tokio::test]
async fn an_account_that_the_template_has_set_up_is_healthy() {
    let Some(servers) = servers("an_account_that_the_template_has_set_up_is_healthy") else { return };
    let account = Account::new(servers).await;
    account.let_in().await;
    let answer = account.checks().await;
    assert!(answer.healthy, "{answer:#?}");
    let ids: Vec<&str> = answer.checks.iter().map(|check| check.id).collect();
    assert_eq!(ids, ["document", "bucket", "nodes", "agents", "node-role", "bucket-policy", "upload", "encryption"]);
    let asked = account.script.lock().unwrap().asked.clone();
    assert!(
        asked
            .iter()
            .any(|call| call.contains("ContextKeyName=kms:ViaService") && call.contains("s3.us-east-1.amazonaws.com"))
    );
}

#[tokio::test]
async fn the_roles_own_policies_do_as_well() {
    let Some(servers) = servers("the_roles_own_policies_do_as_well") else { return };
    let account = Account::new(servers).await;
    let all = ["s3:PutObject", "s3:GetBucketPolicyStatus", "s3:GetBucketAcl", "kms:GenerateDataKey", "kms:Decrypt"];
    account.decide(&all.map(|action| (action, "allowed")));
    // The key's own policy, as KMS makes it, lets the account in.
    let answer = account.checks().await;
    assert!(answer.healthy, "{answer:#?}");
    // Without the account in the key's policy, the role's policies do not count.
    let other = "arn:aws:iam::123456789012:role/other";
    account
        .key_policy(&json!([{ "Sid": "Other", "Effect": "Allow", "Principal": { "AWS": other }, "Action": "kms:*", "Resource": "*" }]))
        .await;
    let (status, detail, fix) = of(&account.checks().await, "encryption");
    assert_eq!(status, CheckStatus::Failed);
    assert!(detail.contains("nothing allows kms:GenerateDataKey, kms:Decrypt"), "{detail}");
    assert!(fix.contains("--node-role"), "{fix}");
}

#[tokio::test]
async fn each_fault_is_found_with_its_fix() {
    let Some(servers) = servers("each_fault_is_found_with_its_fix") else { return };
    let account = Account::new(servers).await;
    // Nothing lets the role in; one node without a profile, one with an agent that is silent, one that SSM does not know.
    let bare = account.machine(None).await;
    let unknown = account.machine(Some(&account.bucket)).await;
    account.fake.node(&bare, FakeNode { ping: "ConnectionLost".to_owned(), ..FakeNode::default() });
    account.fake.node(&unknown, FakeNode { ping: String::new(), ..FakeNode::default() });
    account.script.lock().unwrap().public = true;
    let answer = account.checks().await;
    assert!(!answer.healthy);
    let (status, detail, fix) = of(&answer, "upload");
    assert_eq!(status, CheckStatus::Failed);
    assert!(detail.contains("nothing allows s3:PutObject, s3:GetBucketPolicyStatus, s3:GetBucketAcl"), "{detail}");
    assert!(fix.contains(&account.role) && fix.contains("NodeUploadPolicyArn"), "{fix}");
    let (status, detail, _) = of(&answer, "encryption");
    assert_eq!((status, detail.contains("kms:Decrypt")), (CheckStatus::Failed, true));
    let (status, detail, fix) = of(&answer, "node-role");
    assert!(status == CheckStatus::Failed && detail.contains(&bare) && fix.contains("instance profile"), "{detail}");
    let (status, _, fix) = of(&answer, "bucket-policy");
    assert!(status == CheckStatus::Failed && fix.contains("put-public-access-block"), "{fix}");
    let agents: Vec<&str> =
        answer.checks.iter().filter(|check| check.id == "agents").map(|check| check.detail.as_str()).collect();
    assert!(
        agents.iter().any(|detail| detail.contains("does not know 1 of 3") && detail.contains(&unknown)),
        "{agents:?}"
    );
    assert!(
        agents.iter().any(|detail| detail.contains("does not reach 1 of 3") && detail.contains(&bare)),
        "{agents:?}"
    );
    // A statement that denies is named, whoever else allows.
    account.let_in().await;
    let bucket = format!("arn:aws:s3:::{}/*", account.bucket);
    account
        .bucket_policy(&json!([
            { "Sid": "Up", "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*" },
            { "Sid": "OnlyAdmins", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": bucket,
              "Condition": { "ArnNotLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/admin" } } }
        ]))
        .await;
    let (status, detail, fix) = of(&account.checks().await, "upload");
    assert_eq!(status, CheckStatus::Failed);
    assert!(detail.contains("OnlyAdmins of the resource's policy denies s3:PutObject"), "{detail}");
    assert!(fix.contains("out of the statement"), "{fix}");
    account.let_in().await;
    account.decide(&[("s3:PutObject", "explicitDeny")]);
    let (status, detail, _) = of(&account.checks().await, "upload");
    assert!(status == CheckStatus::Failed && detail.contains("boundary or the organisation denies"), "{detail}");
}

#[tokio::test]
async fn what_cannot_be_found_out_is_not_called_well() {
    let Some(servers) = servers("what_cannot_be_found_out_is_not_called_well") else { return };
    let account = Account::new(servers).await;
    account.let_in().await;
    account.decide(&[("s3:PutObject", "AccessDenied"), ("kms:Decrypt", "AccessDenied")]);
    let answer = account.checks().await;
    assert!(!answer.healthy);
    for id in ["upload", "encryption"] {
        let (status, _, fix) = of(&answer, id);
        assert_eq!((status, fix.contains("iam:SimulatePrincipalPolicy")), (CheckStatus::Unknown, true), "{id}");
    }
    let failure = account.ask("no-such-cluster").await.unwrap_err();
    assert_eq!(failure.code, Code::NotFound, "{failure}");
    let failure = account.ask("not a name").await.unwrap_err();
    assert_eq!(failure.code, Code::BadArgument);
}
