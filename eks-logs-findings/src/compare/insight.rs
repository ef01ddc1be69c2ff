//! What separates the nodes that fail from those that do not, in words.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Difference, Missing, Node, Shared};
use crate::hypothesis::hypotheses;
use crate::rule::Catalogue;
use crate::severity::Severity;

/// Faults and settings that a sentence names.
const NAMED: usize = 3;

/// What the comparison comes down to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Insight {
    /// In words.
    pub text: String,
    /// Nodes with a fault of severity high or worse that did not end.
    pub failing: Vec<String>,
    /// The others.
    pub healthy: Vec<String>,
    /// Fingerprints that all failing nodes have and no healthy one, its logs having been read.
    pub separating_findings: Vec<String>,
    /// Settings that are one way on all failing nodes and another on all healthy ones: `section key`.
    pub separating_settings: Vec<String>,
}

pub(super) fn insight(
    catalogue: &Catalogue,
    nodes: &[Node<'_>],
    failing: &BTreeSet<&str>,
    rows: &[Shared],
    differences: &[Difference],
) -> Insight {
    let healthy: Vec<&str> = nodes.iter().map(|node| node.name).filter(|name| !failing.contains(name)).collect();
    // The faults that the failing nodes' own hypotheses take for causes stand first.
    let mut roots: BTreeSet<String> = BTreeSet::new();
    for node in nodes.iter().filter(|node| failing.contains(node.name)) {
        roots.extend(hypotheses(catalogue, &node.scan.findings).first().map(|first| first.rule.clone()));
    }
    let mut separating: Vec<&Shared> = rows
        .iter()
        .filter(|row| {
            row.severity < Severity::Info
                && !failing.is_empty()
                && failing.iter().all(|node| row.nodes.contains_key(*node))
                && healthy.iter().all(|node| row.missing.get(*node) == Some(&Missing::Absent))
        })
        .collect();
    separating.sort_by_key(|row| !roots.contains(&row.rule));
    let settings: Vec<&Difference> = differences.iter().filter(|difference| difference.separates).collect();

    let mut said: Vec<String> = Vec::new();
    if failing.is_empty() {
        said.push("None of these nodes has a fault of severity high or worse that did not end.".to_owned());
    } else if healthy.is_empty() {
        said.push(format!("All {} nodes fail.", nodes.len()));
        let shared: Vec<&Shared> =
            rows.iter().filter(|row| row.missing.is_empty() && row.severity <= Severity::High).collect();
        match shared.as_slice() {
            [] => said.push("They share no fault of severity high or worse: look at each for itself.".to_owned()),
            shared => said.push(format!("What they share: {}.", titles(shared, nodes))),
        }
    } else {
        let verb = |count: usize| if count == 1 { "fails" } else { "fail" };
        let not = if healthy.len() == 1 { "does not" } else { "do not" };
        let ill: Vec<&str> = failing.iter().copied().collect();
        said.push(format!("{} {}, {} {not}.", ill.join(", "), verb(ill.len()), healthy.join(", ")));
        if separating.is_empty() {
            said.push("No fault is on all failing nodes and surely absent on all others.".to_owned());
        } else {
            said.push(format!("Only the failing ones have: {}.", titles(&separating, nodes)));
        }
    }
    if !settings.is_empty() {
        let named: Vec<String> =
            settings.iter().take(NAMED).map(|setting| setting_in_words(setting, failing)).collect();
        let more = settings.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        said.push(format!("Settings that separate them: {}{more}.", named.join("; ")));
    }
    Insight {
        text: said.join(" "),
        failing: failing.iter().map(|node| (*node).to_owned()).collect(),
        healthy: healthy.into_iter().map(str::to_owned).collect(),
        separating_findings: separating.iter().map(|row| row.fingerprint.clone()).collect(),
        separating_settings: settings.iter().map(|setting| format!("{} {}", setting.section, setting.key)).collect(),
    }
}

/// Titles, with each node's own finding id.
fn titles(rows: &[&Shared], nodes: &[Node<'_>]) -> String {
    let named = rows.iter().take(NAMED).map(|row| {
        let ids: Vec<String> = nodes
            .iter()
            .filter_map(|node| Some(format!("{} {}", node.name, row.nodes.get(node.name)?.finding_id)))
            .collect();
        format!("{} ({})", row.title, ids.join(", "))
    });
    let more = rows.len().saturating_sub(NAMED);
    let listed = named.collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

fn setting_in_words(setting: &Difference, failing: &BTreeSet<&str>) -> String {
    let value = |wanted: bool| {
        let of = setting.values.iter().find(|(node, _)| failing.contains(node.as_str()) == wanted);
        of.and_then(|(_, value)| value.clone()).unwrap_or_else(|| "not set".to_owned())
    };
    format!("{} {} is {} on the failing and {} on the others", setting.section, setting.key, value(true), value(false))
}
