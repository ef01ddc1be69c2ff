//! Several nodes side by side: what they share, what some have and others lack, and what separates those that fail from those that do
//! not. Findings are joined on fingerprints, configuration on typed facts; absence is said only where the source was collected.

mod facts;
mod insight;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use facts::{Fact, FactKey, Facts, facts};
pub use insight::Insight;

use crate::finding::{Finding, Scan};
use crate::rule::Catalogue;
use crate::severity::Severity;

/// Configuration differences that are given.
const DIFFERENCES: usize = 200;

/// One node to compare.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its name in the answer: its instance id, or what tells it apart.
    pub name: &'a str,
    /// What was found on it.
    pub scan: &'a Scan,
    /// How it is configured.
    pub facts: &'a Facts,
}

/// A finding on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnNode {
    /// The finding's id in that node's bundle.
    pub finding_id: String,
    /// How often it happened there.
    pub count: u64,
    /// How bad it is there.
    pub severity: Severity,
    /// A later line says that it ended.
    pub cleared: bool,
    /// When it first happened there.
    pub first_seen: Option<Timestamp>,
    /// When it last happened there.
    pub last_seen: Option<Timestamp>,
}

/// Why a finding is not on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// A source that would show it was read to its end.
    Absent,
    /// No source that would show it was collected, or none was read to its end.
    Unknown,
}

/// One fault over all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shared {
    /// What it is joined on.
    pub fingerprint: String,
    /// The rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub subject: String,
    /// The worst severity on any node.
    pub severity: Severity,
    /// The nodes that have it.
    pub nodes: BTreeMap<String, OnNode>,
    /// The nodes that have not.
    pub missing: BTreeMap<String, Missing>,
}

/// A setting or version that is not the same on all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What it belongs to: `kubelet`, `sysctl`, `package`, `kernel`, `containerd`, `aws-node`.
    pub section: String,
    /// The setting.
    pub key: String,
    /// Its value on each node; `null` where the node's file does not have it. Nodes whose file was not collected are not listed.
    pub values: BTreeMap<String, Option<String>>,
    /// Nodes of which the file was not collected.
    pub unknown: Vec<String>,
    /// All failing nodes have one value and all healthy ones another.
    pub separates: bool,
}

/// One node, as it took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// The node.
    pub node: String,
    /// Its bundle.
    pub bundle_id: Option<String>,
    /// When it was collected.
    pub collected_at: Option<Timestamp>,
    /// It has a finding of severity high or worse that did not end.
    pub failing: bool,
    /// Findings.
    pub findings: usize,
    /// Nothing of its bundle was left unread.
    pub scan_complete: bool,
    /// Files that were read.
    pub files_scanned: u64,
    /// Bytes that were read.
    pub bytes_scanned: u64,
    /// Sources that other nodes have and this one lacks.
    pub lacks_sources: Vec<String>,
}

/// Nodes side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The nodes.
    pub nodes: Vec<Compared>,
    /// Faults that all nodes have.
    pub common: Vec<Shared>,
    /// Faults that some nodes have.
    pub partial: Vec<Shared>,
    /// Faults that one node has, by node.
    pub unique: BTreeMap<String, Vec<Shared>>,
    /// Settings and versions that differ.
    pub differences: Vec<Difference>,
    /// Differences beyond those given.
    pub differences_omitted: usize,
    /// What separates failing from healthy nodes.
    pub insight: Insight,
}

/// Compares nodes; their order does not matter.
pub fn compare(catalogue: &Catalogue, nodes: &[Node<'_>]) -> Comparison {
    let mut nodes: Vec<Node<'_>> = nodes.to_vec();
    nodes.sort_by_key(|node| node.name);
    let rows = joined(catalogue, &nodes);
    let compared = compared(&nodes);
    let failing: BTreeSet<&str> = compared.iter().filter(|node| node.failing).map(|node| node.node.as_str()).collect();
    let mut differences = differences(&nodes, &failing);
    let insight = insight::insight(catalogue, &nodes, &failing, &rows, &differences);
    let differences_omitted = differences.len().saturating_sub(DIFFERENCES);
    differences.truncate(DIFFERENCES);
    let (mut common, mut partial, mut unique) = (Vec::new(), Vec::new(), BTreeMap::new());
    for node in &nodes {
        unique.insert(node.name.to_owned(), Vec::new());
    }
    for row in rows {
        if row.missing.is_empty() {
            common.push(row);
        } else if row.nodes.len() > 1 {
            partial.push(row);
        } else if let Some(of) = row.nodes.keys().next().and_then(|node| unique.get_mut(node)) {
            of.push(row);
        }
    }
    Comparison { nodes: compared, common, partial, unique, differences, differences_omitted, insight }
}

fn joined(catalogue: &Catalogue, nodes: &[Node<'_>]) -> Vec<Shared> {
    let mut by_fingerprint: BTreeMap<&str, BTreeMap<&str, &Finding>> = BTreeMap::new();
    for node in nodes {
        for finding in &node.scan.findings {
            by_fingerprint.entry(&finding.fingerprint).or_default().insert(node.name, finding);
        }
    }
    let mut rows: Vec<Shared> = by_fingerprint
        .into_iter()
        .filter_map(|(fingerprint, of)| {
            let worst = of.values().min_by_key(|finding| finding.severity)?;
            let without = nodes.iter().filter(|node| !of.contains_key(node.name));
            Some(Shared {
                fingerprint: fingerprint.to_owned(),
                rule: worst.rule.to_string(),
                title: worst.title.clone(),
                subject: worst.subject.clone(),
                severity: worst.severity,
                missing: without.map(|node| (node.name.to_owned(), missing(catalogue, node.scan, worst))).collect(),
                nodes: of.iter().map(|(node, finding)| ((*node).to_owned(), on_node(finding))).collect(),
            })
        })
        .collect();
    rows.sort_by(|a, b| (a.severity, &a.rule, &a.subject).cmp(&(b.severity, &b.rule, &b.subject)));
    rows
}

fn on_node(finding: &Finding) -> OnNode {
    OnNode {
        finding_id: finding.id.clone(),
        count: finding.count,
        severity: finding.severity,
        cleared: finding.cleared,
        first_seen: finding.first_seen,
        last_seen: finding.last_seen,
    }
}

/// Whether the node lacks the finding or only the logs that would show it.
fn missing(catalogue: &Catalogue, scan: &Scan, finding: &Finding) -> Missing {
    let sources =
        catalogue.get(finding.rule.as_str()).map_or_else(|| vec![finding.source], |rule| rule.sources.clone());
    // The source that showed it elsewhere decides, where the rule allows several.
    let told = |source| {
        let mut of = scan.files.iter().filter(|file| file.bytes > 0 && file.speaks_for(source)).peekable();
        of.peek().is_some() && of.all(|file| file.complete)
    };
    let known = if sources.contains(&finding.source) { told(finding.source) } else { sources.iter().any(|s| told(*s)) };
    if known { Missing::Absent } else { Missing::Unknown }
}

fn compared(nodes: &[Node<'_>]) -> Vec<Compared> {
    let sources = |node: &Node<'_>| -> BTreeSet<&'static str> {
        let files = node.scan.files.iter().filter(|file| file.known && file.bytes > 0);
        files.map(|file| file.source.name()).collect()
    };
    let all: BTreeSet<&str> = nodes.iter().flat_map(sources).collect();
    nodes
        .iter()
        .map(|node| {
            let has = sources(node);
            Compared {
                node: node.name.to_owned(),
                bundle_id: node.scan.bundle.id.clone(),
                collected_at: node.scan.bundle.collected_at,
                failing: is_failing(node.scan),
                findings: node.scan.findings.len(),
                scan_complete: node.scan.coverage.scan_complete,
                files_scanned: node.scan.coverage.files_scanned,
                bytes_scanned: node.scan.coverage.bytes_scanned,
                lacks_sources: all.difference(&has).map(|source| (*source).to_owned()).collect(),
            }
        })
        .collect()
}

/// Whether a node has a fault of severity high or worse that did not end.
pub fn is_failing(scan: &Scan) -> bool {
    scan.findings.iter().any(|finding| finding.severity <= Severity::High && !finding.cleared)
}

fn differences(nodes: &[Node<'_>], failing: &BTreeSet<&str>) -> Vec<Difference> {
    let keys: BTreeSet<&FactKey> = nodes.iter().flat_map(|node| node.facts.keys()).collect();
    let mut found: Vec<Difference> = Vec::new();
    for key in keys {
        let (mut values, mut unknown) = (BTreeMap::new(), Vec::new());
        for node in nodes {
            if node.facts.has_section(&key.section) {
                values.insert(node.name.to_owned(), node.facts.get(key).map(|fact| fact.value.clone()));
            } else {
                unknown.push(node.name.to_owned());
            }
        }
        let distinct: BTreeSet<&Option<String>> = values.values().collect();
        if distinct.len() < 2 {
            continue;
        }
        let of = |wanted: bool| -> BTreeSet<&Option<String>> {
            let chosen = values.iter().filter(|(node, _)| failing.contains(node.as_str()) == wanted);
            chosen.map(|(_, value)| value).collect()
        };
        let (ill, well) = (of(true), of(false));
        let separates = ill.len() == 1 && well.len() == 1 && ill != well;
        let (section, key) = (key.section.clone(), key.key.clone());
        found.push(Difference { section, key, separates, values, unknown });
    }
    found.sort_by(|a, b| (!a.separates, &a.section, &a.key).cmp(&(!b.separates, &b.section, &b.key)));
    found
}
