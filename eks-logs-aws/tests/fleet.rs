//! Clusters, regions and batches, over the wire: EC2 and EKS are moto, or where there are thousands of machines our fake, as SSM and
//! Kubernetes are.
#![cfg(feature = "inventory")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::types::{InstanceType, ResourceType, Tag, TagSpecification};
use aws_sdk_eks::types::{NodegroupScalingConfig, VpcConfigRequest};
use eks_logs_aws::testing::{FakeCluster, FakeGroup, FakeNode, Fault, Servers, sdk_config, servers};
use eks_logs_core::StoreExt as _;
use eks_logs_core::StorePath;
use eks_logs_tools::Code;
use serde_json::{Value, json};
use support::Account;

/// Machines with tags, in one reservation; their ids.
async fn machines(servers: &Servers, region: &str, kind: &str, count: i32, tags: &[(&str, &str)]) -> Vec<String> {
    let ec2 = aws_sdk_ec2::Client::new(&sdk_config(&servers.moto, region));
    let tag = |(name, value): &(&str, &str)| Tag::builder().key(*name).value(*value).build();
    let spec = TagSpecification::builder()
        .resource_type(ResourceType::Instance)
        .set_tags(Some(tags.iter().chain(&[("Name", "test")]).map(tag).collect()))
        .build();
    let run = ec2
        .run_instances()
        .image_id("ami-1e749f67")
        .instance_type(InstanceType::from(kind))
        .min_count(count)
        .max_count(count)
        .tag_specifications(spec);
    let got = run.send().await.unwrap();
    got.instances().iter().map(|machine| machine.instance_id().unwrap().to_owned()).collect()
}

async fn cluster(servers: &Servers, region: &str, groups: &[(&str, i32)]) -> String {
    let eks = aws_sdk_eks::Client::new(&sdk_config(&servers.moto, region));
    let name = Servers::fresh_name("cluster");
    let vpc = VpcConfigRequest::builder().subnet_ids("subnet-1").build();
    let role = "arn:aws:iam::123456789012:role/eks";
    eks.create_cluster().name(&name).role_arn(role).resources_vpc_config(vpc).send().await.unwrap();
    for (group, desired) in groups {
        let scaling = NodegroupScalingConfig::builder().desired_size(*desired).min_size(1).max_size(2000).build();
        eks.create_nodegroup()
            .cluster_name(&name)
            .nodegroup_name(*group)
            .node_role(role)
            .subnets("subnet-1")
            .scaling_config(scaling)
            .send()
            .await
            .unwrap();
    }
    name
}

/// How often each operation was called.
fn counted(calls: &[String]) -> BTreeMap<&str, usize> {
    calls.iter().fold(BTreeMap::new(), |mut counts, call| {
        *counts.entry(call.as_str()).or_default() += 1;
        counts
    })
}

fn registered(id: &str, ready: &str, reason: &str) -> Value {
    json!({
        "metadata": { "name": format!("{id}.internal") },
        "spec": { "providerID": format!("aws:///eu-central-1a/{id}") },
        "status": {
            "nodeInfo": { "kubeletVersion": "v1.33.1" },
            "conditions": [{ "type": "Ready", "status": ready, "reason": reason }],
        },
    })
}

/// A node is found wherever it is; what is wrong with the question or with the node is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_found_in_its_region() {
    let Some(servers) = servers("a_node_is_found_in_its_region") else { return };
    let account = Account::with(&servers, |options| options.step = Duration::from_secs(60)).await.knowing_the_fleet();
    let tags = [("kubernetes.io/cluster/far-away", "owned")];
    let far = machines(&servers, "ap-southeast-2", "m5.large", 1, &tags).await.remove(0);
    let answer = account.call("collect", json!({ "instanceId": far })).await.unwrap();
    assert_eq!(answer["region"], "ap-southeast-2");
    assert_eq!(account.fake.executions()[0].2, "ap-southeast-2");
    let record = format!("execution-regions/{}.json", answer["executionId"].as_str().unwrap());
    let record = account.bucket.get_all(&StorePath::parse(&record).unwrap()).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&record).unwrap()["cluster"], "far-away", "by the node's tags");
    let status = account.call("status", json!({ "executionId": answer["executionId"] })).await.unwrap();
    assert_eq!(status["region"], "ap-southeast-2", "remembered");
    // Even when the record is lost, it is found.
    let history = account.call("history", json!({ "instanceId": far })).await.unwrap();
    assert_eq!((&history["count"], &history["collections"][0]["region"]), (&json!(1), &json!("ap-southeast-2")));
    assert!(history["searchedRegions"].as_array().unwrap().len() > 10);

    let nowhere = account.call("collect", json!({ "instanceId": "i-0fedcba9876543210" })).await.unwrap_err();
    assert_eq!(nowhere.code, Code::NotFound);
    assert!(nowhere.error.contains("all") && nowhere.error.contains("enabled regions"), "{nowhere}");
    let elsewhere = account.call("collect", json!({ "instanceId": far, "region": "us-west-2" })).await.unwrap_err();
    assert!(elsewhere.error.contains("is not in us-west-2"), "{elsewhere}");
    for malformed in ["us-west", "US-WEST-2", "us-west-2/x", ""] {
        let why = account.call("collect", json!({ "instanceId": far, "region": malformed })).await.unwrap_err();
        assert_eq!(why.code, Code::BadArgument, "{malformed:?}: {why}");
    }
    // A region that does not answer is not one in which nothing is.
    account
        .ssm
        .fail(usize::MAX, Fault::Xml(403, "UnauthorizedOperation"), |seen| seen.operation == "DescribeInstances");
    let denied = account.call("collect", json!({ "instanceId": "i-0fedcba9876543210" })).await.unwrap_err();
    assert_ne!(denied.code, Code::NotFound, "{denied}");
    assert!(denied.error.contains("could not be asked"), "{denied}");
    account.ssm.reset();
    let stall = Fault::Stall(Duration::from_secs(30));
    account.ssm.fail(usize::MAX, stall, |seen| seen.operation == "DescribeInstances");
    let late = account.call("collect", json!({ "instanceId": "i-0fedcba9876543210" })).await.unwrap_err();
    assert!(late.error.contains("within 20 seconds"), "{late}");
    account.ssm.reset();

    let ec2 = aws_sdk_ec2::Client::new(&sdk_config(&servers.moto, "ap-southeast-2"));
    for (how, words) in [("stop", "stop"), ("terminate", "its logs are gone")] {
        if how == "stop" {
            ec2.stop_instances().instance_ids(&far).send().await.unwrap();
        } else {
            ec2.terminate_instances().instance_ids(&far).send().await.unwrap();
        }
        let why = account.call("collect", json!({ "instanceId": far })).await.unwrap_err();
        assert_eq!(why.code, Code::NotCollectable, "{why}");
        assert!(why.error.contains(words), "{why}");
    }
}

/// Managed, Karpenter's, Auto Mode's, self-managed and hybrid nodes; and what one side knows and the other does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_kinds_of_nodes_of_a_cluster() {
    let Some(servers) = servers("all_kinds_of_nodes_of_a_cluster") else { return };
    let account = Account::new(&servers).await.knowing_the_fleet();
    let region = "eu-central-1";
    let name = cluster(&servers, region, &[("web", 3)]).await;
    let owned = format!("kubernetes.io/cluster/{name}");
    let managed = machines(
        &servers,
        region,
        "m5.large",
        2,
        &[("eks:cluster-name", &name), ("eks:nodegroup-name", "web"), (&owned, "owned")],
    )
    .await;
    let karpenter = machines(
        &servers,
        region,
        "c5.large",
        1,
        &[("eks:eks-cluster-name", &name), ("karpenter.sh/nodepool", "spot")],
    )
    .await;
    let auto = machines(
        &servers,
        region,
        "c6g.large",
        1,
        &[
            ("eks:eks-cluster-name", &name),
            ("eks:kubernetes-node-class-name", "default"),
            ("eks:kubernetes-node-pool-name", "system"),
        ],
    )
    .await;
    let own = machines(&servers, region, "r5.large", 1, &[(&owned, "owned")]).await;
    machines(&servers, region, "m5.large", 1, &[("eks:cluster-name", "another")]).await;
    let hybrid = "mi-0123456789abcdef0";
    let arn = format!("arn:aws:eks:{region}:123456789012:cluster/{name}");
    account.fake.node(hybrid, FakeNode { cluster_arn: Some(arn), ..FakeNode::default() });
    account.fake.node(&own[0], FakeNode { ping: "ConnectionLost".to_owned(), ..FakeNode::default() });
    account.fake.node(&auto[0], FakeNode { ping: String::new(), ..FakeNode::default() });
    account.fake.kubernetes(json!([
        registered(&managed[0], "True", "KubeletReady"),
        registered(&managed[1], "False", "KubeletNotReady"),
        registered(&karpenter[0], "Unknown", "NodeStatusUnknown"),
        registered(&auto[0], "True", "KubeletReady"),
        registered(hybrid, "True", "KubeletReady"),
        registered("i-0fedcba9876543210", "True", "KubeletReady"),
    ]));
    let health = account.call("cluster_health", json!({ "clusterName": name })).await.unwrap();
    assert_eq!((&health["cluster"]["region"], &health["confidence"]), (&json!(region), &json!("high")));
    let nodes: BTreeMap<&str, &Value> =
        health["nodes"].as_array().unwrap().iter().map(|node| (node["instanceId"].as_str().unwrap(), node)).collect();
    let mut kinds: Vec<(&str, &str)> = nodes
        .values()
        .map(|node| (node["provisioner"].as_str().unwrap(), node["ready"].as_str().unwrap_or("none")))
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            ("auto-mode", "True"),
            ("hybrid", "True"),
            ("karpenter", "Unknown"),
            ("nodegroup", "False"),
            ("nodegroup", "True"),
            ("self-managed", "none")
        ]
    );
    assert_eq!(nodes[auto[0].as_str()]["ssmStatus"], "NotRegistered");
    assert!(nodes[auto[0].as_str()]["notCollectable"].as_str().unwrap().contains("Auto Mode"));
    let unhealthy: BTreeMap<&str, &Value> = health["unhealthyNodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["instanceId"].as_str().unwrap(), &node["reasons"]))
        .collect();
    assert_eq!(unhealthy[managed[1].as_str()], &json!(["NotReady/KubeletNotReady"]));
    assert_eq!(unhealthy[karpenter[0].as_str()], &json!(["ReadyUnknown/NodeStatusUnknown"]));
    assert_eq!(unhealthy[own[0].as_str()], &json!(["not-joined", "ssm-ConnectionLost"]));
    assert_eq!(unhealthy.len(), 3, "Auto Mode without SSM is well");
    let gaps: BTreeMap<&str, &str> = health["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| (gap["kind"].as_str().unwrap(), gap["detail"].as_str().unwrap()))
        .collect();
    assert!(gaps["not-in-ec2"].contains("i-0fedcba9876543210"), "{gaps:?}");
    assert!(gaps["not-in-kubernetes"].contains(&own[0]));
    assert!(gaps["desired-size"].contains("should have 3") && gaps["desired-size"].contains("2 run"));
    let summary = &health["healthSummary"];
    assert_eq!(
        (&summary["totalNodes"], &summary["ready"], &summary["unhealthyCount"]),
        (&json!(6), &json!(3), &json!(3))
    );

    // Without SSM, and where SSM refuses.
    let quiet =
        account.call("cluster_health", json!({ "clusterName": name, "includeSSMStatus": false })).await.unwrap();
    assert_eq!((&quiet["confidence"], &quiet["nodes"][0]["ssmStatus"]), (&json!("medium"), &Value::Null));
    account.ssm.fail(usize::MAX, Fault::Json(400, "AccessDeniedException"), |seen| {
        seen.operation == "DescribeInstanceInformation"
    });
    let refused = account.call("cluster_health", json!({ "clusterName": name })).await.unwrap();
    assert_eq!(refused["confidence"], "medium");
    assert!(refused["gaps"].as_array().unwrap().iter().any(|gap| gap["kind"] == "ssm"), "{refused}");
    account.ssm.reset();
    let missing = account.call("cluster_health", json!({ "clusterName": "no-such-cluster" })).await.unwrap_err();
    assert_eq!(missing.code, Code::NotFound, "{missing}");
    let bad = account.call("cluster_health", json!({ "clusterName": "a b" })).await.unwrap_err();
    assert_eq!(bad.code, Code::BadArgument);
}

/// Twelve hundred nodes: few calls, a plan that says what it can show, and a batch that survives its caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_twelve_hundred_nodes() {
    let Some(servers) = servers("a_batch_of_twelve_hundred_nodes") else { return };
    let account = Account::new(&servers).await.knowing_the_fleet();
    let region = "us-east-1";
    let name = Servers::fresh_name("fleet");
    let group = |name: &str, instance_type: &str, nodes| FakeGroup {
        name: name.to_owned(),
        instance_type: instance_type.to_owned(),
        nodes,
    };
    let ids = account.fake.cluster(FakeCluster {
        name: name.clone(),
        region: region.to_owned(),
        groups: vec![group("web", "m5.large", 800), group("batch", "c5.large", 400)],
    });
    assert_eq!(ids.len(), 1200);
    let nodes: Vec<Value> = ids
        .iter()
        .enumerate()
        .map(|(number, id)| match number % 40 {
            0 => registered(id, "False", "KubeletNotReady"),
            1 => registered(id, "Unknown", "NodeStatusUnknown"),
            _ => registered(id, "True", "KubeletReady"),
        })
        .collect();
    account.fake.kubernetes(Value::Array(nodes));
    for id in ids.iter().step_by(80) {
        account.fake.node(id, FakeNode { ping: "ConnectionLost".to_owned(), ..FakeNode::default() });
    }
    account.fake.take_calls();
    let began = std::time::Instant::now();
    let ask = json!({ "clusterName": name, "dryRun": true });
    let planned = account.call("batch_collect", ask.clone()).await.unwrap();
    let took = began.elapsed();
    let calls = account.fake.take_calls();
    println!("dry run over 1200 nodes: {took:?}, {} calls: {:?}", calls.len(), counted(&calls));
    assert_eq!((&planned["totalNodes"], &planned["filteredNodes"]), (&json!(1200), &json!(60)));
    assert_eq!(planned["notCollectable"].as_array().unwrap().len(), 15, "offline ones are said and not planned");
    assert_eq!(
        calls.iter().filter(|call| *call == "DescribeInstanceInformation").count(),
        24 + 1,
        "fifty at a time, and hybrid nodes"
    );
    let of = |operation: &str| calls.iter().filter(|call| *call == operation).count();
    assert_eq!(of("DescribeInstances"), 2 + 2 + 1, "three tags, a thousand machines a page");
    assert_eq!(calls.len(), 5 + 25 + 1 + 1 + 2, "and the cluster, its nodegroups, each of them: {calls:?}");
    assert_eq!(calls.iter().filter(|call| *call == "StartAutomationExecution").count(), 0);
    let bucket = &planned["buckets"][0];
    assert!(bucket["chances"][3]["chance"].as_f64().unwrap() > 0.8, "{bucket}");
    assert!(!planned["limits"].as_array().unwrap().is_empty());
    let again = account.call("batch_collect", ask).await.unwrap();
    assert_eq!(again["buckets"], planned["buckets"], "the same question draws the same nodes");

    account.fake.take_calls();
    let began = std::time::Instant::now();
    let started = account.call("batch_collect", json!({ "clusterName": name })).await.unwrap();
    let (took, calls) = (began.elapsed(), account.fake.take_calls());
    println!("batch start over 1200 nodes: {took:?}, {} calls: {:?}", calls.len(), counted(&calls));
    let of = |operation: &str| calls.iter().filter(|call| *call == operation).count();
    assert_eq!((of("DescribeInstances"), of("DescribeInstanceInformation")), (5, 25), "{calls:?}");
    let count = planned["plannedCollections"].as_u64().unwrap();
    assert_eq!((started["collectionsStarted"].as_u64(), started["collectionsFailed"].as_u64()), (Some(count), Some(0)));
    let batch = started["batchId"].as_str().unwrap();

    let first = started["executions"][0]["executionId"].as_str().unwrap();
    let remembered = StorePath::parse(&format!("execution-regions/{first}.json")).unwrap();
    let remembered: Value = serde_json::from_slice(&account.bucket.get_all(&remembered).await.unwrap()).unwrap();
    assert_eq!(remembered["cluster"], name.as_str(), "whose baseline is to learn from the bundle");

    // The record of a caller that died after the starts: what it lacks is completed from the claims.
    let record = StorePath::parse(&format!("batches/{batch}/metadata.json")).unwrap();
    let mut lost: Value = serde_json::from_slice(&account.bucket.get_all(&record).await.unwrap()).unwrap();
    for execution in lost["executions"].as_array_mut().unwrap() {
        execution["executionId"] = Value::Null;
        execution["status"] = json!("planned");
    }
    use eks_logs_core::StoreWriter as _;
    account.bucket.put(&record, lost.to_string().into(), eks_logs_core::PutMode::Overwrite).await.unwrap();
    let status = account.call("batch_status", json!({ "batchId": batch })).await.unwrap();
    assert_eq!(status["summary"]["total"].as_u64(), Some(count));
    assert!(status["executions"].as_array().unwrap().iter().all(|member| member["executionId"].is_string()));
    let completed: Value = serde_json::from_slice(&account.bucket.get_all(&record).await.unwrap()).unwrap();
    assert!(completed["executions"].as_array().unwrap().iter().all(|execution| execution["executionId"].is_string()));

    for (arguments, words) in [
        (json!({ "clusterName": name, "samplesPerBucket": 6 }), "samplesPerBucket 6"),
        (json!({ "clusterName": name, "maxTotalCollections": 16 }), "maxTotalCollections 16"),
        (json!({ "clusterName": name, "groupBy": "colour" }), "colour"),
    ] {
        let why = account.call("batch_collect", arguments).await.unwrap_err();
        assert_eq!(why.code, Code::BadArgument);
        assert!(why.error.contains(words), "{why}");
    }
    for arguments in [json!({}), json!({ "batchId": "../x" }), json!({ "batchId": "b", "executionIds": ["x"] })] {
        assert_eq!(account.call("batch_status", arguments).await.unwrap_err().code, Code::BadArgument);
    }
    assert_eq!(account.call("batch_status", json!({ "batchId": "b-1" })).await.unwrap_err().code, Code::NotFound);
}
