//! `ping -A -c 10 NAME`. ICMP is often blocked: no answer proves nothing, an unknown name does.

use core::net::IpAddr;

use super::{Lines, Parsed, Span};

/// What a ping came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ping {
    /// The address that the name was resolved to.
    pub address: Option<IpAddr>,
    /// The summary's line, and packets sent and received.
    pub summary: Option<Summary>,
    /// ping's complaint: the name is unknown, the network is unreachable.
    pub error: Option<(Span, Box<str>)>,
}

/// The last lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Its line.
    pub span: Span,
    /// Packets sent.
    pub sent: u64,
    /// Answers.
    pub received: u64,
    /// The mean of the round trips, in milliseconds.
    pub mean_ms: Option<f64>,
}

/// Reads one ping.
pub fn parse(text: &[u8]) -> Parsed<Ping> {
    let mut parsed = Parsed::new(Ping::default());
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        let ping = &mut parsed.value;
        if let Some(rest) = line.strip_prefix("PING ") {
            let address = rest.split_once('(').and_then(|(_, rest)| rest.split([')', ' ']).next());
            ping.address = address.and_then(|address| address.parse().ok());
        } else if let Some(what) = line.strip_prefix("ping: ").or_else(|| line.strip_prefix("connect: ")) {
            ping.error = Some((span, what.into()));
        } else if let Some((sent, rest)) = line.split_once(" packets transmitted, ") {
            let received = rest.split(' ').next().and_then(|received| received.parse().ok());
            match (sent.parse(), received) {
                (Ok(sent), Some(received)) => ping.summary = Some(Summary { span, sent, received, mean_ms: None }),
                _ => parsed.problem(span, "expected `N packets transmitted, N received`"),
            }
        } else if let Some((_, times)) = line.split_once(" min/avg/max/mdev = ") {
            let mean = times.split('/').nth(1).and_then(|mean| mean.parse().ok());
            if let Some(summary) = &mut ping.summary {
                summary.mean_ms = mean;
            }
        } else if !(line.trim().is_empty() || line.contains("icmp_seq=") || line.starts_with("--- ")) {
            parsed.problem(span, "not a line of ping");
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
PING public.ecr.aws (198.51.100.7) 56(84) bytes of data.
64 bytes from 198.51.100.7 (198.51.100.7): icmp_seq=1 ttl=240 time=0.912 ms
From 10.70.0.1 icmp_seq=2 Destination Host Unreachable

--- public.ecr.aws ping statistics ---
10 packets transmitted, 9 received, +1 errors, 10% packet loss, time 1807ms
rtt min/avg/max/mdev = 0.901/0.955/1.204/0.093 ms, ipg/ewma 200.8/0.9 ms
";

    #[test]
    fn answers_and_complaints() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let summary = parsed.value.summary.unwrap();
        assert_eq!((summary.sent, summary.received, summary.mean_ms), (10, 9, Some(0.955)));
        assert_eq!(parsed.value.address, Some([198, 51, 100, 7].into()));
        let failed = parse(b"ping: amazon.com: Name or service not known\n").value;
        assert_eq!(failed.error.map(|(_, what)| what).as_deref(), Some("amazon.com: Name or service not known"));
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(ip in any::<IpAddr>(), sent in any::<u64>(), received in any::<u64>(), mean in 0.0..1e6f64) {
            let text = format!("PING x ({ip}) 56(84) bytes of data.\n\n--- x ping statistics ---\n{sent} packets transmitted, {received} received, 0% packet loss, time 1ms\nrtt min/avg/max/mdev = 0.1/{mean}/9.9/0.0 ms\n");
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let summary = parsed.value.summary.unwrap();
            prop_assert_eq!((parsed.value.address, summary.sent, summary.received, summary.mean_ms), (Some(ip), sent, received, Some(mean)));
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
