//! ipamd's pool of addresses: what is left of it, what limits it, whether its books agree.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::facts::Limits;
use super::view::{Network, Seen, Verdict, need};
use crate::Severity;
use crate::checks::{Fault, Outcome, State};
use crate::state::enis::{Card, PoolAddress};

/// How long an address rests after a pod gave it back: IP_COOLDOWN_PERIOD's default.
const COOLDOWN: SignedDuration = SignedDuration::from_secs(30);

/// The pool in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) interfaces: u64,
    pub(crate) prefixes: u64,
    pub(crate) total: u64,
    pub(crate) assigned: u64,
    /// Given back so shortly before the last change of the pool that they still rest.
    pub(crate) cooling: u64,
}

fn cards(network: &Network) -> Result<&Seen<Vec<Card>>, Outcome> {
    let file = need(&network.enis, "ipamd/enis.json")?;
    if file.value().is_empty() {
        return Err(Outcome::Unknown("ipamd/enis.json cannot be read".to_owned()));
    }
    Ok(file)
}

/// The pool's figures, as the addresses themselves tell them.
pub(crate) fn pool(network: &Network) -> Option<Pool> {
    let file = cards(network).ok()?;
    let mut pool = Pool::default();
    let mut given_back = Vec::new();
    let mut last: Option<Timestamp> = None;
    for card in file.value() {
        pool.total += card.total;
        for eni in &card.enis {
            pool.interfaces += 1;
            pool.prefixes += eni.cidrs.iter().filter(|cidr| cidr.is_prefix).count() as u64;
            for address in eni.cidrs.iter().flat_map(|cidr| &cidr.addresses) {
                last = last.max(address.assigned_at).max(address.unassigned_at);
                pool.assigned += u64::from(address.assigned);
                given_back.extend(address.unassigned_at.filter(|_| !address.assigned));
            }
        }
    }
    let rests = |at: &&Timestamp| last.is_some_and(|last| last.duration_since(**at) <= COOLDOWN);
    pool.cooling = given_back.iter().filter(rests).count() as u64;
    Some(pool)
}

/// Interfaces that the instance may have: as ipamd tells, else by the table of types.
pub(crate) fn interface_limit(network: &Network) -> Option<u64> {
    let told = network.metric("awscni_eni_max").map(|(max, _)| max).filter(|max| *max > 0);
    told.or_else(|| Some(Limits::of(&network.instance_type.as_ref()?.0)?.interfaces))
}

/// No address is left, and the pool cannot or can grow.
pub(super) fn exhausted(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let file = cards(network)?;
    let six = network.is_on("ENABLE_IPv6") == Some(true);
    let pool = pool(network).unwrap_or_default();
    if six || pool.total == 0 || pool.assigned < pool.total {
        return Ok(Vec::new());
    }
    let limit = interface_limit(network);
    let at_limit = limit.is_some_and(|limit| pool.interfaces >= limit);
    let severity = at_limit.then(|| {
        (
            Severity::Medium,
            "all interfaces that the instance may have are attached: no further pod can start".to_owned(),
        )
    });
    let of = limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let mut cites: Vec<_> = file.value().iter().map(|card| file.cite(card.span)).collect();
    cites.extend(network.metric("awscni_eni_max").map(|(_, cite)| cite));
    cites.extend(network.instance_type.iter().filter(|_| at_limit).map(|(_, cite)| cite.clone()));
    Ok(vec![Fault {
        severity,
        count: pool.assigned,
        detail: format!("pods have all {} addresses of the pool, on {}{of} interfaces", pool.total, pool.interfaces),
        cites,
        ..Fault::default()
    }])
}

/// The kubelet takes more pods than there can be addresses for.
pub(super) fn fewer_than_max_pods(state: &State) -> Verdict {
    let network = state.network();
    network.not_another_cni()?;
    let Some((cite, max)) = state.node.kubelet.one("max-pods", "maxPods") else {
        return Err(Outcome::Unknown("nothing in the bundle tells the kubelet's maxPods".to_owned()));
    };
    let Some((name, model)) = &network.instance_type else {
        return Err(Outcome::Unknown("the kernel's log does not tell the instance type".to_owned()));
    };
    let Some(limits) = Limits::of(name) else {
        return Err(Outcome::Unknown(format!("instance type {name} is not in the table of limits")));
    };
    if network.is_on("ENABLE_IPv6") == Some(true) {
        return Err(Outcome::NotApplicable("an IPv6 node has addresses for any number of pods".to_owned()));
    }
    let Some(prefixes) = network.is_on("ENABLE_PREFIX_DELEGATION") else {
        return Err(Outcome::Unknown("whether ENABLE_PREFIX_DELEGATION is set is not in the bundle".to_owned()));
    };
    // With custom networking the primary interface gives pods no address.
    let custom = network.is_on("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG") == Some(true);
    let interfaces = limits.interfaces.saturating_sub(u64::from(custom));
    // Two pods of every node (aws-node and kube-proxy) use the host's address.
    let room = Limits { interfaces, ..limits }.pod_addresses(prefixes) + 2;
    let Ok(max) = max.parse::<u64>() else { return Ok(Vec::new()) };
    if max <= room {
        return Ok(Vec::new());
    }
    let how = if prefixes { "prefixes" } else { "single addresses" };
    let mut cites = vec![cite, model.clone()];
    cites.extend(network.setting("ENABLE_PREFIX_DELEGATION").map(|(_, cite)| cite));
    Ok(vec![Fault {
        count: max - room,
        detail: format!(
            "maxPods is {max}; a {name} has room for {room} with {how} ({interfaces} interfaces of {} addresses)",
            limits.addresses
        ),
        entities: vec![name.clone()],
        cites,
        ..Fault::default()
    }])
}

/// Settings with which the pool never grows ahead of pods.
pub(super) fn never_warm(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let number = |name: &str| network.setting(name).and_then(|(value, cite)| Some((value.parse::<i64>().ok()?, cite)));
    let Some(prefixes) = network.is_on("ENABLE_PREFIX_DELEGATION") else {
        return Err(Outcome::Unknown("aws-node's environment is not in the bundle".to_owned()));
    };
    // Unset targets are shown as 0 by introspection.
    let has = |name: &str| number(name).is_some_and(|(value, _)| value > 0);
    if has("WARM_IP_TARGET") || has("MINIMUM_IP_TARGET") {
        return Ok(Vec::new());
    }
    let name = if prefixes { "WARM_PREFIX_TARGET" } else { "WARM_ENI_TARGET" };
    match number(name) {
        Some((0, cite)) => Ok(vec![Fault {
            subject: name.to_owned(),
            detail: format!(
                "{name} is 0 and neither WARM_IP_TARGET nor MINIMUM_IP_TARGET is set: each pod waits until an address is fetched"
            ),
            cites: vec![cite],
            ..Fault::default()
        }]),
        _ => Ok(Vec::new()),
    }
}

/// The checkpoint gives one address twice, or one container two, or contradicts the pool.
pub(super) fn books_disagree(network: &Network) -> Verdict {
    let file = need(&network.checkpoint, "ipamd/ipam.json")?;
    let mut by_ip: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut by_container: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in file.value() {
        by_ip.entry(one.ip).or_default().push(one);
        by_container.entry((&*one.container, &*one.interface, one.ip.is_ipv6())).or_default().push(one);
    }
    let mut faults = Vec::new();
    for (ip, owners) in by_ip.iter().filter(|(_, owners)| owners.len() > 1) {
        faults.push(Fault {
            subject: ip.to_string(),
            detail: format!("the checkpoint has given {ip} to {} containers", owners.len()),
            entities: owners.iter().filter_map(|one| one.pod.as_deref().map(str::to_owned)).collect(),
            cites: owners.iter().map(|one| file.cite(one.span)).collect(),
            ..Fault::default()
        });
    }
    for ((container, ..), given) in
        by_container.iter().filter(|((container, ..), given)| given.len() > 1 && !container.is_empty())
    {
        faults.push(Fault {
            subject: (*container).to_owned(),
            detail: format!("the checkpoint has {} addresses for one interface of container {container}", given.len()),
            cites: given.iter().map(|one| file.cite(one.span)).collect(),
            ..Fault::default()
        });
    }
    if let Some(enis) = network.enis.as_ref() {
        let pool = enis.value().iter().flat_map(|card| &card.enis).flat_map(|eni| eni.assigned());
        let holder: BTreeMap<&str, &PoolAddress> = pool
            .filter(|address| !address.container.is_empty())
            .map(|address| (&*address.container, address))
            .collect();
        for one in file.value() {
            let other = holder
                .get(&*one.container)
                .filter(|other| other.ip != one.ip && other.ip.is_ipv6() == one.ip.is_ipv6());
            if let Some(other) = other {
                faults.push(Fault {
                    subject: one.container.to_string(),
                    detail: format!(
                        "container {} has {} in the checkpoint and {} in the pool",
                        one.container, one.ip, other.ip
                    ),
                    cites: vec![file.cite(one.span), enis.cite(other.span)],
                    ..Fault::default()
                });
            }
        }
    }
    Ok(faults)
}

/// Addresses that the checkpoint keeps for containers that containerd does not know.
pub(super) fn leaked(state: &State) -> Verdict {
    const PATH: &str = "containerd/containerd-containers.txt";
    let network = state.network();
    let file = need(&network.checkpoint, "ipamd/ipam.json")?;
    let listed = state.files.get(PATH).ok_or_else(|| Outcome::Unknown(format!("{PATH} is absent")))?;
    let known: BTreeSet<&[u8]> = crate::state::Lines::new(&listed.content)
        .filter_map(|(_, line)| line.split(|byte| byte.is_ascii_whitespace()).next())
        .filter(|word| word.len() == 64 && word.iter().all(u8::is_ascii_hexdigit))
        .collect();
    if known.is_empty() || listed.cut.is_some() {
        return Err(Outcome::Unknown(format!("{PATH} does not list all containers")));
    }
    let gone: Vec<_> = file.value().iter().filter(|one| !known.contains(one.container.as_bytes())).collect();
    // Pods start and end while the bundle is made.
    if gone.len() <= 5 || gone.len() * 10 <= file.value().len() {
        return Ok(Vec::new());
    }
    Ok(vec![Fault {
        count: gone.len() as u64,
        detail: format!(
            "{} of {} addresses are kept for containers that containerd does not have",
            gone.len(),
            file.value().len()
        ),
        entities: gone.iter().take(8).map(|one| one.ip.to_string()).collect(),
        cites: gone.iter().take(20).map(|one| file.cite(one.span)).collect(),
        ..Fault::default()
    }])
}

/// Interfaces or addresses in use were taken away behind ipamd's back.
pub(super) fn force_removed(network: &Network) -> Verdict {
    need(&network.metrics, "ipamd/metrics.json")?;
    let names = [
        "awscni_force_removed_enis",
        "awscni_force_removed_ips",
        "awscni_force_removed_enis_total",
        "awscni_force_removed_ips_total",
    ];
    let found =
        names.iter().filter_map(|name| Some((*name, network.metric(name)?))).filter(|(_, (count, _))| *count > 0);
    let faults = found.map(|(name, (count, cite))| Fault {
        subject: name.trim_end_matches("_total").to_owned(),
        count,
        detail: format!("{name} is {count}: ipamd dropped what was gone from EC2 while pods used it"),
        cites: vec![cite],
        ..Fault::default()
    });
    Ok(faults.collect())
}
