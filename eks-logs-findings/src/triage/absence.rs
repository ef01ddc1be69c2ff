//! Negative evidence: "looked for and absent, in so many bytes of so many files" is evidence too; "not collected" is not.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use eks_logs_core::Layout;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::holds;
use crate::finding::{FileReport, Scan};
use crate::hypothesis::Diagnosis;
use crate::rule::Catalogue;
use crate::severity::Severity;
use crate::timeline::ends_early;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: Vec<Question>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    name: String,
    sources: Vec<String>,
    rules: Vec<String>,
}

fn questions() -> &'static [Question] {
    static QUESTIONS: OnceLock<Vec<Question>> = OnceLock::new();
    // A file that does not parse fails the test `the_data_is_sound`.
    QUESTIONS.get_or_init(|| {
        toml::from_str::<File>(include_str!("../../data/absence.toml")).map(|file| file.question).unwrap_or_default()
    })
}

/// What is known of something that no finding shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Its sources were read to their end, over the whole time of the incident, and do not show it.
    No,
    /// Its sources do not show it, and do not cover everything: see `detail`.
    Partly,
    /// Its sources are not in the bundle.
    Unknown,
}

/// Something that was looked for and is not among the findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Absence {
    /// What was looked for.
    pub question: String,
    /// What is known.
    pub answer: Answer,
    /// In words, with files, bytes and times.
    pub detail: String,
    /// Files that were read for it.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// The first time that they print.
    pub from: Option<Timestamp>,
    /// The last time that they print.
    pub to: Option<Timestamp>,
    /// It would be a cause of what is seen: its absence decides between hypotheses.
    pub decides: bool,
    /// Rules that were looked for.
    pub rules: usize,
}

/// What is not there, what decides first.
pub fn absences(catalogue: &Catalogue, scan: &Scan, diagnosis: &Diagnosis) -> Vec<Absence> {
    let present: BTreeSet<&str> = scan.findings.iter().map(|finding| finding.rule.as_str()).collect();
    // What could bring about what the best hypotheses are about or explain.
    let seen: BTreeSet<&str> = scan
        .findings
        .iter()
        .filter(|finding| finding.severity <= Severity::High)
        .map(|finding| finding.rule.as_str())
        .chain(diagnosis.hypotheses.iter().map(|hypothesis| hypothesis.rule.as_str()))
        .collect();
    let could: BTreeSet<&str> = catalogue
        .rules()
        .iter()
        .filter(|rule| rule.effects().iter().any(|effect| seen.contains(effect.rule.as_str())))
        .map(|rule| rule.id.as_str())
        .collect();
    let mut told: Vec<Absence> = questions()
        .iter()
        .filter(|question| !present.iter().any(|rule| holds(&question.rules, rule)))
        .map(|question| {
            let rules = catalogue.rules().iter().filter(|rule| holds(&question.rules, rule.id.as_str())).count();
            let decides = could.iter().any(|rule| holds(&question.rules, rule));
            absence(scan, question, rules, decides)
        })
        .collect();
    // Stable: within each group the order of the data.
    told.sort_by_key(|absence| (!absence.decides, absence.answer));
    told
}

fn absence(scan: &Scan, question: &Question, rules: usize, decides: bool) -> Absence {
    let layout = Layout::builtin();
    let of = |source: &String| -> Vec<&FileReport> {
        let Some(source) = layout.source(source) else { return Vec::new() };
        scan.files.iter().filter(|file| file.speaks_for(source) && file.bytes > 0).collect()
    };
    let by_source: Vec<Vec<&FileReport>> = question.sources.iter().map(of).collect();
    let mut files: Vec<&FileReport> = by_source.iter().flatten().copied().collect();
    files.sort_by(|a, b| a.file.cmp(&b.file));
    files.dedup_by(|a, b| a.file == b.file);
    let bytes = files.iter().map(|file| file.bytes).sum();
    let from = files.iter().filter_map(|file| file.first_time).min();
    let to = files.iter().filter_map(|file| file.last_time).max();
    let count = files.len() as u64;
    let lacking: Vec<&str> = question
        .sources
        .iter()
        .zip(&by_source)
        .filter(|(_, files)| files.is_empty())
        .map(|(s, _)| s.as_str())
        .collect();
    let cut: Vec<&str> = files.iter().filter(|file| !file.complete).map(|file| file.file.as_str()).collect();
    let (answer, detail) = if files.is_empty() {
        (Answer::Unknown, format!("unknown whether {}: the bundle has no {}", question.name, lacking.join(", ")))
    } else {
        let read = format!("no sign that {} in {count} file{}, {}", question.name, plural(count), amount(bytes));
        let window = scan.findings.iter().filter(|finding| finding.severity <= Severity::High);
        let begins = window.clone().filter_map(|finding| finding.first_seen).min();
        let ends = window.filter_map(|finding| finding.last_seen).max();
        let lines = files.iter().map(|file| file.lines).sum();
        let covered = match (from, to, begins, ends) {
            // A source that seldom writes covers the time up to the collection.
            (Some(from), Some(to), Some(begins), Some(ends)) => {
                from <= begins && (to >= ends || !ends_early(from, to, lines, ends))
            }
            // Nothing to cover, or no clock to tell.
            (_, _, None, None) => true,
            _ => false,
        };
        if !lacking.is_empty() {
            (Answer::Partly, format!("{read}; the bundle has no {}", lacking.join(", ")))
        } else if !cut.is_empty() {
            (Answer::Partly, format!("{read}; not read to the end: {}", cut.join(", ")))
        } else if !covered {
            let span = match (from, to) {
                (Some(from), Some(to)) => format!("they reach from {from} to {to} and not over the whole incident"),
                _ => "their times are not known".to_owned(),
            };
            (Answer::Partly, format!("{read}; {span}"))
        } else {
            (Answer::No, format!("{read}, read to the end, whole incident covered"))
        }
    };
    Absence { question: question.name.clone(), answer, detail, files: count, bytes, from, to, decides, rules }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn amount(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::speaks_of_a_rule;
    use super::*;

    #[test]
    fn the_data_is_sound() {
        let file: File = toml::from_str(include_str!("../../data/absence.toml")).unwrap();
        assert_eq!(file.question.len(), questions().len());
        for question in &file.question {
            for source in &question.sources {
                assert!(Layout::builtin().source(source).is_some(), "{source}");
            }
            for entry in &question.rules {
                assert!(speaks_of_a_rule(entry), "{entry}");
            }
        }
    }
}
