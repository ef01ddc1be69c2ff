//! Candidate root causes, ranked simply: a finding that other findings can follow from, and that follows from none.
//!
//! The ranking reads the rules' `causes` edges, severities and first times. It does not yet weigh shared entities or delays.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::finding::Finding;
use crate::rule::Catalogue;
use crate::severity::Severity;

/// Hypotheses that are given.
const MOST: usize = 5;

/// A candidate root cause: a finding, and the findings that it explains.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hypothesis {
    /// 1 is the best.
    pub rank: usize,
    /// The rule of the cause.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// How much of what is wrong it explains, 0 to 1; see `explanation`.
    pub confidence: f64,
    /// Findings that are the cause.
    pub cause: Vec<String>,
    /// Findings that follow from it.
    pub effects: Vec<String>,
    /// What this rests on, in words; names findings by id.
    pub explanation: String,
    /// What to do about the cause.
    pub remedy: Vec<String>,
}

/// The candidate root causes of these findings, best first. Findings of severity info are context, not causes.
pub fn hypotheses(catalogue: &Catalogue, findings: &[Finding]) -> Vec<Hypothesis> {
    let mut by_rule: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.severity < Severity::Info) {
        by_rule.entry(finding.rule.as_str()).or_default().push(finding);
    }
    let total: f64 = by_rule.keys().map(|rule| weight(&by_rule[rule])).sum();
    let mut ranked: Vec<(f64, &str, BTreeSet<&str>)> = by_rule
        .keys()
        .map(|&rule| {
            let effects = reachable(catalogue, &by_rule, rule);
            let explained: f64 =
                weight(&by_rule[rule]) + effects.iter().map(|effect| weight(&by_rule[effect])).sum::<f64>();
            let is_effect = by_rule.keys().any(|other| {
                *other != rule && !effects.contains(other) && reachable(catalogue, &by_rule, other).contains(rule)
            });
            let share = if total > 0.0 { explained / total } else { 0.0 };
            (if is_effect { share / 2.0 } else { share }, rule, effects)
        })
        .collect();
    ranked.sort_by(|a, b| {
        let worst = |rule: &str| by_rule[rule].iter().map(|finding| finding.severity).min();
        let first = |rule: &str| by_rule[rule].iter().filter_map(|finding| finding.first_seen).min();
        b.0.total_cmp(&a.0)
            .then_with(|| worst(a.1).cmp(&worst(b.1)))
            .then_with(|| first(a.1).cmp(&first(b.1)))
            .then_with(|| a.1.cmp(b.1))
    });
    let numbered = ranked.into_iter().take(MOST).enumerate();
    numbered.map(|(at, (share, rule, effects))| hypothesis(&by_rule, at + 1, share, rule, &effects)).collect()
}

fn hypothesis(
    by_rule: &BTreeMap<&str, Vec<&Finding>>,
    rank: usize,
    share: f64,
    rule: &str,
    effects: &BTreeSet<&str>,
) -> Hypothesis {
    let cause: Vec<String> = by_rule[rule].iter().map(|finding| finding.id.clone()).collect();
    let mut following: Vec<String> =
        effects.iter().flat_map(|effect| &by_rule[effect]).map(|finding| finding.id.clone()).collect();
    following.sort();
    let explanation = if following.is_empty() {
        format!("{} stands alone: no other finding here is known to follow from it.", cause.join(", "))
    } else {
        format!(
            "{} can bring about {}, and no finding here that explains more leads to it.",
            cause.join(", "),
            following.join(", ")
        )
    };
    let finding = by_rule[rule][0];
    Hypothesis {
        rank,
        rule: rule.to_owned(),
        title: finding.title.clone(),
        confidence: (share * 100.0).round() / 100.0,
        cause,
        effects: following,
        explanation,
        remedy: finding.remedy.steps.iter().chain(&finding.remedy.commands).cloned().collect(),
    }
}

/// How much a fault matters: by its severity, not by how often a line repeats.
fn weight(findings: &[&Finding]) -> f64 {
    let worst = findings.iter().map(|finding| finding.severity).min();
    match worst {
        Some(Severity::Critical) => 8.0,
        Some(Severity::High) => 4.0,
        Some(Severity::Medium) => 2.0,
        Some(Severity::Low) => 0.5,
        Some(Severity::Info) | None => 0.0,
    }
}

/// Rules with findings that follow from `rule`, directly or through rules that have findings too.
fn reachable<'a>(catalogue: &Catalogue, by_rule: &BTreeMap<&'a str, Vec<&Finding>>, rule: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut pending = vec![rule];
    while let Some(at) = pending.pop() {
        let Some(causes) = catalogue.get(at).map(|rule| &rule.causes) else { continue };
        for caused in causes {
            if let Some((&known, _)) = by_rule.get_key_value(caused.as_str())
                && known != rule
                && found.insert(known)
            {
                pending.push(known);
            }
        }
    }
    found
}
