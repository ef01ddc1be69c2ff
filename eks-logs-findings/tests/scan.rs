//! What a scan answers, through the public API, on bundles written as text: `//- path` begins a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use eks_logs_core::testing::FaultyStore;
use eks_logs_core::{Located, MemoryStore};
use eks_logs_findings::{Catalogue, Certainty, EvidenceLimit, ScanOptions, Severity, scan};
use futures_lite::future::block_on;
use support::{bundle, find, path, scanned};

const FULL: &str = "network/conntrack-table-full";

#[test]
fn a_finding_cites_the_bytes_that_back_it() {
    let text = "
//- kernel/dmesg.current
[    1.000000] Linux version 6.1
[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet
[ 4712.000000] eth0: renamed from veth1
[ 4713.500000] nf_conntrack: nf_conntrack: table full, dropping packet
";
    let found = scanned(text);
    assert_eq!(found.findings.len(), 1, "{:#?}", found.findings);
    let finding = &found.findings[0];
    assert_eq!((finding.id.as_str(), finding.rule.as_str(), finding.count), ("F-001", FULL, 2));
    assert_eq!((finding.severity, finding.source.name()), (Severity::Critical, "kernel"));
    let lines: Vec<u64> = finding.evidence.iter().map(|line| line.line).collect();
    assert_eq!(lines, [2, 4]);
    let content = text.split_once("current\n").unwrap().1;
    for line in &finding.evidence {
        assert_eq!(&content[line.start_byte as usize..line.end_byte as usize], line.text);
    }
    assert_eq!(finding.evidence_omitted, 0);
}

#[test]
fn one_event_in_several_files_counts_once_and_the_better_clock_is_cited() {
    let found = scanned(
        "
//- kernel/dmesg.current
[  100.000000] Linux version 6.1
[  160.000000] nf_conntrack: nf_conntrack: table full, dropping packet
[  161.000000] nf_conntrack: nf_conntrack: table full, dropping packet
//- kernel/dmesg.human.current
[Fri Nov 20 02:00:00 2026] Linux version 6.1
[Fri Nov 20 02:01:00 2026] nf_conntrack: nf_conntrack: table full, dropping packet
[Fri Nov 20 02:01:01 2026] nf_conntrack: nf_conntrack: table full, dropping packet
//- var_log/messages
Nov 20 02:01:00 ip-10-0-0-1 kernel: nf_conntrack: nf_conntrack: table full, dropping packet
Nov 20 02:01:01 ip-10-0-0-1 kernel: [  161.000000] nf_conntrack: nf_conntrack: table full, dropping packet
Nov 20 02:30:00 ip-10-0-0-1 kernel: nf_conntrack: nf_conntrack: table full, dropping packet
",
    );
    let finding = find(&found, FULL);
    assert_eq!(finding.count, 3, "two in the ring, one that only syslog still has");
    let cited: Vec<(&str, u64, bool)> =
        finding.evidence.iter().map(|line| (line.file.as_str(), line.line, line.duplicate)).collect();
    assert_eq!(
        cited[..3],
        [
            ("kernel/dmesg.human.current", 2, false),
            ("kernel/dmesg.human.current", 3, false),
            ("var_log/messages", 3, false),
        ]
    );
    assert!(cited[3..].iter().all(|(_, _, duplicate)| *duplicate));
    assert_eq!(finding.first_seen.unwrap().to_string(), "2026-11-20T02:01:00Z");
    assert_eq!(finding.last_seen.unwrap().to_string(), "2026-11-20T02:30:00Z");
}

#[test]
fn a_pod_log_under_both_its_names_is_one() {
    let line = "2026-11-20T02:00:00.000000001Z stderr F standard_init_linux.go:211: exec user process caused \"exec format error\"\n";
    let text = format!(
        "//- var_log/kube-system_ebs-csi-node-x2x4k_0363f3c1/ebs-plugin/0.log\n{line}//- var_log/ebs-csi-node-x2x4k_kube-system_ebs-plugin-0a1b.log\n{line}"
    );
    let found = scanned(&text);
    let finding = find(&found, "image/exec-format-error");
    assert_eq!((finding.count, finding.evidence.len()), (1, 2));
    assert!(finding.evidence[0].file.contains("/ebs-plugin/") && finding.evidence[1].duplicate);
    assert_eq!(finding.time_certainty, Certainty::Exact);
}

#[test]
fn dmesg_uptime_is_resolved_by_its_twin_or_by_btime() {
    let uptime = "//- kernel/dmesg.current\n[  160.000000] nf_conntrack: nf_conntrack: table full, dropping packet\n";
    let at = |text: &str| {
        let found = scanned(text);
        let finding = find(&found, FULL);
        (finding.first_seen.map(|at| at.to_string()), finding.time_certainty)
    };
    assert_eq!(at(uptime), (None, Certainty::Unknown));
    // btime 1795140000 is 2026-11-20T02:00:00Z.
    let btime = format!("{uptime}//- system/procstat.txt\ncpu  1 2 3\nbtime 1795140000\nprocesses 4\n");
    assert_eq!(at(&btime), (Some("2026-11-20T02:02:40Z".to_owned()), Certainty::BootEstimated));
}

#[test]
fn years_are_inferred_across_new_year() {
    let line =
        |day: &str| format!("{day} ip-10-0-0-1 kernel: nf_conntrack: nf_conntrack: table full, dropping packet\n");
    let log = format!(
        "//- var_log/messages\n{}{}{}",
        line("Dec 31 23:59:58"),
        line("Jan  1 00:00:02"),
        line("Jan  3 04:00:00")
    );
    let named = |name: &str| {
        let mut located = bundle(&log);
        located.name = eks_logs_core::CollectionName::parse(name);
        let found = block_on(scan(&located, Catalogue::builtin(), ScanOptions::default(), None)).unwrap();
        let finding = find(&found, FULL);
        (finding.first_seen.unwrap().to_string(), finding.last_seen.unwrap().to_string())
    };
    let want = ("2026-12-31T23:59:58Z".to_owned(), "2027-01-03T04:00:00Z".to_owned());
    assert_eq!(named("eks_i-0123abcd_2027-01-03_0500-UTC_0.7.9"), want);
    assert_eq!(named("eks_i-0123abcd_2027-11-03_0500-UTC_0.7.9"), want);
    // Without an anchor no year is made up.
    assert_eq!(find(&scanned(&log), FULL).first_seen, None);
    assert!(scanned(&log).gaps.iter().any(|gap| gap.kind == "time"));
}

#[test]
fn a_line_without_a_time_has_the_time_of_the_line_above() {
    let found = scanned(
        "
//- kernel/dmesg.human.current
[Sat Nov 21 03:30:43 2026] NVRM: The NVIDIA GPU 0000:b3:00.0
               NVRM: (PCI ID: 10de:26b5) installed in this system has
               NVRM: fallen off the bus and is not responding to commands.
",
    );
    let finding = find(&found, "gpu/fallen-off-bus");
    assert_eq!(finding.first_seen.unwrap().to_string(), "2026-11-21T03:30:43Z");
}

/// The catalogue with one rule of our own.
fn with_rule(extra: &str) -> Catalogue {
    let rule = format!(
        "title = \"The widget jams\"\nseverity = \"low\"\nseverity_reason = \"reason\"\nsources = [\"kubelet\"]\norigin = \"test\"\nsince = \"0.1.0\"\n{extra}\n\
         [remedy]\nsteps = [\"x\"]\n\
         [[examples]]\nfile = \"kubelet/kubelet.log\"\nline = \"widget w1 jams\"\n\
         [[examples]]\nfile = \"kubelet/kubelet.log\"\nline = \"widget w2 jams\"\n\
         [[counter_examples]]\nfile = \"kubelet/kubelet.log\"\nline = \"widget w2 runs\"\nwhy = \"it runs\"\n"
    );
    let loaded = Catalogue::empty().extended([("site/widget-jams", rule.as_str())]);
    loaded.unwrap_or_else(|errors| panic!("{errors:?}"))
}

const WIDGET: &str = "[match]\nliterals = [\"widget\"]\nregex = 'widget (?P<device>\\w+) jams'\n";

fn widgets(rules: &Catalogue, lines: &[(&str, &str)]) -> eks_logs_findings::Scan {
    let log: String =
        lines.iter().map(|(time, message)| format!("2026-11-20T{time}Z node kubelet[1]: {message}\n")).collect();
    let located = bundle(&format!("//- kubelet/kubelet.log\n{log}"));
    block_on(scan(&located, rules, ScanOptions::default().with_evidence(EvidenceLimit::All), None)).unwrap()
}

#[test]
fn subjects_are_findings_of_their_own() {
    let rules = with_rule(&format!("subject = [\"device\"]\n{WIDGET}"));
    let found = widgets(
        &rules,
        &[("01:00:00", "widget w1 jams"), ("01:00:01", "widget w2 jams"), ("01:00:02", "widget w1 jams")],
    );
    let told: Vec<(&str, u64)> =
        found.findings.iter().map(|finding| (finding.subject.as_str(), finding.count)).collect();
    assert_eq!(told, [("device=w1", 2), ("device=w2", 1)]);
    assert_ne!(found.findings[0].fingerprint, found.findings[1].fingerprint);
}

#[test]
fn a_subject_may_have_a_pattern_of_its_own() {
    let pattern =
        "[match]\nliterals = [\"widget\"]\nregex = 'widget \\w+ jams'\nsubject_regex = 'on=(?P<device>\\w+)'\n";
    let rules = with_rule(&format!("subject = [\"device\"]\n{pattern}"));
    let lines = ["widget w1 jams on=belt", "on=arm: widget w2 jams", "widget w3 jams", "widget w4 runs on=belt"];
    let found = widgets(&rules, &lines.map(|line| ("01:00:00", line)));
    let mut told: Vec<(&str, u64)> =
        found.findings.iter().map(|finding| (finding.subject.as_str(), finding.count)).collect();
    told.sort_unstable();
    assert_eq!(told, [("", 1), ("device=arm", 1), ("device=belt", 1)]);
    let refused = |subject: &str, pattern: &str| {
        let rule = format!(
            "title = \"x\"\nseverity = \"low\"\nseverity_reason = \"r\"\nsources = [\"kubelet\"]\norigin = \"test\"\nsince = \"0.1.0\"\n\
             subject = [{subject}]\n[match]\nliterals = [\"widget\"]\nregex = '(?P<pod>widget)'\nsubject_regex = '{pattern}'\n[remedy]\n"
        );
        Catalogue::empty().extended([("site/x", rule.as_str())]).unwrap_err()[0].to_string()
    };
    let told = refused("\"pod\"", "on=(?P<device>x)");
    assert!(told.contains("subject_regex has no capture (?P<pod>"), "{told}");
    let told = refused("", "on=(?P<pod>x)");
    assert!(told.contains("subject_regex without `subject`"), "{told}");
}

#[test]
fn beyond_the_limit_of_subjects_the_rest_is_counted_together() {
    let rules = with_rule(&format!("subject = [\"device\"]\n{WIDGET}"));
    let lines: Vec<String> = (0..600).map(|n| format!("widget v{n} jams")).collect();
    let lines: Vec<(&str, &str)> = lines.iter().map(|line| ("01:00:00", line.as_str())).collect();
    let found = widgets(&rules, &lines);
    assert_eq!(found.findings.len(), 513);
    assert_eq!(found.findings.iter().map(|finding| finding.count).sum::<u64>(), 600);
    assert_eq!(found.findings.iter().find(|finding| finding.subject == "(others)").unwrap().count, 88);
    assert!(found.gaps.iter().any(|gap| gap.kind == "subjects"));
}

#[test]
fn below_its_repeat_a_rule_finds_nothing() {
    let rules = with_rule(&format!("{WIDGET}[repeat]\ncount = 3\nwithin = \"10s\"\n"));
    let at = |times: &[&str]| {
        let lines: Vec<(&str, &str)> = times.iter().map(|time| (*time, "widget w1 jams")).collect();
        widgets(&rules, &lines).findings.len()
    };
    assert_eq!(at(&["01:00:00", "01:00:09"]), 0);
    assert_eq!(at(&["01:00:00", "01:00:09", "01:00:11"]), 0, "three in eleven seconds");
    assert_eq!(at(&["00:00:00", "01:00:00", "01:00:09", "01:00:10"]), 1, "the last three");
}

#[test]
fn a_burst_or_a_long_time_makes_it_worse() {
    let escalate = "[[escalate]]\ncount = 3\nwithin = \"5s\"\nseverity = \"high\"\nreason = \"a burst\"\n\
                    [[escalate]]\nlasts = \"1h\"\nseverity = \"critical\"\nreason = \"for an hour\"\n";
    let rules = with_rule(&format!("{WIDGET}{escalate}"));
    let at = |times: &[&str]| {
        let lines: Vec<(&str, &str)> = times.iter().map(|time| (*time, "widget w1 jams")).collect();
        let finding = widgets(&rules, &lines).findings.remove(0);
        (finding.severity, finding.severity_reason)
    };
    assert_eq!(at(&["01:00:00", "01:00:06", "01:00:12"]), (Severity::Low, "reason".to_owned()));
    assert_eq!(at(&["01:00:00", "01:00:02", "01:00:05"]), (Severity::High, "a burst".to_owned()));
    assert_eq!(at(&["01:00:00", "01:40:00", "02:20:00"]), (Severity::Critical, "for an hour".to_owned()));
    assert_eq!(
        at(&["01:00:00", "03:00:00", "05:00:00"]),
        (Severity::Low, "reason".to_owned()),
        "three times, far apart"
    );
}

#[test]
fn what_ended_and_did_not_come_back_is_milder() {
    let cleared = "[cleared_by]\nliterals = [\"runs again\"]\nregex = 'widget (?P<device>\\w+) runs again'\nseverity = \"info\"\n";
    let rules = with_rule(&format!("subject = [\"device\"]\n{WIDGET}{cleared}"));
    let jam = ("01:00:00", "widget w1 jams");
    let state = |lines: &[(&str, &str)]| {
        let found = widgets(&rules, lines);
        let finding = found.findings.iter().find(|finding| finding.subject == "device=w1").unwrap();
        (finding.severity, finding.cleared)
    };
    assert_eq!(state(&[jam]), (Severity::Low, false));
    assert_eq!(state(&[jam, ("01:00:05", "widget w1 runs again")]), (Severity::Info, true));
    assert_eq!(state(&[jam, ("01:00:05", "widget w2 runs again")]), (Severity::Low, false), "another one");
    assert_eq!(state(&[("00:59:00", "widget w1 runs again"), jam]), (Severity::Low, false), "before");
    assert_eq!(
        state(&[jam, ("01:00:05", "widget w1 runs again"), ("01:00:09", "widget w1 jams")]),
        (Severity::Low, false),
        "again"
    );
}

#[test]
fn a_compressed_log_is_read_and_cited_by_its_own_offsets() {
    use std::io::Write as _;
    let line = r#"{"level":"error","ts":"2026-11-20T02:00:00.123Z","caller":"ipamd/ipamd.go:905","msg":"InsufficientFreeAddressesInSubnet: The specified subnet does not have enough free addresses"}"#;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(format!("{}{line}\n", "quiet\n".repeat(300_000)).as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    let name = "var_log/aws-routed-eni/ipamd-2026-11-20T03-12-00.000.log.gz";
    let scanned = |bytes: &[u8]| {
        let store = MemoryStore::new();
        store.insert(path(name), bytes.to_vec());
        block_on(scan(&Located::in_store(store), Catalogue::builtin(), ScanOptions::default(), None)).unwrap()
    };
    let found = scanned(&whole);
    let finding = find(&found, "cni/subnet-out-of-ips");
    assert_eq!((finding.evidence[0].line, finding.evidence[0].start_byte), (300_001, 1_800_000));
    assert_eq!(finding.evidence[0].text, line);
    let cut = scanned(&whole[..whole.len() - 20]);
    assert!(cut.coverage.skipped[0].reason.contains("gzip is cut or damaged"), "{:?}", cut.coverage);
    assert!(!cut.coverage.scan_complete);
}

#[test]
fn a_bundle_inside_a_directory_has_its_own_root() {
    let found = scanned(
        "//- some-name/kernel/dmesg.current\n[ 1.0] nf_conntrack: nf_conntrack: table full, dropping packet\n//- some-name/notes\nx\n",
    );
    assert_eq!(find(&found, FULL).evidence[0].file, "kernel/dmesg.current");
    assert_eq!(
        found.files.iter().map(|file| file.file.as_str()).collect::<Vec<_>>(),
        ["kernel/dmesg.current", "notes"]
    );
    let two = "//- a/kernel/dmesg.current\nx\n//- b/kernel/dmesg.current\nx\n";
    let error = block_on(scan(&bundle(two), Catalogue::builtin(), ScanOptions::default(), None)).unwrap_err();
    assert!(error.to_string().contains("holds 2 bundles"), "{error}");
}

#[test]
fn a_file_that_breaks_off_or_is_denied_is_said_and_the_rest_is_read() {
    let text = "//- kernel/dmesg.current\n[ 1.0] nf_conntrack: nf_conntrack: table full, dropping packet\n//- kubelet/kubelet.log\nx\nx\n//- system/top.txt\nx\n";
    let store =
        FaultyStore::new(support::store(text)).break_off(path("kubelet/kubelet.log")).deny(path("system/top.txt"));
    let found = block_on(scan(&Located::in_store(store), Catalogue::builtin(), ScanOptions::default(), None)).unwrap();
    assert_eq!(find(&found, FULL).count, 1);
    let skipped: Vec<&str> = found.coverage.skipped.iter().map(|skipped| skipped.file.as_str()).collect();
    assert_eq!(skipped, ["kubelet/kubelet.log", "system/top.txt"]);
    assert!(found.coverage.skipped[0].reason.contains("connection reset"));
    assert!(found.coverage.skipped[1].reason.contains("permission denied"));
    assert_eq!((found.coverage.files_scanned, found.coverage.files_total), (1, 3));
}

#[test]
fn few_lines_of_evidence_are_the_first_and_the_last() {
    let lines: String =
        (1..=50).map(|n| format!("[ {n}.000000] nf_conntrack: nf_conntrack: table full, dropping packet\n")).collect();
    let located = bundle(&format!("//- kernel/dmesg.current\n{lines}"));
    let cited = |limit| {
        let options = ScanOptions::default().with_evidence(limit);
        let found = block_on(scan(&located, Catalogue::builtin(), options, None)).unwrap();
        let finding = find(&found, FULL).clone();
        assert_eq!(finding.count, 50);
        assert_eq!(finding.evidence.len() as u64 + finding.evidence_omitted, 50);
        finding.evidence.iter().map(|line| line.line).collect::<Vec<_>>()
    };
    assert_eq!(cited(EvidenceLimit::Few(3)), [1, 2, 50]);
    assert_eq!(cited(EvidenceLimit::Few(1)), [1]);
    assert_eq!(cited(EvidenceLimit::All).len(), 50);
}

#[test]
fn a_quoted_error_of_somebody_else_is_not_the_components_own() {
    // An application that prints a kernel phrase, and a debug line that ends in BUG:.
    let found = scanned(
        "
//- var_log/payments_web-0_uid/app/0.log
2026-11-20T02:00:00.1Z stdout F {\"msg\":\"saw: nf_conntrack: table full, dropping packet\"}
//- var_log/aws-routed-eni/ipamd.log
{\"level\":\"debug\",\"ts\":\"2026-11-20T02:00:00.123Z\",\"caller\":\"ipamd/ipamd.go:1\",\"msg\":\"DEBUG: heartbeat ok\"}
",
    );
    assert!(found.findings.is_empty(), "{:#?}", found.findings);
}

#[test]
fn findings_stand_in_canonical_order() {
    let found = scanned(
        "
//- var_log/aws-routed-eni/ipamd.log
{\"level\":\"info\",\"ts\":\"2026-11-20T02:00:00.123Z\",\"caller\":\"x\",\"msg\":\"RequestLimitExceeded: Request limit exceeded.\"}
//- kernel/dmesg.human.current
[Fri Nov 20 02:01:01 2026] nf_conntrack: nf_conntrack: table full, dropping packet
[Fri Nov 20 02:00:01 2026] watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [kworker/3:1:77]
",
    );
    let order: Vec<(&str, Severity, &str)> =
        found.findings.iter().map(|finding| (finding.id.as_str(), finding.severity, finding.rule.as_str())).collect();
    assert!(order.windows(2).all(|pair| (pair[0].1, pair[0].2) <= (pair[1].1, pair[1].2)), "{order:?}");
    assert_eq!(order[0].2, "kernel/soft-lockup");
    assert_eq!(order[0].0, "F-001");
}

#[test]
fn what_an_aborted_earlier_run_left_is_not_judged() {
    let run = |time: &str, outcome: &str| {
        format!("curling https://x.gr7.eu-west-1.eks.amazonaws.com (1 of 5) 2026-11-20T{time}.123UTC\n{outcome}\n")
    };
    let fails = "* Could not resolve host: x.gr7.eu-west-1.eks.amazonaws.com";
    let judged = |log: &str| {
        let found = scanned(&format!("//- networking/curl_api_server.txt\n{log}"));
        let appended = found.gaps.iter().any(|gap| gap.kind == "appended");
        (found.findings.iter().map(|finding| finding.evidence[0].line).collect::<Vec<_>>(), appended)
    };
    assert_eq!(judged(&run("02:00:00", fails)), (vec![2], false));
    assert_eq!(judged(&(run("02:00:00", fails) + &run("03:00:00", "< HTTP/2 200"))), (vec![], true));
    assert_eq!(judged(&(run("02:00:00", "< HTTP/2 200") + &run("03:00:00", fails))), (vec![4], true));
    let found = scanned(&format!("//- networking/curl_api_server.txt\n{}", run("03:00:00", fails)));
    assert_eq!(found.findings[0].first_seen.unwrap().to_string(), "2026-11-20T03:00:00.123Z");
}

#[test]
fn error_lines_that_no_rule_knows_surface_as_templates() {
    let mut log = String::new();
    for n in 0..200 {
        log += &format!(
            "Nov 20 02:{:02}:{:02} h kubelet[31]: I1120 02:{0:02}:{1:02}.000001      31 a.go:1] \"All is well\" n={n}\n",
            n / 60,
            n % 60
        );
    }
    for n in 0..3 {
        log += &format!(
            "Nov 20 02:30:0{n} h kubelet[31]: E1120 02:30:0{n}.000001      31 frob.go:7] \"Failed to frobnicate the widget\" widget=\"w-{n}\"\n"
        );
    }
    log += "Nov 20 02:31:00 h kubelet[31]: F1120 02:31:00.000001      31 frob.go:9] widget storage is gone\n";
    // Known to rules, known to be harmless, or of another level: not told again.
    log += "Nov 20 02:32:00 h kubelet[31]: E1120 02:32:00.000001      31 kubelet.go:2460] \"Skipping pod synchronization\" err=\"PLEG is not healthy: pleg was last seen active 3m1.2s ago; threshold is 3m0s\"\n";
    log += "Nov 20 02:33:00 h kubelet[31]: E1120 02:33:00.000001      31 log.go:32] \"ContainerStatus from runtime service failed\" err=\"rpc error: code = NotFound desc = an error occurred when try to find container \\\"0a\\\": not found\"\n";
    log += "Nov 20 02:34:00 h kubelet[31]: W1120 02:34:00.000001      31 a.go:1] \"Failed to frobnicate quietly\"\n";
    let found = scanned(&format!("//- kubelet/kubelet.log\n{log}"));
    let unknown: Vec<_> = found.findings.iter().filter(|finding| finding.rule.area() == "unrecognised").collect();
    let told: Vec<(&str, Severity, u64)> =
        unknown.iter().map(|finding| (finding.rule.as_str(), finding.severity, finding.count)).collect();
    assert_eq!(told, [("unrecognised/fatal", Severity::Medium, 1), ("unrecognised/error", Severity::Low, 3)]);
    assert_eq!(unknown[1].subject, "template=\"Failed to frobnicate the widget\" widget=*".replace("template=", ""));
    assert_eq!(unknown[1].evidence[0].line, 201);
}

#[test]
fn unrecognised_errors_are_a_handful_and_the_rest_is_said() {
    let log: String = (0..40)
        .map(|n| {
            let word: String = std::iter::repeat_n((b'a' + (n % 26)) as char, 3 + usize::from(n / 26)).collect();
            format!(
                "{{\"level\":\"error\",\"ts\":\"2026-11-20T02:00:00.000Z\",\"caller\":\"x\",\"msg\":\"odd {word}\"}}\n"
            )
        })
        .collect();
    let found = scanned(&format!("//- var_log/aws-routed-eni/ipamd.log\n{log}"));
    assert_eq!(found.findings.len(), 10);
    let gap = found.gaps.iter().find(|gap| gap.kind == "unrecognised-errors").unwrap();
    assert!(gap.detail.starts_with("30 more kinds"), "{}", gap.detail);
    assert!(found.coverage.scan_complete, "they were read");
}

#[test]
fn a_node_in_another_zone_is_told_in_utc() {
    let found = scanned(
        "
//- containerd/containerd-log.txt
Nov 20 09:00:00 h containerd[30]: time=\"2026-11-20T07:00:00.500000000Z\" level=info msg=\"Start streaming server\"
//- kubelet/kubelet.log
Nov 20 09:10:00 h kubelet[31]: E1120 09:10:00.000001      31 kubelet.go:2460] \"Skipping pod synchronization\" err=\"PLEG is not healthy: pleg was last seen active 3m1.2s ago; threshold is 3m0s\"
//- kernel/dmesg.human.current
[Fri Nov 20 09:11:00 2026] nf_conntrack: nf_conntrack: table full, dropping packet
",
    );
    assert_eq!(find(&found, "kubelet/pleg-unhealthy").first_seen.unwrap().to_string(), "2026-11-20T07:10:00.000001Z");
    let kernel = find(&found, FULL);
    assert_eq!(
        (kernel.first_seen.unwrap().to_string().as_str(), kernel.time_certainty),
        ("2026-11-20T07:11:00Z", Certainty::ZoneDerived)
    );
}

#[test]
fn a_rotated_log_continues_and_repeats_nothing() {
    let line = "ip-10-0-0-1 kernel: nf_conntrack: nf_conntrack: table full, dropping packet";
    let found = scanned(&format!(
        "//- var_log/messages-20261119\nNov 18 02:00:00 {line}\nNov 18 02:00:05 {line}\n//- var_log/messages\nNov 20 02:00:00 {line}\n"
    ));
    let finding = find(&found, FULL);
    assert_eq!((finding.count, finding.evidence.iter().filter(|line| line.duplicate).count()), (3, 0));
}

#[test]
fn the_boot_time_of_a_node_in_another_zone_is_utc() {
    let found = scanned(
        "
//- containerd/containerd-log.txt
Nov 20 09:00:00 h containerd[30]: time=\"2026-11-20T07:00:00.500000000Z\" level=info msg=\"Start streaming server\"
//- kernel/dmesg.human.current
[Fri Nov 20 09:00:00 2026] Linux version 6.12
//- kernel/dmesg.current
[   10.000000] Linux version 6.12
[   70.000000] nf_conntrack: nf_conntrack: table full, dropping packet
",
    );
    assert_eq!(find(&found, FULL).first_seen.unwrap().to_string(), "2026-11-20T07:01:00Z");
}
