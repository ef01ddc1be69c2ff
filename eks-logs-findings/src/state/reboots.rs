//! system/last_reboot.txt: `last reboot` (util-linux, sysvinit): the boots that wtmp knows, the newest first, to the minute and without a
//! year; the last line says when wtmp begins, with the year.

use super::words::{Words, complaint, number, text};
use super::{Lines, Parsed, Span};

/// How a boot ended, as far as wtmp knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No end is recorded. The newest boot runs; an older one ended without a shutdown.
    Open,
    /// `last` itself says that it crashed.
    Crash,
    /// It lasted so many minutes, until the shutdown or until the next boot.
    After(u64),
}

/// One boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Where it stands.
    pub span: Span,
    /// The kernel, cut to sixteen characters.
    pub kernel: String,
    /// The year, counted from the one in which wtmp begins.
    pub year: Option<i16>,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day of the month.
    pub day: u8,
    /// The hour, in the node's zone.
    pub hour: u8,
    /// The minute.
    pub minute: u8,
    /// How it ended.
    pub end: End,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reboots {
    /// Boots, the newest first.
    pub boots: Vec<Boot>,
    /// The year in which wtmp begins.
    pub begins: Option<i16>,
}

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

fn month(word: &[u8]) -> Option<u8> {
    MONTHS.iter().position(|month| *month == word).and_then(|at| u8::try_from(at + 1).ok())
}

fn clock(word: &[u8]) -> Option<(u8, u8)> {
    let colon = word.iter().position(|byte| *byte == b':')?;
    let (hour, minute) = (number(&word[..colon])?, number(word.get(colon + 1..colon + 3)?)?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

/// `(1+02:03)`, `(02:03)`: minutes.
fn duration(word: &[u8]) -> Option<u64> {
    let word = std::str::from_utf8(word.strip_prefix(b"(")?.strip_suffix(b")")?).ok()?;
    let (days, time) = word.split_once('+').unwrap_or(("0", word));
    let (hours, minutes) = time.split_once(':')?;
    let minutes: u32 = minutes.parse().ok()?;
    Some(u64::from(days.parse::<u32>().ok()?) * 1440 + u64::from(hours.parse::<u32>().ok()?) * 60 + u64::from(minutes))
}

fn boot(span: Span, words: &[&[u8]]) -> Option<Boot> {
    let date = words.windows(4).position(|words| {
        month(words[1]).is_some()
            && number::<u8>(words[2]).is_some_and(|day| (1..=31).contains(&day))
            && clock(words[3]).is_some()
    })?;
    let (hour, minute) = clock(words[date + 3])?;
    let end = match &words[date + 4..] {
        [b"still", b"running"] | [b"gone", ..] | [b"-"] | [] => End::Open,
        [b"-", b"crash", ..] => End::Crash,
        [b"-", .., lasted] => End::After(duration(lasted)?),
        _ => return None,
    };
    let kernel = words.get(3..date).unwrap_or_default().first().map_or_else(String::new, |kernel| text(kernel));
    Some(Boot {
        span,
        kernel,
        year: None,
        month: month(words[date + 1])?,
        day: number(words[date + 2])?,
        hour,
        minute,
        end,
    })
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Reboots> {
    let mut parsed = Parsed::new(Reboots::default());
    for (span, line) in Lines::new(file) {
        let words: Vec<&[u8]> = Words::new(line).collect();
        match words[..] {
            [] => {}
            [b"reboot", b"system", b"boot", ..] => match boot(span, &words) {
                Some(boot) => parsed.value.boots.push(boot),
                None => parsed.problem(span, "not the date of a boot"),
            },
            [_, b"begins", .., year] => parsed.value.begins = number(year),
            _ => parsed.problem(span, complaint(line).unwrap_or("not a row of last")),
        }
    }
    // Years grow from the oldest boot on: where the date goes back, a year has passed.
    if let Some(mut year) = parsed.value.begins {
        let mut before = (0, 0);
        for boot in parsed.value.boots.iter_mut().rev() {
            year += i16::from((boot.month, boot.day) < before);
            before = (boot.month, boot.day);
            boot.year = Some(year);
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(rows in proptest::collection::vec(("[0-9]\\.[0-9]{1,2}\\.[0-9]{1,3}-[0-9]{2}", 1..=12u8, 1..=31u8, 0..24u8, 0..60u8, proptest::option::of(0..99_999u64), any::<bool>()), 0..6)) {
            let mut printed = String::new();
            let mut wanted = Vec::new();
            for (kernel, month, day, hour, minute, lasted, crash) in rows {
                let name = text(MONTHS[usize::from(month) - 1]);
                let (end, tail) = match lasted {
                    Some(minutes) if minutes >= 1440 => (End::After(minutes), format!("- 09:15 ({}+{:02}:{:02})", minutes / 1440, minutes / 60 % 24, minutes % 60)),
                    Some(minutes) => (End::After(minutes), format!("- 09:15  ({:02}:{:02})", minutes / 60, minutes % 60)),
                    None if crash => (End::Crash, "- crash".to_owned()),
                    None => (End::Open, "  still running".to_owned()),
                };
                printed += &format!("reboot   system boot  {kernel:<16} Wed {name} {day:>2} {hour:02}:{minute:02} {tail}\n");
                wanted.push(Boot { span: Span::default(), kernel, year: None, month, day, hour, minute, end });
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.boots.into_iter().map(|boot| Boot { span: Span::default(), ..boot }).collect();
            prop_assert_eq!(back, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in "(reboot   system boot )?[ -~\n]{0,100}") {
            parse(file.as_bytes());
        }
    }

    #[test]
    fn years_are_counted_from_where_wtmp_begins() {
        let parsed = parse(b"reboot   system boot  6.12.40-64.114.a Fri Jan  2 08:00   still running\nreboot   system boot  6.12.40-64.114.a Wed Nov 18 21:00 - 07:59 (44+10:59)\n\nwtmp begins Wed Nov 18 21:00:11 2026\n");
        assert_eq!(parsed.problem_count, 0);
        assert_eq!(parsed.value.boots.iter().map(|boot| boot.year).collect::<Vec<_>>(), [Some(2027), Some(2026)]);
        assert_eq!(parsed.value.boots[1].end, End::After(44 * 1440 + 10 * 60 + 59));
    }
}
