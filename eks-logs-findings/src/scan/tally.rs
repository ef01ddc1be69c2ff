//! Adding occurrences up, file by file: exact counts, first and last time, the lines to quote. Memory is bounded by subjects and quotes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use eks_logs_core::FileClass;

use super::block::{Occurrence, Scanned};
use super::unrecognised;
use crate::line::Stamp;
use crate::line::stamp::DAY;
use crate::rule::{Catalogue, Repeat, Rule};

/// Subjects of one rule in one file; what comes behind them is counted under [`OTHERS`].
const SUBJECTS: usize = 512;
/// Subjects of all rules in one file.
const TALLIES: usize = 8192;
/// The subject that stands for those beyond the limit.
pub(super) const OTHERS: &str = "(others)";
/// Printed subjects that a finding names.
const PRINTED: usize = 8;
/// Different events of one fault that are told apart in a file whose events may stand elsewhere too.
const EVENTS: usize = 1 << 16;

/// A line kept as evidence.
#[derive(Clone, Debug)]
pub(super) struct Quote {
    /// Lines of the file before it.
    pub(super) line: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) time: At,
    pub(super) text: String,
    pub(super) event: u64,
}

/// A stamp, and the New Years that the file has passed before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) stamp: Stamp,
    pub(super) years: i16,
}

impl At {
    /// Comparable among stamps of one kind.
    fn ordinal(self) -> Option<(u8, i64)> {
        match self.stamp {
            Stamp::None => None,
            Stamp::Instant(at) => Some((0, at)),
            Stamp::Local(at) => Some((1, at)),
            Stamp::Yearless(at) => Some((2, at + i64::from(self.years) * 366 * DAY)),
            Stamp::Uptime(at) => Some((3, at)),
        }
    }
}

/// Whether so many occurrences fell into one window.
#[derive(Clone, Debug)]
struct Burst {
    repeat: Repeat,
    recent: VecDeque<i64>,
    kind: u8,
    reached: bool,
}

impl Burst {
    fn add(&mut self, at: At) {
        let (Some(within), false) = (self.repeat.within, self.reached) else { return };
        let Some((kind, at)) = at.ordinal() else { return };
        if kind != self.kind {
            self.recent.clear();
            self.kind = kind;
        }
        self.recent.push_back(at);
        if self.recent.len() as u64 >= self.repeat.count {
            self.reached =
                self.recent.front().is_some_and(|first| i128::from(at - first) <= within.as_micros() as i128);
            self.recent.pop_front();
        }
    }
}

/// A pause that ends no episode, however short the episode that is asked for.
const PAUSE: Duration = Duration::from_secs(60);

/// Whether occurrences went on for so long, with no pause longer than that (or than a minute) in between.
#[derive(Clone, Debug)]
struct Episode {
    lasts: Duration,
    kind: u8,
    start: i64,
    last: i64,
    reached: bool,
}

impl Episode {
    fn add(&mut self, at: At) {
        let (Some((kind, at)), false) = (at.ordinal(), self.reached) else { return };
        let lasts = self.lasts.as_micros() as i128;
        if kind != self.kind
            || self.start == i64::MIN
            || i128::from(at) - i128::from(self.last) > lasts.max(PAUSE.as_micros() as i128)
        {
            (self.kind, self.start) = (kind, at);
        }
        self.last = at;
        self.reached = i128::from(at) - i128::from(self.start) >= lasts;
    }
}

/// One rule about one subject in one file.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) source: u16,
    pub(super) echo: Option<(u16, u8)>,
    /// Earliest and latest, for each kind of stamp.
    pub(super) spans: [Option<(At, At)>; 4],
    pub(super) quotes: Vec<Quote>,
    pub(super) last: Option<Quote>,
    /// Offset of the first occurrence.
    pub(super) first_offset: u64,
    /// Offset of the last occurrence.
    pub(super) last_offset: u64,
    last_line: u64,
    bursts: Vec<Burst>,
    episodes: Vec<Episode>,
    /// How often each event occurred, where events may stand elsewhere too; `None` once there are too many to tell.
    pub(super) events: Option<HashMap<u64, u32>>,
    pub(super) printed: Vec<String>,
}

impl Tally {
    fn new(rule: &Rule, occurrence: &Occurrence) -> Self {
        let windows = rule.repeat.into_iter().chain(rule.escalate.iter().filter_map(|step| step.repeat));
        let episode = |lasts| Episode { lasts, kind: 0, start: i64::MIN, last: i64::MIN, reached: false };
        let burst = |repeat: Repeat| Burst { repeat, recent: VecDeque::new(), kind: 0, reached: false };
        Self {
            count: 0,
            source: occurrence.source,
            echo: occurrence.echo,
            spans: [None; 4],
            quotes: Vec::new(),
            last: None,
            first_offset: u64::MAX,
            last_offset: 0,
            last_line: u64::MAX,
            episodes: rule.escalate.iter().filter_map(|step| step.lasts).map(episode).collect(),
            bursts: windows.filter(|repeat| repeat.within.is_some()).map(burst).collect(),
            events: occurrence.echo.map(|_| HashMap::new()),
            printed: Vec::new(),
        }
    }

    /// Whether a window of this kind was ever full.
    pub(super) fn reached(&self, repeat: &Repeat) -> bool {
        self.bursts.iter().any(|burst| burst.repeat == *repeat && burst.reached)
    }

    fn add_time(&mut self, at: At) {
        self.bursts.iter_mut().for_each(|burst| burst.add(at));
        self.episodes.iter_mut().for_each(|episode| episode.add(at));
        let Some((kind, ordinal)) = at.ordinal() else { return };
        let span = self.spans[usize::from(kind)].get_or_insert((at, at));
        if span.0.ordinal().is_some_and(|(_, first)| ordinal < first) {
            span.0 = at;
        }
        if span.1.ordinal().is_some_and(|(_, last)| ordinal > last) {
            span.1 = at;
        }
    }

    /// Whether an episode was ever this long.
    pub(super) fn lasted(&self, lasts: Duration) -> bool {
        self.episodes.iter().any(|episode| episode.lasts == lasts && episode.reached)
    }
}

/// One file while it is read.
#[derive(Debug)]
pub(super) struct FileTally {
    /// The path in the store.
    pub(super) path: String,
    pub(super) class: FileClass,
    pub(super) has_rules: bool,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// Newlines seen, and whether the last byte was one.
    ends_open: bool,
    /// New Years passed.
    pub(super) years: i16,
    /// The last stamp, and the last without a year.
    pub(super) last: Stamp,
    pub(super) last_yearless: Stamp,
    /// Time and event of the first line with a time.
    pub(super) first: Option<(Stamp, u64)>,
    /// A local time without a year, and the same time with its zone.
    pub(super) zone: Option<(i64, i64)>,
    pub(super) tallies: BTreeMap<(u32, u32), Tally>,
    subjects: HashMap<u32, usize>,
    pub(super) too_many_subjects: bool,
    /// For a rule, and a subject if the recovery names one: where it was last said to have ended.
    pub(super) cleared: HashMap<(u32, Option<u32>), u64>,
    /// Documents that an aborted earlier run of the collector left at the beginning.
    pub(super) stale_documents: u64,
    documents: u64,
    /// The beginning of a file that tells a fact.
    pub(super) head: Vec<u8>,
    /// Why the end of the file is missing.
    pub(super) cut: Option<String>,
    pub(super) notes: Vec<(&'static str, String)>,
}

/// The rule of a number: of the catalogue, or one of those for what the catalogue does not know.
pub(super) fn rule_of(catalogue: &Catalogue, number: u32) -> &Rule {
    unrecognised::rule_of(number).unwrap_or_else(|| &catalogue.rules()[number as usize])
}

/// Everything that is added up.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) files: Vec<FileTally>,
    pub(super) subjects: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Quotes that are kept of one fault in one file.
    pub(super) quotes: usize,
}

impl Tallies {
    pub(super) fn new(quotes: usize) -> Self {
        Self { quotes, ..Self::default() }
    }

    pub(super) fn open(&mut self, path: String, class: FileClass, has_rules: bool) -> u32 {
        self.files.push(FileTally {
            path,
            class,
            has_rules,
            lines: 0,
            bytes: 0,
            ends_open: false,
            years: 0,
            last: Stamp::None,
            last_yearless: Stamp::None,
            first: None,
            zone: None,
            tallies: BTreeMap::new(),
            subjects: HashMap::new(),
            too_many_subjects: false,
            cleared: HashMap::new(),
            stale_documents: 0,
            documents: 0,
            head: Vec::new(),
            cut: None,
            notes: Vec::new(),
        });
        self.files.len() as u32 - 1
    }

    fn number(&mut self, subject: &str) -> u32 {
        if let Some(number) = self.numbers.get(subject) {
            return *number;
        }
        let number = self.subjects.len() as u32;
        self.subjects.push(subject.to_owned());
        self.numbers.insert(subject.to_owned(), number);
        number
    }

    /// Adds the next block of its file and gives its buffer back.
    pub(super) fn add(&mut self, catalogue: &Catalogue, scanned: Scanned) -> Vec<u8> {
        let others = self.number(OTHERS);
        let numbers: Vec<u32> = scanned.subjects.iter().map(|subject| self.number(&subject.masked)).collect();
        let quotes = self.quotes;
        let file = &mut self.files[scanned.file as usize];
        let fallback = file.last;
        if let Some((stamp, _)) = scanned.first {
            file.pass(stamp);
        }
        file.zone = file.zone.or(scanned.zone);
        if file.first.is_none() {
            file.first = scanned.first;
        }
        let mut newest: HashMap<(u32, u32), (&Occurrence, At)> = HashMap::new();
        let mut documents = scanned.documents.iter().peekable();
        for occurrence in &scanned.occurrences {
            while documents.next_if(|start| **start <= occurrence.start).is_some() {
                newest.clear();
                file.begin_document();
            }
            let stamp = if occurrence.stamp == Stamp::None { fallback } else { occurrence.stamp };
            let at = file.pass(stamp);
            let offset = scanned.start + u64::from(occurrence.start);
            let subject = &scanned.subjects[occurrence.subject as usize];
            let mut number = numbers[occurrence.subject as usize];
            let rule = occurrence.target.rule;
            if occurrence.target.clears {
                file.cleared.insert((rule, (!subject.masked.is_empty()).then_some(number)), offset);
                continue;
            }
            if !file.tallies.contains_key(&(rule, number)) {
                let known = file.subjects.entry(rule).or_default();
                if *known == SUBJECTS || file.tallies.len() >= TALLIES {
                    number = others;
                    file.too_many_subjects = true;
                } else {
                    *known += 1;
                }
            }
            let line = file.lines + u64::from(occurrence.line);
            let tally =
                file.tallies.entry((rule, number)).or_insert_with(|| Tally::new(rule_of(catalogue, rule), occurrence));
            // Pieces of an overlong line overlap: what was found in one is not counted again in the next.
            if tally.last_line == line {
                continue;
            }
            tally.last_line = line;
            tally.first_offset = tally.first_offset.min(offset);
            tally.last_offset = offset;
            tally.count += 1;
            tally.add_time(at);
            if !subject.printed.is_empty() && tally.printed.len() < PRINTED && !tally.printed.contains(&subject.printed)
            {
                tally.printed.push(subject.printed.clone());
            }
            if let Some(events) = &mut tally.events {
                *events.entry(occurrence.event).or_insert(0) += 1;
                if events.len() > EVENTS {
                    tally.events = None;
                }
            }
            if tally.quotes.len() < quotes {
                tally.quotes.push(quote(&scanned, occurrence, line, at));
            } else {
                newest.insert((rule, number), (occurrence, at));
            }
        }
        for _ in documents {
            newest.clear();
            file.begin_document();
        }
        for (key, tally) in &mut file.tallies {
            if let Some((occurrence, at)) = newest.get(key) {
                tally.last = Some(quote(&scanned, occurrence, file.lines + u64::from(occurrence.line), *at));
            }
        }
        file.pass(scanned.last);
        file.lines += scanned.newlines;
        file.bytes = scanned.start + scanned.data.len() as u64;
        file.ends_open = scanned.data.last().is_some_and(|byte| *byte != b'\n');
        if file.class.fact.is_some() && file.head.is_empty() {
            file.head = scanned.data.clone();
        }
        scanned.data
    }

    /// Lines of a file, the last one without its newline included.
    pub(super) fn lines(file: &FileTally) -> u64 {
        file.lines + u64::from(file.ends_open)
    }
}

impl FileTally {
    /// What was found so far is not of this collection if a document was open already.
    fn begin_document(&mut self) {
        self.documents += 1;
        if self.documents > 1 {
            self.stale_documents += 1;
            self.tallies.clear();
            self.subjects.clear();
            self.cleared.clear();
        }
    }

    /// Goes on to a stamp: a yearless date that falls back by half a year has passed New Year.
    fn pass(&mut self, stamp: Stamp) -> At {
        if let Stamp::Yearless(at) = stamp {
            if matches!(self.last_yearless, Stamp::Yearless(before) if before - at > 180 * DAY) {
                self.years += 1;
            }
            self.last_yearless = stamp;
        }
        if stamp != Stamp::None {
            self.last = stamp;
        }
        At { stamp, years: self.years }
    }
}

fn quote(scanned: &Scanned, occurrence: &Occurrence, line: u64, time: At) -> Quote {
    let bytes = &scanned.data[occurrence.start as usize..occurrence.end as usize];
    Quote {
        line,
        start: scanned.start + u64::from(occurrence.start),
        end: scanned.start + u64::from(occurrence.end),
        time,
        text: String::from_utf8_lossy(bytes).into_owned(),
        event: occurrence.event,
    }
}
