//! Faults: the findings of one rule, taken together, with what the ranking needs to know of them.

use std::collections::{BTreeMap, BTreeSet};

use eks_logs_core::{FileKind, Layout, StorePath};
use jiff::Timestamp;

use crate::entity::{self, Aliases, Entity, EntityKind};
use crate::finding::Finding;
use crate::rule::{Catalogue, Rule, RuleId};
use crate::severity::Severity;

/// Findings of one rule that are looked at one by one; the rest counts like these.
const MEMBERS: usize = 64;

/// The findings of one rule.
pub(super) struct Fault<'a> {
    pub(super) id: &'a str,
    /// The rule, where the catalogue has it.
    pub(super) rule: Option<&'a Rule>,
    /// In canonical order.
    pub(super) members: Vec<Member<'a>>,
    /// The worst of its findings.
    pub(super) severity: Severity,
    /// Known faults that can bring this one about.
    pub(super) upstream: usize,
    /// The severities of rules that only wrap it and have no finding of their own: its findings speak for them too.
    wrapped: Vec<Severity>,
}

/// One finding of a fault.
pub(super) struct Member<'a> {
    pub(super) finding: &'a Finding,
    pub(super) entities: BTreeSet<Entity>,
    /// When it happened, as far as lines that are quoted tell.
    pub(super) times: Vec<Timestamp>,
    /// Whose lines report it.
    pub(super) sources: BTreeSet<&'static str>,
    /// It describes the node as it was when the bundle was collected, not an event.
    pub(super) state: bool,
}

/// All faults of a bundle, sorted by rule.
pub(super) struct Faults<'a> {
    pub(super) list: Vec<Fault<'a>>,
    /// The latest time of any finding.
    pub(super) end: Option<Timestamp>,
}

impl<'a> Faults<'a> {
    pub(super) fn new(catalogue: &'a Catalogue, findings: &'a [Finding]) -> Self {
        let mut ordered: Vec<&Finding> = findings.iter().collect();
        ordered.sort_by(|a, b| place(a).cmp(&place(b)));
        let mut aliases = Aliases::default();
        for line in ordered.iter().flat_map(|finding| &finding.evidence) {
            let mut named = entity::in_text(&line.text);
            named.extend(entity::in_path(&line.file));
            aliases.learn(&named);
        }
        let mut by_rule: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for finding in &ordered {
            by_rule.entry(finding.rule.as_str()).or_default().push(finding);
        }
        let upstream = brought_about_by(catalogue);
        let alone: BTreeSet<&str> = by_rule.keys().copied().collect();
        let wrapped = |findings: &[&Finding]| {
            let wrappers: BTreeSet<&str> =
                findings.iter().flat_map(|finding| &finding.wrappers).map(RuleId::as_str).collect();
            wrappers.difference(&alone).filter_map(|id| Some(catalogue.get(id)?.severity)).collect()
        };
        let list = by_rule
            .into_iter()
            .map(|(id, findings)| Fault {
                id,
                rule: catalogue.get(id),
                wrapped: wrapped(&findings),
                severity: findings.iter().map(|finding| finding.severity).min().unwrap_or(Severity::Info),
                upstream: upstream.get(id).map_or(0, Vec::len),
                members: findings.into_iter().take(MEMBERS).map(|finding| member(finding, &aliases)).collect(),
            })
            .collect();
        let end = ordered.iter().filter_map(|finding| finding.last_seen).max();
        Self { list, end }
    }
}

/// The canonical order: that of the ids, which are numbered.
pub(super) fn place(finding: &Finding) -> (usize, &str, &str) {
    (finding.id.len(), &finding.id, &finding.fingerprint)
}

fn member<'a>(finding: &'a Finding, aliases: &Aliases) -> Member<'a> {
    let entities = aliases.canonical_all(&entity::in_finding(finding));
    let mut times: Vec<Timestamp> = finding.evidence.iter().filter_map(|line| line.time).collect();
    times.extend(finding.first_seen);
    times.extend(finding.last_seen);
    times.sort();
    times.dedup();
    let layout = Layout::builtin();
    let (mut sources, mut state) = (BTreeSet::new(), times.is_empty());
    for line in finding.evidence.iter().filter(|line| !line.duplicate) {
        let Ok(path) = StorePath::parse(&line.file) else { continue };
        let class = layout.classify(&path);
        let text = line.text.as_bytes();
        let parsed = crate::line::parse(text);
        let program = parsed.program.clone().map(|range| &text[range]);
        sources.insert(layout.line_source(class, program, parsed.kernel).name());
        state &= matches!(class.kind, FileKind::State | FileKind::Config);
    }
    sources.insert(finding.source.name());
    Member { finding, entities, times, sources, state }
}

impl Fault<'_> {
    /// How much it matters that it is explained: by its severity, not by how often a line repeats. What ended by itself matters less.
    pub(super) fn weight(&self) -> f64 {
        let weighs = |severity: &Severity| match severity {
            Severity::Critical => 8.0,
            Severity::High => 4.0,
            Severity::Medium => 2.0,
            Severity::Low => 0.5,
            Severity::Info => 0.0,
        };
        let weight = weighs(&self.severity) + self.wrapped.iter().map(weighs).sum::<f64>();
        if self.is_cleared() { weight / 2.0 } else { weight }
    }

    pub(super) fn is_cleared(&self) -> bool {
        self.members.iter().all(|member| member.finding.cleared)
    }

    /// It is about one workload's pod, not about the node.
    pub(super) fn is_one_workload(&self) -> bool {
        let mut pods = BTreeSet::new();
        for member in &self.members {
            let of: Vec<&Entity> = member.entities.iter().filter(|entity| entity.kind == EntityKind::Pod).collect();
            if of.is_empty() {
                return false;
            }
            pods.extend(of);
        }
        pods.len() == 1 && !pods.iter().any(|pod| pod.value.starts_with("kube-system/"))
    }

    pub(super) fn first_seen(&self) -> Option<Timestamp> {
        self.members.iter().filter_map(|member| member.finding.first_seen).min()
    }
}

/// For each rule, the rules whose fault can bring its fault about.
pub(super) fn brought_about_by(catalogue: &Catalogue) -> BTreeMap<String, Vec<&str>> {
    let mut upstream: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for rule in catalogue.rules() {
        for effect in rule.effects() {
            upstream.entry(effect.rule.as_str().to_owned()).or_default().push(rule.id.as_str());
        }
    }
    upstream
}
