//! Whether the bundle bears an edge out: for one finding of the cause and one of the effect, how strongly.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::fault::Member;
use crate::clock::Certainty;
use crate::entity::{Entity, EntityKind};
use crate::rule::LeadsTo;

/// Lines are printed when a fault is noticed, not when it begins: the kernel's watchdogs wait for up to two minutes, kubelet's PLEG for
/// three. So far an effect may be printed ahead of its cause.
const NOTICED_LATE: SignedDuration = SignedDuration::from_secs(180);
/// What a time may be off by where it was derived from an estimated boot time.
const ESTIMATE: SignedDuration = SignedDuration::from_secs(120);

/// How well one finding explains another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Support {
    /// 0 to 1.
    pub(super) strength: f64,
    /// Seconds from the cause to the effect's beginning; negative where the effect was printed ahead of it.
    pub(super) delay: Option<i64>,
    /// What both name.
    pub(super) shared: Vec<Entity>,
}

/// `None` where the bundle speaks against it.
pub(super) fn support(cause: &Member<'_>, effect: &Member<'_>, edge: &LeadsTo) -> Option<Support> {
    let (order, delay) = in_time(cause, effect, edge)?;
    let (join, shared) = in_common(&cause.entities, &effect.entities, &edge.shares)?;
    Some(Support { strength: order * join, delay, shared })
}

fn in_time(cause: &Member<'_>, effect: &Member<'_>, edge: &LeadsTo) -> Option<(f64, Option<i64>)> {
    let (Some(begins), Some(ends)) = (cause.finding.first_seen, effect.finding.last_seen) else {
        return by_place(cause, effect);
    };
    let seen = effect.finding.first_seen.unwrap_or(ends);
    let slack = NOTICED_LATE + if unsure(cause) || unsure(effect) { ESTIMATE } else { SignedDuration::ZERO };
    if ends + slack < begins {
        return None;
    }
    let limit = edge.within.and_then(|within| SignedDuration::try_from(within).ok());
    if seen + slack < begins {
        // It was there before: only what came after the cause can be due to it.
        if limit.is_some() && !effect.times.iter().any(|at| follows(cause, *at, limit)) {
            return None;
        }
        return Some((0.4, None));
    }
    let nearest = cause.times.iter().rev().find(|at| **at <= seen).copied().unwrap_or(begins);
    let delay = seen.duration_since(nearest);
    if limit.is_some_and(|limit| delay > limit) && !effect.times.iter().any(|at| follows(cause, *at, limit)) {
        return None;
    }
    let strength = match delay.as_secs() {
        // Ahead of its cause by less than what noticing takes.
        ..0 => 0.85,
        0..=600 => 1.0,
        601..=3600 => 0.9,
        3601..=21_600 => 0.75,
        21_601..=86_400 => 0.6,
        _ => 0.4,
    };
    // A state that lasts explains what comes later just as well.
    let strength = if edge.within.is_some() || cause.state { f64::max(strength, 0.9) } else { strength };
    Some((strength, Some(delay.as_secs())))
}

fn follows(cause: &Member<'_>, at: Timestamp, limit: Option<SignedDuration>) -> bool {
    let before = cause.times.iter().rev().find(|time| **time <= at);
    before.is_some_and(|before| limit.is_none_or(|limit| at.duration_since(*before) <= limit))
}

fn unsure(member: &Member<'_>) -> bool {
    matches!(member.finding.time_certainty, Certainty::BootEstimated | Certainty::Unknown)
}

/// Without times the order within one file decides, if there is one.
fn by_place(cause: &Member<'_>, effect: &Member<'_>) -> Option<(f64, Option<i64>)> {
    if cause.state || effect.state {
        return Some((0.9, None));
    }
    let mut together = false;
    for line in &cause.finding.evidence {
        for other in effect.finding.evidence.iter().filter(|other| other.file == line.file) {
            together = true;
            if other.line >= line.line {
                return Some((0.95, None));
            }
        }
    }
    if !together {
        return Some((0.8, None));
    }
    // All of the effect stands before all of the cause. A few lines are what noticing takes.
    let near = cause.finding.evidence.iter().any(|line| {
        let same = effect.finding.evidence.iter().filter(|other| other.file == line.file);
        same.into_iter().any(|other| other.line + 5 >= line.line)
    });
    near.then_some((0.7, None))
}

/// Kinds under which one pod may be named, after aliases have been resolved.
const POD: [EntityKind; 3] = [EntityKind::Pod, EntityKind::Uid, EntityKind::Container];
/// Kinds that tell two faults of one node apart: what is wrong with one disk says nothing of another.
const APART: [EntityKind; 3] = [EntityKind::Device, EntityKind::Volume, EntityKind::Eni];

fn in_common(
    cause: &BTreeSet<Entity>,
    effect: &BTreeSet<Entity>,
    demanded: &[EntityKind],
) -> Option<(f64, Vec<Entity>)> {
    let shared: Vec<Entity> = cause.intersection(effect).cloned().collect();
    if demanded.is_empty() {
        let both = |kinds: &[EntityKind]| {
            let names = |of: &BTreeSet<Entity>| of.iter().any(|entity| kinds.contains(&entity.kind));
            let joined = shared.iter().any(|entity| kinds.contains(&entity.kind));
            names(cause) && names(effect) && !joined
        };
        let join = if both(&APART) {
            0.5
        } else if both(&POD) {
            0.7
        } else {
            0.95
        };
        return Some((if shared.is_empty() { join } else { f64::max(join, 1.0) }, shared));
    }
    let kinds: BTreeSet<EntityKind> = demanded
        .iter()
        .flat_map(|kind| match kind {
            EntityKind::Pod | EntityKind::Uid | EntityKind::Container => POD.to_vec(),
            EntityKind::Volume | EntityKind::Device => vec![EntityKind::Volume, EntityKind::Device],
            other => vec![*other],
        })
        .collect();
    let names = |of: &BTreeSet<Entity>| of.iter().any(|entity| kinds.contains(&entity.kind));
    if shared.iter().any(|entity| kinds.contains(&entity.kind)) {
        return Some((1.0, shared));
    }
    // One of them does not say: it may be the same, it may not.
    (!(names(cause) && names(effect))).then_some((0.6, shared))
}
