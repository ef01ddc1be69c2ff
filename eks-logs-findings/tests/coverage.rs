//! docs/COVERAGE.md: every signal that we know of, and what reads it; and every rule. Made from `data/signals.toml` and the rules;
//! `UPDATE_COVERAGE=1 cargo test -p eks-logs-findings --test coverage` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use eks_logs_findings::Catalogue;
use serde::Deserialize;

#[derive(Deserialize)]
struct Signals {
    signals: BTreeMap<String, Signal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signal {
    area: String,
    reason: Option<String>,
}

fn signals() -> BTreeMap<String, Signal> {
    toml::from_str::<Signals>(include_str!("../data/signals.toml")).unwrap().signals
}

/// For each signal the rules that name it.
fn readers() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut readers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in Catalogue::builtin().rules() {
        for signal in &rule.signals {
            readers.entry(signal).or_default().push(rule.id.as_str());
        }
    }
    readers
}

fn document() -> String {
    let (signals, readers) = (signals(), readers());
    let count = |wanted: fn(&Signal, bool) -> bool| {
        signals.iter().filter(|(id, signal)| wanted(signal, readers.contains_key(id.as_str()))).count()
    };
    let mut out = String::from(
        "# Coverage\n\nMade from `eks-logs-findings/data/signals.toml` and the rules by `tests/coverage.rs`; do not edit.\n\n",
    );
    let _ = writeln!(
        out,
        "{} signals: {} read by rules, {} are read by nothing for the reason given.\n",
        signals.len(),
        count(|_, read| read),
        count(|signal, read| !read && signal.reason.is_some()),
    );
    let areas: BTreeSet<&str> = signals.values().map(|signal| signal.area.as_str()).collect();
    for area in areas {
        let _ = writeln!(out, "## {area}\n\n| signal | read by |\n|---|---|");
        for (id, signal) in signals.iter().filter(|(_, signal)| signal.area == area) {
            let by = match (readers.get(id.as_str()), &signal.reason) {
                (Some(rules), _) => rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", "),
                (None, Some(reason)) => format!("nothing: {reason}"),
                (None, None) => "**nothing, and no reason is given**".to_owned(),
            };
            let _ = writeln!(out, "| {id} | {by} |");
        }
        out.push('\n');
    }
    let _ = writeln!(out, "## All rules\n\n| rule | severity | lines of |\n|---|---|---|");
    for rule in Catalogue::builtin().rules() {
        let sources: Vec<&str> = rule.sources.iter().map(|source| source.name()).collect();
        let _ = writeln!(out, "| `{}` | {} | {} |", rule.id, rule.severity, sources.join(", "));
    }
    out
}

#[test]
fn the_document_is_what_the_rules_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/COVERAGE.md");
    let made = document();
    if std::env::var_os("UPDATE_COVERAGE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == made,
        "docs/COVERAGE.md is not what the rules say: run UPDATE_COVERAGE=1 cargo test -p eks-logs-findings --test coverage"
    );
}

#[test]
fn every_signal_has_a_reader_or_a_reason() {
    let readers = readers();
    for (id, signal) in signals() {
        let read = readers.contains_key(id.as_str());
        assert!(read || signal.reason.is_some(), "{id}: no rule names it and no reason is given");
    }
}

#[test]
fn rules_name_signals_that_exist() {
    let signals = signals();
    for (signal, rules) in readers() {
        assert!(signals.contains_key(signal), "{rules:?} name {signal}, which is no signal");
    }
}
