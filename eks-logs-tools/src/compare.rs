//! `compare_nodes`: nodes side by side.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use eks_logs_core::Located;
use eks_logs_findings::compare::{Compared, Comparison, Difference, Insight, Node, Shared, compare, facts};
use eks_logs_findings::{EvidenceLimit, Scan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{Call, Context, Selector};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

/// How many nodes are compared.
const NODES: std::ops::RangeInclusive<usize> = 2..=10;

/// What is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CompareFields {
    /// Findings.
    Errors,
    /// Settings and versions.
    Config,
    /// Both.
    #[default]
    All,
}

/// Nodes to compare.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompareRequest {
    /// The nodes, 2 to 10 different ones; the newest bundle of each is read.
    #[schemars(length(min = 2, max = 10))]
    pub instance_ids: Vec<String>,
    /// errors, config or all.
    #[serde(default)]
    pub compare_fields: CompareFields,
}

/// Nodes side by side.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CompareAnswer {
    pub success: bool,
    /// The nodes, with the coverage of each.
    pub nodes: Vec<Compared>,
    /// Findings that all nodes have.
    pub common_findings: Vec<Shared>,
    /// Findings that some nodes have.
    pub partial_findings: Vec<Shared>,
    /// Findings that one node has, by node.
    pub unique_findings: BTreeMap<String, Vec<Shared>>,
    /// Settings and versions that differ, by section and key.
    pub config_diffs: BTreeMap<String, BTreeMap<String, ConfigDiff>>,
    pub config_diffs_omitted: usize,
    /// What separates the failing nodes from the others.
    pub insight: String,
    pub insight_detail: Insight,
    pub caveat: String,
}

/// A setting that differs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub struct ConfigDiff {
    /// `null` where the node's file does not have it.
    pub values: BTreeMap<String, Option<String>>,
    /// Nodes of which the file was not collected.
    pub unknown: Vec<String>,
    /// All failing nodes have one value and all others another.
    pub separates: bool,
}

const CAVEAT: &str = "`missing: absent` is said only where a source that would show the finding was collected and read; otherwise it is unknown. A \
                      setting that separates failing from healthy nodes is a lead, not a proof.";

#[async_trait]
impl Request for CompareRequest {
    type Answer = CompareAnswer;
    const ABOUT: About = About {
        name: "compare_nodes",
        title: "Compare nodes",
        description: "Puts the log bundles of 2 to 10 nodes side by side: findings that all, some or one of them have, joined on what stays equal \
                      between nodes, with counts for each and whether a missing one is really absent or was not collected; settings and versions \
                      that differ; and what separates the nodes that fail from those that do not. Use it when some nodes of a group fail. For one \
                      node use triage.",
        needs: Needs::Bundles,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<CompareAnswer, Failure> {
        let distinct: BTreeSet<&String> = self.instance_ids.iter().collect();
        if !NODES.contains(&self.instance_ids.len()) || distinct.len() != self.instance_ids.len() {
            let error = format!("instanceIds names {} nodes, {} different", self.instance_ids.len(), distinct.len());
            return Err(Failure::new(Code::BadArgument, error, "give 2 to 10 different instance ids"));
        }
        let mut bundles = Vec::new();
        for id in &self.instance_ids {
            let selector = Selector { instance_id: Some(id.clone()), ..Selector::default() };
            bundles.push((id.clone(), context.select(&selector).await?.located));
        }
        compare_bundles(context, &bundles, self.compare_fields, call).await
    }
}

/// Compares bundles that were found already; names tell them apart.
///
/// # Errors
/// `bad_argument` for fewer than 2, more than 10 or equal names; whatever reading a bundle fails with.
pub async fn compare_bundles(
    context: &Context,
    bundles: &[(String, Located)],
    fields: CompareFields,
    call: Call<'_>,
) -> Result<CompareAnswer, Failure> {
    let distinct: BTreeSet<&String> = bundles.iter().map(|(name, _)| name).collect();
    if !NODES.contains(&bundles.len()) || distinct.len() != bundles.len() {
        let error = format!("{} bundles of {} different nodes", bundles.len(), distinct.len());
        return Err(Failure::new(Code::BadArgument, error, "name 2 to 10 bundles of different nodes or collections"));
    }
    let mut read = Vec::new();
    for (name, located) in bundles {
        let mut scan = context.scan(located, EvidenceLimit::Few(5), call).await?;
        let facts = match fields {
            CompareFields::Errors => eks_logs_findings::compare::Facts::default(),
            CompareFields::Config | CompareFields::All => facts(located, &scan).await?,
        };
        if fields == CompareFields::Config {
            // Which nodes fail is still needed, what they share is not asked for.
            scan.findings.retain(|finding| finding.severity <= eks_logs_findings::Severity::High);
        }
        read.push((name.clone(), scan, facts));
    }
    let nodes: Vec<Node<'_>> =
        read.iter().map(|(name, scan, facts): &(String, Scan, _)| Node { name, scan, facts }).collect();
    Ok(told(compare(&context.catalogue, &nodes), fields))
}

fn told(found: Comparison, fields: CompareFields) -> CompareAnswer {
    let mut config_diffs: BTreeMap<String, BTreeMap<String, ConfigDiff>> = BTreeMap::new();
    for Difference { section, key, values, unknown, separates } in found.differences {
        config_diffs.entry(section).or_default().insert(key, ConfigDiff { values, unknown, separates });
    }
    let findings = fields != CompareFields::Config;
    CompareAnswer {
        success: true,
        nodes: found.nodes,
        common_findings: if findings { found.common } else { Vec::new() },
        partial_findings: if findings { found.partial } else { Vec::new() },
        unique_findings: if findings { found.unique } else { BTreeMap::new() },
        config_diffs,
        config_diffs_omitted: found.differences_omitted,
        insight: found.insight.text.clone(),
        insight_detail: found.insight,
        caveat: CAVEAT.to_owned(),
    }
}
