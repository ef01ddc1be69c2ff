//! Pressure stall information: /proc/pressure/{cpu,memory,io}, as the node monitoring agent collects it.

use super::words::{Words, complaint, number};
use super::{Lines, Parsed, Span};

/// How much time was lost, in percent of the last ten seconds, minute and five minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    /// Where it stands.
    pub span: Span,
    /// Averages over 10, 60 and 300 seconds.
    pub averages: [f64; 3],
}

/// One resource.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Option<Stall>,
    /// All tasks waited.
    pub full: Option<Stall>,
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Pressure> {
    let mut parsed = Parsed::new(Pressure::default());
    for (span, line) in Lines::new(file) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let words: Vec<&[u8]> = Words::new(line).collect();
        let average = |at: usize, key: &[u8]| words.get(at)?.strip_prefix(key).and_then(number::<f64>);
        let stall = || {
            let averages = [average(1, b"avg10=")?, average(2, b"avg60=")?, average(3, b"avg300=")?];
            Some(Stall { span, averages })
        };
        match (words.first().copied(), stall()) {
            (Some(b"some"), Some(stall)) => parsed.value.some = Some(stall),
            (Some(b"full"), Some(stall)) => parsed.value.full = Some(stall),
            _ => parsed.problem(span, complaint(line).unwrap_or("not a line of /proc/pressure")),
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
        fn what_is_printed_is_parsed_back(some in [0..10_000u32, 0..10_000, 0..10_000], full in [0..10_000u32, 0..10_000, 0..10_000]) {
            let percent = |values: [u32; 3]| values.map(|hundredths| f64::from(hundredths) / 100.0);
            let line = |name: &str, [ten, sixty, more]: [f64; 3]| format!("{name} avg10={ten:.2} avg60={sixty:.2} avg300={more:.2} total=4711\n");
            let printed = line("some", percent(some)) + &line("full", percent(full));
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            prop_assert_eq!(parsed.value.some.unwrap().averages, percent(some));
            prop_assert_eq!(parsed.value.full.unwrap().averages, percent(full));
        }

        #[test]
        fn any_bytes_are_survived(file in "(some|full)?[ -~\n]{0,100}") {
            parse(file.as_bytes());
        }
    }
}
