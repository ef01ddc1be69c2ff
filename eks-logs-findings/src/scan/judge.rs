//! What the rules say of one message.
//!
//! A component that is in trouble prints the same message again and again, with another time in front of it. What was said of a message is
//! remembered, word for word: no pattern runs twice over the same text.

use std::borrow::Cow;
use std::collections::HashMap;

use eks_logs_core::Source;
use xxhash_rust::xxh3::xxh3_64;

use super::block::Subject;
use super::matcher::Target;
use crate::rule::{Catalogue, LineMatcher};
use crate::subject;

/// The longest message that is remembered, in bytes.
const LONGEST: usize = 4 << 10;
/// What is remembered at a time, in bytes: some thousand messages of the usual length.
const REMEMBERED: usize = 2 << 20;

/// Places for hashes of messages that were met.
const MET: usize = 1 << 14;

/// One rule that matches.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) target: Target,
    pub(super) subject: Subject,
    /// Where what matched ends, seen from the start of the message: a literal may stand in front of it.
    end: i64,
    /// A block, and the number that the subject has in it.
    pub(super) numbered: Option<(u64, u32)>,
}

impl Said {
    /// Where in the line what matched ends.
    pub(super) fn end(&self, asked: &Asked<'_>) -> usize {
        (self.end + asked.from as i64) as usize
    }
}

/// What the rules say of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Judgement {
    pub(super) said: Vec<Said>,
    /// Whether a rule, or the benign context of one, has spoken about the message.
    pub(super) judged: bool,
}

/// A message, as it stands in its line.
pub(super) struct Asked<'a> {
    pub(super) source: Source,
    pub(super) message: &'a [u8],
    /// Where the message starts in the line.
    pub(super) from: usize,
    /// Rules of the catalogue that literals in the line point at, and where in the line the last literal of each ends.
    pub(super) targets: &'a [(Target, usize)],
    /// The line is too long to be quoted whole: where the pattern itself matches is wanted.
    pub(super) far: bool,
    /// The message is the same wherever it stands: it continues nothing that stands above.
    pub(super) alone: bool,
}

impl Asked<'_> {
    fn ends(&self) -> impl ExactSizeIterator<Item = (Target, i64)> {
        self.targets.iter().map(|(target, end)| (*target, *end as i64 - self.from as i64))
    }

    fn judge<'a>(&'a self, catalogue: &Catalogue, own: impl FnOnce() -> Cow<'a, [u8]>) -> Judgement {
        let mut judgement = Judgement::default();
        let mut own = Some(own);
        let mut words = None;
        for (target, literal_end) in self.ends() {
            let rule = &catalogue.rules()[target.rule as usize];
            let (matcher, unless) = match (&rule.cleared_by, target.clears) {
                (Some(cleared_by), true) => (&cleared_by.matcher, [].as_slice()),
                _ => (&rule.matcher, rule.unless.as_slice()),
            };
            if !rule.sources.contains(&self.source) {
                continue;
            }
            if words.is_none() && !rule.reads_quoted {
                words = own.take().map(|own| own());
            }
            let message = words.as_deref().filter(|_| !rule.reads_quoted).unwrap_or(self.message);
            if unless.iter().any(|unless| unless.pattern.is_match(message)) {
                judgement.judged = true;
            } else if let Some(subject) = subject_of(matcher, &rule.subject, message) {
                judgement.judged = true;
                let matched = matcher.pattern.as_ref().filter(|_| self.far);
                let matched = matched.and_then(|pattern| Some(pattern.regex()?.find(message)?.end() as i64));
                let end = matched.unwrap_or(literal_end);
                judgement.said.push(Said { target, subject, end, numbered: None });
            }
        }
        judgement
    }
}

/// Whether the message matches, and if so, its subject.
fn subject_of(matcher: &LineMatcher, names: &[String], message: &[u8]) -> Option<Subject> {
    let printed = match (&matcher.pattern, &matcher.subject) {
        (None, None) => String::new(),
        (Some(pattern), None) if !names.is_empty() => subject::printed(names, &pattern.regex()?.captures(message)?),
        (pattern, subject) => {
            pattern.as_ref().is_none_or(|pattern| pattern.is_match(message)).then_some(())?;
            let named = subject.as_ref().and_then(|subject| subject.regex()?.captures(message));
            named.map_or_else(String::new, |captures| subject::printed(names, &captures))
        }
    };
    Some(Subject::of(printed))
}

/// A judgement, and all that it depends on.
#[derive(Debug)]
struct Remembered {
    source: Source,
    message: Box<[u8]>,
    ends: Box<[(Target, i64)]>,
    judgement: Judgement,
}

impl Remembered {
    fn is_of(&self, asked: &Asked<'_>) -> bool {
        self.source == asked.source && *self.message == *asked.message && asked.ends().eq(self.ends.iter().copied())
    }

    fn size(&self) -> usize {
        let said = |said: &Said| size_of::<Said>() + said.subject.printed.len() + said.subject.masked.len();
        size_of::<Self>()
            + self.message.len()
            + size_of_val(&*self.ends)
            + self.judgement.said.iter().map(said).sum::<usize>()
    }
}

/// Asks the rules, and remembers what they said.
#[derive(Debug)]
pub(super) struct Judge {
    /// Of messages that were met the upper bits of the hash, in the place that its lower bits say: what comes once only is not worth
    /// remembering.
    met: Box<[u16]>,
    by_hash: HashMap<u64, Remembered>,
    /// Bytes of what is remembered.
    size: usize,
    /// What was said of a message that is not remembered.
    passing: Judgement,
}

impl Default for Judge {
    fn default() -> Self {
        let met = vec![0; MET].into_boxed_slice();
        Self { met, by_hash: HashMap::new(), size: 0, passing: Judgement::default() }
    }
}

impl Judge {
    /// What the rules say. `own` tells the words of the message that are the component's own.
    pub(super) fn ask<'a>(
        &mut self,
        catalogue: &Catalogue,
        asked: &'a Asked<'a>,
        own: impl FnOnce() -> Cow<'a, [u8]>,
    ) -> &mut Judgement {
        if asked.far || !asked.alone || asked.message.len() > LONGEST {
            self.passing = asked.judge(catalogue, own);
            return &mut self.passing;
        }
        let hash = xxh3_64(asked.message);
        if !self.by_hash.get(&hash).is_some_and(|known| known.is_of(asked)) {
            let judgement = asked.judge(catalogue, own);
            let tag = (hash >> 48) as u16;
            if std::mem::replace(&mut self.met[hash as usize % MET], tag) != tag {
                self.passing = judgement;
                return &mut self.passing;
            }
            self.remember(hash, asked, judgement);
        }
        match self.by_hash.get_mut(&hash) {
            Some(known) => &mut known.judgement,
            None => &mut self.passing,
        }
    }

    fn remember(&mut self, hash: u64, asked: &Asked<'_>, judgement: Judgement) {
        if self.size > REMEMBERED {
            self.by_hash.clear();
            self.size = 0;
        }
        let (message, ends) = (asked.message.into(), asked.ends().collect());
        let known = Remembered { source: asked.source, message, ends, judgement };
        self.size += known.size();
        if let Some(other) = self.by_hash.insert(hash, known) {
            self.size -= other.size();
        }
    }
}

#[cfg(test)]
mod tests {
    use eks_logs_core::Layout;

    use super::*;

    type Targets = Vec<(Target, usize)>;

    /// What literals of the catalogue point at, in a message behind a prefix of so many bytes.
    fn targets(message: &str, prefix: usize) -> Targets {
        let ends = |literal: &String| message.rfind(literal.as_str()).map(|at| prefix + at + literal.len());
        let rules = Catalogue::builtin().rules().iter().enumerate();
        let targets = rules.filter_map(|(number, rule)| {
            let end = rule.matcher.literals.iter().filter_map(ends).max()?;
            Some((Target { rule: number as u32, clears: false }, end))
        });
        targets.collect()
    }

    /// Rule, subject and where the match ends.
    fn said(
        judge: &mut Judge,
        source: Source,
        message: &str,
        from: usize,
        targets: &Targets,
    ) -> (Vec<(u32, String, usize)>, bool) {
        let message = message.as_bytes();
        let asked = Asked { source, message, from, targets, far: false, alone: true };
        let judgement = judge.ask(Catalogue::builtin(), &asked, || Cow::Borrowed(message));
        let said = judgement.said.iter();
        (said.map(|one| (one.target.rule, one.subject.printed.clone(), one.end(&asked))).collect(), judgement.judged)
    }

    fn messages() -> Vec<String> {
        let rules = Catalogue::builtin().rules().iter();
        let lines = rules.flat_map(|rule| rule.examples.iter().chain(&rule.counter_examples)).map(|one| &one.line);
        lines.map(|line| line[crate::line::parse(line.as_bytes()).message..].to_owned()).collect()
    }

    #[test]
    fn what_is_remembered_is_what_the_rules_say() {
        let source = |name| Layout::builtin().source(name).unwrap();
        let mut remembers = Judge::default();
        for message in messages() {
            let targets = targets(&message, 70);
            let further: Targets = targets.iter().map(|(target, end)| (*target, end + 1)).collect();
            for (name, from, targets) in [
                ("kubelet", 70, &targets),
                ("kubelet", 71, &further),
                ("kernel", 70, &targets),
                ("kubelet", 70, &Targets::new()),
                ("kubelet", 70, &further),
            ] {
                let want = said(&mut Judge::default(), source(name), &message, from, targets);
                // Once; again, which is remembered; and as remembered.
                for _ in 0..3 {
                    assert_eq!(said(&mut remembers, source(name), &message, from, targets), want, "{message}");
                }
            }
        }
        assert!(!remembers.by_hash.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let kubelet = Layout::builtin().source("kubelet").unwrap();
        let (mut judge, mut forgot) = (Judge::default(), false);
        let targets = targets("Node became not ready", 0);
        for number in 0..10_000 {
            let message = format!("Node became not ready {number} {}", "x".repeat(number % LONGEST));
            let before = judge.by_hash.len();
            for _ in 0..2 {
                said(&mut judge, kubelet, &message, 0, &targets);
            }
            forgot |= judge.by_hash.len() < before;
            let held: usize = judge.by_hash.values().map(Remembered::size).sum();
            assert_eq!(held, judge.size);
            assert!(held <= REMEMBERED + 2 * LONGEST, "{held}");
        }
        assert!(forgot);
    }
}
