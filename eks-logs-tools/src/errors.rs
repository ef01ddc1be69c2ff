use std::collections::BTreeMap;
use std::str::FromStr;

use async_trait::async_trait;
use eks_logs_findings::{Coverage, Evidence, EvidenceLimit, Finding, Gap, Scan, Severity};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::baseline::Normal;
use crate::context::{BundleUsed, Call, Context, Selector};
use crate::failure::{Code, Failure};
use crate::page;
use crate::tool::{About, Effect, Needs, Request};
use crate::triage::Quoted;
use crate::window::{TimeArguments, WindowUsed};

/// The most findings on a page.
const LARGEST_PAGE: usize = 200;

/// Which severities are asked for: `all`, one, a comma list; the sample server's `warning` is high and medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeverityFilter(Vec<Severity>);

impl Default for SeverityFilter {
    fn default() -> Self {
        Self(Severity::ALL.to_vec())
    }
}

impl SeverityFilter {
    /// Whether findings of this severity are asked for.
    pub fn accepts(&self, severity: Severity) -> bool {
        self.0.contains(&severity)
    }
}

impl FromStr for SeverityFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut wanted = Vec::new();
        for name in text.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            match name.as_str() {
                "all" => wanted.extend(Severity::ALL),
                "warning" => wanted.extend([Severity::High, Severity::Medium]),
                other => {
                    wanted.push(other.parse().map_err(|why| format!("{why}, or all, or warning (high and medium)"))?)
                }
            }
        }
        wanted.sort();
        wanted.dedup();
        Ok(Self(wanted))
    }
}

impl<'de> Deserialize<'de> for SeverityFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SeverityFilter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SeverityFilter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "default": "all",
            "description": "all, one of critical, high, medium, low, info, a comma list of them, or warning (high and medium)",
            "examples": ["critical,high"],
        })
    }
}

/// How much of each finding is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResponseFormat {
    /// What it is, where, how often, from when to when.
    #[default]
    Concise,
    /// With evidence, reasons and remedy.
    Detailed,
}

/// The findings of a bundle, filtered and in pages.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ErrorsRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
    /// Which time.
    #[serde(flatten)]
    pub time: TimeArguments,
    /// Which severities.
    #[serde(default)]
    pub severity: SeverityFilter,
    /// How much of each: concise, or detailed with evidence, reasons and remedy.
    #[serde(default)]
    pub response_format: ResponseFormat,
    /// Findings on a page.
    #[serde(rename = "pageSize", default = "page_size")]
    #[schemars(range(min = 1, max = 200))]
    pub page_size: usize,
    /// Where the last page ended: its nextPageToken.
    #[serde(rename = "pageToken", default)]
    pub page_token: Option<String>,
    /// The cluster whose baseline says what is normal there.
    #[serde(rename = "clusterContext", default)]
    pub cluster_context: Option<String>,
    /// How many lines each finding quotes, in the detailed format.
    #[serde(default)]
    pub evidence: Quoted,
}

fn page_size() -> usize {
    50
}

impl Default for ErrorsRequest {
    fn default() -> Self {
        Self {
            bundle: Selector::default(),
            time: TimeArguments::default(),
            severity: SeverityFilter::default(),
            response_format: ResponseFormat::Concise,
            page_size: page_size(),
            page_token: None,
            cluster_context: None,
            evidence: Quoted(EvidenceLimit::Few(5)),
        }
    }
}

/// How many findings of each severity the bundle has, before any filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub struct SeverityCounts {
    pub critical: u64,
    pub high: u64,
    pub medium: u64,
    pub low: u64,
    pub info: u64,
}

/// One finding, under the names of the sample server.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ErrorFinding {
    /// `F-001`; the same in every page and every tool.
    pub finding_id: String,
    /// How bad.
    pub severity: Severity,
    /// The rule's title.
    pub pattern: String,
    /// The file of the first evidence.
    pub file: String,
    /// Exact.
    pub count: u64,
    /// UTC.
    pub first_seen: Option<Timestamp>,
    /// UTC.
    pub last_seen: Option<Timestamp>,
    /// It is normal in the cluster that was named, and as frequent as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_baseline: Option<bool>,
    /// Normal in the cluster, and far more frequent than usual.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub baseline_surge: bool,
    /// What the baseline says, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_note: Option<String>,
    /// The rest, in the detailed format.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub detail: Option<ErrorDetail>,
}

/// What the detailed format adds.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub struct ErrorDetail {
    pub rule: String,
    pub fingerprint: String,
    pub subject: String,
    pub severity_reason: String,
    pub cleared: bool,
    pub evidence: Vec<Evidence>,
    pub evidence_omitted: u64,
    pub remedy: eks_logs_findings::rule::Remedy,
}

/// What the findings speak for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageReport {
    /// How much was read.
    #[serde(flatten)]
    pub coverage: Coverage,
    /// What is not known.
    pub gaps: Vec<Gap>,
}

/// A page of findings.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ErrorsAnswer {
    pub success: bool,
    /// Which bundle was read.
    #[serde(flatten)]
    pub used: BundleUsed,
    /// The window of time.
    pub window: WindowUsed,
    pub findings: Vec<ErrorFinding>,
    /// Findings that pass the filter, on all pages.
    pub total_findings: usize,
    pub page_size: usize,
    pub page_offset: usize,
    pub has_more: bool,
    pub next_page_token: Option<String>,
    pub summary: SeverityCounts,
    /// Whether a stored index answered; a local bundle is scanned anew.
    pub cached: bool,
    pub indexed_at: Option<Timestamp>,
    #[serde(rename = "coverage_report")]
    pub coverage_report: CoverageReport,
    /// Why each rule on this page matters.
    pub interpretation_guide: BTreeMap<String, String>,
}

#[async_trait]
impl Request for ErrorsRequest {
    type Answer = ErrorsAnswer;
    const ABOUT: About = About {
        name: "errors",
        title: "Findings of a bundle",
        description: "The findings of a node's log bundle in pages, filtered by severity and time: what each is, where, how often, first and last \
                      time. Ids (F-001) are the same in every page and tool. Use it to list or filter; use triage first for the whole picture, \
                      read for the lines around a finding, correlate for their order in time. An empty page is no proof of health: see \
                      coverage_report.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<ErrorsAnswer, Failure> {
        errors(self, context, call).await
    }
}

async fn errors(request: &ErrorsRequest, context: &Context, call: Call<'_>) -> Result<ErrorsAnswer, Failure> {
    if !(1..=LARGEST_PAGE).contains(&request.page_size) {
        let error = format!("pageSize {} is out of range", request.page_size);
        return Err(Failure::new(Code::BadArgument, error, "give a page size from 1 to 200"));
    }
    let window = request.time.window()?;
    let selected = context.select(&request.bundle).await?;
    let Scan { bundle, coverage, mut findings, gaps, indexed_at, .. } =
        context.scan(&selected.located, request.evidence.0, call).await?;
    let used = context.used(&bundle, selected.of_instance);
    let window = window.apply(&mut findings);
    let mut summary = SeverityCounts::default();
    for finding in &findings {
        *match finding.severity {
            Severity::Critical => &mut summary.critical,
            Severity::High => &mut summary.high,
            Severity::Medium => &mut summary.medium,
            Severity::Low => &mut summary.low,
            Severity::Info => &mut summary.info,
        } += 1;
    }
    let normal = match &request.cluster_context {
        Some(cluster) => Some(Normal::of(&context.records()?, cluster, bundle.id.as_deref()).await?),
        None => None,
    };
    let wanted: Vec<Finding> =
        findings.into_iter().filter(|finding| request.severity.accepts(finding.severity)).collect();
    let bound_to = bound_to(bundle.id.as_deref(), request, &wanted);
    let offset = page::read(request.page_token.as_deref(), bound_to)?;
    let total = wanted.len();
    let shown: Vec<Finding> = wanted.into_iter().skip(offset).take(request.page_size).collect();
    let next = offset + shown.len();
    let interpretation_guide =
        shown.iter().map(|finding| (finding.rule.to_string(), finding.severity_reason.clone())).collect();
    Ok(ErrorsAnswer {
        success: true,
        used,
        window,
        findings: shown.into_iter().map(|finding| told(finding, request.response_format, normal.as_ref())).collect(),
        total_findings: total,
        page_size: request.page_size,
        page_offset: offset,
        has_more: next < total,
        next_page_token: (next < total).then(|| page::write(next, bound_to)),
        summary,
        cached: indexed_at.is_some(),
        indexed_at,
        coverage_report: CoverageReport { coverage, gaps },
        interpretation_guide,
    })
}

fn told(finding: Finding, format: ResponseFormat, normal: Option<&Normal>) -> ErrorFinding {
    let annotation = normal.and_then(|normal| normal.annotate(&finding));
    ErrorFinding {
        is_baseline: normal.map(|_| annotation.as_ref().is_some_and(|annotation| annotation.is_baseline)),
        baseline_surge: annotation.as_ref().is_some_and(|annotation| annotation.surges),
        baseline_note: annotation.map(|annotation| annotation.note),
        finding_id: finding.id,
        severity: finding.severity,
        pattern: finding.title,
        file: finding.evidence.first().map(|line| line.file.clone()).unwrap_or_default(),
        count: finding.count,
        first_seen: finding.first_seen,
        last_seen: finding.last_seen,
        detail: (format == ResponseFormat::Detailed).then(|| ErrorDetail {
            rule: finding.rule.to_string(),
            fingerprint: finding.fingerprint,
            subject: finding.subject,
            severity_reason: finding.severity_reason,
            cleared: finding.cleared,
            evidence: finding.evidence,
            evidence_omitted: finding.evidence_omitted,
            remedy: finding.remedy,
        }),
    }
}

/// What a token belongs to: this bundle, this filter, these findings.
fn bound_to(bundle: Option<&str>, request: &ErrorsRequest, findings: &[Finding]) -> u64 {
    let mut text = format!("{bundle:?} {:?} {:?}", request.severity, request.time);
    for finding in findings {
        text.push_str(&finding.fingerprint);
    }
    xxh3_64(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_knows_the_sample_servers_names() {
        let parsed = |text: &str| text.parse::<SeverityFilter>().unwrap().0;
        assert_eq!(parsed("warning"), [Severity::High, Severity::Medium]);
        assert_eq!(parsed("critical, low"), [Severity::Critical, Severity::Low]);
        assert_eq!(parsed("all"), Severity::ALL);
        assert!("fatal".parse::<SeverityFilter>().unwrap_err().contains("critical, high"));
    }
}
