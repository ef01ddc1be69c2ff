//! Structured checks: what the node's state files say together, judged as rules judge lines.
//!
//! A check is a function of the [`State`], under the id of a rule that has `[check]` in the place of `[match]`: title, severity, causes and
//! remedy are the rule's, what is compared is the code's. It says one of four things ([`Outcome`]); "nothing to look at" is
//! [`Outcome::Unknown`], never [`Outcome::Passed`]. To add one: a function in `network/` or `node/`, a row in that module's `CHECKS`, and
//! `rules/<area>/<name>.toml` with `[check]`, its examples being the files of small bundles.

mod files;
pub(crate) mod network;
mod node;
mod thresholds;
mod verdict;

use std::collections::BTreeMap;
use std::sync::OnceLock;

pub(crate) use files::{Keeper, StateFile, StateFiles};
pub(crate) use network::view::Network;
pub(crate) use node::NodeFiles;
pub(crate) use verdict::{Judged, judge};

use crate::Severity;
use crate::rule::Rule;
use crate::state::Span;

/// What a check may look at.
pub(crate) struct State {
    /// The files as they are.
    pub(crate) files: StateFiles,
    network: OnceLock<Network>,
    /// The node's own files, parsed.
    pub(crate) node: NodeFiles,
}

impl State {
    pub(crate) fn new(files: StateFiles) -> Self {
        let node = NodeFiles::of(&files);
        Self { files, node, network: OnceLock::new() }
    }

    /// The network's files, parsed at first use.
    pub(crate) fn network(&self) -> &Network {
        self.network.get_or_init(|| Network::of(&self.files))
    }
}

/// A place in a state file that backs a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cite {
    /// The file's path.
    pub(crate) file: String,
    /// Where in it.
    pub(crate) span: Span,
    /// The text, where the file's content is not kept.
    pub(crate) text: Option<String>,
}

impl Cite {
    /// A place in a file whose content is kept.
    pub(crate) fn new(file: &StateFile, span: Span) -> Self {
        Self { file: file.path.clone(), span, text: None }
    }

    /// The first line of a file, or the empty place at the start of an empty one.
    pub(crate) fn head(file: &StateFile) -> Self {
        let end = memchr::memchr(b'\n', &file.content).unwrap_or(file.content.len());
        Self::new(file, Span { start: 0, end: end as u64, line: 1 })
    }
}

/// One fault that a check has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault {
    /// What it is about (a pod's IP, an interface, a mount point); empty for the node.
    pub(crate) subject: String,
    /// Another severity than the rule's, and why.
    pub(crate) severity: Option<(Severity, String)>,
    /// How often: rules, packets, pods, whatever the detail says it counts; 0 stands for the number of places cited.
    pub(crate) count: u64,
    /// What was compared with what, with the figures.
    pub(crate) detail: String,
    /// Names in it that other findings may share: pods, IPs, ENIs, devices.
    pub(crate) entities: Vec<String>,
    /// The places that prove it: at least one.
    pub(crate) cites: Vec<Cite>,
}

/// What a check says.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// All that it needs is there and nothing is wrong.
    Passed,
    /// It makes no sense on this node, for this reason (another CNI, no IPv6, ...).
    NotApplicable(String),
    /// What it needs is missing or cannot be read: what, and so what is not known.
    Unknown(String),
    /// What is wrong.
    Faults(Vec<Fault>),
}

impl Outcome {
    /// Faults, or passed if there are none.
    pub(crate) fn of(faults: Vec<Fault>) -> Self {
        if faults.is_empty() { Outcome::Passed } else { Outcome::Faults(faults) }
    }
}

/// A check.
pub(crate) type Check = fn(&State) -> Outcome;

fn find(id: &str) -> Option<Check> {
    let all = network::CHECKS.iter().chain(node::CHECKS);
    all.into_iter().find(|(known, _)| *known == id).map(|(_, check)| *check)
}

/// Whether there is a check of this id.
pub(crate) fn exists(id: &str) -> bool {
    find(id).is_some()
}

/// Whether the rule's check finds its fault in a small bundle.
///
/// # Errors
/// The place that it cites and that the files do not hold.
pub(crate) fn finds(rule: &Rule, files: &BTreeMap<String, String>) -> Result<bool, String> {
    let Some(check) = find(rule.id.as_str()) else { return Ok(false) };
    let state = State::new(StateFiles::of(files.iter().map(|(path, text)| (path.as_str(), text.as_str()))));
    let Outcome::Faults(faults) = check(&state) else { return Ok(false) };
    for fault in &faults {
        if fault.cites.is_empty() {
            return Err(format!("nothing for {:?}", fault.subject));
        }
        for cite in &fault.cites {
            verdict::quoted(&state, cite).ok_or_else(|| format!("{} {:?}", cite.file, cite.span))?;
        }
    }
    Ok(!faults.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rule::Catalogue;

    #[test]
    fn every_check_has_a_rule_and_every_rule_of_state_a_check() {
        let checks: Vec<&str> = network::CHECKS.iter().chain(node::CHECKS).map(|(id, _)| *id).collect();
        let ids: BTreeSet<&str> = checks.iter().copied().collect();
        assert_eq!(ids.len(), checks.len(), "a check is listed twice");
        let rules = Catalogue::builtin().rules().iter().filter(|rule| rule.check.is_some());
        assert_eq!(ids, rules.map(|rule| rule.id.as_str()).collect());
    }
}
