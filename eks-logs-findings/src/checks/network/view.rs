//! The network's state files, parsed once for all checks.

use std::collections::BTreeMap;

use crate::checks::{Cite, Fault, Outcome, StateFile, StateFiles};
use crate::state::api_probe::Try;
use crate::state::cni_conflist::CniConfig;
use crate::state::cni_containers::Container;
use crate::state::conntrack::Conntrack;
use crate::state::ebpf::{MapDump, Program};
use crate::state::enis::Card;
use crate::state::ethtool::NicStatistics;
use crate::state::interface::Interface;
use crate::state::ip_route::Route;
use crate::state::ip_rule::IpRule;
use crate::state::ipam_checkpoint::Allocation;
use crate::state::ipamd_settings::Setting;
use crate::state::ipset::IpSet;
use crate::state::iptables_list::IptablesList;
use crate::state::iptables_save::IptablesSave;
use crate::state::ipvsadm::Ipvs;
use crate::state::lsmod::Module;
use crate::state::metrics::Metrics;
use crate::state::netstat::Socket;
use crate::state::ping::Ping;
use crate::state::resolv_conf::ResolvConf;
use crate::state::sysctl::Sysctl;
use crate::state::systemd_unit::Unit;
use crate::state::{self, Content, Parsed, Span};

/// What a check came to, before it is told: faults, or why there is no verdict.
pub(super) type Verdict = Result<Vec<Fault>, Outcome>;

/// A verdict as an outcome.
pub(super) fn settle(verdict: Verdict) -> Outcome {
    verdict.map_or_else(|outcome| outcome, Outcome::of)
}

/// A file that was parsed.
pub(crate) struct Seen<T> {
    pub(crate) path: String,
    pub(crate) content: Content,
    pub(crate) parsed: Parsed<T>,
    /// Why its end is missing, if it is.
    pub(crate) cut: Option<String>,
}

impl<T> Seen<T> {
    fn new(file: &StateFile, parse: fn(&[u8]) -> Parsed<T>) -> Self {
        let content = Content::of(&file.content);
        Self { path: file.path.clone(), content, parsed: parse(&file.content), cut: file.cut.clone() }
    }

    pub(crate) fn value(&self) -> &T {
        &self.parsed.value
    }

    pub(crate) fn cite(&self, span: Span) -> Cite {
        Cite { file: self.path.clone(), span, text: None }
    }
}

/// A file that a check cannot do without; otherwise why it is not there.
pub(super) fn need<'a, T>(seen: &'a Option<Seen<T>>, path: &str) -> Result<&'a Seen<T>, Outcome> {
    let Some(seen) = seen else { return Err(Outcome::Unknown(format!("{path} is absent"))) };
    match &seen.content {
        Content::Empty => Err(Outcome::Unknown(format!("{path} is empty"))),
        Content::Unavailable { reason, .. } => Err(Outcome::Unknown(format!("{path} says: {reason}"))),
        Content::Present => Ok(seen),
    }
}

/// All that the bundle says about the node's network.
pub(crate) struct Network {
    pub(crate) save: Option<Seen<IptablesSave>>,
    pub(crate) save6: Option<Seen<IptablesSave>>,
    /// Listings, by the name of their table; those of the default table are `filter` where that is missing.
    pub(crate) lists: BTreeMap<&'static str, Seen<IptablesList>>,
    pub(crate) rules: Option<Seen<Vec<IpRule>>>,
    pub(crate) rules6: Option<Seen<Vec<IpRule>>>,
    pub(crate) routes: Option<Seen<Vec<Route>>>,
    pub(crate) routes6: Option<Seen<Vec<Route>>>,
    pub(crate) interfaces: Option<Seen<Vec<Interface>>>,
    pub(crate) resolv: Option<Seen<ResolvConf>>,
    pub(crate) nics: Option<Seen<Vec<NicStatistics>>>,
    pub(crate) conntrack: Option<Seen<Conntrack>>,
    pub(crate) conntrack6: Option<Seen<Conntrack>>,
    pub(crate) sets: Option<Seen<Vec<IpSet>>>,
    pub(crate) ipvs: Option<Seen<Ipvs>>,
    pub(crate) sockets: Option<Seen<Vec<Socket>>>,
    pub(crate) sysctl: Option<Seen<Sysctl>>,
    pub(crate) modules: Option<Seen<Vec<Module>>>,
    pub(crate) enis: Option<Seen<Vec<Card>>>,
    pub(crate) checkpoint: Option<Seen<Vec<Allocation>>>,
    /// ipamd's settings as it uses them: those of the host's network, and those of the pool.
    pub(crate) settings: Vec<Seen<BTreeMap<Box<str>, Setting>>>,
    pub(crate) containers: Vec<Seen<Vec<Container>>>,
    pub(crate) metrics: Option<Seen<Metrics>>,
    /// `/etc/cni/net.d` in the order in which the runtime looks.
    pub(crate) configs: Vec<Seen<CniConfig>>,
    pub(crate) probe: Option<Seen<Vec<Try>>>,
    pub(crate) pings: Vec<Seen<Ping>>,
    pub(crate) links: Vec<Seen<Unit>>,
    pub(crate) programs: Option<Seen<Vec<Program>>>,
    pub(crate) maps: Vec<Seen<Vec<MapDump>>>,
    /// The kubelet's configuration, for what became of its files: its settings are those of `NodeFiles`.
    pub(crate) kubelet: Vec<Seen<BTreeMap<Box<str>, Setting>>>,
    /// Whether nftables holds a table of kube-proxy's.
    pub(crate) nft_kube_proxy: bool,
    /// The instance type and where it stands.
    pub(crate) instance_type: Option<(String, Cite)>,
}

impl Network {
    pub(crate) fn of(files: &StateFiles) -> Self {
        fn one<T>(files: &StateFiles, path: &str, parse: fn(&[u8]) -> Parsed<T>) -> Option<Seen<T>> {
            files.get(path).map(|file| Seen::new(file, parse))
        }
        fn all<T>(files: &StateFiles, parse: fn(&[u8]) -> Parsed<T>, wanted: impl Fn(&str) -> bool) -> Vec<Seen<T>> {
            files.iter().filter(|file| wanted(&file.path)).map(|file| Seen::new(file, parse)).collect()
        }
        let connections = |path: &str| {
            let file = files.get(path)?;
            let mut seen = Seen::new(file, state::conntrack::parse);
            if let Some(counted) = &file.connections {
                seen.parsed = counted.clone();
            }
            Some(seen)
        };
        let below = |path: &str, directory: &str, ends: &[&str]| {
            path.strip_prefix(directory).is_some_and(|name| ends.iter().any(|end| name.ends_with(end)))
        };
        let lists = [
            ("filter", "networking/iptables-filter.txt"),
            ("filter", "networking/iptables.txt"),
            ("filter", "iptables-filter"),
            ("nat", "networking/iptables-nat.txt"),
            ("nat", "iptables-nat"),
            ("mangle", "networking/iptables-mangle.txt"),
            ("filter6", "networking/ip6tables-filter.txt"),
            ("filter6", "networking/ip6tables.txt"),
            ("nat6", "networking/ip6tables-nat.txt"),
            ("mangle6", "networking/ip6tables-mangle.txt"),
        ];
        let mut listed = BTreeMap::new();
        for (table, path) in lists {
            if !listed.contains_key(table)
                && let Some(seen) = one(files, path, state::iptables_list::parse)
            {
                listed.insert(table, seen);
            }
        }
        let probe = ["networking/curl_api_server.txt", "networking/get_api_server.txt"];
        let settings = ["ipamd/networkutils-env-settings.json", "ipamd/ipamd-env-settings.json"];
        Self {
            save: one(files, "networking/iptables-save.txt", state::iptables_save::parse),
            save6: one(files, "networking/ip6tables-save.txt", state::iptables_save::parse),
            lists: listed,
            rules: one(files, "networking/iprule.txt", state::ip_rule::parse),
            rules6: one(files, "networking/ip6rule.txt", state::ip_rule::parse),
            routes: one(files, "networking/iproute.txt", state::ip_route::parse),
            routes6: one(files, "networking/ip6route.txt", state::ip_route::parse),
            interfaces: one(files, "networking/ifconfig.txt", state::ifconfig::parse),
            resolv: one(files, "networking/resolv.conf", state::resolv_conf::parse),
            nics: one(files, "networking/ethtool.txt", state::ethtool::parse),
            conntrack: connections("networking/conntrack.txt"),
            conntrack6: connections("networking/conntrack6.txt"),
            sets: one(files, "networking/ipset.txt", state::ipset::parse),
            ipvs: one(files, "networking/ipvsadm.txt", state::ipvsadm::parse),
            sockets: one(files, "system/netstat.txt", state::netstat::parse),
            sysctl: one(files, "sysctls/sysctl_all.txt", state::sysctl::parse),
            modules: one(files, "modinfo/ip_vs", state::lsmod::parse),
            enis: one(files, "ipamd/enis.json", state::enis::parse),
            checkpoint: one(files, "ipamd/ipam.json", state::ipam_checkpoint::parse),
            settings: settings.iter().filter_map(|path| one(files, path, state::ipamd_settings::parse)).collect(),
            containers: all(files, state::cni_containers::parse, |path| {
                path.starts_with("cni/cni-configuration-variables-")
            }),
            metrics: one(files, "ipamd/metrics.json", state::metrics::parse),
            configs: all(files, state::cni_conflist::parse, |path| {
                let name = path.strip_prefix("cni/").filter(|name| !name.contains('/'));
                name.is_some_and(|name| {
                    [".conflist", ".conf", ".json"].iter().any(|end| name.ends_with(end))
                        && !name.starts_with("cni-configuration-variables-")
                })
            }),
            probe: probe.iter().find_map(|path| one(files, path, state::api_probe::parse)),
            pings: all(files, state::ping::parse, |path| below(path, "networking/ping_", &[".txt"])),
            links: all(files, state::systemd_unit::parse, |path| {
                below(path, "networking/systemd-network/", &[".link"])
            }),
            programs: one(files, "networking/ebpf-data.txt", state::ebpf::parse_programs),
            maps: all(files, state::ebpf::parse_maps, |path| below(path, "networking/ebpf-", &["maps-data.txt"])),
            kubelet: all(files, state::ipamd_settings::parse, |path| {
                matches!(path, "kubelet/config.json" | "kubelet/kubelet-config.json")
                    || path.starts_with("kubelet/config.json.d/")
            }),
            nft_kube_proxy: files
                .iter()
                .any(|file| file.path.starts_with("networking/nftables-") && file.path.contains("kube-proxy")),
            instance_type: instance_type(files),
        }
    }
}

/// The kernel prints the machine's model at boot: `DMI: Amazon EC2 m5.large/, BIOS 1.0 10/16/2017`.
fn instance_type(files: &StateFiles) -> Option<(String, Cite)> {
    files.iter().filter(|file| file.source.name() == "kernel").find_map(|file| {
        let (span, line) = state::Lines::new(&file.content)
            .find(|(_, line)| memchr::memmem::find(line, b"DMI: Amazon EC2 ").is_some())?;
        let line = String::from_utf8_lossy(line);
        let model = line.split_once("DMI: Amazon EC2 ")?.1.split(['/', ',', ' ']).next()?;
        Some((model.to_owned(), Cite { file: file.path.clone(), span, text: None }))
    })
}
