//! Lines and states of healthy nodes that look like errors (`noise/*.toml`): they raise nothing of medium or above. Beside many stands the form
//! in which the same thing is a fault: it must be found.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::Path;

use eks_logs_core::{Located, MemoryStore};
use eks_logs_findings::{Catalogue, ScanOptions, Severity, scan};
use futures_lite::future::block_on;
use serde::Deserialize;
use support::path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Noise {
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    phrase: String,
    why: String,
    file: String,
    lines: Vec<String>,
    #[serde(default)]
    fault: bool,
    rule: Option<String>,
    at_least: Option<Severity>,
}

fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/noise");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |file: &std::path::PathBuf| -> Vec<Case> {
        toml::from_str::<Noise>(&fs::read_to_string(file).unwrap())
            .unwrap_or_else(|why| panic!("{}: {why}", file.display()))
            .case
    };
    files.iter().flat_map(read).collect()
}

#[test]
fn benign_lines_are_silent_and_their_faulty_twins_are_not() {
    let cases = cases();
    assert!(cases.len() > 150);
    let mut wrong = Vec::new();
    for case in &cases {
        let store = MemoryStore::new();
        store.insert(path(&case.file), case.lines.join("\n") + "\n");
        let found = block_on(scan(
            &Located::in_store(store),
            Catalogue::builtin(),
            ScanOptions::default().with_threads(0),
            None,
        ))
        .unwrap();
        // A rule that only wraps is told by the finding that took its lines over.
        let told: Vec<(&str, Severity)> = found
            .findings
            .iter()
            .flat_map(|finding| {
                let rules = std::iter::once(&finding.rule).chain(&finding.wrappers);
                rules.map(|rule| (rule.as_str(), finding.severity))
            })
            .collect();
        let right = if case.fault {
            let rule = case.rule.as_deref().expect("a fault names its rule");
            told.iter()
                .any(|(found, severity)| *found == rule && *severity <= case.at_least.unwrap_or(Severity::Medium))
        } else {
            told.iter().all(|(_, severity)| *severity > Severity::Medium)
        };
        if !right {
            let kind = if case.fault { "missed" } else { "flagged" };
            wrong.push(format!(
                "{kind}: {} in {} ({}): told {told:?}, rule {:?}",
                case.phrase, case.file, case.why, case.rule
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
