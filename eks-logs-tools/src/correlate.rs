//! `correlate`: events in order, together, and the chain that leads through them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use eks_logs_core::Layout;
use eks_logs_findings::correlate::{ComponentEvents, Focus, Joined, Outside, Pivot, PivotError, correlate};
use eks_logs_findings::entity::Entity;
use eks_logs_findings::timeline::{EntityCluster, Event, Interval, TimeCluster};
use eks_logs_findings::{Certainty, EvidenceLimit, Gap, Hypothesis, Severity};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{BundleUsed, Call, Context, Selector};
use crate::errors::{CoverageReport, ResponseFormat};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};
use crate::window::{TimeArguments, Window};

/// Lines that each finding brings into the timeline.
const QUOTED: usize = 500;
/// Events that are told: concise, detailed.
const EVENTS: [usize; 2] = [200, 2000];
/// The longest window, in seconds: a day.
const LONGEST_WINDOW: u64 = 86_400;
/// The longest pivot, in characters.
const LONGEST_PIVOT: usize = 500;
/// Pairs and things that the concise answer tells.
const PAIRS: usize = 50;

const CAVEAT: &str = "Close in time is not caused by: an edge says that one fault can bring about another (correlations with causeEdge), order and \
                      shared names that it did. Times have a certainty; events without a time are in the last cluster.";

/// Events in order and together.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct CorrelateRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
    /// Which time.
    #[serde(flatten)]
    pub time: TimeArguments,
    /// Seconds: no two events of a cluster lie farther apart; around a pivot, how far to look (1 to 86400).
    #[serde(rename = "timeWindow", default = "time_window")]
    #[schemars(range(min = 1, max = 86400))]
    pub time_window: u64,
    /// Around what to look: a finding (F-001), a rule (network/conntrack-table-full) or a regex over the quoted lines.
    #[serde(rename = "pivotEvent", default)]
    #[schemars(length(max = 500))]
    pub pivot_event: Option<String>,
    /// Only these components, such as kubelet, containerd, kernel, ipamd; all without it.
    #[serde(default)]
    pub components: Vec<String>,
    /// concise, or detailed with the text of each event.
    #[serde(default)]
    pub response_format: ResponseFormat,
}

fn time_window() -> u64 {
    60
}

impl Default for CorrelateRequest {
    fn default() -> Self {
        Self {
            bundle: Selector::default(),
            time: TimeArguments::default(),
            time_window: time_window(),
            pivot_event: None,
            components: Vec::new(),
            response_format: ResponseFormat::Concise,
        }
    }
}

/// An event of the timeline.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct TimelineEvent {
    /// UTC; `null` where it cannot be known.
    pub time: Option<Timestamp>,
    pub time_certainty: Certainty,
    pub component: String,
    pub severity: Severity,
    #[serde(rename = "finding_ids")]
    pub finding_ids: Vec<String>,
    pub pattern: String,
    pub file: String,
    pub line: u64,
    pub start_byte: u64,
    pub end_byte: u64,
    /// The cluster in time that it belongs to.
    #[serde(rename = "cluster_id")]
    pub cluster_id: String,
    /// The line, in the detailed format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What it names, in the detailed format.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Entity>,
}

/// Events close in time.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub struct TemporalCluster {
    pub cluster_id: String,
    pub time_range: Option<TimeRange>,
    pub event_count: usize,
    pub finding_ids: Vec<String>,
    pub dominant_severity: Severity,
    pub components: Vec<String>,
}

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub struct TimeRange {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// Events about one thing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub struct ThingCluster {
    pub entity: Entity,
    pub time_range: Option<TimeRange>,
    pub event_count: usize,
    pub finding_ids: Vec<String>,
    pub dominant_severity: Severity,
    pub components: Vec<String>,
}

/// One step of the chain.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[allow(missing_docs)]
pub struct ChainStep {
    /// 1 is the root.
    pub sequence: usize,
    pub confidence: f64,
    pub description: String,
    pub evidence_finding_ids: Vec<String>,
}

/// Events in order and together.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CorrelateAnswer {
    pub success: bool,
    /// Which bundle was read.
    #[serde(flatten)]
    pub used: BundleUsed,
    pub timeline: Vec<TimelineEvent>,
    /// Events of the timeline beyond those told.
    pub timeline_omitted: usize,
    pub by_component: BTreeMap<String, ComponentEvents>,
    pub correlations: Vec<Joined>,
    #[serde(rename = "temporal_clusters")]
    pub temporal_clusters: Vec<TemporalCluster>,
    #[serde(rename = "entity_clusters")]
    pub entity_clusters: Vec<ThingCluster>,
    #[serde(rename = "potential_root_cause_chain")]
    pub potential_root_cause_chain: Vec<ChainStep>,
    /// How sure the chain is, 0 to 1.
    pub confidence: f64,
    pub time_window: u64,
    /// What the window, the pivot and the components left out.
    pub outside: Outside,
    pub gaps: Vec<Gap>,
    #[serde(rename = "coverage_report")]
    pub coverage_report: CoverageReport,
    pub caveat: String,
}

#[async_trait]
impl Request for CorrelateRequest {
    type Answer = CorrelateAnswer;
    const ABOUT: About = About {
        name: "correlate",
        title: "Events in order and together",
        description: "Puts the events of a node's log bundle in true UTC order across files and says which belong together: close in time, about one \
                      pod, container, volume, interface or device, or joined by a known cause edge; and the chain from the likely root to its \
                      effects. Use it for `what happened in the minutes before` (pivotEvent, timeWindow, incident_time). Use triage first for the \
                      whole picture, errors to list findings, read for the lines around one.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<CorrelateAnswer, Failure> {
        let window = self.checked()?;
        let selected = context.select(&self.bundle).await?;
        let scan = context.scan(&selected.located, EvidenceLimit::Few(QUOTED), call).await?;
        let used = context.used(&scan.bundle, selected.of_instance);
        let pivot = match &self.pivot_event {
            None => None,
            Some(text) => Some(Pivot::parse(text, &scan, &context.catalogue)?),
        };
        let interval = (!window.is_open()).then(|| Interval {
            start: window.start.unwrap_or(Timestamp::MIN),
            end: window.end.unwrap_or(Timestamp::MAX),
        });
        let seconds = i64::try_from(self.time_window).unwrap_or(i64::MAX);
        let focus =
            Focus { window: SignedDuration::from_secs(seconds), pivot, components: self.components.clone(), interval };
        let found = correlate(&context.catalogue, &scan, &focus);
        let detailed = self.response_format == ResponseFormat::Detailed;
        let most = EVENTS[usize::from(detailed)];
        let mut clusters_of: Vec<&str> = vec![""; found.timeline.len()];
        for cluster in &found.clusters {
            cluster.events.iter().for_each(|at| clusters_of[*at] = &cluster.id);
        }
        let timeline: Vec<TimelineEvent> = found
            .timeline
            .iter()
            .zip(&clusters_of)
            .take(most)
            .map(|(event, cluster)| told(event, cluster, detailed))
            .collect();
        let first = found.hypotheses.first();
        let pairs = if detailed { usize::MAX } else { PAIRS };
        Ok(CorrelateAnswer {
            success: true,
            used,
            timeline_omitted: found.timeline.len() - timeline.len(),
            timeline,
            correlations: found.joined.into_iter().take(pairs).collect(),
            temporal_clusters: found.clusters.iter().map(in_time).collect(),
            entity_clusters: found.entities.iter().map(about).collect(),
            potential_root_cause_chain: first.map(chain).unwrap_or_default(),
            confidence: first.map_or(0.0, |first| first.confidence),
            by_component: found.by_component,
            time_window: self.time_window,
            outside: found.outside,
            gaps: found.gaps,
            coverage_report: CoverageReport { coverage: scan.coverage, gaps: scan.gaps },
            caveat: CAVEAT.to_owned(),
        })
    }
}

impl CorrelateRequest {
    fn checked(&self) -> Result<Window, Failure> {
        let refuse = |error: String, suggestion: &str| Err(Failure::new(Code::BadArgument, error, suggestion));
        if !(1..=LONGEST_WINDOW).contains(&self.time_window) {
            return refuse(format!("timeWindow {} is out of range", self.time_window), "give 1 to 86400 seconds");
        }
        if let Some(pivot) = &self.pivot_event
            && (pivot.is_empty() || pivot.chars().count() > LONGEST_PIVOT)
        {
            return refuse(
                "pivotEvent is empty or longer than 500 characters".to_owned(),
                "give an id or a short regex",
            );
        }
        for component in &self.components {
            if Layout::builtin().source(component).is_none() {
                let known: Vec<&str> = Layout::builtin().sources().iter().map(|source| source.name()).collect();
                return refuse(format!("no component {component:?}"), &format!("one of {}", known.join(", ")));
            }
        }
        self.time.window()
    }
}

impl From<PivotError> for Failure {
    fn from(error: PivotError) -> Self {
        let code = match error {
            PivotError::NoSuchFinding(_) => Code::NotFound,
            PivotError::NoPattern { .. } => Code::BadArgument,
        };
        Failure::new(code, error.to_string(), "take an id from triage or errors, or a regex that matches a quoted line")
    }
}

fn told(event: &Event, cluster: &str, detailed: bool) -> TimelineEvent {
    TimelineEvent {
        time: event.time,
        time_certainty: event.time_certainty,
        component: event.component.clone(),
        severity: event.severity,
        finding_ids: event.finding_ids.clone(),
        pattern: event.title.clone(),
        file: event.file.clone(),
        line: event.line,
        start_byte: event.start_byte,
        end_byte: event.end_byte,
        cluster_id: cluster.to_owned(),
        text: detailed.then(|| event.text.clone()),
        entities: if detailed { event.entities.clone() } else { Vec::new() },
    }
}

fn range(range: Option<(Timestamp, Timestamp)>) -> Option<TimeRange> {
    range.map(|(start, end)| TimeRange { start, end })
}

fn in_time(cluster: &TimeCluster) -> TemporalCluster {
    TemporalCluster {
        cluster_id: cluster.id.clone(),
        time_range: range(cluster.range),
        event_count: cluster.events.len(),
        finding_ids: cluster.finding_ids.clone(),
        dominant_severity: cluster.severity,
        components: cluster.components.clone(),
    }
}

fn about(cluster: &EntityCluster) -> ThingCluster {
    ThingCluster {
        entity: cluster.entity.clone(),
        time_range: range(cluster.range),
        event_count: cluster.events.len(),
        finding_ids: cluster.finding_ids.clone(),
        dominant_severity: cluster.severity,
        components: cluster.components.clone(),
    }
}

fn chain(hypothesis: &Hypothesis) -> Vec<ChainStep> {
    let root = ChainStep {
        sequence: 1,
        confidence: hypothesis.confidence,
        description: format!("{}. {}", hypothesis.title, hypothesis.explanation),
        evidence_finding_ids: hypothesis.cause.clone(),
    };
    let links = hypothesis.chain.iter().enumerate().map(|(at, link)| {
        let after = match link.delay_seconds {
            Some(delay) if delay >= 0 => format!(", {delay} s later"),
            Some(delay) => format!(", logged {} s ahead of it", -delay),
            None => String::new(),
        };
        let shared =
            if link.shared.is_empty() { String::new() } else { format!("; both name {}", link.shared.join(", ")) };
        ChainStep {
            sequence: at + 2,
            confidence: ((hypothesis.confidence * link.strength) * 100.0).round() / 100.0,
            description: format!("{} follows from {}{after}{shared}", link.effect, link.cause),
            evidence_finding_ids: vec![link.cause.clone(), link.effect.clone()],
        }
    });
    std::iter::once(root).chain(links).collect()
}
