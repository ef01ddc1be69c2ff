//! From printed times to UTC, with how sure that is. The clock of the machine that analyses never takes part.
//!
//! Anchors come from the bundle: the collection's time from its name, or the latest time that any line prints with year and zone; the
//! boot from `btime` or from a message that the kernel printed with both of its clocks.

use jiff::{Timestamp, civil, tz};
use serde::Serialize;

use crate::line::Stamp;
use crate::line::stamp::{DAY, timestamp};

/// How a time was arrived at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Printed with year and zone.
    Exact,
    /// Printed with a year; the zone is assumed to be UTC, as on EKS AMIs.
    ZoneAssumed,
    /// Printed without year and zone: the year follows from the collection's time, the zone is assumed.
    YearInferred,
    /// Printed as time since boot: the boot time follows from elsewhere in the bundle.
    BootEstimated,
    /// Not printed, or without an anchor.
    Unknown,
}

/// The anchors of one bundle, in microseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// When the collection ran, or the latest time that the bundle is sure of.
    pub collected: Option<i64>,
    /// When the node booted.
    pub boot: Option<i64>,
}

impl Clock {
    /// The UTC time of a stamp. `years_back` counts the New Years between the stamp and the end of its file; `last` is the last yearless
    /// stamp of the file.
    pub fn resolve(&self, stamp: Stamp, years_back: i16, last: Stamp) -> (Option<Timestamp>, Certainty) {
        let micros = match stamp {
            Stamp::None => None,
            Stamp::Instant(at) => Some((at, Certainty::Exact)),
            Stamp::Local(at) => Some((at, Certainty::ZoneAssumed)),
            Stamp::Uptime(at) => self.boot.map(|boot| (boot + at, Certainty::BootEstimated)),
            Stamp::Yearless(at) => self
                .last_year(if let Stamp::Yearless(last) = last { last } else { at })
                .and_then(|year| in_year(at, year - years_back))
                .map(|at| (at, Certainty::YearInferred)),
        };
        match micros.and_then(|(micros, certainty)| Some((timestamp(micros)?, certainty))) {
            Some((at, certainty)) => (Some(at), certainty),
            None => (None, Certainty::Unknown),
        }
    }

    /// The year in which a file ends whose last stamp is `last`: nothing is logged after the collection (but for a day of zones).
    fn last_year(&self, last: i64) -> Option<i16> {
        let collected = self.collected?;
        let year = tz::Offset::UTC.to_datetime(timestamp(collected)?).year();
        let fits = |year| in_year(last, year).is_some_and(|at| at <= collected + DAY);
        // A 29 February needs a leap year.
        (0..8).map(|back| year + 1 - back).find(|year| fits(*year))
    }
}

/// A yearless time, in a year; `None` for a 29 February in a year that has none.
fn in_year(yearless: i64, year: i16) -> Option<i64> {
    let at = tz::Offset::UTC.to_datetime(timestamp(yearless)?);
    let at =
        civil::DateTime::new(year, at.month(), at.day(), at.hour(), at.minute(), at.second(), at.subsec_nanosecond())
            .ok()?;
    Some(tz::Offset::UTC.to_timestamp(at).ok()?.as_microsecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::line::stamp::{SECOND, iso, syslog};

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn yearless(text: &str) -> Stamp {
        syslog(text.as_bytes()).unwrap().0
    }

    fn resolved(collected: &str, text: &str, years_back: i16, last: &str) -> String {
        let clock = Clock { collected: Some(at(collected)), boot: None };
        let (time, certainty) = clock.resolve(yearless(text), years_back, yearless(last));
        assert_eq!(certainty, Certainty::YearInferred);
        time.unwrap().to_string()
    }

    #[test]
    fn the_year_follows_from_the_collection() {
        assert_eq!(resolved("2026-11-22T07:00:00Z", "Nov 20 01:02:03", 0, "Nov 22 06:59:00"), "2026-11-20T01:02:03Z");
        assert_eq!(resolved("2027-01-02T00:00:00Z", "Dec 31 23:59:59", 0, "Dec 31 23:59:59"), "2026-12-31T23:59:59Z");
        assert_eq!(resolved("2027-01-02T00:00:00Z", "Dec 31 23:59:59", 1, "Jan  1 00:10:00"), "2026-12-31T23:59:59Z");
        // The node's zone is ahead of UTC: its last line may be dated after the collection.
        assert_eq!(resolved("2026-12-31T20:00:00Z", "Jan  1 01:00:00", 0, "Jan  1 01:00:00"), "2027-01-01T01:00:00Z");
        assert_eq!(resolved("2027-03-01T00:00:00Z", "Feb 29 12:00:00", 0, "Feb 29 12:00:00"), "2024-02-29T12:00:00Z");
    }

    #[test]
    fn without_an_anchor_there_is_no_time() {
        let clock = Clock::default();
        assert_eq!(clock.resolve(yearless("Nov 22 07:00:01"), 0, Stamp::None), (None, Certainty::Unknown));
        assert_eq!(clock.resolve(Stamp::Uptime(5), 0, Stamp::None), (None, Certainty::Unknown));
        let instant = iso(b"2026-11-22T07:00:01Z").unwrap().0;
        assert_eq!(clock.resolve(instant, 0, Stamp::None).1, Certainty::Exact);
    }

    proptest! {
        #[test]
        fn a_time_up_to_a_year_before_the_collection_is_found_again(collected in 1_500_000_000_i64..2_500_000_000, back in 0_i64..31_000_000) {
            let then = (collected - back) * SECOND;
            let printed = tz::Offset::UTC.to_datetime(timestamp(then).unwrap());
            let stamp = Stamp::Yearless(in_year(then, crate::line::stamp::NO_YEAR).unwrap());
            let clock = Clock { collected: Some(collected * SECOND), boot: None };
            let (found, _) = clock.resolve(stamp, 0, stamp);
            prop_assert_eq!(found.unwrap().as_microsecond(), then, "{}", printed);
        }
    }
}
