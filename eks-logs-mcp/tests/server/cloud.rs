//! An account made of SeaweedFS, moto and the fake of SSM, and servers that work on it.
#![cfg(feature = "aws")]
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use eks_logs_aws::S3Store;
use eks_logs_aws::testing::{FakeOptions, FakeSsm, Servers, sdk_config, servers};
use eks_logs_core::{Error, Store as _, StorePath, StoreWriter};
use eks_logs_tools::{Bundles, Call, Context, ingest_archive};
use jiff::Timestamp;
use rmcp::service::{ClientLifecycleMode, ClientServiceExt};
use rmcp::transport::TokioChildProcess;
use serde_json::json;
use tokio::process::Command;

use crate::support::{Client, Running, command, modern, sample};

pub struct Cloud {
    pub servers: Servers,
    pub fake: FakeSsm,
    /// The bucket, directly.
    pub bucket: S3Store,
}

/// A client that follows tasks.
pub fn follows() -> Client {
    Client { follows_tasks: true, ..Client::default() }
}

impl Cloud {
    /// `None`, with a line that says so, where the servers do not run.
    pub async fn new(test: &str, change: impl FnOnce(&mut FakeOptions)) -> Option<Self> {
        let servers = servers(test)?;
        let mut options = FakeOptions::before(&servers.moto);
        options.uploads = Some(sdk_config(&servers.s3, "us-east-1"));
        options.bundle = std::fs::read(sample()).unwrap().into();
        options.step = Duration::from_millis(20);
        change(&mut options);
        Some(Self { fake: FakeSsm::start(options).await, bucket: servers.bucket().await, servers })
    }

    async fn send(&self, region: &str, service: &str, path: &str, kind: &str, body: String) -> String {
        let scope = format!("Credential=test/20261120/{region}/{service}/aws4_request");
        let answer = reqwest::Client::new()
            .post(format!("{}{path}", self.servers.moto))
            .header("content-type", kind)
            .header("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"))
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.text().await.unwrap()
    }

    /// A cluster without nodes.
    pub async fn cluster(&self, region: &str) -> String {
        let name = Servers::fresh_name("mcp");
        let role = "arn:aws:iam::123456789012:role/eks";
        let body = json!({ "name": name, "roleArn": role, "resourcesVpcConfig": { "subnetIds": ["subnet-1"] } });
        self.send(region, "eks", "/clusters", "application/json", body.to_string()).await;
        name
    }

    /// Nodes of a cluster.
    pub async fn machines(&self, region: &str, cluster: &str, count: usize) -> Vec<String> {
        let body = format!(
            "Action=RunInstances&Version=2016-11-15&ImageId=ami-1e749f67&MinCount={count}&MaxCount={count}\
             &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=eks:cluster-name\
             &TagSpecification.1.Tag.1.Value={cluster}"
        );
        let answer = self.send(region, "ec2", "/", "application/x-www-form-urlencoded", body).await;
        let ids = answer.split("<instanceId>").skip(1).map(|rest| rest.split_once('<').unwrap().0.to_owned());
        let ids: Vec<String> = ids.collect();
        assert_eq!(ids.len(), count, "{answer}");
        ids
    }

    /// Waits for an upload and does what the account's ingestion function does with it.
    pub async fn ingested(&self, node: &str, execution: &str) {
        let archive = StorePath::parse(&format!("eks_{node}_{execution}.tar.gz")).unwrap();
        loop {
            match self.bucket.head(&archive).await {
                Ok(_) => break,
                Err(Error::NotFound { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(why) => panic!("{why}"),
            }
        }
        let writer: Arc<dyn StoreWriter> = Arc::new(self.bucket.clone());
        let context = Context::new(Bundles::Directory(".".into()));
        ingest_archive(writer, &archive, &context, Timestamp::now(), Call::default()).await.unwrap();
    }

    /// A client of a server over stdio that works on the bucket.
    pub async fn serve(&self, args: &[&str], client: Client, lifecycle: ClientLifecycleMode) -> Running {
        self.serve_with(args, client, lifecycle, |_| {}).await.0
    }

    /// The same on another bucket.
    pub async fn serve_store(&self, store: &str, args: &[&str]) -> Running {
        let transport = self.start(store, args, |_| {});
        Client::default().serve_with_lifecycle(transport, modern()).await.unwrap()
    }

    /// The same with another environment; with the id of the server's process.
    pub async fn serve_with(
        &self,
        args: &[&str],
        client: Client,
        lifecycle: ClientLifecycleMode,
        change: impl FnOnce(&mut Command),
    ) -> (Running, u32) {
        let transport = self.start(&self.bucket.locator(), args, change);
        let id = transport.id().unwrap();
        (client.serve_with_lifecycle(transport, lifecycle).await.unwrap(), id)
    }

    fn start(&self, store: &str, args: &[&str], change: impl FnOnce(&mut Command)) -> TokioChildProcess {
        let mut command = command(store.as_ref(), args);
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "testsecret")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", self.fake.url())
            .env("AWS_ENDPOINT_URL_S3", &self.servers.s3)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_PROFILE");
        change(&mut command);
        TokioChildProcess::builder(command).stderr(Stdio::null()).spawn().unwrap().0
    }
}

/// Ends a process as a crash does.
pub fn kill(id: u32) {
    assert!(std::process::Command::new("kill").args(["-9", &id.to_string()]).status().unwrap().success());
}
