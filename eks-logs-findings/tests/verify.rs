//! Reports with true and false claims: every false one is caught, no true one is contradicted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use eks_logs_findings::verify::{ClaimKind, ClaimVerdict, Verification, verify};
use eks_logs_findings::{Catalogue, Finding, Scan};
use futures_lite::future::block_on;
use jiff::SignedDuration;
use proptest::prelude::*;
use support::{bundle, find, scanned};

/// A bundle of many faults, some of them often.
fn text() -> String {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let mut add = |file: &'static str, line: String| {
        let content = files.entry(file).or_default();
        content.push_str(&line);
        content.push('\n');
    };
    let ring = "kernel/dmesg.human.current";
    for second in 0..37 {
        add(
            ring,
            format!("[Tue Jul 14 10:00:{second:02} 2026] nf_conntrack: nf_conntrack: table full, dropping packet"),
        );
    }
    add(ring, "[Tue Jul 14 10:02:05 2026] nvme nvme1: I/O 21 QID 3 timeout, aborting".to_owned());
    add(ring, "[Tue Jul 14 10:02:36 2026] Aborting journal on device nvme1n1-8.".to_owned());
    add(ring, "[Tue Jul 14 10:02:36 2026] EXT4-fs (nvme1n1): Remounting filesystem read-only".to_owned());
    add(ring, "[Tue Jul 14 10:09:11 2026] Memory cgroup out of memory: Killed process 4711 (java) total-vm:8712340kB, anon-rss:4193020kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:8848kB oom_score_adj:984".to_owned());
    for minute in 0..7 {
        add(
            "var_log/aws-routed-eni/ipamd.log",
            format!(
                r#"{{"level":"error","ts":"2026-07-14T10:1{minute}:00.000Z","caller":"ipamd/ipamd.go:905","msg":"Failed to increase pool size due to insufficient IP addresses: InsufficientFreeAddressesInSubnet: The specified subnet does not have enough free addresses to satisfy the request. eni-0a1b2c3d4e5f60718"}}"#
            ),
        );
    }
    for second in 0..5 {
        add(
            "kubelet/kubelet.log",
            format!(
                r#"2026-07-14T10:20:1{second}.000000+00:00 ip-10-0-12-7 kubelet[1234]: E0714 10:20:1{second}.000000    1234 controller.go:145] "Failed to ensure lease exists, will retry" err="Unauthorized" interval="7s""#
            ),
        );
    }
    add("kubelet/kubelet.log", "2026-07-14T10:21:00.000000+00:00 ip-10-0-12-7 kubelet[1234]: I0714 10:21:00.000000    1234 kubelet.go:1] \"Starting kubelet main sync loop\"".to_owned());
    files.iter().map(|(file, content)| format!("//- {file}\n{content}")).collect()
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

fn seconds(finding: &Finding, last: bool) -> jiff::Timestamp {
    if last { finding.last_seen.unwrap() } else { finding.first_seen.unwrap() }
}

/// Words of a line that no other form of quoting gets in the way of.
fn words(finding: &Finding, at: usize) -> String {
    let line = &finding.evidence[at % finding.evidence.len()].text;
    let from = line.find("] ").map_or(0, |at| at + 2);
    line[from..].chars().take(60).filter(|c| *c != '`').collect::<String>().trim().to_owned()
}

/// One sentence about a finding, and whether it is true.
fn sentence(scan: &Scan, dice: &mut Dice, truth: bool) -> String {
    let timed: Vec<&Finding> = scan.findings.iter().filter(|finding| finding.first_seen.is_some()).collect();
    let finding = timed[dice.below(timed.len())];
    let other = scan.findings.iter().find(|other| other.severity != finding.severity).unwrap();
    let id = &finding.id;
    let evidence = &finding.evidence[dice.below(finding.evidence.len())];
    let off = SignedDuration::from_secs(if truth { 0 } else { 61 + dice.below(500) as i64 });
    let wrong = 1 + dice.below(9) as u64;
    let count = if truth { finding.count } else { finding.count + wrong };
    let lines = scan.files.iter().find(|file| file.file == evidence.file).unwrap().lines;
    let severity = if truth { finding.severity } else { other.severity };
    let first = seconds(finding, false) + off;
    let last = seconds(finding, true) + off;
    match dice.below(18) {
        0 if truth => format!("{id} is what matters here."),
        0 => format!("F-{:03} is what matters here.", scan.findings.len() + 1 + dice.below(500)),
        1 => format!("{id} happened {count} times on this node."),
        2 => format!("{} ({id}, \u{d7}{count}).", finding.title),
        3 => format!("{id}: count {count}."),
        4 => format!("{id} was first seen at {first}."),
        5 => format!("It began at {first} ({id})."),
        6 => format!("{id} went on until {last}, then stopped."),
        7 => format!("{id} ({severity}) needs attention."),
        8 => format!("The {severity} finding {id} comes first."),
        9 => {
            let line = if truth { evidence.line } else { lines + 1 + wrong };
            format!("See {}:{line} for {id}.", evidence.file)
        }
        10 if truth => format!("{id} shows `{}`.", words(finding, dice.below(50))),
        10 => format!("{id} shows `{}`.", words(other, dice.below(50))),
        11 if truth => {
            let part = evidence.text.split('"').max_by_key(|part| part.len()).unwrap();
            format!("The log says \"{}\".", words_of(part))
        }
        11 => format!("The log says \"the frobnicator was not {wrong} times reticulated\"."),
        12 => {
            let rule = if truth { finding.rule.as_str() } else { "kernel/panic" };
            format!("The rule `{rule}` found it.")
        }
        13 => {
            let rule = if truth { "kernel/panic" } else { finding.rule.as_str() };
            format!("There is no {rule} on this node.")
        }
        14 => {
            let all = scan.findings.len() as u64 + if truth { 0 } else { wrong };
            format!("There are {all} findings in this bundle.")
        }
        15 => {
            let end = evidence.end_byte + if truth { 0 } else { 1 << 30 };
            format!("{} bytes {}..{end} prove it.", evidence.file, evidence.start_byte)
        }
        16 if truth => "The interface is eni-0a1b2c3d4e5f60718.".to_owned(),
        16 => format!("The interface is eni-0a1b2c3d4e5f6071{wrong}f."),
        _ if truth => format!("`{}` stands in {}:{}.", words_of(&evidence.text), evidence.file, evidence.line),
        _ => {
            let elsewhere = if evidence.line == 1 { 2 } else { 1 };
            let there = scan.findings.iter().flat_map(|finding| &finding.evidence);
            let line = there.filter(|line| line.file == evidence.file && line.line == elsewhere).count();
            let distinct = words_of(&evidence.text);
            if line > 0 || elsewhere > lines {
                format!("`{distinct} and then some more` stands in {}:{elsewhere}.", evidence.file)
            } else {
                format!("`{distinct}` stands in {}:{elsewhere}.", evidence.file)
            }
        }
    }
}

fn words_of(text: &str) -> String {
    text.chars().take(90).filter(|c| *c != '`').collect::<String>().trim().to_owned()
}

fn checked(text: &str, scan: &Scan, report: &str) -> Verification {
    block_on(verify(&bundle(text), Catalogue::builtin(), scan, report)).unwrap()
}

#[test]
fn forty_reports_are_told_true_from_false() {
    let text = text();
    let scan = scanned(&text);
    assert!(scan.findings.len() >= 7, "{:#?}", scan.findings.iter().map(|f| &f.rule).collect::<Vec<_>>());
    let (mut planted, mut caught, mut told) = (0, 0, 0);
    for seed in 0..40 {
        let mut dice = Dice(seed * 7919 + 1);
        let mut report = String::from("# What happened\n\nThe node was in trouble; here is what the logs say.\n\n");
        let mut truths: BTreeMap<usize, bool> = BTreeMap::new();
        for _ in 0..14 {
            let truth = dice.below(2) == 0;
            let bullet = ["", "- ", "* ", "1. ", "| "][dice.below(5)];
            let line = sentence(&scan, &mut dice, truth);
            truths.insert(report.lines().count() + 1, truth);
            writeln!(report, "{bullet}{line}").unwrap();
            if dice.below(3) == 0 {
                writeln!(report, "\nRun `kubectl describe node <node>` and drain it within 15 minutes.\n").unwrap();
            }
        }
        let found = checked(&text, &scan, &report);
        for (line, truth) in truths {
            let of: Vec<_> = found.claims.iter().filter(|claim| claim.report_line == line).collect();
            let written = report.lines().nth(line - 1).unwrap();
            if truth {
                told += 1;
                assert!(!of.is_empty(), "nothing was read from {written:?}");
                for claim in of {
                    assert_eq!(claim.verdict, ClaimVerdict::Supported, "{written:?}\n{claim:#?}");
                }
            } else {
                planted += 1;
                let found = of.iter().any(|claim| claim.verdict != ClaimVerdict::Supported);
                assert!(found, "not caught: {written:?}\n{of:#?}");
                caught += 1;
            }
        }
        let advice =
            found.claims.iter().filter(|claim| report.lines().nth(claim.report_line - 1).unwrap().contains("kubectl"));
        assert_eq!(advice.count(), 0, "advice is no claim");
    }
    assert_eq!(planted, caught);
    assert!(planted > 200 && told > 200, "{planted} false, {told} true");
}

#[test]
fn what_the_bundle_says_instead_is_told() {
    let text = text();
    let scan = scanned(&text);
    let full = find(&scan, "network/conntrack-table-full");
    let report = format!(
        "{} happened 5 times.\nThe kernel printed `Memory cgroup out of memory: Killed process 1234 (java)`.\nF-999 is the cause.\n",
        full.id
    );
    let found = checked(&text, &scan, &report);
    let count = found.claims.iter().find(|claim| claim.kind == ClaimKind::Count).unwrap();
    assert_eq!(count.verdict, ClaimVerdict::Contradicted);
    assert!(count.reason.contains("37"), "{}", count.reason);
    let quote = found.claims.iter().find(|claim| claim.kind == ClaimKind::Quotation).unwrap();
    assert_eq!(quote.verdict, ClaimVerdict::Contradicted, "{quote:#?}");
    assert!(quote.reason.contains("4711") && quote.span.is_some());
    let id = found.claims.iter().find(|claim| claim.claim == "F-999").unwrap();
    assert_eq!(id.verdict, ClaimVerdict::Contradicted);
    assert!(!found.holds && found.contradicted == 3 && found.supported == 1);
}

#[test]
fn spans_of_quotations_are_the_bundles_bytes() {
    let text = text();
    let scan = scanned(&text);
    let found =
        checked(&text, &scan, "It says `nvme nvme1: I/O 21 QID ... aborting` and\n> Starting kubelet main sync loop\n");
    assert_eq!(found.supported, 2, "{found:#?}");
    for claim in &found.claims {
        let span = claim.span.as_ref().unwrap();
        let file = text.split("//- ").find(|file| file.starts_with(&span.file)).unwrap();
        let content = file.split_once('\n').unwrap().1;
        let bytes = &content[span.start_byte as usize..span.end_byte as usize];
        assert!(
            bytes.starts_with("nvme nvme1") && bytes.ends_with("aborting")
                || bytes == "Starting kubelet main sync loop"
        );
        assert_eq!(content[..span.start_byte as usize].matches('\n').count() as u64 + 1, span.line);
    }
}

#[test]
fn a_report_of_our_own_holds() {
    let text = text();
    let scan = scanned(&text);
    let ids: Vec<String> = scan.findings.iter().map(|finding| finding.id.clone()).collect();
    let summary = eks_logs_findings::summary::summarize(Catalogue::builtin(), &scan, &ids);
    assert!(summary.grounded && summary.unresolved.is_empty());
    let mut report = String::new();
    for statement in summary
        .overview
        .iter()
        .chain(&summary.critical)
        .chain(&summary.high)
        .chain(&summary.others)
        .chain(&summary.causes)
    {
        writeln!(report, "- {}", statement.text).unwrap();
        assert!(!statement.finding_ids.is_empty(), "{statement:?}");
        assert!(statement.finding_ids.iter().all(|id| ids.contains(id)));
    }
    let found = checked(&text, &scan, &report);
    let wrong: Vec<_> = found.claims.iter().filter(|claim| claim.verdict != ClaimVerdict::Supported).collect();
    assert!(wrong.is_empty() && found.supported > 20, "{report}\n{wrong:#?}");
}

#[test]
fn a_report_without_claims_does_not_hold() {
    let text = text();
    let found = checked(&text, &scanned(&text), "Everything is fine.\n");
    assert!(!found.holds && found.claims.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_report_is_judged(report in "(?s)(F-0{0,3}[0-9]{1,3}|[`\"]| times| [0-9]{1,5}|kernel/panic|2026-07-1[0-9]T1[0-9]:00:00Z|[a-z .,;:\n]{1,12}|\\PC{0,6}){0,40}") {
        static SCAN: std::sync::OnceLock<(String, Scan)> = std::sync::OnceLock::new();
        let (text, scan) = SCAN.get_or_init(|| { let text = text(); let scan = scanned(&text); (text, scan) });
        let found = checked(text, scan, &report);
        prop_assert_eq!(found.claims.len(), found.supported + found.contradicted + found.not_found);
        for claim in &found.claims {
            prop_assert!(claim.report_line >= 1 && claim.report_line <= report.lines().count());
        }
    }
}
