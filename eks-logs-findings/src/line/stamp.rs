//! Times as lines print them, before anything is known about year, zone or boot.

use jiff::{Timestamp, civil, tz};

/// Microseconds of one second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds of one day.
pub const DAY: i64 = 86_400 * SECOND;
/// The leap year in which yearless dates are kept until their year is known.
pub(crate) const NO_YEAR: i16 = 2000;

/// A time as it stands in a line. All values are microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stamp {
    /// The line prints no time.
    #[default]
    None,
    /// Date, time and zone are printed: since the Unix epoch.
    Instant(i64),
    /// Date and time with a year, but no zone: since the epoch, as if the zone were UTC.
    Local(i64),
    /// Month, day and time, no year and no zone (syslog, journald's short form, klog): since the epoch, as if the year were 2000.
    Yearless(i64),
    /// Time since boot (dmesg).
    Uptime(i64),
}

/// Two ASCII digits.
fn two(bytes: &[u8], at: usize) -> Option<i8> {
    let (a, b) = (bytes.get(at)?.wrapping_sub(b'0'), bytes.get(at + 1)?.wrapping_sub(b'0'));
    (a < 10 && b < 10).then(|| (a * 10 + b) as i8)
}

fn four(bytes: &[u8], at: usize) -> Option<i16> {
    Some(i16::from(two(bytes, at)?) * 100 + i16::from(two(bytes, at + 2)?))
}

/// Digits behind a decimal point or comma, as microseconds, and how many bytes they take.
fn fraction(bytes: &[u8]) -> (i64, usize) {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let places = bytes[..digits].iter().map(|digit| i64::from(digit - b'0')).chain(std::iter::repeat(0));
    (places.take(6).fold(0, |micros, digit| micros * 10 + digit), digits)
}

fn micros(year: i16, month: i8, day: i8, hour: i8, minute: i8, second: i8) -> Option<i64> {
    // A leap second is the last second of its minute.
    let at = civil::DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()?;
    Some(tz::Offset::UTC.to_timestamp(at).ok()?.as_second() * SECOND)
}

/// The month of a three-letter English name.
fn month(name: &[u8]) -> Option<i8> {
    const NAMES: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    Some(NAMES.iter().position(|known| known.as_slice() == name)? as i8 + 1)
}

/// `hh:mm:ss`, as its three parts.
fn clock(bytes: &[u8], at: usize) -> Option<(i8, i8, i8)> {
    (bytes.get(at + 2) == Some(&b':') && bytes.get(at + 5) == Some(&b':')).then_some(())?;
    Some((two(bytes, at)?, two(bytes, at + 3)?, two(bytes, at + 6)?))
}

/// A day of one or two places, right-aligned with a space or a zero.
fn day(bytes: &[u8], at: usize) -> Option<i8> {
    if bytes.get(at) == Some(&b' ') {
        let digit = bytes.get(at + 1)?.wrapping_sub(b'0');
        return (digit < 10).then_some(digit as i8);
    }
    two(bytes, at)
}

/// `Nov 22 07:00:01`, with or without `.123456`. Returns the stamp and its length in bytes.
pub fn syslog(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let month = month(bytes.get(..3)?)?;
    let (hour, minute, second) = clock(bytes, 7)?;
    (bytes[3] == b' ' && bytes[6] == b' ').then_some(())?;
    let whole = micros(NO_YEAR, month, day(bytes, 4)?, hour, minute, second)?;
    let (fraction, length) = match bytes.get(15) {
        Some(b'.') => {
            let (micros, digits) = fraction(&bytes[16..]);
            (micros, 16 + digits)
        }
        _ => (0, 15),
    };
    Some((Stamp::Yearless(whole + fraction), length))
}

/// klog's `I1122 07:00:01.123456`. Returns the stamp and its length in bytes.
pub fn klog(bytes: &[u8]) -> Option<(Stamp, usize)> {
    matches!(bytes.first()?, b'I' | b'W' | b'E' | b'F').then_some(())?;
    (bytes.get(5) == Some(&b' ') && bytes.get(14) == Some(&b'.')).then_some(())?;
    let (hour, minute, second) = clock(bytes, 6)?;
    let whole = micros(NO_YEAR, two(bytes, 1)?, two(bytes, 3)?, hour, minute, second)?;
    let (fraction, digits) = fraction(&bytes[15..]);
    Some((Stamp::Yearless(whole + fraction), 15 + digits))
}

/// RFC 3339 and its relatives: `2026-11-22T07:00:01.123456Z`, `...+0000`, `2026-11-22 07:00:01,123` (no zone). Returns the stamp and
/// its length in bytes.
pub fn iso(bytes: &[u8]) -> Option<(Stamp, usize)> {
    (bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-') && matches!(bytes.get(10)?, b'T' | b' '))
        .then_some(())?;
    let (hour, minute, second) = clock(bytes, 11)?;
    let mut at = micros(four(bytes, 0)?, two(bytes, 5)?, two(bytes, 8)?, hour, minute, second)?;
    let mut length = 19;
    if matches!(bytes.get(length), Some(b'.' | b',')) {
        let (micros, digits) = fraction(&bytes[length + 1..]);
        at += micros;
        length += 1 + digits;
    }
    match bytes.get(length) {
        Some(b'Z') => Some((Stamp::Instant(at), length + 1)),
        Some(sign @ (b'+' | b'-')) => {
            let colon = usize::from(bytes.get(length + 3) == Some(&b':'));
            let offset = i64::from(two(bytes, length + 1)?) * 3600 + i64::from(two(bytes, length + 3 + colon)?) * 60;
            let offset = if *sign == b'+' { offset } else { -offset };
            Some((Stamp::Instant(at - offset * SECOND), length + 5 + colon))
        }
        _ => Some((Stamp::Local(at), length)),
    }
}

/// dmesg's `[12345.678901]` or `[Sun Nov 22 07:00:01 2026]`. Returns the stamp and its length in bytes, brackets included.
pub fn dmesg(bytes: &[u8]) -> Option<(Stamp, usize)> {
    (bytes.first() == Some(&b'[')).then_some(())?;
    if bytes.get(1)?.is_ascii_uppercase() {
        let month = month(bytes.get(5..8)?)?;
        let (hour, minute, second) = clock(bytes, 12)?;
        (bytes.get(25) == Some(&b']')).then_some(())?;
        let at = micros(four(bytes, 21)?, month, day(bytes, 9)?, hour, minute, second)?;
        return Some((Stamp::Local(at), 26));
    }
    let blank = bytes[1..].iter().take_while(|byte| **byte == b' ').count();
    let digits = bytes[1 + blank..].iter().take(12).take_while(|byte| byte.is_ascii_digit()).count();
    let point = 1 + blank + digits;
    (digits > 0 && bytes.get(point) == Some(&b'.')).then_some(())?;
    let seconds = bytes[1 + blank..point].iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let (micros, places) = fraction(&bytes[point + 1..]);
    (bytes.get(point + 1 + places) == Some(&b']')).then_some(())?;
    Some((Stamp::Uptime(seconds * SECOND + micros), point + 2 + places))
}

/// A Unix time with a fraction, in seconds as zap's old encoder writes it (`1763794801.1234567`) or in milliseconds as klog's JSON does
/// (`1763794801123.4567`).
pub fn epoch(bytes: &[u8]) -> Option<Stamp> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unit = match digits {
        10 => SECOND,
        13 => SECOND / 1000,
        _ => return None,
    };
    let whole = bytes[..digits].iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let micros = if bytes.get(digits) == Some(&b'.') { fraction(&bytes[digits + 1..]).0 } else { 0 };
    Some(Stamp::Instant(whole * unit + micros * unit / SECOND))
}

/// A point in time from microseconds since the epoch.
pub(crate) fn timestamp(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(stamp: Stamp) -> String {
        match stamp {
            Stamp::Instant(at) | Stamp::Local(at) | Stamp::Yearless(at) => timestamp(at).unwrap().to_string(),
            Stamp::Uptime(at) => format!("{at} us"),
            Stamp::None => "none".to_owned(),
        }
    }

    #[test]
    fn every_form_of_the_layout() {
        let check = |(stamp, length): (Stamp, usize), want: &str, bytes: usize| {
            assert_eq!((shown(stamp).as_str(), length), (want, bytes));
        };
        check(syslog(b"Nov  2 07:00:01 host").unwrap(), "2000-11-02T07:00:01Z", 15);
        check(syslog(b"Feb 29 23:59:60 host").unwrap(), "2000-02-29T23:59:59Z", 15);
        check(syslog(b"Nov 22 07:00:01.123456 host").unwrap(), "2000-11-22T07:00:01.123456Z", 22);
        check(klog(b"E1122 07:00:01.123456    1234 a.go:1] x").unwrap(), "2000-11-22T07:00:01.123456Z", 21);
        check(iso(b"2026-11-22T07:00:01.123456789Z stdout").unwrap(), "2026-11-22T07:00:01.123456Z", 30);
        check(iso(b"2026-11-22T07:00:01.123456+0130 host").unwrap(), "2026-11-22T05:30:01.123456Z", 31);
        check(iso(b"2026-11-22T07:00:01-08:00").unwrap(), "2026-11-22T15:00:01Z", 25);
        check(iso(b"2026-11-22 07:00:01,123 - util.py").unwrap(), "2026-11-22T07:00:01.123Z", 23);
        check(dmesg(b"[   12.345678] x").unwrap(), "12345678 us", 14);
        check(dmesg(b"[7438238.617430] x").unwrap(), "7438238617430 us", 16);
        check(dmesg(b"[Sun Nov 22 07:00:01 2026] x").unwrap(), "2026-11-22T07:00:01Z", 26);
        check(dmesg(b"[Tue Mar  5 04:57:44 2019] x").unwrap(), "2019-03-05T04:57:44Z", 26);
        assert_eq!(epoch(b"1763794801.25,").unwrap(), Stamp::Instant(1_763_794_801_250_000));
        assert_eq!(epoch(b"1763794801250.125,").unwrap(), Stamp::Instant(1_763_794_801_250_125));
    }

    #[test]
    fn what_only_looks_like_a_time_is_none() {
        for bad in ["Nov 32 07:00:01 h", "Foo 22 07:00:01 h", "Nov 22 07-00-01 h", "Nov 22 25:00:01 h", "Nov"] {
            assert_eq!(syslog(bad.as_bytes()), None, "{bad}");
        }
        for bad in ["[28438]     0 28438", "[ pid ]   uid", "[cpumanager] init", "[", "[1.5", "[99999999999999999.1] x"]
        {
            assert_eq!(dmesg(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(iso(b"2026-13-22T07:00:01Z"), None);
        assert_eq!(epoch(b"12345678901"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for parse in [syslog, klog, iso, dmesg] {
                if let Some((_, length)) = parse(&bytes) {
                    prop_assert!(length <= bytes.len());
                }
            }
            epoch(&bytes);
        }

        #[test]
        fn what_jiff_prints_is_read_back(second in 0_i64..4_000_000_000, micro in 0_i64..1_000_000) {
            let at = second * SECOND + micro;
            let text = timestamp(at).unwrap().to_string();
            prop_assert_eq!(iso(text.as_bytes()), Some((Stamp::Instant(at), text.len())));
        }
    }
}
