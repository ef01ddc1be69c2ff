//! Candidate root causes: chains of findings that the bundle supports.
//!
//! The rules say what can bring about what. An edge of that graph counts where the bundle bears it out: the cause comes before its effect,
//! within the edge's delay, and both name the same thing where the edge demands it. A hypothesis is a fault that no better fault explains,
//! with all that follows from it. How sure it is follows from the evidence: docs/CONFIDENCE.md.

mod explain;
mod facet;
mod fault;
mod graph;
mod rank;
mod support;

use schemars::JsonSchema;
use serde::Serialize;

pub use rank::Grounds;

use crate::finding::{Finding, Scan};
use crate::rule::Catalogue;
use crate::severity::Severity;
use fault::Faults;

/// Hypotheses that are given.
const MOST: usize = 5;
/// Rules that can bring a fault about, from which on it is a symptom: seen alone it names no cause.
const SYMPTOM: usize = 10;
/// What would have brought a symptom about: rules that are named.
const UPSTREAM_NAMED: usize = 12;

/// A candidate root cause: a fault, and the findings that it explains.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hypothesis {
    /// 1 is the best.
    pub rank: usize,
    /// The rule of the cause.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// How sure this is, 0 to 1: docs/CONFIDENCE.md.
    pub confidence: f64,
    /// Findings that are the cause: all that stand for the one event.
    pub cause: Vec<String>,
    /// Findings that follow from it.
    pub effects: Vec<String>,
    /// From cause to effect, link by link.
    pub chain: Vec<Link>,
    /// What this rests on, in words; names findings by id.
    pub explanation: String,
    /// What the confidence is made of.
    pub confidence_evidence: Grounds,
    /// What to do about the cause.
    pub remedy: Vec<String>,
}

/// One finding leads to another.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The finding that comes first.
    pub cause: String,
    /// The finding that follows.
    pub effect: String,
    /// How well the bundle bears it out, 0 to 1.
    pub strength: f64,
    /// Seconds from one to the other, where both times are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<i64>,
    /// What both name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<String>,
}

/// Whether the bundle holds a cause at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The first hypothesis names a fault that can be a root.
    CauseFound,
    /// Only consequences are here: what brought them about is not in this bundle.
    CauseNotInBundle,
    /// Nothing here is worse than low.
    NothingFound,
}

/// The hypotheses about one bundle, and what they leave open.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// Whether the bundle holds a cause.
    pub verdict: Verdict,
    /// Why, in words.
    pub verdict_reason: String,
    /// Best first.
    pub hypotheses: Vec<Hypothesis>,
    /// Faults that could be behind what is seen, and whether their absence is known.
    pub not_seen: Vec<NotSeen>,
}

/// A fault that could have brought the symptom about and is not among the findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotSeen {
    /// Its rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Sources whose lines would show it and that were read to their end.
    pub looked_in: Vec<String>,
    /// Sources that would show it and of which the bundle holds nothing.
    pub not_collected: Vec<String>,
}

/// The candidate root causes of these findings, best first; the order of the findings does not matter.
pub fn hypotheses(catalogue: &Catalogue, findings: &[Finding]) -> Vec<Hypothesis> {
    let faults = Faults::new(catalogue, findings);
    let graph = graph::Graph::new(&faults);
    let ranked = rank::ranked(&faults, &graph);
    let numbered = ranked.iter().take(MOST).enumerate();
    numbered.map(|(at, candidate)| explain::hypothesis(&faults, &graph, candidate, at + 1, &ranked)).collect()
}

/// The candidate root causes, and whether the cause is in the bundle at all.
pub fn diagnose(catalogue: &Catalogue, scan: &Scan) -> Diagnosis {
    let hypotheses = hypotheses(catalogue, &scan.findings);
    let worst = scan.findings.iter().map(|finding| finding.severity).min();
    if worst.is_none_or(|worst| worst > Severity::Medium) {
        let reason = "no finding is worse than low: this bundle shows no fault that would need a cause".to_owned();
        return Diagnosis { verdict: Verdict::NothingFound, verdict_reason: reason, hypotheses, not_seen: Vec::new() };
    }
    let brings_about = fault::brought_about_by(catalogue);
    let symptom = hypotheses.first().filter(|first| {
        brings_about.get(first.rule.as_str()).is_some_and(|upstream| upstream.len() >= SYMPTOM)
            || first.rule.starts_with("unrecognised/")
    });
    let Some(symptom) = symptom else {
        let reason = match hypotheses.first() {
            Some(first) => format!("{} can be a root: {}", first.cause.join(", "), first.title),
            None => "no finding can be a root".to_owned(),
        };
        return Diagnosis { verdict: Verdict::CauseFound, verdict_reason: reason, hypotheses, not_seen: Vec::new() };
    };
    let upstream = brings_about.get(symptom.rule.as_str()).cloned().unwrap_or_default();
    let not_seen = not_seen(catalogue, scan, &upstream);
    let reason = format!(
        "{} is a consequence: {} known faults can bring it about and none of them is in this bundle",
        symptom.cause.join(", "),
        upstream.len()
    );
    Diagnosis { verdict: Verdict::CauseNotInBundle, verdict_reason: reason, hypotheses, not_seen }
}

/// These findings in the canonical order, which is that of their ids.
pub fn in_canonical_order(findings: &[Finding]) -> Vec<&Finding> {
    let mut ordered: Vec<&Finding> = findings.iter().collect();
    ordered.sort_by(|a, b| fault::place(a).cmp(&fault::place(b)));
    ordered
}

fn not_seen(catalogue: &Catalogue, scan: &Scan, upstream: &[&str]) -> Vec<NotSeen> {
    let mut rules: Vec<_> = upstream.iter().filter_map(|id| catalogue.get(id)).collect();
    // The worst and the most specific first.
    rules.sort_by(|a, b| (a.severity, &a.id).cmp(&(b.severity, &b.id)));
    let mut told: Vec<NotSeen> = rules
        .into_iter()
        .map(|rule| {
            let (mut looked_in, mut not_collected) = (Vec::new(), Vec::new());
            for source in &rule.sources {
                let speaking = scan.files.iter().filter(|file| file.speaks_for(*source) && file.bytes > 0);
                let complete: Vec<bool> = speaking.map(|file| file.complete).collect();
                if complete.is_empty() {
                    not_collected.push(source.name().to_owned());
                } else if complete.iter().all(|complete| *complete) {
                    looked_in.push(source.name().to_owned());
                }
            }
            NotSeen { rule: rule.id.to_string(), title: rule.title.clone(), looked_in, not_collected }
        })
        .collect();
    // What could not be looked for is what to collect next.
    told.sort_by_key(|not_seen| std::cmp::Reverse(!not_seen.not_collected.is_empty() && not_seen.looked_in.is_empty()));
    told.truncate(UPSTREAM_NAMED);
    told
}
