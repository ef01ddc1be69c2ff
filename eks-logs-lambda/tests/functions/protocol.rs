//! What any function must bear of the Runtime API. Nothing here needs a server.

use serde_json::{Value, json};

use crate::emulator::{Event, Function};

const TOOLS: &str = env!("CARGO_BIN_EXE_eks-logs-lambda-tools");
const INGEST: &str = env!("CARGO_BIN_EXE_eks-logs-lambda-ingest");

fn with_client(client: &[u8], event: &Value) -> Event {
    Event { client: Some(client.to_vec()), ..Event::new(event) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_context_of_any_form_is_an_answer_and_no_dead_process() {
    let function = Function::start(TOOLS, &[]).await;
    let malformed: [&[u8]; 14] = [
        b"{",
        b"null",
        b"",
        b"[]",
        b"5",
        b"\"text\"",
        b"{}",
        br#"{"custom":null}"#,
        br#"{"custom":{}}"#,
        br#"{"custom":{"bedrockAgentCoreToolName":null}}"#,
        br#"{"custom":{"bedrockAgentCoreToolName":""}}"#,
        br#"{"client":null,"custom":{"bedrockAgentCoreToolName":["errors"]}}"#,
        b"eyJjdXN0b20iOnt9fQ==",
        b"\xc3\x28\xff",
    ];
    for client in malformed {
        let (status, body) = function.invoke(with_client(client, &json!({ "instanceId": "i" }))).await.told();
        assert_eq!(
            (status, &body["success"], &body["code"]),
            (400, &json!(false), &json!("bad_argument")),
            "{client:?}"
        );
        assert!(body["error"].as_str().unwrap().contains("client context"), "{client:?}: {body}");
        assert!(
            body["details"]["suggestion"].as_str().unwrap().contains("bedrockAgentCoreToolName")
                || client.is_empty()
                || client == b"null"
        );
    }
    let (status, _) = function.invoke(Event::new(&json!({ "instanceId": "i-0123456789abcdef0" }))).await.told();
    assert_eq!(status, 400);
    // Null beside the tool's name harms nothing.
    let mixed =
        br#"{"client":null,"env":null,"custom":{"bedrockAgentCoreToolName":"NodeLog___rules","other":null,"n":5}}"#;
    let (status, body) =
        function.invoke(with_client(mixed, &json!({ "id": "network/conntrack-table-full" }))).await.told();
    assert_eq!((status, &body["rule"]["severity"]), (200, &json!("critical")));
    assert!(function.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_call_is_answered_with_its_status() {
    let function = Function::start(TOOLS, &[]).await;
    for (tool, arguments, status, words) in [
        ("traige", json!({}), 404, "there are triage"),
        ("errors", json!({ "instanceid": "i" }), 400, "instanceId"),
        ("errors", json!({ "instanceId": "i-1" }), 400, "correct"),
        ("errors", json!([1]), 400, "by name"),
        ("triage", json!({ "cursor": "nonsense" }), 400, "nextCursor"),
        ("collect", json!({ "instanceId": "i-0123456789abcdef0", "idempotencyToken": "a b" }), 400, ""),
    ] {
        let (got, body) = function.call(tool, &arguments).await;
        assert_eq!((got, &body["success"]), (status, &json!(false)), "{tool} {arguments}: {body}");
        assert!(body["details"]["suggestion"].as_str().unwrap().contains(words), "{tool}: {body}");
    }
    let nothing = Event { body: b"not json".to_vec(), ..Event::of_gateway("rules", &json!({})) };
    assert_eq!(function.invoke(nothing).await.told().0, 400);
    let (status, body) =
        function.invoke(Event::new(&json!({ "tool": "rules", "arguments": { "area": "network" } }))).await.told();
    assert_eq!((status, &body["success"]), (200, &json!(true)));
    assert!(function.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_that_lacks_its_headers_fails_alone() {
    for binary in [TOOLS, INGEST] {
        let function = Function::start(binary, &[]).await;
        let ended = function.invoke(Event { deadline: false, ..Event::new(&json!({})) }).await;
        assert!(!ended.answered);
        assert_eq!(ended.body["errorType"], "Runtime.BadInvocation");
        assert_eq!(ended.headers["lambda-runtime-function-error-type"], "Runtime.BadInvocation");
        let next = function.invoke(Event::new(&json!({ "Event": "s3:TestEvent" }))).await;
        assert!(next.answered, "{:?}", next.body);
        assert_eq!(next.headers["lambda-runtime-invocation-id"], "invocation-00000000-0000-4000-8000-000000000002");
        assert!(function.is_alive());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_tell_calls_and_nothing_of_their_content() {
    let function = Function::start(TOOLS, &[("EKS_LOGS_LOG", "debug")]).await;
    let secret = "a-word-that-nobody-may-log";
    let (status, _) = function.call("search", &json!({ "instanceId": secret, "query": secret })).await;
    assert_eq!(status, 400);
    let (status, _) = function.call(secret, &json!({})).await;
    assert_eq!(status, 404);
    function.call("rules", &json!({ "area": "network" })).await;
    let lines = function.logs(|line| line["Tool"] == "rules").await;
    let request = "00000000-0000-4000-8000-000000000003";
    let answered = lines.iter().find(|line| line["requestId"] == request && line["message"] == "answered").unwrap();
    assert_eq!(
        (&answered["tool"], &answered["status"], &answered["level"]),
        (&json!("rules"), &json!(200), &json!("INFO"))
    );
    let metrics = lines.iter().find(|line| line["requestId"] == request && line["_aws"].is_object()).unwrap();
    assert_eq!(
        (&metrics["Calls"], &metrics["Failed"], &metrics["FunctionName"]),
        (&json!(1.0), &json!(0.0), &json!("under-test"))
    );
    assert_eq!(metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"], "EksLogs");
    assert!(lines.iter().all(|line| !line.to_string().contains(secret)), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_set_up_says_so_and_ends() {
    for binary in [TOOLS, INGEST] {
        let output = std::process::Command::new(binary).env_clear().output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("EKS_LOGS_STORE is not set"), "{output:?}");
        let store = [("EKS_LOGS_STORE", "s3://logs-of-nodes"), ("AWS_REGION", "us-east-1")];
        let output = std::process::Command::new(binary).env_clear().envs(store).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("AWS_LAMBDA_RUNTIME_API"), "{output:?}");
    }
}
