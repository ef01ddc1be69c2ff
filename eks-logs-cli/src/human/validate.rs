//! `validate` for people.

use std::fmt::Write as _;

use eks_logs_tools::{Presence, ValidateAnswer};

use super::{BOLD, gaps};
use crate::terminal::neutral;

pub(crate) fn validate(answer: &ValidateAnswer) -> String {
    let mut out = String::new();
    let node = answer.used.instance_id.as_deref().unwrap_or("unknown instance");
    let verdict = if answer.complete { "complete" } else { "not complete" };
    say!(out, "{BOLD}{}{BOLD:#}: {verdict}, {} files, {}", neutral(node), answer.file_count, answer.total_size_human);
    for source in answer.sources.iter().filter(|source| source.presence != Presence::Present) {
        let presence = match source.presence {
            Presence::Present => "present",
            Presence::Empty => "empty",
            Presence::Truncated => "cut off",
            Presence::Absent => "absent",
            Presence::NormalToBeAbsent => "absent, as is normal here",
        };
        say!(out, "  {}: {presence} ({})", source.file, source.why);
    }
    for file in &answer.manifest {
        say!(out, "  {:>12}  {:<22} {}", file.size_human, file.source, neutral(&file.key));
    }
    gaps(&mut out, &answer.gaps.iter().filter(|gap| gap.kind != "missing").cloned().collect::<Vec<_>>());
    out
}
