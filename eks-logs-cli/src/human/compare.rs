//! `compare-nodes` for people.

use std::fmt::Write as _;

use eks_logs_findings::compare::{Missing, Shared};
use eks_logs_tools::CompareAnswer;

use super::{BOLD, DIM, colour};
use crate::terminal::{neutral, shortened};

/// Findings and settings that are listed of each kind.
const LISTED: usize = 20;
/// Characters of a value.
const VALUE: usize = 60;

pub(crate) fn compare(answer: &CompareAnswer) -> String {
    let mut out = String::new();
    say!(out, "{BOLD}{}{BOLD:#}", neutral(&answer.insight));
    say!(out);
    for node in &answer.nodes {
        let state = if node.failing { "fails" } else { "does not fail" };
        let complete = if node.scan_complete { "" } else { ", NOT read completely" };
        let lacks = match node.lacks_sources.as_slice() {
            [] => String::new(),
            lacks => format!(", lacks {}", lacks.join(", ")),
        };
        say!(
            out,
            "  {} {state}: {} findings in {} files{complete}{lacks}",
            neutral(&node.node),
            node.findings,
            node.files_scanned
        );
    }
    list(&mut out, "On all nodes", &answer.common_findings);
    list(&mut out, "On some nodes", &answer.partial_findings);
    for (node, findings) in &answer.unique_findings {
        list(&mut out, &format!("Only on {}", neutral(node)), findings);
    }
    if !answer.config_diffs.is_empty() {
        say!(out);
        say!(out, "{BOLD}Settings and versions that differ{BOLD:#}");
        let all =
            answer.config_diffs.iter().flat_map(|(section, of)| of.iter().map(move |(key, diff)| (section, key, diff)));
        let mut rows: Vec<_> = all.collect();
        // What separates failing from healthy nodes first.
        rows.sort_by_key(|(_, _, diff)| !diff.separates);
        for (section, key, diff) in rows.iter().take(LISTED) {
            let mark = if diff.separates { " (separates)" } else { "" };
            let values = diff.values.iter().map(|(node, value)| {
                format!(
                    "{}={}",
                    neutral(node),
                    value.as_deref().map_or("-".to_owned(), |v| shortened(&neutral(v), VALUE))
                )
            });
            say!(out, "  {} {}{mark}: {}", neutral(section), neutral(key), values.collect::<Vec<_>>().join(" "));
        }
        let more = rows.len().saturating_sub(LISTED) + answer.config_diffs_omitted;
        if more > 0 {
            say!(out, "  and {more} more (--format json)");
        }
    }
    out
}

fn list(out: &mut String, title: &str, findings: &[Shared]) {
    if findings.is_empty() {
        return;
    }
    say!(out);
    say!(out, "{BOLD}{title}{BOLD:#}");
    for shared in findings.iter().take(LISTED) {
        let style = colour(shared.severity);
        let subject =
            if shared.subject.is_empty() { String::new() } else { format!(" [{}]", neutral(&shared.subject)) };
        say!(out, "  {style}{:<8}{style:#} {}{subject} {DIM}{}{DIM:#}", shared.severity, shared.title, shared.rule);
        let mut nodes: Vec<String> = shared
            .nodes
            .iter()
            .map(|(node, on)| format!("{} {} x{}", neutral(node), on.finding_id, on.count))
            .collect();
        nodes.extend(shared.missing.iter().map(|(node, missing)| match missing {
            Missing::Absent => format!("{} absent", neutral(node)),
            Missing::Unknown => format!("{} unknown, its logs were not collected", neutral(node)),
        }));
        say!(out, "           {}", nodes.join("; "));
    }
    if findings.len() > LISTED {
        say!(out, "  and {} more (--format json)", findings.len() - LISTED);
    }
}
