//! An account made of SeaweedFS, moto and the fake of SSM, and the functions that work in it.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use eks_logs_aws::S3Store;
use eks_logs_aws::testing::{FakeOptions, FakeSsm, Servers, sdk_config};
use eks_logs_core::{PutMode, StorePath, StoreWriter as _};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::emulator::{Event, Function};

pub(crate) struct Account {
    pub(crate) servers: Servers,
    pub(crate) bucket: S3Store,
    pub(crate) fake: FakeSsm,
}

/// The sample bundle of the repository.
pub(crate) fn sample() -> Bytes {
    let name = "eks_i-0a1b2c3d4e5f60718_2026-11-20_0312-UTC_0.7.9.tar.gz";
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)).unwrap().into()
}

/// An archive of these files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Bytes {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, name, *content).unwrap();
    }
    let mut gzip = tar.into_inner().unwrap();
    gzip.flush().unwrap();
    gzip.finish().unwrap().into()
}

impl Account {
    pub(crate) async fn new(servers: Servers) -> Self {
        let bucket = servers.bucket().await;
        let mut options = FakeOptions::before(&servers.moto);
        options.uploads = Some(sdk_config(&servers.s3, "us-east-1"));
        options.bundle = sample();
        options.step = Duration::from_millis(20);
        let fake = FakeSsm::start(options).await;
        Self { servers, bucket, fake }
    }

    pub(crate) fn name(&self) -> &str {
        &self.bucket.location().bucket
    }

    pub(crate) async fn function(&self, binary: &str, more: &[(&str, &str)]) -> Function {
        let (store, fake) = (format!("s3://{}", self.name()), self.fake.url());
        let mut variables = vec![
            ("EKS_LOGS_STORE", store.as_str()),
            ("AWS_ENDPOINT_URL", fake.as_str()),
            ("AWS_ENDPOINT_URL_S3", self.servers.s3.as_str()),
        ];
        variables.extend_from_slice(more);
        Function::start(binary, &variables).await
    }

    pub(crate) async fn ingest(&self) -> Function {
        self.function(env!("CARGO_BIN_EXE_eks-logs-lambda-ingest"), &[]).await
    }

    pub(crate) async fn tools(&self) -> Function {
        self.function(env!("CARGO_BIN_EXE_eks-logs-lambda-tools"), &[("EKS_LOGS_REGIONS", "us-east-1,eu-central-1")])
            .await
    }

    pub(crate) async fn put(&self, key: &str, content: Bytes) {
        self.bucket.put(&StorePath::parse(key).unwrap(), content, PutMode::Overwrite).await.unwrap();
    }

    /// A record of an S3 notification, with the key encoded as S3 does it.
    pub(crate) fn record(&self, key: &str) -> Value {
        let mut encoded = String::new();
        for byte in key.bytes() {
            match byte {
                b' ' => encoded.push('+'),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' => encoded.push(byte as char),
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
        json!({ "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-11-20T03:12:00.000Z",
                "eventName": "ObjectCreated:Put", "userIdentity": { "principalId": "P" },
                "requestParameters": { "sourceIPAddress": "10.0.0.1" }, "responseElements": {},
                "s3": { "s3SchemaVersion": "1.0", "configurationId": "c",
                        "bucket": { "name": self.name(), "ownerIdentity": { "principalId": "P" }, "arn": "arn:aws:s3:::b" },
                        "object": { "key": encoded, "size": 5, "eTag": "e", "sequencer": "0055" } } })
    }

    pub(crate) fn notification(&self, keys: &[&str]) -> Value {
        json!({ "Records": keys.iter().map(|key| self.record(key)).collect::<Vec<_>>() })
    }

    pub(crate) fn eventbridge(&self, key: &str) -> Value {
        json!({ "version": "0", "id": "i", "detail-type": "Object Created", "source": "aws.s3", "account": "1",
                "time": "2026-11-20T03:12:00Z", "region": "us-east-1", "resources": [],
                "detail": { "version": "0", "bucket": { "name": self.name() }, "object": { "key": key, "size": 5 } } })
    }

    /// Whether the findings index of a collection is there.
    pub(crate) async fn is_indexed(&self, collection: &str) -> bool {
        use eks_logs_core::Store as _;
        let path = StorePath::parse(&format!("{collection}/extracted/findings_index.json")).unwrap();
        self.bucket.head(&path).await.is_ok()
    }

    /// A request that nobody signs: moto and the fake do not mind.
    pub(crate) async fn send(&self, line: &str, content: &str, body: &str) -> String {
        let host = self.fake.url().trim_start_matches("http://").to_owned();
        let mut connection = tokio::net::TcpStream::connect(&host).await.unwrap();
        let service = if content.contains("json") { "eks" } else { "ec2" };
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content}\r\nContent-Length: {}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// A machine with tags; its id.
    pub(crate) async fn machine(&self, tags: &[(&str, &str)]) -> String {
        let mut body = "Action=RunInstances&Version=2016-11-15&ImageId=ami-1e749f67&MinCount=1&MaxCount=1\
                        &TagSpecification.1.ResourceType=instance"
            .to_owned();
        for (number, (key, value)) in tags.iter().chain(&[("Name", "test")]).enumerate() {
            let number = number + 1;
            body.push_str(&format!("&TagSpecification.1.Tag.{number}.Key={}", key.replace(':', "%3A")));
            body.push_str(&format!("&TagSpecification.1.Tag.{number}.Value={value}"));
        }
        let answer = self.send("POST /", "application/x-www-form-urlencoded", &body).await;
        let (_, rest) = answer.split_once("<instanceId>").unwrap_or_else(|| panic!("a machine: {answer}"));
        rest.split_once('<').unwrap().0.to_owned()
    }

    pub(crate) async fn cluster(&self) -> String {
        let name = Servers::fresh_name("cluster");
        let body = json!({ "name": name, "roleArn": "arn:aws:iam::123456789012:role/eks",
                           "resourcesVpcConfig": { "subnetIds": ["subnet-1"] } });
        let answer = self.send("POST /clusters", "application/json", &body.to_string()).await;
        assert!(answer.contains("200"), "{answer}");
        name
    }
}

/// A queue before a function, as SQS is: what a batch does not report as failed is gone, the rest comes again, and after three times it is put
/// aside.
pub(crate) struct Queue {
    waiting: Vec<(String, String, u32)>,
    pub(crate) dead: Vec<String>,
}

impl Queue {
    pub(crate) fn of(bodies: &[Value]) -> Self {
        let waiting = bodies.iter().enumerate().map(|(number, body)| (format!("m{number}"), body.to_string(), 0));
        Self { waiting: waiting.collect(), dead: Vec::new() }
    }

    /// Feeds the function until the queue is empty, `batch` messages at a time.
    pub(crate) async fn drain(&mut self, function: &Function, batch: usize) {
        while !self.waiting.is_empty() {
            let count = batch.min(self.waiting.len());
            let taken: Vec<_> = self.waiting.drain(..count).collect();
            let records = taken.iter().map(|(id, body, _)| {
                json!({ "messageId": id, "receiptHandle": "r", "body": body, "attributes": {}, "messageAttributes": {},
                        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:1:q", "awsRegion": "us-east-1" })
            });
            let ended = function.invoke(Event::new(&json!({ "Records": records.collect::<Vec<_>>() }))).await;
            assert!(ended.answered, "{:?}", ended.body);
            let failed: Vec<&str> = ended.body["batchItemFailures"]
                .as_array()
                .expect("a report")
                .iter()
                .map(|failure| failure["itemIdentifier"].as_str().unwrap())
                .collect();
            for (id, body, received) in taken {
                match (failed.contains(&id.as_str()), received + 1) {
                    (false, _) => {}
                    (true, 3..) => self.dead.push(body),
                    (true, received) => self.waiting.push((id, body, received)),
                }
            }
        }
    }
}
