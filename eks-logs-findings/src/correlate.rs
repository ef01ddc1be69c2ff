//! What happened together: a window of the timeline, around a pivot if one is named, with its clusters and the chain that leads through
//! it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Serialize;

use crate::entity::Entity;
use crate::finding::{Gap, Scan};
use crate::hypothesis::{Hypothesis, Link, hypotheses};
use crate::rule::Catalogue;
use crate::severity::Severity;
use crate::timeline::{self, EntityCluster, Event, Interval, TimeCluster, Timeline};

/// Bytes that a pivot's compiled pattern may take.
const PATTERN_SIZE: usize = 1 << 20;

/// The event around which to look.
#[derive(Clone, Debug)]
pub enum Pivot {
    /// A finding.
    Finding(String),
    /// All findings of a rule.
    Rule(String),
    /// All events whose text matches.
    Text(Regex),
}

/// Why a pivot cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PivotError {
    /// It looks like a finding's id and there is none of that id.
    #[error("the bundle has no finding {0}")]
    NoSuchFinding(String),
    /// Neither the id of a finding or rule that is present, nor a pattern.
    #[error("{pivot:?} is neither the id of a finding or a rule of this bundle nor a valid regex: {why}")]
    NoPattern {
        /// The text.
        pivot: String,
        /// What is wrong with it as a pattern.
        why: String,
    },
}

impl Pivot {
    /// Reads a pivot: the id of a finding, the id of a rule, or a regex (case-insensitive, linear time).
    ///
    /// # Errors
    /// [`PivotError`] if it is none of these.
    pub fn parse(text: &str, scan: &Scan, catalogue: &Catalogue) -> Result<Self, PivotError> {
        if scan.findings.iter().any(|finding| finding.id == text) {
            return Ok(Self::Finding(text.to_owned()));
        }
        let digits = text.strip_prefix("F-").filter(|digits| !digits.is_empty());
        if digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(PivotError::NoSuchFinding(text.to_owned()));
        }
        if catalogue.get(text).is_some() || scan.findings.iter().any(|finding| finding.rule.as_str() == text) {
            return Ok(Self::Rule(text.to_owned()));
        }
        let built = RegexBuilder::new(text).case_insensitive(true).size_limit(PATTERN_SIZE).build();
        match built {
            Ok(regex) if regex.is_match("") => {
                Err(PivotError::NoPattern { pivot: text.to_owned(), why: "it matches every line".to_owned() })
            }
            Ok(regex) => Ok(Self::Text(regex)),
            Err(why) => Err(PivotError::NoPattern { pivot: text.to_owned(), why: why.to_string() }),
        }
    }

    fn is_at(&self, event: &Event) -> bool {
        match self {
            Self::Finding(id) => event.finding_ids.contains(id),
            Self::Rule(rule) => event.rules.contains(rule),
            Self::Text(regex) => regex.is_match(&event.text),
        }
    }
}

/// What to look at.
#[derive(Clone, Debug)]
pub struct Focus {
    /// Events at most so far apart are one cluster; around a pivot, how far to look.
    pub window: SignedDuration,
    /// Around what.
    pub pivot: Option<Pivot>,
    /// Of which components; all if empty.
    pub components: Vec<String>,
    /// Within which time; the whole bundle without it.
    pub interval: Option<Interval>,
}

impl Default for Focus {
    fn default() -> Self {
        Self { window: SignedDuration::from_secs(60), pivot: None, components: Vec::new(), interval: None }
    }
}

/// What one component did in the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentEvents {
    /// Events.
    pub events: usize,
    /// The findings they belong to.
    pub finding_ids: Vec<String>,
    /// The worst severity.
    pub severity: Severity,
    /// The first time.
    pub first_seen: Option<Timestamp>,
    /// The last time.
    pub last_seen: Option<Timestamp>,
}

/// Two findings that belong together, and why.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The earlier one, or the cause where an edge says so.
    pub from: String,
    /// The other one.
    pub to: String,
    /// Seconds between them, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<i64>,
    /// What both name.
    pub shared: Vec<String>,
    /// The one is known to bring the other about.
    pub cause_edge: bool,
    /// In words.
    pub reason: String,
}

/// What happened together.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Correlation {
    /// Events, in order.
    pub timeline: Vec<Event>,
    /// What each component did.
    pub by_component: BTreeMap<String, ComponentEvents>,
    /// Findings that belong together.
    pub joined: Vec<Joined>,
    /// Events close in time.
    pub clusters: Vec<TimeCluster>,
    /// Events about one thing.
    pub entities: Vec<EntityCluster>,
    /// Candidate causes among the findings of the window.
    pub hypotheses: Vec<Hypothesis>,
    /// What is not known.
    pub gaps: Vec<Gap>,
    /// Events that the focus left out, and events without a time that it could not judge.
    pub outside: Outside,
}

/// What a focus left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outside {
    /// Findings with no event in the focus.
    pub findings: usize,
    /// Events outside it.
    pub events: usize,
    /// Of these, events without a time.
    pub untimed: usize,
}

/// Puts the events of a bundle in order and together.
pub fn correlate(catalogue: &Catalogue, scan: &Scan, focus: &Focus) -> Correlation {
    let whole = Timeline::new(scan);
    let (kept, outside) = within(&whole, focus, scan.findings.len());
    let part = Timeline { events: kept, not_quoted: whole.not_quoted, aliases: whole.aliases.clone() };
    let ids: BTreeSet<&str> = part.events.iter().flat_map(|event| &event.finding_ids).map(String::as_str).collect();
    let findings: Vec<_> = scan.findings.iter().filter(|finding| ids.contains(finding.id.as_str())).cloned().collect();
    let entities = timeline::by_entity(&part.events, &part.aliases);
    let hypotheses = hypotheses(catalogue, &findings);
    let interval = focus.interval.or_else(|| {
        let times = || part.events.iter().filter_map(|event| event.time);
        focus.pivot.as_ref().and_then(|_| Some(Interval { start: times().min()?, end: times().max()? }))
    });
    Correlation {
        by_component: by_component(&part.events),
        joined: joined(&hypotheses, &entities, &part.events),
        clusters: timeline::by_time(&part.events, focus.window),
        gaps: timeline::gaps(scan, &part, interval),
        timeline: part.events,
        entities,
        hypotheses,
        outside,
    }
}

/// The events that the focus is about.
fn within(whole: &Timeline, focus: &Focus, findings: usize) -> (Vec<Event>, Outside) {
    let anchors: Option<(BTreeSet<Timestamp>, BTreeSet<Entity>)> = focus.pivot.as_ref().map(|pivot| {
        let at = || whole.events.iter().filter(|event| pivot.is_at(event));
        let named = at().flat_map(|event| &event.entities).map(|entity| whole.aliases.canonical(entity)).collect();
        (at().filter_map(|event| event.time).collect(), named)
    });
    let near = |event: &Event| {
        let Some((times, named)) = &anchors else { return true };
        if focus.pivot.as_ref().is_some_and(|pivot| pivot.is_at(event)) {
            return true;
        }
        // Without a time it belongs to the pivot only if it is about the same thing.
        let Some(time) = event.time else {
            return event.entities.iter().any(|entity| named.contains(&whole.aliases.canonical(entity)));
        };
        let around = Interval::around(time, focus.window);
        times.range(around.start..=around.end).next().is_some()
    };
    let asked = |event: &Event| {
        (focus.components.is_empty() || focus.components.contains(&event.component))
            && focus.interval.is_none_or(|interval| event.time.is_some_and(|time| interval.contains(time)))
            && near(event)
    };
    let (kept, left): (Vec<Event>, Vec<Event>) = whole.events.iter().cloned().partition(asked);
    let told: BTreeSet<&String> = kept.iter().flat_map(|event| &event.finding_ids).collect();
    let outside = Outside {
        findings: findings.saturating_sub(told.len()),
        events: left.len(),
        untimed: left.iter().filter(|event| event.time.is_none()).count(),
    };
    (kept, outside)
}

fn by_component(events: &[Event]) -> BTreeMap<String, ComponentEvents> {
    let mut components: BTreeMap<String, ComponentEvents> = BTreeMap::new();
    for event in events {
        let of = components.entry(event.component.clone()).or_insert_with(|| ComponentEvents {
            events: 0,
            finding_ids: Vec::new(),
            severity: event.severity,
            first_seen: event.time,
            last_seen: event.time,
        });
        of.events += 1;
        of.severity = of.severity.min(event.severity);
        of.first_seen = of.first_seen.or(event.time);
        of.last_seen = event.time.or(of.last_seen);
        for id in &event.finding_ids {
            if !of.finding_ids.contains(id) {
                of.finding_ids.push(id.clone());
            }
        }
    }
    components
}

fn joined(hypotheses: &[Hypothesis], entities: &[EntityCluster], events: &[Event]) -> Vec<Joined> {
    let mut pairs: BTreeMap<(usize, String, String), Joined> = BTreeMap::new();
    let key = |from: &str, to: &str| (from.len(), from.to_owned(), to.to_owned());
    for link in hypotheses.iter().flat_map(|hypothesis| &hypothesis.chain) {
        pairs.entry(key(&link.cause, &link.effect)).or_insert_with(|| by_edge(link));
    }
    for cluster in entities {
        // The order in which the cluster's findings first speak.
        let mut order: Vec<&str> = Vec::new();
        for id in cluster.events.iter().flat_map(|at| &events[*at].finding_ids) {
            if !order.contains(&id.as_str()) {
                order.push(id);
            }
        }
        for pair in order.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            if pairs.contains_key(&key(to, from)) {
                continue;
            }
            let thing = cluster.entity.to_string();
            let joined = pairs.entry(key(from, to)).or_insert_with(|| Joined {
                from: from.to_owned(),
                to: to.to_owned(),
                delay_seconds: None,
                shared: Vec::new(),
                cause_edge: false,
                reason: format!("{from} and {to} are both about {thing}"),
            });
            if !joined.shared.contains(&thing) {
                joined.shared.push(thing);
            }
        }
    }
    pairs.into_values().collect()
}

fn by_edge(link: &Link) -> Joined {
    let reason = match link.delay_seconds {
        Some(delay) if delay >= 0 => {
            format!("{} can bring about {}, which begins {delay} s later", link.cause, link.effect)
        }
        Some(delay) => {
            format!("{} can bring about {}, which was logged {} s ahead of it", link.cause, link.effect, -delay)
        }
        None => format!("{} can bring about {}", link.cause, link.effect),
    };
    Joined {
        from: link.cause.clone(),
        to: link.effect.clone(),
        delay_seconds: link.delay_seconds,
        shared: link.shared.clone(),
        cause_edge: true,
        reason,
    }
}
