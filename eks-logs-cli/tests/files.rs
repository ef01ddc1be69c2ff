//! read, search, artifact and index for people and scripts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{FAULT, eks_logs};

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
    run.stdout.replace(&sample(), &format!("/examples/{SAMPLE}"))
}

fn bundle(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let full = directory.path().join(name);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, content).unwrap();
    }
    directory
}

fn names(directory: &Path) -> Vec<String> {
    let mut found: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    found
}

#[test]
fn a_part_of_a_file_for_people() {
    insta::assert_snapshot!(shown(&[
        "read",
        &sample(),
        "kernel/dmesg.current",
        "--start-line",
        "-4",
        "--line-count",
        "3"
    ]));
    insta::assert_snapshot!("bytes_for_people", shown(&["read", &sample(), "kernel/uname.txt"]));
}

#[test]
fn search_for_people() {
    let args =
        ["search", &sample(), "out of memory", "--context-lines", "1", "--max-results", "2", "--log-types", "kernel"];
    insta::assert_snapshot!(shown(&args));
    insta::assert_snapshot!("nothing_found_for_people", shown(&["search", &sample(), "no such words anywhere"]));
}

#[test]
fn an_artifact_for_people() {
    insta::assert_snapshot!(shown(&["artifact", &sample(), "kernel/uname.txt"]));
}

#[test]
fn lines_and_bytes_agree() {
    let json = |args: &[&str]| -> serde_json::Value { serde_json::from_str(&shown(args)).unwrap() };
    let sample = sample();
    let line =
        json(&["read", &sample, "kernel/dmesg.current", "--start-line", "5", "--line-count", "1", "--format", "json"]);
    let (start, end) = (line["startByte"].to_string(), line["endByte"].to_string());
    let bytes = json(&[
        "read",
        &sample,
        "kernel/dmesg.current",
        "--start-byte",
        &start,
        "--end-byte",
        &end,
        "--format",
        "json",
    ]);
    assert_eq!((&bytes["content"], &bytes["endByte"]), (&line["content"], &line["endByte"]));
    let exact = json(&[
        "read",
        &sample,
        "kernel/dmesg.current",
        "--exact",
        "--start-byte",
        &start,
        "--end-byte",
        &end,
        "--format",
        "json",
    ]);
    assert_eq!(exact["content"], line["content"]);
}

/// What a hostile log could do to a terminal is shown, not done.
#[test]
fn a_terminal_obeys_no_log() {
    let directory = bundle(&[(
        "kubelet/kubelet.log",
        b"pod \x1b[2J\x1b]0;owned\x07 \xe2\x80\xae gone\r\npassword=hunter22x pod\n",
    )]);
    let path = directory.path().to_str().unwrap();
    for args in [["read", path, "kubelet/kubelet.log"], ["search", path, "pod"]] {
        let run = eks_logs(&args);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert!(!run.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{:?}", run.stdout);
        assert!(run.stdout.contains("\\u{1b}[2J") && run.stdout.contains("[REDACTED password]"), "{}", run.stdout);
        let open = eks_logs(&[args[0], args[1], args[2], "--no-redact"]);
        assert!(open.stdout.contains("hunter22x"));
    }
}

#[test]
fn wrong_arguments_have_a_status_and_a_way_out() {
    let directory = bundle(&[("kubelet/kubelet.log", b"x\n")]);
    let path = directory.path().to_str().unwrap();
    for (args, status, word) in [
        (vec!["read", path], 2, "give BUNDLE and FILE"),
        (vec!["search", path], 2, "give BUNDLE and QUERY"),
        (vec!["search", path, "a(b"], 2, "\\("),
        (vec!["search", path, "(?<=a)b"], 2, "not supported, because"),
        (vec!["search", path, "x", "--log-types", "kublet"], 2, "did you mean kubelet?"),
        (vec!["read", path, "kubelet/kubelet.log", "--start-byte", "7"], 2, "outside"),
        (vec!["read", path, "kubelet/kubelet.log", "--start-line", "0"], 2, "the first line is 1"),
        (vec!["read", path, "kubelet/none.log"], 3, "not found"),
        (vec!["read", path, "../../etc/passwd"], 4, "not a key inside the bundle"),
        (vec!["artifact", path, "/etc/passwd"], 4, "not a key inside the bundle"),
        (vec!["read", path, "x", "--store", path, "--instance-id", "i-0123abcd"], 2, "exclude each other"),
        (vec!["read", "/no/such/bundle", "x"], 3, "not found"),
        (vec!["index", &sample()], 2, "an archive is not written to"),
    ] {
        let run = eks_logs(&args);
        assert_eq!(run.status, status, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(word), "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

/// Only `index` writes into the directory of a bundle.
#[test]
fn nothing_is_written_unasked() {
    let directory = bundle(&[("kernel/dmesg.current", FAULT.as_bytes()), ("kubelet/kubelet.log", b"pod\n")]);
    let path = directory.path().to_str().unwrap();
    for args in [
        vec!["triage", path],
        vec!["errors", path],
        vec!["validate", path],
        vec!["search", path, "pod"],
        vec!["read", path, "kubelet/kubelet.log"],
        vec!["artifact", path, "kubelet/kubelet.log"],
    ] {
        assert_eq!(eks_logs(&args).status, 0, "{args:?}");
        assert_eq!(names(directory.path()), ["kernel", "kubelet"], "{args:?}");
    }
    let before = eks_logs(&["triage", path, "--format", "json"]).stdout;
    let run = eks_logs(&["index", path]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(
        names(directory.path()),
        [".eks-logs.lock", "events_index.json", "findings_index.json", "kernel", "kubelet", "manifest.json"]
    );
    assert_eq!(eks_logs(&["triage", path, "--format", "json"]).stdout, before, "the index gives what a scan gives");
}
