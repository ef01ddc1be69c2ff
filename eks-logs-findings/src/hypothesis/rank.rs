//! Ranking candidates, and how sure the first is. What enters is named in docs/CONFIDENCE.md; nothing here knows a rule by its name.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::facet::facets;
use super::fault::{Fault, Faults};
use super::graph::Graph;
use crate::severity::Severity;

/// How much a fault loses to one that explains it fully.
const EXPLAINED: f64 = 0.6;
/// How strongly it counts against a fault that many others can bring it about.
const GENERIC: f64 = 0.15;

/// How much less sure a candidate is that another one explains fully.
const FOLLOWS: f64 = 0.7;
/// What a rule that only wraps the error of something else keeps.
const WRAPPER: f64 = 0.8;

/// What a hypothesis' confidence is made of. Each part is between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grounds {
    /// Of all that is wrong, weighted by severity, how much this explains.
    pub explained: f64,
    /// How far it stands ahead of the next candidate; 0.5 is a tie.
    pub margin: f64,
    /// How specific the fault is: few other faults can bring it about.
    pub specific: f64,
    /// It or what follows from it goes on at the end of the bundle and was not cleared.
    pub lasting: f64,
    /// The chain's links, by the time order and the names that both ends share; 1 without a chain.
    pub chain: f64,
    /// How well another finding explains it: 0 for a root.
    pub follows: f64,
    /// Sources that report it independently of each other.
    pub independent_sources: usize,
    /// What these add up to, before calibration.
    pub raw: f64,
}

/// A fault as a candidate root.
pub(super) struct Candidate {
    pub(super) fault: usize,
    /// Other faults that stand for the same event.
    pub(super) facets: Vec<usize>,
    /// What follows, strongest first.
    pub(super) effects: Vec<(usize, f64)>,
    pub(super) score: f64,
    pub(super) evidence: Grounds,
    pub(super) confidence: f64,
    /// The fault that explains it best, if any.
    pub(super) upstream: Option<usize>,
}

/// The candidates, best first. Context (severity info) is one only where an edge with a delay ties it to a fault.
pub(super) fn ranked(faults: &Faults<'_>, graph: &Graph) -> Vec<Candidate> {
    let total: f64 = faults.list.iter().map(Fault::weight).sum();
    let mut candidates: Vec<Candidate> = (0..faults.list.len())
        .filter(|at| can_be_root(faults, graph, *at))
        .map(|at| candidate(faults, graph, at, total))
        .collect();
    candidates.sort_by(|a, b| {
        let (fault, other) = (&faults.list[a.fault], &faults.list[b.fault]);
        b.score
            .total_cmp(&a.score)
            .then_with(|| fault.severity.cmp(&other.severity))
            .then_with(|| in_order(fault.first_seen(), other.first_seen()))
            .then_with(|| fault.id.cmp(other.id))
    });
    // A facet of a better candidate is no alternative to it.
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    candidates.retain(|candidate| {
        let fresh = !taken.contains(&candidate.fault);
        if fresh {
            taken.insert(candidate.fault);
            taken.extend(&candidate.facets);
        }
        fresh
    });
    let scores: Vec<f64> = candidates.iter().map(|candidate| candidate.score).collect();
    for (at, candidate) in candidates.iter_mut().enumerate() {
        let rival = scores.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, score)| *score);
        let rival = rival.fold(0.0, f64::max);
        let sum = candidate.score + rival;
        candidate.evidence.margin = if sum > 0.0 { candidate.score / sum } else { 0.0 };
        candidate.evidence.raw = raw(&candidate.evidence);
        candidate.confidence = confidence(&candidate.evidence, faults.list[candidate.fault].severity);
    }
    // Ranks and confidences tell the same order.
    let mut most = 1.0_f64;
    for candidate in &mut candidates {
        most = most.min(candidate.confidence);
        candidate.confidence = most;
    }
    candidates
}

/// Known times come before unknown ones.
fn in_order(a: Option<Timestamp>, b: Option<Timestamp>) -> std::cmp::Ordering {
    (a.is_none(), a).cmp(&(b.is_none(), b))
}

fn can_be_root(faults: &Faults<'_>, graph: &Graph, at: usize) -> bool {
    let fault = &faults.list[at];
    if fault.severity < Severity::Info {
        return true;
    }
    let limited = fault.rule.map(|rule| &rule.leads_to).into_iter().flatten().filter(|edge| edge.within.is_some());
    limited.into_iter().any(|limited| {
        graph.edges[at].iter().any(|edge| {
            let effect = &faults.list[edge.to];
            effect.id == limited.rule.as_str() && effect.severity <= Severity::Medium && edge.strength >= 0.5
        })
    })
}

fn candidate(faults: &Faults<'_>, graph: &Graph, at: usize, total: f64) -> Candidate {
    let fault = &faults.list[at];
    let facets = facets(faults, graph, at);
    let mut effects: Vec<(usize, f64)> = graph.reach[at].iter().map(|(to, reached)| (*to, reached.strength)).collect();
    effects.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let explained: f64 =
        fault.weight() + effects.iter().map(|(to, strength)| faults.list[*to].weight() * strength).sum::<f64>();
    let explained = if total > 0.0 { explained / total } else { 0.0 };

    let upstream = upstream(faults, graph, at);
    let loss = upstream.map_or(0.0, |(_, strength)| EXPLAINED * strength);
    let specific = specific(fault);
    let lasting = lasting(faults, at, &effects);
    let severity = match fault.severity {
        Severity::Critical | Severity::High => 1.0,
        Severity::Medium => 0.95,
        Severity::Low | Severity::Info => 0.85,
    };
    let node_wide = faults.list.iter().any(|other| other.severity <= Severity::High && !other.is_one_workload());
    let scope = if fault.is_one_workload() && node_wide { 0.85 } else { 1.0 };
    let score = explained * (1.0 - loss) * specific * lasting * severity * scope;
    let chain = effects.first().map_or(1.0, |(_, strongest)| *strongest);
    let independent_sources = independent(faults, at, &effects);
    let follows = upstream.map_or(0.0, |(_, strength)| strength);
    let evidence = Grounds { explained, margin: 0.0, specific, lasting, chain, follows, independent_sources, raw: 0.0 };
    let upstream = upstream.map(|(by, _)| by);
    Candidate { fault: at, facets, effects, score, evidence, confidence: 0.0, upstream }
}

/// The fault that explains this one best. Of two that explain each other the one that explains more strongly is upstream; of equal ones
/// the more specific.
fn upstream(faults: &Faults<'_>, graph: &Graph, at: usize) -> Option<(usize, f64)> {
    let stands = |other: usize| {
        let (forth, back) = (graph.strength(other, at), graph.strength(at, other));
        let earlier = || (faults.list[other].upstream, other) < (faults.list[at].upstream, at);
        forth > back || (forth > 0.0 && (forth - back).abs() < 1e-9 && earlier())
    };
    let by_severity = |other: usize| match faults.list[other].severity {
        Severity::Critical | Severity::High => 1.0,
        Severity::Medium => 0.9,
        Severity::Low => 0.6,
        // Context explains only what it is tied to by a delay.
        Severity::Info => f64::from(u8::from(can_be_root(faults, graph, other))),
    };
    let others = (0..faults.list.len()).filter(|other| *other != at && stands(*other));
    let weighed = others.map(|other| (other, graph.strength(other, at) * by_severity(other)));
    weighed.filter(|(_, strength)| *strength > 0.0).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

/// 1 for a fault that nothing is known to bring about, less the more things can.
fn specific(fault: &Fault<'_>) -> f64 {
    if fault.rule.is_none() && fault.id.starts_with("unrecognised/") {
        return 0.5;
    }
    let wraps = if fault.rule.is_some_and(|rule| rule.generic) { WRAPPER } else { 1.0 };
    wraps / (1.0 + GENERIC * (1.0 + fault.upstream as f64).ln())
}

/// Whether the fault, or what follows from it, goes on at the end of the bundle.
fn lasting(faults: &Faults<'_>, at: usize, effects: &[(usize, f64)]) -> f64 {
    let fault = &faults.list[at];
    let chain = || effects.iter().filter(|(_, strength)| *strength >= 0.5).map(|(to, _)| &faults.list[*to]);
    if fault.is_cleared() && chain().all(Fault::is_cleared) {
        return 0.6;
    }
    if fault.members.iter().any(|member| member.state) {
        return 1.0;
    }
    let last = std::iter::once(fault).chain(chain()).flat_map(|fault| &fault.members);
    let last = last.filter_map(|member| member.finding.last_seen).max();
    match (last, faults.end) {
        (Some(last), Some(end)) => match end.duration_since(last).as_secs() {
            ..=3600 => 1.0,
            3601..=21_600 => 0.9,
            21_601..=86_400 => 0.8,
            _ => 0.65,
        },
        _ => 0.95,
    }
}

/// Sources that speak of the fault or of what follows from it. Two files of one source are one witness; so is a finding's duplicate.
fn independent(faults: &Faults<'_>, at: usize, effects: &[(usize, f64)]) -> usize {
    let strong = effects.iter().filter(|(_, strength)| *strength >= 0.5).map(|(to, _)| *to);
    let sources: BTreeSet<&str> = std::iter::once(at)
        .chain(strong)
        .flat_map(|fault| &faults.list[fault].members)
        .flat_map(|member| member.sources.iter().copied())
        .collect();
    sources.len()
}

/// What the parts add up to, before calibration.
fn raw(evidence: &Grounds) -> f64 {
    let witnesses = match evidence.independent_sources {
        0 | 1 => 0.7,
        2 => 0.9,
        _ => 1.0,
    };
    let sum = 0.35 * evidence.margin.mul_add(2.0, -1.0).clamp(0.0, 1.0)
        + 0.25 * evidence.explained
        + 0.15 * witnesses
        + 0.10 * evidence.chain
        + 0.15 * evidence.lasting;
    let specific = 0.5 + 0.5 * evidence.specific;
    (sum * specific * (1.0 - FOLLOWS * evidence.follows)).clamp(0.0, 1.0)
}

/// From what the parts add up to, to how often hypotheses of that sum name the labelled cause: measured, see docs/CONFIDENCE.md.
const CALIBRATION: [(f64, f64); 6] = [(0.0, 0.02), (0.2, 0.25), (0.3, 0.8), (0.4, 0.9), (0.6, 0.93), (1.0, 0.96)];

/// The confidence: the calibrated sum, with what the severity allows at most.
fn confidence(evidence: &Grounds, severity: Severity) -> f64 {
    let ceiling = match severity {
        Severity::Critical | Severity::High => 0.97,
        Severity::Medium => 0.92,
        Severity::Low | Severity::Info => 0.6,
    };
    let mut sure = CALIBRATION[CALIBRATION.len() - 1].1;
    for pair in CALIBRATION.windows(2) {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        if evidence.raw <= to {
            sure = low + (high - low) * (evidence.raw - from) / (to - from);
            break;
        }
    }
    (f64::min(sure, ceiling) * 100.0).round() / 100.0
}

/// For each fault, by what it is reached: the path from the root to `to`, without the root.
pub(super) fn path(graph: &Graph, root: usize, to: usize) -> Vec<(usize, usize)> {
    let reach: &BTreeMap<usize, _> = &graph.reach[root];
    let mut links = Vec::new();
    let mut at = to;
    while at != root && links.len() <= reach.len() {
        let Some(reached) = reach.get(&at) else { break };
        links.push((reached.from, at));
        at = reached.from;
    }
    links.reverse();
    links
}
