//! `verify`: a written report against the bundle.

use async_trait::async_trait;
use eks_logs_findings::EvidenceLimit;
use eks_logs_findings::verify::{Verification, verify};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{BundleUsed, Call, Context, Selector};
use crate::errors::CoverageReport;
use crate::failure::{Code, Failure};
use crate::redact;
use crate::tool::{About, Effect, Needs, Request};

/// The longest report, in bytes.
pub const LONGEST_REPORT: usize = 1 << 20;

/// A report to check.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct VerifyRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
    /// The report's text, plain or Markdown, at most 1 MiB. Name findings by id, quote lines in quotation marks or backticks.
    #[schemars(length(min = 1))]
    pub report: String,
}

/// A report, claim by claim.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct VerifyAnswer {
    pub success: bool,
    /// Which bundle was read.
    #[serde(flatten)]
    pub used: BundleUsed,
    #[serde(flatten)]
    pub verification: Verification,
    #[serde(rename = "coverage_report")]
    pub coverage_report: CoverageReport,
    pub caveat: String,
}

const CAVEAT: &str = "Checked are finding ids, rules, quotations, counts, times, severities, files with lines or bytes, and ids of AWS resources. \
                      What a report concludes from them is not checked.";

#[async_trait]
impl Request for VerifyRequest {
    type Answer = VerifyAnswer;
    const ABOUT: About = About {
        name: "verify",
        title: "Check a report against the bundle",
        description: "Takes the text of a report about a node and says for each claim in it (finding id, quotation, count, time, severity, file and \
                      line, resource id) whether the bundle supports it (with file, line and bytes), contradicts it (with what the bundle says) \
                      or does not speak of it. Call it on what you have written before you hand it over. Conclusions are not judged.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<VerifyAnswer, Failure> {
        if self.report.trim().is_empty() || self.report.len() > LONGEST_REPORT {
            let error = format!("the report has {} bytes", self.report.len());
            return Err(Failure::new(Code::BadArgument, error, "give a report of at most 1 MiB"));
        }
        let selected = context.select(&self.bundle).await?;
        // Quotations are compared with the log as it is; what leaves here is redacted below.
        let mut plain = context.clone();
        plain.redact = false;
        let scan = plain.scan(&selected.located, EvidenceLimit::All, call).await?;
        let used = context.used(&scan.bundle, selected.of_instance);
        let mut verification = verify(&selected.located, &context.catalogue, &scan, &self.report).await?;
        if context.redact {
            verification.claims.iter_mut().for_each(|claim| redact::in_place(&mut claim.reason));
        }
        Ok(VerifyAnswer {
            success: true,
            used,
            verification,
            coverage_report: CoverageReport { coverage: scan.coverage, gaps: scan.gaps },
            caveat: CAVEAT.to_owned(),
        })
    }
}
