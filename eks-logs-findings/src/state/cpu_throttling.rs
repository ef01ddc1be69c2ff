//! system/cpu_throttling.txt: cgroups that were held back by their CPU limit: the path of cpu.stat, its lines (cgroup v1 or v2), rows of
//! ps that the collector picks by their first digits (so they may be of other processes), a blank line. The node monitoring agent
//! writes the rows alone.

use super::words::{Words, complaint, find, number, text};
use super::{Lines, Parsed, Span};

/// One cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThrottledCgroup {
    /// The line of its path.
    pub span: Span,
    /// The path of its cpu.stat.
    pub path: String,
    /// Periods in which it could run.
    pub periods: u64,
    /// Periods in which it was held back, and where it says so.
    pub throttled: Option<(Span, u64)>,
    /// How long, in microseconds.
    pub throttled_us: u64,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuThrottling {
    /// The file says in so many words that nothing was held back.
    pub none_found: bool,
    /// Cgroups, in the order of the file.
    pub cgroups: Vec<ThrottledCgroup>,
    /// Rows of ps.
    pub process_rows: u64,
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<CpuThrottling> {
    let mut parsed = Parsed::new(CpuThrottling::default());
    for (span, line) in Lines::new(file) {
        let line = line.trim_ascii();
        let mut words = Words::new(line);
        let Some(first) = words.next() else { continue };
        let value = &mut parsed.value;
        if find(line, b"No CPU Throttling Found").is_some() {
            value.none_found = true;
        } else if line.starts_with(b"/") && line.ends_with(b"cpu.stat") {
            value.cgroups.push(ThrottledCgroup { span, path: text(line), ..ThrottledCgroup::default() });
        } else if let (Some(cgroup), Some(count)) = (value.cgroups.last_mut(), words.next().and_then(number::<u64>)) {
            match first {
                b"nr_periods" => cgroup.periods = count,
                b"nr_throttled" => cgroup.throttled = Some((span, count)),
                b"throttled_usec" => cgroup.throttled_us = count,
                b"throttled_time" => cgroup.throttled_us = count / 1000,
                _ if first.first().is_some_and(u8::is_ascii_lowercase) => {}
                _ => parsed.problem(span, complaint(line).unwrap_or("not a line of cpu.stat")),
            }
        } else if number::<u32>(first).is_some() {
            value.process_rows += 1;
        } else {
            parsed.problem(span, complaint(line).unwrap_or("neither a cgroup nor a row of ps"));
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
        fn what_is_printed_is_parsed_back(cgroups in proptest::collection::vec(("/[a-z0-9_./-]{1,30}/cpu\\.stat", any::<u64>(), any::<u64>(), any::<u64>()), 0..6)) {
            let mut printed = String::new();
            let mut wanted = CpuThrottling::default();
            for (path, periods, throttled, throttled_us) in cgroups {
                printed += &format!("{path}\nusage_usec 1502211874\nuser_usec 1\nnr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec {throttled_us}\nnr_bursts 0\n53871 ?        Dsl   12:40 java\n\n");
                wanted.process_rows += 1;
                let span = Span::default();
                wanted.cgroups.push(ThrottledCgroup { span, path, periods, throttled: Some((span, throttled)), throttled_us });
            }
            let mut parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            for cgroup in &mut parsed.value.cgroups {
                cgroup.span = Span::default();
                cgroup.throttled = cgroup.throttled.map(|(_, count)| (Span::default(), count));
            }
            prop_assert_eq!(parsed.value, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in "[ -~\n]{0,100}") {
            parse(file.as_bytes());
        }
    }

    #[test]
    fn none_and_old_cgroups() {
        assert!(parse(b"No CPU Throttling Found\n").value.none_found);
        let old = parse(b"/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/cpu.stat\nnr_periods 10\nnr_throttled 3\nthrottled_time 20117000\n");
        assert_eq!(old.value.cgroups[0].throttled_us, 20117);
    }
}
