//! The baseline of a cluster: which findings its nodes normally have, and how often. It annotates; it hides nothing.
//!
//! What is stored is one record per bundle: which fingerprints it has, how often. All else is added up when it is read: a bundle counts
//! once however often it is indexed, and old bundles weigh less and less. Records lie in 16 shards by the bundle's id, so that writers seldom
//! meet; each write is a conditional put that is tried again when another writer was faster.

mod annotate;
mod record;
mod shelf;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use annotate::{Annotation, annotate};
pub use record::{Observation, Pin};
pub use shelf::{BaselineError, Learned, learn, pin, read, reset};

/// After so many days a bundle weighs half.
const HALF_LIFE_DAYS: f64 = 30.0;
/// Bundles that have a fingerprint before it can be normal.
const BUNDLES: usize = 3;
/// The share of bundles that have it from which on it is normal.
const NORMAL: f64 = 0.5;
/// Healthy bundles from which on they alone tell what is normal.
const HEALTHY: usize = 3;

/// How often one fingerprint is seen in a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The fingerprint.
    pub fingerprint: String,
    /// The rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// What it is about, volatile parts masked.
    pub subject: String,
    /// Bundles that have it.
    pub bundles: usize,
    /// Of these, healthy ones.
    pub healthy_bundles: usize,
    /// Nodes that have it.
    pub nodes: usize,
    /// The share of bundles that have it, newer ones weighing more; of the healthy ones where there are enough.
    pub rate: f64,
    /// How often it happens in a bundle that has it, usually.
    pub median_count: u64,
    /// The most in any bundle.
    pub most: u64,
    /// When it was first seen in any bundle.
    pub first_seen: Option<Timestamp>,
    /// When it was last seen in any bundle.
    pub last_seen: Option<Timestamp>,
    /// Whether it is taken for normal.
    pub normal: bool,
    /// What a person decided, if anyone did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
}

/// What is normal in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// The cluster.
    pub cluster: String,
    /// Bundles that it rests on.
    pub bundles: usize,
    /// Of these, healthy ones.
    pub healthy_bundles: usize,
    /// Nodes.
    pub nodes: usize,
    /// The newest bundle's time.
    pub newest: Option<Timestamp>,
    /// Fingerprints, the most usual first.
    pub entries: Vec<Entry>,
    /// The records, for those who ask about one bundle.
    #[serde(skip)]
    observations: BTreeMap<String, Observation>,
    #[serde(skip)]
    pins: BTreeMap<String, record::Pinned>,
}

impl Baseline {
    fn of(cluster: &str, observations: BTreeMap<String, Observation>, pins: BTreeMap<String, record::Pinned>) -> Self {
        let mut baseline = Self { cluster: cluster.to_owned(), observations, pins, ..Self::default() };
        baseline.add_up();
        baseline
    }

    /// The baseline as it would be without one bundle: a bundle does not make itself normal.
    #[must_use]
    pub fn without(&self, bundle: &str) -> Self {
        let mut observations = self.observations.clone();
        observations.remove(bundle);
        Self::of(&self.cluster, observations, self.pins.clone())
    }

    /// What is known of one fingerprint.
    pub fn entry(&self, fingerprint: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.fingerprint == fingerprint)
    }

    fn add_up(&mut self) {
        let all: Vec<&Observation> = self.observations.values().collect();
        self.bundles = all.len();
        self.healthy_bundles = all.iter().filter(|seen| seen.healthy).count();
        self.nodes = distinct(all.iter().map(|seen| seen.node()));
        self.newest = all.iter().filter_map(|seen| seen.collected_at).max();
        let newest = self.newest;
        let counts = |seen: &Observation| self.healthy_bundles < HEALTHY || seen.healthy;
        let total: f64 = all.iter().filter(|seen| counts(seen)).map(|seen| weight(seen, newest)).sum();
        let mut by_fingerprint: BTreeMap<&str, Vec<&Observation>> = BTreeMap::new();
        for seen in &all {
            for fingerprint in seen.findings.keys() {
                by_fingerprint.entry(fingerprint).or_default().push(seen);
            }
        }
        for fingerprint in self.pins.keys() {
            by_fingerprint.entry(fingerprint).or_default();
        }
        let mut entries: Vec<Entry> = by_fingerprint
            .into_iter()
            .map(|(fingerprint, of)| {
                let seen: Vec<&record::Seen> = of.iter().filter_map(|seen| seen.findings.get(fingerprint)).collect();
                let mut counted: Vec<u64> = seen.iter().map(|seen| seen.count).collect();
                counted.sort_unstable();
                let weighed: f64 = of.iter().filter(|seen| counts(seen)).map(|seen| weight(seen, newest)).sum();
                let rate = if total > 0.0 { weighed / total } else { 0.0 };
                let pinned = self.pins.get(fingerprint);
                let named = seen.first();
                let text = |of: fn(&record::Seen) -> &String| named.map_or_else(String::new, |seen| of(seen).clone());
                let normal = match pinned.map(|pinned| pinned.pin) {
                    Some(Pin::Normal) => true,
                    Some(Pin::Never) => false,
                    None => of.len() >= BUNDLES && rate >= NORMAL,
                };
                Entry {
                    fingerprint: fingerprint.to_owned(),
                    rule: text(|seen| &seen.rule),
                    title: text(|seen| &seen.title),
                    subject: text(|seen| &seen.subject),
                    bundles: of.len(),
                    healthy_bundles: of.iter().filter(|seen| seen.healthy).count(),
                    nodes: distinct(of.iter().map(|seen| seen.node())),
                    rate: (rate * 1000.0).round() / 1000.0,
                    median_count: counted.get(counted.len() / 2).copied().unwrap_or(0),
                    most: counted.last().copied().unwrap_or(0),
                    first_seen: seen.iter().filter_map(|seen| seen.first_seen).min(),
                    last_seen: seen.iter().filter_map(|seen| seen.last_seen).max(),
                    normal,
                    pinned: pinned.map(|pinned| pinned.pin),
                }
            })
            .collect();
        entries.sort_by(|a, b| b.rate.total_cmp(&a.rate).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
        self.entries = entries;
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.collect::<std::collections::BTreeSet<_>>().len()
}

/// A bundle's weight: half for each half-life that it is older than the newest.
fn weight(seen: &Observation, newest: Option<Timestamp>) -> f64 {
    match (seen.collected_at, newest) {
        (Some(at), Some(newest)) => {
            let days = newest.duration_since(at).as_secs() as f64 / 86_400.0;
            0.5_f64.powf(days / HALF_LIFE_DAYS)
        }
        _ => 1.0,
    }
}
