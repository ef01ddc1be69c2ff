//! Events in true UTC order, across files, with how sure each time is; their clusters in time and by what they are about; and what
//! the order leaves open.

mod cluster;
mod event;
mod gaps;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

pub use cluster::{EntityCluster, TimeCluster, by_entity, by_time};
pub use event::Event;
pub(crate) use gaps::ends_early;
pub use gaps::gaps;

use crate::entity::Aliases;
use crate::finding::{Finding, Scan};

/// Events that a timeline holds; findings quote the first and the last of more.
const EVENTS: usize = 20_000;

/// From one time to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first moment.
    pub start: Timestamp,
    /// The last moment.
    pub end: Timestamp,
}

impl Interval {
    /// What lies at most `reach` from a moment.
    pub fn around(at: Timestamp, reach: SignedDuration) -> Self {
        Self {
            start: at.checked_sub(reach.abs()).unwrap_or(Timestamp::MIN),
            end: at.checked_add(reach.abs()).unwrap_or(Timestamp::MAX),
        }
    }

    /// Whether a moment lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at <= self.end
    }
}

/// The events of a bundle.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Events with a time in its order, then those without one by file and place.
    pub events: Vec<Event>,
    /// Events that no finding quotes, by the findings' counts.
    pub not_quoted: u64,
    /// What stands for what.
    pub aliases: Aliases,
}

impl Timeline {
    /// All lines that findings quote, each once however many findings quote it; lines that repeat an event elsewhere are left out.
    pub fn new(scan: &Scan) -> Self {
        Self::of(&scan.findings)
    }

    /// The same of some findings.
    pub fn of(findings: &[Finding]) -> Self {
        let mut events: Vec<Event> = Vec::new();
        let mut not_quoted = 0;
        for finding in findings {
            not_quoted += finding.evidence_omitted;
            let lines = finding.evidence.iter().filter(|line| !line.duplicate);
            events.extend(lines.map(|line| Event::new(finding, line)));
        }
        events.sort_by(|a, b| a.place().cmp(&b.place()));
        events.dedup_by(|later, earlier| {
            let same = later.is_at(earlier);
            if same {
                earlier.join(later);
            }
            same
        });
        not_quoted += events.len().saturating_sub(EVENTS) as u64;
        events.truncate(EVENTS);
        events.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut aliases = Aliases::default();
        for event in &events {
            aliases.learn(&event.entities.iter().cloned().collect::<BTreeSet<_>>());
        }
        Self { events, not_quoted, aliases }
    }

    /// Events that have no time.
    pub fn untimed(&self) -> usize {
        self.events.iter().filter(|event| event.time.is_none()).count()
    }
}
