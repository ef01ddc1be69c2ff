//! `ip addr`: interfaces and their addresses. No collector writes it, people paste it.

use super::interface::Interface;
use super::{Lines, Parsed, Span};

/// Reads the interfaces.
pub fn parse(text: &[u8]) -> Parsed<Vec<Interface>> {
    let mut parsed = Parsed::new(Vec::<Interface>::new());
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        if line.trim().is_empty() {
            continue;
        }
        let read = if line.starts_with(' ') {
            parsed.value.last_mut().and_then(|interface| detail(interface, line))
        } else {
            first(span, line).map(|interface| parsed.value.push(interface))
        };
        if read.is_none() {
            parsed.problem(span, "expected `2: eth0: <UP,...> mtu 9001 ...` or its addresses");
        }
    }
    parsed
}

fn first(span: Span, line: &str) -> Option<Interface> {
    let (number, rest) = line.split_once(": ")?;
    number.parse::<u32>().ok()?;
    let (name, rest) = rest.split_once(": <")?;
    let (flags, rest) = rest.split_once('>')?;
    let mut words = rest.split_ascii_whitespace();
    let mtu = words.find(|word| *word == "mtu").and_then(|_| words.next()).and_then(|mtu| mtu.parse().ok());
    let flags = flags.split(',').filter(|flag| !flag.is_empty()).map(Into::into).collect();
    let name = name.split('@').next()?.into();
    Some(Interface { span, name, flags, mtu, ..Interface::default() })
}

fn detail(interface: &mut Interface, line: &str) -> Option<()> {
    let mut words = line.split_ascii_whitespace();
    match words.next()? {
        "inet" | "inet6" => {
            let (address, length) = words.next()?.split_once('/').unwrap_or_default();
            interface.addresses.push((address.parse().ok()?, length.parse().ok()?));
        }
        link if link.starts_with("link/") => interface.mac = words.next().map(Into::into),
        "valid_lft" | "altname" | "RX:" | "TX:" | "alias" => {}
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = "\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
3: eni5d3b1c2a4f0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9001 qdisc noqueue state UP group default
    link/ether 7a:11:22:33:44:55 brd ff:ff:ff:ff:ff:ff link-netns cni-1b2c3d4e
    inet6 fe80::7811:22ff:fe33:4455/64 scope link
       valid_lft forever preferred_lft forever
";

    #[test]
    fn interfaces_of_a_node() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let veth = &parsed.value[1];
        assert_eq!((&*veth.name, veth.mtu), ("eni5d3b1c2a4f0", Some(9001)));
        assert!(veth.is_up() && veth.is_running() && veth.is_ethernet());
        assert_eq!(veth.mac.as_deref(), Some("7a:11:22:33:44:55"));
        assert_eq!(parsed.value[0].addresses, [([127, 0, 0, 1].into(), 8)]);
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(
            made in prop::collection::vec(("[a-z]{2,5}[0-9]", any::<u32>(), prop::collection::vec((any::<IpAddr>(), 0..=32u8), 0..3), prop::collection::vec("UP|LOWER_UP", 0..2)), 0..5)
        ) {
            let mut text = String::new();
            for (number, (name, mtu, addresses, flags)) in made.iter().enumerate() {
                text += &format!("{number}: {name}@if7: <{}> mtu {mtu} qdisc mq state UP\n    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n", flags.join(","));
                for (ip, length) in addresses {
                    let family = if ip.is_ipv6() { "inet6" } else { "inet" };
                    text += &format!("    {family} {ip}/{length} scope global {name}\n       valid_lft forever preferred_lft forever\n");
                }
            }
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.into_iter().map(|i| (i.name.to_string(), i.mtu.unwrap(), i.addresses, i.flags.iter().map(|f| f.to_string()).collect::<Vec<_>>())).collect();
            prop_assert_eq!(read, made);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
