//! A summary that is grounded: sentences about given findings and nothing else, each citing the ids it rests on.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::finding::{Finding, Scan};
use crate::hypothesis::{self, Diagnosis, Verdict};
use crate::rule::Catalogue;
use crate::severity::Severity;
use crate::triage::{self, Filled};

/// A sentence, and the findings it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The sentence; names its findings.
    pub text: String,
    /// The findings, all among those that were given.
    pub finding_ids: Vec<String>,
}

/// A component, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AffectedComponent {
    /// The component.
    pub component: String,
    /// The worst severity.
    pub severity: Severity,
    /// The findings that its lines report.
    pub finding_ids: Vec<String>,
}

/// A command, and the findings that ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CitedCommand {
    /// The command, with names filled in.
    #[serde(flatten)]
    pub command: Filled,
    /// The findings.
    pub finding_ids: Vec<String>,
}

/// What the given findings say.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Every id that was given is a finding of this bundle, and there is at least one.
    pub grounded: bool,
    /// Ids that are none, as given.
    pub unresolved: Vec<String>,
    /// The findings that the summary is about, in canonical order.
    pub findings: Vec<Finding>,
    /// How many of which severity, how often.
    pub overview: Vec<Statement>,
    /// One sentence for each critical finding.
    pub critical: Vec<Statement>,
    /// One for each of severity high.
    pub high: Vec<Statement>,
    /// One for each of the others.
    pub others: Vec<Statement>,
    /// Components.
    pub components: Vec<AffectedComponent>,
    /// What to do.
    pub recommendations: Vec<Statement>,
    /// The causes that these findings alone allow.
    pub diagnosis: Diagnosis,
    /// That, as sentences: the likely root first.
    pub causes: Vec<Statement>,
    /// Commands that check or repair.
    pub commands: Vec<CitedCommand>,
    /// How sure the first cause is; 0 without one.
    pub confidence: f64,
}

/// Summarises findings by their ids.
pub fn summarize(catalogue: &Catalogue, scan: &Scan, ids: &[String]) -> Summary {
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    let mut unresolved: Vec<String> = Vec::new();
    for id in ids {
        if scan.findings.iter().any(|finding| finding.id == *id) {
            asked.insert(id);
        } else if !unresolved.contains(id) {
            unresolved.push(id.clone());
        }
    }
    // Whatever is said from here on sees the given findings alone.
    let mut part = scan.clone();
    part.findings.retain(|finding| asked.contains(finding.id.as_str()));
    part.findings = hypothesis::in_canonical_order(&part.findings).into_iter().cloned().collect();
    let diagnosis = hypothesis::diagnose(catalogue, &part);
    let context = triage::context(catalogue, &part, &diagnosis);

    let of = |severity: Severity| -> Vec<Statement> {
        part.findings.iter().filter(|finding| finding.severity == severity).map(sentence).collect()
    };
    let mut recommendations: Vec<Statement> = Vec::new();
    let mut commands: Vec<CitedCommand> = Vec::new();
    for remedy in &context.remedies {
        for step in &remedy.steps {
            let cited = remedy.finding_ids.join(", ");
            let text = format!("{} [{cited}]", step.trim_end());
            if !recommendations.iter().any(|known| known.text == text) {
                recommendations.push(Statement { text, finding_ids: remedy.finding_ids.clone() });
            }
        }
        commands.extend(
            remedy
                .commands
                .iter()
                .map(|command| CitedCommand { command: command.clone(), finding_ids: remedy.finding_ids.clone() }),
        );
    }
    Summary {
        grounded: unresolved.is_empty() && !part.findings.is_empty(),
        unresolved,
        overview: overview(&part.findings),
        critical: of(Severity::Critical),
        high: of(Severity::High),
        others: [Severity::Medium, Severity::Low, Severity::Info].into_iter().flat_map(of).collect(),
        components: components(&part.findings),
        recommendations,
        causes: causes(&diagnosis),
        commands,
        confidence: match diagnosis.verdict {
            Verdict::CauseFound => diagnosis.hypotheses.first().map_or(0.0, |first| first.confidence),
            Verdict::CauseNotInBundle | Verdict::NothingFound => 0.0,
        },
        diagnosis,
        findings: part.findings,
    }
}

fn sentence(finding: &Finding) -> Statement {
    let times = match (finding.first_seen, finding.last_seen) {
        (Some(first), Some(last)) if first == last => format!(", at {first}"),
        (Some(first), Some(last)) => format!(", from {first} to {last}"),
        _ => String::new(),
    };
    let subject = if finding.subject.is_empty() { String::new() } else { format!(" ({})", finding.subject) };
    let often = if finding.count == 1 { "once".to_owned() } else { format!("{} times", finding.count) };
    let ended = if finding.cleared { "; a later line says that it ended" } else { "" };
    let place =
        finding.evidence.first().map_or(String::new(), |line| format!(", first in {}:{}", line.file, line.line));
    let text =
        format!("{} [{}]: {}{subject}, {often}{times}{place}{ended}.", finding.id, finding.severity, finding.title);
    Statement { text, finding_ids: vec![finding.id.clone()] }
}

fn overview(findings: &[Finding]) -> Vec<Statement> {
    let mut said = Vec::new();
    for severity in Severity::ALL {
        let of: Vec<&Finding> = findings.iter().filter(|finding| finding.severity == severity).collect();
        if of.is_empty() {
            continue;
        }
        let ids: Vec<String> = of.iter().map(|finding| finding.id.clone()).collect();
        let count: u64 = of.iter().map(|finding| finding.count).sum();
        let findings = if of.len() == 1 { "finding" } else { "findings" };
        let text = format!("{} {severity} {findings} with {count} occurrences in all: {}.", of.len(), ids.join(", "));
        said.push(Statement { text, finding_ids: ids });
    }
    said
}

fn components(findings: &[Finding]) -> Vec<AffectedComponent> {
    let mut components: Vec<AffectedComponent> = Vec::new();
    for finding in findings {
        match components.iter_mut().find(|known| known.component == finding.source.name()) {
            Some(known) => known.finding_ids.push(finding.id.clone()),
            None => components.push(AffectedComponent {
                component: finding.source.name().to_owned(),
                severity: finding.severity,
                finding_ids: vec![finding.id.clone()],
            }),
        }
    }
    components
}

fn causes(diagnosis: &Diagnosis) -> Vec<Statement> {
    let mut said: Vec<Statement> = Vec::new();
    if diagnosis.verdict == Verdict::CauseNotInBundle
        && let Some(first) = diagnosis.hypotheses.first()
    {
        said.push(Statement { text: diagnosis.verdict_reason.clone(), finding_ids: first.cause.clone() });
    }
    said.extend(diagnosis.hypotheses.iter().map(|hypothesis| {
        let mut ids = hypothesis.cause.clone();
        ids.extend(hypothesis.effects.iter().cloned());
        Statement {
            text: format!("{} (confidence {:.2}). {}", hypothesis.title, hypothesis.confidence, hypothesis.explanation),
            finding_ids: ids,
        }
    }));
    said
}
