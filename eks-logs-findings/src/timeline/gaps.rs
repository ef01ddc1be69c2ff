//! What a timeline does not show: logs that end early or begin late, clocks that jump, events without a time.

use std::collections::BTreeMap;

use eks_logs_core::FileKind;
use jiff::{SignedDuration, Timestamp};

use super::{Interval, Timeline};
use crate::finding::{FileReport, Gap, Scan};

/// A log that is silent for so many of its own intervals between lines has ended or stopped.
const INTERVALS: i64 = 50;
/// ... and never less than this.
const SILENCE: SignedDuration = SignedDuration::from_secs(300);
/// Lines from which on a log has a rate.
const LINES: u64 = 50;

/// The gaps of a timeline. `window` is what was asked about; without it, the time from the first to the last finding of severity high or
/// worse.
pub fn gaps(scan: &Scan, timeline: &Timeline, window: Option<Interval>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let timed = || timeline.events.iter().filter_map(|event| event.time);
    let untimed = timeline.untimed();
    if timed().next().is_none() && !timeline.events.is_empty() {
        let detail =
            format!("none of {} events has a certain time: nothing can be put in order", timeline.events.len());
        gaps.push(Gap { kind: "no-certain-time", file: None, detail });
    } else if untimed > 0 {
        let detail = format!("{untimed} of {} events have no certain time", timeline.events.len());
        gaps.push(Gap { kind: "untimed-events", file: None, detail });
    }
    if timeline.not_quoted > 0 {
        let detail = format!(
            "{} more events are counted but not quoted: the timeline has the first and the last ones of each finding",
            timeline.not_quoted
        );
        gaps.push(Gap { kind: "not-quoted", file: None, detail });
    }
    for finding in scan.findings.iter().filter(|finding| {
        let name = finding.rule.as_str();
        name.starts_with("time/") && (name.contains("jump") || name.contains("step") || name.contains("changed"))
    }) {
        let detail = format!("the node's clock was moved ({}): times before and after it do not compare", finding.id);
        let file = finding.evidence.first().map(|line| line.file.clone());
        gaps.push(Gap { kind: "clock-jump", file, detail });
    }
    let Some(window) = window.or_else(|| incident(timeline)) else { return gaps };
    // A rotated log continues in its next file: the source ends where its last file ends.
    let mut by_source: BTreeMap<&str, Vec<&FileReport>> = BTreeMap::new();
    for file in scan.files.iter().filter(|file| file.kind == FileKind::Log && file.known && file.bytes > 0) {
        by_source.entry(file.source.name()).or_default().push(file);
    }
    for (source, files) in by_source {
        let of = |file: &&FileReport| Some((file.first_time?, file.last_time?));
        let spans: Vec<(Timestamp, Timestamp)> = files.iter().filter_map(of).collect();
        let (Some(first), Some(last)) = (spans.iter().map(|s| s.0).min(), spans.iter().map(|s| s.1).max()) else {
            continue;
        };
        let lines: u64 = files.iter().map(|file| file.lines).sum();
        let last_file = || files.iter().find(|file| file.last_time == Some(last)).map(|file| file.file.clone());
        if ends_early(first, last, lines, window.end) {
            let detail = format!(
                "the last line of {source} is of {last}, {} before the last event: its log ends there, or it stopped",
                minutes(window.end.duration_since(last))
            );
            gaps.push(Gap { kind: "source-ends-early", file: last_file(), detail });
        }
        if first > window.start + SILENCE {
            let detail = format!(
                "the first line of {source} is of {first}, {} after the first event: what it said before was rotated away or never written",
                minutes(first.duration_since(window.start))
            );
            let file = files.iter().find(|file| file.first_time == Some(first)).map(|file| file.file.clone());
            gaps.push(Gap { kind: "log-begins-late", file, detail });
        }
        if let Some(file) = files.iter().find(|file| of(file).is_some_and(|(first, last)| last < first)) {
            let detail = "its last line is older than its first: the clock was set back, or the file was put together";
            gaps.push(Gap { kind: "clock-jump", file: Some(file.file.clone()), detail: detail.to_owned() });
        }
    }
    gaps.sort();
    gaps.dedup();
    gaps
}

/// Whether a source that wrote so many lines is silent before `end` for longer than is usual for it. A source that seldom writes never is.
pub(crate) fn ends_early(first: Timestamp, last: Timestamp, lines: u64, end: Timestamp) -> bool {
    lines >= LINES && silent(first, last, lines) < end.duration_since(last)
}

/// From the first to the last event of severity high or worse; of all, where there is none.
fn incident(timeline: &Timeline) -> Option<Interval> {
    let span = |grave: bool| {
        let events = timeline.events.iter();
        let times = events.filter(|event| !grave || event.severity <= crate::Severity::High).filter_map(|e| e.time);
        let (first, last) = (times.clone().min()?, times.max()?);
        Some(Interval { start: first, end: last })
    };
    span(true).or_else(|| span(false))
}

/// How long a source is usually silent at most: many of the intervals at which it writes.
fn silent(first: Timestamp, last: Timestamp, lines: u64) -> SignedDuration {
    let lines = i64::try_from(lines).unwrap_or(i64::MAX).max(1);
    let interval = last.duration_since(first).as_secs() / lines;
    SignedDuration::from_secs(interval.saturating_mul(INTERVALS)).max(SILENCE)
}

fn minutes(time: SignedDuration) -> String {
    match time.as_secs() {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
