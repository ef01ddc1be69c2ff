//! Remedies with the names of this bundle. A name comes from a log, which anyone who can write to it controls: only values that a shell
//! takes as they are enter a command bare; one that would need quoting is quoted where it stands alone, and left out elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use regex::{Captures, Regex};
use schemars::JsonSchema;
use serde::Serialize;

use crate::entity::{self, Entity, EntityKind};
use crate::finding::{Finding, Scan};
use crate::hypothesis::Hypothesis;

/// What to do about a hypothesis, with the names of this bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilledRemedy {
    /// The hypothesis.
    pub rank: usize,
    /// The findings that it is about.
    pub finding_ids: Vec<String>,
    /// Steps, in order.
    pub steps: Vec<String>,
    /// Commands that look or repair.
    pub commands: Vec<Filled>,
}

/// A command with names filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Filled {
    /// The command.
    pub text: String,
    /// Names that the bundle does not tell, or tells several of: `<pod>`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
}

/// The names that placeholders stand for, where there is exactly one of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    known: BTreeMap<&'static str, String>,
}

/// A finding and what it names.
type Named<'a> = (&'a Finding, BTreeSet<Entity>);

/// Placeholders as rules write them (in `<...>` and in capitals), and the name they stand for.
const PLACEHOLDERS: [(&str, &str); 33] = [
    ("pod", "pod"),
    ("POD", "pod"),
    ("pod-name", "pod"),
    ("ns", "namespace"),
    ("NS", "namespace"),
    ("namespace", "namespace"),
    ("NAMESPACE", "namespace"),
    ("node", "node"),
    ("NODE", "node"),
    ("node-name", "node"),
    ("instance-id", "instance"),
    ("INSTANCE", "instance"),
    ("INSTANCE_ID", "instance"),
    ("volume-id", "volume"),
    ("volume", "volume"),
    ("VOLUME", "volume"),
    ("device", "device"),
    ("DEVICE", "device"),
    ("eni", "eni"),
    ("eni-id", "eni"),
    ("ENI", "eni"),
    ("unit", "unit"),
    ("UNIT", "unit"),
    ("uid", "uid"),
    ("UID", "uid"),
    ("PODUID", "uid"),
    ("container-id", "container"),
    ("CONTAINER", "container"),
    ("image", "image"),
    ("IMAGE", "image"),
    ("region", "region"),
    ("REGION", "region"),
    ("interface", "interface"),
];

impl Names {
    /// For each hypothesis, in order, the names that it is about: what its cause names, and where that names nothing, what it explains.
    pub fn of_each(scan: &Scan, hypotheses: &[Hypothesis]) -> Vec<Self> {
        let lines = || scan.findings.iter().flat_map(|finding| &finding.evidence).map(|line| line.text.as_str());
        let node = unanimous(lines(), r#"\bnode(?:Name)?\\?"?[=:] ?\\?"?([a-z0-9][a-z0-9.-]{2,252})"#);
        let region = r"(?:\.dkr\.ecr|\.eks|\bec2|\bsts|\beks|\bip-[0-9-]+)\.([a-z]{2}(?:-[a-z]+)+-[0-9])\.";
        let region = unanimous(lines(), region);
        let everywhere = [("instance", scan.bundle.instance_id.clone()), ("node", node), ("region", region)];
        let everywhere: Vec<(&str, String)> =
            everywhere.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let ids = hypotheses.iter().flat_map(|hypothesis| hypothesis.cause.iter().chain(&hypothesis.effects));
        let ids: BTreeSet<&String> = ids.collect();
        let asked = scan.findings.iter().filter(|finding| ids.contains(&finding.id));
        let named: Vec<Named<'_>> = asked.map(|finding| (finding, entity::in_finding(finding))).collect();
        let about = |hypothesis: &Hypothesis| {
            let of = |ids: &[String]| named.iter().filter(|(finding, _)| ids.contains(&finding.id)).collect::<Vec<_>>();
            let mut names = Self::of(&of(&hypothesis.cause), &of(&hypothesis.effects));
            names.known.extend(everywhere.iter().cloned());
            names
        };
        hypotheses.iter().map(about).collect()
    }

    fn of(cause: &[&Named<'_>], effects: &[&Named<'_>]) -> Self {
        let mut known = BTreeMap::new();
        for (name, kind) in [
            ("volume", EntityKind::Volume),
            ("eni", EntityKind::Eni),
            ("unit", EntityKind::Unit),
            ("uid", EntityKind::Uid),
            ("container", EntityKind::Container),
            ("image", EntityKind::Image),
            ("interface", EntityKind::Interface),
            ("device", EntityKind::Device),
        ] {
            if let Some(value) = only(cause, kind).or_else(|| only(effects, kind)) {
                known.insert(name, value);
            }
        }
        // A controller is no device node: what the lines print is.
        if let Some(device) = known.get("device").filter(|device| is_controller(device)).cloned() {
            match printed_device(cause, &device) {
                Some(full) => known.insert("device", full),
                None => known.remove("device"),
            };
        }
        if let Some(pod) = only(cause, EntityKind::Pod).or_else(|| only(effects, EntityKind::Pod))
            && let Some((namespace, name)) = pod.split_once('/')
        {
            known.insert("namespace", namespace.to_owned());
            known.insert("pod", name.to_owned());
        }
        Self { known }
    }

    /// The name of one kind, if there is exactly one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.known.get(name).map(String::as_str)
    }

    /// Fills the placeholders of a command.
    pub fn fill(&self, command: &str) -> Filled {
        static PLACES: OnceLock<Option<Regex>> = OnceLock::new();
        let places = PLACES.get_or_init(|| Regex::new(r"<([a-z][a-z-]*)>|\b([A-Z][A-Z_]+[A-Z]|NS)\b").ok());
        let Some(places) = places else { return Filled { text: command.to_owned(), open: Vec::new() } };
        let mut open = Vec::new();
        let text = places.replace_all(command, |captures: &Captures<'_>| {
            let (Some(whole), Some(word)) = (captures.get(0), captures.get(1).or_else(|| captures.get(2))) else {
                return String::new();
            };
            let bracketed = captures.get(1).is_some();
            let name =
                PLACEHOLDERS.iter().find(|(placeholder, _)| *placeholder == word.as_str()).map(|(_, name)| *name);
            let Some(name) = name else {
                // Capitals that are no placeholder of ours may well be part of the command.
                if bracketed {
                    open.push(whole.as_str().to_owned());
                }
                return whole.as_str().to_owned();
            };
            // `custom-columns=UID:...`, `lsblk -o NAME,UUID`: columns, not placeholders.
            let column = !bracketed
                && (command[whole.end()..].starts_with([':', ',']) || command[..whole.start()].ends_with(','));
            if column {
                return whole.as_str().to_owned();
            }
            let value = self.known.get(name).and_then(|value| {
                let quoted_already = command[..whole.start()].matches(['\'', '"', '`']).count() % 2 == 1;
                let alone = command[..whole.start()].chars().next_back().is_none_or(|before| before == ' ')
                    && command[whole.end()..].chars().next().is_none_or(|after| after == ' ');
                shell_word(value, alone && !quoted_already)
            });
            value.unwrap_or_else(|| {
                open.push(whole.as_str().to_owned());
                whole.as_str().to_owned()
            })
        });
        let text = text.into_owned();
        open.sort();
        open.dedup();
        Filled { text, open }
    }
}

fn is_controller(device: &str) -> bool {
    device.strip_prefix("nvme").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The device node that the lines print for a controller, if it is always the same.
fn printed_device(findings: &[&Named<'_>], controller: &str) -> Option<String> {
    let lines = findings.iter().flat_map(|(finding, _)| &finding.evidence).map(|line| line.text.as_str());
    unanimous(lines, &format!(r"\b({controller}n[0-9]+(?:p[0-9]+)?)\b"))
}

/// The one entity of a kind that these findings name; `None` where they name none or several.
fn only(findings: &[&Named<'_>], kind: EntityKind) -> Option<String> {
    let named: BTreeSet<&str> = findings
        .iter()
        .flat_map(|(_, entities)| entities)
        .filter(|entity| entity.kind == kind)
        .map(|entity| entity.value.as_str())
        .collect();
    let mut named = named.into_iter();
    named.next().filter(|_| named.next().is_none()).map(str::to_owned)
}

/// What the first group of a pattern is in all lines that it matches; `None` where they differ.
fn unanimous<'a>(lines: impl Iterator<Item = &'a str>, pattern: &str) -> Option<String> {
    let pattern = Regex::new(pattern).ok()?;
    let found: BTreeSet<String> = lines
        .filter_map(|line| Some(pattern.captures(line)?.get(1)?.as_str().trim_end_matches('.').to_owned()))
        .collect();
    let mut found = found.into_iter();
    found.next().filter(|_| found.next().is_none())
}

/// A value as one word of a shell command: bare where the shell takes it as it is, else in single quotes where that is possible.
fn shell_word(value: &str, may_quote: bool) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let starts_plain = value.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if starts_plain && value.chars().all(plain) {
        return Some(value.to_owned());
    }
    // A word that begins with a dash would be an option, quoted or not.
    if !may_quote || value.starts_with('-') || value.is_empty() || value.chars().any(char::is_control) {
        return None;
    }
    Some(format!("'{}'", value.replace('\'', r"'\''")))
}

/// What to do about a hypothesis.
pub fn remedy(scan: &Scan, hypothesis: &Hypothesis, names: &Names) -> FilledRemedy {
    let finding = scan
        .findings
        .iter()
        .find(|finding| hypothesis.cause.contains(&finding.id) && finding.rule.as_str() == hypothesis.rule);
    let remedy = finding.map(|finding| finding.remedy.clone()).unwrap_or_default();
    FilledRemedy {
        rank: hypothesis.rank,
        finding_ids: hypothesis.cause.clone(),
        steps: remedy.steps,
        commands: remedy.commands.iter().map(|command| names.fill(command)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(pairs: &[(&'static str, &str)]) -> Names {
        Names { known: pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect() }
    }

    #[test]
    fn placeholders_are_filled_with_what_is_known() {
        let names = names(&[("pod", "web-0"), ("namespace", "payments"), ("volume", "vol-0123456789abcdef0")]);
        let filled = names.fill(
            "kubectl -n <ns> describe pod POD; aws ec2 describe-volumes --volume-ids <volume-id> --region <region>",
        );
        assert_eq!(
            filled.text,
            "kubectl -n payments describe pod web-0; aws ec2 describe-volumes --volume-ids vol-0123456789abcdef0 --region <region>"
        );
        assert_eq!(filled.open, ["<region>"]);
    }

    #[test]
    fn columns_and_other_capitals_stay() {
        let names = names(&[("uid", "x"), ("device", "nvme1n1")]);
        for command in [
            "kubectl get pods -o custom-columns=UID:.metadata.uid",
            "lsblk -o NAME,UUID",
            "grep OOM kernel/dmesg.current",
        ] {
            assert_eq!(names.fill(command).text, command);
        }
        assert_eq!(names.fill("sudo blkid /dev/DEVICE").text, "sudo blkid /dev/nvme1n1");
    }

    #[test]
    fn hostile_names_never_leave_their_word() {
        let hostile = names(&[("unit", "x; rm -rf / #'$(id)`id`"), ("pod", "-rf"), ("image", "a b")]);
        assert_eq!(hostile.fill("systemctl status <unit>").text, r"systemctl status 'x; rm -rf / #'\''$(id)`id`'");
        assert_eq!(hostile.fill("echo '<unit>'").open, ["<unit>"], "quotes are there already");
        assert_eq!(hostile.fill("kubectl delete pod <pod>").open, ["<pod>"], "an option is no name");
        assert_eq!(hostile.fill("ctr pull x/<image>").open, ["<image>"], "part of a word");
    }

    proptest! {
        #[test]
        fn a_filled_word_is_one_word(value in "(?s).{0,40}") {
            if let Some(word) = shell_word(&value, true) {
                // What a POSIX shell makes of it: either nothing in it is special, or it is quoted throughout.
                if let Some(inner) = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
                    prop_assert_eq!(inner.replace(r"'\''", "\u{0}").contains('\''), false);
                    prop_assert_eq!(inner.replace(r"'\''", "'"), value);
                } else {
                    prop_assert!(word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c)));
                    prop_assert_eq!(word, value);
                }
            }
        }
    }
}
