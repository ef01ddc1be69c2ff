//! `validate` for people.

use std::fmt::Write as _;

use eks_logs_tools::{Presence, ValidateAnswer};

use super::{BOLD, DIM, gaps};
use crate::terminal::neutral;

pub(crate) fn validate(answer: &ValidateAnswer) -> String {
    let mut out = String::new();
    let node = answer.used.instance_id.as_deref().unwrap_or("unknown instance");
    let verdict = if answer.complete { "complete" } else { "not complete" };
    say!(out, "{BOLD}{}{BOLD:#}: {verdict}, {} files, {}", neutral(node), answer.file_count, answer.total_size_human);
    let node = &answer.node;
    let marks = [(node.gpu, "GPU"), (node.hybrid, "hybrid"), (node.auto_mode, "Auto Mode")];
    let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| format!(", {mark}")).collect();
    say!(out, "{DIM}{}{marks}, collected by {}{DIM:#}", node.os, node.collector);
    if let Some(said) = &answer.ingest_failure {
        say!(out, "  FORMER BUNDLE: a newer archive could not be ingested: {}", neutral(said));
    }
    if !answer.stale_files.is_empty() {
        let files = answer.stale_files.len();
        say!(out, "{DIM}  not read: {files} files that a former archive of this name has left{DIM:#}");
    }
    let (suspicious, normal): (Vec<_>, Vec<_>) = answer
        .sources
        .iter()
        .filter(|source| source.presence != Presence::Present)
        .partition(|source| source.suspicious);
    for source in suspicious {
        let presence = match source.presence {
            Presence::Present => "present",
            Presence::Empty => "EMPTY",
            Presence::Truncated => "CUT OFF",
            Presence::Absent => "ABSENT",
            Presence::NormalToBeAbsent => "absent",
        };
        say!(out, "  {presence} {}: {}", source.file, neutral(&source.why));
    }
    for mismatch in &answer.mismatches {
        say!(out, "  {} {}: {}", mismatch.kind.to_uppercase(), neutral(&mismatch.file), neutral(&mismatch.detail));
    }
    if !normal.is_empty() {
        let names: Vec<&str> = normal.iter().map(|source| source.file.as_str()).collect();
        say!(out, "{DIM}  absent or empty, as is normal here: {}{DIM:#}", names.join(", "));
    }
    for file in &answer.manifest {
        say!(out, "  {:>12}  {:<22} {}", file.size_human, file.source, neutral(&file.key));
    }
    if let Some(token) = &answer.next_page_token {
        say!(out, "{DIM}there are more files: --page-token {token}{DIM:#}");
    }
    gaps(&mut out, &answer.gaps.iter().filter(|gap| gap.kind != "missing").cloned().collect::<Vec<_>>());
    out
}
