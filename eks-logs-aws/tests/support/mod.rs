//! An account made of SeaweedFS, moto and the fake of SSM.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use eks_logs_aws::testing::{FakeOptions, FakeSsm, Proxy, Servers, sdk_config};
use eks_logs_aws::{Patience, S3Store, SsmCollector};
use eks_logs_core::{Clock, Store, StoreWriter, Timer};
use eks_logs_tools::{Bundles, Call, Context, Failure, tool};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub const NODE: &str = "i-0a1b2c3d4e5f60718";

/// Time that passes when somebody waits for it.
#[derive(Clone, Debug)]
pub struct Hands(Arc<Mutex<Timestamp>>);

impl Hands {
    pub fn now() -> Self {
        Self(Arc::new(Mutex::new(Timestamp::now())))
    }

    pub fn forward(&self, by: Duration) {
        let mut at = self.0.lock().unwrap();
        *at = at.checked_add(SignedDuration::try_from(by).unwrap()).unwrap();
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[async_trait]
impl Timer for Hands {
    async fn sleep(&self, duration: Duration) {
        self.forward(duration);
        // Pauses are short: whoever is waited for gets a turn. A limit for work that really takes place is one.
        let real = if duration < Duration::from_secs(20) { Duration::from_millis(20) } else { duration };
        tokio::time::sleep(real).await;
    }
}

pub fn patience() -> Patience {
    Patience::default().with_attempts(3).with_first_pause(Duration::from_millis(20))
}

/// The sample bundle of the repository.
pub fn sample() -> Vec<u8> {
    let name = "eks_i-0a1b2c3d4e5f60718_2026-11-20_0312-UTC_0.7.9.tar.gz";
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)).unwrap()
}

/// Fetches a URL as anybody would: without credentials.
pub async fn fetch(url: &str) -> (u16, Bytes) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (host, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut connection = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&answer[..head]).split(' ').nth(1).unwrap().parse().unwrap();
    (status, Bytes::from(answer.split_off(head + 4)))
}

pub struct Account {
    /// The bucket, directly.
    pub bucket: S3Store,
    /// The bucket as the tools see it.
    pub store: S3Store,
    pub s3: Proxy,
    pub ssm: Proxy,
    pub fake: FakeSsm,
    pub hands: Hands,
    pub context: Context,
}

impl Account {
    /// The default region is us-east-1.
    pub async fn new(servers: &Servers) -> Self {
        Self::with(servers, |_| {}).await
    }

    pub async fn with(servers: &Servers, change: impl FnOnce(&mut FakeOptions)) -> Self {
        let bucket = servers.bucket().await;
        let mut options = FakeOptions::before(&servers.moto);
        options.uploads = Some(sdk_config(&servers.s3, "us-east-1"));
        options.bundle = sample().into();
        options.step = Duration::from_millis(20);
        change(&mut options);
        let fake = FakeSsm::start(options).await;
        let (s3, ssm) = (Proxy::before(&servers.s3).await, Proxy::before(&fake.url()).await);
        let store = S3Store::new(&sdk_config(&s3.url(), "us-east-1"), bucket.location().clone(), patience());
        let shared = sdk_config(&ssm.url(), "us-east-1");
        let hands = Hands::now();
        let mut context = Context::new(Bundles::Store(Arc::new(store.clone()) as Arc<dyn Store>));
        context.collector = Some(Arc::new(SsmCollector::new(&shared, store.clone(), patience())));
        context.records = Some(Arc::new(store.clone()) as Arc<dyn StoreWriter>);
        context.clock = Some(Arc::new(hands.clone()));
        context.timer = Some(Arc::new(hands.clone()));
        context.threads = 1;
        Self { bucket, store, s3, ssm, fake, hands, context }
    }

    /// Also knows clusters, nodes and regions.
    #[cfg(feature = "inventory")]
    pub fn knowing_the_fleet(mut self) -> Self {
        let shared = sdk_config(&self.ssm.url(), "us-east-1");
        self.context.inventory = Some(Arc::new(eks_logs_aws::Ec2EksInventory::new(&shared, patience())));
        self
    }

    pub async fn call(&self, name: &str, arguments: Value) -> Result<Value, Failure> {
        tool(name).unwrap().call(&self.context, arguments, Call::default()).await
    }

    /// Asks for the status until the document has ended.
    pub async fn ended(&self, execution: &str) -> Value {
        for _ in 0..500 {
            let status = self.call("status", serde_json::json!({ "executionId": execution })).await.unwrap();
            if !matches!(status["stage"].as_str(), Some("collecting"))
                && status["automation"]["ssmStatus"] != "InProgress"
            {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{execution} does not end");
    }
}
