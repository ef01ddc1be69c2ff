//! At volume: every planted fault is found exactly where it is, counts are exact, no healthy line is in a finding of medium or above,
//! and neither the store nor the number of threads shows in the answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use eks_logs_benches::{Corpus, Planted, write};
use eks_logs_core::bundle::open;
use eks_logs_findings::{Catalogue, EvidenceLimit, Scan, ScanOptions, Severity, scan};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_lite::future::block_on;

fn scanned(path: &Path, threads: usize) -> Scan {
    let options = ScanOptions::default().with_threads(threads).with_evidence(EvidenceLimit::All);
    let found = block_on(async { scan(&open(path).await.unwrap(), Catalogue::builtin(), options, None).await });
    found.unwrap()
}

/// What a finding says of one line: its rule and severity, where the span starts, and its text.
type Cited<'a> = (&'a str, Severity, u64, &'a str);

fn check(found: &Scan, planted: &[Planted]) {
    let mut cited: BTreeMap<(&str, u64), Vec<Cited<'_>>> = BTreeMap::new();
    for finding in &found.findings {
        assert_eq!(finding.count, finding.evidence.len() as u64, "{}: every line is quoted once", finding.rule);
        for line in &finding.evidence {
            let entry = (finding.rule.as_str(), finding.severity, line.start_byte, line.text.as_str());
            cited.entry((line.file.as_str(), line.line)).or_default().push(entry);
        }
    }
    for fault in planted {
        let found = cited.get(&(fault.file, fault.line)).unwrap_or_else(|| panic!("not found: {fault:?}"));
        let exact =
            |(rule, _, byte, text): &Cited<'_>| *rule == fault.rule && *byte == fault.byte && *text == fault.text;
        assert!(found.iter().any(exact), "{fault:?} is told as {found:?}");
    }
    let faulty: BTreeSet<(&str, u64)> = planted.iter().map(|fault| (fault.file, fault.line)).collect();
    for (place, findings) in &cited {
        let loud = findings.iter().any(|(_, severity, _, _)| *severity <= Severity::Medium);
        assert!(!loud || faulty.contains(place), "a healthy line is in {findings:?}");
    }
    let mut per_rule: BTreeMap<&str, u64> = BTreeMap::new();
    for fault in planted {
        *per_rule.entry(fault.rule).or_default() += 1;
    }
    for (rule, planted) in per_rule {
        let told: u64 =
            found.findings.iter().filter(|finding| finding.rule.as_str() == rule).map(|finding| finding.count).sum();
        assert_eq!(told, planted, "{rule}");
    }
    assert!(found.coverage.scan_complete);
}

#[test]
fn every_planted_fault_is_found_where_it_is() {
    for seed in 1..=3 {
        let directory = tempfile::tempdir().unwrap();
        let planted = write(directory.path(), &Corpus { bytes: 12_000_000, seed, faults: 200 }).unwrap();
        assert!(planted.len() >= 200);
        check(&scanned(directory.path(), 2), &planted);
    }
}

#[test]
fn a_healthy_bundle_raises_nothing() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &Corpus { bytes: 12_000_000, seed: 4, faults: 0 }).unwrap();
    let found = scanned(directory.path(), 2);
    let loud: Vec<_> = found.findings.iter().filter(|finding| finding.severity <= Severity::Medium).collect();
    assert!(loud.is_empty(), "{loud:#?}");
}

#[test]
fn neither_store_nor_threads_show() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("bundle");
    write(&root, &Corpus { bytes: 6_000_000, seed: 5, faults: 300 }).unwrap();
    let archive = directory.path().join("bundle.tar.gz");
    let mut builder = tar::Builder::new(GzEncoder::new(File::create(&archive).unwrap(), Compression::fast()));
    // Not in the order in which a directory is walked.
    for name in ["var_log", "networking", "kubelet", "containerd", "system", "kernel"] {
        builder.append_dir_all(format!("./{name}"), root.join(name)).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap();
    let json = |path: &Path, threads| {
        let mut found = scanned(path, threads);
        found.bundle.locator.clear();
        serde_json::to_string(&found).unwrap()
    };
    let one = json(&root, 1);
    for threads in [0, 2, 5] {
        assert_eq!(json(&root, threads), one, "{threads} threads");
    }
    assert_eq!(json(&archive, 2), one);
    assert_eq!(json(&archive, 0), one);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &Corpus { bytes: 200_000, seed, faults: 20 }).unwrap();
        std::fs::read(directory.path().join("kubelet/kubelet.log")).unwrap()
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}
