//! Streamable HTTP: the protocol over it, and the checks around it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Stdio;
use std::time::Duration;

use crate::support::{Client, NODE, arguments, call, command, modern, store, structured};
use rmcp::model::CallToolRequestParams;
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _};
use rmcp::transport::StreamableHttpClientTransport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// A server of its own process, which ends with the value.
struct Served {
    child: Child,
    base: String,
    _store: tempfile::TempDir,
}

async fn serve(args: &[&str]) -> Served {
    let store = store();
    let args = [&["--http", "127.0.0.1:0"], args].concat();
    let mut child =
        command(store.path(), &args).stderr(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut logs = BufReader::new(child.stderr.take().unwrap()).lines();
    let base = loop {
        let line = logs.next_line().await.unwrap().expect("it listens");
        if let Some((_, at)) = line.split_once("at=") {
            break format!("http://{}", at.split_ascii_whitespace().next().unwrap());
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = logs.next_line().await {} });
    Served { child, base, _store: store }
}

fn post(served: &Served, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    reqwest::Client::new()
        .post(format!("{}/mcp", served.base))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(body)
}

fn list() -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_ways_of_speaking() {
    for args in [&[][..], &["--stateless"]] {
        let served = serve(args).await;
        for lifecycle in [ClientLifecycleMode::Initialize, modern()] {
            let transport = StreamableHttpClientTransport::from_uri(format!("{}/mcp", served.base));
            let client = Client::default().serve_with_lifecycle(transport, lifecycle).await.unwrap();
            let tools = client.list_all_tools().await.unwrap();
            let answer = structured(&tools, "triage", &call(&client, "triage", json!({ "instanceId": NODE })).await);
            assert_eq!(answer["bundle"]["instanceId"], NODE);
            let _ = client.cancel().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_gets_the_codes_of_the_protocol() {
    let served = serve(&["--stateless", "--max-request-kib", "64"]).await;
    for (body, status, code) in [
        ("", 400, -32700),
        ("{", 400, -32700),
        ("\u{1b}[2J", 400, -32700),
        ("[]", 400, -32600),
        ("5", 400, -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":1}", 400, -32600),
        ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", 400, -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", 400, -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no/such\"}", 200, -32601),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":5}}", 200, -32602),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"none\"}}", 200, -32602),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"errors\",\"arguments\":[]}}",
            200,
            -32602,
        ),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resources/read\",\"params\":{\"uri\":[]}}", 200, -32602),
    ] {
        let answer = post(&served, body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
        let value: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(value["error"]["code"], code, "{body}: {value}");
    }
    let large = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"x\":\"{}\"}}}}",
        "x".repeat(100_000)
    );
    let refused = post(&served, large).send().await.unwrap();
    assert_eq!(refused.status(), 413);
    let value: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(value["error"]["code"], -32600);
    let typed = reqwest::Client::new()
        .post(format!("{}/mcp", served.base))
        .header("content-type", "text/plain")
        .header("accept", "application/json, text/event-stream");
    assert_eq!(typed.body(list()).send().await.unwrap().status(), 415);
    let alive = post(&served, list()).send().await.unwrap();
    assert_eq!(alive.status(), 200, "alive after all that");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_and_origins_are_refused() {
    let served =
        serve(&["--stateless", "--allow-origin", "https://app.example.com:443", "--allow-host", "logs.example.com"])
            .await;
    for (name, value, status) in [
        ("host", "evil.example.com", 403),
        ("host", "logs.example.com", 200),
        ("origin", "https://evil.example.com", 403),
        ("origin", "null", 403),
        ("origin", "https://app.example.com", 200),
    ] {
        let answer = post(&served, list()).header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), status, "{name}: {value}");
    }
    let local = serve(&["--stateless"]).await;
    for (origin, status) in
        [("http://localhost:3000", 200), ("http://127.0.0.1:6274", 200), ("https://app.example.com", 403)]
    {
        let answer = post(&local, list()).header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), status, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_request_ids() {
    let served = serve(&[]).await;
    let get = async |path: &str| reqwest::get(format!("{}{path}", served.base)).await.unwrap();
    assert_eq!(get("/healthz").await.status(), 200);
    let ready: Value = serde_json::from_str(&get("/readyz").await.text().await.unwrap()).unwrap();
    assert_eq!(ready, json!({ "status": "ok", "bundles": 2 }));
    assert_eq!(get("/other").await.status(), 404);
    let named = post(&served, list()).header("x-request-id", "from-the-client.1").send().await.unwrap();
    assert_eq!(named.headers()["x-request-id"], "from-the-client.1");
    let forged = post(&served, list()).header("x-request-id", "a b\"c").send().await.unwrap();
    assert_eq!(forged.headers()["x-request-id"].len(), 32, "a new one in the place of what could forge a log line");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_ends() {
    let mut served = serve(&["--grace-seconds", "1"]).await;
    let transport = StreamableHttpClientTransport::from_uri(format!("{}/mcp", served.base));
    let client = Client::default().serve_with_lifecycle(transport, ClientLifecycleMode::Initialize).await.unwrap();
    client.list_all_tools().await.unwrap();
    let id = served.child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(20), served.child.wait()).await.expect("it ends").unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_without_tokens_is_refused() {
    let store = store();
    let refused = command(store.path(), &["--http", "0.0.0.0:0"]).output().await.unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--oidc-issuer"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_are_answered_alike() {
    let served = serve(&[]).await;
    let calls = (0..50).map(|_| {
        let url = format!("{}/mcp", served.base);
        tokio::spawn(async move {
            let transport = StreamableHttpClientTransport::from_uri(url);
            let client = Client::default().serve_with_lifecycle(transport, modern()).await.unwrap();
            let given = arguments(json!({ "instanceId": NODE }));
            let mut answer = client
                .call_tool(CallToolRequestParams::new("errors").with_arguments(given))
                .await
                .unwrap()
                .structured_content
                .unwrap();
            answer["bundleAgeSeconds"] = Value::Null;
            answer
        })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    assert!(answers[0]["totalFindings"].as_u64() > Some(0));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}
