//! The edges that the bundle bears out, and how strongly each fault is explained by each other one.

use std::collections::BTreeMap;

use super::fault::Faults;
use super::support::{Support, support};
use crate::rule::LeadsTo;

/// What a link more costs: a long chain is less sure than a short one.
const PER_LINK: f64 = 0.95;
/// Explanations weaker than this are none.
const WEAKEST: f64 = 0.15;

/// One edge between two faults.
pub(super) struct Edge {
    /// The effect, as a place in the list of faults.
    pub(super) to: usize,
    /// Of the effect's findings, which this explains, from which finding of the cause, how well.
    pub(super) explained: BTreeMap<usize, (usize, Support)>,
    /// How well it explains the effect as a whole, 0 to 1.
    pub(super) strength: f64,
}

/// How one fault is reached from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reached {
    pub(super) strength: f64,
    /// The fault before it.
    pub(super) from: usize,
}

pub(super) struct Graph {
    /// Edges by the cause's place.
    pub(super) edges: Vec<Vec<Edge>>,
    /// For each fault, what follows from it.
    pub(super) reach: Vec<BTreeMap<usize, Reached>>,
}

impl Graph {
    pub(super) fn new(faults: &Faults<'_>) -> Self {
        let places: BTreeMap<&str, usize> = faults.list.iter().enumerate().map(|(at, fault)| (fault.id, at)).collect();
        let edges: Vec<Vec<Edge>> = faults
            .list
            .iter()
            .enumerate()
            .map(|(at, fault)| {
                let mut effects = fault.rule.map(crate::rule::Rule::effects).unwrap_or_default();
                // What only wraps a fault follows from it, whatever the rules say.
                for wrapper in fault.members.iter().flat_map(|member| &member.finding.wrappers) {
                    if !effects.iter().any(|edge| edge.rule == *wrapper) {
                        effects.push(LeadsTo { rule: wrapper.clone(), within: None, shares: Vec::new() });
                    }
                }
                let present = effects.iter().filter_map(|edge| Some((edge, *places.get(edge.rule.as_str())?)));
                present.filter(|(_, to)| *to != at).filter_map(|(edge, to)| joined(faults, at, to, edge)).collect()
            })
            .collect();
        let reach = (0..faults.list.len()).map(|root| reach(&edges, root)).collect();
        Self { edges, reach }
    }

    /// How strongly `to` follows from `from`; 0 if it does not.
    pub(super) fn strength(&self, from: usize, to: usize) -> f64 {
        self.reach[from].get(&to).map_or(0.0, |reached| reached.strength)
    }

    /// The edge from one fault to another.
    pub(super) fn edge(&self, from: usize, to: usize) -> Option<&Edge> {
        self.edges[from].iter().find(|edge| edge.to == to)
    }
}

fn joined(faults: &Faults<'_>, from: usize, to: usize, edge: &LeadsTo) -> Option<Edge> {
    let (causes, effects) = (&faults.list[from].members, &faults.list[to].members);
    let mut explained = BTreeMap::new();
    for (number, effect) in effects.iter().enumerate() {
        let mut best: Option<(usize, Support)> = None;
        for (cause_number, cause) in causes.iter().enumerate() {
            let Some(found) = support(cause, effect, edge) else { continue };
            if best.as_ref().is_none_or(|(_, best)| found.strength > best.strength) {
                best = Some((cause_number, found));
            }
        }
        if let Some(best) = best {
            explained.insert(number, best);
        }
    }
    let sum: f64 = explained.values().map(|(_, support)| support.strength).sum();
    let strength = sum / effects.len().max(1) as f64;
    (strength >= WEAKEST).then_some(Edge { to, explained, strength })
}

/// The strongest path from one fault to each other one. Few faults of one bundle are joined: a plain search by strength will do.
fn reach(edges: &[Vec<Edge>], root: usize) -> BTreeMap<usize, Reached> {
    let mut reached: BTreeMap<usize, Reached> = BTreeMap::new();
    let mut settled: BTreeMap<usize, f64> = BTreeMap::from([(root, 1.0)]);
    let mut at = root;
    loop {
        let strength_here = settled[&at];
        for edge in &edges[at] {
            let strength = strength_here * edge.strength * PER_LINK;
            if strength < WEAKEST || settled.contains_key(&edge.to) {
                continue;
            }
            let known = reached.get(&edge.to).map_or(0.0, |reached| reached.strength);
            if strength > known {
                reached.insert(edge.to, Reached { strength, from: at });
            }
        }
        let open = reached.iter().filter(|(to, _)| !settled.contains_key(*to));
        // The strongest next; of equal ones the first by rule.
        let next = open.max_by(|a, b| a.1.strength.total_cmp(&b.1.strength).then(b.0.cmp(a.0)));
        let Some((to, found)) = next.map(|(to, found)| (*to, *found)) else { return reached };
        settled.insert(to, found.strength);
        at = to;
    }
}
