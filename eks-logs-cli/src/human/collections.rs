//! Collections for people.

use std::fmt::Write as _;

use eks_logs_tools::{CollectAnswer, HistoryAnswer, IngestAnswer, StatusAnswer};

use super::{BOLD, DIM};
use crate::terminal::neutral;

pub(crate) fn collected(answer: &CollectAnswer) -> String {
    let mut out = String::new();
    say!(out, "{BOLD}{}{BOLD:#} in {}: {}", answer.instance_id, answer.region, answer.task.message);
    say!(out, "execution {}", answer.execution_id);
    if let Some(before) = &answer.replaces_execution_id {
        say!(out, "in the place of {before}, which had failed");
    }
    say!(out, "ready at about {}, in s3://{}", answer.estimated_completion_time, neutral(&answer.s3_bucket));
    if let Some(warning) = &answer.warning {
        say!(out, "but {}", neutral(warning));
    }
    say!(out, "{DIM}next: eks-logs status {} --store s3://{}{DIM:#}", answer.execution_id, neutral(&answer.s3_bucket));
    out
}

pub(crate) fn status(answer: &StatusAnswer) -> String {
    let mut out = String::new();
    let run = &answer.automation;
    let node = answer.instance_id.as_deref().unwrap_or("unknown node");
    say!(out, "{BOLD}{node}{BOLD:#} in {}: {}, {} ({} %)", answer.region, run.status, answer.stage, run.progress);
    say!(out, "{}", neutral(&answer.task.message));
    for step in &run.step_details {
        let why = step.failure_message.as_ref().map_or(String::new(), |why| format!(": {}", neutral(why)));
        say!(out, "  {:<12} {}{why}", neutral(&step.status), neutral(&step.step_name));
    }
    if let Some(cause) = &answer.failure {
        say!(out, "{BOLD}Why it failed{BOLD:#}: {} ({})", neutral(&cause.cause), cause.id);
        for fix in &cause.fix {
            say!(out, "  - {}", neutral(fix));
        }
    }
    if let Some(bundle) = &answer.bundle_id {
        say!(out, "bundle {}", neutral(bundle));
    }
    say!(out, "{DIM}next: {}{DIM:#}", neutral(&answer.next_step));
    out
}

pub(crate) fn history(answer: &HistoryAnswer) -> String {
    let mut out = String::new();
    for row in &answer.collections {
        let when =
            row.start_time.map_or("at an unknown time".to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let node = row.instance_id.as_deref().unwrap_or("unknown node");
        let bundle = if row.bundle_exists { "bundle is there" } else { "no bundle" };
        say!(out, "{when}  {:<10} {BOLD}{node}{BOLD:#} in {}  {bundle}", row.status, row.region);
        say!(out, "  {DIM}{}{DIM:#}", row.execution_id);
    }
    if answer.collections.is_empty() {
        say!(out, "No collection of this kind.");
    }
    say!(out, "{} regions asked", answer.searched_regions.len());
    for gap in &answer.gaps {
        say!(out, "  {} could not be asked: {}", gap.region, neutral(&gap.detail));
    }
    if let Some(token) = &answer.next_page_token {
        say!(out, "more: --page-token {token}");
    }
    out
}

pub(crate) fn ingested(answer: &IngestAnswer) -> String {
    let mut out = String::new();
    let what = if answer.already { "was ingested before" } else { "is ingested" };
    say!(
        out,
        "{BOLD}{}{BOLD:#} {what}: {} files, {} bytes, {} findings",
        neutral(&answer.archive),
        answer.file_count,
        answer.total_size,
        answer.findings
    );
    if answer.skipped > 0 {
        say!(out, "{} members were left out; validate names them", answer.skipped);
    }
    if let Some(learned) = &answer.learned {
        say!(out, "baseline: {}", neutral(learned));
    }
    if let Some(bundle) = &answer.bundle_id {
        say!(out, "bundle {}", neutral(bundle));
    }
    out
}
