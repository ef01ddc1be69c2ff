//! system/systemd-analyze.svg: `systemd-analyze plot`. Of the picture only its words are read: how long the boot took.

use super::words::{find, text};
use super::{Lines, Parsed, Span};

/// How long the node took to boot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Startup {
    /// The line that says so, and seconds from the kernel's start to the last unit; none when the boot had not finished.
    pub seconds: Option<(Span, f64)>,
}

/// `1min 2.345s`, `987ms`, `1h 2min`: seconds.
fn seconds(words: &str) -> Option<f64> {
    let mut sum = 0.0;
    for word in words.split_whitespace() {
        let digits = word.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let value: f64 = word[..digits].parse().ok()?;
        sum += value
            * match &word[digits..] {
                "h" => 3600.0,
                "min" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                "us" => 0.000_001,
                _ => return None,
            };
    }
    Some(sum)
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Startup> {
    let mut parsed = Parsed::new(Startup::default());
    for (span, line) in Lines::new(file) {
        if let Some(at) = find(line, b"Startup finished in ") {
            let said = text(&line[at..]);
            let said = said.split('<').next().unwrap_or_default();
            if let Some(total) = said.rsplit_once("= ").and_then(|(_, total)| seconds(total.trim())) {
                parsed.value.seconds = Some((span, total));
            } else {
                parsed.problem(span, "not the duration of a boot");
            }
        } else if line.starts_with(b"Bootup is not yet finished") || line.starts_with(b"Failed ") {
            parsed.problem(span, "the boot had not finished");
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
        fn what_is_printed_is_parsed_back(minutes in 0..90u32, thousandths in 0..60_000u32) {
            let rest = f64::from(thousandths) / 1000.0;
            let total = if minutes > 0 { format!("{minutes}min {rest:.3}s") } else { format!("{rest:.3}s") };
            let parsed = parse(format!("<svg><text>Startup finished in 1.2s (kernel) + 4.1s (initrd) + 1min 7s (userspace) = {total}</text></svg>\n").as_bytes());
            let (_, seconds) = parsed.value.seconds.unwrap();
            prop_assert!((seconds - f64::from(minutes) * 60.0 - rest).abs() < 1e-6);
        }

        #[test]
        fn any_bytes_are_survived(file in "(Startup finished in )?[ -~\n]{0,100}") {
            parse(file.as_bytes());
        }
    }

    #[test]
    fn a_boot_that_goes_on_has_no_duration() {
        let parsed =
            parse(b"Bootup is not yet finished (org.freedesktop.systemd1.Manager.FinishTimestampMonotonic=0).\n");
        assert_eq!((parsed.value.seconds, parsed.problem_count), (None, 1));
    }
}
