//! Commands that need an account, with the real binary: S3 is SeaweedFS, EC2 is moto, SSM our fake; skipped by name where they do not run.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use support::{Run, binary};

struct Servers {
    s3: String,
    fake: String,
}

fn servers(test: &str) -> Option<Servers> {
    let of = |name: &str| std::env::var(name).ok();
    let found = of("EKS_LOGS_TEST_S3").zip(of("EKS_LOGS_TEST_FAKE_SSM"));
    if found.is_none() {
        println!("skipped: {test}: needs SeaweedFS, moto and fake_ssm (python3 .ci/services.py cargo test ...)");
    }
    found.map(|(s3, fake)| Servers { s3, fake })
}

impl Servers {
    /// A request that nobody signs: moto and the fake do not mind.
    fn send(&self, line: &str, region: &str, body: &str) -> String {
        let host = self.fake.trim_start_matches("http://");
        let mut connection = TcpStream::connect(host).unwrap();
        // moto tells services apart by the scope of the signature.
        let (service, kind) = match line.starts_with("POST /clusters") {
            true => ("eks", "application/json"),
            false => ("ec2", "application/x-www-form-urlencoded"),
        };
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20261120/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    fn bucket(&self, what: &str) -> String {
        let name = format!("cli-{what}-{}", std::process::id());
        assert!(self.send(&format!("PUT /_fake/buckets/{name}"), "us-east-1", "").contains("200"));
        format!("s3://{name}")
    }

    fn machine(&self, region: &str) -> String {
        let body = "Action=RunInstances&Version=2016-11-15&ImageId=ami-1e749f67&MinCount=1&MaxCount=1";
        let answer = self.send("POST /", region, body);
        let (_, rest) = answer.split_once("<instanceId>").expect("a machine");
        rest.split_once('<').unwrap().0.to_owned()
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = binary();
        command
            .args(args)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "testsecret")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", &self.fake)
            .env("AWS_ENDPOINT_URL_S3", &self.s3)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_PROFILE");
        command.output().expect("the binary runs").into()
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        let run = self.run(&[args, &["--format", "json"]].concat());
        assert_eq!(run.status, 0, "{args:?}: {}", run.stderr);
        serde_json::from_str(&run.stdout).unwrap()
    }
}

/// One command from the node to the report; then every other command on what it left.
#[test]
fn collect_and_wait_to_the_report() {
    let Some(servers) = servers("collect_and_wait_to_the_report") else { return };
    let (store, node) = (servers.bucket("collect"), servers.machine("eu-central-1"));
    let store = store.as_str();
    let run = servers.run(&["collect", &node, "--store", store, "--wait", "--poll-seconds", "1"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    for stage in ["collecting: ", "extracting: ", "ready: "] {
        assert!(run.stderr.contains(stage), "{stage} is not in {}", run.stderr);
    }
    assert!(run.stdout.contains("The OOM killer took a node daemon"), "{}", run.stdout);

    let history = servers.json(&["history", "--store", store, "--instance-id", &node]);
    let row = &history["collections"][0];
    assert_eq!((row["region"].as_str(), row["bundleExists"].as_bool()), (Some("eu-central-1"), Some(true)));
    let execution = row["executionId"].as_str().unwrap();
    let status = servers.json(&["status", execution, "--store", store]);
    assert_eq!((status["automation"]["status"].as_str(), status["stage"].as_str()), (Some("completed"), Some("ready")));

    // The bundle by node, by location, and as the archive.
    let of_node = servers.json(&["errors", "--store", store, "--instance-id", &node, "--severity", "critical"]);
    assert_eq!(of_node["cached"], true);
    let directory = format!("{store}/eks_{node}_{execution}");
    let of_directory = servers.json(&["errors", &directory, "--severity", "critical"]);
    let of_archive = servers.json(&["errors", &format!("{directory}.tar.gz"), "--severity", "critical"]);
    assert!(of_node["totalFindings"].as_u64().unwrap() >= 3);
    assert_eq!(of_node["findings"], of_directory["findings"]);
    assert_eq!(of_node["findings"], of_archive["findings"]);
    let found = servers.json(&["search", &directory, "Out of memory", "--log-types", "kernel"]);
    assert!(found["totalMatches"].as_u64().unwrap() > 0);
    let lines =
        servers.run(&["read", &directory, "kernel/dmesg.human.current", "--start-line", "1", "--line-count", "1"]);
    assert_eq!(lines.status, 0, "{}", lines.stderr);
    let artifact = servers.json(&["artifact", &directory, "kernel/dmesg.human.current"]);
    assert!(artifact["presignedUrl"].as_str().unwrap().contains("X-Amz-Expires=900"), "{artifact}");

    let again = servers.json(&["ingest", &format!("eks_{node}_{execution}.tar.gz"), "--store", store]);
    assert_eq!(again["already"], true);
}

/// A collection that fails: the cause and the fix, and an exit status for scripts.
#[test]
fn a_failed_collection_for_people() {
    let Some(servers) = servers("a_failed_collection_for_people") else { return };
    let (store, node) = (servers.bucket("failed"), servers.machine("us-east-1"));
    let said = r#"{"fails":{"step":"uploadLogs","message":"An error occurred (AccessDenied) when calling the PutObject operation"}}"#;
    servers.send(&format!("PUT /_fake/nodes/{node}"), "us-east-1", said);
    let run = servers.run(&["collect", &node, "--store", &store, "--wait", "--poll-seconds", "1"]);
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert!(run.stderr.contains("allow s3:PutObject on the bucket's objects"), "{}", run.stderr);
    let history = servers.json(&["history", "--store", &store, "--instance-id", &node, "--region", "us-east-1"]);
    let execution = history["collections"][0]["executionId"].as_str().unwrap().to_owned();
    let run = servers.run(&["status", &execution, "--store", &store]);
    insta::assert_snapshot!(
        run.stdout.replace(&node, "NODE").replace(&execution, "EXECUTION").replace(&store, "STORE")
    );
    assert_eq!(history["collections"][0]["status"], "failed");
}

/// Killed between its claim and the start: the next call recovers, and one execution is alive.
#[cfg(unix)]
#[test]
fn a_caller_that_is_killed_leaves_nothing_behind() {
    let Some(servers) = servers("a_caller_that_is_killed_leaves_nothing_behind") else { return };
    let (store, node) = (servers.bucket("killed"), servers.machine("us-east-1"));
    let mut command = binary();
    command
        .args(["collect", &node, "--store", &store, "--idempotency-token", "t"])
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "testsecret")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", &servers.fake)
        .env("AWS_ENDPOINT_URL_S3", &servers.s3);
    // Its start is heard and not answered: it is killed when it has claimed and nothing runs yet.
    let control = format!("PUT /_fake/nodes/{node}");
    servers.send(&control, "us-east-1", r#"{"hangs":false}"#);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    while !servers.send(&format!("GET /_fake/nodes/{node}"), "us-east-1", "").contains("\"asked\":1") {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it started anything");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    servers.send(&control, "us-east-1", "{}");
    let recovered = servers.json(&["collect", &node, "--store", &store, "--idempotency-token", "t"]);
    let again = servers.json(&["collect", &node, "--store", &store, "--idempotency-token", "t"]);
    assert_eq!(recovered["executionId"], again["executionId"]);
    let history = servers.json(&["history", "--store", &store, "--instance-id", &node, "--region", "us-east-1"]);
    assert_eq!(history["count"], 1, "{history}");
}

/// Without an account that answers everything, doctor says what holds, what does not and what is not known, and scripts hear of it.
#[test]
fn doctor_prints_the_fix() {
    let Some(servers) = servers("doctor_prints_the_fix") else { return };
    let (store, name) = (servers.bucket("doctor"), format!("doctor-{}", std::process::id()));
    let body = format!(
        r#"{{"name":"{name}","roleArn":"arn:aws:iam::123456789012:role/eks","resourcesVpcConfig":{{"subnetIds":["s"]}}}}"#
    );
    assert!(servers.send("POST /clusters", "us-east-1", &body).contains("200"));
    let args = ["doctor", "--cluster", &name, "--store", &store, "--region", "us-east-1"];
    let run = servers.run(&args);
    assert_eq!(run.status, 1, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("ok      document AWSSupport-CollectEKSInstanceLogs: it is in us-east-1"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("failed  nodes") && run.stdout.contains("        fix: see that the nodes are tagged"),
        "{}",
        run.stdout
    );
    let run = servers.run(&[&args[..], &["--format", "json"]].concat());
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((answer["success"].as_bool(), answer["healthy"].as_bool()), (Some(true), Some(false)));
    assert!(
        answer["checks"].as_array().unwrap().iter().any(|check| check["id"] == "nodes" && check["status"] == "failed")
    );
}

#[test]
fn what_cannot_work_says_why() {
    for (args, words) in [
        (vec!["collect", "i-0123456789abcdef0"], "--store"),
        (vec!["collect", "i-0123456789abcdef0", "--store", "/tmp"], "collections arrive in a bucket"),
        (vec!["collect", "i-0123456789abcdef0", "--store", "s3://UPPER"], "s3://my-logs"),
        (vec!["collect", "i-0123456789abcdef0", "--store", "s3://bucket", "--poll-seconds", "0"], "--poll-seconds"),
        (vec!["collect", "i-0123456789abcdef0", "--store", "s3://bucket", "--no-ingest"], "--wait"),
        (vec!["batch-collect", "prod", "--store", "s3://bucket", "--filter", "some"], "unhealthy"),
        (vec!["batch-status", "--store", "s3://bucket"], "BATCH"),
        (vec!["triage", "s3://a"], "s3://my-logs"),
    ] {
        let run = support::eks_logs(&args);
        assert_eq!(run.status, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{words:?} is not in: {}", run.stderr);
    }
    let Some(servers) = servers("what_cannot_work_says_why") else { return };
    let store = servers.bucket("bad");
    for (args, status, words) in [
        (vec!["collect", "i-1", "--store", &store], 2, "not a valid instance id"),
        (vec!["collect", "i-0123456789abcdef0", "--store", &store, "--region", "Frankfurt"], 2, "not a valid region"),
        (vec!["collect", "i-0fedcba9876543210", "--store", &store], 3, "is nowhere"),
        (vec!["status", "x", "--store", &store], 2, "not a valid execution id"),
        (vec!["status", "00000000-0000-4000-8000-00000000ffff", "--store", &store], 3, "no execution"),
        (vec!["history", "--store", &store, "--max-results", "51"], 2, "maxResults 51"),
        (vec!["history", "--store", &store, "--status", "sleepy"], 2, "sleepy"),
        (vec!["cluster-health", "no-such-cluster", "--store", &store], 3, "no-such-cluster"),
        (vec!["doctor", "--cluster", "no-such-cluster", "--store", &store], 3, "no-such-cluster"),
        (vec!["doctor", "--cluster", "not a name", "--store", &store], 2, "clusterName"),
        (vec!["batch-collect", "prod", "--store", &store, "--samples-per-bucket", "9"], 2, "samplesPerBucket 9"),
        (vec!["batch-status", "b-1", "--store", &store], 3, "no batch"),
        (vec!["ingest", "notes.txt", "--store", &store], 2, "not the name of an archive"),
        (vec!["ingest", "eks_x.tar.gz", "--store", &store], 3, "not found"),
        (vec!["triage", "s3://no-such-bucket-here/eks_x"], 3, "not found"),
        (vec!["errors", "--store", &store, "--instance-id", "i-0123456789abcdef0"], 3, "no bundle of"),
    ] {
        let run = servers.run(&args);
        assert_eq!(run.status, status, "{args:?}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(words), "{words:?} is not in: {}", run.stderr);
    }
}
