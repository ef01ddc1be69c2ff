//! The labelled incidents that lie beside the checkout (`../shared/incidents`), read in place. Skipped by name where they are absent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use eks_logs_core::{LocalStore, Located};
use eks_logs_findings::{Catalogue, EvidenceLimit, Finding, Scan, ScanOptions, Severity, scan};
use futures_lite::future::block_on;
use serde_json::Value;

fn incidents() -> Option<Vec<(String, PathBuf, Value)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/incidents");
    let Ok(cases) = fs::read_dir(&root) else {
        // Not by `println!`: the harness keeps what a passing test prints to itself.
        let _ = writeln!(std::io::stderr(), "skipped: labelled incidents: {} is absent", root.display());
        return None;
    };
    let mut found = Vec::new();
    for case in cases.map(|case| case.unwrap().path()) {
        if let Ok(label) = fs::read_to_string(case.join("label.json")) {
            let name = case.file_name().unwrap().to_string_lossy().into_owned();
            found.push((name, case.join("bundle"), serde_json::from_str(&label).unwrap()));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Some(found)
}

fn scanned(bundle: &Path) -> Scan {
    let located = Located::in_store(LocalStore::open(bundle).unwrap());
    let options = ScanOptions::default().with_threads(0).with_evidence(EvidenceLimit::All);
    block_on(scan(&located, Catalogue::builtin(), options, None)).unwrap()
}

fn citing<'a>(scan: &'a Scan, label: &Value) -> Vec<&'a Finding> {
    let (file, text) = (label["file"].as_str().unwrap(), label["contains"].as_str().unwrap());
    let cites = |finding: &&Finding| finding.evidence.iter().any(|line| line.file == file && line.text.contains(text));
    scan.findings.iter().filter(cites).collect()
}

fn list<'a>(label: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    label[name].as_array().into_iter().flatten()
}

#[test]
fn labelled_lines_are_found_as_severe_as_they_are() {
    let Some(incidents) = incidents() else { return };
    let (mut lines, mut found, mut graded) = (0, 0, 0);
    for (name, bundle, label) in &incidents {
        let scan = scanned(bundle);
        for wanted in list(label, "must_find") {
            let least: Severity = wanted["severity_at_least"].as_str().unwrap().parse().unwrap();
            let citing = citing(&scan, wanted);
            lines += 1;
            found += usize::from(!citing.is_empty());
            let severe = citing.iter().any(|finding| finding.severity <= least);
            graded += usize::from(severe);
            if !severe {
                println!("{name}: {} | {}", wanted["file"], wanted["contains"]);
            }
        }
    }
    assert!(found * 100 >= lines * 97, "found {found} of {lines}");
    assert!(graded * 100 >= lines * 93, "graded {graded} of {lines}");
}

#[test]
fn benign_lines_and_healthy_nodes_raise_no_alarm() {
    let Some(incidents) = incidents() else { return };
    for (name, bundle, label) in &incidents {
        let scan = scanned(bundle);
        for benign in list(label, "must_not_flag") {
            let loud: Vec<_> =
                citing(&scan, benign).into_iter().filter(|finding| finding.severity <= Severity::Medium).collect();
            assert!(loud.is_empty(), "{name}: {benign}: {loud:#?}");
        }
        if list(label, "must_find").next().is_none() {
            let loud: Vec<_> = scan.findings.iter().filter(|finding| finding.severity <= Severity::High).collect();
            assert!(loud.is_empty(), "{name} is a healthy node: {loud:#?}");
        }
    }
}

#[test]
fn every_citation_is_what_the_bundle_holds() {
    let Some(incidents) = incidents() else { return };
    let mut citations = 0;
    for (name, bundle, _) in &incidents {
        for line in scanned(bundle).findings.iter().flat_map(|finding| &finding.evidence) {
            let content = fs::read(bundle.join(&line.file)).unwrap();
            let (start, end) = (line.start_byte as usize, line.end_byte as usize);
            assert_eq!(String::from_utf8_lossy(&content[start..end]), line.text, "{name}");
            assert_eq!(content[..start].iter().filter(|byte| **byte == b'\n').count() as u64 + 1, line.line, "{name}");
            citations += 1;
        }
    }
    assert!(citations > 100);
}

/// The labelled cause lines of an incident.
fn causes(label: &Value) -> Vec<&str> {
    let texts = |name: &str| -> Vec<&str> { list(label, name).filter_map(Value::as_str).collect() };
    let (told, order) = (texts("cause_lines"), texts("causal_order"));
    if !told.is_empty() {
        told
    } else if let Some(first) = order.first() {
        vec![first]
    } else {
        list(label, "must_find").map(|wanted| wanted["contains"].as_str().unwrap()).collect()
    }
}

#[test]
fn causes_are_ranked_first_and_confidence_means_what_it_says() {
    let Some(incidents) = incidents() else { return };
    let (mut all, mut first, mut third) = (0, 0, 0);
    let mut sure: Vec<(f64, bool)> = Vec::new();
    for (name, bundle, label) in &incidents {
        if list(label, "must_find").next().is_none() {
            continue;
        }
        let scan = scanned(bundle);
        let files: Vec<&str> = list(label, "must_find").map(|wanted| wanted["file"].as_str().unwrap()).collect();
        let wanted = causes(label);
        let names_it = |hypothesis: &eks_logs_findings::Hypothesis| {
            let of = scan.findings.iter().filter(|finding| hypothesis.cause.contains(&finding.id));
            of.flat_map(|finding| &finding.evidence)
                .any(|line| files.contains(&line.file.as_str()) && wanted.iter().any(|text| line.text.contains(text)))
        };
        let found = eks_logs_findings::hypotheses(Catalogue::builtin(), &scan.findings);
        all += 1;
        let right: Vec<bool> = found.iter().map(names_it).collect();
        first += usize::from(right.first() == Some(&true));
        third += usize::from(right.iter().take(3).any(|right| *right));
        if right.first() != Some(&true) {
            println!("{name}: {:?}", found.iter().map(|hypothesis| &hypothesis.rule).collect::<Vec<_>>());
        }
        sure.extend(found.first().map(|hypothesis| hypothesis.confidence).zip(right.first().copied()));
    }
    assert!(first * 100 >= all * 85, "first: {first} of {all}");
    assert!(third * 100 >= all * 90, "among the first three: {third} of {all}");
    // Over all first hypotheses the mean confidence is near the share of those that are right.
    let mean = sure.iter().map(|(confidence, _)| confidence).sum::<f64>() / sure.len() as f64;
    let share = sure.iter().filter(|(_, right)| *right).count() as f64 / sure.len() as f64;
    assert!((mean - share).abs() < 0.12, "confident {mean:.2}, right {share:.2}");
}
