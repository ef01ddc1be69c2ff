//! Rules, routes and interfaces of pods: each pod has its own, each one has its pod.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use super::facts::{PodIp, start_of};
use super::view::{Network, Seen, Verdict, need};
use crate::Severity;
use crate::checks::{Cite, Fault, Outcome};
use crate::state::ip_route::Route;
use crate::state::ip_rule::{IpRule, RouteTable};

/// Priorities of the VPC CNI's rules: aws/amazon-vpc-cni-k8s: pkg/networkutils/network.go.
const TO_POD: u32 = 512;
const FROM_POD: u32 = 1536;

/// Places and names that a fault tells, of many alike.
const TOLD: usize = 50;

fn rules_of(network: &Network, six: bool) -> Result<&Seen<Vec<IpRule>>, Outcome> {
    let file = if six {
        need(&network.rules6, "networking/ip6rule.txt")?
    } else {
        need(&network.rules, "networking/iprule.txt")?
    };
    // Every node looks up main at the end: without that line the file was cut.
    let main = file.value().iter().any(|rule| rule.priority == 32766 && rule.table() == Some(&RouteTable::Main));
    if main { Ok(file) } else { Err(Outcome::Unknown(format!("{} does not hold all rules", file.path))) }
}

fn routes_of(network: &Network, six: bool) -> Result<&Seen<Vec<Route>>, Outcome> {
    let (file, path) =
        if six { (&network.routes6, "networking/ip6route.txt") } else { (&network.routes, "networking/iproute.txt") };
    let file = need(file, path)?;
    if file.value().is_empty() {
        Err(Outcome::Unknown(format!("{path} holds no route that can be read")))
    } else {
        Ok(file)
    }
}

/// The routes of all tables; every node has a local table, so a file without one was made otherwise or cut.
fn all_routes(network: &Network) -> Result<&Seen<Vec<Route>>, Outcome> {
    let file = routes_of(network, false)?;
    let whole = file.value().iter().any(|route| route.table == RouteTable::Local);
    if whole { Ok(file) } else { Err(Outcome::Unknown(format!("{} holds the main table only", file.path))) }
}

/// How bad it is that so many of so many pods are cut off.
fn of_pods(missing: usize, all: usize) -> Option<(Severity, String)> {
    if missing >= 2 && missing == all {
        Some((Severity::Critical, "no pod of the node has it: somebody removes what the CNI sets".to_owned()))
    } else if missing >= 2 {
        Some((Severity::High, "several pods lack it: not the moment in which one pod came or went".to_owned()))
    } else {
        None
    }
}

fn names(ips: &[&PodIp]) -> (Vec<String>, String) {
    let entities = ips.iter().take(TOLD).map(|pod| pod.ip.to_string()).collect();
    let told: Vec<_> = ips.iter().take(8).map(|pod| pod.named()).collect();
    let more = if ips.len() > told.len() { format!(" and {} more", ips.len() - told.len()) } else { String::new() };
    (entities, told.join(", ") + &more)
}

/// Pods without the rule that leads to them, or that leads their packets to their own interface.
pub(super) fn pod_rule_missing(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let pods = network.pod_ips();
    let six = pods.first().is_some_and(|pod| pod.ip.is_ipv6());
    let file = rules_of(network, six)?;
    let to: BTreeSet<IpAddr> =
        file.value().iter().filter(|rule| rule.priority == TO_POD).filter_map(IpRule::to_host).collect();
    let from: BTreeMap<IpAddr, &IpRule> = file
        .value()
        .iter()
        .filter(|rule| rule.priority == FROM_POD)
        .filter_map(|rule| Some((rule.from_host()?, rule)))
        .collect();
    if pods.is_empty() && from.is_empty() {
        return Err(Outcome::Unknown("neither ipamd/enis.json nor a rule tells which addresses pods have".to_owned()));
    }
    let mut faults = Vec::new();
    let no_to: Vec<_> = pods.iter().filter(|pod| !to.contains(&pod.ip)).collect();
    let known: BTreeSet<IpAddr> = pods.iter().map(|pod| pod.ip).collect();
    // A pod that only its from-rule tells of; where the pool is known, one that is not in it is a leftover.
    let half: Vec<_> =
        from.iter().filter(|(ip, _)| !to.contains(*ip) && (known.is_empty() || known.contains(*ip))).collect();
    if !no_to.is_empty() || !half.is_empty() {
        let (mut entities, mut told) = names(&no_to);
        let count = no_to.len().max(half.len());
        let mut cites: Vec<Cite> = no_to.iter().take(TOLD).map(|pod| pod.cite.clone()).collect();
        cites.extend(half.iter().take(TOLD).map(|(_, rule)| file.cite(rule.span)));
        if no_to.is_empty() {
            let addresses: Vec<_> = half.iter().map(|(ip, _)| ip.to_string()).collect();
            told = addresses.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            entities = addresses.into_iter().take(TOLD).collect();
        }
        let all = known.len().max(from.len().max(to.len()));
        faults.push(Fault {
            subject: "to pod".to_owned(),
            severity: of_pods(count, all),
            count: count as u64,
            detail: format!(
                "no rule `{TO_POD}: from all to POD lookup main` for {told}; {} others have theirs: packets of this node to these pods leave it",
                to.len()
            ),
            entities,
            cites,
        });
    }
    let secondary = |pod: &&PodIp| pod.primary == Some(false) && pod.card == 0 && !pod.ip.is_ipv6();
    let on_secondary: Vec<_> = pods.iter().filter(secondary).collect();
    let no_from: Vec<_> = on_secondary.iter().copied().filter(|pod| !from.contains_key(&pod.ip)).collect();
    if !no_from.is_empty() {
        let (entities, told) = names(&no_from);
        faults.push(Fault {
            subject: "from pod".to_owned(),
            severity: of_pods(no_from.len(), on_secondary.len()),
            count: no_from.len() as u64,
            detail: format!(
                "no rule `{FROM_POD}: from POD lookup TABLE` for {told} on a secondary interface: their packets leave by the primary one, and VPC drops them"
            ),
            entities,
            cites: no_from.iter().take(TOLD).map(|pod| pod.cite.clone()).collect(),
        });
    }
    Ok(faults)
}

/// Rules to a pod that has neither an address of the pool nor a route.
pub(super) fn pod_rule_stale(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let (file, routes) = (rules_of(network, false)?, routes_of(network, false)?);
    let enis = need(&network.enis, "ipamd/enis.json")?;
    if enis.value().is_empty() || enis.parsed.problem_count > 0 {
        return Err(Outcome::Unknown("ipamd/enis.json does not tell all addresses of pods".to_owned()));
    }
    let live: BTreeSet<IpAddr> = network.pod_ips().iter().map(|pod| pod.ip).collect();
    let routed: BTreeSet<IpAddr> = routes.value().iter().filter_map(Route::host).collect();
    let stale: Vec<_> = file
        .value()
        .iter()
        .filter(|rule| matches!(rule.priority, TO_POD | FROM_POD))
        .filter_map(|rule| {
            let ip = if rule.priority == TO_POD { rule.to_host() } else { rule.from_host() }?;
            (!live.contains(&ip) && !routed.contains(&ip)).then_some((ip, rule))
        })
        .collect();
    let Some((first, _)) = stale.first() else { return Ok(Vec::new()) };
    Ok(vec![Fault {
        count: stale.len() as u64,
        detail: format!(
            "{} rules, the first for {first}, are about addresses that no pod has and no route leads to: the next pod that gets one inherits its old way",
            stale.len()
        ),
        entities: stale.iter().take(TOLD).map(|(ip, _)| ip.to_string()).collect(),
        cites: stale.iter().take(TOLD).map(|(_, rule)| file.cite(rule.span)).collect(),
        ..Fault::default()
    }])
}

/// Pods without a route to their interface, or whose route leads to an interface that is not there.
pub(super) fn pod_route_missing(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let pods = network.pod_ips();
    let Some(first) = pods.first() else {
        return Err(Outcome::Unknown("ipamd/enis.json and ipam.json tell no pod's address".to_owned()));
    };
    let file = routes_of(network, first.ip.is_ipv6())?;
    if file.cut.is_some() {
        return Err(Outcome::Unknown(format!("{} was cut", file.path)));
    }
    let hosts: BTreeMap<IpAddr, &Route> = file
        .value()
        .iter()
        .filter(|route| route.table != RouteTable::Local)
        .filter_map(|route| Some((route.host()?, route)))
        .collect();
    // Those of further network cards stand in tables of their own, behind rules by interface.
    let pods: Vec<_> = pods.iter().filter(|pod| pod.card == 0).collect();
    let mut faults = Vec::new();
    let missing: Vec<_> = pods.iter().copied().filter(|pod| !hosts.contains_key(&pod.ip)).collect();
    if !missing.is_empty() {
        let (entities, told) = names(&missing);
        faults.push(Fault {
            subject: "route".to_owned(),
            severity: of_pods(missing.len(), pods.len()),
            count: missing.len() as u64,
            detail: format!("{} has no route `POD dev VETH scope link` for {told}", file.path),
            entities,
            cites: missing.iter().take(TOLD).map(|pod| pod.cite.clone()).collect(),
        });
    }
    if let Some(interfaces) = network.interfaces.as_ref().filter(|file| file.value().len() > 1) {
        let known: BTreeSet<&str> = interfaces.value().iter().map(|interface| &*interface.name).collect();
        let dangling: Vec<_> = pods
            .iter()
            .copied()
            .filter_map(|pod| Some((pod, *hosts.get(&pod.ip)?)))
            .filter(|(_, route)| route.device().is_some_and(|device| !known.contains(device)))
            .collect();
        if !dangling.is_empty() {
            let gone: Vec<_> = dangling.iter().map(|(pod, _)| *pod).collect();
            let (entities, told) = names(&gone);
            faults.push(Fault {
                subject: "interface".to_owned(),
                severity: of_pods(gone.len(), pods.len()),
                count: gone.len() as u64,
                detail: format!("the routes of {told} lead to interfaces that {} does not have", interfaces.path),
                entities,
                cites: dangling.iter().take(TOLD).map(|(_, route)| file.cite(route.span)).collect(),
            });
        }
    }
    Ok(faults)
}

/// Tables of secondary interfaces without a default route.
pub(super) fn eni_table_without_default(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let rules = rules_of(network, false)?;
    let mut tables: BTreeMap<RouteTable, Vec<Cite>> = BTreeMap::new();
    for rule in rules.value().iter().filter(|rule| rule.priority == FROM_POD) {
        if let Some(table @ RouteTable::Number(_)) = rule.table() {
            tables.entry(table.clone()).or_default().push(rules.cite(rule.span));
        }
    }
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let routes = all_routes(network)?;
    let with: BTreeSet<&RouteTable> =
        routes.value().iter().filter(|route| route.is_default()).map(|route| &route.table).collect();
    let without = tables.iter().filter(|(table, _)| !with.contains(table));
    let faults = without.map(|(table, cites)| Fault {
        subject: format!("table {table}"),
        count: cites.len() as u64,
        detail: format!("{} rules send pods to table {table}, which has no default route: these pods reach nothing outside the node", cites.len()),
        cites: cites.iter().take(TOLD).cloned().collect(),
        ..Fault::default()
    });
    Ok(faults.collect())
}

/// The node itself has no way out.
pub(super) fn default_route_missing(network: &Network) -> Verdict {
    let routes = all_routes(network)?;
    let six = network.routes6.iter().flat_map(|file| file.value());
    let mut all = routes.value().iter().chain(six);
    if all.any(|route| route.is_default() && route.table == RouteTable::Main) {
        return Ok(Vec::new());
    }
    let detail = format!("none of the {} routes of the main table is a default route", routes.value().len());
    let cites =
        routes.value().iter().filter(|route| route.table == RouteTable::Main).map(|route| routes.cite(route.span));
    let mut cites: Vec<_> = cites.take(TOLD).collect();
    if cites.is_empty() {
        cites.push(start_of(routes));
    }
    Ok(vec![Fault { count: 1, detail, cites, ..Fault::default() }])
}

/// A secondary interface's routes in the main table: packets of the node may leave by the wrong one.
pub(super) fn secondary_eni_in_main(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let routes = routes_of(network, false)?;
    let main: Vec<_> = routes.value().iter().filter(|route| route.table == RouteTable::Main).collect();
    let mut faults = Vec::new();
    let defaults: Vec<_> = main.iter().filter(|route| route.is_default() && route.hops.len() == 1).collect();
    let best = defaults.iter().map(|route| route.metric.unwrap_or(0)).min();
    let rivals: Vec<_> = defaults.iter().filter(|route| Some(route.metric.unwrap_or(0)) == best).collect();
    let devices: BTreeSet<_> = rivals.iter().filter_map(|route| route.device()).collect();
    if devices.len() > 1 {
        let devices: Vec<String> = devices.into_iter().map(str::to_owned).collect();
        faults.push(Fault {
            subject: "default".to_owned(),
            detail: format!("the main table has default routes by {} with the same metric", devices.join(" and ")),
            entities: devices,
            cites: rivals.iter().map(|route| routes.cite(route.span)).collect(),
            ..Fault::default()
        });
    }
    let mut subnets: BTreeMap<_, Vec<&&Route>> = BTreeMap::new();
    for route in main.iter().filter(|route| route.protocol.as_deref() == Some("kernel") && !route.is_down()) {
        subnets.entry(route.destination).or_default().push(route);
    }
    for (subnet, ways) in subnets.iter().filter(|(_, ways)| ways.len() > 1) {
        let devices: BTreeSet<String> = ways.iter().filter_map(|route| route.device().map(str::to_owned)).collect();
        if devices.len() > 1 {
            let devices: Vec<_> = devices.into_iter().collect();
            faults.push(Fault {
                subject: "subnet".to_owned(),
                detail: format!(
                    "the main table reaches {subnet} by {}: something else than the CNI configures its interfaces",
                    devices.join(" and ")
                ),
                entities: devices,
                cites: ways.iter().map(|route| routes.cite(route.span)).collect(),
                ..Fault::default()
            });
        }
    }
    Ok(faults)
}

/// NetworkManager's nm-cloud-setup has rules and tables of its own.
pub(super) fn nm_cloud_setup(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let rules = need(&network.rules, "networking/iprule.txt")?;
    // NetworkManager: src/nm-cloud-setup/main.c numbers tables and priorities from 30200 and 30400.
    let ours = |number: u32| (30200..30300).contains(&number) || (30400..30500).contains(&number);
    let table = |table: Option<&RouteTable>| matches!(table, Some(RouteTable::Number(number)) if ours(*number));
    let found = rules.value().iter().filter(|rule| ours(rule.priority) && table(rule.table()));
    let cites: Vec<_> = found.map(|rule| rules.cite(rule.span)).collect();
    if cites.is_empty() {
        return Ok(Vec::new());
    }
    let detail =
        format!("{} rules look up tables of nm-cloud-setup: pods' packets that they match take its way", cites.len());
    Ok(vec![Fault { detail, cites, ..Fault::default() }])
}
