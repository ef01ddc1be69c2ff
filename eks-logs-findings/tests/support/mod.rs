//! Bundles written as text: a line `//- path` begins a file, what follows is its content.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use eks_logs_core::{Located, MemoryStore, StorePath};
use eks_logs_findings::{Catalogue, EvidenceLimit, Finding, Scan, ScanOptions, scan};
use futures_lite::future::block_on;

pub fn path(text: &str) -> StorePath {
    StorePath::parse(text).expect("a valid path")
}

pub fn store(text: &str) -> MemoryStore {
    let store = MemoryStore::new();
    for file in text.trim_start().split("//- ").filter(|file| !file.is_empty()) {
        let (name, content) = file.split_once('\n').expect("a path and its content");
        store.insert(path(name), content.to_owned());
    }
    store
}

pub fn bundle(text: &str) -> Located {
    Located::in_store(store(text))
}

/// Scans with the built-in catalogue and quotes everything.
pub fn scanned(text: &str) -> Scan {
    let options = ScanOptions::default().with_evidence(EvidenceLimit::All);
    block_on(scan(&bundle(text), Catalogue::builtin(), options, None)).expect("a scan")
}

#[track_caller]
pub fn find<'a>(scan: &'a Scan, rule: &str) -> &'a Finding {
    let found: Vec<&str> = scan.findings.iter().map(|finding| finding.rule.as_str()).collect();
    scan.findings
        .iter()
        .find(|finding| finding.rule.as_str() == rule)
        .unwrap_or_else(|| panic!("{rule} is not in {found:?}"))
}
