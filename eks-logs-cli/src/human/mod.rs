//! Answers for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use eks_logs_findings::{BundleInfo, Coverage, Gap, Severity};

use crate::terminal::neutral;

/// Writing to a `String` cannot fail.
macro_rules! say {
    ($out:expr) => { let _ = writeln!($out); };
    ($out:expr, $($part:tt)*) => { let _ = writeln!($out, $($part)*); };
}

mod baseline;
mod collections;
mod compare;
mod correlate;
mod diagnostics;
mod doctor;
mod errors;
mod files;
mod fleet;
mod rules;
mod search;
mod summarize;
mod triage;
mod validate;
mod verify;

pub(crate) use baseline::baseline;
pub(crate) use collections::{collected, history, ingested, status};
pub(crate) use compare::compare;
pub(crate) use correlate::correlate;
pub(crate) use diagnostics::diagnostics;
pub(crate) use doctor::doctor;
pub(crate) use errors::errors;
pub(crate) use files::{artifact, indexed, read};
pub(crate) use fleet::{batch, batch_status, cluster_health};
pub(crate) use rules::{checked, rule, rules};
pub(crate) use search::search;
pub(crate) use summarize::summarize;
pub(crate) use triage::triage;
pub(crate) use validate::validate;
pub(crate) use verify::verify;

/// Characters of a quoted line that are shown; JSON has all of it.
const LINE: usize = 400;
/// Gaps that are listed one by one.
const GAPS: usize = 12;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn colour(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Cyan.on_default(),
        Severity::Info => DIM,
    }
}

fn header(out: &mut String, bundle: &BundleInfo, coverage: &Coverage) {
    let node = bundle.instance_id.as_deref().unwrap_or("unknown instance");
    let when = bundle.collected_at.map_or("at an unknown time".to_owned(), |at| at.to_string());
    say!(out, "{BOLD}{}{BOLD:#}, collected {when}", neutral(node));
    say!(out, "{DIM}{}{DIM:#}", neutral(&bundle.locator));
    let complete = if coverage.scan_complete { "nothing left out" } else { "NOT COMPLETE, see the gaps" };
    say!(
        out,
        "read {} of {} files, {} lines, {} bytes: {complete}",
        coverage.files_scanned,
        coverage.files_total,
        coverage.lines_scanned,
        coverage.bytes_scanned
    );
}

fn gaps(out: &mut String, gaps: &[Gap]) {
    if gaps.is_empty() {
        return;
    }
    say!(out);
    say!(out, "{BOLD}Not known{BOLD:#}");
    // What was cut or skipped matters most; files that no rule reads yet are many and of one kind.
    let (quiet, loud): (Vec<&Gap>, Vec<&Gap>) =
        gaps.iter().partition(|gap| matches!(gap.kind, "not-analysed" | "missing"));
    for gap in loud.iter().take(GAPS) {
        let file = gap.file.as_ref().map_or(String::new(), |file| format!("{}: ", neutral(file)));
        say!(out, "  {file}{}", neutral(&gap.detail));
    }
    if loud.len() > GAPS {
        say!(out, "  and {} more (--format json)", loud.len() - GAPS);
    }
    for (kind, what) in [
        ("missing", "that the collector always writes, missing"),
        ("not-analysed", "read but not judged, no rule is about them yet"),
    ] {
        let files: Vec<&str> =
            quiet.iter().filter(|gap| gap.kind == kind).filter_map(|gap| gap.file.as_deref()).collect();
        if !files.is_empty() {
            let named = files.iter().take(6).map(|file| neutral(file)).collect::<Vec<_>>().join(", ");
            let more = if files.len() > 6 { format!(" and {} more", files.len() - 6) } else { String::new() };
            let files = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
            say!(out, "  {files} {what}: {named}{more}");
        }
    }
}
