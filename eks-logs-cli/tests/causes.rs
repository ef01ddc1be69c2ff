//! `correlate`, `summarize`, `verify`, `compare-nodes` and `baseline`, for people and programs, on bundles of this repository.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Members, eks_logs};

const SAMPLE: &str = "eks_i-0a1b2c3d4e5f60718_2026-11-20_0312-UTC_0.7.9.tar.gz";

fn sample() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(SAMPLE);
    path.to_str().unwrap().to_owned()
}

fn shown(args: &[&str]) -> String {
    let run = eks_logs(args);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{args:?}");
    run.stdout
}

fn json(args: &[&str]) -> Value {
    let run = eks_logs(&[args, &["--format", "json"]].concat());
    assert!(run.status < 2, "{args:?}: {}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

#[track_caller]
fn refused(args: &[&str], status: i32, words: &str) {
    let run = eks_logs(args);
    assert_eq!(run.status, status, "{args:?}: {}", run.stderr);
    assert!(run.stderr.contains(words), "{words:?} is not in: {}", run.stderr);
}

const RING: &str = "[Tue Jul 14 10:00:00 2026] Linux version 6.1\n";
const FULL: &str = "[Tue Jul 14 10:00:01 2026] nf_conntrack: nf_conntrack: table full, dropping packet\n";
const DISK: &str = "[Tue Jul 14 10:02:05 2026] nvme nvme1: I/O 21 QID 3 timeout, aborting\n[Tue Jul 14 10:02:36 2026] Aborting journal on device nvme1n1-8.\n[Tue Jul 14 10:02:36 2026] EXT4-fs (nvme1n1): Remounting filesystem read-only\n";

/// A directory bundle of a node, under the name that a store gives it.
fn node(store: &Path, id: &str, ring: &str, conntrack: u64) -> String {
    let directory = store.join(format!("eks_{id}_2026-07-14_1100-UTC_0.7.9"));
    let sysctl = format!("net.netfilter.nf_conntrack_max = {conntrack}\nvm.swappiness = 60\n");
    Members::new()
        .file("kernel/dmesg.human.current", &format!("{RING}{ring}"))
        .file("sysctls/sysctl_all.txt", &sysctl)
        .directory(&directory)
}

const A: &str = "i-0aaaaaaaaaaaaaaaa";
const B: &str = "i-0bbbbbbbbbbbbbbbb";

#[test]
fn correlate_for_people() {
    let store = tempfile::tempdir().unwrap();
    let bundle = node(store.path(), A, &format!("{FULL}{DISK}"), 65_536);
    insta::assert_snapshot!(shown(&["correlate", &bundle]));
    insta::assert_snapshot!(
        "correlate_pivot",
        shown(&["correlate", &bundle, "--pivot-event", "READ-ONLY", "--response-format", "detailed"])
    );
}

#[test]
fn correlate_answers_the_contract() {
    let answer = json(&["correlate", &sample(), "--pivot-event", "F-001", "--time-window", "30"]);
    for field in ["timeline", "correlations", "temporal_clusters", "potential_root_cause_chain", "gaps"] {
        assert!(answer[field].is_array(), "{field}");
    }
    assert!(answer["byComponent"].is_object() && answer["coverage_report"]["scanComplete"] == true);
    let cluster = &answer["temporal_clusters"][0];
    for field in ["cluster_id", "time_range", "event_count", "finding_ids", "dominant_severity", "components"] {
        assert!(!cluster[field].is_null(), "{field}: {cluster}");
    }
    let times: Vec<&str> =
        answer["timeline"].as_array().unwrap().iter().filter_map(|event| event["time"].as_str()).collect();
    let parsed: Vec<jiff::Timestamp> = times.iter().map(|time| time.parse().unwrap()).collect();
    assert!(parsed.is_sorted() && !parsed.is_empty());
    assert_eq!(answer["potential_root_cause_chain"][0]["sequence"], 1);
}

#[test]
fn summarize_for_people() {
    let store = tempfile::tempdir().unwrap();
    let bundle = node(store.path(), A, &format!("{FULL}{DISK}"), 65_536);
    insta::assert_snapshot!(shown(&["summarize", &bundle, "--finding-ids", "F-001,F-002,F-777"]));
    let answer = json(&["summarize", &bundle, "--finding-ids", "F-001"]);
    assert_eq!((&answer["grounded"], answer["criticalFindings"].as_array().unwrap().len()), (&Value::Bool(true), 1));
    assert!(answer["pod_node_triage"]["most_likely_root_cause"]["text"].as_str().unwrap().contains("F-001"));
    assert!(!answer.to_string().contains("F-002"));
}

#[test]
fn verify_for_people() {
    let store = tempfile::tempdir().unwrap();
    let bundle = node(store.path(), A, &format!("{FULL}{DISK}"), 65_536);
    let report = store.path().join("report.md");
    let text = "# Report\n\nF-001 happened 1 times. It says `table full, dropping packet`.\n\nF-001 happened 12 times, says the log: `out of file handles \u{1b}[2J`.\n";
    fs::write(&report, text).unwrap();
    let report = report.to_str().unwrap();
    let run = eks_logs(&["verify", &bundle, report]);
    assert_eq!(run.status, 1, "two claims do not hold: {}", run.stdout);
    insta::assert_snapshot!(run.stdout);
    assert!(!run.stdout.contains('\u{1b}'), "a report is hostile too");
    fs::write(report, "F-001 happened 1 times.\n").unwrap();
    assert_eq!(eks_logs(&["verify", &bundle, report]).status, 0);
    let store_path = store.path().to_str().unwrap();
    let answer = json(&["verify", "--store", store_path, "--instance-id", A, report]);
    assert_eq!((&answer["holds"], &answer["supported"]), (&Value::Bool(true), &Value::from(2)));
}

#[test]
fn compare_nodes_for_people() {
    let store = tempfile::tempdir().unwrap();
    let (a, b) = (node(store.path(), A, FULL, 65_536), node(store.path(), B, "", 262_144));
    insta::assert_snapshot!(shown(&["compare-nodes", &a, &b]));
    let path = store.path().to_str().unwrap();
    let both = format!("{A},{B}");
    let answer = json(&["compare-nodes", "--store", path, "--instance-ids", &both]);
    assert_eq!(answer["uniqueFindings"][A][0]["missing"][B], "absent");
    assert_eq!(answer["configDiffs"]["sysctl"]["net.netfilter.nf_conntrack_max"]["separates"], true);
    assert!(answer["insight"].as_str().unwrap().contains("nf_conntrack_max"));
    let config = json(&["compare-nodes", &a, &b, "--compare-fields", "config"]);
    assert!(
        config["uniqueFindings"].as_object().unwrap().is_empty()
            && !config["configDiffs"].as_object().unwrap().is_empty()
    );
}

#[test]
fn a_baseline_is_learned_shown_and_annotates() {
    let store = tempfile::tempdir().unwrap();
    let path = store.path().to_str().unwrap().to_owned();
    let of = ["--cluster-context", "prod", "--store", &path];
    for digit in ["1", "2", "3"] {
        let bundle = node(store.path(), &format!("i-0{}", digit.repeat(16)), FULL, 65_536);
        let added = shown(&[&["baseline", "add", &bundle][..], &of].concat());
        assert!(added.contains("was taken in"), "{added}");
        assert!(shown(&[&["baseline", "add", &bundle][..], &of].concat()).contains("counts once"));
    }
    insta::assert_snapshot!(shown(&[&["baseline", "show"][..], &of].concat()));
    let bundle = node(store.path(), A, FULL, 65_536);
    let errors = ["errors", &bundle, "--cluster-context", "prod", "--records", &path];
    let answer = json(&errors);
    assert_eq!(answer["findings"][0]["is_baseline"], true, "{answer}");
    assert!(answer["findings"][0]["baseline_note"].as_str().unwrap().contains("3 of 3 bundles"));
    let fingerprint =
        json(&[&["baseline", "show"][..], &of].concat())["entries"][0]["fingerprint"].as_str().unwrap().to_owned();
    shown(&[&["baseline", "remove", "--fingerprint", &fingerprint][..], &of].concat());
    assert_eq!(json(&errors)["findings"][0]["is_baseline"], false);
    shown(&[&["baseline", "reset"][..], &of].concat());
    assert!(json(&errors)["findings"][0]["baseline_note"].is_null());
    // Indexing teaches.
    let indexed = json(&["index", &bundle, "--cluster-context", "prod", "--records", &path]);
    assert!(indexed["learned"].as_str().unwrap().contains("was taken in"), "{indexed}");
    let again = json(&["index", &bundle, "--cluster-context", "prod", "--records", &path]);
    assert!(again["learned"].as_str().unwrap().contains("counts once"), "{again}");
}

#[test]
fn arguments_that_mean_nothing_are_refused() {
    let store = tempfile::tempdir().unwrap();
    let bundle = node(store.path(), A, FULL, 65_536);
    let path = store.path().to_str().unwrap();
    refused(&["correlate", &bundle, "--time-window", "0"], 2, "timeWindow 0 is out of range");
    refused(&["correlate", &bundle, "--pivot-event", "F-999"], 3, "no finding F-999");
    refused(&["correlate", &bundle, "--pivot-event", "("], 2, "nor a valid regex");
    refused(&["correlate", &bundle, "--components", "weather"], 2, "no component \"weather\"");
    refused(&["correlate", &bundle, "--start-time", "yesterday"], 2, "yesterday");
    refused(&["summarize", &bundle], 2, "--finding-ids");
    refused(&["verify", &bundle], 2, "REPORT is missing");
    refused(&["verify", &bundle, "/no/such/report.md"], 3, "/no/such/report.md");
    let empty = store.path().join("empty.md");
    fs::write(&empty, " \n").unwrap();
    refused(&["verify", &bundle, empty.to_str().unwrap()], 2, "the report has 2 bytes");
    refused(&["compare-nodes", &bundle], 2, "1 bundles");
    refused(&["compare-nodes", &bundle, &bundle], 2, "2 bundles of 1 different nodes");
    refused(&["compare-nodes", "--store", path, "--instance-ids", A], 2, "give 2 to 10");
    refused(&["baseline", "show", "--store", path, "--cluster-context", "../x"], 2, "not a cluster's name");
    refused(
        &["baseline", "remove", "--store", path, "--cluster-context", "prod", "--fingerprint", "xyz"],
        2,
        "no fingerprint",
    );
    refused(&["errors", &bundle, "--cluster-context", "prod"], 2, "no store for baselines");
}

#[test]
fn triage_says_what_goes_with_its_causes() {
    let store = tempfile::tempdir().unwrap();
    let bundle = node(store.path(), A, DISK, 65_536);
    let answer = json(&["triage", &bundle]);
    assert_eq!(answer["verdict"], "cause-found", "{}", answer["verdictReason"]);
    let absent = answer["negativeEvidence"].as_array().unwrap();
    let memory = absent.iter().find(|absence| absence["question"] == "the node ran out of memory").unwrap();
    assert_eq!(memory["answer"], "no", "{memory}");
    let reach = absent.iter().find(|absence| absence["question"] == "the API server could not be reached").unwrap();
    assert_eq!(reach["answer"], "unknown", "kubelet's log is not in the bundle: {reach}");
    let commands = answer["remedies"][0]["commands"].to_string();
    assert!(
        !answer["checkOutside"].as_array().unwrap().is_empty() && !commands.contains("<instance-id>"),
        "{commands}"
    );
    let hostile = node(store.path(), B, "[Tue Jul 14 10:00:01 2026] systemd[1]: x;$(reboot).service: Failed\n", 1);
    assert!(!json(&["triage", &hostile])["remedies"].to_string().contains("$(reboot)"));
}
