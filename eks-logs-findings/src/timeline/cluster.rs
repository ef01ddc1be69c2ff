//! Clusters: events close in time, and events about one thing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::event::Event;
use crate::entity::{Aliases, Entity};
use crate::severity::Severity;

/// Things that clusters are given for: the rest is about less.
const THINGS: usize = 50;

/// Events that lie within one window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeCluster {
    /// `C-001`, in order of time.
    pub id: String,
    /// The first and the last time; `null` for the events that have none.
    pub range: Option<(Timestamp, Timestamp)>,
    /// Events, by their places in the timeline.
    pub events: Vec<usize>,
    /// The findings that they belong to.
    pub finding_ids: Vec<String>,
    /// The worst severity.
    pub severity: Severity,
    /// The components that speak, in order of their first word.
    pub components: Vec<String>,
}

/// Events about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntityCluster {
    /// The thing.
    pub entity: Entity,
    /// Events, by their places in the timeline.
    pub events: Vec<usize>,
    /// The findings that they belong to: two at least.
    pub finding_ids: Vec<String>,
    /// The worst severity.
    pub severity: Severity,
    /// The components that speak, in order of their first word.
    pub components: Vec<String>,
    /// The first and the last time, of the events that have one.
    pub range: Option<(Timestamp, Timestamp)>,
}

/// Each event in exactly one cluster. No two events of a cluster lie farther apart than the window; where events without a pause go on
/// for longer, they are parted at the longest pause within each window. Events without a time are the last cluster.
pub fn by_time(events: &[Event], window: SignedDuration) -> Vec<TimeCluster> {
    let mut timed: Vec<(Timestamp, usize)> =
        events.iter().enumerate().filter_map(|(at, event)| Some((event.time?, at))).collect();
    timed.sort();
    let mut cuts = Vec::new();
    let mut start = 0;
    let mut at = 1;
    while at < timed.len() {
        if timed[at].0.duration_since(timed[start].0) <= window {
            at += 1;
            continue;
        }
        // The longest pause up to here; of equal ones the last, so that clusters are as full as they can be.
        let pause = |at: usize| timed[at].0.duration_since(timed[at - 1].0);
        let cut = (start + 1..=at).max_by_key(|at| pause(*at)).unwrap_or(at);
        cuts.push(cut);
        start = cut;
        at = at.max(cut + 1);
    }
    let mut clusters = Vec::new();
    let mut from = 0;
    for to in cuts.into_iter().chain([timed.len()]) {
        if from < to {
            let places = timed[from..to].iter().map(|(_, at)| *at).collect();
            clusters.push((Some((timed[from].0, timed[to - 1].0)), places));
        }
        from = to;
    }
    let untimed: Vec<usize> = (0..events.len()).filter(|at| events[*at].time.is_none()).collect();
    if !untimed.is_empty() {
        clusters.push((None, untimed));
    }
    let numbered = clusters.into_iter().enumerate();
    numbered
        .map(|(number, (range, places))| {
            let (finding_ids, severity, components) = of(events, &places);
            TimeCluster { id: format!("C-{:03}", number + 1), range, events: places, finding_ids, severity, components }
        })
        .collect()
}

/// The things that events of at least two findings name, under the name that stands for all their names; the ones that join most
/// findings first.
pub fn by_entity(events: &[Event], aliases: &Aliases) -> Vec<EntityCluster> {
    let mut about: BTreeMap<Entity, BTreeSet<usize>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        for entity in &event.entities {
            about.entry(aliases.canonical(entity)).or_default().insert(at);
        }
    }
    let mut clusters: Vec<EntityCluster> = about
        .into_iter()
        .filter_map(|(entity, places)| {
            let places: Vec<usize> = places.into_iter().collect();
            let (finding_ids, severity, components) = of(events, &places);
            let rules: BTreeSet<&str> = places.iter().flat_map(|at| &events[*at].rules).map(String::as_str).collect();
            if finding_ids.len() < 2 || rules.len() < 2 {
                return None;
            }
            let times = || places.iter().filter_map(|at| events[*at].time);
            let range = times().min().zip(times().max());
            Some(EntityCluster { entity, events: places, finding_ids, severity, components, range })
        })
        .collect();
    clusters.sort_by(|a, b| {
        let weight = |cluster: &EntityCluster| std::cmp::Reverse((cluster.finding_ids.len(), cluster.components.len()));
        (weight(a), a.severity, &a.entity).cmp(&(weight(b), b.severity, &b.entity))
    });
    clusters.truncate(THINGS);
    clusters
}

fn of(events: &[Event], places: &[usize]) -> (Vec<String>, Severity, Vec<String>) {
    let mut ids: BTreeSet<(usize, &str)> = BTreeSet::new();
    let (mut severity, mut components) = (Severity::Info, Vec::new());
    for event in places.iter().map(|at| &events[*at]) {
        ids.extend(event.finding_ids.iter().map(|id| (id.len(), id.as_str())));
        severity = severity.min(event.severity);
        if !components.contains(&event.component) {
            components.push(event.component.clone());
        }
    }
    (ids.into_iter().map(|(_, id)| id.to_owned()).collect(), severity, components)
}
