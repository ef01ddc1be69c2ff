//! What must hold for collections, for people.

use std::fmt::Write as _;

use anstyle::AnsiColor;
use eks_logs_tools::{CheckStatus, DoctorAnswer};

use super::{BOLD, DIM};
use crate::terminal::neutral;

pub(crate) fn doctor(answer: &DoctorAnswer) -> String {
    let mut out = String::new();
    say!(out, "{BOLD}{}{BOLD:#} in {}", neutral(&answer.cluster_name), answer.region);
    for check in &answer.checks {
        let (colour, word) = match check.status {
            CheckStatus::Ok => (AnsiColor::Green.on_default(), "ok     "),
            CheckStatus::Failed => (AnsiColor::Red.on_default().bold(), "failed "),
            CheckStatus::Unknown => (AnsiColor::Yellow.on_default(), "unknown"),
        };
        say!(out, "{colour}{word}{colour:#} {} {}: {}", check.id, neutral(&check.subject), neutral(&check.detail));
        for step in &check.fix {
            say!(out, "        fix: {}", neutral(step));
        }
    }
    let count = |status| answer.checks.iter().filter(|check| check.status == status).count();
    let (failed, unknown) = (count(CheckStatus::Failed), count(CheckStatus::Unknown));
    let said = match (failed, unknown) {
        (0, 0) => "collections can work".to_owned(),
        (0, unknown) => format!("{unknown} of {} checks could not be made", answer.checks.len()),
        (failed, 0) => format!("{failed} of {} checks failed", answer.checks.len()),
        (failed, unknown) => format!("{failed} of {} checks failed, {unknown} could not be made", answer.checks.len()),
    };
    say!(out, "{DIM}{said}{DIM:#}");
    out
}
