//! The rules for one class of files, ready to run: their literals, and which of them mean which rule.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use eks_logs_core::{FileClass, Layout, Source};

use super::block;
use super::literals::Literals;
use super::{times, unrecognised};
use crate::event;
use crate::line;
use crate::rule::{Catalogue, ClearedBy, Rule};

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
    catalogue: Catalogue,
    sources: Vec<Source>,
    empty: bool,
    /// Made by the first thread that scans: the thread that reads has files to read.
    ready: OnceLock<Ready>,
}

/// What a scan looks for.
#[derive(Debug)]
struct Ready {
    literals: Literals,
    /// For each literal, what it leads to.
    targets: Vec<Target>,
}

impl Ready {
    fn new(catalogue: &Catalogue, sources: &[Source]) -> Self {
        let mines = sources.iter().any(|source| unrecognised::mines(*source));
        let marks = if mines { unrecognised::marks(sources.len() == 1) } else { Vec::new() };
        let (mut texts, mut targets) = (Vec::<&str>::new(), Vec::new());
        for (number, rule) in catalogue.rules().iter().enumerate() {
            if !rule.sources.iter().any(|source| sources.contains(source)) {
                continue;
            }
            let cleared_by = rule.cleared_by.as_ref().map(|cleared_by| (&cleared_by.matcher, true));
            for (matcher, clears) in [(&rule.matcher, false)].into_iter().chain(cleared_by) {
                texts.extend(matcher.literals.iter().map(String::as_str));
                targets.resize(texts.len(), Target { rule: number as u32, clears });
            }
        }
        texts.extend(marks.iter().map(String::as_str));
        targets.resize(texts.len(), unrecognised::MARK);
        let kernel = Layout::builtin().source("kernel");
        let starts = |of_kernel| if of_kernel { event::KERNEL_STARTS.as_slice() } else { event::GO_STARTS.as_slice() };
        for of_kernel in [true, false] {
            if !targets.is_empty() && sources.iter().any(|source| (Some(*source) == kernel) == of_kernel) {
                texts.extend(starts(of_kernel));
                targets.resize(texts.len(), EVENT);
            }
        }
        if !targets.is_empty() {
            texts.extend(times::BOOTS);
            targets.resize(texts.len(), BOOT);
        }
        Self { literals: Literals::new(texts.into_iter()), targets }
    }
}

impl Matcher {
    /// True if no rule is about these sources.
    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }

    fn ready(&self) -> &Ready {
        self.ready.get_or_init(|| Ready::new(&self.catalogue, &self.sources))
    }

    /// The lines of a block that hold a literal.
    pub(super) fn lines(&self, block: &[u8], found: &mut Vec<(usize, usize)>) {
        if self.empty { found.clear() } else { self.ready().literals.lines(block, found) }
    }

    /// What the literals in a line lead to: each target once, with the offset behind the last of its literals; in catalogue order.
    pub(super) fn targets(&self, line: &[u8], found: &mut Vec<(Target, usize)>) {
        found.clear();
        let Ready { literals, targets } = self.ready();
        literals.in_line(line, |literal, end| {
            let target = targets[literal as usize];
            match found.iter_mut().find(|(known, _)| *known == target) {
                Some((_, furthest)) => *furthest = end.max(*furthest),
                None => found.push((target, end)),
            }
        });
        found.sort_unstable_by_key(|(target, _)| *target);
    }
}

/// Matchers by set of sources.
#[derive(Debug)]
pub(super) struct Matchers {
    catalogue: Catalogue,
    /// Sources whose lines something is looked for in.
    judged: BTreeSet<Source>,
    made: HashMap<Vec<Source>, Arc<Matcher>>,
}

impl Matchers {
    pub(super) fn new(catalogue: Catalogue) -> Self {
        let reads_lines = |rule: &&Rule| {
            let clears = |cleared: &ClearedBy| !cleared.matcher.literals.is_empty();
            !rule.matcher.literals.is_empty() || rule.cleared_by.as_ref().is_some_and(clears)
        };
        let sources = catalogue.rules().iter().filter(reads_lines).flat_map(|rule| rule.sources.iter().copied());
        let mines = Layout::builtin().sources().iter().copied().filter(|source| unrecognised::mines(*source));
        Self { judged: sources.chain(mines).collect(), catalogue, made: HashMap::new() }
    }

    pub(super) fn for_class(&mut self, class: FileClass) -> Arc<Matcher> {
        let sources = Layout::builtin().line_sources(class);
        let Self { catalogue, judged, made } = self;
        let made = made.entry(sources).or_insert_with_key(|sources| {
            let empty = !sources.iter().any(|source| judged.contains(source));
            let (catalogue, sources) = (catalogue.clone(), sources.clone());
            Arc::new(Matcher { catalogue, sources, empty, ready: OnceLock::new() })
        });
        Arc::clone(made)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that is taken for one without rules is not looked at.
    #[test]
    fn empty_is_what_nothing_is_looked_for_in() {
        let matchers = Matchers::new(Catalogue::builtin().clone());
        let sources = Layout::builtin().sources();
        for source in sources {
            let ready = Ready::new(Catalogue::builtin(), &[*source]);
            assert_eq!(matchers.judged.contains(source), !ready.targets.is_empty(), "{source:?}");
        }
        assert!((10..sources.len()).contains(&matchers.judged.len()));
    }
}
