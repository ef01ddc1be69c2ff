//! `ipamd/ipam.json`: which container ipamd has given which address, as it survives its restarts (`vpc-cni-ipam/1`).

use core::net::IpAddr;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::enis::MetadataFile;
use super::json::{Places, last};
use super::{Parsed, Span};

/// The only version there is.
const VERSION: &str = "vpc-cni-ipam/1";

/// One address and the container that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Where it stands.
    pub span: Span,
    /// The sandbox.
    pub container: Box<str>,
    /// The interface in it; `unknown` of one that an old release gave out.
    pub interface: Box<str>,
    /// The address.
    pub ip: IpAddr,
    /// Namespace and name of the pod, where known.
    pub pod: Option<Box<str>>,
    /// When it was given out.
    pub at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Checkpoint<'a> {
    version: String,
    #[serde(borrow)]
    allocations: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "containerID")]
    container: String,
    #[serde(rename = "ifName", default)]
    interface: String,
    #[serde(default)]
    ipv4: String,
    #[serde(default)]
    ipv6: String,
    #[serde(rename = "allocationTimestamp", default)]
    at: i64,
    #[serde(default)]
    metadata: MetadataFile,
}

/// Reads the checkpoint.
pub fn parse(text: &[u8]) -> Parsed<Vec<Allocation>> {
    let mut parsed = Parsed::new(Vec::new());
    let places = Places::new(text);
    let Some(document) = last(&places, &mut parsed) else { return parsed };
    let checkpoint: Checkpoint<'_> = match serde_json::from_str(document.get()) {
        Ok(checkpoint) => checkpoint,
        Err(why) => {
            parsed.problem(places.of(document.get()), format!("unexpected JSON: {why}"));
            return parsed;
        }
    };
    if checkpoint.version != VERSION {
        parsed.problem(places.of(document.get()), format!("version {:?} is not {VERSION:?}", checkpoint.version));
    }
    for raw in checkpoint.allocations.unwrap_or_default() {
        let span = places.of(raw.get());
        let entry: Option<Entry> = serde_json::from_str(raw.get()).ok();
        let ip = entry.as_ref().and_then(|entry| entry.ipv4.parse().or_else(|_| entry.ipv6.parse()).ok());
        let (Some(entry), Some(ip)) = (entry, ip) else {
            parsed.problem(span, "expected a container and its address");
            continue;
        };
        parsed.value.push(Allocation {
            span,
            container: entry.container.into(),
            interface: entry.interface.into(),
            ip,
            pod: entry.metadata.pod(),
            at: Timestamp::from_nanosecond(entry.at.into()).ok().filter(|_| entry.at > 0),
        });
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = r#"{"version":"vpc-cni-ipam/1","allocations":[
{"networkName":"aws-cni","containerID":"4711aa","ifName":"eth0","ipv4":"10.70.3.9","allocationTimestamp":1790000000000000000,"metadata":{"k8sPodNamespace":"shop","k8sPodName":"cart-0"}},
{"networkName":"aws-cni","containerID":"4712bb","ifName":"eth0","ipv6":"fd00::9","allocationTimestamp":0,"metadata":{}}]}"#;

    #[test]
    fn allocations_with_their_places() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let first = &parsed.value[0];
        assert_eq!((first.ip, first.pod.as_deref(), first.span.line), ([10, 70, 3, 9].into(), Some("shop/cart-0"), 2));
        assert_eq!(first.at.map(|at| at.as_second()), Some(1_790_000_000));
        assert_eq!(parsed.value[1].ip, "fd00::9".parse::<IpAddr>().unwrap());
        assert_eq!(parse(br#"{"version":"vpc-cni-ipam/2","allocations":null}"#).problem_count, 1);
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(made in prop::collection::vec(("[0-9a-f]{8}", any::<IpAddr>(), any::<bool>(), 1..i64::MAX), 0..8)) {
            let entries: Vec<_> = made.iter().map(|(container, ip, named, at)| {
                let key = if ip.is_ipv6() { "ipv6" } else { "ipv4" };
                let metadata = if *named { serde_json::json!({"k8sPodNamespace": "a", "k8sPodName": "b"}) } else { serde_json::json!({}) };
                serde_json::json!({"networkName": "aws-cni", "containerID": container, "ifName": "eth0", key: ip, "allocationTimestamp": at, "metadata": metadata})
            }).collect();
            let text = serde_json::json!({"version": VERSION, "allocations": entries}).to_string();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.iter().map(|a| (a.container.to_string(), a.ip, a.pod.is_some(), i64::try_from(a.at.unwrap().as_nanosecond()).unwrap())).collect();
            prop_assert_eq!(read, made);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
