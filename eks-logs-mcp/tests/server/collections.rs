//! Collections as tasks: their state is the collection's own, so that any server of the bucket can tell it, also one that was started later.
#![cfg(all(feature = "aws", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use crate::cloud::{Cloud, follows, kill};
use crate::support::{Running, arguments, call, modern, structured};
use eks_logs_aws::testing::FakeNode;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, GetTaskParams, TaskPayload, TaskStatus,
};
use serde_json::{Map, Value, json};

const REGION: &str = "eu-central-1";
const WHOLE: [&str; 1] = ["--whole-schemas"];

async fn begin(client: &Running, tool: &str, given: Value) -> String {
    let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments(given));
    match client.call_tool_once(request).await.unwrap() {
        CallToolResponse::Task(task) => {
            assert_eq!(task.task.status, TaskStatus::Working);
            task.task.task_id
        }
        other => panic!("no task: {other:?}"),
    }
}

async fn payload(client: &Running, id: &str) -> TaskPayload {
    client.get_task(GetTaskParams::new(id)).await.unwrap().task.payload
}

async fn ended(client: &Running, id: &str) -> Map<String, Value> {
    loop {
        match payload(client, id).await {
            TaskPayload::Working => tokio::time::sleep(Duration::from_millis(200)).await,
            TaskPayload::Completed { result } => return result,
            other => panic!("{other:?}"),
        }
    }
}

/// The result of a task, valid by the schema of the tool that it is of.
async fn valid(client: &Running, tool: &str, result: &Map<String, Value>) -> Value {
    let result: CallToolResult = serde_json::from_value(Value::Object(result.clone())).unwrap();
    structured(&client.list_all_tools().await.unwrap(), tool, &result)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_followed_across_a_crash() {
    let Some(cloud) = Cloud::new("a_collection_is_followed_across_a_crash", |_| {}).await else { return };
    let cluster = cloud.cluster(REGION).await;
    let node = cloud.machines(REGION, &cluster, 1).await.remove(0);
    let (client, process) = cloud.serve_with(&WHOLE, follows(), modern(), |_| {}).await;
    let id = begin(&client, "collect", json!({ "instanceId": node })).await;
    assert_eq!(payload(&client, &id).await, TaskPayload::Working);
    kill(process);
    let (_, execution) = (client.cancel().await, cloud.fake.executions().remove(0).0);

    let restarted = cloud.serve(&WHOLE, follows(), modern()).await;
    assert_eq!(payload(&restarted, &id).await, TaskPayload::Working, "uploaded or not: nobody can read it yet");
    cloud.ingested(&node, &execution).await;
    let answer = valid(&restarted, "collect", &ended(&restarted, &id).await).await;
    assert_eq!((&answer["executionId"], &answer["status"]), (&json!(execution), &json!("completed")));
    assert!(answer["nextStep"].as_str().unwrap().contains("triage"), "{answer}");
    let triage = call(&restarted, "triage", json!({ "instanceId": node })).await;
    assert_ne!(triage.is_error, Some(true));
    assert_eq!(cloud.fake.count("StartAutomationExecution"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_cancelled_on_its_node() {
    let slow = |options: &mut eks_logs_aws::testing::FakeOptions| options.step = Duration::from_secs(3600);
    let Some(cloud) = Cloud::new("a_collection_is_cancelled_on_its_node", slow).await else { return };
    let cluster = cloud.cluster(REGION).await;
    let nodes = cloud.machines(REGION, &cluster, 2).await;
    let (client, process) = cloud.serve_with(&WHOLE, follows(), modern(), |_| {}).await;
    let id = begin(&client, "collect", json!({ "instanceId": nodes[0] })).await;

    // Who joins a collection does not take it from who began it.
    let joined = begin(&client, "collect", json!({ "instanceId": nodes[0] })).await;
    client.cancel_task(CancelTaskParams::new(&joined)).await.unwrap();
    assert_eq!(payload(&client, &joined).await, TaskPayload::Working);
    assert_eq!(cloud.fake.count("StopAutomationExecution"), 0);

    client.cancel_task(CancelTaskParams::new(&id)).await.unwrap();
    assert_eq!(payload(&client, &id).await, TaskPayload::Cancelled);
    assert_eq!(cloud.fake.count("StopAutomationExecution"), 1);
    kill(process);
    let _ = client.cancel().await;
    let restarted = cloud.serve(&WHOLE, follows(), modern()).await;
    assert_eq!(payload(&restarted, &id).await, TaskPayload::Cancelled);
    assert_eq!(payload(&restarted, &joined).await, TaskPayload::Cancelled, "it is the same collection");
    // A second time there is nothing left to stop.
    restarted.cancel_task(CancelTaskParams::new(&id)).await.unwrap();
    assert_eq!(cloud.fake.count("StopAutomationExecution"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_fails_says_what_to_do() {
    let Some(cloud) = Cloud::new("a_collection_that_fails_says_what_to_do", |_| {}).await else { return };
    let cluster = cloud.cluster(REGION).await;
    let node = cloud.machines(REGION, &cluster, 1).await.remove(0);
    let said = "An error occurred (AccessDenied) when calling the PutObject operation".to_owned();
    cloud.fake.node(&node, FakeNode { fails: Some(("uploadLogs".to_owned(), said)), ..FakeNode::default() });
    let client = cloud.serve(&WHOLE, follows(), modern()).await;
    let id = begin(&client, "collect", json!({ "instanceId": node })).await;
    let result = ended(&client, &id).await;
    assert_eq!(result["isError"], true);
    let answer = valid(&client, "collect", &result).await;
    assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!("not_collectable")));
    assert!(answer.to_string().contains("allow s3:PutObject"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_followed_across_a_crash() {
    let Some(cloud) = Cloud::new("a_batch_is_followed_across_a_crash", |_| {}).await else { return };
    let cluster = cloud.cluster(REGION).await;
    cloud.machines(REGION, &cluster, 20).await;
    let args = ["--tools", "fifteen", "--whole-schemas"];
    let given = json!({ "clusterName": cluster, "region": REGION, "filter": "all", "strategy": "all" });
    let (client, process) = cloud.serve_with(&args, follows(), modern(), |_| {}).await;
    let mut plan = given.clone();
    plan["dryRun"] = true.into();
    let request = CallToolRequestParams::new("batch_collect").with_arguments(arguments(plan));
    let planned = client.call_tool_once(request).await.unwrap();
    assert!(matches!(planned, CallToolResponse::Complete(_)), "a plan is no work: {planned:?}");
    let id = begin(&client, "batch_collect", given).await;
    assert!(id.len() < 4096, "{}", id.len());
    kill(process);
    let _ = client.cancel().await;

    let restarted = cloud.serve(&args, follows(), modern()).await;
    let started = cloud.fake.executions();
    assert_eq!(started.len(), 15, "the most that one batch collects");
    assert_eq!(payload(&restarted, &id).await, TaskPayload::Working);
    for (execution, node, _) in &started {
        cloud.ingested(node, execution).await;
    }
    let answer = valid(&restarted, "batch_collect", &ended(&restarted, &id).await).await;
    assert_eq!((&answer["task"]["state"], &answer["collectionsStarted"]), (&json!("completed"), &json!(15)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_cancelled_on_its_nodes() {
    let slow = |options: &mut eks_logs_aws::testing::FakeOptions| options.step = Duration::from_secs(3600);
    let Some(cloud) = Cloud::new("a_batch_is_cancelled_on_its_nodes", slow).await else { return };
    let cluster = cloud.cluster(REGION).await;
    cloud.machines(REGION, &cluster, 3).await;
    let client = cloud.serve(&["--tools", "fifteen", "--whole-schemas"], follows(), modern()).await;
    let given = json!({ "clusterName": cluster, "region": REGION, "filter": "all", "strategy": "all" });
    let id = begin(&client, "batch_collect", given).await;
    assert_eq!(payload(&client, &id).await, TaskPayload::Working);
    client.cancel_task(CancelTaskParams::new(&id)).await.unwrap();
    assert_eq!(cloud.fake.count("StopAutomationExecution"), 3);
    let result = ended(&client, &id).await;
    let answer = valid(&client, "batch_collect", &result).await;
    assert_eq!((&answer["success"], answer.to_string().contains("cancelled")), (&json!(false), true), "{answer}");
}

/// An id that somebody made up stops nothing that is not a collection of this account's document, and nothing where collecting is not offered.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_collect_may_not_stop() {
    let slow = |options: &mut eks_logs_aws::testing::FakeOptions| {
        options.step = Duration::from_secs(3600);
        options.documents.push("Other".to_owned());
    };
    let Some(cloud) = Cloud::new("who_may_not_collect_may_not_stop", slow).await else { return };
    let cluster = cloud.cluster(REGION).await;
    let node = cloud.machines(REGION, &cluster, 1).await.remove(0);
    let other = cloud.serve(&["--document", "Other"], follows(), modern()).await;
    let id = begin(&other, "collect", json!({ "instanceId": node })).await;
    let ours = cloud.serve(&WHOLE, follows(), modern()).await;
    let refused = ours.cancel_task(CancelTaskParams::new(&id)).await.unwrap_err();
    assert!(refused.to_string().contains("is a run of Other"), "{refused}");
    let reader = cloud.serve(&["--tools", "analysis"], follows(), modern()).await;
    assert!(reader.cancel_task(CancelTaskParams::new(&id)).await.is_err());
    assert!(reader.get_task(GetTaskParams::new(&id)).await.is_err());
    assert_eq!(cloud.fake.count("StopAutomationExecution"), 0);
}
