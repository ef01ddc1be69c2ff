//! One failure, one finding: a rule that only wraps the error of something else gives its lines to the rule that tells more about them, and
//! stands as a finding of its own only for the lines that nobody explains.
//!
//! No line is told more mildly for it: lines go to a finding that is at least as severe as the one that they leave.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::echo::Echoes;
use super::files::FileTally;
use super::tally::Tally;
use super::unrecognised;
use crate::rule::{Escalate, Rule};
use crate::severity::Severity;

/// A rule about a subject in one file.
pub(super) type Part<'a> = (&'a FileTally, &'a Tally);

/// One rule about one subject, with the files that report it.
pub(super) struct Grouped<'a> {
    pub(super) rule: &'a Rule,
    pub(super) number: u32,
    pub(super) subject: u32,
    pub(super) parts: Vec<Part<'a>>,
    /// Lines that the rule only wraps.
    pub(super) wrapped: Vec<Wrapped<'a>>,
    /// Lines of rules that wrap this one.
    pub(super) context: Vec<(&'a Rule, Part<'a>)>,
    /// Escalations that ask for more occurrences do not hold.
    pub(super) most: u64,
}

/// Lines of a rule that wraps.
#[derive(Clone, Copy)]
pub(super) struct Wrapped<'a> {
    /// The rule and subject that tell more.
    pub(super) by: (u32, &'a str),
    pub(super) part: Part<'a>,
}

/// How bad it is here.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) count: u64,
    pub(super) cleared: bool,
    pub(super) severity: Severity,
    pub(super) reason: String,
}

/// Gives the lines that wrap to the findings that they wrap.
pub(super) fn folded<'a>(mut groups: BTreeMap<(u32, &'a str), Grouped<'a>>) -> Vec<Grouped<'a>> {
    let wrappers: Vec<(u32, &str)> =
        groups.iter().filter(|(_, group)| !group.wrapped.is_empty()).map(|(key, _)| *key).collect();
    let mut severities: HashMap<(u32, &str), Option<Severity>> = HashMap::new();
    for key in &wrappers {
        let partners = groups[key].wrapped.iter().map(|wrapped| wrapped.by);
        for key in partners.chain([*key]).collect::<Vec<_>>() {
            let whole = || groups.get(&key).and_then(Grouped::whole_verdict).map(|verdict| verdict.severity);
            severities.entry(key).or_insert_with(whole);
        }
    }
    let severity = |key: &(u32, &str)| severities.get(key).copied().flatten();
    let mut given: Vec<((u32, &str), &'a Rule, Part<'a>)> = Vec::new();
    let mut partners: BTreeSet<(u32, &str)> = BTreeSet::new();
    for key in &wrappers {
        let Some(group) = groups.get_mut(key) else { continue };
        let mine = severity(key);
        let is_told =
            |wrapped: &Wrapped<'_>| severity(&wrapped.by).is_some_and(|told| mine.is_none_or(|mine| told <= mine));
        let (told, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut group.wrapped).into_iter().partition(is_told);
        group.parts.extend(kept.iter().map(|wrapped| wrapped.part));
        partners.extend(told.iter().map(|wrapped| wrapped.by));
        if !told.is_empty() {
            group.most = group.parts.iter().map(|(_, tally)| tally.count).sum();
        }
        given.extend(told.into_iter().map(|wrapped| (wrapped.by, group.rule, wrapped.part)));
    }
    for (by, rule, part) in given {
        if let Some(group) = groups.get_mut(&by) {
            group.context.push((rule, part));
        }
    }
    // A finding that took lines over because of its severity keeps that severity.
    for key in partners {
        if let Some(group) = groups.get_mut(&key) {
            group.most = u64::MAX;
        }
    }
    groups.into_values().filter(|group| group.parts.iter().any(|(_, tally)| tally.count > 0)).collect()
}

impl<'a> Grouped<'a> {
    /// Among files that hold the same events the better one speaks; the order of paths decides the rest.
    pub(super) fn best_first(&mut self) {
        self.parts.sort_by_key(|(_, tally)| tally.echo.map_or(0, |(_, rank)| rank));
    }

    /// The verdict with the lines that it wraps.
    fn whole_verdict(&self) -> Option<Verdict> {
        let mut whole = Grouped { wrapped: Vec::new(), context: Vec::new(), parts: self.parts.clone(), ..*self };
        whole.parts.extend(self.wrapped.iter().map(|wrapped| wrapped.part));
        whole.best_first();
        whole.verdict()
    }

    /// How bad it is, by parts of which the better ones stand first; `None` if it is no finding.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        let parts = &self.parts;
        let mut echoes = Echoes::default();
        let mut count = 0;
        for (_, tally) in parts {
            count += echoes.begin(tally).fresh(tally);
            echoes.end(tally);
        }
        if let Some(repeat) = self.rule.repeat {
            let often = match repeat.within {
                Some(_) => parts.iter().any(|(_, tally)| tally.reached(&repeat)),
                None => count >= repeat.count,
            };
            if !often {
                return None;
            }
        }
        let cleared = self.rule.cleared_by.is_some() && parts.iter().all(|(file, tally)| self.is_cleared(file, tally));
        let late = |(file, tally): &Part<'_>| unrecognised::late(tally.first_offset, file.bytes, tally.count);
        if let Some(late) = parts.iter().find_map(late).filter(|_| self.number == unrecognised::ERROR) {
            return Some(Verdict { count, cleared, severity: late.severity, reason: late.severity_reason.clone() });
        }
        let (severity, reason) = severity(self.rule, parts, count, self.most, cleared);
        Some(Verdict { count, cleared, severity, reason })
    }

    fn is_cleared(&self, file: &FileTally, tally: &Tally) -> bool {
        let after =
            |subject| file.cleared.get(&(self.number, subject)).is_some_and(|offset| *offset > tally.last_offset);
        after(None) || after(Some(self.subject))
    }
}

/// The severity with what happened taken into account, and why.
fn severity(rule: &Rule, parts: &[Part<'_>], count: u64, most: u64, cleared: bool) -> (Severity, String) {
    let holds = |step: &Escalate| {
        let often = step.repeat.is_none_or(|repeat| match repeat.within {
            Some(_) => repeat.count <= most && parts.iter().any(|(_, tally)| tally.reached(&repeat)),
            None => count >= repeat.count,
        });
        let long = step.lasts.is_none_or(|lasts| parts.iter().any(|(_, tally)| tally.lasted(lasts)));
        often && long
    };
    if let Some(cleared_by) = rule.cleared_by.as_ref().filter(|_| cleared)
        && (cleared_by.severity > rule.severity || rule.escalate.iter().any(holds))
    {
        return (cleared_by.severity, format!("{}; it ended before the end of the log", rule.severity_reason));
    }
    let worst = rule
        .escalate
        .iter()
        .filter(|step| step.severity < rule.severity && holds(step))
        .min_by_key(|step| step.severity);
    match worst {
        Some(step) if !step.reason.is_empty() => (step.severity, step.reason.clone()),
        Some(step) => (step.severity, rule.severity_reason.clone()),
        None => (rule.severity, rule.severity_reason.clone()),
    }
}
