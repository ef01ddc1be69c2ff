//! `search` for people.

use std::fmt::Write as _;

use eks_logs_tools::SearchAnswer;

use super::{BOLD, DIM, LINE};
use crate::terminal::{neutral, shortened};

pub(crate) fn search(answer: &SearchAnswer) -> String {
    let mut out = String::new();
    let shown = |text: &str| neutral(&shortened(text, LINE));
    for file in &answer.results {
        let lines = if file.match_count == 1 { "1 line".to_owned() } else { format!("{} lines", file.match_count) };
        say!(out, "{BOLD}{} {}{BOLD:#}: {lines}", file.finding_id, neutral(&file.file));
        for found in &file.matches {
            for (line, before) in (0..).zip(&found.context.before) {
                let number = found.line_number - found.context.before.len() as u64 + line;
                say!(out, "{DIM}{number:>7}  {}{DIM:#}", shown(before));
            }
            say!(out, "{:>7}  {}", found.line_number, shown(&found.line));
            for (line, after) in (1..).zip(&found.context.after) {
                say!(out, "{DIM}{:>7}  {}{DIM:#}", found.line_number + line, shown(after));
            }
        }
        if file.matches_truncated {
            let more = file.match_count - file.matches.len() as u64;
            say!(out, "{DIM}         and {more} more (--max-results){DIM:#}");
        }
        say!(out);
    }
    let coverage = &answer.coverage_report;
    let matches = if answer.total_matches == 1 {
        "1 line matches".to_owned()
    } else {
        format!("{} lines match", answer.total_matches)
    };
    say!(
        out,
        "{matches}, in {} of {} files, {} bytes",
        answer.files_with_matches,
        answer.files_searched,
        coverage.bytes_searched
    );
    if coverage.files_left_out > 0 {
        say!(out, "{DIM}{} files are of other log types{DIM:#}", coverage.files_left_out);
    }
    if answer.redactions > 0 {
        say!(out, "{DIM}{} secrets are redacted (--no-redact shows them){DIM:#}", answer.redactions);
    }
    for skipped in &coverage.skipped {
        say!(out, "not searched: {}: {}", neutral(&skipped.file), neutral(&skipped.reason));
    }
    for file in &coverage.utf16 {
        say!(out, "not searched as text: {}: UTF-16", neutral(file));
    }
    if let Some(caveat) = &answer.caveat {
        say!(out, "{}", neutral(caveat));
    }
    out
}
