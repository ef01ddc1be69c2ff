//! A candidate in words and links.

use std::collections::BTreeSet;

use super::fault::{Fault, Faults, place};
use super::graph::Graph;
use super::rank::{Candidate, path};
use super::{Hypothesis, Link};
use crate::finding::Finding;

/// Links that are given.
const LINKS: usize = 40;
/// Ids that a sentence names; the rest is counted.
const NAMED: usize = 6;

pub(super) fn hypothesis(
    faults: &Faults<'_>,
    graph: &Graph,
    candidate: &Candidate,
    rank: usize,
    ranked: &[Candidate],
) -> Hypothesis {
    let fault = &faults.list[candidate.fault];
    let of = |places: &[usize]| {
        let mut findings: Vec<&Finding> =
            places.iter().flat_map(|at| &faults.list[*at].members).map(|member| member.finding).collect();
        findings.sort_by(|a, b| place(a).cmp(&place(b)));
        findings.into_iter().map(|finding| finding.id.clone()).collect::<Vec<_>>()
    };
    let mut own = vec![candidate.fault];
    own.extend(&candidate.facets);
    let cause = of(&own);
    let following: Vec<usize> = candidate.effects.iter().map(|(to, _)| *to).filter(|to| !own.contains(to)).collect();
    let effects: Vec<String> = explained(faults, graph, candidate.fault, &following);
    let chain = links(faults, graph, candidate.fault, &following);
    let first = &fault.members[0].finding;
    Hypothesis {
        rank,
        rule: fault.id.to_owned(),
        title: first.title.clone(),
        confidence: candidate.confidence,
        explanation: explanation(faults, candidate, &cause, &effects, &chain, rank, ranked),
        cause,
        effects,
        chain,
        confidence_evidence: rounded(candidate),
        remedy: first.remedy.steps.iter().chain(&first.remedy.commands).cloned().collect(),
    }
}

fn rounded(candidate: &Candidate) -> super::rank::Grounds {
    let mut evidence = candidate.evidence.clone();
    for part in [
        &mut evidence.explained,
        &mut evidence.margin,
        &mut evidence.specific,
        &mut evidence.lasting,
        &mut evidence.chain,
        &mut evidence.follows,
        &mut evidence.raw,
    ] {
        *part = (*part * 100.0).round() / 100.0;
    }
    evidence
}

/// Of the faults that follow, the findings that the bundle ties to the cause.
fn explained(faults: &Faults<'_>, graph: &Graph, root: usize, following: &[usize]) -> Vec<String> {
    let mut findings: Vec<&Finding> = Vec::new();
    for to in following {
        let Some(reached) = graph.reach[root].get(to) else { continue };
        let Some(edge) = graph.edge(reached.from, *to) else { continue };
        findings.extend(edge.explained.keys().map(|number| faults.list[*to].members[*number].finding));
    }
    findings.sort_by(|a, b| place(a).cmp(&place(b)));
    findings.into_iter().map(|finding| finding.id.clone()).collect()
}

fn links(faults: &Faults<'_>, graph: &Graph, root: usize, following: &[usize]) -> Vec<Link> {
    let mut told: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut links = Vec::new();
    for to in following {
        for (from, to) in path(graph, root, *to) {
            let Some(edge) = graph.edge(from, to).filter(|_| told.insert((from, to))) else { continue };
            for (number, (cause, support)) in &edge.explained {
                links.push(Link {
                    cause: faults.list[from].members[*cause].finding.id.clone(),
                    effect: faults.list[to].members[*number].finding.id.clone(),
                    strength: (support.strength * 100.0).round() / 100.0,
                    delay_seconds: support.delay,
                    shared: support.shared.iter().map(ToString::to_string).collect(),
                });
            }
        }
    }
    links.truncate(LINKS);
    links
}

fn named(ids: &[String]) -> String {
    match ids.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{} and {more} more", ids[..NAMED].join(", ")),
        _ => ids.join(", "),
    }
}

fn explanation(
    faults: &Faults<'_>,
    candidate: &Candidate,
    cause: &[String],
    effects: &[String],
    chain: &[Link],
    rank: usize,
    ranked: &[Candidate],
) -> String {
    let mut said = Vec::new();
    if effects.is_empty() {
        said.push(format!("{} stands alone: no other finding here is known to follow from it.", named(cause)));
    } else {
        said.push(format!("{} can bring about {}.", named(cause), named(effects)));
    }
    if let Some(link) = chain.iter().find(|link| link.delay_seconds.is_some_and(|delay| delay >= 0)) {
        let seconds = link.delay_seconds.unwrap_or_default();
        let shared = match link.shared.first() {
            Some(shared) => format!(", and both name {shared}"),
            None => String::new(),
        };
        said.push(format!("{} begins {seconds} s after {}{shared}.", link.effect, link.cause));
    }
    let sources = candidate.evidence.independent_sources;
    if sources > 1 {
        said.push(format!("{sources} sources report it independently."));
    }
    match candidate.upstream {
        Some(by) => {
            let ids: Vec<String> = faults.list[by].members.iter().map(|member| member.finding.id.clone()).collect();
            said.push(format!("It may itself follow from {}.", named(&ids)));
        }
        None if rank == 1 => said.push("No finding here leads to it.".to_owned()),
        None => {}
    }
    if faults.list[candidate.fault].is_cleared() {
        said.push("A later line says that it ended.".to_owned());
    }
    if rank == 1
        && let Some(next) = ranked.get(1).filter(|next| next.score > 0.0)
    {
        let other: &Fault<'_> = &faults.list[next.fault];
        let share = (100.0 * next.score / candidate.score.max(f64::MIN_POSITIVE)).round();
        said.push(format!("The next candidate, {}, weighs {share}% of it.", other.members[0].finding.id));
    }
    said.join(" ")
}
