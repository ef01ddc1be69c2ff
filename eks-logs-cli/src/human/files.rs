//! `read`, `artifact` and `index` for people.

use std::fmt::Write as _;

use eks_logs_tools::{ArtifactAnswer, IndexAnswer, ReadAnswer};

use super::{BOLD, DIM};
use crate::terminal::neutral;

pub(crate) fn read(answer: &ReadAnswer) -> String {
    let mut out = String::new();
    let mut number = answer.start_line;
    for line in answer.content.split_inclusive('\n') {
        let text = neutral(line.trim_end_matches(['\n', '\r']));
        match &mut number {
            Some(at) => {
                say!(out, "{DIM}{at:>7}{DIM:#}  {text}");
                *at += 1;
            }
            None => {
                say!(out, "{text}");
            }
        }
    }
    let ReadAnswer { start_byte, end_byte, .. } = answer;
    say!(out, "{DIM}{}: bytes {start_byte} to {end_byte} of {}{DIM:#}", neutral(&answer.file), answer.total_size);
    if !answer.redactions.is_empty() {
        let what: Vec<String> =
            answer.redactions.iter().map(|one| format!("{} at byte {}", one.what, one.start_byte)).collect();
        say!(out, "{DIM}redacted: {} (--no-redact shows it){DIM:#}", what.join(", "));
    }
    if answer.invalid_utf8 {
        say!(out, "{DIM}bytes that are not UTF-8 are shown as \u{fffd}{DIM:#}");
    }
    for note in &answer.notes {
        say!(out, "{DIM}{}{DIM:#}", neutral(note));
    }
    if let Some(next) = &answer.next_chunk_token {
        say!(out, "{DIM}there is more: --start-byte {next}{DIM:#}");
    }
    out
}

pub(crate) fn artifact(answer: &ArtifactAnswer) -> String {
    let mut out = String::new();
    say!(out, "{BOLD}{}{BOLD:#}  {}", neutral(&answer.file), answer.size_human);
    say!(out, "{}", neutral(&answer.presigned_url));
    if let Some(member) = &answer.member {
        say!(out, "in it: {}", neutral(member));
    }
    if let Some(until) = answer.expires_at {
        say!(out, "holds until {until}");
    }
    match &answer.sha256 {
        Some(sum) => {
            say!(out, "sha256 {sum}");
        }
        None => {
            say!(out, "sha256 not known: the file would have to be downloaded");
        }
    }
    out
}

pub(crate) fn indexed(answer: &IndexAnswer) -> String {
    let mut out = String::new();
    let id = answer.bundle_id.as_deref().unwrap_or("unknown bundle");
    say!(out, "{BOLD}{}{BOLD:#}: {} files, {} findings", neutral(id), answer.file_count, answer.findings);
    for path in &answer.written {
        say!(out, "wrote {}", neutral(path));
    }
    if let Some(learned) = &answer.learned {
        say!(out, "baseline: {}", neutral(learned));
    }
    out
}
