//! A bucket as the store, with the real server: S3 is SeaweedFS, EC2 and EKS are moto, SSM our fake; skipped by name where they do not run.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use crate::cloud::Cloud;
use crate::support::{Client, call, modern, sample, structured, text};
use eks_logs_aws::testing::Proxy;
use eks_logs_core::{PutMode, StorePath, StoreWriter as _};
use rmcp::model::{PaginatedRequestParams, ReadResourceRequestParams};
use rmcp::service::ClientLifecycleMode;
use serde_json::{Value, json};

/// The fifteen tools, and ours, each on what the one before has left.
#[tokio::test(flavor = "multi_thread")]
async fn every_tool_works_on_an_account() {
    let Some(cloud) = Cloud::new("every_tool_works_on_an_account", |_| {}).await else { return };
    let region = "eu-central-1";
    let cluster = cloud.cluster(region).await;
    let nodes = cloud.machines(region, &cluster, 2).await;
    let client = cloud.serve(&["--tools", "all", "--whole-schemas"], Client::default(), modern()).await;
    let tools = client.list_all_tools().await.unwrap();
    let ask = async |tool: &str, given: Value| {
        let result = call(&client, tool, given.clone()).await;
        let answer = structured(&tools, tool, &result);
        assert_eq!(answer["success"], true, "{tool} {given}: {answer}");
        assert!(!text(&result).is_empty(), "{tool}");
        answer
    };
    let node = nodes[0].as_str();
    let collected = ask("collect", json!({ "instanceId": node, "idempotencyToken": "one" })).await;
    assert_eq!(collected["region"], region, "found without being told");
    let execution = collected["executionId"].as_str().unwrap().to_owned();
    cloud.ingested(node, &execution).await;
    let status = ask("status", json!({ "executionId": execution })).await;
    assert_eq!((&status["stage"], &status["automation"]["status"]), (&json!("ready"), &json!("completed")));
    let health = ask("cluster_health", json!({ "clusterName": cluster, "region": region })).await;
    assert_eq!(health["healthSummary"]["totalNodes"], 2);
    let batch = json!({ "clusterName": cluster, "region": region, "filter": "all" });
    let mut plan = batch.clone();
    plan["dryRun"] = true.into();
    assert_eq!(ask("batch_collect", plan).await["dryRun"], true);
    let started = ask("batch_collect", batch).await;
    for one in started["executions"].as_array().unwrap() {
        cloud.ingested(one["instanceId"].as_str().unwrap(), one["executionId"].as_str().unwrap()).await;
    }
    let done = ask("batch_status", json!({ "batchId": started["batchId"] })).await;
    assert_eq!((&done["allComplete"], &done["summary"]["succeeded"]), (&json!(true), &json!(2)));
    let history = ask("history", json!({ "instanceId": node, "region": region })).await;
    assert_eq!(history["collections"][0]["bundleExists"], true);

    let errors = ask("errors", json!({ "instanceId": node, "executionId": execution })).await;
    let bundle = errors["bundleId"].as_str().unwrap().to_owned();
    let finding = errors["findings"][0]["finding_id"].clone();
    let key = format!("eks_{bundle}/extracted/kernel/dmesg.human.current");
    let lines = ask("read", json!({ "logKey": key, "startLine": 1, "lineCount": 2 })).await;
    assert_eq!(lines["content"].as_str().unwrap().lines().count(), 2);
    for (tool, given) in [
        ("validate", json!({ "instanceId": node })),
        ("search", json!({ "instanceId": node, "query": "Out of memory" })),
        ("correlate", json!({ "instanceId": node })),
        ("summarize", json!({ "instanceId": node, "finding_ids": [finding] })),
        ("compare_nodes", json!({ "instanceIds": nodes })),
        ("network_diagnostics", json!({ "instanceId": node })),
        ("node_diagnostics", json!({ "instanceId": node })),
        ("triage", json!({ "instanceId": node })),
    ] {
        ask(tool, given).await;
    }
    let artifact = ask("artifact", json!({ "logKey": key })).await;
    let fetched = reqwest::get(artifact["presignedUrl"].as_str().unwrap()).await.unwrap();
    assert_eq!(
        (fetched.status().as_u16(), fetched.bytes().await.unwrap().len() as u64),
        (200, artifact["size"].as_u64().unwrap())
    );

    let offered: BTreeSet<String> = tools.iter().map(|tool| tool.name.to_string()).collect();
    let hidden = cloud.serve(&["--tools", "all", "--offline"], Client::default(), modern()).await;
    assert!(hidden.list_all_tools().await.unwrap().len() + 6 == offered.len(), "six tools need the account");
}

/// A bucket of many bundles: the list comes in pages, each bundle once, also those that nobody has extracted.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_listed_in_pages() {
    let Some(cloud) = Cloud::new("a_bucket_is_listed_in_pages", |_| {}).await else { return };
    let name = |number: usize| format!("i-0{number:016x}_11111111-2222-3333-4444-{number:012x}");
    let put = async |path: String, content: Vec<u8>| {
        cloud.bucket.put(&StorePath::parse(&path).unwrap(), content.into(), PutMode::Overwrite).await.unwrap();
    };
    for number in 0..70 {
        put(format!("eks_{}.tar.gz", name(number)), b"x".to_vec()).await;
    }
    // An archive and what was extracted from it are one bundle.
    for number in [0, 33, 69] {
        for file in ["kernel/dmesg.current", "kubelet/kubelet.log"] {
            put(format!("eks_{}/extracted/{file}", name(number)), b"[ 1.0] quiet\n".to_vec()).await;
        }
        // Written last: from here on the files are seen.
        put(format!("eks_{}/extracted/manifest.json", name(number)), b"{\"version\":2}".to_vec()).await;
    }
    for other in ["batches/b-1/metadata.json", "execution-regions/x.json", "eks_notes.txt", "zebra/file"] {
        put(other.to_owned(), b"{}".to_vec()).await;
    }
    let client = cloud.serve(&[], Client::default(), modern()).await;
    let (mut all, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = client.list_resources(Some(PaginatedRequestParams::default().with_cursor(cursor))).await.unwrap();
        assert!(page.resources.len() <= 101, "{}", page.resources.len());
        all.extend(page.resources.into_iter().map(|resource| resource.uri));
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!(pages > 1);
    let unique: BTreeSet<&String> = all.iter().collect();
    assert_eq!(unique.len(), all.len(), "each once");
    let bundles = all.iter().filter(|uri| uri.ends_with("/findings")).count();
    let files = all.iter().filter(|uri| uri.contains("/file/k")).count();
    assert_eq!((bundles, files), (70, 6), "{all:?}");
    let about = ReadResourceRequestParams::new(format!("eks-logs://bundle/{}", name(33)));
    let about = serde_json::to_value(client.read_resource(about).await.unwrap()).unwrap();
    assert!(about.to_string().contains("i-00000000000000021"), "{about}");
    let unread = ReadResourceRequestParams::new(format!("eks-logs://bundle/{}/findings", name(1)));
    let why = client.read_resource(unread).await.unwrap_err();
    assert!(why.to_string().contains("not extracted yet"), "{why}");
}

/// What a client asks first is answered without a word to anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_tools_needs_no_network() {
    let Some(cloud) = Cloud::new("a_list_of_tools_needs_no_network", |_| {}).await else { return };
    let (s3, rest) = (Proxy::before(&cloud.servers.s3).await, Proxy::before(&cloud.servers.moto).await);
    for lifecycle in [ClientLifecycleMode::Initialize, modern()] {
        let (s3, rest) = (s3.url(), rest.url());
        let client = cloud
            .serve_with(&[], Client::default(), lifecycle, |command| {
                // Without a region and keys in the environment the SDK asks the machine.
                command
                    .env("AWS_ENDPOINT_URL", &rest)
                    .env("AWS_ENDPOINT_URL_S3", &s3)
                    .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &rest)
                    .env("AWS_EC2_METADATA_DISABLED", "false")
                    .env("AWS_CONFIG_FILE", "/nonexistent")
                    .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
                for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                    command.env_remove(name);
                }
            })
            .await
            .0;
        assert!(client.list_all_tools().await.unwrap().len() > 5);
        client.list_all_prompts().await.unwrap();
        client.list_all_resource_templates().await.unwrap();
    }
    assert_eq!((s3.seen().len(), rest.seen().len()), (0, 0), "{:?} {:?}", s3.seen(), rest.seen());
}

/// A bundle that was not indexed is read once, however often it is asked about; and again when it has changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_in_a_bucket_is_scanned_once() {
    let Some(cloud) = Cloud::new("a_bundle_in_a_bucket_is_scanned_once", |_| {}).await else { return };
    let node = "i-0a1b2c3d4e5f60718";
    let root = format!("eks_{node}_11111111-2222-3333-4444-555555555555/extracted");
    let dmesg = StorePath::parse(&format!("{root}/kernel/dmesg.human.current")).unwrap();
    let line = "[Sat Nov 21 05:00:01 2026] nf_conntrack: nf_conntrack: table full, dropping packet\n";
    cloud.bucket.put(&dmesg, line.into(), PutMode::Overwrite).await.unwrap();
    let s3 = Proxy::before(&cloud.servers.s3).await;
    let url = s3.url();
    let (client, _) = cloud
        .serve_with(&[], Client::default(), modern(), |command| {
            command.env("AWS_ENDPOINT_URL_S3", &url);
        })
        .await;
    let count = async || {
        let answer = call(&client, "errors", json!({ "instanceId": node })).await.structured_content.unwrap();
        assert_eq!(answer["success"], true, "{answer}");
        answer["findings"][0]["count"].as_u64().unwrap()
    };
    let reads = || s3.count(|seen| seen.target.contains("dmesg.human.current"));
    assert_eq!((count().await, reads()), (1, 1));
    assert_eq!((count().await, reads()), (1, 1), "kept");
    cloud.bucket.put(&dmesg, line.repeat(2).into(), PutMode::Overwrite).await.unwrap();
    assert_eq!((count().await, reads()), (2, 2), "it has changed");
}

/// What the command line asks for and a bucket cannot give.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_store_says_why() {
    for (args, words) in [
        (vec!["--store", "s3://UPPER"], "s3://my-logs"),
        (vec!["--store", "s3://"], "s3://my-logs"),
        (vec!["--store", "s3://logs/eks_i-0a1b2c3d4e5f60718_2026-11-20_0312-UTC_0.7.9.tar.gz"], "the place around it"),
        (vec!["--store", sample().to_str().unwrap(), "--document", "Mine"], "give --store s3://BUCKET"),
    ] {
        let run = tokio::process::Command::new(env!("CARGO_BIN_EXE_eks-logs-mcp")).args(&args).output().await.unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    let Some(cloud) = Cloud::new("what_cannot_be_a_store_says_why", |_| {}).await else { return };
    // A bucket that is not there is an error of each call, never an empty list.
    let client = cloud.serve_store("s3://no-such-bucket-here", &["--tools", "all"]).await;
    let tools = client.list_all_tools().await.unwrap();
    let result = call(&client, "errors", json!({ "instanceId": "i-0a1b2c3d4e5f60718" })).await;
    assert_eq!(structured(&tools, "errors", &result)["success"], false);
    assert!(client.list_resources(None).await.is_err());
}
