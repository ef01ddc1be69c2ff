//! What kind of node it is, as far as its network goes: which CNI, which mode of kube-proxy, which settings, which addresses pods have.

use core::net::IpAddr;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::view::{Network, Seen};
use crate::checks::{Cite, Outcome};
use crate::state::Span;
use crate::state::iptables_save::Table;

/// Who gives pods their network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cni {
    /// Amazon VPC CNI.
    Vpc,
    /// Another one, by name.
    Other(String),
    /// Nothing in the bundle tells.
    Unknown,
}

/// How kube-proxy routes services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyMode {
    Iptables,
    Ipvs,
    Nftables,
    /// Cilium does it in the place of kube-proxy.
    Cilium,
    Unknown,
}

impl ProxyMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::Ipvs => "ipvs",
            Self::Nftables => "nftables",
            Self::Cilium => "cilium",
            Self::Unknown => "unknown",
        }
    }
}

/// A pod's address and where the bundle tells it.
#[derive(Clone, Debug)]
pub(crate) struct PodIp {
    pub(crate) ip: IpAddr,
    pub(crate) pod: Option<Box<str>>,
    /// Whether its interface is the node's first; unknown where only the checkpoint tells.
    pub(crate) primary: Option<bool>,
    /// The network card.
    pub(crate) card: u32,
    pub(crate) cite: Cite,
}

impl PodIp {
    /// The address, and the pod where known.
    pub(crate) fn named(&self) -> String {
        self.pod.as_ref().map_or_else(|| self.ip.to_string(), |pod| format!("{} ({pod})", self.ip))
    }
}

/// What EC2 allows an instance type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Limits {
    /// Interfaces on the default network card.
    pub(crate) interfaces: u64,
    /// IPv4 addresses of each, its own included.
    pub(crate) addresses: u64,
    /// Whether prefixes can be delegated.
    pub(crate) prefixes: bool,
}

#[derive(Deserialize)]
struct LimitsFile {
    types: BTreeMap<String, Limits>,
}

impl Limits {
    /// The limits of a type; `None` if the table does not have it.
    pub(crate) fn of(instance_type: &str) -> Option<Self> {
        static TABLE: std::sync::OnceLock<BTreeMap<String, Limits>> = std::sync::OnceLock::new();
        let read =
            || toml::from_str::<LimitsFile>(include_str!("../../../data/instance-limits.toml")).map(|file| file.types);
        TABLE.get_or_init(|| read().unwrap_or_default()).get(instance_type).copied()
    }

    /// Addresses that pods can have. A delegated prefix holds 16.
    pub(crate) fn pod_addresses(self, prefixes: bool) -> u64 {
        let slots = self.interfaces * self.addresses.saturating_sub(1);
        if prefixes && self.prefixes { slots * 16 } else { slots }
    }
}

impl Network {
    /// Who gives pods their network: the first configuration counts, as for the runtime; then what the CNIs leave on a node.
    pub(crate) fn cni(&self) -> Cni {
        let known = |kind: &str| match kind {
            "aws-cni" | "egress-cni" => Some(Cni::Vpc),
            "cilium-cni" => Some(Cni::Other("Cilium".to_owned())),
            "calico" => Some(Cni::Other("Calico".to_owned())),
            "flannel" => Some(Cni::Other("Flannel".to_owned())),
            "weave-net" => Some(Cni::Other("Weave Net".to_owned())),
            "antrea" => Some(Cni::Other("Antrea".to_owned())),
            "kube-router" | "bridge" | "ptp" | "ovn-k8s-cni-overlay" | "azure-vnet" => {
                Some(Cni::Other(kind.to_owned()))
            }
            _ => None,
        };
        // Multus only calls another configuration, and a chain may start with anything.
        if self.configs.iter().any(|file| file.value().plugin("aws-cni").is_some()) {
            return Cni::Vpc;
        }
        let plugins = self.configs.iter().flat_map(|file| &file.value().plugins);
        if let Some(cni) = plugins.filter_map(|plugin| known(&plugin.kind)).next() {
            return cni;
        }
        let marks = self.rules.iter().flat_map(|file| file.value()).any(|rule| {
            matches!(rule.priority, 512 | 1536) || rule.mark.is_some_and(|mark| mark.mark == 0x80 && mark.mask == 0x80)
        });
        if marks || self.has_chain("AWS-SNAT-CHAIN-0") || self.enis.iter().any(|file| !file.value().is_empty()) {
            return Cni::Vpc;
        }
        let interface =
            |start: &str| self.interfaces.iter().flat_map(|file| file.value()).any(|one| one.name.starts_with(start));
        if interface("cilium_") || self.has_chain("CILIUM_FORWARD") {
            return Cni::Other("Cilium".to_owned());
        }
        if interface("cali") || self.has_chain("cali-FORWARD") && self.has_chain("cali-POSTROUTING") {
            return Cni::Other("Calico".to_owned());
        }
        Cni::Unknown
    }

    /// That a check of the VPC CNI makes sense; it does unless something tells otherwise.
    pub(super) fn not_another_cni(&self) -> Result<(), Outcome> {
        match self.cni() {
            Cni::Other(name) => Err(Outcome::NotApplicable(format!("pods get their network from {name}"))),
            Cni::Vpc | Cni::Unknown => Ok(()),
        }
    }

    /// Whether a chain of that name is in any table that was seen.
    pub(crate) fn has_chain(&self, name: &str) -> bool {
        let saved = self.save.iter().flat_map(|file| &file.value().tables).any(|table| table.chain(name).is_some());
        saved || self.lists.values().any(|file| file.value().chain(name).is_some())
    }

    /// The whole nat table of `iptables-save`. An excerpt lacks built-in chains, a cut file its COMMIT: neither tells what is missing.
    pub(super) fn whole_nat(&self) -> Result<(&Seen<crate::state::iptables_save::IptablesSave>, &Table), Outcome> {
        let file = super::view::need(&self.save, "networking/iptables-save.txt")?;
        let Some(table) = file.value().table("nat") else {
            return Err(Outcome::Unknown("networking/iptables-save.txt has no nat table".to_owned()));
        };
        let built_in = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].iter().all(|name| table.chain(name).is_some());
        if !table.complete || !built_in {
            return Err(Outcome::Unknown(
                "networking/iptables-save.txt holds only a part of the nat table: what is not in it may be missing from the file alone"
                    .to_owned(),
            ));
        }
        Ok((file, table))
    }

    /// How kube-proxy routes services.
    pub(crate) fn proxy_mode(&self) -> ProxyMode {
        let saved = self.save.iter().filter_map(|file| file.value().table("nat")).flat_map(|table| &table.chains);
        let listed = self.lists.get("nat").into_iter().flat_map(|file| &file.value().chains);
        let mut chains = saved.map(|chain| &chain.name).chain(listed.map(|chain| &chain.name));
        let services = chains.any(|name| name.starts_with("KUBE-SVC-"));
        let ipvs_interface = self.interfaces.iter().flat_map(|file| file.value()).any(|one| &*one.name == "kube-ipvs0");
        let balanced = self.ipvs.iter().any(|file| !file.value().services.is_empty());
        if self.nft_kube_proxy {
            ProxyMode::Nftables
        } else if ipvs_interface || balanced || self.has_chain("KUBE-IPVS-FILTER") {
            ProxyMode::Ipvs
        } else if services {
            ProxyMode::Iptables
        } else if self.has_chain("CILIUM_FORWARD") {
            ProxyMode::Cilium
        } else {
            ProxyMode::Unknown
        }
    }

    /// A setting of aws-node: as ipamd says that it uses it, else as its newest container's environment has it.
    pub(crate) fn setting(&self, name: &str) -> Option<(String, Cite)> {
        let used = self
            .settings
            .iter()
            .find_map(|file| file.value().get(name).map(|setting| (setting.text(), file.cite(setting.span))));
        used.or_else(|| self.variable(name))
    }

    /// A variable of aws-node's containers. Of the stopped ones that are listed too, the newest of each name counts.
    pub(crate) fn variable(&self, name: &str) -> Option<(String, Cite)> {
        let mut containers: Vec<_> =
            self.containers.iter().flat_map(|file| file.value().iter().map(move |one| (file, one))).collect();
        containers.sort_by_key(|(_, container)| std::cmp::Reverse(container.created));
        containers.iter().find_map(|(file, container)| {
            container.variable(name).map(|variable| (variable.value.to_string(), file.cite(variable.span)))
        })
    }

    /// Whether a setting is on; `None` where the bundle does not tell.
    pub(crate) fn is_on(&self, name: &str) -> Option<bool> {
        match self.setting(name) {
            Some((value, _)) => Some(matches!(value.as_str(), "true" | "True" | "TRUE" | "1" | "t" | "T")),
            // Where aws-node's environment is known, what is not in it is off.
            None => self.containers.iter().any(|file| !file.value().is_empty()).then_some(false),
        }
    }

    /// The addresses that pods have: those of the pool, else those of the checkpoint.
    pub(crate) fn pod_ips(&self) -> Vec<PodIp> {
        let mut found = BTreeMap::new();
        for file in self.enis.iter() {
            for card in file.value() {
                for (eni, address) in card.enis.iter().flat_map(|eni| eni.assigned().map(move |address| (eni, address)))
                {
                    let primary = Some(eni.primary && card.number == 0);
                    let cite = file.cite(address.span);
                    let pod = PodIp { ip: address.ip, pod: address.pod.clone(), primary, card: card.number, cite };
                    found.insert(address.ip, pod);
                }
            }
        }
        if self.enis.as_ref().is_none_or(|file| file.value().is_empty()) {
            for file in self.checkpoint.iter() {
                for one in file.value() {
                    let cite = file.cite(one.span);
                    let pod = PodIp { ip: one.ip, pod: one.pod.clone(), primary: None, card: 0, cite };
                    found.insert(one.ip, pod);
                }
            }
        }
        found.into_values().collect()
    }

    /// The node's first interface: where its default route leads.
    pub(crate) fn primary_device(&self) -> Option<&str> {
        let of = |file: &Option<Seen<Vec<crate::state::ip_route::Route>>>| -> Option<String> {
            let routes = file.as_ref()?.value().iter();
            let defaults =
                routes.filter(|route| route.is_default() && route.table == crate::state::ip_rule::RouteTable::Main);
            defaults.min_by_key(|route| route.metric.unwrap_or(0))?.device().map(str::to_owned)
        };
        let name = of(&self.routes).or_else(|| of(&self.routes6))?;
        let routes = self.routes.iter().chain(&self.routes6).flat_map(|file| file.value());
        routes.filter_map(|route| route.device()).find(|device| **device == *name)
    }

    /// A whole number of the node's metrics.
    pub(crate) fn metric(&self, name: &str) -> Option<(u64, Cite)> {
        let file = self.metrics.as_ref()?;
        let sample = file.value().of(name).next()?;
        let sum = file.value().sum(name)?;
        (sum.is_finite() && sum >= 0.0).then(|| (sum as u64, file.cite(sample.span)))
    }
}

/// A place at the start of a file, where something is missing from all of it.
pub(super) fn start_of<T>(file: &Seen<T>) -> Cite {
    file.cite(Span { start: 0, end: 0, line: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_limits_is_read_and_says_where_it_is_from() {
        let file: toml::Table = toml::from_str(include_str!("../../../data/instance-limits.toml")).unwrap();
        assert!(file["source"].as_str().is_some() && file["date"].as_str().is_some());
        let large = Limits::of("m5.large").unwrap();
        assert_eq!(large, Limits { interfaces: 3, addresses: 10, prefixes: true });
        assert_eq!((large.pod_addresses(false), large.pod_addresses(true)), (27, 432));
        let micro = Limits::of("t2.micro").unwrap();
        assert_eq!(micro.pod_addresses(true), 2, "no prefixes on Xen");
        assert!(Limits::of("m5.nano").is_none());
        assert!(file["types"].as_table().unwrap().len() > 1300);
    }
}
