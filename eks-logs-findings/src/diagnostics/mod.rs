//! The node and its network by section: what was read and what was not, figures, issues.
//!
//! The figures are taken from the state files while a bundle is scanned ([`Scan::network`], [`Scan::node`]); [`network`] and [`node`] put
//! them together with the findings and the checks of each section.

mod figures;
mod node_figures;
mod node_sections;
mod sections;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use figures::{
    ApiServerFigures, ChainPolicy, CniFigures, ConntrackFigures, DnsFigures, EniFigures, IpamdFigures, IptablesFigures,
    KubeProxyFigures, MapFigures, Mentioned, NetworkFigures, NetworkPolicyFigures, NicFigures, PoolFigures,
    RoutesFigures, TableFigures,
};
pub use node_figures::{
    BootFigures, ContainerdFigures, CpuFigures, DeviceFigures, FilesystemFigures, GpuFigures, Hundredths,
    KubeletFigures, LimitFigures, LoadFigures, MemoryFigures, NodeFigures, NodeFile, ProcessFigures, ProcessesFigures,
    RebootsFigures, ServicesFigures, StorageFigures, SysctlFigures, TimeFigures, VersionsFigures,
};
pub use node_sections::NODE_SECTIONS;
pub use sections::NETWORK_SECTIONS;

use crate::finding::{CheckOutcome, CheckReport, Scan};
use crate::rule::Section;
use crate::severity::Severity;

/// What became of a file that a section is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// It was read as a whole.
    Read,
    /// It was read, and parts of it could not be.
    Partly,
    /// Nothing in it could be read.
    Unreadable,
    /// Its end is missing.
    Cut,
    /// It holds nothing.
    Empty,
    /// In it the tool says that it is not there or did not answer.
    Unavailable,
    /// The bundle does not have it.
    Absent,
}

/// A file that a section is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SectionFile {
    /// Its path.
    pub file: String,
    /// What became of it.
    pub state: FileState,
    /// The first place that could not be read, the tool's excuse, or why its end is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Places that could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub problems: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The figures of one section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Figures {
    Iptables(IptablesFigures),
    Cni(CniFigures),
    Routes(RoutesFigures),
    Dns(DnsFigures),
    Eni(EniFigures),
    Ipamd(IpamdFigures),
    Conntrack(ConntrackFigures),
    KubeProxy(KubeProxyFigures),
    NetworkPolicy(NetworkPolicyFigures),
    ApiServer(ApiServerFigures),
    Storage(StorageFigures),
    Memory(MemoryFigures),
    Cpu(CpuFigures),
    Processes(ProcessesFigures),
    Services(ServicesFigures),
    Kubelet(KubeletFigures),
    Containerd(ContainerdFigures),
    Versions(VersionsFigures),
    Sysctl(SysctlFigures),
    Reboots(RebootsFigures),
    Time(TimeFigures),
    Gpu(GpuFigures),
}

/// An issue of a section: a finding by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// The finding: `F-001`.
    pub finding: String,
    /// How bad it is.
    pub severity: Severity,
    /// The rule.
    pub rule: String,
    /// What is wrong, and the figures where a check told them.
    pub title: String,
}

/// One section of the node or its network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SectionReport {
    /// Its name, as in requests.
    pub section: &'static str,
    /// What it is made from.
    pub files: Vec<SectionFile>,
    /// Figures.
    pub figures: Figures,
    /// Its findings, worst first.
    pub issues: Vec<Issue>,
    /// Checks that found nothing although they had all that they need.
    pub passed: Vec<String>,
    /// What is not known, and for want of what. With anything here "no issue" does not mean that all is well.
    pub unknown: Vec<String>,
    /// Checks that make no sense on this node, and why.
    pub not_applicable: Vec<String>,
}

/// The sections of a bundle's network, in the order of [`NETWORK_SECTIONS`].
pub fn network(scan: &Scan, wanted: &[Section]) -> Vec<SectionReport> {
    let sections = NETWORK_SECTIONS.iter().copied().filter(|section| wanted.is_empty() || wanted.contains(section));
    sections.map(|section| report(scan, section)).collect()
}

/// The sections of the node itself, in the order of [`NODE_SECTIONS`].
pub fn node(scan: &Scan, wanted: &[Section]) -> Vec<SectionReport> {
    let sections = NODE_SECTIONS.iter().copied().filter(|section| wanted.is_empty() || wanted.contains(section));
    sections.map(|section| report(scan, section)).collect()
}

fn report(scan: &Scan, section: Section) -> SectionReport {
    let checks: Vec<&CheckReport> = scan.checks.iter().filter(|check| check.section == section).collect();
    let mut issues: Vec<Issue> = Vec::new();
    for finding in &scan.findings {
        let checked = scan.checks.iter().find(|check| check.rule == finding.rule);
        let its = checked.map_or_else(|| of_rule(finding.rule.as_str()), |check| Some(check.section));
        if its == Some(section) {
            let title = match &finding.detail {
                Some(detail) => format!("{}: {detail}", finding.title),
                None => finding.title.clone(),
            };
            let (rule, severity) = (finding.rule.to_string(), finding.severity);
            issues.push(Issue { finding: finding.id.clone(), severity, rule, title });
        }
    }
    let with = |outcome: CheckOutcome| {
        let matching = checks.iter().filter(move |check| check.outcome == outcome);
        let told = matching.map(|check| match &check.why {
            Some(why) => format!("{}: {why}", check.rule),
            None => check.rule.to_string(),
        });
        told.collect::<Vec<_>>()
    };
    let of_node = NODE_SECTIONS.contains(&section);
    let (files, mut unknown): (Vec<SectionFile>, Vec<String>) = if of_node {
        (scan.node.section_files(section), node_sections::left_unknown(section, &scan.node, &scan.platform))
    } else {
        let files = scan.network.files(section);
        let unknown = files.iter().filter_map(|file| sections::left_unknown(section, file)).collect();
        (files, unknown)
    };
    unknown.extend(with(CheckOutcome::Unknown));
    SectionReport {
        section: section.name(),
        files,
        figures: if of_node { scan.node.figures(section) } else { scan.network.figures(section) },
        issues,
        passed: with(CheckOutcome::Passed),
        unknown,
        not_applicable: with(CheckOutcome::NotApplicable),
    }
}

/// The section of a rule that reads lines.
fn of_rule(id: &str) -> Option<Section> {
    sections::of_rule(id).or_else(|| node_sections::of_rule(id))
}
