//! `summarize`: what given findings say, and nothing else.

use async_trait::async_trait;
use eks_logs_findings::summary::{self, AffectedComponent, CitedCommand, Statement, Summary};
use eks_logs_findings::{Coverage, EvidenceLimit, Gap};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{BundleUsed, Call, Context, Selector};
use crate::errors::CoverageReport;
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

/// The most ids of one call.
const IDS: usize = 200;

const CAVEAT: &str = "Every sentence rests on the findings that it cites, and only findings that were given are cited. Causes are ranked among these \
                      findings alone: a cause that was not given cannot be named. Quote lines with their file and bytes; check what you write \
                      with verify.";

/// A summary of given findings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct SummarizeRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
    /// The findings, by the ids that triage or errors gave: F-001, F-003 (1 to 200).
    #[schemars(length(min = 1, max = 200))]
    pub finding_ids: Vec<String>,
    /// Whether to say what to do.
    #[serde(rename = "includeRecommendations", default = "yes")]
    pub include_recommendations: bool,
    /// Whether to rank causes among these findings.
    #[serde(rename = "includeTriage", default = "yes")]
    pub include_triage: bool,
}

fn yes() -> bool {
    true
}

impl Default for SummarizeRequest {
    fn default() -> Self {
        Self {
            bundle: Selector::default(),
            finding_ids: Vec::new(),
            include_recommendations: true,
            include_triage: true,
        }
    }
}

/// What the bundle is worth as a witness.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct BundleStatus {
    pub files_scanned: u64,
    pub files_total: u64,
    pub scan_complete: bool,
    /// Findings of the bundle; the summary is about those that were given.
    pub findings_in_bundle: usize,
    pub collected_at: Option<Timestamp>,
}

/// A file that the findings cite.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactLink {
    /// The file, as `read` and `artifact` take it.
    pub log_key: String,
    /// The findings that cite it.
    #[serde(rename = "finding_ids")]
    pub finding_ids: Vec<String>,
}

/// Causes among the given findings.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub struct PodNodeTriage {
    pub most_likely_root_cause: Option<Statement>,
    pub evidence: Vec<CitedLine>,
    pub secondary_hypotheses: Vec<Statement>,
    pub immediate_remediation_steps: Vec<Statement>,
    pub preventive_recommendations: Vec<Statement>,
    pub followup_validation_commands: Vec<CitedCommand>,
    pub coverage_report: CoverageReport,
}

/// A line of the likely root.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub struct CitedLine {
    pub finding_id: String,
    pub file: String,
    pub line: u64,
    #[serde(rename = "startByte")]
    pub start_byte: u64,
    #[serde(rename = "endByte")]
    pub end_byte: u64,
    pub text: String,
}

/// A summary of given findings.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct SummarizeAnswer {
    pub success: bool,
    /// Which bundle was read.
    #[serde(flatten)]
    pub used: BundleUsed,
    /// All ids are findings of this bundle.
    pub grounded: bool,
    pub unresolved_finding_ids: Vec<String>,
    /// How sure the likely root is among these findings.
    pub confidence: f64,
    pub gaps: Vec<Gap>,
    pub bundle_status: BundleStatus,
    pub error_summary: Vec<Statement>,
    pub critical_findings: Vec<Statement>,
    pub high_findings: Vec<Statement>,
    pub other_findings: Vec<Statement>,
    pub affected_components: Vec<AffectedComponent>,
    pub recommendations: Vec<Statement>,
    pub artifact_links: Vec<ArtifactLink>,
    #[serde(rename = "pod_node_triage", skip_serializing_if = "Option::is_none")]
    pub pod_node_triage: Option<PodNodeTriage>,
    pub caveat: String,
}

#[async_trait]
impl Request for SummarizeRequest {
    type Answer = SummarizeAnswer;
    const ABOUT: About = About {
        name: "summarize",
        title: "A grounded summary of findings",
        description: "Says in sentences what the given findings of a node's log bundle mean, each sentence citing the ids it rests on, with causes \
                      ranked among these findings alone and what to do. Ids that do not exist are listed, never invented around. Give ids that \
                      triage, errors or correlate answered. Not for finding out what is wrong (triage) and not for checking a text (verify).",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<SummarizeAnswer, Failure> {
        if self.finding_ids.is_empty() || self.finding_ids.len() > IDS {
            let error = format!("finding_ids has {} ids", self.finding_ids.len());
            return Err(Failure::new(Code::BadArgument, error, "give 1 to 200 ids that triage or errors answered"));
        }
        let selected = context.select(&self.bundle).await?;
        let scan = context.scan(&selected.located, EvidenceLimit::Few(20), call).await?;
        let used = context.used(&scan.bundle, selected.of_instance);
        let summary = summary::summarize(&context.catalogue, &scan, &self.finding_ids);
        let coverage = scan.coverage.clone();
        let bundle_status = BundleStatus {
            files_scanned: coverage.files_scanned,
            files_total: coverage.files_total,
            scan_complete: coverage.scan_complete,
            findings_in_bundle: scan.findings.len(),
            collected_at: scan.bundle.collected_at,
        };
        let recommended =
            |statements: Vec<Statement>| if self.include_recommendations { statements } else { Vec::new() };
        let triage =
            self.include_triage.then(|| triage(&summary, coverage, scan.gaps.clone(), self.include_recommendations));
        Ok(SummarizeAnswer {
            success: true,
            used,
            grounded: summary.grounded,
            confidence: summary.confidence,
            gaps: scan.gaps,
            bundle_status,
            artifact_links: links(&summary),
            unresolved_finding_ids: summary.unresolved,
            error_summary: summary.overview,
            critical_findings: summary.critical,
            high_findings: summary.high,
            other_findings: summary.others,
            affected_components: summary.components,
            recommendations: recommended(summary.recommendations),
            pod_node_triage: triage,
            caveat: CAVEAT.to_owned(),
        })
    }
}

fn links(summary: &Summary) -> Vec<ArtifactLink> {
    let mut links: Vec<ArtifactLink> = Vec::new();
    for finding in &summary.findings {
        for line in &finding.evidence {
            match links.iter_mut().find(|link| link.log_key == line.file) {
                Some(link) if link.finding_ids.contains(&finding.id) => {}
                Some(link) => link.finding_ids.push(finding.id.clone()),
                None => {
                    links.push(ArtifactLink { log_key: line.file.clone(), finding_ids: vec![finding.id.clone()] });
                }
            }
        }
    }
    links
}

fn triage(summary: &Summary, coverage: Coverage, gaps: Vec<Gap>, recommend: bool) -> PodNodeTriage {
    let first = summary.diagnosis.hypotheses.first();
    let of_first = |ids: &[String]| first.is_some_and(|first| ids == first.cause);
    let root = first.map(|first| first.cause.clone()).unwrap_or_default();
    let evidence = summary.findings.iter().filter(|finding| root.contains(&finding.id)).flat_map(|finding| {
        finding.evidence.iter().filter(|line| !line.duplicate).take(3).map(|line| CitedLine {
            finding_id: finding.id.clone(),
            file: line.file.clone(),
            line: line.line,
            start_byte: line.start_byte,
            end_byte: line.end_byte,
            text: line.text.clone(),
        })
    });
    let steps = if recommend { summary.recommendations.clone() } else { Vec::new() };
    let (immediate, preventive) = steps.into_iter().partition(|step| of_first(&step.finding_ids));
    let mut causes = summary.causes.iter();
    PodNodeTriage {
        most_likely_root_cause: causes.next().cloned(),
        evidence: evidence.collect(),
        secondary_hypotheses: causes.cloned().collect(),
        immediate_remediation_steps: immediate,
        preventive_recommendations: preventive,
        followup_validation_commands: if recommend { summary.commands.clone() } else { Vec::new() },
        coverage_report: CoverageReport { coverage, gaps },
    }
}
