//! `errors` for people.

use std::fmt::Write as _;

use eks_logs_tools::ErrorsAnswer;

use super::{BOLD, DIM, LINE, colour, gaps};
use crate::terminal::{neutral, shortened};

pub(crate) fn errors(answer: &ErrorsAnswer) -> String {
    let mut out = String::new();
    for finding in &answer.findings {
        let style = colour(finding.severity);
        say!(
            out,
            "{style}{:<8}{style:#} {BOLD}{}{BOLD:#} {:>6}x {} {DIM}{}{DIM:#}",
            finding.severity,
            finding.finding_id,
            finding.count,
            finding.pattern,
            neutral(&finding.file)
        );
        if let Some(note) = finding.baseline_note.as_ref().filter(|_| finding.is_baseline.is_some()) {
            say!(out, "           {}", neutral(note));
        }
        for line in finding.detail.iter().flat_map(|detail| &detail.evidence) {
            say!(
                out,
                "           {DIM}{}:{}{DIM:#} {}",
                neutral(&line.file),
                line.line,
                shortened(&neutral(&line.text), LINE)
            );
        }
    }
    let shown = answer.page_offset + answer.findings.len();
    if answer.total_findings == 0 {
        say!(out, "No finding of the severities asked for. That is no proof of health.");
    } else {
        say!(out, "{} to {shown} of {} findings", answer.page_offset + usize::from(shown > 0), answer.total_findings);
    }
    if let Some(token) = &answer.next_page_token {
        say!(out, "more: --page-token {token}");
    }
    if !answer.coverage_report.coverage.scan_complete {
        say!(out, "The bundle was not read completely:");
    }
    gaps(
        &mut out,
        &answer
            .coverage_report
            .gaps
            .iter()
            .filter(|gap| matches!(gap.kind, "cut" | "skipped"))
            .cloned()
            .collect::<Vec<_>>(),
    );
    out
}
