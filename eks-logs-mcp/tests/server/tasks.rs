//! Calls that become tasks, for clients that follow them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use crate::support::{Client, ENDLESS, NODE, Running, arguments, modern, stdio, store};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, GetTaskParams, GetTaskResult, TaskPayload, TaskStatus,
};
use rmcp::service::ClientLifecycleMode;
use serde_json::json;

fn follows() -> Client {
    Client { follows_tasks: true, ..Client::default() }
}

async fn begin(client: &Running, node: &str) -> CallToolResponse {
    let request = CallToolRequestParams::new("triage").with_arguments(arguments(json!({ "instanceId": node })));
    client.call_tool_once(request).await.unwrap()
}

async fn get(client: &Running, id: &str) -> GetTaskResult {
    client.get_task(GetTaskParams::new(id)).await.unwrap()
}

async fn result(client: &Running, id: &str) -> serde_json::Value {
    loop {
        match get(client, id).await.task.payload {
            TaskPayload::Working => tokio::time::sleep(Duration::from_millis(20)).await,
            TaskPayload::Completed { result } => return result["structuredContent"].clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_call_is_followed_and_survives_a_restart() {
    let store = store();
    let client = stdio(store.path(), &["--task-after", "0"], follows(), modern()).await;
    let CallToolResponse::Task(task) = begin(&client, NODE).await else { panic!("no task") };
    let id = task.task.task_id;
    let told = result(&client, &id).await;
    assert_eq!(told["bundle"]["instanceId"], NODE);
    client.cancel().await.unwrap();
    let restarted = stdio(store.path(), &["--task-after", "0"], follows(), modern()).await;
    let mut again = result(&restarted, &id).await;
    again["bundleAgeSeconds"] = told["bundleAgeSeconds"].clone();
    assert_eq!(again, told, "the same bundle gives the same answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_cancelled() {
    let store = store();
    crate::support::endless(store.path());
    let args = ["--task-after", "0", "--scans", "1", "--call-seconds", "60"];
    let client = stdio(store.path(), &args, follows(), modern()).await;
    let CallToolResponse::Task(task) = begin(&client, ENDLESS).await else { panic!("no task") };
    let id = task.task.task_id;
    assert_eq!(get(&client, &id).await.task.status(), TaskStatus::Working);
    client.cancel_task(CancelTaskParams::new(&id)).await.unwrap();
    assert_eq!(get(&client, &id).await.task.status(), TaskStatus::Cancelled);
    let CallToolResponse::Task(next) = begin(&client, NODE).await else { panic!("no task") };
    assert_eq!(result(&client, &next.task.task_id).await["success"], true, "the scan's place is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_follow_gets_an_answer() {
    let store = store();
    let args = ["--task-after", "0"];
    for (client, lifecycle) in [(Client::default(), modern()), (follows(), ClientLifecycleMode::Initialize)] {
        let client = stdio(store.path(), &args, client, lifecycle).await;
        assert!(matches!(begin(&client, NODE).await, CallToolResponse::Complete(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_task_is_unknown() {
    let store = store();
    let client = stdio(store.path(), &[], follows(), modern()).await;
    for id in ["", "x", "00000000000000000000000000000000.e30"] {
        assert!(client.get_task(GetTaskParams::new(id)).await.is_err(), "{id}");
        assert!(client.cancel_task(CancelTaskParams::new(id)).await.is_err(), "{id}");
    }
}
