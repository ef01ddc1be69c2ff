//! `iptables --verbose --list` (and `ip6tables`): one table, with counters.
//!
//! The tool shortens counters to `K`, `M`, `G` and `T`, leaves the target's column blank where a rule has none, and ip6tables leaves out the
//! fragment column. The collector appends `=======` and its own count of rules.

use super::{Lines, Parsed, Span};

/// The chains of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IptablesList {
    /// The chains, in the order in which they were printed.
    pub chains: Vec<Chain>,
    /// What the collector counted, and where it says so: without that line the output was cut.
    pub counted: Option<(Span, u64)>,
}

/// A counter, which may have been rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// Its value; of a shortened one the round number.
    pub value: u64,
    /// Whether it was printed in full.
    pub exact: bool,
}

/// What becomes of a packet at the end of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A built-in chain's policy and what ran into it.
    Policy {
        /// `ACCEPT` or `DROP`.
        policy: Box<str>,
        /// Packets.
        packets: Count,
        /// Bytes.
        bytes: Count,
    },
    /// A chain that others jump to, and how many do.
    References(u64),
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its first line.
    pub span: Span,
    /// Its name.
    pub name: Box<str>,
    /// Its policy, or its references.
    pub end: End,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// One rule, in the columns of the listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its line.
    pub span: Span,
    /// Packets that it matched.
    pub packets: Count,
    /// Their bytes.
    pub bytes: Count,
    /// Where they go; `None` for a rule that only counts.
    pub target: Option<Box<str>>,
    /// `all`, `tcp`, `6` ...
    pub protocol: Box<str>,
    /// `*` or `any` for all; `!docker0` for all but one.
    pub in_interface: Box<str>,
    /// As `in_interface`.
    pub out_interface: Box<str>,
    /// An address, a network, or `anywhere`.
    pub source: Box<str>,
    /// As `source`.
    pub destination: Box<str>,
    /// All the rest: comments, matches, the target's options.
    pub rest: Box<str>,
}

impl IptablesList {
    /// The chain of that name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| &*chain.name == name)
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        self.chains.iter().map(|chain| chain.rules.len()).sum()
    }
}

/// Reads the listing of one table.
pub fn parse(text: &[u8]) -> Parsed<IptablesList> {
    let mut parsed = Parsed::new(IptablesList::default());
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with("=====") || trimmed.starts_with("pkts ") {
            continue;
        }
        if let Some(count) = trimmed.strip_prefix("Total Number of Rules: ") {
            parsed.value.counted = count.parse().ok().map(|count| (span, count));
        } else if let Some(rest) = line.strip_prefix("Chain ") {
            match chain(span, rest) {
                Some(chain) => parsed.value.chains.push(chain),
                None => parsed.problem(span, "expected `Chain NAME (policy P n packets, n bytes)` or `(n references)`"),
            }
        } else if line.starts_with("# Warning: ") {
            parsed.problem(span, line.trim_start_matches("# Warning: "));
        } else {
            match (rule(span, line), parsed.value.chains.last_mut()) {
                (Some(rule), Some(chain)) => chain.rules.push(rule),
                (Some(_), None) => parsed.problem(span, "a rule before the first chain"),
                (None, _) => parsed.problem(span, "expected a rule with its counters"),
            }
        }
    }
    parsed
}

/// `FORWARD (policy DROP 2947 packets, 248K bytes)` or `KUBE-MARK-MASQ (9 references)`
fn chain(span: Span, line: &str) -> Option<Chain> {
    let (name, rest) = line.trim_end().split_once(" (")?;
    let rest = rest.strip_suffix(')')?;
    let end = match rest.strip_prefix("policy ") {
        Some(policy) => {
            let mut words = policy.split(' ');
            let policy = words.next()?.into();
            let packets = count(words.next()?)?;
            words.next().filter(|word| *word == "packets,")?;
            End::Policy { policy, packets, bytes: count(words.next()?)? }
        }
        None => End::References(rest.strip_suffix(" references")?.parse().ok()?),
    };
    Some(Chain { span, name: name.into(), end, rules: Vec::new() })
}

/// `492K`, `63M`, `7136`
fn count(text: &str) -> Option<Count> {
    let unit = match text.as_bytes().last()? {
        b'K' => 1_000,
        b'M' => 1_000_000,
        b'G' => 1_000_000_000,
        b'T' => 1_000_000_000_000,
        _ => return Some(Count { value: text.parse().ok()?, exact: true }),
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    Some(Count { value: number.checked_mul(unit)?, exact: false })
}

/// The next word of a line, and what stands behind the blank that ends it.
fn next<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let from = rest.trim_start_matches(' ');
    let (word, after) = from.split_once(' ').unwrap_or((from, ""));
    *rest = after;
    (!word.is_empty()).then_some(word)
}

fn rule(span: Span, line: &str) -> Option<Rule> {
    let mut rest = line;
    let packets = count(next(&mut rest)?)?;
    let bytes = count(next(&mut rest)?)?;
    // One blank ends the counter; another one in the place of the target's first letter means that there is none.
    let target = if rest.starts_with(' ') { None } else { Some(next(&mut rest)?.into()) };
    let protocol = next(&mut rest)?.into();
    let mut in_interface = next(&mut rest)?;
    if matches!(in_interface, "--" | "-f" | "!f") {
        in_interface = next(&mut rest)?;
    }
    Some(Rule {
        span,
        packets,
        bytes,
        target,
        protocol,
        in_interface: in_interface.into(),
        out_interface: next(&mut rest)?.into(),
        source: next(&mut rest)?.into(),
        destination: next(&mut rest)?.into(),
        rest: rest.trim().into(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const FILTER: &str = "\
Chain INPUT (policy ACCEPT 492K packets, 63M bytes)
 pkts bytes target     prot opt in     out     source               destination         
1674K  216M KUBE-FIREWALL  all  --  *      *       0.0.0.0/0            0.0.0.0/0           
    3   180            tcp  --  eth0   !vlan+  10.70.0.0/16         0.0.0.0/0            tcp dpt:22 /* counted */

Chain FORWARD (policy DROP 2947 packets, 248K bytes)
 pkts bytes target     prot opt in     out     source               destination         

Chain KUBE-FORWARD (1 references)
 pkts bytes target     prot opt in     out     source               destination         
    0     0 DROP       6    --  *      *       0.0.0.0/0            0.0.0.0/0            ctstate INVALID
=======
Total Number of Rules: 3
";

    #[test]
    fn a_listing_with_counters() {
        let parsed = parse(FILTER.as_bytes());
        assert_eq!(parsed.problems, []);
        let list = parsed.value;
        assert_eq!((list.rule_count(), list.counted.map(|(_, count)| count)), (3, Some(3)));
        let input = &list.chains[0];
        assert_eq!(input.rules[0].target.as_deref(), Some("KUBE-FIREWALL"));
        assert_eq!(input.rules[0].packets, Count { value: 1_674_000, exact: false });
        assert_eq!(input.rules[1].target, None);
        assert_eq!(&*input.rules[1].out_interface, "!vlan+");
        assert_eq!(&*input.rules[1].rest, "tcp dpt:22 /* counted */");
        let policy = End::Policy {
            policy: "DROP".into(),
            packets: Count { value: 2947, exact: true },
            bytes: Count { value: 248_000, exact: false },
        };
        assert_eq!(list.chain("FORWARD").map(|chain| &chain.end), Some(&policy));
    }

    #[test]
    fn ip6tables_has_no_fragment_column() {
        let text = "Chain OUTPUT (policy ACCEPT 0 packets, 0 bytes)\n pkts bytes target     prot opt in     out     source               destination         \n   12   960 ACCEPT     all      *      lo      ::/0                 fe80::/10           \n";
        let parsed = parse(text.as_bytes());
        let rule = &parsed.value.chains[0].rules[0];
        assert_eq!((&*rule.in_interface, &*rule.out_interface, &*rule.destination), ("*", "lo", "fe80::/10"));
    }

    fn counter() -> impl Strategy<Value = u64> {
        prop_oneof![0..100_000u64, any::<u64>().prop_map(|n| n % 10_000_000_000_000_000)]
    }

    /// As the tool rounds.
    fn short(value: u64) -> (String, Count) {
        let half_up = |value: u64, unit: u64| value / unit + u64::from(value % unit >= unit / 2);
        if value <= 99_999 {
            return (value.to_string(), Count { value, exact: true });
        }
        let mut rounded = value;
        for (letter, unit) in [("K", 1_000u64), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000)] {
            rounded = half_up(rounded, 1_000);
            if rounded <= 9_999 || letter == "T" {
                return (format!("{rounded}{letter}"), Count { value: rounded * unit, exact: false });
            }
        }
        unreachable!()
    }

    fn made() -> impl Strategy<Value = Rule> {
        let interface = || prop_oneof![Just("*".to_owned()), "!?(eth|eni|vlan)[0-9+]"];
        let address =
            || prop_oneof![Just("0.0.0.0/0".to_owned()), any::<core::net::Ipv4Addr>().prop_map(|ip| ip.to_string())];
        let target = prop::option::of("[A-Z][A-Z0-9-]{2,20}");
        let counters = (counter(), counter());
        (counters, target, interface(), interface(), address(), address(), "([a-z/*]{1,5}( [a-z:]{1,5})?)?").prop_map(
            |((packets, bytes), target, input, output, source, destination, rest)| Rule {
                span: Span::default(),
                packets: Count { value: packets, exact: true },
                bytes: Count { value: bytes, exact: true },
                target: target.map(Into::into),
                protocol: "tcp".into(),
                in_interface: input.into(),
                out_interface: output.into(),
                source: source.into(),
                destination: destination.into(),
                rest: rest.into(),
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(rules in prop::collection::vec(made(), 0..6), packets in counter()) {
            let mut text = format!("Chain FORWARD (policy DROP {} packets, 0 bytes)\n", short(packets).0);
            let mut wanted = Vec::new();
            for rule in rules {
                let (packets, bytes) = (short(rule.packets.value), short(rule.bytes.value));
                let line = format!(
                    "{:>5} {:>5} {:<10} {:<4} --  {:<6} {:<7} {:<20} {:<20} {}",
                    packets.0, bytes.0, rule.target.as_deref().unwrap_or(""), rule.protocol, rule.in_interface,
                    rule.out_interface, rule.source, rule.destination, rule.rest
                );
                let start = text.len() as u64;
                let span = Span { start, end: start + line.len() as u64, line: wanted.len() as u64 + 2 };
                text += &(line + "\n");
                wanted.push(Rule { span, packets: packets.1, bytes: bytes.1, ..rule });
            }
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let end = End::Policy { policy: "DROP".into(), packets: short(packets).1, bytes: Count { value: 0, exact: true } };
            prop_assert_eq!(&parsed.value.chains[0].end, &end);
            prop_assert_eq!(&parsed.value.chains[0].rules, &wanted);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(FILTER)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
