//! States of pods and conditions of the node, as findings show them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::holds;
use crate::entity::{self, Aliases, EntityKind};
use crate::finding::Finding;
use crate::hypothesis::in_canonical_order;
use crate::severity::Severity;

/// Pods that are named.
const PODS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    pod: Vec<PodRow>,
    condition: Vec<ConditionRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PodRow {
    state: String,
    rules: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionRow {
    condition: String,
    status: String,
    rules: Vec<String>,
    #[serde(default)]
    text: Vec<String>,
}

fn rows() -> &'static File {
    static ROWS: OnceLock<File> = OnceLock::new();
    // A file that does not parse fails the test `the_data_is_sound`.
    ROWS.get_or_init(|| {
        let empty = File { pod: Vec::new(), condition: Vec::new() };
        toml::from_str(include_str!("../../data/states.toml")).unwrap_or(empty)
    })
}

/// A state that some pods are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodState {
    /// As Kubernetes names it: `CrashLoopBackOff`.
    pub state: String,
    /// Pods, `namespace/name`, as far as the quoted lines name them.
    pub pods: Vec<String>,
    /// The findings that show it.
    pub finding_ids: Vec<String>,
}

/// A condition of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCondition {
    /// Its type, as Kubernetes names it: `Ready`.
    pub condition: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A later line says that it ended.
    pub ended: bool,
    /// The findings that show it.
    pub finding_ids: Vec<String>,
}

/// The states that pods are in.
pub fn pod_states(findings: &[Finding]) -> Vec<PodState> {
    let findings = in_canonical_order(findings);
    let mut aliases = Aliases::default();
    for line in findings.iter().flat_map(|finding| &finding.evidence) {
        let mut named = entity::in_text(&line.text);
        named.extend(entity::in_path(&line.file));
        aliases.learn(&named);
    }
    let mut states = Vec::new();
    for row in &rows().pod {
        let of: Vec<&&Finding> = findings.iter().filter(|finding| is_shown(finding, &row.rules, &[])).collect();
        if of.is_empty() {
            continue;
        }
        let pods: BTreeSet<String> = of
            .iter()
            .flat_map(|finding| aliases.canonical_all(&entity::in_finding(finding)))
            .filter(|entity| entity.kind == EntityKind::Pod)
            .map(|entity| entity.value)
            .collect();
        states.push(PodState {
            state: row.state.clone(),
            pods: pods.into_iter().take(PODS).collect(),
            finding_ids: of.iter().map(|finding| finding.id.clone()).collect(),
        });
    }
    states
}

/// The conditions that the node is in.
pub fn node_conditions(findings: &[Finding]) -> Vec<NodeCondition> {
    let findings = in_canonical_order(findings);
    let mut conditions: BTreeMap<(String, String), NodeCondition> = BTreeMap::new();
    for row in &rows().condition {
        for finding in findings.iter().filter(|finding| is_shown(finding, &row.rules, &row.text)) {
            let key = (row.condition.clone(), row.status.clone());
            let condition = conditions.entry(key).or_insert_with(|| NodeCondition {
                condition: row.condition.clone(),
                status: row.status.clone(),
                ended: true,
                finding_ids: Vec::new(),
            });
            condition.ended &= finding.cleared;
            condition.finding_ids.push(finding.id.clone());
        }
    }
    conditions.into_values().collect()
}

fn is_shown(finding: &Finding, rules: &[String], text: &[String]) -> bool {
    finding.severity < Severity::Info
        && holds(rules, finding.rule.as_str())
        && (text.is_empty() || finding.evidence.iter().any(|line| text.iter().any(|word| line.text.contains(word))))
}

#[cfg(test)]
mod tests {
    use super::super::rows::speaks_of_a_rule;
    use super::*;

    #[test]
    fn the_data_is_sound() {
        let file: File = toml::from_str(include_str!("../../data/states.toml")).unwrap();
        let of_pods = file.pod.iter().flat_map(|row| &row.rules);
        for entry in of_pods.chain(file.condition.iter().flat_map(|row| &row.rules)) {
            assert!(speaks_of_a_rule(entry), "{entry}");
        }
    }
}
