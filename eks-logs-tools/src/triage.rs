use std::str::FromStr;

use async_trait::async_trait;
use eks_logs_findings::hypothesis::{NotSeen, Verdict};
use eks_logs_findings::triage::{self, Absence, FilledRemedy, NodeCondition, OutsideCheck, PodState};
use eks_logs_findings::{BundleInfo, Coverage, EvidenceLimit, Finding, Gap, Hypothesis, diagnose};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::context::{BundleUsed, Call, Context, Selector};
use crate::errors::SeverityFilter;
use crate::failure::Failure;
use crate::tool::{About, Effect, Needs, Request};
use crate::window::{TimeArguments, WindowUsed};

/// The form of the answer; a change that breaks readers changes its number.
const SCHEMA: &str = "eks-logs/triage/1";

/// What is wrong with the node, in one call.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct TriageRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
    /// Which time.
    #[serde(flatten)]
    pub time: TimeArguments,
    /// Findings of which severities are shown.
    #[serde(default)]
    pub severity: SeverityFilter,
    /// How many lines each finding quotes.
    #[serde(default)]
    pub evidence: Quoted,
}

/// How many lines a finding quotes: a number from 1, or `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted(pub EvidenceLimit);

impl Default for Quoted {
    fn default() -> Self {
        Self(EvidenceLimit::Few(5))
    }
}

impl FromStr for Quoted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(EvidenceLimit::All)),
            number => match number.parse() {
                Ok(count) if count >= 1 => Ok(Self(EvidenceLimit::Few(count))),
                _ => Err("give a number from 1, or all".to_owned()),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Quoted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Number(u64),
            Word(String),
        }
        let text = match Given::deserialize(deserializer)? {
            Given::Number(number) => number.to_string(),
            Given::Word(word) => word,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Quoted {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quoted".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "default": 5, "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "all" }] })
    }
}

/// What is wrong with the node.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TriageAnswer {
    /// `eks-logs/triage/1`.
    pub schema: &'static str,
    /// Always true.
    pub success: bool,
    /// Which bundle was read.
    #[serde(flatten)]
    pub used: BundleUsed,
    /// The bundle.
    pub bundle: BundleInfo,
    /// How much of it was read.
    pub coverage: Coverage,
    /// The window of time.
    pub window: WindowUsed,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
    /// Findings of severities that were not asked for.
    #[serde(rename = "hiddenFindings")]
    pub hidden_findings: usize,
    /// Candidate root causes, best first; their remedies have the names that this bundle gives filled in.
    pub hypotheses: Vec<Hypothesis>,
    /// Whether the bundle holds a cause at all.
    pub verdict: Verdict,
    /// Why, in words.
    #[serde(rename = "verdictReason")]
    pub verdict_reason: String,
    /// Faults that could be behind what is seen, where the cause is not in the bundle; and whether their absence is known.
    #[serde(rename = "notSeen", skip_serializing_if = "Vec::is_empty")]
    pub not_seen: Vec<NotSeen>,
    /// For each hypothesis: steps, and commands with names filled in.
    pub remedies: Vec<FilledRemedy>,
    /// States that pods are in.
    #[serde(rename = "podStates")]
    pub pod_states: Vec<PodState>,
    /// Conditions that the node is in.
    #[serde(rename = "nodeConditions")]
    pub node_conditions: Vec<NodeCondition>,
    /// What was looked for and is not there; what decides between causes first.
    #[serde(rename = "negativeEvidence")]
    pub negative_evidence: Vec<Absence>,
    /// Where to look outside the bundle.
    #[serde(rename = "checkOutside")]
    pub check_outside: Vec<OutsideCheck>,
    /// What is not known.
    pub gaps: Vec<Gap>,
}

#[async_trait]
impl Request for TriageRequest {
    type Answer = TriageAnswer;
    const ABOUT: About = About {
        name: "triage",
        title: "What is wrong with this node",
        description: "Reads a node's whole log bundle once and answers what is wrong, worst first: findings with exact counts, first and last \
                      time (UTC) and the verbatim lines that prove them, ranked candidate root causes, how much was read and what is not known. \
                      Start here. Cite findings by id (F-001) and lines by file and byte span. Not for reading whole files (read) or for words \
                      that no rule looks for (search). No finding is no proof of health: see gaps.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<TriageAnswer, Failure> {
        let window = self.time.window()?;
        let selected = context.select(&self.bundle).await?;
        let mut scan = context.scan(&selected.located, self.evidence.0, call).await?;
        let used = context.used(&scan.bundle, selected.of_instance);
        let window = window.apply(&mut scan.findings);
        let mut diagnosis = diagnose(&context.catalogue, &scan);
        let around = triage::context(&context.catalogue, &scan, &diagnosis);
        for (hypothesis, filled) in diagnosis.hypotheses.iter_mut().zip(&around.remedies) {
            let commands = filled.commands.iter().map(|command| command.text.clone());
            hypothesis.remedy = filled.steps.iter().cloned().chain(commands).collect();
        }
        let all = scan.findings.len();
        scan.findings.retain(|finding| self.severity.accepts(finding.severity));
        Ok(TriageAnswer {
            schema: SCHEMA,
            success: true,
            used,
            bundle: scan.bundle,
            coverage: scan.coverage,
            window,
            hidden_findings: all - scan.findings.len(),
            findings: scan.findings,
            hypotheses: diagnosis.hypotheses,
            verdict: diagnosis.verdict,
            verdict_reason: diagnosis.verdict_reason,
            not_seen: diagnosis.not_seen,
            remedies: around.remedies,
            pod_states: around.pod_states,
            node_conditions: around.node_conditions,
            negative_evidence: around.absences,
            check_outside: around.outside,
            gaps: scan.gaps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_all() {
        let read = |json: &str| serde_json::from_str::<Quoted>(json);
        assert_eq!(read("3").unwrap(), Quoted(EvidenceLimit::Few(3)));
        assert_eq!(read("\"all\"").unwrap(), Quoted(EvidenceLimit::All));
        assert!(read("0").is_err() && read("\"many\"").is_err());
    }
}
