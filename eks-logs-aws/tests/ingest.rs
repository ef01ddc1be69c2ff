//! What becomes of an archive in a bucket: seen whole or not at all, whatever failed; and who is told of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use eks_logs_aws::testing::{Fault, Seen, sdk_config, servers};
use eks_logs_aws::{Patience, S3Store};
use eks_logs_core::{PutMode, StorePath, StoreWriter};
use eks_logs_tools::{Call, Code, Failure, IngestAnswer, ingest_archive};
use serde_json::{Value, json};
use support::{Account, NODE};

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

/// A tar archive of a few files.
fn archive(files: &[(&str, &str)]) -> Bytes {
    let mut bytes = Vec::new();
    for (name, content) in files {
        let mut head = [0_u8; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[100..108].copy_from_slice(b"0000644\0");
        write!(&mut head[124..136], "{:011o}\0", content.len()).unwrap();
        write!(&mut head[136..148], "{:011o}\0", 0).unwrap();
        head[148..156].fill(b' ');
        head[156] = b'0';
        head[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        write!(&mut head[148..156], "{sum:06o}\0 ").unwrap();
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(content.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes.into()
}

const OOM: &str = "[Fri Nov 20 02:31:09 2026] Out of memory: Killed process 2977 (java) total-vm:100kB, anon-rss:90kB, \
                   file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:999\n";

async fn ingest(account: &Account, archive: &StorePath) -> Result<IngestAnswer, Failure> {
    let writer = Arc::new(account.store.clone()) as Arc<dyn StoreWriter>;
    let at = "2026-11-20T03:20:00Z".parse().unwrap();
    ingest_archive(writer, archive, &account.context, at, Call::default()).await
}

/// A collection whose archive is no archive: everybody who waits for it is told, and a good archive afterwards is all it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_cannot_be_ingested_is_not_waited_for() {
    let Some(servers) = servers("an_archive_that_cannot_be_ingested_is_not_waited_for") else { return };
    let account = Account::with(&servers, |options| options.bundle = "cut off at once".into()).await;
    let collected = account.call("collect", json!({ "instanceId": NODE })).await.unwrap();
    let execution = collected["executionId"].as_str().unwrap();
    assert_eq!(account.ended(execution).await["stage"], "extracting");
    let archive = path(&format!("eks_{NODE}_{execution}.tar.gz"));
    let why = ingest(&account, &archive).await.unwrap_err();
    assert_eq!(why.code, Code::Unreadable, "{why}");

    let asked = json!({ "executionId": execution });
    let status = account.call("status", asked.clone()).await.unwrap();
    assert_eq!((&status["stage"], &status["automation"]["status"]), (&json!("failed"), &json!("failed")));
    assert_eq!(status["failure"]["id"], "ingestion-failed");
    assert!(status["failure"]["cause"].as_str().unwrap().contains(&why.error), "{status}");
    assert!(status["nextStep"].as_str().unwrap().contains("collect again"), "{status}");
    for (tool, arguments) in [("validate", asked.clone()), ("errors", json!({ "instanceId": NODE }))] {
        let told = account.call(tool, arguments).await.unwrap_err();
        assert_eq!(told.code, Code::Unreadable, "{tool}: {told}");
        assert!(told.error.contains("its ingestion failed at 2026-11-20T03:20:00Z"), "{tool}: {told}");
    }
    let batch = account.call("batch_status", json!({ "executionIds": [execution] })).await.unwrap();
    assert_eq!((&batch["summary"]["failed"], &batch["allComplete"]), (&json!(1), &json!(true)), "{batch}");

    // The record speaks for that archive, not for its name.
    account.bucket.put(&archive, support::sample().into(), PutMode::Overwrite).await.unwrap();
    assert_eq!(account.call("status", asked.clone()).await.unwrap()["stage"], "extracting");
    ingest(&account, &archive).await.unwrap();
    assert_eq!(account.call("status", asked).await.unwrap()["stage"], "ready");
}

/// A failure that passes is no end of the collection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_passes_is_told_and_waited_out() {
    let Some(servers) = servers("a_failure_that_passes_is_told_and_waited_out") else { return };
    let account = Account::new(&servers).await;
    let collected = account.call("collect", json!({ "instanceId": NODE })).await.unwrap();
    let execution = collected["executionId"].as_str().unwrap();
    account.ended(execution).await;
    let archive = path(&format!("eks_{NODE}_{execution}.tar.gz"));
    let member = |seen: &Seen| seen.method == "PUT" && seen.target.contains("/kubelet/");
    account.s3.fail(usize::MAX, Fault::Xml(503, "SlowDown"), member);
    let why = ingest(&account, &archive).await.unwrap_err();
    assert_eq!(why.code, Code::Throttled, "{why}");
    account.s3.reset();
    let asked = json!({ "executionId": execution });
    let status = account.call("status", asked.clone()).await.unwrap();
    assert_eq!((&status["stage"], &status["automation"]["status"]), (&json!("extracting"), &json!("running")));
    assert!(status["task"]["message"].as_str().unwrap().contains("the last attempt failed"), "{status}");
    // Some of its files are there. Nobody takes them for the bundle.
    let told = account.call("errors", json!({ "instanceId": NODE })).await.unwrap_err();
    assert!(told.code == Code::NotFound && told.error.contains("SlowDown"), "{told}");
    ingest(&account, &archive).await.unwrap();
    assert_eq!(account.call("status", asked).await.unwrap()["stage"], "ready");
}

/// Another archive under the same name: its files and no others are the bundle, and in between there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_archive_replaces_its_bundle() {
    let Some(servers) = servers("a_changed_archive_replaces_its_bundle") else { return };
    let account = Account::new(&servers).await;
    let name = format!("eks_{NODE}_2026-11-20_0312-UTC_0.7.9");
    let at = path(&format!("{name}.tar"));
    let put = async |files: &[(&str, &str)]| {
        account.bucket.put(&at, archive(files), PutMode::Overwrite).await.unwrap();
    };
    let of_node = json!({ "instanceId": NODE });
    let search = async |query: &str| {
        let arguments = json!({ "instanceId": NODE, "query": query });
        account.call("search", arguments).await.map(|answer| answer["totalMatches"].as_u64().unwrap())
    };
    put(&[("kernel/dmesg.human.current", OOM), ("kubelet/kubelet.log", "former\n"), ("kubelet/config.json", "{}")])
        .await;
    ingest(&account, &at).await.unwrap();
    let former = account.call("errors", of_node.clone()).await.unwrap();
    assert!(former["findings"].to_string().contains("Out of memory") || former["totalFindings"].as_u64() > Some(0));
    assert_eq!(search("former").await.unwrap(), 1);

    // The next ingestion dies when it has replaced some of the files.
    put(&[("kubelet/config.json", "[]"), ("kubelet/kubelet.log", "latter\n"), ("var_log/messages", "latter\n")]).await;
    let late = |seen: &Seen| seen.method == "PUT" && seen.target.contains("/var_log/");
    account.s3.fail(usize::MAX, Fault::Xml(403, "AccessDenied"), late);
    assert_eq!(ingest(&account, &at).await.unwrap_err().code, Code::Denied);
    account.s3.reset();
    for tool in ["errors", "validate", "triage"] {
        let why = account.call(tool, of_node.clone()).await.unwrap_err();
        assert!(why.error.contains("its ingestion failed"), "{tool}: a mixture of two archives is not read: {why}");
    }
    assert!(search("former").await.is_err());

    let second = ingest(&account, &at).await.unwrap();
    assert_eq!((second.file_count, second.already), (3, false));
    assert_eq!((search("former").await.unwrap(), search("latter").await.unwrap()), (0, 2));
    let errors = account.call("errors", of_node.clone()).await.unwrap();
    assert_eq!(
        (&errors["cached"], errors["findings"].to_string().contains("dmesg")),
        (&json!(true), false),
        "{errors}"
    );
    let validated = account.call("validate", of_node.clone()).await.unwrap();
    assert_eq!(validated["staleFiles"], json!(["kernel/dmesg.human.current"]));
    assert_eq!((&validated["fileCount"], &validated["mismatches"]), (&json!(3), &json!([])), "{validated}");
    let stale = format!("{name}/extracted/kernel/dmesg.human.current");
    for tool in ["read", "artifact"] {
        let why = account.call(tool, json!({ "logKey": stale })).await.unwrap_err();
        assert_eq!(why.code, Code::NotFound, "{tool}: {why}");
    }
    assert!(ingest(&account, &at).await.unwrap().already);

    // One that cannot be read touches nothing; it is said that there is a newer one.
    account.bucket.put(&at, "no archive at all".into(), PutMode::Overwrite).await.unwrap();
    assert_eq!(ingest(&account, &at).await.unwrap_err().code, Code::Unreadable);
    assert_eq!(search("latter").await.unwrap(), 2);
    let validated = account.call("validate", of_node).await.unwrap();
    assert!(validated["ingestFailure"].as_str().unwrap().contains("failed at"), "{validated}");
    assert!(validated["warning"].as_str().unwrap().contains("former bundle"), "{validated}");
}

/// An archive that is replaced while it is read: what is stored is of the later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_changes_meanwhile_is_ingested_as_it_is_last() {
    let Some(servers) = servers("an_archive_that_changes_meanwhile_is_ingested_as_it_is_last") else { return };
    let account = Account::new(&servers).await;
    let at = path(&format!("eks_{NODE}_2026-11-20_0312-UTC_0.7.9.tar"));
    let files = |text: &'static str| archive(&[("kubelet/kubelet.log", text), ("kubelet/config.json", "{}")]);
    account.bucket.put(&at, files("former\n"), PutMode::Create).await.unwrap();
    // The first write of a member is held up until the archive is replaced, by somebody with a connection of their own.
    let (endpoint, location) = (servers.s3.clone(), account.bucket.location().clone());
    let (done, replaced_at) = (std::sync::atomic::AtomicBool::new(false), at.clone());
    account.s3.fail(1, Fault::Reset, move |seen| {
        let first = seen.method == "PUT" && seen.target.contains("/kubelet/");
        if first && !done.swap(true, std::sync::atomic::Ordering::SeqCst) {
            let (endpoint, location, at) = (endpoint.clone(), location.clone(), replaced_at.clone());
            let replace = async move {
                let store = S3Store::new(&sdk_config(&endpoint, "us-east-1"), location, Patience::default());
                store.put(&at, files("latter\n"), PutMode::Overwrite).await.unwrap();
            };
            let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            std::thread::spawn(move || runtime().block_on(replace)).join().unwrap();
        }
        false
    });
    ingest(&account, &at).await.unwrap();
    let arguments = json!({ "instanceId": NODE, "query": "latter" });
    assert_eq!(account.call("search", arguments).await.unwrap()["totalMatches"], 1);
}

/// The cluster for which a node was collected learns what is normal from healthy nodes, each bundle once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthy_bundles_teach_their_cluster() {
    let Some(servers) = servers("healthy_bundles_teach_their_cluster") else { return };
    let account = Account::new(&servers).await;
    let record = async |execution: &str, cluster: &str| {
        let text = json!({ "executionId": execution, "region": "us-east-1", "cluster": cluster }).to_string();
        let at = path(&format!("execution-regions/{execution}.json"));
        account.bucket.put(&at, text.into(), PutMode::Create).await.unwrap();
    };
    let bundles = async || -> Value {
        let read = account.call("baseline", json!({ "clusterContext": "prod" })).await.unwrap();
        json!([read["bundles"], read["healthyBundles"]])
    };
    let execution = |number: usize| format!("00000000-0000-4000-8000-{number:012}");
    for number in 0..3 {
        let node = format!("i-{number:017x}");
        record(&execution(number), "prod").await;
        let at = path(&format!("eks_{node}_{}.tar", execution(number)));
        let quiet = archive(&[("kernel/dmesg.human.current", "[Fri Nov 20 02:31:09 2026] Linux version 6.12\n")]);
        account.bucket.put(&at, quiet, PutMode::Create).await.unwrap();
        for _ in 0..2 {
            let answer = ingest(&account, &at).await.unwrap();
            let learned = answer.learned.unwrap_or_default();
            assert!(answer.already || learned.starts_with("prod: "), "{learned}");
        }
    }
    assert_eq!(bundles().await, json!([3, 3]));
    // Rules of another program version would index it anew: it counts once all the same.
    let index = format!("eks_i-{:017x}_{}/extracted/findings_index.json", 0, execution(0));
    account.bucket.put(&path(&index), "{}".into(), PutMode::Overwrite).await.unwrap();
    let again = ingest(&account, &path(&format!("eks_i-{:017x}_{}.tar", 0, execution(0)))).await.unwrap();
    assert!(!again.already && again.learned.unwrap().contains("counts once"));
    // The bundle of an incident is no example of what is normal.
    record(&execution(9), "prod").await;
    let at = path(&format!("eks_{NODE}_{}.tar.gz", execution(9)));
    account.bucket.put(&at, support::sample().into(), PutMode::Create).await.unwrap();
    let learned = ingest(&account, &at).await.unwrap().learned.unwrap();
    assert!(learned.contains("nothing for prod"), "{learned}");
    assert_eq!(bundles().await, json!([3, 3]));
    // Nor is one of which nobody knows the cluster.
    let at = path(&format!("eks_{NODE}_{}.tar.gz", execution(10)));
    account.bucket.put(&at, support::sample().into(), PutMode::Create).await.unwrap();
    assert_eq!(ingest(&account, &at).await.unwrap().learned, None);
}
