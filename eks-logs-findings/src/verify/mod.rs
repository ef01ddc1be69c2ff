//! Checking a written report against the bundle: finding ids, quotations, counts, times and places, each supported, contradicted or not
//! found.
//!
//! A claim is taken from the report as it stands; what cannot be taken as a claim about this bundle (advice, commands, prose) is left
//! alone. Supported means that the bundle holds it; contradicted, that the bundle says otherwise; not found, that it says neither.

mod claims;
mod judge;
mod numbers;
mod quotes;
mod report;

use eks_logs_core::Located;
use schemars::JsonSchema;
use serde::Serialize;

use crate::finding::Scan;
use crate::rule::Catalogue;

/// Claims that are judged; a report of more is judged up to here, and the answer says so.
const CLAIMS: usize = 2000;

/// What kind of thing is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimKind {
    /// A finding of this id exists.
    FindingId,
    /// A rule has, or is said to have, a finding.
    Rule,
    /// These words stand in the bundle.
    Quotation,
    /// It happened so often.
    Count,
    /// It happened then.
    Time,
    /// It is that bad.
    Severity,
    /// This file, line or span of bytes exists.
    Place,
    /// This id or address stands in the bundle.
    Identifier,
}

/// What the bundle says to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimVerdict {
    /// The bundle holds it.
    Supported,
    /// The bundle says otherwise.
    Contradicted,
    /// The bundle says neither.
    NotFound,
}

/// Bytes of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spot {
    /// The file, relative to the bundle's root.
    pub file: String,
    /// The line, 1-based.
    pub line: u64,
    /// Offset of the first byte.
    pub start_byte: u64,
    /// Offset behind the last byte.
    pub end_byte: u64,
}

/// One claim of a report, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// What kind of claim.
    pub kind: ClaimKind,
    /// The claim as the report has it.
    pub claim: String,
    /// The line of the report, 1-based.
    pub report_line: usize,
    /// What the bundle says.
    pub verdict: ClaimVerdict,
    /// Why: what the bundle holds instead, or where it stands.
    pub reason: String,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Spot>,
    /// The findings that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finding_ids: Vec<String>,
}

/// A report, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The claims, in the order of the report.
    pub claims: Vec<Judged>,
    /// How many are supported.
    pub supported: usize,
    /// How many are contradicted.
    pub contradicted: usize,
    /// How many the bundle does not speak of.
    pub not_found: usize,
    /// Claims beyond the limit, which were not judged.
    pub not_judged: usize,
    /// There is at least one claim, and all are supported.
    pub holds: bool,
    /// Files that were not read to their end while looking for quotations: what is not found may stand there.
    pub unread: Vec<String>,
}

/// Judges a report. `scan` should quote all evidence ([`crate::EvidenceLimit::All`]): times and counts are checked against it.
///
/// # Errors
/// The store's, if the bundle cannot be read for the quotations.
pub async fn verify(
    bundle: &Located,
    catalogue: &Catalogue,
    scan: &Scan,
    report: &str,
) -> Result<Verification, eks_logs_core::Error> {
    let mut claims = claims::in_report(report, catalogue, scan);
    let not_judged = claims.len().saturating_sub(CLAIMS);
    claims.truncate(CLAIMS);
    let searched = quotes::search(bundle, scan, &claims::words(&claims)).await?;
    let judged: Vec<Judged> = claims.iter().map(|claim| judge::judge(claim, catalogue, scan, &searched)).collect();
    let of = |verdict| judged.iter().filter(|claim| claim.verdict == verdict).count();
    let (supported, contradicted, not_found) =
        (of(ClaimVerdict::Supported), of(ClaimVerdict::Contradicted), of(ClaimVerdict::NotFound));
    Ok(Verification {
        holds: !judged.is_empty() && supported == judged.len() && not_judged == 0,
        claims: judged,
        supported,
        contradicted,
        not_found,
        not_judged,
        unread: searched.unread,
    })
}
