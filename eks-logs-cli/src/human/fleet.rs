//! Clusters and batches for people.

use std::fmt::Write as _;

use eks_logs_tools::{BatchCollectAnswer, BatchStatusAnswer, ClusterHealthAnswer, FleetGap};

use super::{BOLD, DIM};
use crate::terminal::neutral;

/// Nodes that are listed one by one; JSON has all of them.
const NODES: usize = 40;

fn unknown(out: &mut String, gaps: &[FleetGap]) {
    if gaps.is_empty() {
        return;
    }
    say!(out);
    say!(out, "{BOLD}Not known{BOLD:#}");
    for gap in gaps {
        say!(out, "  {}", neutral(&gap.detail));
    }
}

pub(crate) fn cluster_health(answer: &ClusterHealthAnswer) -> String {
    let mut out = String::new();
    let (cluster, counts) = (&answer.cluster, &answer.health_summary);
    let version = cluster.version.as_deref().unwrap_or("unknown");
    say!(
        out,
        "{BOLD}{}{BOLD:#} in {}, Kubernetes {version}, {}",
        neutral(&cluster.name),
        cluster.region,
        neutral(&cluster.status)
    );
    let ready = counts.ready.map_or("unknown".to_owned(), |ready| ready.to_string());
    say!(
        out,
        "{} nodes: {} running, {ready} ready, {} unhealthy; SSM reaches {} and not {}",
        counts.total_nodes,
        counts.running,
        counts.unhealthy_count,
        counts.ssm_online,
        counts.ssm_offline
    );
    for issue in cluster.issues.iter().chain(answer.nodegroups.iter().flat_map(|group| &group.issues)) {
        say!(out, "  EKS reports {}: {}", neutral(&issue.code), neutral(&issue.message));
    }
    for node in answer.unhealthy_nodes.iter().take(NODES) {
        let collectable = if node.collectable { "" } else { " (cannot be collected)" };
        say!(out, "  {BOLD}{}{BOLD:#}  {}{collectable}", node.instance_id, neutral(&node.reasons.join(", ")));
    }
    if answer.unhealthy_nodes.len() > NODES {
        say!(out, "  and {} more (--format json)", answer.unhealthy_nodes.len() - NODES);
    }
    unknown(&mut out, &answer.gaps);
    say!(out, "{DIM}confidence: {}; next: {}{DIM:#}", answer.confidence, neutral(&answer.next_step));
    out
}

pub(crate) fn batch(answer: &BatchCollectAnswer) -> String {
    let mut out = String::new();
    let what = if answer.dry_run { "planned" } else { "started" };
    let count = if answer.dry_run { answer.planned_collections } else { answer.collections_started };
    say!(
        out,
        "{BOLD}{}{BOLD:#} in {}: {count} collections {what}, of {} nodes, {} of which are asked for",
        neutral(&answer.cluster_name),
        answer.region,
        answer.total_nodes,
        answer.filtered_nodes
    );
    if !answer.batch_id.is_empty() {
        say!(out, "batch {}", answer.batch_id);
    }
    for bucket in &answer.buckets {
        say!(
            out,
            "{BOLD}{}{BOLD:#}: {} of {} nodes",
            neutral(&bucket.signature),
            bucket.sample_count,
            bucket.total_nodes
        );
        for node in &bucket.sample_nodes {
            let run = answer.executions.iter().find(|execution| execution.instance_id == *node);
            let run = match run {
                Some(run) => match (&run.execution_id, &run.error) {
                    (Some(id), _) => format!("  {id}"),
                    (None, Some(why)) => format!("  not started: {}", neutral(why)),
                    (None, None) => String::new(),
                },
                None => String::new(),
            };
            say!(out, "  {}{DIM}{run}{DIM:#}", neutral(node));
        }
    }
    for limit in &answer.limits {
        say!(out, "  {}", neutral(limit));
    }
    for node in answer.not_collectable.iter().take(NODES) {
        say!(out, "  {}", neutral(&node.reason));
    }
    if answer.not_collectable.len() > NODES {
        say!(out, "  and {} more that cannot be collected (--format json)", answer.not_collectable.len() - NODES);
    }
    unknown(&mut out, &answer.gaps);
    if let Some(warning) = &answer.warning {
        say!(out, "but {}", neutral(warning));
    }
    say!(
        out,
        "{DIM}grouped by {}, seed {}; next: {}{DIM:#}",
        answer.grouped_by,
        answer.seed,
        neutral(&answer.next_step)
    );
    out
}

pub(crate) fn batch_status(answer: &BatchStatusAnswer) -> String {
    let mut out = String::new();
    say!(out, "{BOLD}{}{BOLD:#}", answer.task.message);
    for member in &answer.executions {
        let node = member.instance_id.as_deref().unwrap_or("unknown node");
        let stage = member.stage.map_or(String::new(), |stage| format!(" ({stage})"));
        let why = member.failure.as_ref().map(|failure| failure.cause.clone()).or_else(|| member.error.clone());
        let why = why.map_or(String::new(), |why| format!(": {}", neutral(&why)));
        say!(out, "  {BOLD}{node}{BOLD:#}  {}{stage}{why}", member.status);
    }
    say!(out, "{DIM}next: {}{DIM:#}", neutral(&answer.next_step));
    out
}
