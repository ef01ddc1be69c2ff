//! One rule about one subject in one file: exact count, first and last time, the lines to quote. Memory is bounded by the quotes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::block::{Occurrence, Scanned, Subject};
use super::windows::{Burst, Course, Episode};
use crate::line::Stamp;
use crate::line::stamp::DAY;
use crate::rule::{Repeat, Rule};

/// Printed subjects that a finding names.
const PRINTED: usize = 8;
/// Different events of one fault that are told apart in a file whose events may stand elsewhere too.
const EVENTS: usize = 1 << 16;
/// Multi-line events that a tally refers to, the last one included.
const REPORTS: usize = 8;

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
    /// A further line of an event that is counted already.
    pub(super) again: bool,
}

/// A stamp, and the New Years that the file has passed before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) stamp: Stamp,
    pub(super) years: i16,
}

impl At {
    /// Comparable among stamps of one kind.
    pub(super) fn ordinal(self) -> Option<(u8, i64)> {
        match self.stamp {
            Stamp::None => None,
            Stamp::Instant(at) => Some((0, at)),
            Stamp::Local(at) => Some((1, at)),
            Stamp::Yearless(at) => Some((2, at + i64::from(self.years) * 366 * DAY)),
            Stamp::Uptime(at) => Some((3, at)),
        }
    }
}

/// What is counted: one occurrence, with its place in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'a> {
    pub(super) occurrence: &'a Occurrence,
    pub(super) subject: &'a Subject,
    pub(super) offset: u64,
    /// Lines of the file before it.
    pub(super) line: u64,
    pub(super) at: At,
    /// The multi-line event to which the line belongs.
    pub(super) report: Option<u32>,
}

/// One rule about one subject in one file.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Occurrences, without those in `wrapped`.
    pub(super) count: u64,
    /// Further lines of events that are counted already.
    pub(super) again: u64,
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
    /// The line of the last occurrence.
    last_line: u64,
    bursts: Vec<Burst>,
    episodes: Vec<Episode>,
    /// Begun and ended, for a rule that says what ends it.
    pub(super) course: Course,
    /// How often each event occurred, where events may stand elsewhere too; `None` once there are too many to tell.
    pub(super) events: Option<HashMap<u64, u32>>,
    pub(super) printed: Vec<String>,
    /// Multi-line events that report it.
    pub(super) reports: Vec<u32>,
    /// Occurrences of a rule that only wraps, by the rule and subject that tell more about them. Windows and episodes hold them too.
    pub(super) wrapped: BTreeMap<(u32, u32), Tally>,
}

impl Tally {
    pub(super) fn new(rule: &Rule, occurrence: &Occurrence) -> Self {
        let windows = rule.repeat.into_iter().chain(rule.escalate.iter().filter_map(|step| step.repeat));
        Self {
            episodes: rule.escalate.iter().filter_map(|step| step.lasts).map(Episode::new).collect(),
            bursts: windows.filter(|repeat| repeat.within.is_some()).map(Burst::new).collect(),
            ..Self::plain(occurrence)
        }
    }

    /// Keeps so many of the first quotes, and the last one.
    pub(super) fn keep_quotes(&mut self, most: usize) {
        if self.quotes.len() > most {
            let last = self.quotes.pop();
            self.quotes.truncate(most);
            self.last = self.last.take().or(last);
        }
        self.wrapped.values_mut().for_each(|wrapped| wrapped.keep_quotes(most));
    }

    /// Without windows and episodes.
    pub(super) fn plain(occurrence: &Occurrence) -> Self {
        Self {
            count: 0,
            again: 0,
            source: occurrence.source,
            echo: occurrence.echo,
            spans: [None; 4],
            quotes: Vec::new(),
            last: None,
            first_offset: u64::MAX,
            last_offset: 0,
            last_line: u64::MAX,
            episodes: Vec::new(),
            bursts: Vec::new(),
            course: Course::default(),
            events: occurrence.echo.map(|_| HashMap::new()),
            printed: Vec::new(),
            reports: Vec::new(),
            wrapped: BTreeMap::new(),
        }
    }

    /// Whether a window of this kind was ever full.
    pub(super) fn reached(&self, repeat: &Repeat) -> bool {
        self.bursts.iter().any(|burst| burst.repeat == *repeat && burst.reached)
    }

    /// Whether an episode was ever this long.
    pub(super) fn lasted(&self, lasts: Duration) -> bool {
        self.episodes.iter().any(|episode| episode.lasts == lasts && episode.reached)
    }

    /// Whether the line was counted: pieces of an overlong line overlap, what was found in one is not counted again in the next.
    pub(super) fn is_counted(&mut self, line: u64) -> bool {
        std::mem::replace(&mut self.last_line, line) == line
    }

    pub(super) fn add_to_windows(&mut self, at: At) {
        self.bursts.iter_mut().for_each(|burst| burst.add(at));
        self.episodes.iter_mut().for_each(|episode| episode.add(at));
    }

    /// Whether the hit is a further line of the multi-line event that was counted last.
    pub(super) fn is_again(&self, hit: &Hit<'_>) -> bool {
        hit.report.is_some() && self.reports.last() == hit.report.as_ref()
    }

    /// Counts one occurrence, or a further line of one.
    pub(super) fn add(&mut self, hit: &Hit<'_>) {
        self.first_offset = self.first_offset.min(hit.offset);
        self.last_offset = hit.offset;
        self.add_time(hit.at);
        let printed = &hit.subject.printed;
        if !printed.is_empty() && self.printed.len() < PRINTED && !self.printed.contains(printed) {
            self.printed.push(printed.clone());
        }
        if self.is_again(hit) {
            self.again += 1;
            return;
        }
        self.count += 1;
        if let Some(report) = hit.report {
            if self.reports.len() == REPORTS {
                self.reports.pop();
            }
            self.reports.push(report);
        }
        if let Some(events) = &mut self.events {
            *events.entry(hit.occurrence.event).or_insert(0) += 1;
            if events.len() > EVENTS {
                self.events = None;
            }
        }
    }

    fn add_time(&mut self, at: At) {
        let Some((kind, ordinal)) = at.ordinal() else { return };
        let span = self.spans[usize::from(kind)].get_or_insert((at, at));
        if span.0.ordinal().is_some_and(|(_, first)| ordinal < first) {
            span.0 = at;
        }
        if span.1.ordinal().is_some_and(|(_, last)| ordinal > last) {
            span.1 = at;
        }
    }
}

pub(super) fn quote(scanned: &Scanned, hit: &Hit<'_>, again: bool) -> Quote {
    let occurrence = hit.occurrence;
    let bytes = &scanned.data[occurrence.start as usize..occurrence.end as usize];
    Quote {
        line: hit.line,
        start: scanned.start + u64::from(occurrence.start),
        end: scanned.start + u64::from(occurrence.end),
        time: hit.at,
        text: String::from_utf8_lossy(bytes).into_owned(),
        event: occurrence.event,
        again,
    }
}
