//! `ip route show table all` and `ip -6 route show table all`.

use core::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::ip_rule::{RouteTable, host, network};
use super::{Lines, Parsed, Span};

/// What a route does with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteKind {
    /// Sends it on: the kind that is not printed.
    #[default]
    Unicast,
    /// Takes it: an address of the node.
    Local,
    /// Takes it: a broadcast address.
    Broadcast,
    /// Takes it: one of several nodes' address.
    Anycast,
    /// Sends it to a group.
    Multicast,
    /// Drops it in silence.
    Blackhole,
    /// Refuses it: host unreachable.
    Unreachable,
    /// Refuses it: administratively prohibited.
    Prohibit,
    /// Ends the look-up in this table.
    Throw,
}

impl RouteKind {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "unicast" => Self::Unicast,
            "local" => Self::Local,
            "broadcast" => Self::Broadcast,
            "anycast" => Self::Anycast,
            "multicast" => Self::Multicast,
            "blackhole" => Self::Blackhole,
            "unreachable" => Self::Unreachable,
            "prohibit" => Self::Prohibit,
            "throw" => Self::Throw,
            _ => return None,
        })
    }
}

/// One way of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextHop {
    /// The gateway.
    pub via: Option<IpAddr>,
    /// The interface.
    pub device: Option<Box<str>>,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its line; of one with several ways the first.
    pub span: Span,
    /// What it does.
    pub kind: RouteKind,
    /// Where it leads: `default` is all addresses.
    pub destination: IpNet,
    /// The table it stands in; `main` is not printed.
    pub table: RouteTable,
    /// Its ways; more than one is multipath.
    pub hops: Vec<NextHop>,
    /// Who made it: `kernel`, `dhcp`, `ra`, `static`, `boot`.
    pub protocol: Option<Box<str>>,
    /// `link`, `host`; a scope that is not printed is global.
    pub scope: Option<Box<str>>,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// The lower, the better.
    pub metric: Option<u32>,
    /// Flags and options that are none of these, as printed: `onlink`, `linkdown`, `mtu 1500`, `pref medium`.
    pub other: Box<str>,
}

impl Route {
    /// Whether it is a way to everywhere.
    pub fn is_default(&self) -> bool {
        self.destination.prefix_len() == 0 && self.kind == RouteKind::Unicast
    }

    /// The one address that it leads to, if it is one.
    pub fn host(&self) -> Option<IpAddr> {
        host(self.destination)
    }

    /// The interface of its first way.
    pub fn device(&self) -> Option<&str> {
        self.hops.first().and_then(|hop| hop.device.as_deref())
    }

    /// Whether the kernel marks its interface as without carrier.
    pub fn is_down(&self) -> bool {
        self.other.split(' ').any(|word| matches!(word, "linkdown" | "dead"))
    }
}

/// Reads the routes of one family. `default` alone does not tell the family: its gateway, its source or the other routes do.
///
/// The collector appends to what an aborted run left. No table prints one route twice, so where the first one comes again, a newer run
/// starts, and the older is left out.
pub fn parse(text: &[u8]) -> Parsed<Vec<Route>> {
    let mut parsed = Parsed::new(Vec::<Route>::new());
    let mut first: Option<&[u8]> = None;
    let mut unknown = Vec::new();
    for (span, line) in Lines::new(text) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if first == Some(line) {
            parsed.value.clear();
            unknown.clear();
            parsed.problem(span, "an earlier, aborted collection left its routes above; those from here on count");
        }
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        if line.starts_with([' ', '\t']) {
            match (hop(line), parsed.value.last_mut()) {
                (Some(hop), Some(route)) => {
                    if route.hops.last().is_some_and(|last| *last == NextHop::default()) {
                        route.hops.pop();
                    }
                    route.hops.push(hop);
                }
                _ => parsed.problem(span, "expected `nexthop via GATEWAY dev INTERFACE` after its route"),
            }
            continue;
        }
        match route(span, line) {
            Some((route, known)) => {
                if first.is_none() {
                    first = Some(line.as_bytes());
                }
                if !known {
                    unknown.push(parsed.value.len());
                }
                parsed.value.push(route);
            }
            None => parsed.problem(span, "expected a route: `NETWORK via GATEWAY dev INTERFACE ...`"),
        }
    }
    let routes = &mut parsed.value;
    let six = routes.iter().enumerate().any(|(at, route)| !unknown.contains(&at) && route.destination.addr().is_ipv6());
    for at in unknown {
        let hop = routes[at].hops.iter().find_map(|hop| hop.via);
        if hop.map_or(six, |via| via.is_ipv6()) {
            routes[at].destination = IpNet::V6(Ipv6Net::default());
        }
    }
    parsed
}

/// `nexthop via 10.70.0.1 dev ens5 weight 1`
fn hop(line: &str) -> Option<NextHop> {
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|word| *word == "nexthop")?;
    let mut hop = NextHop::default();
    while let Some(word) = words.next() {
        match word {
            "via" => hop.via = gateway(&mut words),
            "dev" => hop.device = words.next().map(Into::into),
            _ => {}
        }
    }
    Some(hop)
}

/// The gateway behind `via`; one of the other family has it named before it.
fn gateway<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<IpAddr> {
    let word = words.next()?;
    if matches!(word, "inet" | "inet6") { words.next()?.parse().ok() } else { word.parse().ok() }
}

/// A route, and whether its family is known.
fn route(span: Span, line: &str) -> Option<(Route, bool)> {
    let mut words = line.split_ascii_whitespace();
    let mut word = words.next()?;
    let kind = RouteKind::named(word);
    if kind.is_some() {
        word = words.next()?;
    }
    let mut known = word != "default";
    let destination = if known { network(word)? } else { IpNet::V4(Ipv4Net::default()) };
    let mut route = Route {
        span,
        kind: kind.unwrap_or_default(),
        destination,
        table: RouteTable::Main,
        hops: vec![NextHop::default()],
        protocol: None,
        scope: None,
        source: None,
        metric: None,
        other: "".into(),
    };
    let mut other = String::new();
    while let Some(word) = words.next() {
        match word {
            "via" => route.hops[0].via = Some(gateway(&mut words)?),
            "dev" => route.hops[0].device = Some(words.next()?.into()),
            "table" => route.table = words.next()?.parse().ok()?,
            "proto" => route.protocol = Some(words.next()?.into()),
            "scope" => route.scope = Some(words.next()?.into()),
            "src" => route.source = Some(words.next()?.parse().ok()?),
            "metric" => route.metric = Some(words.next()?.parse().ok()?),
            _ => {
                if !other.is_empty() {
                    other.push(' ');
                }
                other.push_str(word);
            }
        }
    }
    route.other = other.into();
    if !known && route.source.is_some_and(|source| source.is_ipv6()) {
        (route.destination, known) = (IpNet::V6(Ipv6Net::default()), true);
    }
    Some((route, known))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::super::ip_rule::tests::{any_network, printed, table};
    use super::*;

    const NODE: &str = "\
default via 10.70.0.1 dev eth0 proto dhcp src 10.70.3.4 metric 512 
10.70.0.0/19 dev eth0 proto kernel scope link src 10.70.3.4 metric 512 
10.70.3.9 dev eni5d3b1c2a4f0 scope link 
blackhole 10.99.0.0/16 
default 
\tnexthop via 10.70.0.1 dev eth1 weight 1 
\tnexthop via 10.70.0.2 dev eth2 weight 1 
default via 10.70.0.1 dev eth1 table 2 
local 10.70.3.4 dev eth0 table local proto kernel scope host src 10.70.3.4 
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1 linkdown 
";

    #[test]
    fn the_routes_of_a_node() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let routes = parsed.value;
        assert!(routes[0].is_default());
        assert_eq!(routes[0].hops[0].via, Some([10, 70, 0, 1].into()));
        assert_eq!((routes[2].host(), routes[2].device()), (Some([10, 70, 3, 9].into()), Some("eni5d3b1c2a4f0")));
        assert_eq!(routes[3].kind, RouteKind::Blackhole);
        assert_eq!(routes[4].hops.len(), 2);
        assert_eq!(routes[5].table, RouteTable::Number(2));
        assert_eq!((routes[6].kind, &routes[6].table), (RouteKind::Local, &RouteTable::Local));
        assert!(routes[7].is_down());
    }

    #[test]
    fn the_gateway_or_the_neighbours_tell_the_family() {
        let text = "default via fe80::1 dev eth0 proto ra metric 1024 expires 1700sec pref medium\nfe80::/64 dev eth0 proto kernel metric 256 pref medium\n";
        let routes = parse(text.as_bytes()).value;
        assert!(routes[0].destination.addr().is_ipv6());
        assert_eq!(&*routes[0].other, "expires 1700sec pref medium");
        let routes = parse(b"default dev eth1 table 2 metric 1024 pref medium\nfe80::/64 dev eth0\n").value;
        assert!(routes[0].destination.addr().is_ipv6() && routes[0].is_default());
    }

    #[test]
    fn what_an_aborted_run_left_does_not_count() {
        let older = &NODE[..NODE.find("blackhole").unwrap()];
        let parsed = parse((older.to_owned() + NODE).as_bytes());
        assert_eq!((parsed.value.len(), parsed.problem_count), (8, 1));
        assert_eq!(parsed.value[0].span.line, 4);
    }

    fn made() -> impl Strategy<Value = Route> {
        let kind = prop_oneof![3 => Just(RouteKind::Unicast), 1 => Just(RouteKind::Local), 1 => Just(RouteKind::Throw)];
        let name = || prop::option::of("[a-z]{2,5}[0-9]".prop_map(Into::into));
        let four = || prop::option::of(any::<core::net::Ipv4Addr>().prop_map(IpAddr::from));
        let way = (four(), "[a-z]{2,5}[0-9]").prop_map(|(via, device)| NextHop { via, device: Some(device.into()) });
        (kind, any_network(), table(), way, name(), four(), prop::option::of(any::<u32>())).prop_map(
            |(kind, destination, table, hop, protocol, source, metric)| Route {
                span: Span::default(),
                kind,
                destination,
                table,
                hops: vec![hop],
                protocol,
                scope: None,
                source,
                metric,
                other: "".into(),
            },
        )
    }

    fn print(route: &Route) -> String {
        let kind = match route.kind {
            RouteKind::Local => "local ",
            RouteKind::Throw => "throw ",
            _ => "",
        };
        let hop = &route.hops[0];
        let mut line = format!("{kind}{} ", printed(route.destination));
        line += &hop.via.map(|via| format!("via {via} ")).unwrap_or_default();
        line += &hop.device.as_ref().map(|device| format!("dev {device} ")).unwrap_or_default();
        if route.table != RouteTable::Main {
            line += &format!("table {} ", route.table);
        }
        line += &route.protocol.as_ref().map(|protocol| format!("proto {protocol} ")).unwrap_or_default();
        line += &route.source.map(|source| format!("src {source} ")).unwrap_or_default();
        line + &route.metric.map(|metric| format!("metric {metric} ")).unwrap_or_default()
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(routes in prop::collection::vec(made(), 0..8)) {
            let mut lines: Vec<_> = routes.iter().map(print).collect();
            // A table that printed one route twice would be two runs.
            if lines.iter().skip(1).any(|line| *line == lines[0]) {
                lines.truncate(1);
            }
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.into_iter().map(|route| Route { span: Span::default(), ..route }).collect();
            prop_assert_eq!(&read[..], &routes[..lines.len()]);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
