//! `ethtool -S` of each interface, headed `Interface X` by the collector.
//!
//! ENA's counters: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-network-performance-ena.html>

use super::{Lines, Parsed, Span};

/// One interface's statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicStatistics {
    /// The line of its name.
    pub span: Span,
    /// Its name; empty where the heading is missing.
    pub name: Box<str>,
    /// Its counters, in order.
    pub counters: Vec<Counter>,
    /// What the tool said instead: `no stats available`.
    pub said: Option<Box<str>>,
}

/// A counter: since the driver was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its line.
    pub span: Span,
    /// Its name.
    pub name: Box<str>,
    /// Its value.
    pub value: u64,
}

impl NicStatistics {
    /// The counter of that name.
    pub fn counter(&self, name: &str) -> Option<&Counter> {
        self.counters.iter().find(|counter| &*counter.name == name)
    }

    /// The sum of the counters of all queues: `queue_N_` and `suffix`; `None` where no queue has it.
    pub fn over_queues(&self, suffix: &str) -> Option<u64> {
        let of_a_queue = |name: &str| {
            let (queue, rest) = name.strip_prefix("queue_")?.split_once('_')?;
            (queue.bytes().all(|byte| byte.is_ascii_digit()) && rest == suffix).then_some(())
        };
        let mut counters = self.counters.iter().filter(|counter| of_a_queue(&counter.name).is_some()).peekable();
        counters.peek()?;
        Some(counters.fold(0, |sum, counter| sum.saturating_add(counter.value)))
    }
}

/// Reads the blocks. The collector appends to what an aborted run left: an interface's last block counts.
pub fn parse(text: &[u8]) -> Parsed<Vec<NicStatistics>> {
    let mut parsed = Parsed::new(Vec::<NicStatistics>::new());
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        let said = line.trim();
        if said.is_empty() || said == "NIC statistics:" {
            continue;
        }
        if let Some(name) = line.strip_prefix("Interface ") {
            let name = name.trim();
            if let Some(at) = parsed.value.iter().position(|known| &*known.name == name) {
                parsed.value.remove(at);
                parsed.problem(span, format!("interface {name} again: an aborted collection left its block above"));
            }
            let counters = Vec::new();
            parsed.value.push(NicStatistics { span, name: name.into(), counters, said: None });
            continue;
        }
        if parsed.value.is_empty() {
            // An excerpt without its heading is still about an interface, whichever it is.
            parsed.value.push(NicStatistics { span, name: "".into(), counters: Vec::new(), said: None });
            parsed.problem(span, "expected `Interface NAME` first");
        }
        let Some(interface) = parsed.value.last_mut() else { continue };
        let counter = said.rsplit_once(':').and_then(|(name, value)| Some((name.trim(), value.trim().parse().ok()?)));
        match counter {
            Some((name, value)) => interface.counters.push(Counter { span, name: name.into(), value }),
            None if line.starts_with([' ', '\t']) => parsed.problem(span, "expected `COUNTER: NUMBER`"),
            None => interface.said = Some(said.into()),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = "\
Interface ens5
NIC statistics:
     bw_in_allowance_exceeded: 271828
     conntrack_allowance_available: 136812
     queue_0_rx_cnt: 1000
     queue_1_rx_cnt: 24
     queue_1_tx_cnt: 5


Interface lo
no stats available


";

    #[test]
    fn counters_by_interface() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let ens5 = &parsed.value[0];
        let counter = ens5.counter("bw_in_allowance_exceeded").unwrap();
        assert_eq!((counter.value, counter.span.line), (271_828, 3));
        assert_eq!((ens5.over_queues("rx_cnt"), ens5.over_queues("rx_drops")), (Some(1024), None));
        assert_eq!(parsed.value[1].said.as_deref(), Some("no stats available"));
    }

    #[test]
    fn the_last_block_of_an_interface_counts() {
        let parsed = parse(("Interface ens5\nNIC statistics:\n     bw_in_allow\n".to_owned() + NODE).as_bytes());
        assert_eq!((parsed.value.len(), parsed.problem_count), (2, 2));
        assert_eq!(parsed.value[0].counters.len(), 5);
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(
            made in prop::collection::btree_map("[a-z]{2,5}[0-9]", prop::collection::vec(("[a-z_]{1,12}", any::<u64>()), 1..8), 0..4)
        ) {
            let mut text = String::new();
            for (name, counters) in &made {
                text += &format!("Interface {name}\nNIC statistics:\n");
                text.extend(counters.iter().map(|(name, value)| format!("     {name}: {value}\n")));
                text += "\n\n";
            }
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: std::collections::BTreeMap<_, _> = parsed.value.iter().map(|i| (i.name.to_string(), i.counters.iter().map(|c| (c.name.to_string(), c.value)).collect::<Vec<_>>())).collect();
            prop_assert_eq!(read, made);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
