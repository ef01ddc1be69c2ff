//! `triage` for people.

use std::fmt::Write as _;

use eks_logs_findings::hypothesis::Verdict;
use eks_logs_findings::{Finding, Hypothesis, Severity};
use eks_logs_tools::TriageAnswer;

use super::{BOLD, DIM, LINE, colour, gaps, header};
use crate::terminal::{neutral, shortened};

/// Pods that are named for each state.
const PODS: usize = 4;
/// Absences that are listed.
const ABSENCES: usize = 6;
/// Findings that are cited for each state.
const IDS: usize = 5;

pub(crate) fn triage(answer: &TriageAnswer) -> String {
    let mut out = String::new();
    let hidden = answer.hidden_findings;
    header(&mut out, &answer.bundle, &answer.coverage);
    say!(out);
    if answer.findings.is_empty() && hidden == 0 {
        say!(out, "No rule matched. That is no proof of health: see what is not known below.");
    } else {
        say!(out, "{BOLD}Likely causes{BOLD:#}");
        if answer.verdict == Verdict::CauseNotInBundle {
            say!(out, "     The cause is not in this bundle: {}", neutral(&answer.verdict_reason));
        }
        for hypothesis in answer.hypotheses.iter().take(3) {
            self::hypothesis(&mut out, hypothesis);
        }
        around(&mut out, answer);
        say!(out);
        say!(out, "{BOLD}Findings{BOLD:#} ({})", counts(&answer.findings));
        let (unrecognised, known): (Vec<_>, Vec<_>) =
            answer.findings.iter().partition(|finding| finding.rule.area() == "unrecognised");
        for finding in known {
            self::finding(&mut out, finding);
        }
        if !unrecognised.is_empty() {
            say!(out);
            say!(out, "{BOLD}Errors that no rule knows{BOLD:#}");
            for finding in unrecognised {
                self::finding(&mut out, finding);
            }
        }
    }
    if answer.window.findings_outside > 0 {
        say!(out);
        say!(out, "Not shown: {} outside the window of time", answer.window.findings_outside);
    }
    if hidden > 0 {
        say!(out);
        say!(out, "Not shown: {hidden} of other severities (--severity all)");
    }
    gaps(&mut out, &answer.gaps);
    out
}

fn counts(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let parts = Severity::ALL.into_iter().filter(|severity| count(*severity) > 0);
    parts.map(|severity| format!("{} {severity}", count(severity))).collect::<Vec<_>>().join(", ")
}

fn hypothesis(out: &mut String, hypothesis: &Hypothesis) {
    let (rank, sure) = (hypothesis.rank, hypothesis.confidence);
    say!(out, "{rank:>3}. {} {DIM}{} (confidence {sure:.2}){DIM:#}", hypothesis.title, hypothesis.rule);
    say!(out, "     {}", neutral(&hypothesis.explanation));
    for step in hypothesis.remedy.iter().take(3) {
        say!(out, "     - {}", neutral(step));
    }
}

/// What goes with the causes: states, what decides by its absence, where to look outside.
fn around(out: &mut String, answer: &TriageAnswer) {
    if !answer.node_conditions.is_empty() || !answer.pod_states.is_empty() {
        say!(out);
        say!(out, "{BOLD}States{BOLD:#}");
        for condition in &answer.node_conditions {
            let ended = if condition.ended { ", ended since" } else { "" };
            let cited = cited(&condition.finding_ids);
            say!(out, "  node {}={}{ended} {DIM}{cited}{DIM:#}", condition.condition, condition.status);
        }
        for state in &answer.pod_states {
            let named = state.pods.iter().take(PODS).map(|pod| neutral(pod)).collect::<Vec<_>>().join(", ");
            let more = state.pods.len().saturating_sub(PODS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            say!(out, "  pods {}: {named}{more} {DIM}{}{DIM:#}", state.state, cited(&state.finding_ids));
        }
    }
    let decisive: Vec<_> = answer.negative_evidence.iter().filter(|absence| absence.decides).collect();
    if !decisive.is_empty() {
        say!(out);
        say!(out, "{BOLD}Looked for{BOLD:#}");
        for absence in decisive.iter().take(ABSENCES) {
            say!(out, "  {}", neutral(&absence.detail));
        }
    }
    if !answer.check_outside.is_empty() {
        say!(out);
        say!(out, "{BOLD}Check outside the bundle{BOLD:#}");
        for check in answer.check_outside.iter().take(3) {
            say!(out, "  {}: {}", check.place, check.what);
            say!(out, "     {}", neutral(&check.command));
        }
    }
}

fn cited(ids: &[String]) -> String {
    let more = ids.len().saturating_sub(IDS);
    let named = ids.iter().take(IDS).map(String::as_str).collect::<Vec<_>>().join(" ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

fn finding(out: &mut String, finding: &Finding) {
    let style = colour(finding.severity);
    let subject = if finding.subject.is_empty() { String::new() } else { format!(" [{}]", neutral(&finding.subject)) };
    let ended = if finding.cleared { ", ended since" } else { "" };
    say!(out);
    say!(out, "{style}{:<8}{style:#} {BOLD}{}{BOLD:#} {}{subject}", finding.severity, finding.id, finding.title);
    say!(
        out,
        "         {} in {}, {}{ended} {DIM}{}{DIM:#}",
        times(finding.count),
        finding.source,
        seen(finding),
        finding.rule
    );
    say!(out, "         {}", neutral(&finding.severity_reason));
    if let Some(detail) = &finding.detail {
        say!(out, "         {}", neutral(detail));
    }
    for line in &finding.evidence {
        let again = if line.duplicate { " (the same event, printed again)" } else { "" };
        let (file, span) = (neutral(&line.file), format!("{}..{}", line.start_byte, line.end_byte));
        say!(out, "         {DIM}{file}:{} bytes {span}{again}{DIM:#}", line.line);
        say!(out, "           {}", shortened(&neutral(&line.text), LINE));
    }
    if finding.evidence_omitted > 0 {
        say!(out, "         {DIM}and {} more (--evidence all){DIM:#}", lines(finding.evidence_omitted));
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn lines(count: u64) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

fn seen(finding: &Finding) -> String {
    match (finding.first_seen, finding.last_seen) {
        (Some(first), Some(last)) if first == last => format!("at {first}"),
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "at an unknown time".to_owned(),
    }
}
