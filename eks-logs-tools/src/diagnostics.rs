//! The node's network, and the node itself, by section.

use std::collections::BTreeMap;

use async_trait::async_trait;
use eks_logs_findings::diagnostics::{self, NETWORK_SECTIONS, NODE_SECTIONS, SectionReport};
use eks_logs_findings::rule::Section;
use eks_logs_findings::{Evidence, EvidenceLimit, Gap, Scan, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{BundleUsed, Call, Context, Selector};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

/// Lines that an issue quotes.
const QUOTED: EvidenceLimit = EvidenceLimit::Few(3);

/// The network of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct NetworkDiagnosticsRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
    /// A comma list of iptables, cni, routes, dns, eni, ipamd, conntrack, kube-proxy, network-policy, api-server; all without it.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = "all", "examples" = ["cni,eni,ipamd"]))]
    pub sections: Option<String>,
}

/// The node itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct NodeDiagnosticsRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
    /// A comma list of storage, memory, cpu, processes, services, kubelet, containerd, versions, sysctl, reboots, time, gpu; all without it.
    #[serde(default)]
    #[schemars(with = "String", extend("default" = "all", "examples" = ["storage,memory"]))]
    pub sections: Option<String>,
}

/// One issue, with the lines that prove it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiagnosedIssue {
    /// The finding: `F-001`, the same in every tool.
    pub finding_id: String,
    /// The section that it belongs to.
    pub section: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The rule.
    pub rule: String,
    /// What is wrong, with the figures.
    pub issue: String,
    /// The lines, a few of them.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub remedy: Vec<String>,
}

/// The issues of all sections that were asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct IssuesSummary {
    /// All.
    pub total: usize,
    /// Critical ones.
    pub critical: usize,
    /// High and medium ones.
    pub warning: usize,
    /// The issues, worst first.
    pub issues: Vec<DiagnosedIssue>,
}

/// How much of what there is to check could be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Every file that the sections need was there and every check ran.
    High,
    /// Something is unknown; `gaps` says what.
    Medium,
    /// More is unknown than known.
    Low,
}

/// What the sections say.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct DiagnosticsAnswer {
    pub success: bool,
    /// Which bundle was read.
    #[serde(flatten)]
    pub used: BundleUsed,
    /// The sections by name: the files that they are made from, figures, issues by finding id, checks that passed, what is not known.
    pub diagnostics: BTreeMap<&'static str, SectionReport>,
    pub issues_summary: IssuesSummary,
    /// How much of what there is to check could be checked. It says nothing about how bad the issues are.
    pub confidence: Confidence,
    pub gaps: Vec<Gap>,
    /// One sentence: a problem, no problem in what could be checked, or no data.
    pub overall_assessment: String,
}

#[async_trait]
impl Request for NetworkDiagnosticsRequest {
    type Answer = DiagnosticsAnswer;
    const ABOUT: About = About {
        name: "network_diagnostics",
        title: "The node's network, section by section",
        description: "Parses the node's network state (packet filter, routes and rules, ENIs, IP pool, DNS, connection tracking, kube-proxy, \
                      policies) and checks its parts against each other: figures, issues with evidence, checks that passed, what is not known. \
                      Use it for pods without IPs, unreachable services, DNS or packet loss. A section without data says so; it is never healthy.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<DiagnosticsAnswer, Failure> {
        let wanted = sections(self.sections.as_deref(), NETWORK_SECTIONS)?;
        let selected = context.select(&self.bundle).await?;
        let scan = context.scan(&selected.located, QUOTED, call).await?;
        let used = context.used(&scan.bundle, selected.of_instance);
        Ok(answer(used, diagnostics::network(&scan, &wanted), scan))
    }
}

#[async_trait]
impl Request for NodeDiagnosticsRequest {
    type Answer = DiagnosticsAnswer;
    const ABOUT: About = About {
        name: "node_diagnostics",
        title: "The node itself, section by section",
        description: "Parses the node's own state (file systems, memory, CPU, processes, services, kubelet and containerd configuration, versions \
                      against known-bad ones, kernel parameters, boots, clock, GPUs) and checks it: figures, issues with evidence, what is not \
                      known. Use it for pressure, evictions, slow nodes, wrong configuration, suspect versions.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<DiagnosticsAnswer, Failure> {
        let wanted = sections(self.sections.as_deref(), NODE_SECTIONS)?;
        let selected = context.select(&self.bundle).await?;
        let scan = context.scan(&selected.located, QUOTED, call).await?;
        let used = context.used(&scan.bundle, selected.of_instance);
        Ok(answer(used, diagnostics::node(&scan, &wanted), scan))
    }
}

/// The sections of a comma list; all for none and for `all`.
fn sections(list: Option<&str>, known: &[Section]) -> Result<Vec<Section>, Failure> {
    let mut wanted = Vec::new();
    for name in list.unwrap_or("all").split(',').map(|name| name.trim().to_ascii_lowercase()) {
        if name == "all" {
            return Ok(known.to_vec());
        }
        let Some(section) = known.iter().find(|section| section.name() == name) else {
            let names: Vec<&str> = known.iter().map(|section| section.name()).collect();
            let suggestion = format!("there are all, {}", names.join(", "));
            return Err(Failure::new(Code::BadArgument, format!("sections: no section {name:?}"), suggestion));
        };
        wanted.push(*section);
    }
    Ok(wanted)
}

fn answer(used: BundleUsed, reports: Vec<SectionReport>, scan: Scan) -> DiagnosticsAnswer {
    let mut issues: Vec<DiagnosedIssue> = Vec::new();
    let (mut run, mut unknown) = (0, 0);
    for report in &reports {
        run += report.passed.len() + report.issues.len();
        unknown += report.unknown.len();
        for issue in &report.issues {
            let Some(finding) = scan.findings.iter().find(|finding| finding.id == issue.finding) else { continue };
            issues.push(DiagnosedIssue {
                finding_id: issue.finding.clone(),
                section: report.section,
                severity: issue.severity,
                rule: issue.rule.clone(),
                issue: issue.title.clone(),
                evidence: finding.evidence.clone(),
                remedy: finding.remedy.steps.iter().chain(&finding.remedy.commands).cloned().collect(),
            });
        }
    }
    issues.sort_by(|a, b| a.finding_id.cmp(&b.finding_id));
    issues.sort_by_key(|issue| issue.severity);
    let of = |severities: &[Severity]| issues.iter().filter(|issue| severities.contains(&issue.severity)).count();
    let (critical, warning) = (of(&[Severity::Critical]), of(&[Severity::High, Severity::Medium]));
    let confidence = match unknown {
        0 if run > 0 => Confidence::High,
        unknown if run > unknown => Confidence::Medium,
        _ => Confidence::Low,
    };
    let overall_assessment = assessment(critical, warning, &reports, run, unknown);
    let files: Vec<&str> = reports.iter().flat_map(|report| &report.files).map(|file| file.file.as_str()).collect();
    let gaps = scan.gaps.into_iter().filter(|gap| match &gap.file {
        Some(file) => files.contains(&file.as_str()),
        None => gap.kind == "cut",
    });
    DiagnosticsAnswer {
        success: true,
        used,
        gaps: gaps.collect(),
        diagnostics: reports.into_iter().map(|report| (report.section, report)).collect(),
        issues_summary: IssuesSummary { total: issues.len(), critical, warning, issues },
        confidence,
        overall_assessment,
    }
}

/// A problem, no problem in what could be checked, or no data; never "healthy" for want of data.
fn assessment(critical: usize, warning: usize, reports: &[SectionReport], run: usize, unknown: usize) -> String {
    let with_issues: Vec<&str> = reports
        .iter()
        .filter(|report| report.issues.iter().any(|issue| issue.severity <= Severity::Medium))
        .map(|report| report.section)
        .collect();
    let left = if unknown == 0 { String::new() } else { format!("; {unknown} things could not be checked") };
    if critical + warning > 0 {
        return format!("{critical} critical and {warning} other issues, in {}{left}", with_issues.join(", "));
    }
    if run == 0 {
        return "no data: none of the files that these sections are made from could be checked".to_owned();
    }
    format!("no issue of severity medium or above in the {run} checks that could run{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_named_or_refused() {
        assert_eq!(sections(None, NETWORK_SECTIONS).unwrap(), NETWORK_SECTIONS);
        assert_eq!(sections(Some("eni, CNI"), NETWORK_SECTIONS).unwrap(), [Section::Eni, Section::Cni]);
        let refused = sections(Some("cni,storage"), NETWORK_SECTIONS).unwrap_err();
        assert!(refused.error.contains("storage") && refused.details.suggestion.contains("iptables"), "{refused:?}");
    }

    #[test]
    fn nothing_checked_is_not_healthy() {
        assert!(assessment(0, 0, &[], 0, 7).starts_with("no data"));
        assert!(assessment(0, 0, &[], 3, 1).contains("1 things could not be checked"));
    }
}
