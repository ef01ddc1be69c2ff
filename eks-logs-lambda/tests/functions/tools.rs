//! Every tool as the gateway calls it, and what Lambda's limits mean for answers.

use std::collections::BTreeSet;
use std::time::Duration;

use eks_logs_aws::testing::{FakeNode, servers};
use eks_logs_tools::tools;
use serde_json::{Value, json};

use crate::account::{Account, archive};
use crate::emulator::{Event, Function, LARGEST};

/// Collects through the tools, and ingests as soon as the archive is there.
async fn collect(account: &Account, tools: &Function, ingest: &Function, node: &str) -> String {
    account.fake.node(node, FakeNode::default());
    let (status, started) = tools.call("collect", &json!({ "instanceId": node })).await;
    assert_eq!(status, 200, "{started}");
    let execution = started["executionId"].as_str().unwrap().to_owned();
    let ask = json!({ "executionId": execution });
    for _ in 0..500 {
        let (status, now) = tools.call("status", &ask).await;
        assert_eq!(status, 200, "{now}");
        if now["stage"] == "extracting" {
            let key = format!("eks_{node}_{execution}.tar.gz");
            assert!(ingest.invoke(Event::new(&account.notification(&[&key]))).await.answered);
        }
        if now["automation"]["status"] == "completed" {
            return execution;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{execution} does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_answers_through_the_gateway() {
    let Some(servers) = servers("every_tool_answers_through_the_gateway") else { return };
    let account = Account::new(servers).await;
    let (function, ingest) = (account.tools().await, account.ingest().await);
    let cluster = account.cluster().await;
    let tags = [("eks:cluster-name", cluster.as_str())];
    let (one, two) = (account.machine(&tags).await, account.machine(&tags).await);
    let execution = collect(&account, &function, &ingest, &one).await;
    collect(&account, &function, &ingest, &two).await;
    let file = format!("eks_{one}_{execution}/extracted/kernel/dmesg.human.current");
    let node = json!({ "instanceId": one });
    let calls = [
        ("triage", node.clone(), "hypotheses"),
        ("errors", node.clone(), "findings"),
        ("correlate", node.clone(), "timeline"),
        ("summarize", json!({ "instanceId": one, "finding_ids": ["F-001"] }), "criticalFindings"),
        ("verify", json!({ "instanceId": one, "report": "F-001 is critical." }), "success"),
        ("compare_nodes", json!({ "instanceIds": [one, two] }), "commonFindings"),
        ("baseline", json!({ "instanceId": one, "clusterContext": "prod" }), "success"),
        ("network_diagnostics", node.clone(), "diagnostics"),
        ("node_diagnostics", node.clone(), "diagnostics"),
        ("validate", json!({ "executionId": execution }), "manifest"),
        ("read", json!({ "logKey": file, "startLine": 1, "lineCount": 2 }), "content"),
        ("search", json!({ "instanceId": one, "query": "out of memory" }), "results"),
        ("artifact", json!({ "logKey": file }), "presignedUrl"),
        ("rules", json!({}), "rules"),
        ("collect", node.clone(), "executionId"),
        ("status", json!({ "executionId": execution }), "automation"),
        ("history", node, "collections"),
        ("cluster_health", json!({ "clusterName": cluster }), "nodes"),
        ("batch_collect", json!({ "clusterName": cluster, "filter": "all", "dryRun": true }), "buckets"),
        ("batch_status", json!({ "executionIds": [execution] }), "executions"),
    ];
    for (tool, arguments, field) in &calls {
        let (status, answer) = function.call(tool, arguments).await;
        assert_eq!((status, &answer["success"]), (200, &json!(true)), "{tool}: {answer}");
        assert!(!answer[*field].is_null(), "{tool}: no {field} in {answer}");
        assert!(answer.get("partial").is_none() && answer.get("answerPart").is_none(), "{tool}");
    }
    let called: BTreeSet<&str> = calls.iter().map(|(tool, _, _)| *tool).collect();
    assert_eq!(called, tools().iter().map(|tool| tool.about.name).collect(), "every tool of the registry is called");
    assert!(function.is_alive());
}

/// Text that takes four bytes on the wire for each of its own.
fn quoted(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 64);
    while text.len() < bytes {
        text.extend_from_slice(b"\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\n");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_stay_below_the_limit_and_lose_nothing() {
    let Some(servers) = servers("answers_stay_below_the_limit_and_lose_nothing") else { return };
    let account = Account::new(servers).await;
    let (function, ingest) = (account.tools().await, account.ingest().await);
    let long = quoted(7 << 20);
    let mut line = vec![b'"'; 6 << 20];
    line.extend_from_slice(b"\nlast\n");
    let many: String = (0..40_000).map(|n| format!("needle {n} {}\n", "\\\"x".repeat(60))).collect();
    let key = "eks_i-0123456789abcdef0_large.tar.gz";
    let files: [(&str, &[u8]); 3] =
        [("kubelet/kubelet.log", &long), ("var_log/line.log", &line), ("var_log/many.log", many.as_bytes())];
    account.put(key, archive(&files)).await;
    assert!(ingest.invoke(Event::new(&account.notification(&[key]))).await.answered);
    // A line that is too long alone is refused with the way to read it, which is the second round.
    let line = json!({ "instanceId": "i-0123456789abcdef0", "logKey": files[1].0, "startByte": 0 });
    let (status, refused) = function.call("read", &line).await;
    assert_eq!((status, &refused["code"]), (413, &json!("too_large")), "{}", refused["error"]);
    assert!(refused["details"]["suggestion"].as_str().unwrap().contains("exact true with startByte 0"));
    for ((file, content), exact) in files[..2].iter().zip([false, true]) {
        let (mut at, mut rounds, mut whole) = (0_u64, 0, Vec::new());
        loop {
            let end = (at + (5 << 20)).min(content.len() as u64);
            let arguments = json!({ "instanceId": "i-0123456789abcdef0", "logKey": file, "startByte": at, "endByte": end, "exact": exact });
            let ended = function.invoke(Event::of_gateway("read", &arguments)).await;
            assert!(ended.bytes < LARGEST, "{}", ended.bytes);
            let (status, answer) = ended.told();
            assert_eq!(status, 200, "{file} at {at}: {}", answer["error"]);
            assert_eq!(answer["startByte"].as_u64(), Some(at), "{file}");
            whole.extend_from_slice(answer["content"].as_str().unwrap().as_bytes());
            at = answer["endByte"].as_u64().unwrap();
            rounds += 1;
            if answer["hasMore"] == false {
                break;
            }
        }
        assert!(rounds > 2, "{file}: {rounds}");
        assert!(
            whole == *content,
            "{file}: what was read is not what was written ({} of {})",
            whole.len(),
            content.len()
        );
    }
    let arguments =
        json!({ "instanceId": "i-0123456789abcdef0", "query": "needle", "maxResults": 500, "contextLines": 10 });
    let ended = function.invoke(Event::of_gateway("search", &arguments)).await;
    let (_, found) = ended.told();
    assert!(ended.bytes < LARGEST);
    assert_eq!(found["totalMatches"], 40_000, "counts are exact whatever is shown");
    assert!(function.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn little_time_brings_what_was_found_so_far_and_says_so() {
    let Some(servers) = servers("little_time_brings_what_was_found_so_far_and_says_so") else { return };
    let account = Account::new(servers).await;
    let function = account.tools().await;
    // Extracted, and not indexed: the tools scan it themselves.
    let node = "i-0123456789abcdef0";
    let fault = b"[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n";
    account.put(&format!("eks_{node}_scan/extracted/kernel/dmesg.current"), fault.as_slice().into()).await;
    account.put(&format!("eks_{node}_scan/extracted/var_log/messages"), vec![b'x'; 1 << 20].into()).await;
    let arguments = json!({ "instanceId": node });
    let (status, whole) = function.call("errors", &arguments).await;
    assert_eq!((status, whole["totalFindings"].as_u64(), whole.get("partial")), (200, Some(1), None));
    let over = Event { time: Duration::ZERO, ..Event::of_gateway("errors", &arguments) };
    let (status, stopped) = function.invoke(over).await.told();
    assert_eq!((status, &stopped["success"], &stopped["code"]), (503, &json!(false), &json!("stopped")), "{stopped}");
    // Somewhere between nothing and everything lies a partial answer; it is marked as one, or it is whole.
    for milliseconds in (20..1200).step_by(20) {
        let event = Event { time: Duration::from_millis(milliseconds), ..Event::of_gateway("errors", &arguments) };
        let (status, answer) = function.invoke(event).await.told();
        match status {
            503 => assert_eq!(answer["code"], "stopped"),
            200 if answer["partial"].is_object() => {
                assert!(answer["partial"]["filesLeftOut"].as_u64().unwrap() > 0);
                assert!(answer["coverage_report"].to_string().contains("time was nearly over"), "{answer}");
            }
            200 => assert_eq!(answer["totalFindings"], Value::from(1), "an answer that is not whole says so: {answer}"),
            other => panic!("{other}: {answer}"),
        }
    }
    assert!(function.is_alive());
}
