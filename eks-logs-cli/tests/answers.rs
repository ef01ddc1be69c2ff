//! What people and programs read, on the bundle that ships with the repository.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::PathBuf;

use support::{FAULT, Members, eks_logs, triage};

const SAMPLE: &str = "eks_i-0a1b2c3d4e5f60718_2026-11-20_0312-UTC_0.7.9.tar.gz";

fn sample() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(SAMPLE);
    path.to_str().unwrap().to_owned()
}

/// Output without what differs between checkouts.
fn shown(args: &[&str]) -> String {
    let run = eks_logs(args);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(run.stderr, "", "nothing is said beside the answer");
    run.stdout.replace(&sample(), &format!("examples/{SAMPLE}"))
}

#[test]
fn triage_for_people() {
    insta::assert_snapshot!(shown(&["triage", &sample(), "--evidence", "1"]));
}

#[test]
fn errors_for_people() {
    insta::assert_snapshot!(shown(&["errors", &sample(), "--severity", "critical,high"]));
}

#[test]
fn validate_for_people() {
    insta::assert_snapshot!(shown(&["validate", &sample()]));
}

#[test]
fn a_rule_for_people() {
    insta::assert_snapshot!(shown(&["rules", "show", "network/conntrack-table-full"]));
}

#[test]
fn help() {
    insta::assert_snapshot!(shown(&["--help"]));
    insta::assert_snapshot!("triage_help", shown(&["triage", "--help"]));
}

#[test]
fn triage_names_the_incident() {
    let answer = triage(&sample());
    assert_eq!(answer["schema"], "eks-logs/triage/1");
    assert_eq!(answer["bundle"]["instanceId"], "i-0a1b2c3d4e5f60718");
    assert_eq!(answer["bundle"]["collectedAt"], "2026-11-20T03:12:00Z");
    assert_eq!(answer["coverage"]["scanComplete"], true);
    let finding = |rule: &str| {
        let findings = answer["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["rule"] == rule).unwrap_or_else(|| panic!("no {rule}"))
    };
    for (rule, severity) in [
        ("memory/node-out-of-memory", "critical"),
        ("memory/node-daemon-oom-killed", "critical"),
        ("kubelet/pleg-unhealthy", "critical"),
        ("cni/ipamd-unreachable", "high"),
    ] {
        assert_eq!(finding(rule)["severity"], severity, "{rule}");
    }
    // The kernel's ring is in the bundle twice: each kill counts once.
    let java = finding("memory/node-out-of-memory");
    assert_eq!((java["subject"].as_str(), java["count"].as_u64()), (Some("process=java"), Some(4)));
    let first = &answer["hypotheses"][0];
    assert!(first["rule"].as_str().unwrap().starts_with("memory/"), "{first}");
    assert!(!first["remedy"].as_array().unwrap().is_empty());
    // An application that quotes the kernel, and one that gives orders, are not believed.
    let cited =
        answer["findings"].as_array().unwrap().iter().flat_map(|finding| finding["evidence"].as_array().unwrap());
    for line in cited {
        assert!(!line["file"].as_str().unwrap().contains("test-error-reporter"), "{line}");
        assert!(!line["text"].as_str().unwrap().contains("ignore previous instructions"), "{line}");
    }
}

#[test]
fn json_is_the_same_every_time_and_on_any_number_of_threads() {
    let of =
        |threads: &str| shown(&["triage", &sample(), "--format", "json", "--evidence", "all", "--threads", threads]);
    let one = of("1");
    for threads in ["0", "1", "2", "7"] {
        assert_eq!(of(threads), one);
    }
}

#[test]
fn pages_tile_the_findings() {
    let all: serde_json::Value =
        serde_json::from_str(&shown(&["errors", &sample(), "--format", "json", "--page-size", "200"])).unwrap();
    let mut paged = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut args =
            vec!["errors".to_owned(), sample(), "--format".into(), "json".into(), "--page-size".into(), "7".into()];
        if let Some(token) = token {
            args.extend(["--page-token".to_owned(), token]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let page: serde_json::Value = serde_json::from_str(&shown(&args)).unwrap();
        assert_eq!(page["totalFindings"], all["totalFindings"]);
        paged.extend(page["findings"].as_array().unwrap().clone());
        match page["nextPageToken"].as_str() {
            Some(next) => token = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(&paged, all["findings"].as_array().unwrap());
    let summary = all["summary"].as_object().unwrap();
    assert_eq!(summary.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), paged.len() as u64);
    // A token of one filter does not continue another.
    let first: serde_json::Value =
        serde_json::from_str(&shown(&["errors", &sample(), "--format", "json", "--page-size", "2"])).unwrap();
    let token = first["nextPageToken"].as_str().unwrap();
    assert_eq!(eks_logs(&["errors", &sample(), "--severity", "critical", "--page-token", token]).status, 2);
}

#[test]
fn severity_filters_and_fail_on_decides_the_status() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Members::new().file("kernel/dmesg.current", FAULT).directory(directory.path());
    let status = |fail_on: &str| eks_logs(&["triage", &bundle, "--fail-on", fail_on]).status;
    assert_eq!((status("critical"), status("info")), (1, 1));
    let quiet = tempfile::tempdir().unwrap();
    let quiet = Members::new().file("kernel/dmesg.current", "[ 1.0] Linux version 6.12\n").directory(quiet.path());
    let run = eks_logs(&["triage", &quiet, "--fail-on", "info"]);
    assert_eq!(run.status, 0);
    assert!(run.stdout.contains("No rule matched. That is no proof of health"));
    assert!(eks_logs(&["errors", &quiet]).stdout.starts_with("No finding"));
    let filtered = eks_logs(&["triage", &bundle, "--severity", "low"]).stdout;
    assert!(
        filtered.contains("Not shown: 1 of other severities") && !filtered.contains("No rule matched"),
        "{filtered}"
    );
    let answer: serde_json::Value =
        serde_json::from_str(&eks_logs(&["triage", &bundle, "--severity", "low", "--format", "json"]).stdout).unwrap();
    assert!(answer["findings"].as_array().unwrap().is_empty());
    assert_eq!(
        eks_logs(&["triage", &bundle, "--severity", "low", "--fail-on", "high"]).status,
        1,
        "the filter hides, it does not heal"
    );
}

#[test]
fn rules_of_a_site_are_added() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    std::fs::create_dir_all(rules.join("site")).unwrap();
    std::fs::write(rules.join("site/disk-quota.toml"), include_str!("support/site_rule.toml")).unwrap();
    let rules = rules.to_str().unwrap();
    let check = eks_logs(&["rules", "check", rules]);
    assert_eq!(check.status, 0, "{}", check.stderr);
    assert!(check.stdout.starts_with("1 rule is sound"), "{}", check.stdout);
    // A second rule that says the same is told.
    let twin = include_str!("support/site_rule.toml").replace("over its quota", "full");
    std::fs::write(directory.path().join("rules/site/disk-full.toml"), twin).unwrap();
    let check = eks_logs(&["rules", "check", rules]);
    assert!(check.stdout.contains("site/disk-full is shadowed by site/disk-quota"), "{}", check.stdout);
    std::fs::remove_file(directory.path().join("rules/site/disk-full.toml")).unwrap();
    let log = "Nov 22 07:00:01 node-a kubelet[31]: quota exceeded for volume data-1\n";
    let bundle = Members::new().file("kubelet/kubelet.log", log).directory(&directory.path().join("bundle"));
    let run = eks_logs(&["triage", &bundle, "--rules", rules]);
    assert!(run.stdout.contains("A pod's directory is over its quota"), "{}", run.stdout);
    assert!(!eks_logs(&["triage", &bundle]).stdout.contains("quota"));
}

#[test]
fn secrets_in_quoted_lines_are_redacted_unless_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let log = "2026-11-20T02:00:00.1Z node kubelet[1]: E1120 02:00:00.100000       1 controller.go:145] \"Failed to ensure lease exists, will retry\" err=\"Unauthorized\" header=\"Authorization: Bearer abcdefghijklmnop123\"\n";
    let bundle = Members::new().file("kubelet/kubelet.log", log).directory(directory.path());
    assert!(!eks_logs(&["triage", &bundle]).stdout.contains("abcdefghijklmnop123"));
    assert!(eks_logs(&["triage", &bundle, "--no-redact"]).stdout.contains("abcdefghijklmnop123"));
}

#[test]
fn colour_is_for_terminals() {
    assert!(!eks_logs(&["triage", &sample()]).stdout.contains('\u{1b}'));
    assert!(eks_logs(&["triage", &sample(), "--color", "always"]).stdout.contains("\u{1b}[1m"));
}

#[test]
fn completions_are_scripts() {
    for (shell, word) in [("bash", "_eks__logs()"), ("zsh", "#compdef eks-logs"), ("fish", "complete -c eks-logs")] {
        assert!(eks_logs(&["completions", shell]).stdout.contains(word), "{shell}");
    }
}

#[test]
fn patterns_are_for_other_tools() {
    let run = eks_logs(&["rules", "list", "--patterns"]);
    let patterns: Vec<&str> = run.stdout.lines().collect();
    assert!(patterns.len() > 80 && !run.stdout.contains("(?P<"));
}
