//! The times of lines that no rule matches: where a node booted, and where a clock was set back inside a file.
//!
//! Not every line is taken apart: places at fixed distances are, and between two of them every line where time steps back, or where so much
//! time passes that a step could hide. What is known of the clock is data: `data/clock.toml`.

use std::sync::OnceLock;

use eks_logs_core::{FileClass, FileKind};
use memchr::{memchr, memchr_iter, memrchr};
use serde::Deserialize;

use super::unrecognised::{Kind, rule};
use crate::line::stamp::{DAY, SECOND};
use crate::line::{self, Line, Stamp};
use crate::rule::Rule;

/// The numbers under which clocks that were set back are tallied; no rule of a catalogue has them.
pub(super) const BACK: u32 = u32::MAX - 4;
/// By minutes.
pub(super) const FAR_BACK: u32 = u32::MAX - 5;

/// Bytes between two lines that are looked at in any case.
const STRIDE: usize = 8 << 10;
/// A file up to this long is looked at line by line.
const SMALL: u64 = 128 << 10;
/// Lines of a block that are looked at where a step could hide.
const LOOKED_AT: usize = 1024;
/// A pause in which a step could hide, in microseconds.
const PAUSE: i64 = 300 * SECOND;
/// How near a boot may be for time to go backwards because of it, in bytes.
const NEAR_BOOT: usize = 8 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    least_seconds: i64,
    far_seconds: i64,
    back: Kind,
    far_back: Kind,
}

struct Known {
    least: i64,
    far: i64,
    back: Rule,
    far_back: Rule,
}

fn known() -> Option<&'static Known> {
    static KNOWN: OnceLock<Option<Known>> = OnceLock::new();
    // A file that does not parse fails the test `the_data_is_sound`.
    let load = || {
        let file: File = toml::from_str(include_str!("../../data/clock.toml")).ok()?;
        let steps = [
            "Compare times across it with care; look for what the time daemon says around it (chronyd, systemd-timesyncd).",
        ];
        Some(Known {
            least: file.least_seconds * SECOND,
            far: file.far_seconds * SECOND,
            back: rule("clock/set-back", file.back, &[], steps[0]),
            far_back: rule("clock/set-back-far", file.far_back, &[], steps[0]),
        })
    };
    KNOWN.get_or_init(load).as_ref()
}

/// The rule under whose number a clock that was set back is tallied.
pub(super) fn rule_of(number: u32) -> Option<&'static Rule> {
    match number {
        BACK => known().map(|known| &known.back),
        FAR_BACK => known().map(|known| &known.far_back),
        _ => None,
    }
}

/// A line that says that the node booted, or that what follows is of another boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BootMark {
    /// Offset in the block.
    pub(super) at: u32,
    /// Newlines of the block before it.
    pub(super) line: u32,
    /// journald's id of the boot.
    pub(super) id: Option<String>,
    /// Its time, or the next one that is printed.
    pub(super) stamp: Stamp,
}

/// What lines about a boot hold.
pub(super) const BOOTS: [&str; 3] = ["-- Reboot --", "-- Boot ", "Linux version "];

/// Whether a line is about a boot, and the boot's id if it tells. Forms: systemd src/journal/journalctl.c, linux init/main.c.
pub(super) fn boot(text: &[u8], parsed: &Line) -> Option<Option<String>> {
    if parsed.kernel {
        return text[parsed.message..].starts_with(b"Linux version ").then_some(None);
    }
    if text == b"-- Reboot --" {
        return Some(None);
    }
    let id = text.strip_prefix(b"-- Boot ")?.strip_suffix(b" --")?;
    let is_id = id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit);
    is_id.then(|| Some(String::from_utf8_lossy(id).into_owned()))
}

/// A place where time goes backwards: what stands around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepBack {
    /// From the start of the line before it to the end of the line behind it.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The stamp behind it.
    pub(super) stamp: Stamp,
    /// [`BACK`] or [`FAR_BACK`].
    pub(super) rule: u32,
}

/// A line that prints a time.
#[derive(Clone, Copy, Debug)]
struct Timed {
    start: usize,
    end: usize,
    stamp: Stamp,
}

impl Timed {
    fn at(data: &[u8], start: usize) -> (Option<Self>, usize) {
        let end = memchr(b'\n', &data[start..]).map_or(data.len(), |newline| start + newline);
        let parsed = line::parse(&data[start..end]);
        let stamp = if parsed.outer == Stamp::None { parsed.stamp } else { parsed.outer };
        let timed = Self { start, end, stamp };
        ((stamp != Stamp::None).then_some(timed), end + 1)
    }

    /// Microseconds that passed since another line; `None` between stamps that do not compare.
    fn since(&self, other: &Self) -> Option<i64> {
        match (other.stamp, self.stamp) {
            // A year that ended is no step.
            (Stamp::Yearless(from), Stamp::Yearless(to)) => Some(to - from).filter(|passed| *passed > -180 * DAY),
            (Stamp::Instant(from), Stamp::Instant(to))
            | (Stamp::Local(from), Stamp::Local(to))
            | (Stamp::Uptime(from), Stamp::Uptime(to)) => Some(to - from),
            _ => None,
        }
    }
}

/// Where time goes backwards in a block that begins at `start` in its file.
pub(super) fn steps_back(
    class: FileClass,
    data: &[u8],
    context: usize,
    start: u64,
    boots: &[BootMark],
) -> Vec<StepBack> {
    let (Some(known), FileKind::Log, None) = (known(), class.kind, class.document_start) else { return Vec::new() };
    let small = start + data.len() as u64 <= SMALL;
    let mut budget = if small { usize::MAX } else { LOOKED_AT };
    let mut found = Vec::new();
    // From a little in front of the block: what follows a step may stand on the other side of the cut.
    let mut at = context.saturating_sub(STRIDE / 2);
    if at > 0 {
        at = memchr(b'\n', &data[at..context]).map_or(context, |newline| at + newline + 1);
    }
    let mut last: Option<Timed> = None;
    while at < data.len() {
        let (timed, next) = Timed::at(data, at);
        if let (Some(before), Some(now)) = (last, timed) {
            let passed = now.since(&before).unwrap_or(0);
            let seen = passed <= -known.least;
            if before.end + 1 < now.start && (seen || (passed >= PAUSE && budget > 0)) {
                between(data, before, now, known, &mut budget, &mut found);
            } else if seen {
                found.push((before, now));
            }
        }
        last = timed.or(last);
        at = match memchr(b'\n', data.get(next + STRIDE..).unwrap_or_default()) {
            _ if small => next,
            Some(newline) if next + STRIDE + newline + 1 < data.len() => next + STRIDE + newline + 1,
            // The last line, unless it was this one.
            _ => memrchr(b'\n', &data[..data.len() - 1]).map_or(data.len(), |newline| newline + 1).max(next),
        };
    }
    let is_boot = |(before, now): &(Timed, Timed)| {
        let near = before.start.saturating_sub(NEAR_BOOT)..now.end + NEAR_BOOT;
        boots.iter().any(|boot| near.contains(&(boot.at as usize)))
    };
    let told = found.into_iter().filter(|pair| !is_boot(pair)).filter_map(|(before, now)| {
        let next = follows(data, context, start, &before, &now, known.least)?;
        let far = now.since(&before).is_some_and(|passed| passed <= -known.far);
        let rule = if far { FAR_BACK } else { BACK };
        // Of lines in front of the block the block before has spoken; what is cited stands in this one.
        let (start, end) = match (before.start >= context, now.start >= context) {
            (true, _) => (before.start, now.end),
            (false, true) => (now.start, now.end),
            (false, false) => (next.start, next.end),
        };
        (next.start >= context).then_some(StepBack { start, end, stamp: now.stamp, rule })
    });
    told.collect()
}

/// The first step between two lines, looked at line by line.
fn between(data: &[u8], from: Timed, to: Timed, known: &Known, budget: &mut usize, found: &mut Vec<(Timed, Timed)>) {
    let mut last = from;
    let mut at = from.end + 1;
    while at <= to.start && *budget > 0 {
        *budget -= 1;
        let (timed, next) = Timed::at(data, at);
        if let Some(now) = timed {
            if now.since(&last).is_some_and(|passed| passed <= -known.least) {
                found.push((last, now));
            }
            last = now;
        }
        at = next;
    }
}

/// The line behind a step, if time stays behind: a line that is out of place is no step of the clock, neither the one before nor the one
/// behind the place.
fn follows(data: &[u8], context: usize, start: u64, before: &Timed, now: &Timed, least: i64) -> Option<Timed> {
    let behind = |other: &Timed, than: &Timed| other.since(than).is_some_and(|passed| passed <= -least);
    let mut at = now.end + 1;
    let next = loop {
        if at >= data.len() {
            break None;
        }
        match Timed::at(data, at) {
            (Some(timed), _) => break Some(timed),
            (None, next) => at = next,
        }
        if at > now.end + STRIDE {
            break None;
        }
    };
    let mut at = before.start;
    let precedes = loop {
        if at == 0 || at + STRIDE < before.start {
            break None;
        }
        at = memrchr(b'\n', &data[..at - 1]).map_or(0, |newline| newline + 1);
        if let (Some(timed), _) = Timed::at(data, at) {
            break Some(timed);
        }
    };
    let first = start == 0 && context == 0;
    next.filter(|next| behind(next, before) && precedes.map_or(first, |previous| behind(now, &previous)))
}

/// Newlines between two places.
pub(super) fn newlines(data: &[u8], from: usize, to: usize) -> u32 {
    memchr_iter(b'\n', &data[from.min(to)..to]).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_sound() {
        let known = known().unwrap();
        assert!(known.least < known.far);
        assert!(rule_of(BACK).is_some() && rule_of(FAR_BACK).is_some() && rule_of(0).is_none());
    }
}
