//! `correlate` for people.

use std::fmt::Write as _;

use eks_logs_tools::CorrelateAnswer;

use super::{BOLD, DIM, LINE, colour, gaps};
use crate::terminal::{neutral, shortened};

/// Clusters and things that are listed.
const LISTED: usize = 15;

pub(crate) fn correlate(answer: &CorrelateAnswer) -> String {
    let mut out = String::new();
    if answer.timeline.is_empty() {
        say!(out, "No event in what was asked for. That is no proof of health.");
    }
    let mut cluster = "";
    for event in &answer.timeline {
        if event.cluster_id != cluster {
            cluster = &event.cluster_id;
            let of = answer.temporal_clusters.iter().find(|known| known.cluster_id == *cluster);
            let count = of.map_or(0, |of| of.event_count);
            let events = if count == 1 { "1 event".to_owned() } else { format!("{count} events") };
            let when = match of.and_then(|of| of.time_range) {
                Some(range) if range.start == range.end => format!("at {}", range.start),
                Some(range) => format!("{} to {}", range.start, range.end),
                None => "without a certain time".to_owned(),
            };
            say!(out);
            say!(out, "{BOLD}{cluster}{BOLD:#} {when}, {events}");
        }
        let style = colour(event.severity);
        let time = event.time.map_or("-".to_owned(), |at| at.to_string());
        say!(
            out,
            "  {time:<27} {style}{:<8}{style:#} {:<12} {BOLD}{}{BOLD:#} {} {DIM}{}:{}{DIM:#}",
            event.severity,
            event.component,
            event.finding_ids.join(" "),
            event.pattern,
            neutral(&event.file),
            event.line
        );
        if let Some(text) = &event.text {
            say!(out, "      {}", shortened(&neutral(text), LINE));
        }
    }
    if answer.timeline_omitted > 0 {
        say!(out, "  and {} events more (--response-format detailed)", answer.timeline_omitted);
    }
    things(&mut out, answer);
    chain(&mut out, answer);
    let outside = answer.outside;
    if outside.events > 0 {
        say!(out);
        say!(
            out,
            "Not shown: {} events outside what was asked for, {} of them without a certain time; {} findings have none inside",
            outside.events,
            outside.untimed,
            outside.findings
        );
    }
    gaps(&mut out, &answer.gaps);
    out
}

fn things(out: &mut String, answer: &CorrelateAnswer) {
    if answer.entity_clusters.is_empty() {
        return;
    }
    say!(out);
    say!(out, "{BOLD}About one thing{BOLD:#}");
    for cluster in answer.entity_clusters.iter().take(LISTED) {
        say!(
            out,
            "  {} {}: {} {DIM}({}){DIM:#}",
            cluster.entity.kind,
            neutral(&cluster.entity.value),
            cluster.finding_ids.join(" "),
            cluster.components.join(", ")
        );
    }
    if answer.entity_clusters.len() > LISTED {
        say!(out, "  and {} more (--format json)", answer.entity_clusters.len() - LISTED);
    }
}

fn chain(out: &mut String, answer: &CorrelateAnswer) {
    if answer.potential_root_cause_chain.is_empty() {
        return;
    }
    say!(out);
    say!(out, "{BOLD}Likely chain{BOLD:#} (confidence {:.2})", answer.confidence);
    for step in answer.potential_root_cause_chain.iter().take(LISTED) {
        say!(out, "{:>3}. {}", step.sequence, neutral(&step.description));
    }
    if answer.potential_root_cause_chain.len() > LISTED {
        say!(out, "  and {} steps more (--format json)", answer.potential_root_cause_chain.len() - LISTED);
    }
}
