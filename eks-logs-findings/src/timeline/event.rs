//! One event: a line, with all findings that quote it.

use eks_logs_core::{Layout, StorePath};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::Certainty;
use crate::entity::{self, Entity};
use crate::finding::{Evidence, Finding};
use crate::line::{self, Stamp};
use crate::severity::Severity;

/// A line of the bundle that at least one finding quotes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When, UTC; `null` where that cannot be known.
    pub time: Option<Timestamp>,
    /// How sure the time is.
    pub time_certainty: Certainty,
    /// The component whose line it is.
    pub component: String,
    /// The worst severity of the findings that quote it.
    pub severity: Severity,
    /// The findings that quote it.
    pub finding_ids: Vec<String>,
    /// Their rules.
    pub rules: Vec<String>,
    /// The title of the first of them.
    pub title: String,
    /// The file, relative to the bundle's root.
    pub file: String,
    /// The line, 1-based.
    pub line: u64,
    /// Offset of its first byte.
    pub start_byte: u64,
    /// Offset behind its last byte.
    pub end_byte: u64,
    /// Its text.
    pub text: String,
    /// What it names.
    pub entities: Vec<Entity>,
}

impl Event {
    pub(super) fn new(finding: &Finding, line: &Evidence) -> Self {
        let mut entities = entity::in_text(&line.text);
        entities.extend(entity::in_path(&line.file));
        Self {
            time: line.time,
            time_certainty: certainty(finding, line),
            component: component(finding, line),
            severity: finding.severity,
            finding_ids: vec![finding.id.clone()],
            rules: vec![finding.rule.to_string()],
            title: finding.title.clone(),
            file: line.file.clone(),
            line: line.line,
            start_byte: line.start_byte,
            end_byte: line.end_byte,
            text: line.text.clone(),
            entities: entities.into_iter().collect(),
        }
    }

    pub(super) fn place(&self) -> (&str, u64, u64, Severity, usize, &str) {
        let id = self.finding_ids.first().map_or("", String::as_str);
        (&self.file, self.start_byte, self.end_byte, self.severity, id.len(), id)
    }

    pub(super) fn is_at(&self, other: &Self) -> bool {
        (&self.file, self.start_byte) == (&other.file, other.start_byte)
    }

    /// Takes over what another finding says of the same line.
    pub(super) fn join(&mut self, other: &Self) {
        self.severity = self.severity.min(other.severity);
        for id in &other.finding_ids {
            if !self.finding_ids.contains(id) {
                self.finding_ids.push(id.clone());
            }
        }
        for rule in &other.rules {
            if !self.rules.contains(rule) {
                self.rules.push(rule.clone());
            }
        }
        // An event of several lines is the longest of its spans.
        if other.end_byte > self.end_byte {
            self.end_byte = other.end_byte;
            self.text.clone_from(&other.text);
            self.entities.clone_from(&other.entities);
        }
    }

    pub(super) fn order(&self) -> (bool, Option<Timestamp>, &str, u64) {
        (self.time.is_none(), self.time, &self.file, self.start_byte)
    }
}

fn component(finding: &Finding, line: &Evidence) -> String {
    let layout = Layout::builtin();
    let Ok(path) = StorePath::parse(&line.file) else { return finding.source.name().to_owned() };
    let text = line.text.as_bytes();
    let parsed = line::parse(text);
    let program = parsed.program.clone().map(|range| &text[range]);
    layout.line_source(layout.classify(&path), program, parsed.kernel).name().to_owned()
}

/// The certainty of one line's time: that of the stamp it prints, and at worst that of its finding.
fn certainty(finding: &Finding, line: &Evidence) -> Certainty {
    if line.time.is_none() {
        return Certainty::Unknown;
    }
    match line::parse(line.text.as_bytes()).stamp {
        Stamp::Instant(_) => Certainty::Exact,
        Stamp::Local(_) if finding.time_certainty == Certainty::ZoneDerived => Certainty::ZoneDerived,
        Stamp::Local(_) => Certainty::ZoneAssumed,
        Stamp::Yearless(_) => Certainty::YearInferred,
        Stamp::Uptime(_) => Certainty::BootEstimated,
        // A line without a time of its own has that of the line before it.
        Stamp::None => finding.time_certainty,
    }
}
