//! Conditions over many occurrences: so many in a window, for so long, begun and ended again.

use std::collections::VecDeque;
use std::time::Duration;

use super::tally::At;
use crate::rule::Repeat;

/// Whether so many occurrences fell into one window.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    pub(super) repeat: Repeat,
    recent: VecDeque<i64>,
    kind: u8,
    pub(super) reached: bool,
}

impl Burst {
    pub(super) fn new(repeat: Repeat) -> Self {
        Self { repeat, recent: VecDeque::new(), kind: 0, reached: false }
    }

    pub(super) fn add(&mut self, at: At) {
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
pub(super) struct Episode {
    pub(super) lasts: Duration,
    kind: u8,
    start: i64,
    last: i64,
    pub(super) reached: bool,
}

impl Episode {
    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, kind: 0, start: i64::MIN, last: i64::MIN, reached: false }
    }

    pub(super) fn add(&mut self, at: At) {
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

/// A state that begins and ends: how often it began, and for how long it was there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Course {
    /// How often it began.
    pub(super) begun: u64,
    /// When it began, while it is there.
    since: Option<At>,
    /// Microseconds from beginnings to ends, of those that ended.
    pub(super) lasted: i64,
    /// Of the last one that ended.
    pub(super) last: i64,
    /// A beginning or an end without a comparable time: `lasted` is not known.
    pub(super) untimed: bool,
}

impl Course {
    /// It is told to be there. True if it was not before.
    pub(super) fn there(&mut self, at: At) -> bool {
        if self.since.is_some() {
            return false;
        }
        self.begun += 1;
        self.since = Some(at);
        true
    }

    /// It is told to have ended.
    pub(super) fn ended(&mut self, at: At) {
        let Some(since) = self.since.take() else { return };
        match (since.ordinal(), at.ordinal()) {
            (Some((began, from)), Some((ended, to))) if began == ended && to >= from => {
                self.last = to - from;
                self.lasted = self.lasted.saturating_add(self.last);
            }
            _ => self.untimed = true,
        }
    }

    /// It is there at the end of the file.
    pub(super) fn is_there(&self) -> bool {
        self.since.is_some()
    }
}
