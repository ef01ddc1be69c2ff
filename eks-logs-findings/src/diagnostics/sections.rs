//! Which section a file or a rule belongs to, and what is not known without the file.

use super::{FileState, SectionFile};
use crate::rule::Section;

/// The sections of the network, in the order in which they are told.
pub const NETWORK_SECTIONS: &[Section] = &[
    Section::Iptables,
    Section::Cni,
    Section::Routes,
    Section::Dns,
    Section::Eni,
    Section::Ipamd,
    Section::Conntrack,
    Section::KubeProxy,
    Section::NetworkPolicy,
    Section::ApiServer,
];

/// Files of the sections, and what is not known without each.
const FILES: &[(Section, &str, &str)] = &[
    (Section::Iptables, "networking/iptables-save.txt", "which packets are dropped, rejected or translated"),
    (Section::Iptables, "networking/iptables-filter.txt", "how many packets ran into which rule"),
    (Section::Iptables, "networking/iptables-nat.txt", "how many packets are translated"),
    (Section::Iptables, "networking/ip6tables-save.txt", "the rules for IPv6"),
    (Section::Cni, "cni/10-aws.conflist", "how the runtime calls the CNI"),
    (Section::Cni, "cni/cni-configuration-variables-containerd.json", "how aws-node is configured"),
    (Section::Cni, "sysctls/sysctl_all.txt", "the kernel parameters that pods' packets need"),
    (Section::Routes, "networking/iprule.txt", "whether pods' packets take their own way"),
    (Section::Routes, "networking/iproute.txt", "whether pods and the node have their routes"),
    (Section::Routes, "networking/ip6rule.txt", "the rules for IPv6"),
    (Section::Routes, "networking/ip6route.txt", "the routes for IPv6"),
    (Section::Routes, "ipamd/enis.json", "which addresses pods have"),
    (Section::Dns, "networking/resolv.conf", "which name servers the node asks"),
    (Section::Dns, "networking/ping_amazon.com.txt", "whether public names resolve"),
    (Section::Dns, "kubelet/config.json", "which DNS server pods are given"),
    (Section::Eni, "networking/ethtool.txt", "whether EC2's allowances were exceeded"),
    (Section::Eni, "networking/ifconfig.txt", "which interfaces are up"),
    (Section::Ipamd, "ipamd/enis.json", "how many addresses are left"),
    (Section::Ipamd, "ipamd/ipam.json", "which container has which address"),
    (Section::Ipamd, "ipamd/metrics.json", "the limits and errors that ipamd counts"),
    (Section::Ipamd, "ipamd/ipamd-env-settings.json", "the warm targets that ipamd uses"),
    (Section::Ipamd, "ipamd/networkutils-env-settings.json", "the host network settings that ipamd uses"),
    (Section::Conntrack, "networking/conntrack.txt", "who has how many connections, and how many failed"),
    (Section::Conntrack, "sysctls/sysctl_all.txt", "how many connections there may be"),
    (Section::KubeProxy, "networking/iptables-save.txt", "whether services have rules"),
    (Section::KubeProxy, "networking/ipvsadm.txt", "the services of ipvs mode"),
    (Section::KubeProxy, "networking/ipset.txt", "the sets of ipvs mode"),
    (Section::KubeProxy, "modinfo/ip_vs", "which modules of ipvs are loaded"),
    (Section::NetworkPolicy, "networking/ebpf-data.txt", "which pods' policies are loaded"),
    (Section::NetworkPolicy, "networking/ebpf-maps-data.txt", "what the loaded policies allow"),
    (Section::ApiServer, "networking/curl_api_server.txt", "whether the node reaches the API server"),
];

/// Files that only some nodes or some tools have: their absence alone leaves nothing to ask for.
const OPTIONAL: &[&str] = &[
    "networking/ip6tables-save.txt",
    "networking/ip6rule.txt",
    "networking/ip6route.txt",
    "networking/ipvsadm.txt",
    "networking/ipset.txt",
    "networking/ebpf-data.txt",
    "networking/ebpf-maps-data.txt",
    "modinfo/ip_vs",
    "kubelet/config.json",
];

/// The paths of a section's files.
pub(super) fn files_of(section: Section) -> impl Iterator<Item = &'static str> {
    FILES.iter().filter(move |(its, ..)| *its == section).map(|(_, path, _)| *path)
}

/// What is not known because of a file; `None` where it was read or is not needed.
pub(super) fn left_unknown(section: Section, file: &SectionFile) -> Option<String> {
    let what = FILES.iter().find(|(its, path, _)| *its == section && *path == file.file).map(|(_, _, what)| *what)?;
    let why = match file.state {
        FileState::Read => return None,
        FileState::Absent if OPTIONAL.contains(&file.file.as_str()) => return None,
        FileState::Empty if file.file == "modinfo/ip_vs" => return None,
        FileState::Absent => "is absent",
        FileState::Empty => "is empty",
        FileState::Unavailable => "holds no output",
        FileState::Unreadable => "cannot be read",
        FileState::Partly => "cannot be read as a whole",
        FileState::Cut => "was cut",
    };
    Some(format!("{} {why}: {what} is not known for certain", file.file))
}

/// The section of a rule that reads lines; the first row that matches wins, `*` at the end stands for anything.
const RULES: &[(&str, Section)] = &[
    ("cni/pod-rules-wiped", Section::Routes),
    ("cni/host-*", Section::Routes),
    ("cni/ec2-net-utils-active", Section::Routes),
    ("cni/dhcp-lease-lost", Section::Eni),
    ("cni/primary-carrier-lost", Section::Eni),
    ("cni/eni-setup-failed", Section::Eni),
    ("cni/branch-eni-unavailable", Section::Eni),
    ("cni/eni-*", Section::Ipamd),
    ("cni/eniconfig-*", Section::Ipamd),
    ("cni/ipamd-*", Section::Ipamd),
    ("cni/subnet-*", Section::Ipamd),
    ("cni/no-*", Section::Ipamd),
    ("cni/pool-*", Section::Ipamd),
    ("cni/prefix-*", Section::Ipamd),
    ("cni/checkpoint-*", Section::Ipamd),
    ("cni/ec2-*", Section::Ipamd),
    ("cni/imds-*", Section::Ipamd),
    ("cni/instance-type-*", Section::Ipamd),
    ("cni/max-pods-*", Section::Ipamd),
    ("cni/vpc-cidr-*", Section::Ipamd),
    ("cni/apiserver-*", Section::ApiServer),
    ("cni/network-policy-*", Section::NetworkPolicy),
    ("cni/pod-policy-*", Section::NetworkPolicy),
    ("cni/*", Section::Cni),
    ("dns/*", Section::Dns),
    ("kube-proxy/*", Section::KubeProxy),
    ("network-policy/*", Section::NetworkPolicy),
    ("network/ena-*", Section::Eni),
    ("network/transmit-*", Section::Eni),
    ("network/*", Section::Conntrack),
    ("kernel/martian-source", Section::Routes),
    ("kubelet/apiserver-unreachable", Section::ApiServer),
];

pub(super) fn of_rule(id: &str) -> Option<Section> {
    let matches = |pattern: &str| pattern.strip_suffix('*').map_or(pattern == id, |start| id.starts_with(start));
    RULES.iter().find(|(pattern, _)| matches(pattern)).map(|(_, section)| *section)
}
