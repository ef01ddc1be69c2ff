//! Rules: data that says what a fault looks like in a line, what it means, how bad it is and what to do. Format: docs/RULES.md.

mod catalogue;
mod examples;
mod file;
mod pattern;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use eks_logs_core::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use catalogue::{Catalogue, RuleError};
pub use examples::{ExampleFailure, check_examples, overlapping};
pub use pattern::Pattern;

use crate::Severity;
use crate::entity::EntityKind;

/// A rule's name, equal to its path: `network/conntrack-table-full`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RuleId(pub(crate) String);

impl RuleId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder of the rule: what it is about.
    pub fn area(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The part of a node's state that a structured check belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Section {
    Iptables,
    Cni,
    Routes,
    Dns,
    Eni,
    Ipamd,
    Conntrack,
    KubeProxy,
    NetworkPolicy,
    ApiServer,
    Storage,
    Memory,
    Cpu,
    Processes,
    Services,
    Kubelet,
    Containerd,
    Versions,
    Sysctl,
    Reboots,
    Time,
    Gpu,
}

impl Section {
    /// The section's name, as in rule files and answers.
    pub fn name(self) -> &'static str {
        match self {
            Section::Iptables => "iptables",
            Section::Cni => "cni",
            Section::Routes => "routes",
            Section::Dns => "dns",
            Section::Eni => "eni",
            Section::Ipamd => "ipamd",
            Section::Conntrack => "conntrack",
            Section::KubeProxy => "kube-proxy",
            Section::NetworkPolicy => "network-policy",
            Section::ApiServer => "api-server",
            Section::Storage => "storage",
            Section::Memory => "memory",
            Section::Cpu => "cpu",
            Section::Processes => "processes",
            Section::Services => "services",
            Section::Kubelet => "kubelet",
            Section::Containerd => "containerd",
            Section::Versions => "versions",
            Section::Sysctl => "sysctl",
            Section::Reboots => "reboots",
            Section::Time => "time",
            Section::Gpu => "gpu",
        }
    }
}

/// What one line must look like.
#[derive(Clone, Debug, Default)]
pub struct LineMatcher {
    /// The line holds at least one of these, byte for byte.
    pub literals: Vec<String>,
    /// And the message matches this.
    pub pattern: Option<Pattern>,
    /// Searched in a message that matches, for the subject; without it the subject stands in what `pattern` matches.
    pub subject: Option<Pattern>,
}

/// A context in which a match is benign.
#[derive(Clone, Debug)]
pub struct Unless {
    /// Searched in the message.
    pub pattern: Pattern,
    /// Why the line is benign then.
    pub reason: String,
}

/// So many occurrences, within a window if one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// At least so many.
    pub count: u64,
    /// In a window of this length; anywhere in the bundle without it.
    pub within: Option<Duration>,
}

/// Conditions under which the fault is worse than one occurrence tells.
#[derive(Clone, Debug)]
pub struct Escalate {
    /// How often.
    pub repeat: Option<Repeat>,
    /// It goes on for so long, with no pause longer than that between two occurrences.
    pub lasts: Option<Duration>,
    /// The severity then.
    pub severity: Severity,
    /// Why.
    pub reason: String,
}

/// A later line that says that the fault ended.
#[derive(Clone, Debug)]
pub struct ClearedBy {
    /// What that line looks like.
    pub matcher: LineMatcher,
    /// The severity of a fault that ended and did not come back.
    pub severity: Severity,
}

/// A line of a file as an example, or the files of a small bundle for a rule that reads state.
#[derive(Clone, Debug)]
pub struct Example {
    /// The path it stands in; empty for files.
    pub file: String,
    /// The whole line, without its newline; empty for files.
    pub line: String,
    /// The files, by path; empty for a line.
    pub files: BTreeMap<String, String>,
    /// For counter-examples: why it is no fault.
    pub why: Option<String>,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remedy {
    /// Steps, in order.
    pub steps: Vec<String>,
    /// Commands that look or repair.
    pub commands: Vec<String>,
}

/// A fault that this one can bring about, and under which conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadsTo {
    /// The rule of the effect.
    pub rule: RuleId,
    /// The effect comes at most so long after the cause; any time after it where this is not given.
    pub within: Option<Duration>,
    /// Cause and effect name the same one of at least one of these kinds.
    pub shares: Vec<EntityKind>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// One line for people.
    pub title: String,
    /// How bad one occurrence is.
    pub severity: Severity,
    /// Why.
    pub severity_reason: String,
    /// Whose lines are authoritative.
    pub sources: Vec<Source>,
    /// The upstream code that prints the phrase.
    pub origin: String,
    /// Our version that introduced the rule.
    pub since: String,
    /// Ids of the signal catalogue that it covers.
    pub signals: Vec<String>,
    /// Rules whose fault this one can bring about.
    pub causes: Vec<RuleId>,
    /// The same, with conditions. An effect that stands in both lists has the conditions.
    pub leads_to: Vec<LeadsTo>,
    /// Links.
    pub docs: Vec<String>,
    /// Captures that tell one subject from another.
    pub subject: Vec<String>,
    /// It only wraps: where another rule is about the same line or event, that one is told, with this one's lines.
    pub generic: bool,
    /// It is about what components quote (the output of probes, commands, statuses), not only about their own words.
    pub reads_quoted: bool,
    /// What a line must look like; without literals for a rule that reads state.
    pub matcher: LineMatcher,
    /// For a rule that reads state: the part of it that it belongs to. The check is the code of the rule's id.
    pub check: Option<Section>,
    /// Contexts in which it is benign.
    pub unless: Vec<Unless>,
    /// Below this it is no finding.
    pub repeat: Option<Repeat>,
    /// When it is worse.
    pub escalate: Vec<Escalate>,
    /// What ends it.
    pub cleared_by: Option<ClearedBy>,
    /// What to do.
    pub remedy: Remedy,
    /// Lines that match.
    pub examples: Vec<Example>,
    /// Lines that do not.
    pub counter_examples: Vec<Example>,
}

impl Rule {
    /// All that this fault can bring about, each effect once, sorted.
    pub fn effects(&self) -> Vec<LeadsTo> {
        let plain = self.causes.iter().map(|rule| LeadsTo { rule: rule.clone(), within: None, shares: Vec::new() });
        let mut effects: Vec<LeadsTo> = self.leads_to.iter().cloned().chain(plain).collect();
        // Stable: of two edges to one effect the first, which has the conditions, stays.
        effects.sort_by(|a, b| a.rule.cmp(&b.rule));
        effects.dedup_by(|later, earlier| later.rule == earlier.rule);
        effects
    }
}
