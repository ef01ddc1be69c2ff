//! Figures of the network's sections. Where the bundle does not tell one, it is `null`, never 0.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sections::files_of;
use super::{Figures, FileState, SectionFile};
use crate::rule::Section;

/// The figures of all sections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct NetworkFigures {
    /// The files that were parsed, and what became of them.
    pub files: Vec<SectionFile>,
    pub iptables: IptablesFigures,
    pub cni: CniFigures,
    pub routes: RoutesFigures,
    pub dns: DnsFigures,
    pub eni: EniFigures,
    pub ipamd: IpamdFigures,
    pub conntrack: ConntrackFigures,
    pub kube_proxy: KubeProxyFigures,
    pub network_policy: NetworkPolicyFigures,
    pub api_server: ApiServerFigures,
}

impl NetworkFigures {
    pub(super) fn figures(&self, section: Section) -> Figures {
        match section {
            Section::Iptables => Figures::Iptables(self.iptables.clone()),
            Section::Routes => Figures::Routes(self.routes.clone()),
            Section::Dns => Figures::Dns(self.dns.clone()),
            Section::Eni => Figures::Eni(self.eni.clone()),
            Section::Ipamd => Figures::Ipamd(self.ipamd.clone()),
            Section::Conntrack => Figures::Conntrack(self.conntrack.clone()),
            Section::KubeProxy => Figures::KubeProxy(self.kube_proxy.clone()),
            Section::NetworkPolicy => Figures::NetworkPolicy(self.network_policy.clone()),
            Section::ApiServer => Figures::ApiServer(self.api_server.clone()),
            _ => Figures::Cni(self.cni.clone()),
        }
    }

    pub(super) fn files(&self, section: Section) -> Vec<SectionFile> {
        let absent =
            |path: &str| SectionFile { file: path.to_owned(), state: FileState::Absent, detail: None, problems: 0 };
        let known = |path: &str| self.files.iter().find(|file| file.file == path).cloned();
        files_of(section).map(|path| known(path).unwrap_or_else(|| absent(path))).collect()
    }
}

/// The packet filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IptablesFigures {
    /// The program and back end that printed the rules.
    pub generator: Option<String>,
    /// Tables of both families.
    pub tables: Vec<TableFigures>,
    /// Policies of built-in chains of the filter table.
    pub policies: Vec<ChainPolicy>,
    /// Rules that drop or reject.
    pub drop_rules: u64,
    /// Rules that translate source addresses.
    pub source_translations: u64,
    /// Of these, those that choose the port at random.
    pub random_source_translations: u64,
    /// Whether the VPC CNI's chain of translation is there.
    pub aws_snat_chain: Option<bool>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TableFigures {
    /// The file.
    pub file: String,
    /// `nat`, `filter`, `mangle` ...
    pub table: String,
    /// Chains.
    pub chains: u64,
    /// Rules.
    pub rules: u64,
    /// Whether it was printed to its end.
    pub complete: bool,
}

/// A built-in chain's policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ChainPolicy {
    /// `FORWARD`, `INPUT`, `OUTPUT`.
    pub chain: String,
    /// `ACCEPT` or `DROP`.
    pub policy: String,
    /// Packets that ran into it; may be rounded.
    pub packets: u64,
}

/// The CNI.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CniFigures {
    /// Who gives pods their network: `vpc-cni`, another one by name, `unknown`.
    pub cni: String,
    /// Configuration files in the order in which the runtime looks, each with its plugins.
    pub configurations: BTreeMap<String, Vec<String>>,
    /// The image of aws-node.
    pub image: Option<String>,
    /// Settings of aws-node that the bundle tells, by name.
    pub settings: BTreeMap<String, String>,
}

/// Rules and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RoutesFigures {
    /// Routing rules, both families.
    pub rules: Option<u64>,
    /// Rules that lead to a pod (priority 512).
    pub rules_to_pods: Option<u64>,
    /// Rules for a pod's own packets (priority 1536).
    pub rules_from_pods: Option<u64>,
    /// Rules by the interface of a branch (security groups for pods; priority 10).
    pub rules_of_branches: Option<u64>,
    /// Routes of all tables, both families.
    pub routes: Option<u64>,
    /// Routes that lead to one address by an interface of a pod.
    pub routes_to_pods: Option<u64>,
    /// Tables, `main` and `local` among them.
    pub tables: Vec<String>,
    /// The gateway of the default route.
    pub gateway: Option<String>,
    /// The interface of the default route.
    pub primary_interface: Option<String>,
    /// Addresses that pods have, as ipamd tells.
    pub pod_addresses: Option<u64>,
}

/// The resolver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DnsFigures {
    /// Name servers of the node.
    pub nameservers: Vec<String>,
    /// Whether the first is the VPC's own resolver, as far as its address tells.
    pub vpc_resolver: Option<bool>,
    /// The search list.
    pub search: Vec<String>,
    /// `ndots` of the node.
    pub ndots: Option<u32>,
    /// What the kubelet gives pods.
    pub cluster_dns: Vec<String>,
    /// What the collector's pings came to, by file.
    pub pings: BTreeMap<String, String>,
}

/// Interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EniFigures {
    /// The instance type, where the kernel's log tells.
    pub instance_type: Option<String>,
    /// Interfaces that EC2 allows the type.
    pub interface_limit: Option<u64>,
    /// IPv4 addresses that EC2 allows each, its own included.
    pub address_limit: Option<u64>,
    /// The node's own interfaces.
    pub interfaces: Vec<NicFigures>,
    /// Interfaces of pods that are there.
    pub pod_interfaces: Option<u64>,
}

/// One interface of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NicFigures {
    /// Its name.
    pub name: String,
    /// Whether it is up and has a carrier.
    pub running: Option<bool>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Its addresses with their prefix.
    pub addresses: Vec<String>,
    /// EC2's allowances: how often each was exceeded, and what is left.
    pub allowances: BTreeMap<String, u64>,
}

/// ipamd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IpamdFigures {
    /// The pool; `null` where ipamd did not answer.
    pub pool: Option<PoolFigures>,
    /// Interfaces that the instance may have.
    pub interface_limit: Option<u64>,
    /// Addresses that the checkpoint has given out.
    pub checkpoint_allocations: Option<u64>,
    /// How often a pod asked and there was no address.
    pub no_address_available: Option<u64>,
    /// Pods that the kubelet takes.
    pub max_pods: Option<u64>,
    /// Warm targets, by name.
    pub targets: BTreeMap<String, String>,
}

/// ipamd's pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolFigures {
    /// Interfaces.
    pub interfaces: u64,
    /// Delegated prefixes.
    pub prefixes: u64,
    /// Addresses, those of prefixes included.
    pub total: u64,
    /// Addresses that pods have.
    pub assigned: u64,
    /// Addresses that rest after a pod gave them back.
    pub cooling: u64,
    /// Addresses that the next pod could have.
    pub free: u64,
}

/// Connection tracking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConntrackFigures {
    /// Entries of the table.
    pub entries: Option<u64>,
    /// How many there may be.
    pub limit: Option<u64>,
    /// Counters of all processors since boot.
    pub counters: BTreeMap<String, u64>,
    /// Entries of the list by protocol.
    pub by_protocol: BTreeMap<String, u64>,
    /// TCP entries of the list by state.
    pub by_state: BTreeMap<String, u64>,
    /// Entries of the list without an answer.
    pub unreplied: Option<u64>,
    /// What the most entries lead to.
    pub destinations: Vec<Mentioned>,
    /// Where the most entries come from.
    pub sources: Vec<Mentioned>,
}

/// Something that occurs often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Mentioned {
    /// What.
    pub what: String,
    /// At least so often.
    pub at_least: u64,
    /// At most so often.
    pub at_most: u64,
}

/// kube-proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KubeProxyFigures {
    /// `iptables`, `ipvs`, `nftables`, `cilium`, `unknown`.
    pub mode: String,
    /// Ports of services that have a chain.
    pub services: Option<u64>,
    /// Endpoints that have a chain.
    pub endpoints: Option<u64>,
    /// Ports of services that are rejected for want of endpoints.
    pub without_endpoints: Option<u64>,
    /// Services in ipvs mode.
    pub ipvs_services: Option<u64>,
    /// Of these, those without a server.
    pub ipvs_without_servers: Option<u64>,
    /// Sets of addresses, and how many they hold.
    pub sets: BTreeMap<String, u64>,
    /// Loaded modules of ipvs and connection tracking.
    pub modules: Vec<String>,
}

/// Network policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicyFigures {
    /// NETWORK_POLICY_ENFORCING_MODE: in `strict` mode pods start with everything denied.
    pub enforcing_mode: Option<String>,
    /// Loaded programs of the network policy agent.
    pub programs: Option<u64>,
    /// Groups of pods that have one.
    pub pods: Vec<String>,
    /// Maps that were dumped.
    pub maps: Vec<MapFigures>,
}

/// A map of the network policy agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MapFigures {
    /// Its number.
    pub id: u32,
    /// Entries.
    pub entries: u64,
    /// Whether all were printed.
    pub complete: bool,
    /// What the tool said instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// The API server, as the collector's tries show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiServerFigures {
    /// What was asked.
    pub url: Option<String>,
    /// Tries.
    pub tries: Option<u64>,
    /// Tries that got an answer, of whatever status.
    pub answered: Option<u64>,
    /// The statuses.
    pub statuses: Vec<u16>,
    /// curl's errors.
    pub errors: Vec<String>,
}
