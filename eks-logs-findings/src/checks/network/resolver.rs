//! The node's resolver, and what the collector could reach.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::facts::start_of;
use super::view::{Network, Verdict, need};
use crate::Severity;
use crate::checks::{Fault, Outcome, State};

/// Where every VPC's resolver answers: docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html.
const VPC_RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
const VPC_RESOLVER_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253);
/// Name servers that the C library asks: resolv.conf(5), MAXNS.
const SERVERS: usize = 3;
/// The longest search list that Kubernetes passes on: kubernetes/kubernetes pkg/apis/core/validation.
const SEARCH_NAMES: usize = 32;
const SEARCH_LENGTH: usize = 2048;

/// The node asks nobody.
pub(super) fn no_nameserver(network: &Network) -> Verdict {
    let Some(file) = network.resolv.as_ref() else {
        return Err(Outcome::Unknown("networking/resolv.conf is absent".to_owned()));
    };
    if file.cut.is_some() || file.parsed.problem_count > 0 {
        return Err(Outcome::Unknown("networking/resolv.conf cannot be read as a whole".to_owned()));
    }
    if !file.value().nameservers.is_empty() {
        return Ok(Vec::new());
    }
    let detail =
        "networking/resolv.conf names no server: the node and pods with dnsPolicy Default resolve nothing".to_owned();
    Ok(vec![Fault { detail, cites: vec![start_of(file)], ..Fault::default() }])
}

/// Pods are given the node's local resolver, which listens in the node's network only.
pub(super) fn stub_for_pods(state: &State) -> Verdict {
    let (network, kubelet) = (state.network(), &state.node.kubelet);
    let file = need(&network.resolv, "networking/resolv.conf")?;
    let Some(stub) = file.value().nameservers.iter().find(|server| server.address.is_loopback()) else {
        return Ok(Vec::new());
    };
    if kubelet.config_files.is_empty() && kubelet.flags.is_empty() {
        return Err(Outcome::Unknown(
            "nothing in the bundle tells which resolv.conf the kubelet gives pods".to_owned(),
        ));
    }
    let setting = kubelet.one("resolv-conf", "resolvConf");
    if setting.as_ref().is_some_and(|(_, path)| *path != "/etc/resolv.conf") {
        return Ok(Vec::new());
    }
    let cites = std::iter::once(file.cite(stub.span)).chain(setting.map(|(cite, _)| cite)).collect();
    let detail = format!(
        "the kubelet gives pods /etc/resolv.conf, which names {}: in a pod that is the pod itself",
        stub.address
    );
    Ok(vec![Fault { subject: stub.address.to_string(), detail, cites, ..Fault::default() }])
}

/// The first server that is asked is not the VPC's.
pub(super) fn not_of_the_vpc(network: &Network) -> Verdict {
    let file = need(&network.resolv, "networking/resolv.conf")?;
    let Some(first) = file.value().nameservers.first() else {
        return Err(Outcome::Unknown("networking/resolv.conf names no server".to_owned()));
    };
    let of_the_vpc = match first.address {
        // The address after the router's, that is the VPC's third: at the end of a block of at most /28.
        IpAddr::V4(address) => {
            address == VPC_RESOLVER || (address.is_private() || is_shared(address)) && address.octets()[3] % 16 == 2
        }
        IpAddr::V6(address) => address == VPC_RESOLVER_6,
    };
    if first.address.is_loopback() || is_node_local(first.address) {
        return Err(Outcome::Unknown(format!(
            "{} is a server on the node; whom it asks is not in the bundle",
            first.address
        )));
    }
    if of_the_vpc {
        return Ok(Vec::new());
    }
    let detail = format!("the node asks {} first, which is no resolver of a VPC", first.address);
    Ok(vec![Fault {
        subject: first.address.to_string(),
        detail,
        cites: vec![file.cite(first.span)],
        ..Fault::default()
    }])
}

/// RFC 6598, which VPCs use too.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0xc0 == 64
}

/// NodeLocal DNSCache listens there by default: kubernetes.io/docs/tasks/administer-cluster/nodelocaldns.
fn is_node_local(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10))
}

/// More servers or search names than are used.
pub(super) fn over_limits(network: &Network) -> Verdict {
    let file = need(&network.resolv, "networking/resolv.conf")?;
    let mut faults = Vec::new();
    let servers = &file.value().nameservers;
    if servers.len() > SERVERS {
        faults.push(Fault {
            subject: "nameserver".to_owned(),
            detail: format!("{} name servers: only the first {SERVERS} are asked", servers.len()),
            cites: servers[SERVERS..].iter().map(|server| file.cite(server.span)).collect(),
            ..Fault::default()
        });
    }
    if let Some((span, search)) = &file.value().search {
        let length = search.iter().map(|name| name.len() + 1).sum::<usize>().saturating_sub(1);
        if search.len() > SEARCH_NAMES || length > SEARCH_LENGTH {
            faults.push(Fault {
                subject: "search".to_owned(),
                detail: format!(
                    "{} search names of {length} characters: Kubernetes takes {SEARCH_NAMES} of {SEARCH_LENGTH}",
                    search.len()
                ),
                cites: vec![file.cite(*span)],
                ..Fault::default()
            });
        }
    }
    Ok(faults)
}

/// The collector's ping could not resolve a name.
pub(super) fn name_unresolved(network: &Network) -> Verdict {
    if network.pings.iter().all(|file| file.value() == &Default::default()) {
        return Err(Outcome::Unknown("no ping of the collector's in the bundle".to_owned()));
    }
    let failed = network.pings.iter().filter_map(|file| file.value().error.as_ref().map(|error| (file, error)));
    let unknown = |what: &str| {
        ["Name or service not known", "Temporary failure in name resolution"].iter().any(|end| what.ends_with(end))
    };
    let faults: Vec<_> = failed
        .filter(|(_, (_, what))| unknown(what))
        .map(|(file, (span, what))| (file.cite(*span), what.split(':').next().unwrap_or_default().to_owned()))
        .collect();
    if faults.is_empty() {
        return Ok(Vec::new());
    }
    let (cites, names): (Vec<_>, Vec<_>) = faults.into_iter().unzip();
    Ok(vec![Fault {
        detail: format!("no address for {}", names.join(", ")),
        entities: names,
        cites,
        ..Fault::default()
    }])
}

/// The collector could not talk to the API server.
pub(super) fn api_unreachable(network: &Network) -> Verdict {
    let file = need(&network.probe, "networking/curl_api_server.txt")?;
    let tries = file.value();
    if tries.is_empty() {
        return Err(Outcome::Unknown(format!("{} holds no try that can be read", file.path)));
    }
    let mut faults = Vec::new();
    // 6 is a matter of DNS, 60 of the certificate: the server was not at fault, or was reached.
    let silent: Vec<_> = tries.iter().filter(|one| !one.answered()).collect();
    let failed: Vec<_> = silent
        .iter()
        .filter_map(|one| one.error.as_ref())
        .filter(|error| matches!(error.code, 7 | 28 | 35 | 52 | 56))
        .collect();
    if let Some(last) = failed.last() {
        let all = failed.len() == tries.len() && tries.len() >= 5;
        let some = failed.len() < tries.len();
        let severity = if all {
            Some((Severity::Critical, "all tries failed".to_owned()))
        } else {
            some.then(|| (Severity::Medium, "other tries got an answer".to_owned()))
        };
        faults.push(Fault {
            subject: "no answer".to_owned(),
            severity,
            count: failed.len() as u64,
            detail: format!(
                "{} of {} tries got no answer of {}: ({}) {}",
                failed.len(),
                tries.len(),
                tries[0].url,
                last.code,
                last.what
            ),
            cites: failed.iter().map(|error| file.cite(error.span)).collect(),
            ..Fault::default()
        });
    }
    let sick: Vec<_> = tries.iter().flat_map(|one| &one.failed).collect();
    if let Some((_, name)) = sick.first() {
        faults.push(Fault {
            subject: "not healthy".to_owned(),
            severity: Some((Severity::Medium, "the server answers and calls itself unhealthy".to_owned())),
            count: sick.len() as u64,
            detail: format!("the API server's own checks failed, the first: {name}"),
            cites: sick.iter().map(|(span, _)| file.cite(*span)).collect(),
            ..Fault::default()
        });
    }
    Ok(faults)
}
