//! What no rule knows, and what the collection itself leaves in the logs; through the public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use eks_logs_findings::{Catalogue, EventKind, EvidenceLimit, Scan, ScanOptions, Severity, scan};
use futures_lite::future::block_on;
use support::{bundle, find, scanned};

fn unknown(found: &Scan) -> Vec<(&str, Severity, u64)> {
    let unknown = found.findings.iter().filter(|finding| finding.rule.area() == "unrecognised");
    unknown.map(|finding| (finding.rule.as_str(), finding.severity, finding.count)).collect()
}

#[test]
fn klog_without_any_prefix_is_mined() {
    let found = scanned(
        "
//- var_log/kube-proxy.log
I1120 02:00:00.000001       1 server.go:1] Version: v1.30.0
E1120 02:00:01.000001       1 frob.go:7] Failed to frobnicate the widget
E1120 02:00:02.000001       1 frob.go:7] Failed to frobnicate the widget
F1120 12:00:03.000001       1 frob.go:9] widget storage is gone
",
    );
    assert_eq!(
        unknown(&found),
        [("unrecognised/fatal", Severity::Medium, 1), ("unrecognised/error", Severity::Low, 2)]
    );
}

#[test]
fn klog_as_json_is_mined_and_timed() {
    let found = scanned(
        "
//- kubelet/kubelet.log
Nov 20 02:00:00 h kubelet[31]: {\"ts\":1795140000000.5,\"caller\":\"a/b.go:1\",\"msg\":\"All is well\",\"v\":0}
Nov 20 02:00:01 h kubelet[31]: {\"ts\":1795140001000.5,\"caller\":\"a/b.go:7\",\"msg\":\"Failed to frobnicate\",\"err\":\"no widget\"}
",
    );
    assert_eq!(unknown(&found), [("unrecognised/error", Severity::Low, 1)]);
    assert_eq!(find(&found, "unrecognised/error").first_seen.unwrap().to_string(), "2026-11-20T02:00:01.0005Z");
}

#[test]
fn a_crash_that_no_rule_knows_is_fatal() {
    let text = "
//- containerd/soci-snapshotter/soci-snapshotter-log.txt
Nov 20 02:00:00 h soci-snapshotter-grpc[77]: panic: assignment to entry in nil map
Nov 20 02:00:00 h soci-snapshotter-grpc[77]: 
Nov 20 02:00:00 h soci-snapshotter-grpc[77]: goroutine 1 [running]:
Nov 20 02:00:00 h soci-snapshotter-grpc[77]: main.register(0xc000a1b2c0)
Nov 20 02:00:00 h soci-snapshotter-grpc[77]: \t/workspace/cmd/main.go:91 +0x1d
";
    let options = ScanOptions::default().with_evidence(EvidenceLimit::All);
    let found = block_on(scan(&bundle(text), &Catalogue::empty(), options, None)).unwrap();
    assert_eq!(unknown(&found), [("unrecognised/fatal", Severity::Medium, 1)], "{:#?}", found.findings);
    let event = &find(&found, "unrecognised/fatal").events[0];
    assert_eq!((event.kind, event.fields["frame"].as_str()), (EventKind::GoCrash, "main.register"));
}

#[test]
fn a_burst_that_begins_late_is_worse_than_one_that_was_always_there() {
    let quiet = |n: usize| {
        format!(
            "Nov 20 02:{:02}:{:02} h kubelet[31]: I1120 02:{0:02}:{1:02}.000001      31 a.go:1] \"All is well with widget {n}\"\n",
            n / 60,
            n % 60
        )
    };
    let error = |n: usize| {
        format!(
            "Nov 20 02:{:02}:{:02} h kubelet[31]: E1120 02:{0:02}:{1:02}.000001      31 frob.go:7] \"Failed to frobnicate\" n={n}\n",
            n / 60,
            n % 60
        )
    };
    let log = |first: usize, every: usize| -> String {
        (0..1200).map(|n| if n >= first && n % every == 0 { quiet(n) + &error(n) } else { quiet(n) }).collect()
    };
    let told = |log: &str| {
        unknown(&scanned(&format!("//- kubelet/kubelet.log\n{log}"))).iter().map(|told| told.1).collect::<Vec<_>>()
    };
    assert_eq!(told(&log(1000, 2)), [Severity::Medium]);
    assert_eq!(told(&log(0, 2)), [Severity::Low], "it was always there");
    assert_eq!(told(&log(1000, 40)), [Severity::Low], "a few lines are no burst");
}

#[test]
fn what_a_collection_leaves_in_containerds_log_is_silent() {
    // The collector sends SIGUSR1 (containerd cmd/containerd/main_unix.go, command/main.go dumpStacks): the stacks of all goroutines, as one
    // message. Journals show it over many lines; logrus escapes it in one.
    let stacks = [
        "goroutine 1 [select, 4711 minutes]:",
        "github.com/containerd/containerd/cmd/containerd/command.App.func1(0xc00012a000)",
        "\t/build/cmd/containerd/command/main.go:280 +0x1a5f",
        "goroutine 77 [chan receive, 3 minutes]:",
        "github.com/containerd/containerd/events/exchange.(*Exchange).Subscribe.func2()",
        "panic(0x55d0a0, 0xc00051e2d0)",
        "runtime.throw({0x1c2b3d4, 0x15})",
        "github.com/containerd/log.(*Entry).Errorf(...)",
        "created by github.com/containerd/containerd/services/events.newErrorHandler",
    ];
    let head = "Nov 20 02:00:00 h containerd[30]: time=\"2026-11-20T02:00:00.000000001Z\" level=info msg=\"=== BEGIN goroutine stack dump ===";
    let indented: String = stacks.iter().map(|line| format!("                                   {line}\n")).collect();
    let escaped =
        format!("{head}\\n{}\\n=== END goroutine stack dump ===\"\n", stacks.join("\\n").replace('\t', "\\t"));
    let journal = format!("{head}\n{indented}                                   === END goroutine stack dump ===\"\n");
    let plain: String = stacks.iter().map(|line| format!("Nov 20 02:00:00 h containerd[30]: {line}\n")).collect();
    let others = "Nov 20 02:00:01 h containerd[30]: time=\"2026-11-20T02:00:01.000000001Z\" level=debug msg=\"received signal\" signal=\"user defined signal 1\"\n";
    for log in [escaped, journal, head.to_owned() + "\n" + &plain, others.to_owned()] {
        let found = scanned(&format!("//- containerd/containerd-log.txt\n{log}"));
        assert!(found.findings.is_empty(), "{:#?}", found.findings);
    }
}
