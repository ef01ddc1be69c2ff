//! One event, one count: the same event may stand in several files of a bundle (dmesg with both of its clocks, a journal and the syslog,
//! a pod's log under both of its names). Files are heard best first; what a later one repeats is not counted again.

use std::collections::HashMap;

use super::tally::Tally;

/// Which events the better files of the same echo group have reported already. Files of one rank are no echoes of each other: a rotated
/// log continues where the next begins.
#[derive(Default)]
pub(super) struct Echoes {
    groups: HashMap<u16, Group>,
    none: Known,
}

#[derive(Default)]
struct Group {
    /// What files of better ranks have reported.
    better: Known,
    /// What the files of the current rank have, taken together.
    current: Known,
    rank: u8,
}

#[derive(Default)]
pub(super) struct Known {
    /// How often each event was reported.
    events: HashMap<u64, u32>,
    /// How many were reported, where events could not be told apart.
    untold: u64,
}

impl Echoes {
    /// What is known when a tally is heard; tallies come in the order of their ranks.
    pub(super) fn begin(&mut self, tally: &Tally) -> &Known {
        let Some((group, rank)) = tally.echo else { return &self.none };
        let group = self.groups.entry(group).or_default();
        if group.rank != rank {
            group.rank = rank;
            let heard = std::mem::take(&mut group.current);
            group.better.untold = group.better.untold.max(heard.untold);
            heard.events.into_iter().for_each(|(event, count)| {
                let most = group.better.events.entry(event).or_insert(0);
                *most = (*most).max(count);
            });
        }
        &group.better
    }

    pub(super) fn end(&mut self, tally: &Tally) {
        let Some(group) = tally.echo.and_then(|(group, _)| self.groups.get_mut(&group)) else { return };
        group.current.untold += tally.count;
        for (event, count) in tally.events.iter().flatten() {
            *group.current.events.entry(*event).or_insert(0) += count;
        }
    }
}

impl Known {
    /// How many of a tally's occurrences are not known yet.
    pub(super) fn fresh(&self, tally: &Tally) -> u64 {
        match &tally.events {
            Some(events) => {
                let fresh = |(event, count): (&u64, &u32)| {
                    u64::from(count.saturating_sub(self.events.get(event).copied().unwrap_or(0)))
                };
                events.iter().map(fresh).sum()
            }
            None => tally.count.saturating_sub(self.untold),
        }
    }

    /// Whether the `nth` occurrence of an event is one of those that are known.
    pub(super) fn has(&self, event: u64, nth: u32) -> bool {
        self.events.get(&event).is_some_and(|count| nth <= *count)
    }
}
