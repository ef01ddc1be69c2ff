//! kube-proxy's rules: whether they are there, and whether the services that a node needs have endpoints.

use core::net::IpAddr;

use super::facts::{ProxyMode, start_of};
use super::view::{Network, Verdict, need};
use crate::checks::node::KubeletSettings;
use crate::checks::{Cite, Fault, Outcome, State};
use crate::state::iptables_save::{Given, Rule};

/// Services without endpoints that a fault tells of.
const TOLD: usize = 50;

/// That kube-proxy is to write rules for services into the nat table.
fn by_iptables(network: &Network) -> Result<(), Outcome> {
    match network.proxy_mode() {
        mode @ (ProxyMode::Ipvs | ProxyMode::Nftables | ProxyMode::Cilium) => {
            Err(Outcome::NotApplicable(format!("services are routed by {}", mode.name())))
        }
        ProxyMode::Iptables | ProxyMode::Unknown => Ok(()),
    }
}

/// kube-proxy has written no rules, or none that lead to a service.
pub(super) fn rules_missing(network: &Network) -> Verdict {
    by_iptables(network)?;
    let (file, nat) = network.whole_nat()?;
    let Some(services) = nat.chain("KUBE-SERVICES") else {
        // The kubelet's and the CNI's chains tell that the node belongs to a cluster.
        if nat.chain("AWS-SNAT-CHAIN-0").is_none() && nat.chain("KUBE-KUBELET-CANARY").is_none() {
            return Err(Outcome::Unknown(
                "nothing in the nat table tells that the node is one of a cluster".to_owned(),
            ));
        }
        let detail = format!(
            "the nat table has {} chains, and none is KUBE-SERVICES: no service can be reached by its address",
            nat.chains.len()
        );
        return Ok(vec![Fault {
            subject: "KUBE-SERVICES".to_owned(),
            detail,
            cites: vec![file.cite(nat.span)],
            ..Fault::default()
        }]);
    };
    let leads = |rule: &Rule<'_>| rule.text.contains("-j KUBE-SVC-") || rule.text.contains("-j KUBE-EXT-");
    if nat.rules_of("KUBE-SERVICES").any(|rule| leads(&rule)) {
        return Ok(Vec::new());
    }
    let detail = "KUBE-SERVICES leads to no service: kube-proxy stopped before its first synchronisation, or its rules were flushed".to_owned();
    Ok(vec![Fault {
        subject: "KUBE-SVC".to_owned(),
        detail,
        cites: vec![file.cite(services.span)],
        ..Fault::default()
    }])
}

/// The rules of `kube-system/kube-dns` and the like are named so in comments: `NAMESPACE/NAME:PORT has no endpoints`.
fn rejected(network: &Network) -> Result<Vec<(String, Cite)>, Outcome> {
    let file = need(&network.save, "networking/iptables-save.txt")?;
    let mut found = Vec::new();
    for rule in file.value().tables.iter().flat_map(|table| table.rules()) {
        if !rule.text.contains(" endpoints") {
            continue;
        }
        let spec = rule.spec();
        let Some(comment) = spec.comment else { continue };
        if matches!(spec.target, Some("REJECT" | "DROP")) && comment.ends_with(" has no endpoints") {
            let service = comment.trim_end_matches(" has no endpoints").trim_end_matches(':');
            found.push((service.to_owned(), file.cite(rule.span)));
        }
    }
    Ok(found)
}

/// Services that a node cannot do without.
const NEEDED: [&str; 2] = ["default/kubernetes", "kube-system/kube-dns"];

fn is_needed(service: &str) -> bool {
    NEEDED
        .iter()
        .any(|needed| service.strip_prefix(needed).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
}

/// The API server or cluster DNS has no endpoint, or no rule.
pub(super) fn needed_service_missing(network: &Network) -> Verdict {
    let mut faults: Vec<Fault> = rejected(network)?
        .into_iter()
        .filter(|(service, _)| is_needed(service))
        .map(|(service, cite)| Fault {
            detail: format!("kube-proxy rejects connections to {service}: it has no endpoints"),
            subject: service,
            cites: vec![cite],
            ..Fault::default()
        })
        .collect();
    if by_iptables(network).is_ok()
        && let Ok((file, nat)) = network.whole_nat()
    {
        let mut leads = nat.rules_of("KUBE-SERVICES").filter(|rule| rule.text.contains("-j KUBE-SVC-")).peekable();
        if leads.peek().is_some()
            && !leads.any(|rule| rule.text.contains("default/kubernetes:https"))
            && !faults.iter().any(|fault| fault.subject.starts_with(NEEDED[0]))
            && let Some(chain) = nat.chain("KUBE-SERVICES")
        {
            faults.push(Fault {
                subject: NEEDED[0].to_owned(),
                detail: "KUBE-SERVICES has rules of services, and none for default/kubernetes:https, the API server"
                    .to_owned(),
                cites: vec![file.cite(chain.span)],
                ..Fault::default()
            });
        }
    }
    Ok(faults)
}

/// Services without endpoints: usual in most clusters, and the answer to "connection refused".
pub(super) fn without_endpoints(network: &Network) -> Verdict {
    let services: Vec<_> = rejected(network)?.into_iter().filter(|(service, _)| !is_needed(service)).collect();
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<_> = services.iter().take(8).map(|(service, _)| service.as_str()).collect();
    Ok(vec![Fault {
        count: services.len() as u64,
        detail: format!(
            "{} ports of services are rejected for want of endpoints: {}",
            services.len(),
            names.join(", ")
        ),
        entities: names.iter().map(|name| (*name).to_owned()).collect(),
        cites: services.iter().take(TOLD).map(|(_, cite)| cite.clone()).collect(),
        ..Fault::default()
    }])
}

/// kube-proxy's mark is set and nothing translates the source of marked packets.
pub(super) fn masquerade_missing(network: &Network) -> Verdict {
    let (file, nat) = network.whole_nat()?;
    let Some(chain) = nat.chain("KUBE-POSTROUTING") else {
        return Err(Outcome::NotApplicable("kube-proxy has no chain KUBE-POSTROUTING here".to_owned()));
    };
    if nat.rules_of("KUBE-POSTROUTING").any(|rule| matches!(rule.target(), Some("MASQUERADE" | "SNAT"))) {
        return Ok(Vec::new());
    }
    let detail =
        "KUBE-POSTROUTING has no MASQUERADE: node ports and pods that call themselves through a service get no answer"
            .to_owned();
    Ok(vec![Fault { detail, cites: vec![file.cite(chain.span)], ..Fault::default() }])
}

/// The VPC CNI is to translate the addresses of pods on their way out of the VPC, and its chain is not there.
pub(super) fn snat_missing(network: &Network) -> Verdict {
    network.not_another_cni()?;
    if network.is_on("ENABLE_IPv6") == Some(true) {
        return Err(Outcome::NotApplicable("IPv6 pods leave the VPC under their own addresses".to_owned()));
    }
    match network.setting("AWS_VPC_K8S_CNI_EXTERNALSNAT") {
        None => {
            return Err(Outcome::Unknown(
                "whether AWS_VPC_K8S_CNI_EXTERNALSNAT is set is not in the bundle".to_owned(),
            ));
        }
        Some(_) if network.is_on("AWS_VPC_K8S_CNI_EXTERNALSNAT") == Some(true) => {
            return Err(Outcome::NotApplicable(
                "AWS_VPC_K8S_CNI_EXTERNALSNAT leaves translation to a NAT gateway".to_owned(),
            ));
        }
        Some(_) => {}
    }
    let (file, nat) = network.whole_nat()?;
    let jumps = nat.rules_of("POSTROUTING").any(|rule| rule.target() == Some("AWS-SNAT-CHAIN-0"));
    let chain = nat.chain("AWS-SNAT-CHAIN-0");
    if jumps && chain.is_some() {
        return Ok(Vec::new());
    }
    let (what, span) = match chain {
        Some(chain) => ("POSTROUTING does not lead to AWS-SNAT-CHAIN-0", chain.span),
        None => ("the nat table has no chain AWS-SNAT-CHAIN-0", nat.span),
    };
    let detail = format!("{what}: pods' packets leave the VPC under addresses that nobody outside can answer");
    let setting = network.setting("AWS_VPC_K8S_CNI_EXTERNALSNAT").map(|(_, cite)| cite);
    let cites = std::iter::once(file.cite(span)).chain(setting).collect();
    Ok(vec![Fault { detail, cites, ..Fault::default() }])
}

/// The kubelet tells pods of a DNS address that is no service.
pub(super) fn cluster_dns_unknown(state: &State) -> Verdict {
    let (network, kubelet) = (state.network(), &state.node.kubelet);
    by_iptables(network)?;
    let Some((cite, addresses)) = cluster_dns(kubelet) else {
        return Err(Outcome::Unknown("nothing in the bundle tells the kubelet's clusterDNS".to_owned()));
    };
    let (file, nat) = network.whole_nat()?;
    let mut rules = nat.rules_of("KUBE-SERVICES").peekable();
    if rules.peek().is_none() {
        return Err(Outcome::Unknown("kube-proxy has no rules for services".to_owned()));
    }
    let rules: Vec<_> = rules.map(|rule| rule.spec()).collect();
    let mut faults = Vec::new();
    for address in &addresses {
        // A node-local cache listens on a link-local address; IPv6 services stand in the other table.
        let Ok(IpAddr::V4(ip)) = address.parse() else { continue };
        let served = |given: Option<Given<'_>>| {
            given.and_then(Given::positive).is_some_and(|to| to.split('/').next() == Some(address.as_str()))
        };
        if ip.is_link_local() || rules.iter().any(|spec| served(spec.destination)) {
            continue;
        }
        faults.push(Fault {
            subject: address.clone(),
            detail: format!(
                "the kubelet gives pods {address} as DNS server, and kube-proxy knows no service of that address"
            ),
            cites: vec![cite.clone(), start_of(file)],
            ..Fault::default()
        });
    }
    Ok(faults)
}

/// The DNS servers that the kubelet gives pods, by flag or else by configuration.
pub(super) fn cluster_dns(kubelet: &KubeletSettings) -> Option<(Cite, Vec<String>)> {
    if let Some((cite, flag)) = kubelet.flag("cluster-dns") {
        return Some((cite, flag.value.as_deref()?.split(',').map(str::to_owned).collect()));
    }
    let (cited, servers) = kubelet.config.many("clusterDNS")?;
    Some((kubelet.cite(cited)?, servers.to_vec()))
}
