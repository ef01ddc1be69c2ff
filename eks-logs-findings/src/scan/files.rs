//! Adding occurrences up, file by file, in the order of the bytes. Memory is bounded by subjects, quotes and open events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use eks_logs_core::text::LineIndexBuilder;
use eks_logs_core::{FileClass, Version};

use super::block::{Occurrence, Scanned, Subject};
use super::reports::Reports;
use super::tally::{At, Hit, Quote, Tally, quote};
use super::{times, unrecognised};
use crate::line::Stamp;
use crate::line::stamp::DAY;
use crate::rule::{Catalogue, Rule};

/// Subjects of one rule in one file; what comes behind them is counted under [`OTHERS`].
const SUBJECTS: usize = 512;
/// Subjects of all rules in one file.
const TALLIES: usize = 8192;
/// Boots that are kept of one file.
const BOOTS: usize = 256;
/// Lines of an event that wait for its end.
const WAITING: usize = 64;
/// The subject that stands for those beyond the limit.
pub(super) const OTHERS: &str = "(others)";

/// Where a line is counted: rule, subject, and for a line that is wrapped the rule and subject that tell more.
type Key = (u32, u32, Option<(u32, u32)>);

/// One file while it is read.
#[derive(Debug, Default)]
pub(super) struct Adding {
    /// Lines of rules that only wrap, in events that are not over: which rule tells more is not known yet.
    waiting: BTreeMap<u32, Vec<Waiting>>,
    /// The rule and subject that tell most of an event that is not over.
    told: BTreeMap<u32, (u32, u32)>,
    /// For an event that is not over and a rule, a subject that the rule names.
    named: BTreeMap<(u32, u32), u32>,
    /// Rules and subjects that are there and have not been told to have ended.
    there: BTreeSet<(u32, u32)>,
}

/// A line of a rule that only wraps.
#[derive(Debug)]
struct Waiting {
    occurrence: Occurrence,
    subject: Subject,
    number: u32,
    at: At,
    quote: Quote,
}

/// A boot that a file tells of.
#[derive(Clone, Debug)]
pub(super) struct Booted {
    /// Lines of the file before the one that tells.
    pub(super) line: u64,
    /// journald's id.
    pub(super) id: Option<String>,
    pub(super) at: At,
}

/// One file.
#[derive(Debug)]
pub(super) struct FileTally {
    /// The path in the store.
    pub(super) path: String,
    pub(super) class: FileClass,
    pub(super) has_rules: bool,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// The last byte was no newline.
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
    /// Bytes as they are stored, and the state they are in.
    pub(super) stored: (u64, Option<Version>),
    /// Where its lines are, if that is wanted.
    pub(super) index: LineIndexBuilder,
    /// Events of several lines.
    pub(super) reports: Reports,
    /// Boots that it tells of.
    pub(super) boots: Vec<Booted>,
    adding: Adding,
}

/// The rule of a number: of the catalogue, or one of those for what the catalogue does not know.
pub(super) fn rule_of(catalogue: &Catalogue, number: u32) -> &Rule {
    unrecognised::rule_of(number)
        .or_else(|| times::rule_of(number))
        .unwrap_or_else(|| &catalogue.rules()[number as usize])
}

/// Everything that is added up.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) files: Vec<FileTally>,
    pub(super) subjects: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Quotes that are kept of one fault in one file.
    pub(super) quotes: usize,
    /// Rules that only wrap give their lines away.
    fold: bool,
}

impl Tallies {
    pub(super) fn new(quotes: usize, fold: bool) -> Self {
        Self { quotes, fold, ..Self::default() }
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
            stored: (0, None),
            index: LineIndexBuilder::default(),
            reports: Reports::default(),
            boots: Vec::new(),
            adding: Adding::default(),
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
    pub(super) fn add(&mut self, catalogue: &Catalogue, mut scanned: Scanned) -> Vec<u8> {
        let others = self.number(OTHERS);
        let numbers: Vec<u32> = scanned.subjects.iter().map(|subject| self.number(&subject.masked)).collect();
        let (quotes, fold) = (self.quotes, self.fold);
        let file = &mut self.files[scanned.file as usize];
        let fallback = file.last;
        if let Some((stamp, _)) = scanned.first {
            file.pass(stamp);
        }
        file.zone = file.zone.or(scanned.zone);
        if file.first.is_none() {
            file.first = scanned.first;
        }
        let members = file.reports.follow(&scanned, file.lines);
        for mark in &scanned.boots {
            if file.boots.len() < BOOTS {
                let (line, at) = (file.lines + u64::from(mark.line), At { stamp: mark.stamp, years: file.years });
                file.boots.push(Booted { line, id: mark.id.clone(), at });
            }
        }
        let mut newest: BTreeMap<Key, (Hit<'_>, bool)> = BTreeMap::new();
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
            let rule = occurrence.target.rule;
            let number = numbers[occurrence.subject as usize];
            if occurrence.target.clears {
                file.clear(rule, (!subject.masked.is_empty()).then_some(number), offset, at);
                continue;
            }
            let line = file.lines + u64::from(occurrence.line);
            let hit = Hit { occurrence, subject, offset, line, at, report: members.of(occurrence.start) };
            let wrapped = occurrence.wrapped.filter(|_| fold).map(|(rule, subject)| (rule, numbers[subject as usize]));
            let generic = fold && catalogue.rules().get(rule as usize).is_some_and(|rule| rule.generic);
            // One line of an event may not name what another does.
            let nameless = fold && subject.printed.is_empty() && !rule_of(catalogue, rule).subject.is_empty();
            let room = |report: &u32| file.adding.waiting.get(report).is_none_or(|waiting| waiting.len() < WAITING);
            if let (Some(report), true, None) = (hit.report.filter(room), generic || nameless, wrapped) {
                let (occurrence, subject) = (*occurrence, subject.clone());
                let waiting = Waiting { occurrence, subject, number, at, quote: quote(&scanned, &hit, false) };
                file.adding.waiting.entry(report).or_default().push(waiting);
                continue;
            }
            let Some((key, again)) = file.count(catalogue, &hit, number, others, wrapped) else { continue };
            if let Some(report) = hit.report.filter(|_| !generic) {
                let worse =
                    |known: &(u32, u32)| rule_of(catalogue, known.0).severity <= rule_of(catalogue, rule).severity;
                if !file.adding.told.get(&report).is_some_and(worse) {
                    file.adding.told.insert(report, (key.0, key.1));
                }
                file.adding.named.entry((report, key.0)).or_insert(key.1);
            }
            let Some(tally) = file.tally(key) else { continue };
            if tally.quotes.len() < quotes {
                tally.quotes.push(quote(&scanned, &hit, again));
            } else {
                newest.insert(key, (hit, again));
            }
        }
        for _ in documents {
            newest.clear();
            file.begin_document();
        }
        for (key, (hit, again)) in &newest {
            if let Some(tally) = file.tally(*key) {
                tally.last = Some(quote(&scanned, hit, *again));
            }
        }
        file.settle(catalogue, others, quotes, false);
        file.pass(scanned.last);
        file.lines += scanned.newlines;
        file.bytes = scanned.start + scanned.data.len() as u64;
        let segments = std::mem::take(&mut scanned.segments);
        file.ends_open = scanned.data.last().is_some_and(|byte| *byte != b'\n');
        file.index.add(segments, file.ends_open);
        if file.class.fact.is_some() && file.head.is_empty() {
            file.head = scanned.data.clone();
        }
        scanned.data
    }

    /// Keeps so many of the first quotes of each fault in each file, and the last one.
    pub(super) fn keep_quotes(&mut self, most: usize) {
        self.quotes = most;
        self.files.iter_mut().flat_map(|file| file.tallies.values_mut()).for_each(|tally| tally.keep_quotes(most));
    }

    /// No block comes any more: what waits for the end of an event is counted.
    pub(super) fn settle(&mut self, catalogue: &Catalogue) {
        let others = self.number(OTHERS);
        let quotes = self.quotes;
        self.files.iter_mut().for_each(|file| file.settle(catalogue, others, quotes, true));
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
            self.reports = Reports::default();
            self.adding = Adding::default();
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

    fn clear(&mut self, rule: u32, subject: Option<u32>, offset: u64, at: At) {
        self.cleared.insert((rule, subject), offset);
        let there = &mut self.adding.there;
        let ended: Vec<(u32, u32)> = match subject {
            Some(subject) => there.take(&(rule, subject)).into_iter().collect(),
            None => there.range((rule, 0)..=(rule, u32::MAX)).copied().collect(),
        };
        for key in ended {
            self.adding.there.remove(&key);
            if let Some(tally) = self.tallies.get_mut(&key) {
                tally.course.ended(at);
            }
        }
    }

    /// Counts one occurrence: where, and whether it is only a further line of an event. `None` if the line is counted already.
    fn count(
        &mut self,
        catalogue: &Catalogue,
        hit: &Hit<'_>,
        number: u32,
        others: u32,
        wrapped: Option<(u32, u32)>,
    ) -> Option<(Key, bool)> {
        let rule = hit.occurrence.target.rule;
        let mut number = number;
        if !self.tallies.contains_key(&(rule, number)) {
            let known = self.subjects.entry(rule).or_default();
            if *known == SUBJECTS || self.tallies.len() >= TALLIES {
                number = others;
                self.too_many_subjects = true;
            } else {
                *known += 1;
            }
        }
        let key = (rule, number);
        let spoken = rule_of(catalogue, rule);
        let tally = self.tallies.entry(key).or_insert_with(|| Tally::new(spoken, hit.occurrence));
        if tally.is_counted(hit.line) {
            return None;
        }
        if spoken.cleared_by.is_some() && tally.course.there(hit.at) {
            self.adding.there.insert(key);
        }
        let room = tally.wrapped.len() < SUBJECTS;
        let wrapped = wrapped.filter(|by| room || tally.wrapped.contains_key(by));
        let counted = match wrapped {
            None => &mut *tally,
            Some(by) => tally.wrapped.entry(by).or_insert_with(|| Tally::plain(hit.occurrence)),
        };
        let again = counted.is_again(hit);
        counted.add(hit);
        if !again {
            tally.add_to_windows(hit.at);
        }
        Some(((rule, number, wrapped), again))
    }

    fn tally(&mut self, (rule, number, wrapped): Key) -> Option<&mut Tally> {
        let tally = self.tallies.get_mut(&(rule, number))?;
        match wrapped {
            None => Some(tally),
            Some(by) => tally.wrapped.get_mut(&by),
        }
    }

    /// Counts the lines that waited for the end of their event.
    fn settle(&mut self, catalogue: &Catalogue, others: u32, quotes: usize, all: bool) {
        let over: Vec<u32> =
            self.adding.waiting.keys().copied().filter(|report| all || !self.reports.is_open(*report)).collect();
        for report in over {
            let told = self.adding.told.get(&report).copied();
            for waiting in self.adding.waiting.remove(&report).unwrap_or_default() {
                let Waiting { occurrence, subject, number, at, quote } = waiting;
                let rule = occurrence.target.rule;
                let generic = rule_of(catalogue, rule).generic;
                let named = self.adding.named.get(&(report, rule)).map(|number| (rule, *number));
                let told = if generic { told } else { named };
                let hit = Hit {
                    occurrence: &occurrence,
                    subject: &subject,
                    offset: quote.start,
                    line: quote.line,
                    at,
                    report: Some(report),
                };
                let Some((key, again)) = self.count(catalogue, &hit, number, others, told) else { continue };
                let Some(tally) = self.tally(key) else { continue };
                let quote = Quote { again, ..quote };
                if tally.quotes.len() < quotes { tally.quotes.push(quote) } else { tally.last = Some(quote) }
            }
        }
        let reports = &self.reports;
        self.adding.told.retain(|report, _| !all && reports.is_open(*report));
        self.adding.named.retain(|(report, _), _| !all && reports.is_open(*report));
    }
}
