//! The network's figures, from the parsed files.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Cni, Limits};
use super::pool;
use super::services;
use super::settings;
use super::tracking;
use super::view::{Network, Seen};
use crate::checks::node::KubeletSettings;
use crate::diagnostics::{
    ApiServerFigures, ChainPolicy, CniFigures, ConntrackFigures, DnsFigures, EniFigures, FileState, IpamdFigures,
    IptablesFigures, KubeProxyFigures, MapFigures, Mentioned, NetworkFigures, NetworkPolicyFigures, NicFigures,
    PoolFigures, RoutesFigures, SectionFile, TableFigures,
};
use crate::state::heavy::Heavy;
use crate::state::iptables_list::End;
use crate::state::{Content, Parsed};

/// Names that a figure lists.
const TOLD: usize = 50;

fn count<T>(file: &Option<Seen<Vec<T>>>, wanted: impl Fn(&T) -> bool) -> Option<u64> {
    file.as_ref().map(|file| file.value().iter().filter(|one| wanted(one)).count() as u64)
}

fn set(network: &Network, names: impl Iterator<Item = &'static str>) -> BTreeMap<String, String> {
    names.filter_map(|name| Some((name.to_owned(), network.setting(name)?.0))).collect()
}

impl Network {
    /// The figures of all sections.
    pub(crate) fn figures(&self, kubelet: &KubeletSettings) -> NetworkFigures {
        NetworkFigures {
            files: self.file_states(),
            iptables: self.iptables(),
            cni: self.cni_figures(),
            routes: self.route_figures(),
            dns: self.dns(kubelet),
            eni: self.eni(),
            ipamd: self.ipamd(kubelet),
            conntrack: self.conntrack_figures(),
            kube_proxy: self.kube_proxy(),
            network_policy: self.network_policy(),
            api_server: self.api_server(),
        }
    }

    fn file_states(&self) -> Vec<SectionFile> {
        let mut files = BTreeMap::new();
        macro_rules! told {
            ($($field:ident),*) => { $(for seen in self.$field.iter() {
                files.insert(seen.path.clone(), state_of(seen, said(&seen.parsed)));
            })* };
        }
        told!(save, save6, rules, rules6, routes, routes6, interfaces, resolv, nics, conntrack, conntrack6, sets, ipvs);
        told!(sockets, sysctl, modules, enis, checkpoint, settings, containers, metrics, configs, probe, pings, links);
        told!(programs, maps, kubelet);
        for seen in self.lists.values() {
            files.insert(seen.path.clone(), state_of(seen, said(&seen.parsed)));
        }
        files.into_values().collect()
    }

    fn iptables(&self) -> IptablesFigures {
        let mut figures = IptablesFigures::default();
        for file in self.save.iter().chain(&self.save6) {
            let known = file.value().generator.as_deref().map(str::to_owned);
            figures.generator = figures.generator.or(known);
            for table in &file.value().tables {
                for rule in table.rules() {
                    let text = rule.text;
                    figures.drop_rules += u64::from(text.contains("-j DROP") || text.contains("-j REJECT"));
                    if text.contains("-j MASQUERADE") || text.contains("-j SNAT") {
                        figures.source_translations += 1;
                        figures.random_source_translations += u64::from(text.contains("--random"));
                    }
                }
                figures.tables.push(TableFigures {
                    file: file.path.clone(),
                    table: table.name.to_string(),
                    chains: table.chains.len() as u64,
                    rules: table.rule_count() as u64,
                    complete: table.complete,
                });
            }
        }
        let saved = self.save.as_ref().and_then(|file| file.value().table("filter"));
        for name in ["INPUT", "FORWARD", "OUTPUT"] {
            let listed =
                self.lists.get("filter").and_then(|file| file.value().chain(name)).and_then(|chain| match &chain.end {
                    End::Policy { policy, packets, .. } => Some((policy.to_string(), packets.value)),
                    End::References(_) => None,
                });
            let saved = saved
                .and_then(|table| table.chain(name))
                .and_then(|chain| Some((chain.policy.as_deref()?.to_owned(), chain.packets)));
            if let Some((policy, packets)) = listed.or(saved) {
                figures.policies.push(ChainPolicy { chain: name.to_owned(), policy, packets });
            }
        }
        figures.aws_snat_chain = self.whole_nat().ok().map(|(_, nat)| nat.chain("AWS-SNAT-CHAIN-0").is_some());
        figures
    }

    fn cni_figures(&self) -> CniFigures {
        let plugins = |file: &Seen<crate::state::cni_conflist::CniConfig>| {
            file.value().plugins.iter().map(|plugin| plugin.kind.to_string()).collect::<Vec<_>>()
        };
        let mut containers: Vec<_> = self.containers.iter().flat_map(|file| file.value()).collect();
        containers.sort_by_key(|container| std::cmp::Reverse(container.created));
        CniFigures {
            cni: match self.cni() {
                Cni::Vpc => "vpc-cni".to_owned(),
                Cni::Other(name) => name,
                Cni::Unknown => "unknown".to_owned(),
            },
            configurations: self.configs.iter().map(|file| (file.path.clone(), plugins(file))).collect(),
            image: containers.first().map(|container| container.image.to_string()),
            settings: set(self, settings::names()),
        }
    }

    fn route_figures(&self) -> RoutesFigures {
        let sum = |four: Option<u64>, six: Option<u64>| match (four, six) {
            (None, None) => None,
            (four, six) => Some(four.unwrap_or(0) + six.unwrap_or(0)),
        };
        let rules = |priority: u32| {
            sum(
                count(&self.rules, |rule| rule.priority == priority),
                count(&self.rules6, |rule| rule.priority == priority),
            )
        };
        let routes: Vec<_> = self.routes.iter().chain(&self.routes6).flat_map(|file| file.value()).collect();
        let tables: BTreeSet<String> = routes.iter().map(|route| route.table.to_string()).collect();
        let pod = |device: &str| ["eni", "veth", "cali", "lxc"].iter().any(|start| device.starts_with(start));
        let to_pods =
            routes.iter().filter(|route| route.host().is_some() && route.device().is_some_and(pod)).count() as u64;
        let main = crate::state::ip_rule::RouteTable::Main;
        let default = routes.iter().find(|route| route.is_default() && route.table == main);
        let read = self.routes.is_some() || self.routes6.is_some();
        RoutesFigures {
            rules: sum(count(&self.rules, |_| true), count(&self.rules6, |_| true)),
            rules_to_pods: rules(512),
            rules_from_pods: rules(1536),
            rules_of_branches: rules(10),
            routes: read.then_some(routes.len() as u64),
            routes_to_pods: read.then_some(to_pods),
            tables: tables.into_iter().take(TOLD).collect(),
            gateway: default.and_then(|route| route.hops.first()?.via).map(|via| via.to_string()),
            primary_interface: self.primary_device().map(str::to_owned),
            pod_addresses: self.enis.as_ref().map(|_| self.pod_ips().len() as u64),
        }
    }

    fn dns(&self, kubelet: &KubeletSettings) -> DnsFigures {
        let resolv = self.resolv.as_ref().map(Seen::value);
        let servers: Vec<_> = resolv.iter().flat_map(|conf| &conf.nameservers).map(|server| server.address).collect();
        let pings = self.pings.iter().filter_map(|file| {
            let ping = file.value();
            let told = match (&ping.error, &ping.summary) {
                (Some((_, what)), _) => what.to_string(),
                (None, Some(summary)) => format!("{} of {} answered", summary.received, summary.sent),
                (None, None) => return None,
            };
            Some((file.path.clone(), told))
        });
        DnsFigures {
            // The resolver is the second address of the VPC's first network, 169.254.169.253 or fd00:ec2::253.
            vpc_resolver: servers.first().map(|server| match server {
                core::net::IpAddr::V4(ip) => ip.octets()[3] == 2 || ip.octets() == [169, 254, 169, 253],
                core::net::IpAddr::V6(ip) => ip.to_string() == "fd00:ec2::253",
            }),
            nameservers: servers.iter().map(ToString::to_string).collect(),
            search: resolv
                .and_then(|conf| conf.search.as_ref())
                .map(|(_, names)| names.iter().map(|name| name.to_string()).collect())
                .unwrap_or_default(),
            ndots: resolv.and_then(|conf| conf.option("ndots")),
            cluster_dns: services::cluster_dns(kubelet).map(|(_, servers)| servers).unwrap_or_default(),
            pings: pings.collect(),
        }
    }

    fn eni(&self) -> EniFigures {
        let instance_type = self.instance_type.as_ref().map(|(name, _)| name.clone());
        let limits = instance_type.as_deref().and_then(Limits::of);
        let mut nics: BTreeMap<String, NicFigures> = BTreeMap::new();
        for nic in self.nics.iter().flat_map(|file| file.value()) {
            let allowances = nic.counters.iter().filter(|counter| counter.name.contains("_allowance_"));
            let allowances: BTreeMap<_, _> =
                allowances.map(|counter| (counter.name.to_string(), counter.value)).collect();
            if !allowances.is_empty() {
                let known = nics.entry(nic.name.to_string()).or_default();
                known.allowances = allowances;
            }
        }
        for interface in self.interfaces.iter().flat_map(|file| file.value()) {
            let name = interface.name.to_string();
            if super::interfaces::is_node_s(interface) || nics.contains_key(&name) {
                let known = nics.entry(name).or_default();
                known.running = Some(interface.is_up() && interface.is_running());
                known.mtu = interface.mtu;
                known.addresses = interface.addresses.iter().map(|(ip, length)| format!("{ip}/{length}")).collect();
            }
        }
        EniFigures {
            interface_limit: limits.map(|limits| limits.interfaces),
            address_limit: limits.map(|limits| limits.addresses),
            instance_type,
            interfaces: nics.into_iter().map(|(name, nic)| NicFigures { name, ..nic }).collect(),
            pod_interfaces: count(&self.interfaces, |one| one.name.starts_with("eni") || one.name.starts_with("veth")),
        }
    }

    fn ipamd(&self, kubelet: &KubeletSettings) -> IpamdFigures {
        let pool = pool::pool(self).map(|pool| PoolFigures {
            interfaces: pool.interfaces,
            prefixes: pool.prefixes,
            total: pool.total,
            assigned: pool.assigned,
            cooling: pool.cooling,
            free: pool.total.saturating_sub(pool.assigned + pool.cooling),
        });
        IpamdFigures {
            pool,
            interface_limit: pool::interface_limit(self),
            checkpoint_allocations: count(&self.checkpoint, |_| true),
            no_address_available: self.metric("awscni_no_available_ip_addresses").map(|(count, _)| count),
            max_pods: kubelet.one("max-pods", "maxPods").and_then(|(_, value)| value.parse().ok()),
            targets: set(self, settings::targets()),
        }
    }

    fn conntrack_figures(&self) -> ConntrackFigures {
        fn told<K: ToString>(heavy: &[Heavy<K>]) -> Vec<Mentioned> {
            let each = heavy.iter().map(|heavy| Mentioned {
                what: heavy.key.to_string(),
                at_least: heavy.at_least,
                at_most: heavy.at_most,
            });
            each.collect()
        }
        let Some(file) = &self.conntrack else {
            let (entries, limit) = tracking::occupancy(self).map(|(entries, limit, _)| (entries, limit)).unzip();
            return ConntrackFigures { entries, limit, ..ConntrackFigures::default() };
        };
        let table = file.value();
        let names = [
            "found",
            "invalid",
            "insert",
            "insert_failed",
            "drop",
            "early_drop",
            "error",
            "search_restart",
            "clash_resolve",
        ];
        let counters = names.iter().filter_map(|name| Some(((*name).to_owned(), table.total(name)?)));
        let listed = table.listed.is_some() || table.entries > 0;
        let owned =
            |map: &BTreeMap<Box<str>, u64>| map.iter().map(|(name, count)| (name.to_string(), *count)).collect();
        let occupancy = tracking::occupancy(self);
        ConntrackFigures {
            entries: occupancy.as_ref().map(|(count, ..)| *count).or(listed.then_some(table.entries)),
            limit: occupancy.map(|(_, limit, _)| limit),
            counters: counters.collect(),
            by_protocol: owned(&table.by_protocol),
            by_state: owned(&table.by_state),
            unreplied: listed.then_some(table.unreplied),
            destinations: told(&table.destinations),
            sources: told(&table.sources),
        }
    }

    fn kube_proxy(&self) -> KubeProxyFigures {
        let nat = self.save.as_ref().and_then(|file| file.value().table("nat"));
        let chains = |start: &str| {
            nat.map(|table| table.chains.iter().filter(|chain| chain.name.starts_with(start)).count() as u64)
        };
        let rejects = |file: &Seen<crate::state::iptables_save::IptablesSave>| {
            let rules = file.value().tables.iter().flat_map(|table| table.rules());
            rules.filter(|rule| rule.text.contains(" has no endpoints\"")).count() as u64
        };
        let ipvs = self.ipvs.as_ref().filter(|file| file.value().listed || !file.value().services.is_empty());
        KubeProxyFigures {
            mode: self.proxy_mode().name().to_owned(),
            services: chains("KUBE-SVC-"),
            endpoints: chains("KUBE-SEP-"),
            without_endpoints: self.save.as_ref().map(rejects),
            ipvs_services: ipvs.map(|file| file.value().services.len() as u64),
            ipvs_without_servers: ipvs
                .map(|file| file.value().services.iter().filter(|one| one.servers.is_empty()).count() as u64),
            sets: self
                .sets
                .iter()
                .flat_map(|file| file.value())
                .take(TOLD)
                .map(|set| (set.name.to_string(), set.declared.unwrap_or(set.members)))
                .collect(),
            modules: self
                .modules
                .iter()
                .flat_map(|file| file.value())
                .take(TOLD)
                .map(|module| module.name.to_string())
                .collect(),
        }
    }

    fn network_policy(&self) -> NetworkPolicyFigures {
        let pods: BTreeSet<String> =
            self.programs.iter().flat_map(|file| file.value()).map(|program| program.pod.to_string()).collect();
        let maps = self.maps.iter().flat_map(|file| file.value()).take(TOLD).map(|map| MapFigures {
            id: map.id,
            entries: map.keys,
            complete: map.complete,
            said: map.said.as_deref().map(str::to_owned),
        });
        NetworkPolicyFigures {
            enforcing_mode: self.setting("NETWORK_POLICY_ENFORCING_MODE").map(|(mode, _)| mode),
            programs: count(&self.programs, |_| true),
            pods: pods.into_iter().take(TOLD).collect(),
            maps: maps.collect(),
        }
    }

    fn api_server(&self) -> ApiServerFigures {
        let Some(file) = &self.probe else { return ApiServerFigures::default() };
        let tries = file.value();
        ApiServerFigures {
            url: tries.first().map(|one| one.url.to_string()),
            tries: Some(tries.len() as u64),
            answered: Some(tries.iter().filter(|one| one.answered()).count() as u64),
            statuses: tries.iter().filter_map(|one| one.status).collect(),
            errors: tries
                .iter()
                .filter_map(|one| one.error.as_ref())
                .map(|error| format!("({}) {}", error.code, error.what))
                .collect(),
        }
    }
}

/// The first place that could not be read.
fn said<T>(parsed: &Parsed<T>) -> Option<String> {
    parsed.problems.first().map(ToString::to_string)
}

fn state_of<T: Says>(seen: &Seen<T>, problem: Option<String>) -> SectionFile {
    let problems = seen.parsed.problem_count;
    let (state, detail) = match &seen.content {
        Content::Empty => (FileState::Empty, None),
        Content::Unavailable { reason, .. } => (FileState::Unavailable, Some(reason.clone())),
        Content::Present if seen.cut.is_some() => (FileState::Cut, seen.cut.clone()),
        Content::Present if problems == 0 => (FileState::Read, None),
        Content::Present if seen.value().says_nothing() => (FileState::Unreadable, problem),
        Content::Present => (FileState::Partly, problem),
    };
    let problems = if matches!(state, FileState::Unavailable) { 0 } else { problems };
    SectionFile { file: seen.path.clone(), state, detail, problems }
}

/// Whether a parsed file turned out to say nothing.
trait Says {
    fn says_nothing(&self) -> bool;
}

impl<T: Default + PartialEq> Says for T {
    fn says_nothing(&self) -> bool {
        *self == T::default()
    }
}
