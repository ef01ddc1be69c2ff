//! Where to look next, outside the bundle.

use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fill::Names;
use super::rows::holds;
use crate::hypothesis::Hypothesis;

/// Checks that are given.
const MOST: usize = 6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    check: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    rules: Vec<String>,
    r#where: String,
    what: String,
    command: String,
}

fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    // A file that does not parse fails the test `the_data_is_sound`.
    ROWS.get_or_init(|| {
        toml::from_str::<File>(include_str!("../../data/outside.toml")).map(|file| file.check).unwrap_or_default()
    })
}

/// One thing to look at that no bundle of one node shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutsideCheck {
    /// Where: `EC2`, `VPC`, `IAM`, `cluster`, ...
    pub place: String,
    /// What to look at.
    pub what: String,
    /// A command that shows it.
    pub command: String,
    /// The hypotheses' findings that point there.
    pub finding_ids: Vec<String>,
}

/// The checks that the hypotheses point to, with the names that each is about: those of the best first.
pub fn outside<'a>(hypotheses: impl Iterator<Item = (&'a Hypothesis, &'a Names)>) -> Vec<OutsideCheck> {
    let mut checks: Vec<OutsideCheck> = Vec::new();
    for (hypothesis, names) in hypotheses {
        for row in rows().iter().filter(|row| holds(&row.rules, &hypothesis.rule)) {
            let command = names.fill(&row.command).text;
            match checks.iter_mut().find(|check| check.what == row.what) {
                Some(check) => check.finding_ids.extend(hypothesis.cause.iter().cloned()),
                None => checks.push(OutsideCheck {
                    place: row.r#where.clone(),
                    what: row.what.clone(),
                    command,
                    finding_ids: hypothesis.cause.clone(),
                }),
            }
        }
    }
    checks.truncate(MOST);
    checks
}

#[cfg(test)]
mod tests {
    use super::super::rows::speaks_of_a_rule;
    use super::*;

    #[test]
    fn the_data_is_sound() {
        let file: File = toml::from_str(include_str!("../../data/outside.toml")).unwrap();
        for entry in file.check.iter().flat_map(|row| &row.rules) {
            assert!(speaks_of_a_rule(entry), "{entry}");
        }
    }
}
