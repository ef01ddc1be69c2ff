use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub use super::automation::FakeNode;
use super::automation::{Automation, Refused, Run, STEP, STEPS};
use super::http::{self, Request};
use super::machines::{Answer, FakeCluster, Machines};

/// How the fake behaves.
#[derive(Clone, Debug)]
pub struct FakeOptions {
    /// `127.0.0.1:port`; port 0 takes a free one.
    pub listen: String,
    /// Everything that is not SSM Automation goes there: a moto server.
    pub others: String,
    /// Where collections are uploaded; without it they end well and leave nothing.
    pub uploads: Option<SdkConfig>,
    /// The archive that every collection uploads.
    pub bundle: Bytes,
    /// How long a step takes.
    pub step: Duration,
    /// The documents that there are.
    pub documents: Vec<String>,
    /// The regions in which they are; empty for all.
    pub document_regions: Vec<String>,
}

impl FakeOptions {
    /// A fake before a moto server.
    pub fn before(others: &str) -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            others: others.to_owned(),
            uploads: None,
            bundle: Bytes::new(),
            step: STEP,
            documents: vec!["AWSSupport-CollectEKSInstanceLogs".to_owned()],
            document_regions: Vec::new(),
        }
    }
}

/// SSM Automation and DescribeInstanceInformation over JSON 1.1, a Kubernetes API server that lists nodes, and clusters of any size with
/// their machines ([`FakeSsm::cluster`]); everything else is passed on. It ends with the runtime.
#[derive(Clone, Debug)]
pub struct FakeSsm {
    address: SocketAddr,
    options: Arc<FakeOptions>,
    state: Arc<Mutex<Automation>>,
    /// What `GET /api/v1/nodes` answers.
    kubernetes: Arc<Mutex<Option<Value>>>,
    machines: Arc<Mutex<Machines>>,
    calls: Arc<Mutex<Vec<String>>>,
    hang: Arc<Mutex<Option<bool>>>,
    /// How often a start was asked for, by node; `GET /_fake/nodes/<id>` tells.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl FakeSsm {
    /// Starts it.
    pub async fn start(options: FakeOptions) -> Self {
        let listener = TcpListener::bind(&options.listen).await.expect("the port is free");
        let address = listener.local_addr().expect("an address");
        let state = Automation {
            documents: options.documents.clone(),
            document_regions: options.document_regions.clone(),
            ..Automation::default()
        };
        let fake = Self {
            address,
            options: Arc::new(options),
            state: Arc::new(Mutex::new(state)),
            kubernetes: Arc::default(),
            machines: Arc::default(),
            calls: Arc::default(),
            hang: Arc::default(),
            asked: Arc::default(),
        };
        let served = fake.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let fake = served.clone();
                tokio::spawn(async move { fake.serve(connection).await.ok() });
            }
        });
        fake
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What SSM knows of a node.
    pub fn node(&self, id: &str, node: FakeNode) {
        self.state.lock().unwrap().nodes.insert(id.to_owned(), node);
    }

    /// What Kubernetes knows of its nodes: the items of a NodeList.
    pub fn kubernetes(&self, items: Value) {
        *self.kubernetes.lock().unwrap() =
            Some(json!({ "kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": items }));
    }

    /// Adds a cluster with its nodegroups and their machines, whose ids are answered in order. From now on the fake answers for EC2's
    /// machines in that region, in pages as EC2 gives them, and nobody has to emulate thousands.
    pub fn cluster(&self, cluster: FakeCluster) -> Vec<String> {
        self.machines.lock().unwrap().add(cluster)
    }

    /// Starts do not answer from now on: before they take effect, or, with `after`, once they have.
    pub fn hang_starts(&self, after: Option<bool>) {
        *self.hang.lock().unwrap() = after;
    }

    /// How many calls of an operation came.
    pub fn count(&self, operation: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| *call == operation).count()
    }

    /// All calls so far, and forgets them.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// The executions that were started: id, node, region.
    pub fn executions(&self) -> Vec<(String, String, String)> {
        let of = |run: &Run| (run.id.clone(), run.node.clone(), run.region.clone());
        self.state.lock().unwrap().runs.iter().map(of).collect()
    }

    async fn serve(&self, mut connection: TcpStream) -> std::io::Result<()> {
        let Some(request) = http::request(&mut connection).await? else { return Ok(()) };
        let head = String::from_utf8_lossy(&request.head).into_owned();
        let line = head.lines().next().unwrap_or_default().to_owned();
        if line.starts_with("PUT /_fake/nodes/") {
            return self.control(connection, &line, &request.body).await;
        }
        if let Some(node) = line.strip_prefix("GET /_fake/nodes/") {
            let node = node.split(' ').next().unwrap_or_default();
            let asked = self.asked.lock().unwrap().get(node).copied().unwrap_or_default();
            return answer(connection, 200, &json!({ "asked": asked })).await;
        }
        if let Some(bucket) = line.strip_prefix("PUT /_fake/buckets/") {
            return self.bucket(connection, bucket.split(' ').next().unwrap_or_default()).await;
        }
        if line.starts_with("GET /api/v1/nodes") {
            let nodes = self.kubernetes.lock().unwrap().clone();
            return match nodes {
                Some(nodes) => answer(connection, 200, &nodes).await,
                None => answer(connection, 403, &json!({ "kind": "Status", "reason": "Forbidden" })).await,
            };
        }
        let target = http::header(&request.head, "x-amz-target").unwrap_or_default();
        let operation = target.strip_prefix("AmazonSSM.").unwrap_or_default().to_owned();
        let region = region(&request);
        self.calls.lock().unwrap().push(call_name(&request, &operation));
        let own = self.machines.lock().unwrap().answer(&line, &request.body, &region, &self.url());
        match own {
            Some(Answer::Json(value)) => return answer(connection, 200, &value).await,
            Some(Answer::Xml(status, text)) => return send(connection, status, "text/xml;charset=UTF-8", &text).await,
            None => {}
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if operation == "StartAutomationExecution" {
            return self.start_run(connection, &body, &region).await;
        }
        let known = self.state.lock().unwrap().call(&operation, &body, &region);
        match known {
            Some(Ok(value)) => answer(connection, 200, &value).await,
            Some(Err(refused)) => refuse(connection, refused).await,
            None => self.pass_on(connection, &request, line.starts_with("GET /clusters/")).await,
        }
    }

    async fn start_run(&self, connection: TcpStream, body: &Value, region: &str) -> std::io::Result<()> {
        let node = body["Parameters"]["EKSInstanceId"][0].as_str().unwrap_or_default();
        *self.asked.lock().unwrap().entry(node.to_owned()).or_default() += 1;
        let of_node = self.state.lock().unwrap().nodes.get(node).and_then(|node| node.hangs);
        let hang = of_node.or(*self.hang.lock().unwrap());
        if hang == Some(false) {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        let started = self.state.lock().unwrap().start(body, region, Timestamp::now());
        match started {
            Ok((run, fresh)) => {
                let id = run.id.clone();
                if fresh {
                    let fake = self.clone();
                    tokio::spawn(async move { fake.walk_through(run).await });
                }
                if hang == Some(true) {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                }
                answer(connection, 200, &json!({ "AutomationExecutionId": id })).await
            }
            Err(refused) => refuse(connection, refused).await,
        }
    }

    /// `PUT /_fake/nodes/<id>` with `{"ping", "lastPing", "platform", "clusterArn", "hangs", "fails": {"step", "message"}}`.
    async fn control(&self, connection: TcpStream, line: &str, body: &[u8]) -> std::io::Result<()> {
        let id = line.trim_start_matches("PUT /_fake/nodes/").split(' ').next().unwrap_or_default();
        let given: Value = serde_json::from_slice(body).unwrap_or_default();
        let default = FakeNode::default();
        let word = |name: &str, default: String| given[name].as_str().map_or(default, str::to_owned);
        let node = FakeNode {
            ping: word("ping", default.ping),
            last_ping: given["lastPing"].as_i64().unwrap_or(default.last_ping),
            platform: word("platform", default.platform),
            cluster_arn: given["clusterArn"].as_str().map(str::to_owned),
            fails: given["fails"]["step"]
                .as_str()
                .map(|step| (step.to_owned(), given["fails"]["message"].as_str().unwrap_or("Step failed.").to_owned())),
            hangs: given["hangs"].as_bool(),
        };
        self.node(id, node);
        answer(connection, 200, &json!({})).await
    }

    /// `PUT /_fake/buckets/<name>` makes a bucket, for those who sign nothing.
    async fn bucket(&self, connection: TcpStream, name: &str) -> std::io::Result<()> {
        let Some(config) = &self.options.uploads else { return answer(connection, 404, &json!({})).await };
        let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
        match aws_sdk_s3::Client::from_conf(config).create_bucket().bucket(name).send().await {
            Ok(_) => answer(connection, 200, &json!({})).await,
            Err(why) => answer(connection, 500, &json!({ "message": crate::error::chain(&why) })).await,
        }
    }

    /// Goes through the steps of a run and uploads at the last one.
    async fn walk_through(&self, run: Run) {
        let node = self.state.lock().unwrap().nodes.get(&run.node).cloned().unwrap_or_default();
        for (number, (name, _)) in STEPS.iter().enumerate() {
            tokio::time::sleep(self.options.step).await;
            let upload = if *name == "uploadLogs" { self.upload(&run).await } else { Ok(()) };
            let mut state = self.state.lock().unwrap();
            let Some(now) = state.run(&run.id).filter(|now| now.ended.is_none()) else { return };
            let scripted = node.fails.as_ref().filter(|(step, _)| step == name).map(|(_, message)| message.clone());
            if let Some(message) = scripted.or(upload.err()) {
                (now.step, now.state, now.ended) = (number, "Failed", Some(Timestamp::now()));
                now.message = Some(format!("Step fails when it is Poll Action Status for {name}. {message}"));
                return;
            }
            now.step = number + 1;
        }
        if let Some(run) = self.state.lock().unwrap().run(&run.id) {
            (run.state, run.ended) = ("Success", Some(Timestamp::now()));
        }
    }

    async fn upload(&self, run: &Run) -> Result<(), String> {
        let Some(config) = &self.options.uploads else { return Ok(()) };
        let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
        let put = aws_sdk_s3::Client::from_conf(config)
            .put_object()
            .bucket(&run.bucket)
            .key(format!("eks_{}_{}.tar.gz", run.node, run.id))
            .body(self.options.bundle.clone().into());
        put.send().await.map(|_| ()).map_err(|why| crate::error::chain(&why))
    }

    /// Sends a request on; `clusters` says that the answer names the API server of a cluster, which is here.
    async fn pass_on(&self, mut connection: TcpStream, request: &Request, clusters: bool) -> std::io::Result<()> {
        let upstream = self.options.others.trim_start_matches("http://").trim_end_matches('/');
        let mut server = TcpStream::connect(upstream).await?;
        server.write_all(&http::closing(&request.head)).await?;
        server.write_all(&request.body).await?;
        let mut whole = Vec::new();
        server.read_to_end(&mut whole).await?;
        let body = whole.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if clusters
            && let Some(at) = body
            && let Ok(mut value) = serde_json::from_slice::<Value>(&whole[at..])
            && value["cluster"]["endpoint"].is_string()
        {
            value["cluster"]["endpoint"] = json!(self.url());
            return answer(connection, 200, &value).await;
        }
        connection.write_all(&whole).await
    }
}

/// The region in the scope of the signature.
fn region(request: &Request) -> String {
    let authorization = http::header(&request.head, "authorization").unwrap_or_default();
    let scope = authorization.split("Credential=").nth(1).unwrap_or_default();
    scope.split('/').nth(2).unwrap_or("us-east-1").to_owned()
}

/// The operation; of query and REST services as well.
fn call_name(request: &Request, operation: &str) -> String {
    if !operation.is_empty() {
        return operation.to_owned();
    }
    let body = String::from_utf8_lossy(&request.body).into_owned();
    if let Some(action) = body.split('&').find_map(|part| part.strip_prefix("Action=")) {
        return action.to_owned();
    }
    let head = String::from_utf8_lossy(&request.head).into_owned();
    let mut line = head.lines().next().unwrap_or_default().split(' ');
    format!(
        "{} {}",
        line.next().unwrap_or_default(),
        line.next().unwrap_or_default().split('?').next().unwrap_or_default()
    )
}

async fn answer(connection: TcpStream, status: u16, value: &Value) -> std::io::Result<()> {
    send(connection, status, "application/x-amz-json-1.1", &value.to_string()).await
}

async fn send(mut connection: TcpStream, status: u16, kind: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(body.as_bytes()).await
}

async fn refuse(connection: TcpStream, Refused(status, code, message): Refused) -> std::io::Result<()> {
    answer(connection, status, &json!({ "__type": code, "message": message })).await
}
