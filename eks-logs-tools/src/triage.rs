use eks_logs_core::Located;
use eks_logs_findings::{BundleInfo, Coverage, Finding, Gap, Hypothesis, hypotheses};
use serde::Serialize;

use crate::failure::Failure;
use crate::open::Options;

/// The form of the answer; a change that breaks readers changes its number.
const SCHEMA: &str = "eks-logs/triage/1";

/// What is wrong with the node.
#[derive(Clone, Debug, Serialize)]
pub struct TriageAnswer {
    /// `eks-logs/triage/1`.
    pub schema: &'static str,
    /// Always true.
    pub success: bool,
    /// The bundle.
    pub bundle: BundleInfo,
    /// How much of it was read.
    pub coverage: Coverage,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
    /// Candidate root causes, best first.
    pub hypotheses: Vec<Hypothesis>,
    /// What is not known.
    pub gaps: Vec<Gap>,
}

/// One pass over the bundle: findings, candidate causes, gaps.
///
/// # Errors
/// A [`Failure`] if nothing of the bundle can be read.
pub async fn triage(bundle: &Located, options: Options<'_>) -> Result<TriageAnswer, Failure> {
    let scan = options.scan(bundle).await?;
    Ok(TriageAnswer {
        schema: SCHEMA,
        success: true,
        hypotheses: hypotheses(options.catalogue, &scan.findings),
        bundle: scan.bundle,
        coverage: scan.coverage,
        findings: scan.findings,
        gaps: scan.gaps,
    })
}
