//! One event, one count: the same event may stand in several files of a bundle (dmesg with both of its clocks, a journal and the syslog,
//! a pod's log under both of its names). Files are heard best first; what a later one repeats is not counted again.

use std::collections::HashMap;

use super::tally::Tally;

/// Which events the files before this one, of the same echo group, have reported already.
#[derive(Default)]
pub(super) struct Echoes {
    groups: HashMap<u16, Known>,
    none: Known,
}

#[derive(Default)]
pub(super) struct Known {
    /// The most that one file reported of each event.
    events: HashMap<u64, u32>,
    /// The most that one file reported, where events could not be told apart.
    untold: u64,
}

impl Echoes {
    pub(super) fn begin(&self, tally: &Tally) -> &Known {
        tally.echo.and_then(|(group, _)| self.groups.get(&group)).unwrap_or(&self.none)
    }

    pub(super) fn end(&mut self, tally: &Tally) {
        let Some((group, _)) = tally.echo else { return };
        let known = self.groups.entry(group).or_default();
        known.untold = known.untold.max(tally.count);
        for (event, count) in tally.events.iter().flatten() {
            let most = known.events.entry(*event).or_insert(0);
            *most = (*most).max(*count);
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
