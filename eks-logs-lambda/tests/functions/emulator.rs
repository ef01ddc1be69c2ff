//! As much of Lambda as its Runtime API shows to a function: one event at a time, headers as Lambda sends them, an answer or an error back,
//! and what the function writes to stdout.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as Turns, mpsc};

/// Lambda refuses answers that are larger.
pub(crate) const LARGEST: usize = 6_291_556;

/// What Lambda would invoke a function with.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) body: Vec<u8>,
    pub(crate) client: Option<Vec<u8>>,
    pub(crate) time: Duration,
    pub(crate) deadline: bool,
}

impl Event {
    pub(crate) fn new(body: &Value) -> Self {
        Self { body: body.to_string().into_bytes(), client: None, time: Duration::from_secs(300), deadline: true }
    }

    /// A call as AgentCore Gateway makes it.
    pub(crate) fn of_gateway(tool: &str, arguments: &Value) -> Self {
        let custom = serde_json::json!({
            "bedrockAgentCoreToolName": format!("NodeLog___{tool}"), "bedrockAgentCoreMessageVersion": "1.0",
            "bedrockAgentCoreMcpMessageId": 7, "bedrockAgentCoreGatewayId": "gateway-1", "bedrockAgentCoreTargetId": "T1",
        });
        let client = serde_json::json!({ "client": null, "custom": custom, "env": null });
        Self { client: Some(client.to_string().into_bytes()), ..Self::new(arguments) }
    }
}

/// How an invocation ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// False for an error of the invocation.
    pub(crate) answered: bool,
    pub(crate) body: Value,
    pub(crate) bytes: usize,
    pub(crate) headers: HashMap<String, String>,
}

impl Ended {
    /// Status and body of a tool's answer.
    pub(crate) fn told(&self) -> (u64, Value) {
        assert!(self.answered, "{:?}", self.body);
        let status = self.body["statusCode"].as_u64().expect("a status");
        (status, serde_json::from_str(self.body["body"].as_str().expect("a body")).expect("JSON in the body"))
    }
}

/// A function that runs.
pub(crate) struct Function {
    process: Mutex<Child>,
    events: mpsc::UnboundedSender<(String, Event)>,
    ended: Turns<mpsc::UnboundedReceiver<(String, Ended)>>,
    logs: Arc<Mutex<Vec<String>>>,
    number: Mutex<u32>,
}

struct Api {
    events: Turns<mpsc::UnboundedReceiver<(String, Event)>>,
    ended: mpsc::UnboundedSender<(String, Ended)>,
}

impl Function {
    /// Starts a binary with nothing in its environment but what Lambda and `variables` put there.
    pub(crate) async fn start(binary: &str, variables: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, coming) = mpsc::unbounded_channel();
        let (gone, ended) = mpsc::unbounded_channel();
        let api = Arc::new(Api { events: Turns::new(coming), ended: gone });
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let api = Arc::clone(&api);
                tokio::spawn(async move { api.serve(connection).await });
            }
        });
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "under-test")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "testsecret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("EKS_LOGS_STORE", "s3://nobody-asks-for-it")
            .envs(variables.iter().copied());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the binary starts");
        let logs = Arc::new(Mutex::new(Vec::new()));
        let (lines, kept) = (BufReader::new(process.stdout.take().unwrap()).lines(), Arc::clone(&logs));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Self { process: Mutex::new(process), events, ended: Turns::new(ended), logs, number: Mutex::new(0) }
    }

    pub(crate) async fn invoke(&self, event: Event) -> Ended {
        let id = {
            let mut number = self.number.lock().unwrap();
            *number += 1;
            format!("00000000-0000-4000-8000-{:012}", *number)
        };
        let mut ended = self.ended.lock().await;
        self.events.send((id.clone(), event)).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(300), ended.recv()).await;
        let (of, answer) = answer.expect("the function answers").expect("the emulator runs");
        assert_eq!(of, id, "answers belong to the event at hand");
        answer
    }

    /// Calls a tool as the gateway does: status and answer.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value) -> (u64, Value) {
        self.invoke(Event::of_gateway(tool, arguments)).await.told()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.process.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// The lines that it has written, once one of them is `wanted`.
    pub(crate) async fn logs(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        for _ in 0..500 {
            let lines: Vec<Value> = self
                .logs
                .lock()
                .unwrap()
                .iter()
                .map(|line| serde_json::from_str(line).expect("each line is JSON"))
                .collect();
            if lines.iter().any(&wanted) {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no such line: {:#?}", self.logs.lock().unwrap());
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }
}

impl Api {
    async fn serve(&self, mut connection: TcpStream) {
        let mut read = Vec::new();
        while let Some((line, headers, body)) = request(&mut connection, &mut read).await {
            let answer = self.answer(&line, headers, body).await;
            if connection.write_all(&answer).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, line: &str, headers: HashMap<String, String>, body: Vec<u8>) -> Vec<u8> {
        if line.starts_with("GET /2018-06-01/runtime/invocation/next ") {
            let Some((id, event)) = self.events.lock().await.recv().await else { return Vec::new() };
            return next(&id, &event);
        }
        let path = line.strip_prefix("POST /2018-06-01/runtime/invocation/").expect("a path of the Runtime API");
        let (id, kind) = path.split(' ').next().unwrap().split_once('/').unwrap();
        let answered = match kind {
            "response" => true,
            "error" => false,
            other => panic!("no such end: {other}"),
        };
        if body.len() > LARGEST {
            return b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n".to_vec();
        }
        let ended = Ended { answered, bytes: body.len(), body: serde_json::from_slice(&body).unwrap(), headers };
        self.ended.send((id.to_owned(), ended)).unwrap();
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_vec()
    }
}

fn next(id: &str, event: &Event) -> Vec<u8> {
    let until = Timestamp::now().as_duration() + SignedDuration::try_from(event.time).unwrap();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {id}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:under-test\r\n\
         Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\
         Lambda-Runtime-Invocation-Id: invocation-{id}\r\nContent-Length: {}\r\n",
        event.body.len()
    )
    .into_bytes();
    if event.deadline {
        answer.extend_from_slice(format!("Lambda-Runtime-Deadline-Ms: {}\r\n", until.as_millis()).as_bytes());
    }
    if let Some(client) = &event.client {
        answer.extend_from_slice(b"Lambda-Runtime-Client-Context: ");
        answer.extend_from_slice(client);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&event.body);
    answer
}

/// One request of a connection: its line, headers by lower-case name, body.
async fn request(connection: &mut TcpStream, read: &mut Vec<u8>) -> Option<(String, HashMap<String, String>, Vec<u8>)> {
    let end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(connection, read).await?;
    };
    let head = String::from_utf8(read.drain(..end).collect()).expect("headers are text");
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        loop {
            while !read.windows(2).any(|two| two == b"\r\n") {
                more(connection, read).await?;
            }
            let at = read.windows(2).position(|two| two == b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&read[..at]).ok()?.trim(), 16).ok()?;
            while read.len() < at + 2 + size + 2 {
                more(connection, read).await?;
            }
            body.extend_from_slice(&read[at + 2..at + 2 + size]);
            read.drain(..at + 2 + size + 2);
            if size == 0 {
                break;
            }
        }
    } else {
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        while read.len() < length {
            more(connection, read).await?;
        }
        body = read.drain(..length).collect();
    }
    Some((line, headers, body))
}

async fn more(connection: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let mut buffer = vec![0; 64 << 10];
    let count = connection.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
    read.extend_from_slice(&buffer[..count]);
    Some(())
}
