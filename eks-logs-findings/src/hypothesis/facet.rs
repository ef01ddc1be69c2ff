//! Faults that stand for one event: what a component prints in one breath, which no clock can put in order, and a state with what happens
//! because of it.

use std::collections::BTreeSet;

use super::SYMPTOM;
use super::fault::{Fault, Faults, Member};
use super::graph::Graph;
use crate::severity::Severity;

/// Lines of one breath stand so close in their file.
const LINES: u64 = 12;
/// ... and so close in time, in seconds.
const SECONDS: i64 = 1;
/// How well a state must explain an event that shows it at work.
const SHOWN: f64 = 0.8;
/// Faults that stand for one event besides the first.
const MOST: usize = 3;

/// Faults that stand for the same event as `root`: those that cite the same lines, and direct effects of the same area, printed in the same
/// breath. A symptom that many things can bring about is of the second kind never.
pub(super) fn facets(faults: &Faults<'_>, graph: &Graph, root: usize) -> Vec<usize> {
    let cause = &faults.list[root];
    let same = (0..faults.list.len()).filter(|other| {
        let tied = graph.edge(root, *other).is_some() || graph.edge(*other, root).is_some();
        *other != root && tied && cites_the_same(cause, &faults.list[*other])
    });
    let mut found: Vec<usize> = same.collect();
    let direct = graph.edges[root].iter().filter(|edge| {
        let effect = &faults.list[edge.to];
        area(effect) == area(cause)
            && effect.upstream < SYMPTOM
            && edge.explained.iter().any(|(number, (from, support))| {
                support.strength >= 0.7 && one_breath(&cause.members[*from], &effect.members[*number])
            })
    });
    found.extend(direct.map(|edge| edge.to));
    // A version, a full disk, a setting is no event: what shows it at work is told with it.
    if cause.members.iter().all(|member| member.state) {
        let shown = graph.edges[root].iter().filter(|edge| {
            let effect = &faults.list[edge.to];
            let event = effect.members.iter().any(|member| !member.state);
            event && edge.strength >= SHOWN && effect.upstream < SYMPTOM && effect.severity < Severity::Info
        });
        found.extend(shown.map(|edge| edge.to));
    }
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST);
    found
}

/// Whether each line that the one quotes is quoted by the other too.
fn cites_the_same(a: &Fault<'_>, b: &Fault<'_>) -> bool {
    let lines = |fault: &Fault<'_>| -> BTreeSet<(String, u64)> {
        let evidence = fault.members.iter().flat_map(|member| &member.finding.evidence);
        evidence.filter(|line| !line.duplicate).map(|line| (line.file.clone(), line.start_byte)).collect()
    };
    let (a, b) = (lines(a), lines(b));
    !a.is_empty() && !b.is_empty() && (a.is_subset(&b) || b.is_subset(&a))
}

fn area<'a>(fault: &Fault<'a>) -> &'a str {
    fault.id.split('/').next().unwrap_or_default()
}

fn one_breath(cause: &Member<'_>, effect: &Member<'_>) -> bool {
    let (Some(line), Some(other)) = (cause.finding.evidence.first(), effect.finding.evidence.first()) else {
        return false;
    };
    if let (Some(a), Some(b)) = (cause.finding.first_seen, effect.finding.first_seen) {
        return a.duration_since(b).as_secs().abs() <= SECONDS && !cause.sources.is_disjoint(&effect.sources);
    }
    line.file == other.file && line.line.abs_diff(other.line) <= LINES
}
