//! `ip rule show` and `ip -6 rule show`: which routing table a packet is looked up in.

use core::net::IpAddr;
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

use super::{Lines, Parsed, Span};

/// A routing table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteTable {
    /// `main`, 254.
    Main,
    /// `local`, 255.
    Local,
    /// `default`, 253.
    Default,
    /// Any other number; the VPC CNI numbers those of secondary interfaces from 2 and those of branch interfaces from 101.
    Number(u32),
    /// A name of `/etc/iproute2/rt_tables`.
    Named(Box<str>),
}

impl FromStr for RouteTable {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "main" | "254" => Self::Main,
            "local" | "255" => Self::Local,
            "default" | "253" => Self::Default,
            _ => text.parse().map_or_else(|_| Self::Named(text.into()), Self::Number),
        })
    }
}

impl fmt::Display for RouteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("main"),
            Self::Local => f.write_str("local"),
            Self::Default => f.write_str("default"),
            Self::Number(number) => number.fmt(f),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// What a rule does with a packet that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Looks it up in a table.
    Lookup(RouteTable),
    /// Something else, as printed: `blackhole`, `unreachable`, `prohibit`, `goto 100`, `nop`.
    Other(Box<str>),
}

/// A mark and which bits of it are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The mark.
    pub mark: u32,
    /// The bits; all where none were printed.
    pub mask: u32,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpRule {
    /// Its line.
    pub span: Span,
    /// Its priority: the lowest is looked at first.
    pub priority: u32,
    /// Whether it applies to all that does not match.
    pub negated: bool,
    /// Whose packets; `None` for `all`.
    pub from: Option<IpNet>,
    /// Packets to whom; `None` for all.
    pub to: Option<IpNet>,
    /// Packets with this mark.
    pub mark: Option<Mark>,
    /// Packets that came in by this interface.
    pub input: Option<Box<str>>,
    /// Packets that are to leave by this interface.
    pub output: Option<Box<str>>,
    /// What is done.
    pub action: Action,
    /// Conditions and options that are none of these, as printed.
    pub other: Box<str>,
}

impl IpRule {
    /// The table that it looks up.
    pub fn table(&self) -> Option<&RouteTable> {
        match &self.action {
            Action::Lookup(table) => Some(table),
            Action::Other(_) => None,
        }
    }

    /// The one address it is about, if its source is one.
    pub fn from_host(&self) -> Option<IpAddr> {
        self.from.and_then(host)
    }

    /// The one address it is about, if its destination is one.
    pub fn to_host(&self) -> Option<IpAddr> {
        self.to.and_then(host)
    }
}

/// The address of a network that holds no other.
pub(super) fn host(network: IpNet) -> Option<IpAddr> {
    (network.prefix_len() == network.max_prefix_len()).then(|| network.addr())
}

/// `10.70.0.0/16`, or `10.70.3.4` for one address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Reads the rules.
pub fn parse(text: &[u8]) -> Parsed<Vec<IpRule>> {
    let mut parsed = Parsed::new(Vec::new());
    for (span, line) in Lines::new(text) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match std::str::from_utf8(line).ok().and_then(|line| rule(span, line)) {
            Some(rule) => parsed.value.push(rule),
            None => parsed.problem(span, "expected `PRIORITY: from ... lookup TABLE`"),
        }
    }
    parsed
}

fn rule(span: Span, line: &str) -> Option<IpRule> {
    let (priority, rest) = line.split_once(':')?;
    let mut words = rest.split_ascii_whitespace().peekable();
    let mut action = None;
    let mut other = String::new();
    let negated = words.next_if_eq(&"not").is_some();
    words.next().filter(|word| *word == "from")?;
    let from = words.next()?;
    let mut rule = IpRule {
        span,
        priority: priority.trim().parse().ok()?,
        negated,
        from: if from == "all" { None } else { Some(network(from)?) },
        to: None,
        mark: None,
        input: None,
        output: None,
        action: Action::Other("".into()),
        other: "".into(),
    };
    while let Some(word) = words.next() {
        match word {
            "to" => rule.to = Some(network(words.next()?)?),
            "fwmark" => rule.mark = Some(mark(words.next()?)?),
            "iif" => rule.input = Some(words.next()?.into()),
            "oif" => rule.output = Some(words.next()?.into()),
            "lookup" => action = words.next()?.parse().ok().map(Action::Lookup),
            "blackhole" | "unreachable" | "prohibit" | "nop" => action = Some(Action::Other(word.into())),
            "goto" => action = Some(Action::Other(format!("goto {}", words.next()?).into())),
            _ => {
                if !other.is_empty() {
                    other.push(' ');
                }
                other.push_str(word);
            }
        }
    }
    // A line that was cut has no action: what is left of it is not a rule.
    rule.action = action?;
    rule.other = other.into();
    Some(rule)
}

/// `0x80/0x80`
fn mark(text: &str) -> Option<Mark> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    let (mark, mask) = text.split_once('/').map_or((text, None), |(mark, mask)| (mark, Some(mask)));
    Some(Mark { mark: number(mark)?, mask: mask.map_or(Some(u32::MAX), number)? })
}

#[cfg(test)]
pub(super) mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = "\
0:\tfrom all lookup local
10:\tfrom all iif vlan.eth.1 lookup 101
512:\tfrom all to 10.70.36.22 lookup main
1024:\tfrom all fwmark 0x80/0x80 lookup main
1536:      from 10.70.40.40 to 10.70.0.0/16 lookup 2
30400:\tnot from all fwmark 0x4 lookup 30400 suppress_prefixlength 0 proto static
32000:\tfrom all to 10.9.0.0/16 unreachable
32766:\tfrom all lookup main
";

    #[test]
    fn the_rules_of_a_node() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let rules = parsed.value;
        assert_eq!(rules[1].input.as_deref(), Some("vlan.eth.1"));
        assert_eq!(rules[2].to_host(), Some([10, 70, 36, 22].into()));
        assert_eq!(rules[3].mark, Some(Mark { mark: 0x80, mask: 0x80 }));
        assert_eq!(rules[4].from_host(), Some([10, 70, 40, 40].into()));
        assert_eq!(rules[4].to_host(), None);
        assert_eq!(rules[4].table(), Some(&RouteTable::Number(2)));
        assert!(rules[5].negated);
        assert_eq!(&*rules[5].other, "suppress_prefixlength 0 proto static");
        assert_eq!(rules[6].action, Action::Other("unreachable".into()));
        assert_eq!(rules[4].span.line, 5);
    }

    #[test]
    fn a_rule_that_was_cut_is_none() {
        let parsed = parse(b"512:\tfrom all to 10.70.36.22 lookup main\n512:\tfrom all to 10.70.3\n");
        assert_eq!((parsed.value.len(), parsed.problem_count), (1, 1));
        assert_eq!(parsed.problems[0].span.line, 2);
    }

    pub(in crate::state) fn table() -> impl Strategy<Value = RouteTable> {
        prop_oneof![
            Just(RouteTable::Main),
            Just(RouteTable::Local),
            Just(RouteTable::Default),
            (0..250u32).prop_map(RouteTable::Number),
            "[a-z]{3,6}_x".prop_map(|name| RouteTable::Named(name.into())),
        ]
    }

    pub(in crate::state) fn any_network() -> impl Strategy<Value = IpNet> {
        let four =
            (any::<Ipv4Addr>(), 0..=32u8).prop_map(|(ip, length)| IpNet::new(ip.into(), length).unwrap().trunc());
        let six =
            (any::<Ipv6Addr>(), 0..=128u8).prop_map(|(ip, length)| IpNet::new(ip.into(), length).unwrap().trunc());
        prop_oneof![four, six]
    }

    /// As iproute2 prints it: one address without its length.
    pub(in crate::state) fn printed(network: IpNet) -> String {
        host(network).map_or_else(|| network.to_string(), |ip| ip.to_string())
    }

    fn made() -> impl Strategy<Value = IpRule> {
        let action = prop_oneof![
            table().prop_map(Action::Lookup),
            "blackhole|unreachable|prohibit|nop|goto 7".prop_map(|what| Action::Other(what.into())),
        ];
        let mark = prop::option::of((any::<u32>(), any::<u32>()).prop_map(|(mark, mask)| Mark { mark, mask }));
        let interface = || prop::option::of("[a-z]{1,4}[0-9]".prop_map(Into::into));
        let ends = (prop::option::of(any_network()), prop::option::of(any_network()));
        (any::<u32>(), any::<bool>(), ends, mark, interface(), interface(), action).prop_map(
            |(priority, negated, (from, to), mark, input, output, action)| IpRule {
                span: Span::default(),
                priority,
                negated,
                from,
                to,
                mark,
                input,
                output,
                action,
                other: "".into(),
            },
        )
    }

    fn print(rule: &IpRule) -> String {
        let from = rule.from.map_or_else(|| "all".to_owned(), printed);
        let mut line = format!("{}:\t{}from {from} ", rule.priority, if rule.negated { "not " } else { "" });
        line += &rule.to.map(|to| format!("to {} ", printed(to))).unwrap_or_default();
        line += &match rule.mark {
            Some(Mark { mark, mask: u32::MAX }) => format!("fwmark {mark:#x} "),
            Some(Mark { mark, mask }) => format!("fwmark {mark:#x}/{mask:#x} "),
            None => String::new(),
        };
        line += &rule.input.as_ref().map(|name| format!("iif {name} ")).unwrap_or_default();
        line += &rule.output.as_ref().map(|name| format!("oif {name} ")).unwrap_or_default();
        match &rule.action {
            Action::Lookup(table) => line + &format!("lookup {table} "),
            Action::Other(what) => line + what,
        }
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(rules in prop::collection::vec(made(), 0..8)) {
            let text: String = rules.iter().map(|rule| print(rule) + "\n").collect();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.into_iter().map(|rule| IpRule { span: Span::default(), ..rule }).collect();
            prop_assert_eq!(read, rules);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
