//! Running a rule against its own examples and counter-examples, through the same engine that scans bundles.

use std::fmt;

use eks_logs_core::{Layout, StorePath};

use super::{Catalogue, Example, Rule};
use crate::checks;
use crate::scan::matches_line;

/// An example that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExampleFailure {
    /// An example's file is not one of the rule's sources, or no path at all.
    WrongFile(String),
    /// An example does not match.
    Missed(String),
    /// A counter-example matches.
    Matched(String),
    /// A check cites what its files do not hold.
    BadCitation(String),
    /// No counter-example needs this `unless`.
    IdleUnless(String),
}

impl fmt::Display for ExampleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongFile(file) => write!(f, "example file {file:?}: no line in it has one of the rule's sources"),
            Self::Missed(line) => write!(f, "example does not match: {line:?}"),
            Self::Matched(line) => write!(f, "counter-example matches: {line:?}"),
            Self::BadCitation(what) => write!(f, "the check cites what is not there: {what}"),
            Self::IdleUnless(regex) => write!(f, "no counter-example needs the unless {regex:?}"),
        }
    }
}

/// Everything that does not hold; empty for a sound rule.
pub fn check_examples(rule: &Rule) -> Vec<ExampleFailure> {
    let mut failures = Vec::new();
    if rule.check.is_some() {
        for (wanted, examples) in [(true, &rule.examples), (false, &rule.counter_examples)] {
            for (at, example) in examples.iter().enumerate() {
                let told = example.why.clone().unwrap_or_else(|| format!("number {}", at + 1));
                match checks::finds(rule, &example.files) {
                    Ok(found) if found == wanted => {}
                    Ok(true) => failures.push(ExampleFailure::Matched(told)),
                    Ok(false) => failures.push(ExampleFailure::Missed(told)),
                    Err(what) => failures.push(ExampleFailure::BadCitation(format!("{told}: {what}"))),
                }
            }
        }
        return failures;
    }
    for example in &rule.examples {
        match verdict(rule, example) {
            None => failures.push(ExampleFailure::WrongFile(example.file.clone())),
            Some(true) => {}
            Some(false) => failures.push(ExampleFailure::Missed(example.line.clone())),
        }
    }
    for example in &rule.counter_examples {
        if verdict(rule, example) == Some(true) {
            failures.push(ExampleFailure::Matched(example.line.clone()));
        }
    }
    for (at, unless) in rule.unless.iter().enumerate() {
        let mut without = rule.clone();
        without.unless.remove(at);
        if !rule.counter_examples.iter().any(|example| verdict(&without, example) == Some(true)) {
            failures.push(ExampleFailure::IdleUnless(unless.pattern.as_str().to_owned()));
        }
    }
    failures
}

/// Other rules that match every example of this one. With the same severity or a worse one they say all that it says: it is shadowed;
/// otherwise they overlap.
pub fn overlapping<'a>(rule: &Rule, catalogue: &'a Catalogue) -> Vec<&'a Rule> {
    let reads_lines = rule.check.is_none() && !rule.examples.is_empty();
    let others = catalogue.rules().iter().filter(|other| other.id != rule.id && reads_lines);
    others.filter(|other| rule.examples.iter().all(|example| verdict(other, example) == Some(true))).collect()
}

/// Whether the rule matches the line where it stands; `None` if lines of that file can never have one of its sources.
fn verdict(rule: &Rule, example: &Example) -> Option<bool> {
    let layout = Layout::builtin();
    let class = layout.classify(&StorePath::parse(&example.file).ok()?);
    layout.line_sources(class).iter().any(|source| rule.sources.contains(source)).then_some(())?;
    Some(matches_line(rule, class, example.line.as_bytes()))
}
