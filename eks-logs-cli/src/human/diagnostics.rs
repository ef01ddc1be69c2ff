//! `network-diagnostics` and `node-diagnostics` for people.

use std::fmt::Write as _;

use eks_logs_findings::diagnostics::{FileState, SectionReport};
use eks_logs_tools::{DiagnosedIssue, DiagnosticsAnswer};
use serde_json::Value;

use super::{BOLD, DIM, LINE, colour, gaps};
use crate::terminal::{neutral, shortened};

/// Figures of one section, and characters of one figure, that are shown; JSON has all.
const FIGURES: usize = 14;
const FIGURE: usize = 160;

pub(crate) fn diagnostics(answer: &DiagnosticsAnswer) -> String {
    let mut out = String::new();
    let node = answer.used.instance_id.as_deref().unwrap_or("unknown instance");
    say!(out, "{BOLD}{}{BOLD:#}: {}", neutral(node), answer.overall_assessment);
    for report in answer.diagnostics.values() {
        let of_section = |issue: &&DiagnosedIssue| issue.section == report.section;
        section(&mut out, report, &answer.issues_summary.issues.iter().filter(of_section).collect::<Vec<_>>());
    }
    gaps(&mut out, &answer.gaps);
    out
}

fn section(out: &mut String, report: &SectionReport, issues: &[&DiagnosedIssue]) {
    let read = report.files.iter().filter(|file| !matches!(file.state, FileState::Absent)).count();
    let passed = report.passed.len();
    say!(out);
    say!(
        out,
        "{BOLD}{}{BOLD:#} {DIM}{read} of {} files, {passed} checks passed{DIM:#}",
        report.section,
        report.files.len()
    );
    for issue in issues {
        let style = colour(issue.severity);
        say!(
            out,
            "  {style}{:<8}{style:#} {BOLD}{}{BOLD:#} {}",
            issue.severity,
            issue.finding_id,
            neutral(&issue.issue)
        );
        for line in &issue.evidence {
            say!(
                out,
                "           {DIM}{}:{}{DIM:#} {}",
                neutral(&line.file),
                line.line,
                shortened(&neutral(&line.text), LINE)
            );
        }
    }
    let figures = serde_json::to_value(&report.figures).unwrap_or_default();
    let inner = figures.as_object().and_then(|outer| outer.values().next()).and_then(Value::as_object);
    let told = inner.into_iter().flatten().filter(|(_, value)| !is_empty(value));
    for (name, value) in told.take(FIGURES) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        say!(out, "  {DIM}{name}{DIM:#} {}", shortened(&neutral(&text), FIGURE));
    }
    for unknown in &report.unknown {
        say!(out, "  {DIM}not known:{DIM:#} {}", neutral(unknown));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
