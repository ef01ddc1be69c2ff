//! Collections from the first call to the findings, over the wire: SSM is our fake, S3 is SeaweedFS.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use eks_logs_aws::testing::{FakeNode, Fault, servers};
use eks_logs_core::collection::once::LEASE;
use eks_logs_core::{Store as _, StoreExt as _, StorePath, StoreWriter};
use eks_logs_tools::{Call, Code, ingest_archive, tool};
use serde_json::{Value, json};
use support::{Account, NODE};

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

/// Collect, follow to the end, ingest, ask, read, fetch: in another region than the default one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_node_to_its_findings() {
    let Some(servers) = servers("from_a_node_to_its_findings") else { return };
    let account = Account::new(&servers).await;
    let collected = account
        .call("collect", json!({ "instanceId": NODE, "idempotencyToken": "t-1", "region": "eu-central-1" }))
        .await
        .unwrap();
    assert_eq!((&collected["region"], &collected["idempotent"]), (&json!("eu-central-1"), &json!(false)));
    let execution = collected["executionId"].as_str().unwrap();
    // The region is remembered: nobody has to name it again.
    let status = account.ended(execution).await;
    assert_eq!((status["region"].as_str(), status["stage"].as_str()), (Some("eu-central-1"), Some("extracting")));
    assert_eq!(status["automation"]["status"], "running", "not completed before its findings can be read");
    assert_eq!(status["automation"]["stepDetails"].as_array().unwrap().len(), 4);
    let refused = account.call("errors", json!({ "instanceId": NODE })).await.unwrap_err();
    assert!(refused.error.contains("not extracted yet"), "{refused}");

    let archive = path(&format!("eks_{NODE}_{execution}.tar.gz"));
    account.s3.reset();
    let writer: Arc<dyn StoreWriter> = Arc::new(account.store.clone());
    let at = "2026-11-20T03:20:00Z".parse().unwrap();
    let ingested = ingest_archive(writer, &archive, &account.context, at, Call::default()).await.unwrap();
    assert!(ingested.file_count > 20 && !ingested.already, "{ingested:?}");
    let key = format!("/{archive}");
    let gets = account.s3.count(|seen| seen.method == "GET" && seen.target.split('?').next().unwrap().ends_with(&key));
    assert_eq!(gets, 1, "the archive is read once");

    let status = account.call("status", json!({ "executionId": execution })).await.unwrap();
    assert_eq!((&status["stage"], &status["automation"]["status"]), (&json!("ready"), &json!("completed")));
    let errors = account.call("errors", json!({ "instanceId": NODE, "severity": "critical" })).await.unwrap();
    assert!(errors["totalFindings"].as_u64().unwrap() >= 3, "{errors}");
    assert_eq!(errors["cached"], true, "from the index that the ingestion wrote");
    let key = format!("eks_{NODE}_{execution}/extracted/kernel/dmesg.human.current");
    let read = account.call("read", json!({ "logKey": key, "startLine": 1, "lineCount": 2 })).await.unwrap();
    assert_eq!(read["startLine"], 1);
    let artifact = account.call("artifact", json!({ "logKey": key })).await.unwrap();
    assert!(artifact["presignedUrl"].as_str().unwrap().contains("X-Amz-Signature="), "{artifact}");
    assert_eq!(artifact["s3Uri"], format!("s3://{}/{key}", account.bucket.location().bucket));
    // Whoever has the link has the bytes, without credentials.
    let link = artifact["presignedUrl"].as_str().unwrap();
    let (status, fetched) = support::fetch(link).await;
    assert_eq!((status, fetched), (200, account.bucket.get_all(&path(&key)).await.unwrap()));
    assert_eq!(support::fetch(&link.replace("dmesg.human", "dmesg.inhuman")).await.0, 403, "and no other bytes");

    // The same once more: nothing is written.
    let before = account.bucket.list_all(&StorePath::root()).await.unwrap();
    let writer: Arc<dyn StoreWriter> = Arc::new(account.store.clone());
    let again = ingest_archive(writer, &archive, &account.context, at, Call::default()).await.unwrap();
    assert!(again.already);
    assert_eq!(account.bucket.list_all(&StorePath::root()).await.unwrap(), before);
}

/// Fifty callers at the same time with one token: one execution, and all are told of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_token_starts_one_execution() {
    let Some(servers) = servers("one_token_starts_one_execution") else { return };
    let account = Account::with(&servers, |options| options.step = Duration::from_secs(60)).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let context = account.context.clone();
        callers.spawn(async move {
            let arguments = json!({ "instanceId": NODE, "idempotencyToken": "same", "region": "us-east-1" });
            tool("collect").unwrap().call(&context, arguments, Call::default()).await.unwrap()
        });
    }
    let (mut ids, mut started) = (std::collections::BTreeSet::new(), 0);
    while let Some(answer) = callers.join_next().await {
        let answer = answer.unwrap();
        ids.insert(answer["executionId"].as_str().unwrap().to_owned());
        started += usize::from(answer["idempotent"] == false);
    }
    assert_eq!((ids.len(), started), (1, 1));
    assert_eq!(account.fake.count("StartAutomationExecution"), 1);
    // Another token, and none, while it runs: the same node is not collected twice at a time.
    for arguments in [json!({ "instanceId": NODE, "idempotencyToken": "other" }), json!({ "instanceId": NODE })] {
        let answer = account.call("collect", arguments).await.unwrap();
        assert_eq!(
            (&answer["origin"], ids.contains(answer["executionId"].as_str().unwrap())),
            (&json!("already-running"), true)
        );
    }
    assert_eq!(account.fake.executions().len(), 1);
}

/// A caller that dies between the claim and the start, and one that dies between the start and the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_caller_began_is_taken_over() {
    let Some(servers) = servers("what_a_dead_caller_began_is_taken_over") else { return };
    for took_effect in [false, true] {
        let account = Account::with(&servers, |options| options.step = Duration::from_secs(60)).await;
        account.fake.hang_starts(Some(took_effect));
        let context = account.context.clone();
        let arguments = json!({ "instanceId": NODE, "idempotencyToken": "t" });
        let first = {
            let arguments = arguments.clone();
            tokio::spawn(async move { tool("collect").unwrap().call(&context, arguments, Call::default()).await })
        };
        while account.fake.count("StartAutomationExecution") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        first.abort();
        account.fake.hang_starts(None);
        let began = account.context.clock.as_ref().unwrap().now();
        let answer = account.call("collect", arguments).await.unwrap();
        let waited = account.context.clock.as_ref().unwrap().now().duration_since(began);
        assert!(waited.as_secs() as u64 <= LEASE.as_secs() + 10, "{waited:?}");
        assert_eq!(account.fake.executions().len(), 1, "one execution is alive");
        assert_eq!(answer["executionId"], account.fake.executions()[0].0);
        assert_eq!(answer["origin"], if took_effect { "adopted" } else { "started" });
    }
}

/// What must hold before a start, and what is said where it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_cannot_work_is_refused_with_its_fix() {
    let Some(servers) = servers("a_start_that_cannot_work_is_refused_with_its_fix") else { return };
    let account = Account::with(&servers, |options| options.document_regions = vec!["us-east-1".to_owned()]).await;
    let refused = async |arguments: Value| account.call("collect", arguments).await.unwrap_err();

    let why = refused(json!({ "instanceId": NODE, "region": "eu-west-1" })).await;
    assert_eq!(why.code, Code::DocumentNotFound, "{why}");
    assert!(why.error.contains("AWSSupport-CollectEKSInstanceLogs in eu-west-1"));
    assert_eq!(why.details.all, ["us-east-1"], "where it is");

    account.fake.node(NODE, FakeNode { ping: "ConnectionLost".to_owned(), ..FakeNode::default() });
    let why = refused(json!({ "instanceId": NODE })).await;
    assert_eq!(why.code, Code::NotCollectable);
    assert!(why.error.contains("offline (ConnectionLost), last heard of 2026-11-18T"), "{why}");
    account.fake.node(NODE, FakeNode { ping: String::new(), ..FakeNode::default() });
    let why = refused(json!({ "instanceId": NODE })).await;
    assert!(
        why.error.contains("never registered") && why.details.suggestion.contains("AmazonSSMManagedInstanceCore"),
        "{why}"
    );

    for (arguments, words) in [
        (json!({ "instanceId": "i-1" }), "i-1"),
        (json!({ "instanceId": NODE, "region": "Frankfurt" }), "Frankfurt"),
        (json!({ "instanceId": NODE, "idempotencyToken": "a/b" }), "a/b"),
    ] {
        let why = refused(arguments).await;
        assert_eq!(why.code, Code::BadArgument);
        assert!(why.error.contains(words), "{why}");
    }
    assert_eq!(account.fake.count("StartAutomationExecution"), 0);
    assert!(account.bucket.list_all(&StorePath::root()).await.unwrap().is_empty(), "nothing is left behind");
}

/// A run that fails tells its cause; its token begins anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_run_tells_its_cause() {
    let Some(servers) = servers("a_failed_run_tells_its_cause") else { return };
    let account = Account::new(&servers).await;
    let said = "upload failed: An error occurred (AccessDenied) when calling the PutObject operation: Access Denied";
    let fails = Some(("uploadLogs".to_owned(), said.to_owned()));
    account.fake.node(NODE, FakeNode { fails, ..FakeNode::default() });
    let arguments = json!({ "instanceId": NODE, "idempotencyToken": "t" });
    let first = account.call("collect", arguments.clone()).await.unwrap();
    let status = account.ended(first["executionId"].as_str().unwrap()).await;
    assert_eq!((&status["stage"], &status["automation"]["status"]), (&json!("failed"), &json!("failed")));
    assert_eq!(
        (&status["failure"]["id"], &status["failure"]["step"]),
        (&json!("s3-access-denied"), &json!("uploadLogs"))
    );
    assert!(status["failure"]["fix"][0].as_str().unwrap().contains("s3:PutObject"));
    account.fake.node(NODE, FakeNode::default());
    let second = account.call("collect", arguments).await.unwrap();
    assert_eq!(second["replacesExecutionId"], first["executionId"]);
    assert_ne!(second["executionId"], first["executionId"]);
}

/// SSM and S3 on bad days: the right error, and the next call is not held up by what failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_ssm_have_their_names() {
    let Some(servers) = servers("faults_of_ssm_have_their_names") else { return };
    for (fault, code) in [
        (Fault::Json(400, "ThrottlingException"), Code::Throttled),
        (Fault::Json(400, "ExpiredTokenException"), Code::Denied),
        (Fault::Json(400, "AccessDeniedException"), Code::Denied),
        (Fault::Json(400, "AutomationExecutionLimitExceededException"), Code::Throttled),
    ] {
        let account = Account::with(&servers, |options| options.step = Duration::from_secs(60)).await;
        account.ssm.fail(usize::MAX, fault.clone(), |seen| seen.operation == "StartAutomationExecution");
        let arguments = json!({ "instanceId": NODE, "idempotencyToken": "t" });
        let why = account.call("collect", arguments.clone()).await.unwrap_err();
        assert_eq!(why.code, code, "{fault:?}: {why}");
        account.ssm.reset();
        let began = account.context.clock.as_ref().unwrap().now();
        account.call("collect", arguments).await.unwrap();
        let waited = account.context.clock.as_ref().unwrap().now().duration_since(began);
        assert!(waited.is_zero(), "{fault:?}: the claim of a start that failed is given back");
        assert_eq!(account.fake.executions().len(), 1);
    }
    // Where the start may have happened, the claim stays, and its execution is found.
    let account = Account::with(&servers, |options| options.step = Duration::from_secs(60)).await;
    account.ssm.fail(usize::MAX, Fault::AnswerLost, |seen| seen.operation == "StartAutomationExecution");
    let arguments = json!({ "instanceId": NODE, "idempotencyToken": "t" });
    let why = account.call("collect", arguments.clone()).await.unwrap_err();
    assert_eq!(why.code, Code::StoreUnavailable, "{why}");
    account.ssm.reset();
    account.call("collect", arguments).await.unwrap();
    assert_eq!(account.fake.executions().len(), 1, "retries and the next caller hold the same client token");
    // A bucket that cannot be reached stops a start before it happens.
    let account = Account::new(&servers).await;
    account.s3.fail(usize::MAX, Fault::Xml(403, "AccessDenied"), |_| true);
    let why = account.call("collect", json!({ "instanceId": NODE })).await.unwrap_err();
    assert_eq!(why.code, Code::Denied);
    assert!(why.error.contains("bucket for bundles"), "{why}");
    assert_eq!(account.fake.executions().len(), 0);
}

/// Newest first, in pages, of one node or of all, with what the bucket holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_in_pages() {
    let Some(servers) = servers("history_in_pages") else { return };
    let account = Account::new(&servers).await;
    let node = |number: usize| format!("i-{number:017x}");
    let mut started = Vec::new();
    for number in 0..7 {
        let answer = account.call("collect", json!({ "instanceId": node(number % 2) })).await.unwrap();
        let id = answer["executionId"].as_str().unwrap().to_owned();
        account.ended(&id).await;
        started.push(id);
    }
    started.reverse();
    let (mut ids, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut arguments = json!({ "maxResults": 3 });
        if token.is_string() {
            arguments["pageToken"] = token;
        }
        let page = account.call("history", arguments).await.unwrap();
        for row in page["collections"].as_array().unwrap() {
            ids.push(row["executionId"].as_str().unwrap().to_owned());
            assert_eq!((&row["bundleExists"], &row["status"]), (&json!(true), &json!("completed")));
        }
        token = page["nextPageToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(ids, started);
    let one = account.call("history", json!({ "instanceId": node(1) })).await.unwrap();
    assert_eq!(one["count"], 3);
    assert!(one["collections"].as_array().unwrap().iter().all(|row| row["instanceId"] == node(1).as_str()));
    let none = account.call("history", json!({ "status": "failed" })).await.unwrap();
    assert_eq!((&none["count"], &none["hasMore"]), (&json!(0), &json!(false)));
    let page = account.call("history", json!({ "maxResults": 1 })).await.unwrap();
    let foreign = json!({ "maxResults": 1, "instanceId": node(0), "pageToken": page["nextPageToken"] });
    assert_eq!(account.call("history", foreign).await.unwrap_err().code, Code::BadArgument);

    // A batch of executions, one of which nobody knows.
    let asked = json!({ "executionIds": [started[0], "00000000-0000-4000-8000-000000000000"] });
    let batch = account.call("batch_status", asked).await.unwrap();
    assert_eq!((&batch["summary"]["inProgress"], &batch["summary"]["failed"]), (&json!(1), &json!(1)), "{batch}");
}

/// A run of the ingestion that dies leaves no index; two at the same time write the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingestion_is_whole_or_not_seen() {
    let Some(servers) = servers("ingestion_is_whole_or_not_seen") else { return };
    let account = Account::new(&servers).await;
    let name = format!("eks_{NODE}_2026-11-20_0312-UTC_0.7.9");
    let archive = path(&format!("{name}.tar.gz"));
    account.bucket.put(&archive, support::sample().into(), eks_logs_core::PutMode::Create).await.unwrap();
    let at = "2026-11-20T03:20:00Z".parse().unwrap();
    let writer = || Arc::new(account.store.clone()) as Arc<dyn StoreWriter>;

    // A member cannot be written; then the archive breaks off for good.
    let put = |seen: &eks_logs_aws::testing::Seen| seen.method == "PUT" && seen.target.contains("/kubelet/");
    account.s3.fail(usize::MAX, Fault::Xml(403, "AccessDenied"), put);
    let why = ingest_archive(writer(), &archive, &account.context, at, Call::default()).await.unwrap_err();
    assert_eq!(why.code, Code::Denied, "{why}");
    account.s3.reset();
    account.s3.fail(usize::MAX, Fault::CutBody(0), |seen| seen.method == "GET" && seen.target.contains(".tar.gz"));
    let why = ingest_archive(writer(), &archive, &account.context, at, Call::default()).await.unwrap_err();
    assert_eq!(why.code, Code::StoreUnavailable, "{why}");
    for record in ["manifest.json", "findings_index.json", "events_index.json"] {
        let seen = account.bucket.head(&path(&format!("{name}/extracted/{record}"))).await;
        assert!(matches!(seen, Err(eks_logs_core::Error::NotFound { .. })), "{record}");
    }

    // It breaks off once and goes on; two run at the same time.
    account.s3.reset();
    account.s3.fail(1, Fault::CutBody(20_000), |seen| seen.method == "GET" && seen.target.contains(".tar.gz"));
    let (one, two) = tokio::join!(
        ingest_archive(writer(), &archive, &account.context, at, Call::default()),
        ingest_archive(writer(), &archive, &account.context, at, Call::default()),
    );
    assert_eq!(
        (one.unwrap().findings, two.unwrap().file_count > 20),
        (
            account.call("triage", json!({ "instanceId": NODE, "evidence": 1 })).await.unwrap()["findings"]
                .as_array()
                .unwrap()
                .len(),
            true
        )
    );
    let errors = account.call("errors", json!({ "instanceId": NODE })).await.unwrap();
    assert_eq!(errors["cached"], true);
    let validated = account.call("validate", json!({ "instanceId": NODE })).await.unwrap();
    assert_eq!(
        (&validated["hasFindingsIndex"], &validated["manifestVersion"]),
        (&json!(true), &json!(2)),
        "{validated}"
    );

    // What is no archive is said to be none.
    let other = path(&format!("eks_{NODE}_x.tar.gz"));
    account.bucket.put(&other, "not an archive".into(), eks_logs_core::PutMode::Create).await.unwrap();
    let why = ingest_archive(writer(), &other, &account.context, at, Call::default()).await.unwrap_err();
    assert_eq!(why.code, Code::Unreadable, "{why}");
}
