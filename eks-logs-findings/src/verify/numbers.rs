//! Numbers and times of a sentence.

use std::ops::Range;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp, civil, tz};
use regex::Regex;

use super::claims::TimeEdge;
use crate::severity::Severity;

/// A number, and what it counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counted {
    pub(super) range: Range<usize>,
    pub(super) digits: Range<usize>,
    pub(super) number: u64,
    pub(super) unit: Unit,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Occurrences {
        /// Of all findings of the sentence taken together.
        together: bool,
    },
    Findings(Option<Severity>),
    Files,
}

/// A time as a report prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PrintedTime {
    /// The moment, or that time of day on any day.
    pub(super) at: Moment,
    /// How fine it is printed.
    pub(super) unit: SignedDuration,
}

/// A moment or a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Instant(Timestamp),
    OfDay(civil::Time),
}

impl PrintedTime {
    /// Whether a moment is this time, as finely as it is printed: cut off or rounded.
    pub(super) fn is(&self, moment: Timestamp) -> bool {
        let off = match self.at {
            Moment::Instant(at) => moment.duration_since(at),
            Moment::OfDay(time) => {
                let local = tz::Offset::UTC.to_datetime(moment);
                local.time().duration_since(time)
            }
        };
        off.abs() < self.unit
    }
}

/// The counts of a sentence.
pub(super) fn counts(said: &str) -> Vec<Counted> {
    static PATTERNS: OnceLock<Option<[Regex; 5]>> = OnceLock::new();
    let build = || {
        Some([
            Regex::new(r"(?i)\b(\d+(?:,\d{3})*)\s*(?:times|occurrences?|events?|hits|matches|matching lines|lines)\b").ok()?,
            Regex::new(r"(?i)(?:[\u{d7}]\s?|\bx)(\d+(?:,\d{3})*)\b|\b(\d+(?:,\d{3})*)\s?(?:\u{d7}|x\b)").ok()?,
            Regex::new(r"(?i)\bcount(?:ed)?\s*(?:of|is|was|:|=)?\s*(\d+(?:,\d{3})*)\b").ok()?,
            Regex::new(r"(?i)\b(\d+(?:,\d{3})*)\s+(?:(critical|high|medium|low|info)(?:[- ]severity)?\s+)?findings?\b").ok()?,
            Regex::new(r"(?i)\b(\d+(?:,\d{3})*)\s+files\s+(?:were\s+|was\s+)?(?:scanned|read)\b|\b(?:scanned|read)\s+(\d+(?:,\d{3})*)\s+files\b").ok()?,
        ])
    };
    // A pattern that does not compile fails the tests below.
    let Some(patterns) = PATTERNS.get_or_init(build) else { return Vec::new() };
    let together = ["in all", "in total", "together", "altogether", "combined"].iter().any(|word| said.contains(word));
    let mut found: Vec<Counted> = Vec::new();
    for (kind, pattern) in patterns.iter().enumerate() {
        for captures in pattern.captures_iter(said) {
            let (Some(whole), Some(digits)) = (captures.get(0), captures.get(1).or_else(|| captures.get(2))) else {
                continue;
            };
            let Ok(number) = digits.as_str().replace(',', "").parse() else { continue };
            let unit = match kind {
                3 => Unit::Findings(captures.get(2).and_then(|word| word.as_str().to_ascii_lowercase().parse().ok())),
                4 => Unit::Files,
                _ => Unit::Occurrences { together },
            };
            if !found.iter().any(|other| other.digits == digits.range()) {
                found.push(Counted { range: whole.range(), digits: digits.range(), number, unit });
            }
        }
    }
    found.sort_by_key(|counted| counted.digits.start);
    found
}

/// The times of a sentence, and which end of a finding each is said to be.
pub(super) fn times(said: &str) -> Vec<(Range<usize>, PrintedTime, TimeEdge)> {
    static PATTERN: OnceLock<Option<Regex>> = OnceLock::new();
    let build = || {
        let date = r"(?P<date>\d{4}-\d{2}-\d{2})[T ](?P<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(?: ?(?P<zone>Z|UTC|[+-]\d{2}:?\d{2}))?";
        let day = r"(?P<only>\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)(?: ?(?:Z|UTC))?";
        Regex::new(&format!(r"(?:^|[^\w:.-])(?P<whole>{date}|{day})(?:$|[^\w:-])")).ok()
    };
    let Some(pattern) = PATTERN.get_or_init(build) else { return Vec::new() };
    let mut found = Vec::new();
    let mut from = 0;
    // The blank behind one time may be the blank ahead of the next: matches may touch.
    while let Some(captures) = pattern.captures_at(said, from) {
        let Some(whole) = captures.name("whole") else { break };
        from = whole.end();
        let named = |name: &str| captures.name(name).map(|text| text.as_str());
        let Some(printed) = printed(named("date"), named("time").or(named("only")), named("zone")) else { continue };
        found.push((whole.range(), printed, edge(&said[..whole.start()])));
    }
    found
}

fn printed(date: Option<&str>, time: Option<&str>, zone: Option<&str>) -> Option<PrintedTime> {
    let time = time?;
    let digits = time.split_once('.').map_or(0, |(_, digits)| digits.len() as u32);
    let unit = match (time.matches(':').count(), digits) {
        (1, _) => SignedDuration::from_secs(60),
        (_, 0) => SignedDuration::from_secs(1),
        (_, digits) => SignedDuration::from_nanos(10_i64.pow(9_u32.saturating_sub(digits))),
    };
    let full = if time.matches(':').count() == 1 { format!("{time}:00") } else { time.to_owned() };
    let at = match date {
        None => Moment::OfDay(full.parse().ok()?),
        Some(date) => {
            let zone = match zone {
                None | Some("Z" | "UTC") => "Z".to_owned(),
                Some(offset) => offset.to_owned(),
            };
            Moment::Instant(format!("{date}T{full}{zone}").parse().ok()?)
        }
    };
    Some(PrintedTime { at, unit })
}

/// What the words in front of a time make of it.
fn edge(before: &str) -> TimeEdge {
    const FIRST: [&str; 9] = ["first", "since", "start", "began", "begin", "from", "onset", "begins", "starting"];
    const LAST: [&str; 7] = ["last", "until", "till", "ended", "ends", "to", "through"];
    let words: Vec<String> = before
        .rsplit([' ', '(', '[', ',', ':', '*', '_', '-', '\u{2013}'])
        .filter(|word| !word.is_empty())
        .take(3)
        .map(|word| word.to_ascii_lowercase())
        .collect();
    for word in &words {
        if FIRST.iter().any(|first| word.starts_with(first)) {
            return TimeEdge::First;
        }
        if LAST.contains(&word.as_str()) {
            return TimeEdge::Last;
        }
        // Only `seen at`, `was on` and the like may stand between.
        if !matches!(
            word.as_str(),
            "seen" | "at" | "on" | "was" | "is" | "it" | "time" | "occurred" | "happened" | "occurrence"
        ) {
            break;
        }
    }
    TimeEdge::Any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        let read = |said: &str| counts(said).iter().map(|c| (c.number, c.unit)).collect::<Vec<_>>();
        let occurrences = Unit::Occurrences { together: false };
        assert_eq!(read("F-001 happened 1,234 times"), [(1234, occurrences)]);
        assert_eq!(read("F-001 (\u{d7}57)"), [(57, occurrences)]);
        assert_eq!(read("F-001 (57x), count: 57"), [(57, occurrences), (57, occurrences)]);
        assert_eq!(
            read("3 critical findings and 12 findings"),
            [(3, Unit::Findings(Some(Severity::Critical))), (12, Unit::Findings(None))]
        );
        assert_eq!(read("41 files were scanned"), [(41, Unit::Files)]);
        assert_eq!(read("within 5 minutes on 3 nodes"), []);
        assert_eq!(read("0x1234 and max8"), []);
    }

    #[test]
    fn times_are_read_with_their_precision_and_their_end() {
        let read = times("from 2026-11-22T07:00:01Z to 2026-11-22 07:05 UTC, again at 07:09:00.5");
        let edges: Vec<_> = read.iter().map(|(_, _, edge)| *edge).collect();
        assert_eq!(edges, [TimeEdge::First, TimeEdge::Last, TimeEdge::Any]);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(read[0].1.is(at("2026-11-22T07:00:01.9Z")) && !read[0].1.is(at("2026-11-22T07:00:02Z")));
        assert!(read[1].1.is(at("2026-11-22T07:05:59Z")) && !read[1].1.is(at("2026-11-22T07:06:00Z")));
        assert!(read[2].1.is(at("2020-01-01T07:09:00.5Z")));
        assert_eq!(times("first seen 2026-11-22T09:00:01+02:00")[0].2, TimeEdge::First);
        assert!(times("version 1.2.3, lines 10:20:30:40").is_empty());
    }
}
