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
    let printed = match &matcher.pattern {
        None => String::new(),
        Some(pattern) if names.is_empty() => pattern.is_match(message).then(String::new)?,
        Some(pattern) => subject::printed(names, &pattern.regex()?.captures(message)?),
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
#[derive(Debug, Default)]
pub(super) struct Judge {
    by_hash: HashMap<u64, Remembered>,
    /// Bytes of what is remembered.
    size: usize,
    /// What was said of a message that is not remembered.
    passing: Judgement,
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
            let (message, ends) = (asked.message.into(), asked.ends().collect());
            let known = Remembered { source: asked.source, message, ends, judgement: asked.judge(catalogue, own) };
            if self.size > REMEMBERED {
                self.by_hash.clear();
                self.size = 0;
            }
            self.size += known.size();
            self.by_hash.insert(hash, known);
        }
        match self.by_hash.get_mut(&hash) {
            Some(known) => &mut known.judgement,
            None => &mut self.passing,
        }
    }
}
