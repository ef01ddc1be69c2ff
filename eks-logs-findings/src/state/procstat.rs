//! system/procstat.txt: /proc/stat (proc(5)).

use super::words::{Words, complaint, number};
use super::{Lines, Parsed, Span};

/// The node since its boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcStat {
    /// The line of all CPUs together.
    pub span: Span,
    /// Ticks of all CPUs: user, nice, system, idle, iowait, irq, softirq, steal.
    pub ticks: [u64; 8],
    /// How many CPUs are online.
    pub cpus: u32,
    /// When the node booted, in seconds since the epoch, and where it says so.
    pub boot: Option<(Span, i64)>,
    /// Processes made since boot.
    pub forks: Option<u64>,
    /// Tasks in uninterruptible wait for I/O, and where it says so.
    pub blocked: Option<(Span, u64)>,
}

impl ProcStat {
    /// Time that the hypervisor took, in percent of all time since boot.
    pub fn steal_percent(&self) -> Option<f64> {
        let total = self.ticks.iter().fold(0u64, |sum, ticks| sum.saturating_add(*ticks));
        (total > 0).then(|| self.ticks[7] as f64 * 100.0 / total as f64)
    }
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<ProcStat> {
    let mut parsed = Parsed::new(ProcStat::default());
    for (span, line) in Lines::new(file) {
        let mut words = Words::new(line);
        let Some(key) = words.next() else { continue };
        let first = words.clone().next();
        let stat = &mut parsed.value;
        let read = match key {
            b"cpu" => {
                stat.span = span;
                let mut read = true;
                for ticks in &mut stat.ticks {
                    match words.next() {
                        Some(word) => match number(word) {
                            Some(count) => *ticks = count,
                            None => read = false,
                        },
                        None => break,
                    }
                }
                read
            }
            b"btime" => first.and_then(number).map(|at| stat.boot = Some((span, at))).is_some(),
            b"processes" => first.and_then(number).map(|count| stat.forks = Some(count)).is_some(),
            b"procs_blocked" => first.and_then(number).map(|count| stat.blocked = Some((span, count))).is_some(),
            b"intr" | b"ctxt" | b"procs_running" | b"softirq" | b"swap" | b"page" => true,
            key => match key.strip_prefix(b"cpu").and_then(number::<u32>) {
                Some(_) => {
                    stat.cpus += 1;
                    true
                }
                None => false,
            },
        };
        if !read {
            parsed.problem(span, complaint(line).unwrap_or("not a line of /proc/stat"));
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
        fn what_is_printed_is_parsed_back(ticks in any::<[u64; 8]>(), cpus in 1..64u32, boot in 0..4_000_000_000i64, forks in any::<u64>(), blocked in any::<u64>()) {
            let words = ticks.map(|ticks| ticks.to_string()).join(" ");
            let mut printed = format!("cpu  {words} 0 0\n");
            for cpu in 0..cpus {
                printed += &format!("cpu{cpu} 1 2 3 4 5 6 7 8 0 0\n");
            }
            printed += &format!("intr 99 0 9\nctxt 5\nbtime {boot}\nprocesses {forks}\nprocs_running 4\nprocs_blocked {blocked}\nsoftirq 4 1\n");
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let told = |span: Span| printed[span.start as usize..span.end as usize].to_owned();
            prop_assert_eq!(told(parsed.value.boot.unwrap().0), format!("btime {boot}"));
            let span = Span::default();
            let back = ProcStat { span, boot: Some((span, parsed.value.boot.unwrap().1)), blocked: Some((span, parsed.value.blocked.unwrap().1)), ..parsed.value };
            prop_assert_eq!(back, ProcStat { span, ticks, cpus, boot: Some((span, boot)), forks: Some(forks), blocked: Some((span, blocked)) });
        }

        #[test]
        fn any_bytes_are_survived(file in "(cpu|btime|x)?[ -~\n]{0,100}") {
            parse(file.as_bytes());
        }
    }

    #[test]
    fn steal_is_a_share_of_all_time() {
        let parsed = parse(b"cpu  10 0 10 60 10 0 0 10 0 0\n");
        assert_eq!(parsed.value.steal_percent(), Some(10.0));
        assert_eq!(ProcStat::default().steal_percent(), None);
    }
}
