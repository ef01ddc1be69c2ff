//! Boots, and clocks that go backwards, through the public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use eks_logs_core::{Located, MemoryStore};
use eks_logs_findings::{Catalogue, EvidenceLimit, ScanOptions, Severity, scan};
use futures_lite::future::block_on;
use support::{path, scanned};

fn lines(times: &[&str]) -> String {
    times.iter().map(|time| format!("Nov 20 {time} h kubelet[31]: all is well at {time}\n")).collect()
}

/// A finding about the clock: rule, severity, and for each quote its line and how many lines it covers.
type Step = (String, Severity, Vec<(u64, usize)>);

fn steps(log: &str) -> Vec<Step> {
    let found = scanned(&format!("//- kubelet/kubelet.log\n{log}"));
    let clock = found.findings.iter().filter(|finding| finding.rule.area() == "clock");
    clock
        .map(|finding| {
            let cited = finding.evidence.iter().map(|line| (line.line, line.text.lines().count())).collect();
            (finding.rule.to_string(), finding.severity, cited)
        })
        .collect()
}

#[test]
fn a_clock_that_is_set_back_is_cited_by_the_lines_around_the_place() {
    let log = lines(&["10:00:00", "10:00:10", "10:00:20", "09:58:00", "09:58:10", "09:58:20"]);
    assert_eq!(steps(&log), [("clock/set-back".to_owned(), Severity::Low, vec![(3, 2)])]);
    let far = lines(&["10:00:00", "10:00:10", "09:12:00", "09:12:10"]);
    assert_eq!(steps(&far), [("clock/set-back-far".to_owned(), Severity::Low, vec![(2, 2)])]);
}

#[test]
fn lines_out_of_order_and_forward_steps_are_no_clock_set_back() {
    for times in [
        ["10:00:00", "10:00:30", "10:00:20", "10:00:40", "10:00:50", "10:01:00"],
        ["10:00:00", "10:00:30", "09:50:00", "10:00:40", "10:00:50", "10:01:00"],
        ["10:00:00", "10:00:30", "10:40:00", "10:00:40", "10:00:50", "10:01:00"],
        ["10:00:00", "10:00:30", "12:00:00", "12:00:10", "12:00:20", "12:00:30"],
    ] {
        assert_eq!(steps(&lines(&times)), [], "{times:?}");
    }
    let year = "Dec 31 23:59:58 h kubelet[31]: a\nDec 31 23:59:59 h kubelet[31]: a\nJan  1 00:00:01 h kubelet[31]: b\nJan  1 00:00:02 h kubelet[31]: b\n";
    assert_eq!(steps(year), []);
}

#[test]
fn time_may_go_backwards_over_a_boot() {
    for marker in ["-- Reboot --", "-- Boot 0123456789abcdef0123456789abcdef --"] {
        let log = lines(&["10:00:00", "10:00:10"]) + marker + "\n" + &lines(&["09:12:00", "09:12:10", "09:13:00"]);
        assert_eq!(steps(&log), [], "{marker}");
    }
}

#[test]
fn a_step_is_found_wherever_a_large_file_is_cut() {
    // Two hours in which a line of 90 bytes stands for every quarter of a second, set back in the middle.
    let line = |quarter: u64| {
        let at = quarter / 4;
        format!(
            "Nov 20 {:02}:{:02}:{:02} h kubelet[31]: all is well with the widget {quarter:08}, and nothing else\n",
            at / 3600,
            at / 60 % 60,
            at % 60
        )
    };
    for place in [11_000, 11_390, 11_400, 11_410, 20_000] {
        let log: String = (40_000..40_000 + place).chain(38_000..50_000).map(line).collect();
        let store = MemoryStore::new();
        store.insert(path("kubelet/kubelet.log"), log);
        let options = ScanOptions::default().with_evidence(EvidenceLimit::All);
        let found = block_on(scan(&Located::in_store(store), Catalogue::builtin(), options, None)).unwrap();
        let clock: Vec<_> = found.findings.iter().filter(|finding| finding.rule.area() == "clock").collect();
        assert_eq!(clock.len(), 1, "{place}");
        let first = &clock[0].evidence[0];
        assert!(clock[0].count == 1 && (first.line == place || first.line == place + 1), "{place}: {}", first.line);
    }
}

#[test]
fn the_boots_of_a_node_are_known_once_each() {
    let found = scanned(
        "
//- system/procstat.txt
btime 1795140000
//- kernel/dmesg.current
[    0.000000] Linux version 6.1.102 (builder@host) #1
//- var_log/messages
Nov 19 22:00:00 h kernel: Linux version 6.1.102 (builder@host) #1
Nov 20 02:00:02 h kernel: Linux version 6.1.102 (builder@host) #1
//- kubelet/kubelet.log
2026-11-19T22:00:09.000000+0000 h kubelet[31]: a
-- Boot 0123456789abcdef0123456789abcdef --
2026-11-20T02:00:20.000000+0000 h kubelet[31]: b
",
    );
    let boots: Vec<(String, Option<&str>)> =
        found.boots.iter().map(|boot| (boot.at.unwrap().to_string(), boot.id.as_deref())).collect();
    assert_eq!(
        boots,
        [
            ("2026-11-19T22:00:00Z".to_owned(), None),
            ("2026-11-20T02:00:00Z".to_owned(), Some("0123456789abcdef0123456789abcdef"))
        ]
    );
    assert_eq!((found.boots[1].file.as_str(), found.boots[1].line), ("kernel/dmesg.current", 1));
}
