//! `baseline`: what is normal in a cluster.

use std::sync::Arc;

use async_trait::async_trait;
use eks_logs_core::StoreWriter;
use eks_logs_findings::baseline::{self, Annotation, Baseline, BaselineError, Entry, Learned, Observation, Pin};
use eks_logs_findings::{EvidenceLimit, Finding, Scan};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{Call, Context, Selector};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

/// Entries that one answer tells.
const ENTRIES: usize = 500;

/// What to do with a baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaselineAction {
    /// Tell what is normal.
    #[default]
    Show,
    /// Take a bundle in, or declare a fingerprint normal.
    Add,
    /// Declare a fingerprint never normal.
    Remove,
    /// Forget everything about the cluster.
    Reset,
}

/// A baseline, and what to do with it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct BaselineRequest {
    /// The bundle to take in, for add.
    #[serde(flatten)]
    pub bundle: Selector,
    /// The cluster's name.
    #[serde(rename = "clusterContext")]
    pub cluster_context: String,
    /// show, add, remove or reset.
    #[serde(default)]
    pub action: BaselineAction,
    /// The fingerprint of a finding, from an answer: add declares it normal, remove declares it never normal.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// Why, for whoever reads it later.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub note: String,
}

/// What is normal in a cluster, after what was done.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct BaselineAnswer {
    pub success: bool,
    pub cluster: String,
    /// What was done, in words.
    pub done: String,
    pub changed: bool,
    /// Bundles that it rests on.
    pub bundles: usize,
    pub healthy_bundles: usize,
    pub nodes: usize,
    pub newest: Option<Timestamp>,
    /// Fingerprints, the most usual first.
    pub entries: Vec<Entry>,
    pub entries_omitted: usize,
}

#[async_trait]
impl Request for BaselineRequest {
    type Answer = BaselineAnswer;
    const ABOUT: About = About {
        name: "baseline",
        title: "What is normal in a cluster",
        description: "Shows or changes what is normal in a cluster: how often each finding is seen over its bundles and nodes. show tells it, add takes \
                      a bundle in or declares a fingerprint normal, remove declares one never normal, reset forgets the cluster. The baseline \
                      annotates findings (errors with clusterContext) and never hides one. Do not add the bundle of an incident.",
        needs: Needs::Bundle,
        effect: Effect::Removes,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<BaselineAnswer, Failure> {
        let store = context.records()?;
        let cluster = &self.cluster_context;
        let fingerprint = self.fingerprint.as_deref().map(checked).transpose()?;
        let needed = || Failure::new(Code::BadArgument, "fingerprint is missing", "take it from a finding's answer");
        let (changed, done) = match (self.action, fingerprint) {
            (BaselineAction::Show, _) => (false, "nothing was changed".to_owned()),
            (BaselineAction::Add, Some(fingerprint)) => {
                let changed =
                    baseline::pin(store.as_ref(), cluster, fingerprint, Some(Pin::Normal), &self.note).await?;
                (changed, format!("{fingerprint} is declared normal"))
            }
            (BaselineAction::Add, None) => {
                let selected = context.select(&self.bundle).await?;
                let scan = context.scan(&selected.located, EvidenceLimit::Few(1), call).await?;
                self::learn(store.as_ref(), cluster, &scan).await?
            }
            (BaselineAction::Remove, fingerprint) => {
                let fingerprint = fingerprint.ok_or_else(needed)?;
                let changed = baseline::pin(store.as_ref(), cluster, fingerprint, Some(Pin::Never), &self.note).await?;
                (changed, format!("{fingerprint} is declared never normal"))
            }
            (BaselineAction::Reset, _) => {
                let forgotten = baseline::reset(store.as_ref(), cluster).await?;
                (true, format!("{forgotten} bundles and all declarations were forgotten"))
            }
        };
        let read = baseline::read(store.as_ref(), cluster).await?;
        let omitted = read.entries.len().saturating_sub(ENTRIES);
        Ok(BaselineAnswer {
            success: true,
            cluster: read.cluster,
            done,
            changed,
            bundles: read.bundles,
            healthy_bundles: read.healthy_bundles,
            nodes: read.nodes,
            newest: read.newest,
            entries: read.entries.into_iter().take(ENTRIES).collect(),
            entries_omitted: omitted,
        })
    }
}

fn checked(fingerprint: &str) -> Result<&str, Failure> {
    let valid = fingerprint.len() == 16 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
    let error = || format!("{fingerprint:?} is no fingerprint");
    valid
        .then_some(fingerprint)
        .ok_or_else(|| Failure::new(Code::BadArgument, error(), "give the 16 hex digits of a finding's fingerprint"))
}

/// Takes a scanned bundle into its cluster's baseline: for whoever has just indexed one.
///
/// # Errors
/// `bad_argument` for a bundle without an id; whatever the store fails with.
pub async fn learn(store: &dyn StoreWriter, cluster: &str, scan: &Scan) -> Result<(bool, String), Failure> {
    let Some(observation) = Observation::new(scan) else {
        let error = format!("{}: neither its name nor its files tell whose bundle it is", scan.bundle.locator);
        return Err(Failure::new(Code::BadArgument, error, "keep the archive's own name, eks_<instance>_<collection>"));
    };
    Ok(match baseline::learn(store, cluster, &observation).await? {
        Learned::New => (true, format!("{} was taken in", observation.bundle)),
        Learned::Updated => (true, format!("{} was known and has other findings now", observation.bundle)),
        Learned::Known => (false, format!("{} was known: a bundle counts once", observation.bundle)),
    })
}

impl From<BaselineError> for Failure {
    fn from(error: BaselineError) -> Self {
        match error {
            BaselineError::Store(error) => error.into(),
            BaselineError::BadCluster(_) => {
                Failure::new(Code::BadArgument, error.to_string(), "give the EKS cluster's name")
            }
            BaselineError::Contended(_) => Failure::new(Code::Conflict, error.to_string(), "call again"),
            other => Failure::new(Code::StoreUnavailable, other.to_string(), "restore or move the record away"),
        }
    }
}

/// The baseline that findings of a bundle are annotated from.
pub(crate) struct Normal(Baseline);

impl Normal {
    /// The baseline of a cluster, without the bundle itself.
    pub(crate) async fn of(store: &Arc<dyn StoreWriter>, cluster: &str, bundle: Option<&str>) -> Result<Self, Failure> {
        let read = baseline::read(store.as_ref(), cluster).await?;
        Ok(Self(match bundle {
            Some(bundle) => read.without(bundle),
            None => read,
        }))
    }

    pub(crate) fn annotate(&self, finding: &Finding) -> Option<Annotation> {
        baseline::annotate(&self.0, finding)
    }
}
