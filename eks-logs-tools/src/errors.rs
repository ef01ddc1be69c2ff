use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eks_logs_core::Located;
use eks_logs_findings::{Coverage, Evidence, Finding, Gap, Scan, Severity};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::failure::{Code, Failure};
use crate::open::Options;

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

/// How much of each finding is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResponseFormat {
    /// What it is, where, how often, from when to when.
    #[default]
    Concise,
    /// With evidence, reasons and remedy.
    Detailed,
}

/// The findings of a bundle, filtered and in pages.
#[derive(Clone, Debug)]
pub struct ErrorsRequest {
    /// Which severities.
    pub severity: SeverityFilter,
    /// How much of each.
    pub response_format: ResponseFormat,
    /// Findings on a page, 1 to 200.
    pub page_size: usize,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

impl Default for ErrorsRequest {
    fn default() -> Self {
        Self {
            severity: SeverityFilter::default(),
            response_format: ResponseFormat::Concise,
            page_size: 50,
            page_token: None,
        }
    }
}

/// How many findings of each severity the bundle has, before any filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct SeverityCounts {
    pub critical: u64,
    pub high: u64,
    pub medium: u64,
    pub low: u64,
    pub info: u64,
}

/// One finding, under the names of the sample server.
#[derive(Clone, Debug, Serialize)]
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
    /// The rest, in the detailed format.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub detail: Option<ErrorDetail>,
}

/// What the detailed format adds.
#[derive(Clone, Debug, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoverageReport {
    /// How much was read.
    #[serde(flatten)]
    pub coverage: Coverage,
    /// What is not known.
    pub gaps: Vec<Gap>,
}

/// A page of findings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ErrorsAnswer {
    pub success: bool,
    pub bundle_id: Option<String>,
    pub instance_id: Option<String>,
    pub collected_at: Option<Timestamp>,
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

#[derive(Serialize, Deserialize)]
struct PageToken {
    offset: usize,
    bound_to: u64,
}

/// The findings of a bundle, filtered and in pages.
///
/// # Errors
/// A bad page size, a token of another bundle or filter, or a bundle that cannot be read.
pub async fn errors(bundle: &Located, request: &ErrorsRequest, options: Options<'_>) -> Result<ErrorsAnswer, Failure> {
    if !(1..=LARGEST_PAGE).contains(&request.page_size) {
        let error = format!("pageSize {} is out of range", request.page_size);
        return Err(Failure::new(Code::BadArgument, error, "give a page size from 1 to 200"));
    }
    let Scan { bundle, coverage, findings, gaps, .. } = options.scan(bundle).await?;
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
    let wanted: Vec<Finding> =
        findings.into_iter().filter(|finding| request.severity.accepts(finding.severity)).collect();
    let bound_to = bound_to(bundle.id.as_deref(), request, &wanted);
    let offset = match &request.page_token {
        None => 0,
        Some(token) => read_token(token, bound_to)?,
    };
    let total = wanted.len();
    let page: Vec<Finding> = wanted.into_iter().skip(offset).take(request.page_size).collect();
    let next = offset + page.len();
    let interpretation_guide =
        page.iter().map(|finding| (finding.rule.to_string(), finding.severity_reason.clone())).collect();
    Ok(ErrorsAnswer {
        success: true,
        bundle_id: bundle.id,
        instance_id: bundle.instance_id,
        collected_at: bundle.collected_at,
        findings: page.into_iter().map(|finding| told(finding, request.response_format)).collect(),
        total_findings: total,
        page_size: request.page_size,
        page_offset: offset,
        has_more: next < total,
        next_page_token: (next < total).then(|| write_token(&PageToken { offset: next, bound_to })),
        summary,
        cached: false,
        indexed_at: None,
        coverage_report: CoverageReport { coverage, gaps },
        interpretation_guide,
    })
}

fn told(finding: Finding, format: ResponseFormat) -> ErrorFinding {
    ErrorFinding {
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
    let mut text = format!("{bundle:?} {:?}", request.severity);
    for finding in findings {
        text.push_str(&finding.fingerprint);
    }
    xxh3_64(text.as_bytes())
}

fn write_token(token: &PageToken) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default())
}

fn read_token(text: &str, bound_to: u64) -> Result<usize, Failure> {
    let token: Option<PageToken> =
        URL_SAFE_NO_PAD.decode(text).ok().and_then(|json| serde_json::from_slice(&json).ok());
    match token {
        Some(token) if token.bound_to == bound_to => Ok(token.offset),
        _ => Err(Failure::new(
            Code::BadArgument,
            "the page token is of another bundle, filter or scan",
            "start again without a page token, and keep bundle and severity the same from page to page",
        )),
    }
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

    #[test]
    fn a_token_of_something_else_is_refused() {
        let token = write_token(&PageToken { offset: 50, bound_to: 1 });
        assert_eq!(read_token(&token, 1).unwrap(), 50);
        for bad in [token.as_str(), "", "AAAA", "not base64!"] {
            assert_eq!(read_token(bad, 2).unwrap_err().code, Code::BadArgument);
        }
    }
}
