//! The rules for one class of files, ready to run: their literals, and which of them mean which rule.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use eks_logs_core::{FileClass, Layout, Source};

use super::block;
use super::literals::Literals;
use super::{times, unrecognised};
use crate::event;
use crate::line;
use crate::rule::{Catalogue, LineMatcher, Rule};

/// What a literal leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Target {
    /// The rule's number in the catalogue.
    pub(super) rule: u32,
    /// The line does not report the fault: it ends it.
    pub(super) clears: bool,
}

/// What the first words of events of several lines lead to.
pub(super) const EVENT: Target = Target { rule: u32::MAX - 2, clears: false };

/// What lines about a boot lead to.
pub(super) const BOOT: Target = Target { rule: u32::MAX - 3, clears: false };

/// Rules that lines of one set of sources can match.
#[derive(Debug)]
pub(super) struct Matcher {
    pub(super) literals: Literals,
    /// For each literal, what it leads to.
    targets: Vec<Target>,
}

impl Matcher {
    fn new(catalogue: &Catalogue, sources: &[Source]) -> Self {
        let (mut texts, mut targets) = (Vec::new(), Vec::new());
        for (number, rule) in catalogue.rules().iter().enumerate() {
            if !rule.sources.iter().any(|source| sources.contains(source)) {
                continue;
            }
            let mut add = |matcher: &LineMatcher, clears| {
                for literal in &matcher.literals {
                    texts.push(literal.clone());
                    targets.push(Target { rule: number as u32, clears });
                }
            };
            add(&rule.matcher, false);
            if let Some(cleared_by) = &rule.cleared_by {
                add(&cleared_by.matcher, true);
            }
        }
        if sources.iter().any(|source| unrecognised::mines(*source)) {
            for mark in unrecognised::marks(sources.len() == 1) {
                texts.push(mark);
                targets.push(unrecognised::MARK);
            }
        }
        let kernel = Layout::builtin().source("kernel");
        let starts = |of_kernel| if of_kernel { event::KERNEL_STARTS.as_slice() } else { event::GO_STARTS.as_slice() };
        for of_kernel in [true, false] {
            if !targets.is_empty() && sources.iter().any(|source| (Some(*source) == kernel) == of_kernel) {
                texts.extend(starts(of_kernel).iter().map(|start| (*start).to_owned()));
                targets.resize(texts.len(), EVENT);
            }
        }
        if !targets.is_empty() {
            texts.extend(times::BOOTS.map(str::to_owned));
            targets.resize(texts.len(), BOOT);
        }
        Self { literals: Literals::new(texts.iter().map(String::as_str)), targets }
    }

    /// True if no rule is about these sources.
    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// What the literals in a line lead to: each target once, with the offset behind the last of its literals; in catalogue order.
    pub(super) fn targets(&self, line: &[u8], found: &mut Vec<(Target, usize)>) {
        found.clear();
        self.literals.in_line(line, |literal, end| {
            let target = self.targets[literal as usize];
            match found.iter_mut().find(|(known, _)| *known == target) {
                Some((_, furthest)) => *furthest = end.max(*furthest),
                None => found.push((target, end)),
            }
        });
        found.sort_unstable_by_key(|(target, _)| *target);
    }
}

/// Matchers by set of sources, built when the first file of a class is met.
#[derive(Debug)]
pub(super) struct Matchers {
    catalogue: Catalogue,
    built: Mutex<HashMap<Vec<Source>, Arc<Matcher>>>,
}

impl Matchers {
    pub(super) fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, built: Mutex::default() }
    }

    pub(super) fn for_class(&self, class: FileClass) -> Arc<Matcher> {
        let sources = Layout::builtin().line_sources(class);
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let matcher =
            built.entry(sources).or_insert_with_key(|sources| Arc::new(Matcher::new(&self.catalogue, sources)));
        Arc::clone(matcher)
    }
}

/// Whether a rule matches one line of a file of this class: what the engine decides, without its shortcuts.
pub(crate) fn matches_line(rule: &Rule, class: FileClass, text: &[u8]) -> bool {
    let (bytes, clean) = (text, line::clean(text));
    let text: &[u8] = &clean;
    let parsed = line::parse(text);
    let program = parsed.program.clone().map(|range| &text[range]);
    let source = Layout::builtin().line_source(class, program, parsed.kernel);
    let message = &text[parsed.message..];
    let own = block::own_words(text, 0, message);
    let message = if rule.reads_quoted { message } else { &own };
    rule.sources.contains(&source)
        && rule.matcher.literals.iter().any(|literal| memchr::memmem::find(bytes, literal.as_bytes()).is_some())
        && rule.matcher.pattern.as_ref().is_none_or(|pattern| pattern.is_match(message))
        && !rule.unless.iter().any(|unless| unless.pattern.is_match(message))
}
