//! Archive in, index out, whatever way S3's news takes.

use std::time::Duration;

use bytes::Bytes;
use eks_logs_aws::testing::servers;
use eks_logs_core::{StoreExt as _, StorePath};
use serde_json::json;

use crate::account::{Account, Queue, archive, sample};
use crate::emulator::Event;

const FAULT: &[u8] = b"[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n";

fn small() -> Bytes {
    archive(&[("kernel/dmesg.current", FAULT), ("system/ps.txt", b"PID CMD\n1 init\n")])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_goes_in_and_errors_answers() {
    let Some(servers) = servers("an_archive_goes_in_and_errors_answers") else { return };
    let account = Account::new(servers).await;
    let (ingest, tools) = (account.ingest().await, account.tools().await);
    let node = "i-0a1b2c3d4e5f60718";
    let key = format!("eks_{node}_2026-11-20_0312-UTC_0.7.9.tar.gz");
    account.put(&key, sample()).await;
    let arguments = json!({ "instanceId": node, "severity": "critical" });
    let (status, early) = tools.call("errors", &arguments).await;
    assert_eq!((status, early["success"].as_bool()), (404, Some(false)), "{early}");
    assert!(early["error"].as_str().unwrap().contains("not extracted yet"), "{early}");

    let ended = ingest.invoke(Event::new(&account.notification(&[&key]))).await;
    assert!(ended.answered, "{:?}", ended.body);
    assert_eq!(ended.body["ingested"][0]["bundleId"], format!("{node}_2026-11-20_0312-UTC_0.7.9"));
    let (status, errors) = tools.call("errors", &arguments).await;
    assert_eq!((status, errors["cached"].as_bool()), (200, Some(true)));
    assert!(errors["totalFindings"].as_u64().unwrap() >= 3, "{errors}");
    // The same news again, and by another way: nothing is done twice.
    for event in [account.notification(&[&key, &key]), account.eventbridge(&key)] {
        let again = ingest.invoke(Event::new(&event)).await;
        assert_eq!(
            (again.body["ingested"].as_array().unwrap().len(), &again.body["ingested"][0]["already"]),
            (1, &json!(true))
        );
    }
    let lines = ingest.logs(|line| line["message"] == "ingested" && line["already"] == false).await;
    let metrics = lines.iter().find(|line| line["Ingestions"].is_number()).unwrap();
    assert_eq!((&metrics["IngestionsFailed"], metrics["IngestionAge"].is_number()), (&json!(0.0), true));
    assert!(lines.iter().all(|line| !line.to_string().contains("oom")), "no content of logs");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_arrive_as_they_are_and_own_outputs_are_passed_over() {
    let Some(servers) = servers("keys_arrive_as_they_are_and_own_outputs_are_passed_over") else { return };
    let account = Account::new(servers).await;
    let ingest = account.ingest().await;
    let (odd, plus) = ("eks_i-0123abcd_a b+c é%41.tar.gz", "eks_i-0123abcd_a+b%41.tar.gz");
    account.put(odd, small()).await;
    account.put(plus, small()).await;
    for (event, key) in [(account.notification(&[odd]), odd), (account.eventbridge(plus), plus)] {
        let ended = ingest.invoke(Event::new(&event)).await;
        assert_eq!(ended.body["ingested"][0]["archive"], key, "{:?}", ended.body);
        assert!(account.is_indexed(key.trim_end_matches(".tar.gz")).await);
    }
    let before = account.bucket.list_all(&StorePath::root()).await.unwrap().len();
    let own = [
        "eks_i-0123abcd_a/extracted/manifest.json",
        "eks_i-0123abcd_a/extracted/inner.tar.gz",
        "eks_i-0123abcd_a/extracted/findings_index.json",
        "idempotency/i-0123abcd/t.json",
        "baselines/prod/x.tar.gz",
        "notes.txt",
    ];
    let ended = ingest.invoke(Event::new(&account.notification(&own))).await;
    assert_eq!((ended.answered, &ended.body), (true, &json!({ "ingested": [] })));
    // Removed before its turn: there is nothing to do, and nothing to try again.
    let gone = ingest.invoke(Event::new(&account.notification(&["eks_i-0123abcd_gone.tar.gz"]))).await;
    assert_eq!((gone.answered, &gone.body), (true, &json!({ "ingested": [] })));
    assert_eq!(account.bucket.list_all(&StorePath::root()).await.unwrap().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_archive_is_put_aside_and_blocks_nothing() {
    let Some(servers) = servers("a_poisoned_archive_is_put_aside_and_blocks_nothing") else { return };
    let account = Account::new(servers).await;
    let ingest = account.ingest().await;
    let good = ["eks_i-0123abcd_one.tar.gz", "eks_i-0123abcd_two.tgz", "eks_i-0123abcd_three.tar.gz"];
    let poison = ["eks_i-0123abcd_noise.tar.gz", "eks_i-0123abcd_empty.tar.gz", "eks_i-0123abcd_text.zip"];
    for key in good {
        account.put(key, small()).await;
    }
    account.put(poison[0], (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect()).await;
    account.put(poison[1], Bytes::new()).await;
    account.put(poison[2], Bytes::from_static(b"no archive at all")).await;
    // Out of order, twice, in both forms, with the poison in between.
    let mut queue = Queue::of(&[
        account.notification(&[poison[0]]),
        account.notification(&[good[2]]),
        account.eventbridge(poison[1]),
        account.eventbridge(good[0]),
        account.notification(&[poison[2]]),
        account.notification(&[good[1], good[0]]),
        account.notification(&[good[2]]),
        json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": account.name() }),
        json!("nonsense"),
    ]);
    queue.drain(&ingest, 4).await;
    let mut dead: Vec<&str> =
        poison.iter().filter(|key| queue.dead.iter().any(|body| body.contains(**key))).copied().collect();
    dead.sort_unstable();
    assert_eq!((dead.len(), queue.dead.len()), (3, 4), "{:?}", queue.dead);
    for key in good {
        assert!(account.is_indexed(key.split_once(".t").unwrap().0).await, "{key}");
    }
    for key in poison {
        assert!(!account.is_indexed(key.split_once('.').unwrap().0).await, "{key}");
    }
    assert!(ingest.is_alive());
    // Without a queue the invocation fails, which Lambda tries again and then puts aside; the good one beside it is done all the same.
    let beside = "eks_i-0123abcd_beside.tar.gz";
    account.put(beside, small()).await;
    let ended = ingest.invoke(Event::new(&account.notification(&[poison[0], beside]))).await;
    assert_eq!((ended.answered, &ended.body["errorType"]), (false, &json!("IngestionFailed")));
    assert!(ended.body["errorMessage"].as_str().unwrap().contains(poison[0]));
    assert!(account.is_indexed("eks_i-0123abcd_beside").await);
    let foreign = json!({ "Records": [{ "eventSource": "aws:kinesis" }] });
    assert!(!ingest.invoke(Event::new(&foreign)).await.answered);
    assert!(ingest.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_time_goes_back_to_the_queue() {
    let Some(servers) = servers("what_does_not_fit_the_time_goes_back_to_the_queue") else { return };
    let account = Account::new(servers).await;
    let ingest = account.ingest().await;
    let key = "eks_i-0123abcd_late.tar.gz";
    account.put(key, small()).await;
    let message = json!({ "messageId": "m1", "receiptHandle": "r", "body": account.notification(&[key]).to_string(), "attributes": {},
                          "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": "a", "awsRegion": "us-east-1" });
    let event = Event::new(&json!({ "Records": [message] }));
    let late = ingest.invoke(Event { time: Duration::ZERO, ..event.clone() }).await;
    assert_eq!(late.body, json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }] }));
    assert!(!account.is_indexed("eks_i-0123abcd_late").await);
    let then = ingest.invoke(event).await;
    assert_eq!(then.body, json!({ "batchItemFailures": [] }));
    assert!(account.is_indexed("eks_i-0123abcd_late").await);
}
