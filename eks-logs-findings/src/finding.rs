//! Findings and what a scan says about itself.

use std::collections::BTreeMap;

use eks_logs_core::text::LineIndex;
use eks_logs_core::{FileKind, Layout, Source, StorePath};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Certainty;
use crate::diagnostics::{NetworkFigures, NodeFigures};
use crate::event::EventKind;
use crate::index::names;
use crate::platform::Platform;
use crate::rule::{Remedy, RuleId, Section};
use crate::scan::few;
use crate::severity::Severity;

/// A name that is the program's own.
pub type Name = &'static str;

/// Verbatim bytes of a bundle that back a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The file, relative to the bundle's root.
    pub file: String,
    /// The line in which the span starts, 1-based.
    pub line: u64,
    /// Offset of the first byte. In a file that is compressed inside the bundle, offsets are into its decompressed content.
    pub start_byte: u64,
    /// Offset behind the last byte; the newline is not part of the span.
    pub end_byte: u64,
    /// When the line was written, UTC; `null` where that cannot be known.
    pub time: Option<Timestamp>,
    /// The span's text. Invalid UTF-8 is shown as U+FFFD.
    pub text: String,
    /// The same event, printed once more elsewhere, or a further line of an event that is counted: it is not counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

/// An event that is printed over several lines, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// What kind.
    pub kind: EventKind,
    /// The file.
    pub file: String,
    /// Its first line, 1-based.
    pub first_line: u64,
    /// The last line that is known to be of it.
    pub last_line: u64,
    /// When it began, UTC.
    pub time: Option<Timestamp>,
    /// What it says. Of an OOM report: `invoker`, `victim`, `victimPid`, `constraint` (`CONSTRAINT_MEMCG`: a cgroup's limit; otherwise the
    /// node), `limitedCgroup`, `victimCgroup`, `podUid`, `containerId`, `limitKb`, `usageKb`, `totalVmKb`, `anonRssKb`, `fileRssKb`,
    /// `oomScoreAdj`, `group`. Of a kernel trace: `what`, `instruction`, `process`, `pid`, `taint`. Of a Go crash: `message`, `signal`,
    /// `goroutine`, `frame` (the first that is not the runtime's), `place`.
    #[serde(deserialize_with = "names::fields")]
    pub fields: BTreeMap<Name, String>,
}

/// How a state that begins and ends went, by the lines that tell either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// How often it came back after it had ended.
    pub flaps: u64,
    /// It had ended when the log ended.
    pub ended: bool,
    /// Seconds for which it was there, taken together; without the last time if that has not ended. `null` where a time is missing.
    pub bad_seconds: Option<u64>,
    /// Seconds for which it was there the last time that it ended.
    pub last_bad_seconds: Option<u64>,
}

/// All occurrences of one rule about one subject in one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its place in the bundle's canonical order: `F-001`.
    pub id: String,
    /// Equal for the same fault on other nodes and in other bundles.
    pub fingerprint: String,
    /// The rule.
    pub rule: RuleId,
    /// The rule's title.
    pub title: String,
    /// How bad it is here, with how often and how long it happened.
    pub severity: Severity,
    /// Why it is that bad.
    pub severity_reason: String,
    /// Whose line the first evidence is.
    #[schemars(with = "String")]
    pub source: Source,
    /// What it is about, volatile parts masked; empty for a rule without subjects.
    pub subject: String,
    /// Some of the subjects as they are printed, in order of appearance.
    pub entities: Vec<String>,
    /// How often it happened; an event that is printed in several files counts once.
    pub count: u64,
    /// For a fault of the node's state: what was compared with what, with the figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it first happened, UTC.
    pub first_seen: Option<Timestamp>,
    /// When it last happened, UTC.
    pub last_seen: Option<Timestamp>,
    /// How sure the times are.
    pub time_certainty: Certainty,
    /// A later line says that it ended, and it did not come back.
    pub cleared: bool,
    /// How often it ended and came back, where the rule knows what ends it and a line told so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<Course>,
    /// Some of the events of several lines that report it, with their fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Rules that only wrap this fault: their lines about it are among the evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrappers: Vec<RuleId>,
    /// The lines, in order of file and offset.
    pub evidence: Vec<Evidence>,
    /// Lines that are not quoted, of all that report it.
    pub evidence_omitted: u64,
    /// What to do.
    pub remedy: Remedy,
}

/// A file or a part of one that was not read, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// How much of the bundle the findings speak for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Files that were read to their end.
    pub files_scanned: u64,
    /// Files of the bundle.
    pub files_total: u64,
    /// Bytes that were read, after decompression.
    pub bytes_scanned: u64,
    /// Lines that were read.
    pub lines_scanned: u64,
    /// What was not read, or not to its end.
    pub skipped: Vec<Skipped>,
    /// Nothing was left out.
    pub scan_complete: bool,
}

/// Something that is not known, and what that leaves open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The kind of gap: `cut`, `skipped`, `missing`, `overlong-line`, `encoding`, `state`, `time`, `subjects`, `events`, `appended`, `nested-archive`, `unrecognised-errors`,
    /// `unrecognised`, `not-analysed`.
    #[serde(deserialize_with = "names::kind")]
    pub kind: Name,
    /// The file, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What is not known.
    pub detail: String,
}

/// The bundle that was scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleInfo {
    /// Instance and collection, `_` between them; `null` where neither is known.
    pub id: Option<String>,
    /// The node.
    pub instance_id: Option<String>,
    /// When it was collected, UTC; where its name does not tell, the latest time that its logs are sure of.
    pub collected_at: Option<Timestamp>,
    /// Files.
    pub files: u64,
    /// Bytes, after decompression.
    pub bytes: u64,
    /// Where it is.
    pub locator: String,
}

/// One file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileReport {
    /// Its path, relative to the bundle's root.
    pub file: String,
    /// Whose lines it holds.
    #[schemars(with = "String")]
    pub source: Source,
    /// What kind of content.
    #[schemars(with = "String")]
    pub kind: FileKind,
    /// Whether it is a file that a collector writes.
    pub known: bool,
    /// Bytes that were read, after decompression.
    pub bytes: u64,
    /// Lines that were read.
    pub lines: u64,
    /// Whether any rule is about its lines.
    pub has_rules: bool,
    /// Whether it was read to its end.
    pub complete: bool,
    /// The first time that it prints, UTC.
    pub first_time: Option<Timestamp>,
    /// The last time that it prints, UTC.
    pub last_time: Option<Timestamp>,
}

/// What a structured check of the node's state came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// It found its fault: see the findings of its rule.
    Found,
    /// All that it needs is there, and nothing is wrong.
    Passed,
    /// It makes no sense on this node.
    NotApplicable,
    /// What it needs is missing: nothing is known.
    Unknown,
}

/// One structured check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// Its rule.
    pub rule: RuleId,
    /// The part of the node's state that it belongs to.
    pub section: Section,
    /// What it came to.
    pub outcome: CheckOutcome,
    /// Why it does not apply, or what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Where the lines of one file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLines {
    /// Its path, relative to the bundle's root.
    pub file: String,
    /// Equal exactly when the content is.
    pub content_hash: String,
    /// Where its lines are.
    pub index: LineIndex,
}

/// A boot of the node that the logs tell of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Boot {
    /// When, UTC: of the kernel's first message, or of the first line of that boot; `null` where that cannot be known.
    pub at: Option<Timestamp>,
    /// How sure the time is.
    pub time_certainty: Certainty,
    /// journald's id of the boot, where a line tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The file that tells.
    pub file: String,
    /// The line, 1-based.
    pub line: u64,
}

/// What one pass over a bundle found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// The bundle.
    pub bundle: BundleInfo,
    /// How much of it was read.
    pub coverage: Coverage,
    /// The findings, in canonical order: worst first, then by rule, then by place.
    pub findings: Vec<Finding>,
    /// Boots of the node that its logs tell of, in the order of their times.
    pub boots: Vec<Boot>,
    /// What is not known.
    pub gaps: Vec<Gap>,
    /// The files, by path.
    pub files: Vec<FileReport>,
    /// The structured checks, by rule.
    pub checks: Vec<CheckReport>,
    /// Which collector wrote the bundle and what its node runs.
    #[serde(default)]
    pub platform: Platform,
    /// Figures of the node's network, from its state files.
    #[serde(default)]
    pub network: NetworkFigures,
    /// Figures of the node itself, from its state files.
    #[serde(default)]
    pub node: NodeFigures,
    /// Where lines are, by path, if that was asked for; stored by itself, never part of an answer.
    #[serde(skip)]
    #[schemars(skip)]
    pub lines: Vec<FileLines>,
    /// The findings with up to [`STORED_EVENTS`](crate::index::STORED_EVENTS) lines each, if that was asked for; stored by themselves, never
    /// part of an answer.
    #[serde(skip)]
    #[schemars(skip)]
    pub events: Vec<Finding>,
    /// When the stored index was made from which this was read; `None` for what was scanned just now.
    #[serde(skip)]
    #[schemars(skip)]
    pub indexed_at: Option<Timestamp>,
}

impl Finding {
    /// Leaves out what it quotes beyond `most` lines: the first ones and the last stay.
    pub fn quote_at_most(&mut self, most: usize) {
        let before = self.evidence.len();
        self.evidence = few(std::mem::take(&mut self.evidence), most);
        self.evidence_omitted += (before - self.evidence.len()) as u64;
    }
}

impl FileReport {
    /// Whether lines of this source can stand in the file.
    pub fn speaks_for(&self, source: Source) -> bool {
        let Ok(path) = StorePath::parse(&self.file) else { return false };
        let layout = Layout::builtin();
        layout.line_sources(layout.classify(&path)).contains(&source)
    }
}
