//! From what checks say to findings.

use serde::Serialize;

use super::{Cite, Fault, Outcome, State, find};
use crate::clock::Certainty;
use crate::finding::{CheckOutcome, CheckReport, Evidence, Finding};
use crate::rule::{Catalogue, Rule};
use crate::scan::{EvidenceLimit, few, fingerprint};
use crate::subject;

/// The most of a place that evidence quotes, in bytes.
const QUOTED: usize = 16 << 10;
/// Names that a finding tells.
const ENTITIES: usize = 8;

/// What all checks of a catalogue say of one state.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Judged {
    pub(crate) findings: Vec<Finding>,
    pub(crate) reports: Vec<CheckReport>,
}

/// Runs every check that the catalogue has a rule for.
pub(crate) fn judge(catalogue: &Catalogue, state: &State, limit: EvidenceLimit) -> Judged {
    let mut judged = Judged::default();
    for rule in catalogue.rules() {
        let (Some(section), Some(check)) = (rule.check, find(rule.id.as_str())) else { continue };
        let (outcome, why) = match check(state) {
            Outcome::Passed => (CheckOutcome::Passed, None),
            Outcome::NotApplicable(why) => (CheckOutcome::NotApplicable, Some(why)),
            Outcome::Unknown(why) => (CheckOutcome::Unknown, Some(why)),
            Outcome::Faults(faults) => {
                judged.findings.extend(faults.into_iter().filter_map(|fault| finding(rule, state, fault, limit)));
                (CheckOutcome::Found, None)
            }
        };
        judged.reports.push(CheckReport { rule: rule.id.clone(), section, outcome, why });
    }
    judged
}

/// The evidence of a cited place; `None` if the files do not hold it.
pub(super) fn quoted(state: &State, cite: &Cite) -> Option<Evidence> {
    let mut span = cite.span;
    let text = match &cite.text {
        Some(text) => text.clone(),
        None => {
            let file = state.files.get(&cite.file)?;
            if span.end.saturating_sub(span.start) > QUOTED as u64 {
                span.end = span.start + QUOTED as u64;
                // A quote ends between characters.
                while span.end > span.start && file.content.get(span.end as usize).is_some_and(|b| b & 0xc0 == 0x80) {
                    span.end -= 1;
                }
            }
            file.text(span)?
        }
    };
    Some(Evidence {
        file: cite.file.clone(),
        line: span.line,
        start_byte: span.start,
        end_byte: span.end,
        time: None,
        text,
        duplicate: false,
    })
}

fn finding(rule: &Rule, state: &State, fault: Fault, limit: EvidenceLimit) -> Option<Finding> {
    let subject = subject::masked(&fault.subject);
    let mut evidence: Vec<Evidence> = fault.cites.iter().filter_map(|cite| quoted(state, cite)).collect();
    evidence.sort_by_key(|line| (line.file.clone(), line.start_byte));
    evidence.dedup();
    let places = evidence.len() as u64;
    let source = state.files.get(&evidence.first()?.file)?.source;
    if let EvidenceLimit::Few(most) = limit {
        evidence = few(evidence, most);
    }
    let mut entities: Vec<String> = Vec::new();
    for entity in std::iter::once(&fault.subject).chain(&fault.entities) {
        if entities.len() < ENTITIES && !entity.is_empty() && !entities.contains(entity) {
            entities.push(entity.clone());
        }
    }
    let (severity, severity_reason) = fault.severity.unwrap_or_else(|| (rule.severity, rule.severity_reason.clone()));
    Some(Finding {
        id: String::new(),
        fingerprint: fingerprint(rule, &subject),
        rule: rule.id.clone(),
        title: rule.title.clone(),
        severity,
        severity_reason,
        source,
        subject,
        entities,
        count: if fault.count == 0 { places } else { fault.count },
        detail: Some(fault.detail),
        first_seen: None,
        last_seen: None,
        time_certainty: Certainty::Unknown,
        cleared: false,
        course: None,
        events: Vec::new(),
        wrappers: Vec::new(),
        evidence_omitted: places - evidence.len() as u64,
        evidence,
        remedy: rule.remedy.clone(),
    })
}
