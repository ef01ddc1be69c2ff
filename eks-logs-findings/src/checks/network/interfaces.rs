//! Network interfaces: ENA's allowances, carriers, packet sizes, names and addresses that systemd changes.

use super::view::{Network, Seen, Verdict, need};
use crate::Severity;
use crate::checks::{Fault, Outcome, thresholds};
use crate::state::ethtool::NicStatistics;
use crate::state::interface::Interface;
use crate::state::systemd_unit::Unit;

fn nics(network: &Network) -> Result<&Seen<Vec<NicStatistics>>, Outcome> {
    let file = need(&network.nics, "networking/ethtool.txt")?;
    let ena =
        file.value().iter().any(|nic| nic.counters.iter().any(|counter| counter.name.ends_with("_allowance_exceeded")));
    if ena {
        Ok(file)
    } else {
        Err(Outcome::Unknown(format!("{} holds no allowance counters: no ENA, or an old driver", file.path)))
    }
}

/// Packets of an interface, where its queues tell.
fn packets(nic: &NicStatistics, direction: &str) -> Option<u64> {
    nic.over_queues(&format!("{direction}_cnt")).filter(|count| *count > 0)
}

/// One fault for each interface and counter that is at least `often`.
fn exceeded(file: &Seen<Vec<NicStatistics>>, counters: &[(&str, &str)], often: u64) -> Vec<Fault> {
    let noticed = thresholds::allowance_one_in_packets() as u64;
    let mut faults = Vec::new();
    for nic in file.value() {
        for (name, direction) in counters {
            let Some(counter) = nic.counter(name).filter(|counter| counter.value >= often) else { continue };
            let all = packets(nic, direction);
            let rare = all.is_some_and(|all| counter.value.saturating_mul(noticed) < all);
            let of =
                all.map(|all| format!(", of {all} packets {}", if *direction == "rx" { "received" } else { "sent" }));
            faults.push(Fault {
                subject: format!("{} {}", nic.name, name.trim_end_matches("_allowance_exceeded")),
                severity: rare.then(|| {
                    (Severity::Low, format!("fewer than one in {noticed} packets since the driver was loaded"))
                }),
                count: counter.value,
                detail: format!("{}: {name} is {}{}", nic.name, counter.value, of.unwrap_or_default()),
                entities: vec![nic.name.to_string()],
                cites: vec![file.cite(counter.span)],
            });
        }
    }
    faults
}

pub(super) fn bandwidth(network: &Network) -> Verdict {
    let counters = [("bw_in_allowance_exceeded", "rx"), ("bw_out_allowance_exceeded", "tx")];
    Ok(exceeded(nics(network)?, &counters, thresholds::allowance_bandwidth_packets() as u64))
}

pub(super) fn packet_rate(network: &Network) -> Verdict {
    let counters = [("pps_allowance_exceeded", "rx"), ("linklocal_allowance_exceeded", "tx")];
    Ok(exceeded(nics(network)?, &counters, thresholds::allowance_rate_packets() as u64))
}

pub(super) fn connections(network: &Network) -> Verdict {
    let file = nics(network)?;
    let mut faults = exceeded(file, &[("conntrack_allowance_exceeded", "")], 1);
    let few = thresholds::tracked_connections_left() as u64;
    for nic in file.value() {
        if let Some(left) = nic.counter("conntrack_allowance_available").filter(|left| left.value < few) {
            let gone = left.value == 0;
            faults.push(Fault {
                subject: format!("{} conntrack available", nic.name),
                severity: (!gone).then(|| (Severity::Medium, "new connections still get through".to_owned())),
                count: 1,
                detail: format!("{}: EC2 tracks {} more connections", nic.name, left.value),
                entities: vec![nic.name.to_string()],
                cites: vec![file.cite(left.span)],
            });
        }
    }
    Ok(faults)
}

/// Packets that the receive ring had no room for.
pub(super) fn receive_drops(network: &Network) -> Verdict {
    let share = thresholds::receive_drops_one_in_packets() as u64;
    let file = nics(network)?;
    let mut faults = Vec::new();
    for nic in file.value() {
        let all = packets(nic, "rx").unwrap_or(0);
        for name in ["rx_drops", "rx_overruns"] {
            if let Some(counter) =
                nic.counter(name).filter(|counter| all > 0 && counter.value.saturating_mul(share) > all)
            {
                faults.push(Fault {
                    subject: nic.name.to_string(),
                    count: counter.value,
                    detail: format!("{}: {name} is {} of {all} packets received", nic.name, counter.value),
                    entities: vec![nic.name.to_string()],
                    cites: vec![file.cite(counter.span)],
                    ..Fault::default()
                });
            }
        }
    }
    Ok(faults)
}

/// Names of interfaces that come and go, or that carry no frames of their own.
const OTHERS: [&str; 17] = [
    "lo",
    "docker",
    "br-",
    "veth",
    "eni",
    "vlan",
    "dummy",
    "kube-ipvs",
    "cali",
    "cilium",
    "lxc",
    "ib",
    "nodelocaldns",
    "tun",
    "virbr",
    "ovs",
    "wg",
];

pub(super) fn is_node_s(interface: &Interface) -> bool {
    interface.is_ethernet() && !OTHERS.iter().any(|start| interface.name.starts_with(start))
}

/// An interface of the node is down, or has no carrier.
pub(super) fn down(network: &Network) -> Verdict {
    let file = need(&network.interfaces, "networking/ifconfig.txt")?;
    let broken = file.value().iter().filter(|one| is_node_s(one) && !(one.is_up() && one.is_running()));
    let faults = broken.map(|one| Fault {
        subject: one.name.to_string(),
        severity: (network.primary_device() == Some(&*one.name))
            .then(|| (Severity::High, "it is the interface of the default route".to_owned())),
        detail: format!(
            "{} is {}",
            one.name,
            if one.is_up() { "up and has no carrier" } else { "administratively down" }
        ),
        cites: vec![file.cite(one.span)],
        ..Fault::default()
    });
    Ok(faults.collect())
}

/// The node has no loopback interface.
pub(super) fn loopback_missing(network: &Network) -> Verdict {
    let file = need(&network.interfaces, "networking/ifconfig.txt")?;
    if file.value().is_empty() || file.parsed.problem_count > 0 {
        return Err(Outcome::Unknown(format!("{} cannot be read as a whole", file.path)));
    }
    if file.value().iter().any(|one| one.has("LOOPBACK")) {
        return Ok(Vec::new());
    }
    let detail = format!(
        "none of the {} interfaces that are up is a loopback: ipamd, kubelet and probes on 127.0.0.1 fail",
        file.value().len()
    );
    Ok(vec![Fault { detail, cites: vec![file.cite(file.value()[0].span)], ..Fault::default() }])
}

/// Interfaces of pods take larger packets than the node's.
pub(super) fn mtu_mismatch(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let file = need(&network.interfaces, "networking/ifconfig.txt")?;
    let primary = network.primary_device();
    let node = file.value().iter().find(|one| primary.map_or_else(|| is_node_s(one), |name| *one.name == *name));
    let Some((node, limit)) = node.and_then(|node| Some((node, node.mtu?))) else {
        return Err(Outcome::Unknown(format!("{} does not tell the node's own interface", file.path)));
    };
    let larger: Vec<_> = file
        .value()
        .iter()
        .filter(|one| one.name.starts_with("eni") && one.mtu.is_some_and(|mtu| mtu > limit))
        .collect();
    let Some(first) = larger.first() else { return Ok(Vec::new()) };
    let mut cites = vec![file.cite(node.span)];
    cites.extend(larger.iter().take(20).map(|one| file.cite(one.span)));
    cites.extend(network.setting("AWS_VPC_ENI_MTU").map(|(_, cite)| cite));
    Ok(vec![Fault {
        count: larger.len() as u64,
        detail: format!(
            "{} interfaces of pods take up to {} bytes, {} {limit}: larger packets of pods depend on path MTU discovery",
            larger.len(),
            first.mtu.unwrap_or_default(),
            node.name
        ),
        cites,
        ..Fault::default()
    }])
}

/// Whether a link file is about the interfaces of pods: `eni...`, made by no driver of a device.
fn is_about_pods(unit: &Unit) -> bool {
    let mut conditions = unit.assignments.iter().filter(|one| &*one.section == "Match").peekable();
    // A file without a condition is about none; one without its first lines, as people paste it, is taken at its word.
    if conditions.peek().is_none() {
        return true;
    }
    let names = |value: &str| {
        let mut patterns = value.split_ascii_whitespace();
        patterns.any(|pattern| {
            pattern == "*" || pattern.strip_suffix('*').is_some_and(|start| "eni0a1b2c3d4e5".starts_with(start))
        })
    };
    conditions.all(|one| match &*one.key {
        "OriginalName" | "Name" => names(&one.value),
        "Driver" | "Kind" => one.value.split_ascii_whitespace().any(|driver| driver == "veth" || driver == "*"),
        "Type" => one.value.split_ascii_whitespace().any(|kind| kind == "ether"),
        _ => false,
    })
}

/// systemd gives new interfaces of pods another hardware address than the CNI has told the pod.
pub(super) fn mac_address_policy(network: &Network) -> Verdict {
    network.not_another_cni()?;
    if network.links.is_empty() {
        return Err(Outcome::Unknown("no .link file in networking/systemd-network".to_owned()));
    }
    // The first file in the order of names whose conditions agree counts, wherever it stands.
    let Some(file) = network.links.iter().find(|file| is_about_pods(file.value())) else { return Ok(Vec::new()) };
    let policy = file
        .value()
        .last("Link", "MACAddressPolicy")
        .or_else(|| file.value().assignments.iter().rfind(|one| &*one.key == "MACAddressPolicy"));
    match policy {
        Some(policy) if &*policy.value == "persistent" || &*policy.value == "random" => Ok(vec![Fault {
            subject: file.path.rsplit('/').next().unwrap_or_default().to_owned(),
            detail: format!(
                "{} is the first link file that is about interfaces of pods, and its MACAddressPolicy is {}",
                file.path, policy.value
            ),
            cites: vec![file.cite(policy.span)],
            ..Fault::default()
        }]),
        _ => Ok(Vec::new()),
    }
}
