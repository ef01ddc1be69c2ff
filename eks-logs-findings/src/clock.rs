//! From printed times to UTC, with how sure that is. The clock of the machine that analyses never takes part.
//!
//! Anchors come from the bundle: the collection's time from its name, or the latest time that any line prints with year and zone; the
//! boot from `btime` or from a message that the kernel printed with both of its clocks.

use jiff::{Timestamp, civil, tz};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::line::Stamp;
use crate::line::stamp::{DAY, SECOND, timestamp};

/// How a time was arrived at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Printed with year and zone.
    Exact,
    /// Printed with a year; the zone follows from lines of the bundle that print both a local time and one with its zone.
    ZoneDerived,
    /// Printed with a year; the zone is assumed to be UTC, as on EKS AMIs.
    ZoneAssumed,
    /// Printed without year and zone: the year follows from the collection's time, the zone as above.
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
    /// How far the node's local time is ahead of UTC, where the bundle tells.
    pub zone: Option<i64>,
}

/// How far a node's local time is ahead of UTC, from one moment printed without year and zone and printed with both; `None` if the two do
/// not differ by whole quarters of an hour.
pub fn zone((local, instant): (i64, i64)) -> Option<i64> {
    const QUARTER: i64 = 900 * SECOND;
    let year = tz::Offset::UTC.to_datetime(timestamp(instant)?).year();
    // Around New Year the local year may be another.
    let ahead = [year - 1, year, year + 1]
        .into_iter()
        .filter_map(|year| Some(in_year(local, year)? - instant))
        .min_by_key(|ahead| ahead.abs())?;
    let zone = (ahead + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    ((ahead - zone).abs() <= 5 * SECOND && zone.abs() <= 14 * 3600 * SECOND).then_some(zone)
}

impl Clock {
    /// The UTC time of a stamp. `years_back` counts the New Years between the stamp and the end of its file; `last` is the last yearless
    /// stamp of the file.
    pub fn resolve(&self, stamp: Stamp, years_back: i16, last: Stamp) -> (Option<Timestamp>, Certainty) {
        let micros = match stamp {
            Stamp::None => None,
            Stamp::Instant(at) => Some((at, Certainty::Exact)),
            Stamp::Local(at) => Some(match self.zone {
                Some(zone) => (at - zone, Certainty::ZoneDerived),
                None => (at, Certainty::ZoneAssumed),
            }),
            Stamp::Uptime(at) => self.boot.map(|boot| (boot + at, Certainty::BootEstimated)),
            Stamp::Yearless(at) => self
                .last_year(if let Stamp::Yearless(last) = last { last } else { at })
                .and_then(|year| in_year(at, year - years_back))
                .map(|at| (at - self.zone.unwrap_or(0), Certainty::YearInferred)),
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
    use crate::line::stamp::{iso, syslog};

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn yearless(text: &str) -> Stamp {
        syslog(text.as_bytes()).unwrap().0
    }

    fn resolved(collected: &str, text: &str, years_back: i16, last: &str) -> String {
        let clock = Clock { collected: Some(at(collected)), ..Clock::default() };
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
    fn the_zone_follows_from_a_moment_that_is_printed_twice() {
        let zone_of = |local: &str, instant: &str| {
            let Stamp::Yearless(local) = yearless(local) else { panic!("{local}") };
            zone((local, at(instant))).map(|zone| zone / SECOND)
        };
        assert_eq!(zone_of("Nov 22 09:00:01", "2026-11-22T07:00:01.5Z"), Some(7200));
        assert_eq!(zone_of("Nov 22 07:00:01", "2026-11-22T07:00:00.9Z"), Some(0));
        assert_eq!(zone_of("Jan  1 05:30:00", "2026-12-31T23:59:59.9Z"), Some(19_800));
        assert_eq!(zone_of("Dec 31 16:00:00", "2027-01-01T00:00:00Z"), Some(-28_800));
        assert_eq!(zone_of("Nov 22 07:07:01", "2026-11-22T07:00:01Z"), None, "seven minutes are no zone");
        let clock = Clock { collected: Some(at("2026-11-22T08:00:00Z")), boot: None, zone: Some(7200 * SECOND) };
        let told = clock.resolve(yearless("Nov 22 09:00:01"), 0, Stamp::None).0.unwrap();
        assert_eq!(told.to_string(), "2026-11-22T07:00:01Z");
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
            let clock = Clock { collected: Some(collected * SECOND), ..Clock::default() };
            let (found, _) = clock.resolve(stamp, 0, stamp);
            prop_assert_eq!(found.unwrap().as_microsecond(), then, "{}", printed);
        }
    }
}
