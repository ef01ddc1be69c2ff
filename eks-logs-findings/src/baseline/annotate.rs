//! What the baseline says to a finding.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Baseline, Pin};
use crate::finding::Finding;

/// So many times its usual count, and a fault that is normal surges.
const SURGE: u64 = 5;
/// Below this no count is a surge.
const SURGE_LEAST: u64 = 20;

/// What is normal about a finding, and what is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Annotation {
    /// It is normal in this cluster, and as frequent as usual.
    pub is_baseline: bool,
    /// It is normal, and far more frequent than usual.
    pub surges: bool,
    /// In words.
    pub note: String,
}

/// What the baseline says to a finding; `None` where it knows nothing of it. The baseline should be [`Baseline::without`] the finding's own
/// bundle.
pub fn annotate(baseline: &Baseline, finding: &Finding) -> Option<Annotation> {
    let entry = baseline.entry(&finding.fingerprint)?;
    let usual = entry.median_count.max(1);
    let surges = entry.normal
        && entry.bundles > 0
        && finding.count >= SURGE_LEAST
        && finding.count >= usual.saturating_mul(SURGE)
        && finding.count > entry.most;
    let seen = format!(
        "seen in {} of {} bundles ({} healthy) of {} nodes of {}, usually {} times",
        entry.bundles, baseline.bundles, entry.healthy_bundles, entry.nodes, baseline.cluster, entry.median_count
    );
    let note = match (entry.pinned, surges) {
        (_, true) => format!("normal here, but {} times is far above its usual rate: {seen}", finding.count),
        (Some(Pin::Normal), false) => format!("declared normal here; {seen}"),
        (Some(Pin::Never), false) => format!("declared never normal here; {seen}"),
        (None, false) if entry.normal => format!("normal here: {seen}"),
        (None, false) => format!("known here, not normal: {seen}"),
    };
    Some(Annotation { is_baseline: entry.normal && !surges, surges, note })
}
