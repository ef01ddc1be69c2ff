//! Scanning one block of whole lines. Pure: the same block gives the same result on any thread.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use eks_logs_core::text::{Segment, segments};
use eks_logs_core::{EchoBy, FileClass, Layout, Source};
use memchr::{memchr, memchr_iter, memmem, memrchr};
use xxhash_rust::xxh3::xxh3_64;

use super::judge::{Asked, Judge};
use super::matcher::{BOOT, EVENT, Matcher, Target};
use super::reports::Start;
use super::sink::CONTEXT;
use super::times::{self, BootMark};
use super::unrecognised;
use crate::event::{self, EventKind, Text};
use crate::line::{self, Line, Stamp, quoted};
use crate::rule::Catalogue;
use crate::subject;

/// The most of a line that evidence quotes, in bytes. Longer lines are quoted around what matched.
pub(super) const QUOTED: usize = 16 << 10;
/// How far back a line without a time looks for the line that it continues.
const CONTINUES: usize = 64;

/// Whole lines of one file (or a piece of one line that is longer than a block).
#[derive(Debug)]
pub(super) struct Block {
    pub(super) file: u32,
    pub(super) class: FileClass,
    pub(super) matcher: Arc<Matcher>,
    /// Offset of the first byte of `data` in the file.
    pub(super) start: u64,
    /// Bytes of `data` that were scanned before: they may be looked back at.
    pub(super) context: usize,
    pub(super) data: Vec<u8>,
    /// Where its lines are is wanted too.
    pub(super) index: bool,
}

/// One line that matched one rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occurrence {
    pub(super) target: Target,
    /// Number of its subject in the block.
    pub(super) subject: u32,
    /// What evidence quotes: offsets in the block.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Newlines of the block before it.
    pub(super) line: u32,
    pub(super) stamp: Stamp,
    /// Equal for the same event printed elsewhere; 0 where that cannot be.
    pub(super) event: u64,
    /// Whose line it is: the number of the source.
    pub(super) source: u16,
    /// The rule and subject that tell more about the same line, where this rule only wraps.
    pub(super) wrapped: Option<(u32, u32)>,
    /// Echo group and rank, where the same event may be printed elsewhere.
    pub(super) echo: Option<(u16, u8)>,
}

/// A subject as printed and as fingerprints know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) printed: String,
    pub(super) masked: String,
}

impl Subject {
    pub(super) fn of(printed: String) -> Self {
        if printed.is_empty() {
            return Self::default();
        }
        Self { masked: subject::masked(&printed), printed }
    }
}

/// What a block holds.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) file: u32,
    pub(super) start: u64,
    pub(super) context: usize,
    pub(super) data: Vec<u8>,
    /// Where its lines are, if that is wanted.
    pub(super) segments: Vec<Segment>,
    /// Newlines behind the context.
    pub(super) newlines: u64,
    pub(super) occurrences: Vec<Occurrence>,
    pub(super) subjects: Vec<Subject>,
    /// Lines that begin events of several lines.
    pub(super) starts: Vec<Start>,
    /// Lines that say that the node booted.
    pub(super) boots: Vec<BootMark>,
    /// Where documents start, in a file that may hold several.
    pub(super) documents: Vec<u32>,
    /// Time and event of the first line that has a time, and the time of the last.
    pub(super) first: Option<(Stamp, u64)>,
    pub(super) last: Stamp,
    /// A line that prints a local time without a year and, behind it, the same time with its zone.
    pub(super) zone: Option<(i64, i64)>,
}

/// What a worker keeps between blocks. It changes how long a block takes, never what is found in it.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    candidates: Vec<(usize, usize)>,
    targets: Vec<(Target, usize)>,
    judge: Judge,
    /// Blocks scanned.
    blocks: u64,
}

pub(super) fn scan(catalogue: &Catalogue, block: Block, scratch: &mut Scratch) -> Scanned {
    let Block { file, class, matcher, start, context, data, index } = block;
    let layout = Layout::builtin();
    let mut found = Found { occurrences: Vec::new(), subjects: Vec::new(), numbers: HashMap::new() };
    let Scratch { candidates, targets, judge, blocks } = scratch;
    *blocks += 1;
    let serial = *blocks;
    matcher.lines(&data[context..], candidates);
    let mut counted = context;
    let mut newlines = 0_u64;
    let (mut starts, mut boots) = (Vec::new(), Vec::new());
    for &(line_start, line_end) in candidates.iter() {
        let (line_start, line_end) = (context + line_start, context + line_end);
        let text = strip_cr(&data[line_start..line_end]);
        matcher.targets(text, targets);
        if targets.is_empty() {
            continue;
        }
        // What is read is the text; what is cited are the line's bytes.
        let (bytes, clean) = (text, line::clean(text));
        let text: &[u8] = &clean;
        let parsed = line::parse(text);
        let program = parsed.program.clone().map(|range| &text[range]);
        let source = layout.line_source(class, program, parsed.kernel);
        let message = &text[parsed.message..];
        let rules = targets.partition_point(|(target, _)| (target.rule as usize) < catalogue.rules().len());
        let (rules, signs) = targets.split_at(rules);
        // What the line is found to say: a rule and its subject, and where the match is.
        let mut said: Vec<(Target, u32, usize)> = Vec::new();
        let mut calls_itself_error = false;
        let (mut begins_event, mut crashes) = (false, false);
        let mut boot = None;
        for (sign, _) in signs {
            if *sign == unrecognised::MARK {
                calls_itself_error = true;
            } else if *sign == BOOT {
                boot = times::boot(text, &parsed);
            } else if *sign == EVENT {
                let kind = event::begins(&Text::new(text, &parsed), parsed.kernel);
                begins_event = kind.is_some();
                crashes = kind == Some(EventKind::GoCrash);
            }
        }
        let asked = Asked {
            source,
            message,
            from: parsed.message,
            targets: rules,
            far: bytes.len() > QUOTED && bytes.len() == text.len(),
            alone: !quoted::continues(message),
        };
        let judgement = judge.ask(catalogue, &asked, || own_words(&data, line_start, message));
        let judged = judgement.judged;
        for one in &mut judgement.said {
            let number = match one.numbered {
                Some((block, number)) if block == serial => number,
                _ => found.number(one.target, &one.subject.printed, || one.subject.clone()),
            };
            one.numbered = Some((serial, number));
            said.push((one.target, number, one.end(&asked)));
        }
        if (calls_itself_error || crashes) && !judged && unrecognised::mines(source) && !unrecognised::is_benign(text) {
            let level = if crashes { Some(unrecognised::FATAL) } else { unrecognised::level(text) };
            let level = level.map(|rule| Target { rule, clears: false });
            said.extend(level.map(|target| {
                let template = unrecognised::template(message);
                (target, found.number(target, &template, || Subject::of(template.clone())), 0)
            }));
        }
        if said.is_empty() && !begins_event && boot.is_none() {
            continue;
        }
        newlines += memchr_iter(b'\n', &data[counted..line_start]).count() as u64;
        counted = line_start;
        if begins_event {
            starts.push(Start { at: line_start as u32, line: newlines as u32 });
        }
        if let Some(id) = boot {
            let stamp = if parsed.stamp == Stamp::None { next_stamp(&data, line_end) } else { parsed.stamp };
            boots.push(BootMark { at: line_start as u32, line: newlines as u32, id, stamp });
        }
        let deepest = if said.len() > 1 { deepest(catalogue, &said) } else { None };
        let (event, echo) = same_elsewhere(layout, class, source, text, &parsed);
        let stamp = if parsed.stamp == Stamp::None { continued(&data, line_start) } else { parsed.stamp };
        for (target, subject, matched_end) in said {
            let (quote_start, quote_end) = quoted(bytes, matched_end);
            found.occurrences.push(Occurrence {
                target,
                subject,
                start: (line_start + quote_start) as u32,
                end: (line_start + quote_end) as u32,
                line: newlines as u32,
                stamp,
                event,
                source: source.index() as u16,
                wrapped: deepest
                    .filter(|by| by.0 != target.rule && !target.clears && is_generic(catalogue, target.rule)),
                echo,
            });
        }
    }
    newlines += memchr_iter(b'\n', &data[counted..]).count() as u64;
    for step in times::steps_back(class, &data, context, start, &boots) {
        let target = Target { rule: step.rule, clears: false };
        let subject = found.number(target, "", Subject::default);
        let text = strip_cr(&data[step.start..step.end]);
        found.occurrences.push(Occurrence {
            target,
            subject,
            start: step.start as u32,
            end: (step.start + text.len().min(QUOTED)) as u32,
            line: times::newlines(&data, context, step.start),
            stamp: step.stamp,
            event: 0,
            source: class.source.index() as u16,
            wrapped: None,
            echo: None,
        });
        found.occurrences.sort_by_key(|occurrence| occurrence.start);
    }
    let first = data[context..].split(|byte| *byte == b'\n').take(CONTINUES).find_map(|text| {
        let text = line::clean(text);
        let Line { stamp, event, .. } = line::parse(&text);
        (stamp != Stamp::None).then(|| (stamp, xxh3_64(strip_cr(&text[event..]))))
    });
    let last = continued(&data, data.len());
    let zone = data[context..].split(|byte| *byte == b'\n').take(CONTINUES).find_map(|text| match line::parse(text) {
        Line { outer: Stamp::Yearless(local), stamp: Stamp::Instant(at), .. } => Some((local, at)),
        _ => None,
    });
    let documents = class.document_start.map_or_else(Vec::new, |text| {
        let starts = memmem::find_iter(&data[context..], text).map(|at| context + at);
        let starts = starts.map(|at| memrchr(b'\n', &data[..at]).map_or(0, |newline| newline + 1));
        starts.map(|at| at as u32).collect()
    });
    let Found { occurrences, subjects, .. } = found;
    let segments = if index { segments(start + context as u64, &data[context..]) } else { Vec::new() };
    Scanned {
        file,
        start,
        context,
        data,
        segments,
        newlines,
        occurrences,
        subjects,
        starts,
        boots,
        documents,
        first,
        last,
        zone,
    }
}

/// What the lines of one block were found to hold.
struct Found {
    occurrences: Vec<Occurrence>,
    subjects: Vec<Subject>,
    /// By target and subject as printed.
    numbers: HashMap<Target, HashMap<String, u32>>,
}

impl Found {
    /// The number of a subject in the block. `subject` makes it of what is printed, if it is new there.
    fn number(&mut self, target: Target, printed: &str, subject: impl FnOnce() -> Subject) -> u32 {
        let numbers = self.numbers.entry(target).or_default();
        if let Some(number) = numbers.get(printed) {
            return *number;
        }
        let number = self.subjects.len() as u32;
        numbers.insert(printed.to_owned(), number);
        self.subjects.push(subject());
        number
    }
}

/// A message with what it only quotes blanked out.
pub(super) fn own_words<'a>(data: &[u8], line_start: usize, message: &'a [u8]) -> Cow<'a, [u8]> {
    let spans = if quoted::continues(message) && continues_a_quotation(data, line_start) {
        std::iter::once(0..message.len()).collect()
    } else {
        quoted::spans(message)
    };
    if spans.is_empty() {
        return Cow::Borrowed(message);
    }
    let mut own = message.to_vec();
    spans.into_iter().for_each(|span| own[span].fill(b' '));
    Cow::Owned(own)
}

/// Whether the lines above, of whichever program writes this one, are inside a value that is quoted.
fn continues_a_quotation(data: &[u8], line_start: usize) -> bool {
    let writer = |text: &[u8]| {
        let text = line::clean(text);
        line::parse(&text).program.map(|program| text[program].to_vec())
    };
    let line_end = memchr(b'\n', &data[line_start..]).map_or(data.len(), |newline| line_start + newline);
    let program = writer(&data[line_start..line_end]);
    for text in above(data, line_start) {
        let text = &*line::clean(text);
        let message = &text[line::parse(text).message..];
        if writer(text) == program && !quoted::continues(message) {
            return quoted::opens(message);
        }
    }
    false
}

fn is_generic(catalogue: &Catalogue, rule: u32) -> bool {
    catalogue.rules().get(rule as usize).is_some_and(|rule| rule.generic)
}

/// Which rule, about which subject, tells most of a line that several speak about: not a wrapper if there is another, the more severe one,
/// and then the one whose phrase stands further behind, for a cause stands at the end of the errors that wrap it.
fn deepest(catalogue: &Catalogue, said: &[(Target, u32, usize)]) -> Option<(u32, u32)> {
    let rules = said.iter().filter(|(target, ..)| !target.clears && (target.rule as usize) < catalogue.rules().len());
    let place = |(target, _, end): &&(Target, u32, usize)| {
        let rule = &catalogue.rules()[target.rule as usize];
        let severity = if rule.generic { None } else { Some(rule.severity) };
        (rule.generic, severity, Reverse(*end), target.rule)
    };
    rules.min_by_key(place).map(|(target, subject, _)| (target.rule, *subject))
}

/// What makes a line the same event elsewhere, and where that may be: echo group and rank.
fn same_elsewhere(
    layout: &Layout,
    class: FileClass,
    source: Source,
    text: &[u8],
    parsed: &Line,
) -> (u64, Option<(u16, u8)>) {
    let echo = layout.echo(class, source);
    let event = match echo.map(|echo| echo.by) {
        None => 0,
        Some(EchoBy::Message) => xxh3_64(&text[parsed.event..]),
        Some(EchoBy::Line) => xxh3_64(text),
    };
    (event, echo.map(|echo| (echo.group, echo.rank)))
}

/// The time of the nearest line above an offset that prints one.
fn continued(data: &[u8], at: usize) -> Stamp {
    above(data, at)
        .map(|text| line::parse(&line::clean(text)).stamp)
        .find(|stamp| *stamp != Stamp::None)
        .unwrap_or_default()
}

/// The lines above an offset, the nearest first; no further than every block can look back.
fn above(data: &[u8], mut at: usize) -> impl Iterator<Item = &[u8]> {
    let (floor, whole) = (at.saturating_sub(CONTEXT), at < CONTEXT);
    let lines = std::iter::from_fn(move || {
        let end = at.checked_sub(1)?;
        let start = memrchr(b'\n', &data[..end]).map_or(0, |newline| newline + 1);
        at = start;
        (start > floor || whole).then(|| strip_cr(&data[start..end]))
    });
    lines.take(CONTINUES)
}

/// The first time that is printed behind an offset.
fn next_stamp(data: &[u8], from: usize) -> Stamp {
    let rest = data.get(from + 1..).unwrap_or_default();
    let stamps = rest.split(|byte| *byte == b'\n').take(CONTINUES).map(|text| line::parse(text).stamp);
    stamps.into_iter().find(|stamp| *stamp != Stamp::None).unwrap_or_default()
}

fn strip_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The part of a line that evidence quotes: all of it, or a window around the match that cuts no UTF-8 sequence.
fn quoted(text: &[u8], matched_end: usize) -> (usize, usize) {
    if text.len() <= QUOTED {
        return (0, text.len());
    }
    let boundary = |mut at: usize| {
        while at < text.len() && text[at] & 0xc0 == 0x80 && at > 0 {
            at -= 1;
        }
        at
    };
    let start = boundary(matched_end.saturating_sub(QUOTED / 4));
    (start, boundary((start + QUOTED).min(text.len())))
}
