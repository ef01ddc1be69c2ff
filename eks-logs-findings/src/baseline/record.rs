//! What is stored: versioned JSON, one entry for each bundle.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compare::is_failing;
use crate::finding::Scan;

/// Findings that one bundle's record holds, the worst first: a record stays small.
const FINDINGS: usize = 500;

/// What one bundle has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// The bundle.
    pub bundle: String,
    /// The node, where known.
    pub instance: Option<String>,
    /// When it was collected.
    pub collected_at: Option<Timestamp>,
    /// It has no fault of severity high or worse that did not end.
    pub healthy: bool,
    /// Its findings, by fingerprint.
    pub(super) findings: BTreeMap<String, Seen>,
}

/// One finding of one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    pub(super) rule: String,
    pub(super) title: String,
    pub(super) subject: String,
    pub(super) count: u64,
    pub(super) first_seen: Option<Timestamp>,
    pub(super) last_seen: Option<Timestamp>,
}

/// What a person decided about a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pin {
    /// It is normal here, however seldom it is seen.
    Normal,
    /// It is never normal, however often it is seen.
    Never,
}

/// A decision, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pinned {
    pub(super) pin: Pin,
    #[serde(default)]
    pub(super) note: String,
}

/// One shard: the bundles whose ids fall into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shard {
    pub(super) version: u32,
    pub(super) bundles: BTreeMap<String, Observation>,
}

/// The decisions about a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decisions {
    pub(super) version: u32,
    pub(super) pins: BTreeMap<String, Pinned>,
}

impl Observation {
    /// What a scan has seen; `None` for a bundle without an id, which could not be told from another reading of it.
    pub fn new(scan: &Scan) -> Option<Self> {
        let findings = scan.findings.iter().take(FINDINGS).map(|finding| {
            let seen = Seen {
                rule: finding.rule.to_string(),
                title: finding.title.clone(),
                subject: finding.subject.clone(),
                count: finding.count,
                first_seen: finding.first_seen,
                last_seen: finding.last_seen,
            };
            (finding.fingerprint.clone(), seen)
        });
        Some(Self {
            bundle: scan.bundle.id.clone()?,
            instance: scan.bundle.instance_id.clone(),
            collected_at: scan.bundle.collected_at,
            healthy: !is_failing(scan),
            findings: findings.collect(),
        })
    }

    /// What tells its node from others.
    pub(super) fn node(&self) -> &str {
        self.instance.as_deref().unwrap_or(&self.bundle)
    }
}
