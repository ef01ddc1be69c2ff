//! `summarize` for people.

use std::fmt::Write as _;

use eks_logs_findings::summary::Statement;
use eks_logs_tools::SummarizeAnswer;

use super::BOLD;
use crate::terminal::neutral;

pub(crate) fn summarize(answer: &SummarizeAnswer) -> String {
    let mut out = String::new();
    if !answer.unresolved_finding_ids.is_empty() {
        let unknown: Vec<String> = answer.unresolved_finding_ids.iter().map(|id| neutral(id)).collect();
        say!(out, "{BOLD}NOT GROUNDED{BOLD:#}: this bundle has no {}", unknown.join(", "));
        say!(out);
    }
    for statement in &answer.error_summary {
        say!(out, "{}", neutral(&statement.text));
    }
    section(&mut out, "Critical", &answer.critical_findings);
    section(&mut out, "High", &answer.high_findings);
    section(&mut out, "Others", &answer.other_findings);
    if let Some(triage) = &answer.pod_node_triage {
        let first: Vec<Statement> = triage.most_likely_root_cause.iter().cloned().collect();
        section(&mut out, "Most likely root cause", &first);
        section(&mut out, "Also possible", &triage.secondary_hypotheses);
        section(&mut out, "Do now", &triage.immediate_remediation_steps);
        section(&mut out, "Then", &triage.preventive_recommendations);
        if !triage.followup_validation_commands.is_empty() {
            say!(out);
            say!(out, "{BOLD}Check with{BOLD:#}");
            for command in &triage.followup_validation_commands {
                say!(out, "  {}  # {}", neutral(&command.command.text), command.finding_ids.join(", "));
            }
        }
    } else {
        section(&mut out, "Do", &answer.recommendations);
    }
    if !answer.bundle_status.scan_complete {
        say!(out);
        say!(out, "The bundle was not read completely: see the gaps in the JSON.");
    }
    out
}

fn section(out: &mut String, title: &str, statements: &[Statement]) {
    if statements.is_empty() {
        return;
    }
    say!(out);
    say!(out, "{BOLD}{title}{BOLD:#}");
    for statement in statements {
        say!(out, "  {}", neutral(&statement.text));
    }
}
