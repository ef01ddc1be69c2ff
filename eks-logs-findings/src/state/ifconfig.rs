//! `ifconfig`, in the form of net-tools 2 (`eth0: flags=4163<UP,...>  mtu 9001`) and of net-tools 1 (`eth0      Link encap:Ethernet`).

use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::interface::{Counters, Interface};
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
        let read = if line.starts_with([' ', '\t']) {
            parsed.value.last_mut().and_then(|interface| detail(interface, line.trim()))
        } else {
            first(span, line).map(|interface| parsed.value.push(interface))
        };
        if read.is_none() {
            parsed.problem(span, "expected an interface (`eth0: flags=...` or `eth0  Link encap:...`) or its details");
        }
    }
    parsed
}

fn first(span: Span, line: &str) -> Option<Interface> {
    if let Some((name, rest)) = line.split_once(": flags=") {
        let (_, flags) = rest.split_once('<')?;
        let (flags, rest) = flags.split_once('>')?;
        let flags = flags.split(',').filter(|flag| !flag.is_empty()).map(Into::into).collect();
        let mtu = rest.trim().strip_prefix("mtu ").and_then(|mtu| mtu.trim().parse().ok());
        return Some(Interface { span, name: name.into(), flags, mtu, ..Interface::default() });
    }
    let (name, rest) = line.split_once("Link encap:")?;
    let mac = rest.split_once("HWaddr ").map(|(_, mac)| mac.trim().into());
    Some(Interface { span, name: name.trim().into(), mac, ..Interface::default() })
}

/// A line below an interface's name; `None` if it is none that net-tools prints.
fn detail(interface: &mut Interface, line: &str) -> Option<()> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    match *words.first()? {
        // net-tools 2
        "inet" if words.get(1)?.starts_with("addr:") => old_address(interface, &words[1..])?,
        "inet" => {
            let length = words.iter().position(|word| *word == "netmask").and_then(|at| words.get(at + 1));
            let length = length.and_then(|mask| mask.parse().ok()).and_then(mask_length).unwrap_or(32);
            interface.addresses.push((words.get(1)?.parse().ok()?, length));
        }
        "inet6" if words.get(1) == Some(&"addr:") => {
            let (address, length) = words.get(2)?.split_once('/')?;
            interface.addresses.push((address.parse().ok()?, length.parse().ok()?));
        }
        "inet6" => {
            let length = words.iter().position(|word| *word == "prefixlen").and_then(|at| words.get(at + 1));
            let address = words.get(1)?.split('%').next()?;
            interface
                .addresses
                .push((address.parse().ok()?, length.and_then(|length| length.parse().ok()).unwrap_or(128)));
        }
        "ether" => interface.mac = Some((*words.get(1)?).into()),
        "loop" | "unspec" | "tunnel" | "infiniband" | "sit" | "ppp" | "device" | "collisions:0" => {}
        "RX" | "TX" => numbers(interface, words[0] == "RX", &words[1..]),
        counts if counts.starts_with("RX:") || counts.starts_with("TX:") => {}
        // net-tools 1
        counts
            if counts.starts_with("collisions:")
                || counts.starts_with("Interrupt:")
                || counts.starts_with("Memory:") => {}
        _ if line.contains("MTU:") => {
            let flags = words.iter().take_while(|word| !word.starts_with("MTU:"));
            interface.flags = flags.map(|flag| (*flag).into()).collect();
            interface.mtu = words.iter().find_map(|word| word.strip_prefix("MTU:")).and_then(|mtu| mtu.parse().ok());
        }
        _ => return None,
    }
    Some(())
}

/// `addr:10.70.3.4  Bcast:10.70.31.255  Mask:255.255.224.0`
fn old_address(interface: &mut Interface, words: &[&str]) -> Option<()> {
    let address = words.first()?.strip_prefix("addr:")?.parse().ok()?;
    let mask = words.iter().find_map(|word| word.strip_prefix("Mask:"));
    let length = mask.and_then(|mask| mask.parse().ok()).and_then(mask_length).unwrap_or(32);
    interface.addresses.push((address, length));
    Some(())
}

fn mask_length(mask: Ipv4Addr) -> Option<u8> {
    Ipv4Net::with_netmask(Ipv4Addr::UNSPECIFIED, mask).ok().map(|net| net.prefix_len())
}

/// `RX packets 12  bytes 840 (840.0 B)`, `RX errors 0  dropped 1 ...`; `RX packets:12 errors:0 dropped:1 ...`
fn numbers(interface: &mut Interface, receive: bool, words: &[&str]) {
    let value = |name: &str| {
        let number = words.iter().enumerate().find_map(|(at, word)| {
            let rest = word.strip_prefix(name)?;
            if rest.is_empty() { words.get(at + 1).copied() } else { rest.strip_prefix(':') }
        });
        number.and_then(|number| number.parse().ok())
    };
    let counters = interface.counters.get_or_insert_with(Counters::default);
    let (packets, errors, dropped) = if receive {
        (&mut counters.rx_packets, &mut counters.rx_errors, &mut counters.rx_dropped)
    } else {
        (&mut counters.tx_packets, &mut counters.tx_errors, &mut counters.tx_dropped)
    };
    for (name, slot) in [("packets", packets), ("errors", errors), ("dropped", dropped)] {
        if let Some(number) = value(name) {
            *slot = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NEW: &str = "\
ens5: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 9001
        inet 10.70.3.4  netmask 255.255.224.0  broadcast 10.70.31.255
        inet6 fe80::4a:9cff:fe1b:2d3e  prefixlen 64  scopeid 0x20<link>
        ether 02:4a:9c:1b:2d:3e  txqueuelen 1000  (Ethernet)
        RX packets 3141592  bytes 2718281828 (2.5 GiB)
        RX errors 0  dropped 7  overruns 0  frame 0
        TX packets 1618033  bytes 314159265 (299.6 MiB)
        TX errors 0  dropped 2 overruns 0  carrier 0  collisions 0

docker0: flags=4099<UP,BROADCAST,MULTICAST>  mtu 1500
        inet 172.17.0.1  netmask 255.255.0.0  broadcast 172.17.255.255
        ether 02:42:7d:0e:11:22  txqueuelen 0  (Ethernet)
        RX packets 0  bytes 0 (0.0 B)

lo: flags=73<UP,LOOPBACK,RUNNING>  mtu 65536
        inet 127.0.0.1  netmask 255.0.0.0
        loop  txqueuelen 1000  (Local Loopback)
";

    const OLD: &str = "\
eth0      Link encap:Ethernet  HWaddr 02:4A:9C:1B:2D:3E
          inet addr:10.70.3.4  Bcast:10.70.31.255  Mask:255.255.224.0
          inet6 addr: fe80::4a:9cff:fe1b:2d3e/64 Scope:Link
          UP BROADCAST RUNNING MULTICAST  MTU:9001  Metric:1
          RX packets:3141592 errors:0 dropped:7 overruns:0 frame:0
          TX packets:1618033 errors:0 dropped:2 overruns:0 carrier:0
          collisions:0 txqueuelen:1000
          RX bytes:2718281828 (2.5 GiB)  TX bytes:314159265 (299.6 MiB)
";

    #[test]
    fn both_forms_say_the_same() {
        let (new, old) = (parse(NEW.as_bytes()), parse(OLD.as_bytes()));
        assert_eq!((new.problems, old.problems), (vec![], vec![]));
        let (new, old) = (new.value, old.value);
        assert_eq!(new[0].addresses, old[0].addresses);
        assert_eq!(new[0].addresses[0], ([10, 70, 3, 4].into(), 19));
        assert_eq!((new[0].mtu, new[0].counters), (old[0].mtu, old[0].counters));
        assert_eq!(new[0].counters.map(|counters| (counters.rx_dropped, counters.tx_dropped)), Some((7, 2)));
        assert!(old[0].is_up() && old[0].is_running() && old[0].is_ethernet());
        assert!(new[1].is_up() && !new[1].is_running());
        assert_eq!(new.len(), 3);
    }

    fn made() -> impl Strategy<Value = Interface> {
        let flags = prop::collection::vec("UP|BROADCAST|RUNNING|MULTICAST", 0..4);
        let addresses = prop::collection::vec((any::<Ipv4Addr>(), 0..=32u8), 0..3);
        let numbers = any::<[u64; 6]>();
        ("[a-z]{2,5}[0-9]", flags, any::<u32>(), addresses, "[0-9a-f]{2}(:[0-9a-f]{2}){5}", numbers).prop_map(
            |(name, flags, mtu, addresses, mac, [a, b, c, d, e, f])| Interface {
                span: Span::default(),
                name: name.into(),
                flags: flags.into_iter().map(Into::into).collect(),
                mtu: Some(mtu),
                mac: Some(mac.into()),
                addresses: addresses.into_iter().map(|(ip, length)| (ip.into(), length)).collect(),
                counters: Some(Counters {
                    rx_packets: a,
                    rx_errors: b,
                    rx_dropped: c,
                    tx_packets: d,
                    tx_errors: e,
                    tx_dropped: f,
                }),
            },
        )
    }

    fn print(interface: &Interface) -> String {
        let mut text =
            format!("{}: flags=1<{}>  mtu {}\n", interface.name, interface.flags.join(","), interface.mtu.unwrap());
        for (ip, length) in &interface.addresses {
            let mask = Ipv4Net::new(Ipv4Addr::UNSPECIFIED, *length).unwrap().netmask();
            text += &format!("        inet {ip}  netmask {mask}  broadcast 0.0.0.0\n");
        }
        let c = interface.counters.unwrap();
        text + &format!(
            "        ether {}  txqueuelen 1000  (Ethernet)\n        RX packets {}  bytes 1 (1.0 B)\n        RX errors {}  dropped {}  overruns 0  frame 0\n        TX packets {}  bytes 1 (1.0 B)\n        TX errors {}  dropped {} overruns 0  carrier 0  collisions 0\n\n",
            interface.mac.as_deref().unwrap(),
            c.rx_packets,
            c.rx_errors,
            c.rx_dropped,
            c.tx_packets,
            c.tx_errors,
            c.tx_dropped
        )
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(interfaces in prop::collection::vec(made(), 0..5)) {
            let text: String = interfaces.iter().map(print).collect();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.into_iter().map(|interface| Interface { span: Span::default(), ..interface }).collect();
            prop_assert_eq!(read, interfaces);
        }

        #[test]
        fn any_bytes_are_survived(text in prop_oneof![damaged(NEW), damaged(OLD)]) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
