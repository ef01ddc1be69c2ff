//! Kernel parameters and CNI settings that pods' packets need.

use super::facts::Cni;
use super::view::{Network, Verdict, need};
use crate::checks::{Fault, Outcome};

/// The node does not forward packets.
pub(super) fn not_forwarding(network: &Network) -> Verdict {
    let file = need(&network.sysctl, "sysctls/sysctl_all.txt")?;
    let six = network.is_on("ENABLE_IPv6") == Some(true);
    let name = if six { "net.ipv6.conf.all.forwarding" } else { "net.ipv4.ip_forward" };
    let Some(setting) = file.value().get(name) else {
        return Err(Outcome::Unknown(format!("sysctls/sysctl_all.txt does not tell {name}")));
    };
    if &*setting.value != "0" {
        return Ok(Vec::new());
    }
    let detail = format!("{name} is 0: packets from and to pods go no further than the node");
    Ok(vec![Fault { detail, cites: vec![file.cite(setting.span)], ..Fault::default() }])
}

/// The kernel drops packets whose answers would leave by another interface.
pub(super) fn strict_reverse_path(network: &Network) -> Verdict {
    if network.cni() != Cni::Vpc {
        return Err(Outcome::NotApplicable("nothing tells that the VPC CNI gives pods their network".to_owned()));
    }
    let file = need(&network.sysctl, "sysctls/sysctl_all.txt")?;
    if network.is_on("AWS_VPC_CNI_NODE_PORT_SUPPORT") == Some(false)
        && network.setting("AWS_VPC_CNI_NODE_PORT_SUPPORT").is_some()
    {
        return Err(Outcome::NotApplicable("AWS_VPC_CNI_NODE_PORT_SUPPORT is off".to_owned()));
    }
    let Some(primary) = network.primary_device() else {
        return Err(Outcome::Unknown("networking/iproute.txt does not tell the primary interface".to_owned()));
    };
    let of = |device: &str| {
        let setting = file.value().get(&format!("net.ipv4.conf.{device}.rp_filter"))?;
        Some((setting.value.parse::<i64>().ok()?, file.cite(setting.span)))
    };
    let Some((own, cite)) = of(primary) else {
        return Err(Outcome::Unknown(format!(
            "sysctls/sysctl_all.txt does not tell net.ipv4.conf.{primary}.rp_filter"
        )));
    };
    let all = of("all");
    // The larger of both counts: Documentation/networking/ip-sysctl.rst.
    if own.max(all.as_ref().map_or(0, |(value, _)| *value)) != 1 {
        return Ok(Vec::new());
    }
    let detail = format!(
        "rp_filter is 1 (strict) on {primary}; the CNI's init container sets it to 2, as node ports of pods on secondary interfaces need"
    );
    let cites = std::iter::once(cite).chain(all.map(|(_, cite)| cite)).collect();
    Ok(vec![Fault { subject: primary.to_owned(), detail, cites, ..Fault::default() }])
}

/// Bridged packets pass by the rules of services.
pub(super) fn bridge_not_filtered(network: &Network) -> Verdict {
    let bridged = ["bridge", "Flannel", "kube-router", "Weave Net"];
    match network.cni() {
        Cni::Other(name) if bridged.contains(&name.as_str()) => {}
        Cni::Other(name) => return Err(Outcome::NotApplicable(format!("{name} uses no bridge"))),
        Cni::Vpc => return Err(Outcome::NotApplicable("the VPC CNI uses no bridge".to_owned())),
        Cni::Unknown => return Err(Outcome::Unknown("nothing tells which CNI gives pods their network".to_owned())),
    }
    let file = need(&network.sysctl, "sysctls/sysctl_all.txt")?;
    let name = "net.bridge.bridge-nf-call-iptables";
    let Some(setting) = file.value().get(name) else {
        return Err(Outcome::Unknown(format!("sysctls/sysctl_all.txt does not tell {name}")));
    };
    if &*setting.value != "0" {
        return Ok(Vec::new());
    }
    let detail = format!("{name} is 0: packets between pods of one bridge are not translated to a service's pods");
    Ok(vec![Fault { detail, cites: vec![file.cite(setting.span)], ..Fault::default() }])
}

/// The kubelet's TCP probes cannot reach pods with interfaces of their own.
pub(super) fn early_demux(network: &Network) -> Verdict {
    network.not_another_cni()?;
    match network.is_on("ENABLE_POD_ENI") {
        None => return Err(Outcome::Unknown("aws-node's environment is not in the bundle".to_owned())),
        Some(false) => return Err(Outcome::NotApplicable("security groups for pods are off".to_owned())),
        Some(true) => {}
    }
    let mode = network.setting("POD_SECURITY_GROUP_ENFORCING_MODE");
    if mode.as_ref().is_some_and(|(mode, _)| mode == "standard") {
        return Err(Outcome::NotApplicable("POD_SECURITY_GROUP_ENFORCING_MODE is standard".to_owned()));
    }
    let file = need(&network.sysctl, "sysctls/sysctl_all.txt")?;
    let Some(setting) = file.value().get("net.ipv4.tcp_early_demux") else {
        return Err(Outcome::Unknown("sysctls/sysctl_all.txt does not tell net.ipv4.tcp_early_demux".to_owned()));
    };
    if &*setting.value == "0" {
        return Ok(Vec::new());
    }
    let mut cites = vec![file.cite(setting.span)];
    cites.extend(network.setting("ENABLE_POD_ENI").map(|(_, cite)| cite));
    cites.extend(mode.map(|(_, cite)| cite));
    let detail = "security groups for pods in strict mode with net.ipv4.tcp_early_demux = 1".to_owned();
    Ok(vec![Fault { detail, cites, ..Fault::default() }])
}

/// The runtime calls another plugin than the VPC CNI although that is there.
pub(super) fn foreign_config_first(network: &Network) -> Verdict {
    let mut files = network.configs.iter().filter(|file| !file.value().plugins.is_empty());
    let Some(first) = files.next() else {
        return Err(Outcome::Unknown("no CNI configuration in the bundle (cni/)".to_owned()));
    };
    let aws =
        |file: &super::view::Seen<crate::state::cni_conflist::CniConfig>| file.value().plugin("aws-cni").is_some();
    let Some(second) = files.find(|file| aws(file)) else {
        return match network.cni() {
            Cni::Other(name) => Err(Outcome::NotApplicable(format!("pods get their network from {name}"))),
            _ => Ok(Vec::new()),
        };
    };
    // Multus calls the other configurations itself.
    if aws(first) || first.value().plugin("multus").is_some() {
        return Ok(Vec::new());
    }
    let plugin = &first.value().plugins[0];
    Ok(vec![Fault {
        subject: first.path.clone(),
        detail: format!(
            "the runtime takes {} ({}) before {}: pods started now do not get VPC addresses",
            first.path, plugin.kind, second.path
        ),
        entities: vec![plugin.kind.to_string()],
        cites: vec![first.cite(plugin.span), second.cite(second.value().plugins[0].span)],
        ..Fault::default()
    }])
}

/// Two engines enforce network policies.
pub(super) fn two_policy_engines(network: &Network) -> Verdict {
    let programs = need(&network.programs, "networking/ebpf-data.txt")?;
    let Some(first) = programs.value().first() else { return Ok(Vec::new()) };
    let tables = network.save.iter().flat_map(|file| file.value().tables.iter().map(move |table| (file, table)));
    let policies = tables.flat_map(|(file, table)| table.chains.iter().map(move |chain| (file, chain)));
    let mut policies = policies.filter(|(_, chain)| {
        ["cali-pi-", "cali-po-", "WEAVE-NPC-INGRESS", "KUBE-NWPLCY-"].iter().any(|start| chain.name.starts_with(start))
    });
    let Some((file, chain)) = policies.next() else { return Ok(Vec::new()) };
    Ok(vec![Fault {
        count: 2,
        detail: format!(
            "the network policy agent has {} programs loaded, and chain {} enforces policies too: a flow needs the leave of both",
            programs.value().len(),
            chain.name
        ),
        cites: vec![programs.cite(first.span), file.cite(chain.span)],
        ..Fault::default()
    }])
}
