//! `ipvsadm`: the services that kube-proxy keeps in ipvs mode.
//!
//! The collector prints three blocks: `--save` (host names where they resolve), `--list --rate` and `--list --stats` with numbers. The
//! services are those of the last listing; the scheduler is in the saved form only.

use super::{Lines, Parsed, Span};

/// What the kernel balances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipvs {
    /// The services of the last listing, or the saved ones where there is no listing.
    pub services: Vec<VirtualService>,
    /// Whether a listing's heading was there: without services it says that there are none.
    pub listed: bool,
}

/// A service and what it is balanced over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualService {
    /// Its line.
    pub span: Span,
    /// `TCP`, `UDP`, `SCTP`, `FWM`.
    pub protocol: Box<str>,
    /// Address and port.
    pub address: Box<str>,
    /// Address and port of each server.
    pub servers: Vec<Box<str>>,
}

/// Reads the blocks.
pub fn parse(text: &[u8]) -> Parsed<Ipvs> {
    let mut parsed = Parsed::new(Ipvs::default());
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        // The collector prints blank lines with `echo -e`, and its own option with them.
        let (Some(first), false) = (words.first(), words == ["-e"]) else { continue };
        let services = &mut parsed.value.services;
        match (*first, words.as_slice()) {
            ("IP", [_, "Virtual", "Server", ..]) => {
                services.clear();
                parsed.value.listed = true;
            }
            ("Prot", _) => {}
            ("->", [_, "RemoteAddress:Port", ..]) => {}
            ("->", [_, server, ..]) => match services.last_mut() {
                Some(service) => service.servers.push((*server).into()),
                None => parsed.problem(span, "a server before the first service"),
            },
            ("TCP" | "UDP" | "SCTP" | "FWM", [protocol, address, ..]) => services.push(VirtualService {
                span,
                protocol: (*protocol).into(),
                address: (*address).into(),
                servers: Vec::new(),
            }),
            ("-A", [_, protocol, address, ..]) => {
                let protocol = match *protocol {
                    "-t" => "TCP",
                    "-u" => "UDP",
                    "--sctp-service" => "SCTP",
                    _ => "FWM",
                };
                let address = (*address).into();
                services.push(VirtualService { span, protocol: protocol.into(), address, servers: Vec::new() });
            }
            ("-a", [_, _, address, "-r", server, ..]) => match services.last_mut() {
                Some(service) if *service.address == **address => service.servers.push((*server).into()),
                _ => parsed.problem(span, "a server of a service that was not added"),
            },
            _ => parsed.problem(span, "expected a service or a server"),
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
-A -t ip-172-20-0-1.ec2.internal:https -s rr
-a -t ip-172-20-0-1.ec2.internal:https -r 10.70.1.1:https -m -w 1

-e 

IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS
  -> RemoteAddress:Port
TCP  172.20.0.1:443                      0        1        0       62        0
  -> 10.70.1.1:443                       0        0        0       31        0
UDP  172.20.0.10:53                      0        0        0        0        0
";

    #[test]
    fn the_listing_counts() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        assert!(parsed.value.listed);
        let services = parsed.value.services;
        assert_eq!((&*services[0].address, services[0].servers.len()), ("172.20.0.1:443", 1));
        assert!(services[1].servers.is_empty());
        assert_eq!(parse(&NODE.as_bytes()[..NODE.find("-e").unwrap()]).value.services.len(), 1);
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(services in prop::collection::vec(("TCP|UDP", "[0-9.]{3,9}:[0-9]{1,5}", prop::collection::vec("[0-9.]{3,9}:[0-9]{1,5}", 0..4)), 0..6)) {
            let mut text = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Conns\n  -> RemoteAddress:Port\n".to_owned();
            for (protocol, address, servers) in &services {
                text += &format!("{protocol}  {address:<30} 0 0 0 0 0\n");
                text.extend(servers.iter().map(|server| format!("  -> {server:<28} 0 0 0 0 0\n")));
            }
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.services.iter().map(|s| (s.protocol.to_string(), s.address.to_string(), s.servers.iter().map(|x| x.to_string()).collect::<Vec<_>>())).collect();
            prop_assert_eq!(read, services);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
