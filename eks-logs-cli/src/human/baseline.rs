//! `baseline` for people.

use std::fmt::Write as _;

use eks_logs_findings::baseline::Pin;
use eks_logs_tools::BaselineAnswer;

use super::{BOLD, DIM};
use crate::terminal::neutral;

pub(crate) fn baseline(answer: &BaselineAnswer) -> String {
    let mut out = String::new();
    if answer.done != "nothing was changed" {
        say!(out, "{}", neutral(&answer.done));
    }
    let newest = answer.newest.map_or(String::new(), |at| format!(", the newest of {at}"));
    say!(
        out,
        "{BOLD}{}{BOLD:#}: {} bundles of {} nodes, {} of them healthy{newest}",
        neutral(&answer.cluster),
        answer.bundles,
        answer.nodes,
        answer.healthy_bundles
    );
    for entry in &answer.entries {
        let normal = match (entry.pinned, entry.normal) {
            (Some(Pin::Normal), _) => "declared normal",
            (Some(Pin::Never), _) => "declared never normal",
            (None, true) => "normal",
            (None, false) => "known",
        };
        let subject = if entry.subject.is_empty() { String::new() } else { format!(" [{}]", neutral(&entry.subject)) };
        let title = if entry.title.is_empty() { "never seen" } else { &entry.title };
        say!(out, "  {} {normal}: {}{subject}", entry.fingerprint, neutral(title));
        say!(
            out,
            "      {DIM}in {} of {} bundles, {:.0}%, usually {} times, at most {}{DIM:#}",
            entry.bundles,
            answer.bundles,
            100.0 * entry.rate,
            entry.median_count,
            entry.most
        );
    }
    if answer.entries_omitted > 0 {
        say!(out, "  and {} more", answer.entries_omitted);
    }
    out
}
