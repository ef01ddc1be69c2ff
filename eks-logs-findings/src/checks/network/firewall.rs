//! The packet filter: policies, drops that nobody owns, rules that shadow the node's own ports.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::facts::Cni;
use super::view::{Network, Seen, Verdict, need};
use crate::Severity;
use crate::checks::{Cite, Fault, Outcome, thresholds};
use crate::state::iptables_list::End;
use crate::state::iptables_save::{Given, IptablesSave, Rule, Spec};

/// Ports without which a node does not work, and whose they are.
const NODE_PORTS: &[(u16, &str)] = &[
    (53, "DNS"),
    (443, "the API server and services"),
    (6443, "the API server"),
    (10250, "kubelet"),
    (10256, "kube-proxy's health"),
    (50051, "ipamd"),
    (61678, "ipamd's metrics"),
    (61679, "ipamd's introspection"),
];
/// Places that a fault cites, of many alike.
const TOLD: usize = 50;

#[derive(Deserialize)]
struct Owners {
    owner: Vec<Owner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    chain: String,
    comment: Option<String>,
    state: Option<String>,
    destination: Option<String>,
    from: Option<String>,
    /// For readers of the table.
    #[serde(rename = "owner")]
    _owner: String,
    #[serde(rename = "source")]
    _source: String,
}

fn owners() -> &'static [Owner] {
    static TABLE: OnceLock<Vec<Owner>> = OnceLock::new();
    let read = || toml::from_str::<Owners>(include_str!("../../../data/iptables-owners.toml")).map(|file| file.owner);
    TABLE.get_or_init(|| read().unwrap_or_default())
}

impl Owner {
    fn owns(&self, chain: &str, spec: &Spec<'_>) -> bool {
        let named = self.chain.strip_suffix('*').map_or(chain == self.chain, |start| chain.starts_with(start));
        let equal = |wanted: &Option<String>, given: Option<Given<'_>>| {
            wanted.as_ref().is_none_or(|wanted| given.and_then(Given::positive) == Some(wanted))
        };
        named
            && self.comment.as_ref().is_none_or(|part| spec.comment.as_ref().is_some_and(|said| said.contains(part)))
            && equal(&self.state, spec.state)
            && equal(&self.destination, spec.destination)
            && equal(&self.from, spec.source)
    }
}

/// The files of both families that hold rules, and why there is none.
fn saved(network: &Network) -> Result<Vec<&Seen<IptablesSave>>, Outcome> {
    let four = need(&network.save, "networking/iptables-save.txt")?;
    let files: Vec<_> =
        std::iter::once(four).chain(&network.save6).filter(|file| !file.value().tables.is_empty()).collect();
    if files.is_empty() {
        return Err(Outcome::Unknown("networking/iptables-save.txt holds no table that can be read".to_owned()));
    }
    Ok(files)
}

/// The policy of a built-in chain of the filter table: whether it drops, how many packets, and where that stands.
fn policy(network: &Network, chain: &str) -> Option<(bool, u64, Vec<Cite>)> {
    let mut drops = None;
    let mut packets = 0;
    let mut cites = Vec::new();
    if let Some(file) = network.lists.get("filter")
        && let Some(known) = file.value().chain(chain)
        && let End::Policy { policy, packets: count, .. } = &known.end
    {
        drops = Some(&**policy == "DROP");
        packets = count.value;
        cites.push(file.cite(known.span));
    }
    if let Some(file) = &network.save
        && let Some(known) = file.value().table("filter").and_then(|table| table.chain(chain))
    {
        let here = known.policy.as_deref() == Some("DROP");
        drops = Some(drops.unwrap_or(false) || here);
        packets = packets.max(known.packets);
        if here {
            cites.push(file.cite(known.span));
        }
    }
    drops.map(|drops| (drops, packets, cites))
}

/// Whether a rule of FORWARD lets pods' packets through before the policy: the CNIs' own chains, or one by the pods' interfaces.
fn forwards_pods(network: &Network) -> bool {
    let accepts = |chain: &str, target: &str, input: &str, output: &str| {
        let pods = |name: &str| ["eni", "cali", "veth", "lxc", "cni"].iter().any(|start| name.starts_with(start));
        chain == "FORWARD" && target == "ACCEPT" && (pods(input) || pods(output))
    };
    let listed = network
        .lists
        .get("filter")
        .into_iter()
        .flat_map(|file| file.value().chain("FORWARD"))
        .flat_map(|chain| &chain.rules);
    let by_list = listed
        .into_iter()
        .any(|rule| accepts("FORWARD", rule.target.as_deref().unwrap_or(""), &rule.in_interface, &rule.out_interface));
    let tables = network.save.iter().filter_map(|file| file.value().table("filter"));
    by_list
        || tables.into_iter().flat_map(|table| table.rules_of("FORWARD")).any(|rule| {
            let spec = rule.spec();
            let name = |given: Option<Given<'_>>| given.and_then(Given::positive).unwrap_or("").to_owned();
            accepts("FORWARD", spec.target.unwrap_or(""), &name(spec.in_interface), &name(spec.out_interface))
        })
}

/// The node does not forward what no rule accepts, and packets ran into that.
pub(super) fn forward_drop(network: &Network) -> Verdict {
    let Some((drops, packets, cites)) = policy(network, "FORWARD") else {
        return Err(Outcome::Unknown("no listing of the filter table's FORWARD chain".to_owned()));
    };
    if !drops || packets == 0 || cites.is_empty() {
        return Ok(Vec::new());
    }
    let let_through = forwards_pods(network) || matches!(network.cni(), Cni::Other(_));
    let severity = let_through.then(|| (Severity::Low, "rules before it let pods' packets through".to_owned()));
    let detail = format!("{packets} packets ran into the FORWARD chain's policy DROP");
    Ok(vec![Fault { severity, count: packets, detail, cites, ..Fault::default() }])
}

/// The node does not take what no rule accepts, and packets ran into that.
pub(super) fn input_drop(network: &Network) -> Verdict {
    let Some((drops, packets, cites)) = policy(network, "INPUT") else {
        return Err(Outcome::Unknown("no listing of the filter table's INPUT chain".to_owned()));
    };
    if !drops || packets == 0 || cites.is_empty() {
        return Ok(Vec::new());
    }
    let tables = network.save.iter().filter_map(|file| file.value().table("filter"));
    let opens = |rule: Rule<'_>| {
        let spec = rule.spec();
        spec.target == Some("ACCEPT")
            && spec.destination_ports.and_then(Given::positive).is_some_and(|ports| covers(ports, 10250))
    };
    let open = tables.into_iter().flat_map(|table| table.rules()).any(opens);
    let severity = open.then(|| {
        (Severity::Low, "a rule before it opens the kubelet's port: the firewall knows of Kubernetes".to_owned())
    });
    let detail = format!("{packets} packets to the node itself ran into the INPUT chain's policy DROP");
    Ok(vec![Fault { severity, count: packets, detail, cites, ..Fault::default() }])
}

/// Whether `53`, `1:1024` or `80,443` holds a port.
fn covers(ports: &str, port: u16) -> bool {
    ports.split(',').any(|range| {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        let number = |text: &str, otherwise: u16| if text.is_empty() { Some(otherwise) } else { text.parse().ok() };
        matches!((number(from, 0), number(to, u16::MAX)), (Some(from), Some(to)) if from <= port && port <= to)
    })
}

/// Rules that drop or reject packets and that neither kube-proxy nor a CNI nor anybody known has set.
pub(super) fn unowned_drop(network: &Network) -> Verdict {
    struct Group {
        count: u64,
        ports: Vec<&'static str>,
        sample: String,
        cites: Vec<Cite>,
    }
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for file in saved(network)? {
        for table in &file.value().tables {
            for rule in table.rules() {
                // Cheap first: of tens of thousands of rules a few drop.
                if !rule.text.contains("-j REJECT") && !rule.text.contains("-j DROP") {
                    continue;
                }
                let spec = rule.spec();
                let chain = &*rule.chain.name;
                if !matches!(spec.target, Some("DROP" | "REJECT"))
                    || owners().iter().any(|owner| owner.owns(chain, &spec))
                {
                    continue;
                }
                let group = groups.entry(format!("{}/{chain}", table.name)).or_insert_with(|| Group {
                    count: 0,
                    ports: Vec::new(),
                    sample: format!("-A {chain} {}", rule.text),
                    cites: Vec::new(),
                });
                group.count += 1;
                if group.cites.len() < TOLD {
                    group.cites.push(file.cite(rule.span));
                }
                let ports = spec.destination_ports.and_then(Given::positive);
                let limited = spec.source.is_some() || spec.in_interface.and_then(Given::positive) == Some("lo");
                if let Some(ports) = ports.filter(|_| !limited) {
                    let blocked = NODE_PORTS.iter().filter(|(port, _)| covers(ports, *port)).map(|(_, whose)| *whose);
                    group.ports.extend(blocked);
                }
            }
        }
    }
    let faults = groups.into_iter().map(|(subject, mut group)| {
        group.ports.sort_unstable();
        group.ports.dedup();
        let severity = (!group.ports.is_empty())
            .then(|| (Severity::High, format!("it blocks ports of the node's own: {}", group.ports.join(", "))));
        Fault {
            severity,
            count: group.count,
            detail: format!(
                "{} rules of {subject} drop or reject packets and belong to no component that we know; one: {}",
                group.count, group.sample
            ),
            cites: group.cites,
            subject,
            ..Fault::default()
        }
    });
    Ok(faults.collect())
}

/// Pods are kept from the instance metadata service.
pub(super) fn imds_blocked(network: &Network) -> Verdict {
    let mut cites = Vec::new();
    for file in saved(network)? {
        for rule in file.value().tables.iter().flat_map(|table| table.rules()) {
            if rule.text.contains("169.254.169.254") {
                let spec = rule.spec();
                let there =
                    spec.destination.and_then(Given::positive).is_some_and(|ip| ip.starts_with("169.254.169.254"));
                if there && matches!(spec.target, Some("DROP" | "REJECT")) {
                    cites.push(file.cite(rule.span));
                }
            }
        }
    }
    if cites.is_empty() {
        return Ok(Vec::new());
    }
    let detail = format!(
        "{} rules keep packets from 169.254.169.254: pods without IRSA or Pod Identity get no credentials",
        cites.len()
    );
    Ok(vec![Fault { detail, cites, ..Fault::default() }])
}

/// A port of the kubelet's is translated to a pod.
pub(super) fn kubelet_port_taken(network: &Network) -> Verdict {
    let mut faults = Vec::new();
    for file in saved(network)? {
        for rule in file.value().tables.iter().flat_map(|table| table.rules()) {
            if !rule.text.contains("-j DNAT") || !rule.text.contains("10250") {
                continue;
            }
            let spec = rule.spec();
            let port = spec.destination_ports.and_then(Given::positive).is_some_and(|ports| covers(ports, 10250));
            // A service or another host may have that port too: only one of the node is taken.
            if port && spec.target == Some("DNAT") && spec.destination.is_none() {
                faults.push(Fault {
                    subject: rule.chain.name.to_string(),
                    detail: format!(
                        "packets to port 10250 go to {} instead of the kubelet",
                        spec.to_destination.unwrap_or("a pod")
                    ),
                    cites: vec![file.cite(rule.span)],
                    ..Fault::default()
                });
            }
        }
    }
    Ok(faults)
}

/// Rules stand in both of iptables' back ends.
pub(super) fn two_back_ends(network: &Network) -> Verdict {
    let mut cites = Vec::new();
    for file in saved(network)? {
        cites.extend(
            file.value()
                .warnings
                .iter()
                .filter(|(_, said)| said.contains("tables present"))
                .map(|(span, _)| file.cite(*span)),
        );
    }
    if cites.is_empty() {
        return Ok(Vec::new());
    }
    let detail =
        "one back end holds tables that the other's tools do not show: the rules in this bundle are not all".to_owned();
    Ok(vec![Fault { detail, cites, ..Fault::default() }])
}

/// More rules than kube-proxy can keep up with easily.
pub(super) fn many_rules(network: &Network) -> Verdict {
    let saved = network.save.iter().map(|file| {
        let cites = file.value().tables.iter().map(|table| file.cite(table.span)).collect();
        (file.value().rule_count() as u64, cites)
    });
    // Where the rules are too many to be kept, the collector's own count at the end of each listing tells.
    let mut counted = 0;
    let mut cites = Vec::new();
    for (name, file) in &network.lists {
        if let (Some((span, count)), false) = (file.value().counted, name.ends_with('6')) {
            counted += count;
            cites.push(file.cite(span));
        }
    }
    let Some((count, cites)) =
        saved.into_iter().chain((counted > 0).then_some((counted, cites))).max_by_key(|(count, _)| *count)
    else {
        return Err(Outcome::Unknown("no packet filter rules in the bundle".to_owned()));
    };
    if count <= thresholds::filter_rules() as u64 {
        return Ok(Vec::new());
    }
    let detail = format!(
        "{count} rules: each change of a service takes kube-proxy seconds, and each packet of a new connection a long way"
    );
    Ok(vec![Fault { count, detail, cites, ..Fault::default() }])
}

/// The same rule again and again: somebody appends where they should check.
pub(super) fn repeated_rules(network: &Network) -> Verdict {
    let most = thresholds::same_rule() as usize;
    let mut faults = Vec::new();
    for file in saved(network)? {
        for table in &file.value().tables {
            let mut seen: std::collections::HashMap<(&str, &str), (usize, Vec<Cite>)> =
                std::collections::HashMap::new();
            for rule in table.rules() {
                let (count, cites) = seen.entry((&rule.chain.name, rule.text)).or_default();
                *count += 1;
                if *count > 1 && cites.len() < TOLD {
                    cites.push(file.cite(rule.span));
                }
            }
            let mut often: Vec<_> = seen.into_iter().filter(|(_, (count, _))| *count > most).collect();
            often.sort_by_key(|(rule, _)| *rule);
            faults.extend(often.into_iter().map(|((chain, text), (count, cites))| Fault {
                subject: format!("{}/{chain}", table.name),
                count: count as u64,
                detail: format!("`-A {chain} {text}` stands there {count} times"),
                cites,
                ..Fault::default()
            }));
        }
    }
    Ok(faults)
}

/// Source ports are not chosen at random although connections fail for it.
pub(super) fn masquerade_not_random(network: &Network) -> Verdict {
    let conntrack = need(&network.conntrack, "networking/conntrack.txt")?;
    let failed = conntrack.value().total("insert_failed").unwrap_or(0);
    if failed < thresholds::conntrack_failed() as u64 {
        return Ok(Vec::new());
    }
    let file = need(&network.save, "networking/iptables-save.txt")?;
    let nat = file.value().table("nat").ok_or_else(|| Outcome::Unknown(format!("{} has no nat table", file.path)))?;
    let plain = nat
        .rules()
        .filter(|rule| rule.text.contains("-j MASQUERADE") || rule.text.contains("-j SNAT"))
        .filter(|rule| !rule.spec().random);
    let cites: Vec<_> = plain.map(|rule| file.cite(rule.span)).collect();
    if cites.is_empty() {
        return Ok(Vec::new());
    }
    let detail = format!(
        "{} rules translate source addresses without --random-fully, and {failed} connections failed at insertion into the table",
        cites.len()
    );
    Ok(vec![Fault { detail, cites, ..Fault::default() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_owners_is_read() {
        assert!(owners().len() > 10);
    }

    #[test]
    fn ports_in_lists_and_ranges() {
        assert!(covers("10250", 10250) && covers("1:1024", 53) && covers("22,443", 443) && covers("1024:", 10250));
        assert!(!covers("1:1024", 10250) && !covers("ssh", 22));
    }
}
