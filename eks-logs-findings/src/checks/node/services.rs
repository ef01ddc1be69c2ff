//! systemd's units: failed ones, time synchronisation; software that disturbs nodes.

use std::sync::OnceLock;

use serde::Deserialize;

use super::files::needed;
use crate::Severity;
use crate::checks::thresholds;
use crate::checks::{Fault, Outcome, State};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Software {
    agent: Vec<Agent>,
    units: Units,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    program: String,
    name: String,
    disturbs: String,
    #[cfg_attr(not(test), allow(dead_code))]
    source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Units {
    vital: Vec<String>,
    time: Vec<String>,
}

fn software() -> &'static Software {
    static SOFTWARE: OnceLock<Software> = OnceLock::new();
    SOFTWARE.get_or_init(|| {
        #[expect(clippy::expect_used, reason = "the file is part of the crate and a test reads it")]
        toml::from_str(include_str!("../../../data/node-software.toml")).expect("data/node-software.toml is sound")
    })
}

/// Whether the node does not work without a unit.
pub(super) fn is_vital(unit: &str) -> bool {
    software().units.vital.iter().any(|vital| vital == unit)
}

/// Whether a unit keeps the clock.
pub(super) fn keeps_time(unit: &str) -> bool {
    software().units.time.iter().any(|name| name == unit)
}

/// Units that systemd calls failed.
pub(super) fn failed(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = needed(&state.node.services, "system/services.txt", "which units failed", |services| {
        services.units.is_empty()
    })?;
    let failed = read.value().units.iter().filter(|unit| unit.active == "failed");
    Ok(failed
        .map(|unit| {
            let vital = is_vital(&unit.name);
            let mount = unit.name.ends_with(".mount") && unit.name.starts_with("var-lib-");
            let severity = if vital {
                Some((Severity::Critical, "the node does not work without it".to_owned()))
            } else if mount {
                Some((Severity::High, "a directory that kubelet or containerd needs is not mounted".to_owned()))
            } else {
                None
            };
            Fault {
                subject: unit.name.clone(),
                severity,
                count: 1,
                detail: format!("{} is {} ({}): {}", unit.name, unit.active, unit.sub, unit.description),
                cites: vec![read.cite(unit.span)],
                ..Fault::default()
            }
        })
        .collect())
}

/// Nothing keeps the clock.
pub(super) fn time_not_kept(state: &State) -> Result<Vec<Fault>, Outcome> {
    let unknown = "whether the clock is kept";
    let read = needed(&state.node.services, "system/services.txt", unknown, |services| services.units.is_empty())?;
    let units: Vec<_> = software().units.time.iter().filter_map(|name| read.value().unit(name)).collect();
    if units.iter().any(|unit| unit.active == "active") {
        return Ok(Vec::new());
    }
    // Inactive units are not listed: that none is there says something only of a whole table.
    if units.is_empty() && (read.parsed.problem_count > 0 || read.value().unit("kubelet.service").is_none()) {
        return Err(Outcome::Unknown(format!("{} is not a whole table of units: {unknown} is not known", read.path)));
    }
    let runs = |program: &str| matches!(program, "chronyd" | "systemd-timesyncd" | "systemd-timesyn" | "ntpd");
    if state.node.ps.as_ref().is_some_and(|ps| ps.value().iter().any(|process| runs(process.program()))) {
        return Ok(Vec::new());
    }
    let detail = match units.first() {
        Some(unit) => format!("{} is {} ({})", unit.name, unit.active, unit.sub),
        None => format!("none of {} is loaded", software().units.time.join(", ")),
    };
    let place = units.first().or(read.value().units.first().as_ref()).map(|unit| read.cite(unit.span));
    Ok(vec![Fault { count: 1, detail, cites: place.into_iter().collect(), ..Fault::default() }])
}

/// Agents that are known to disturb nodes.
pub(super) fn agents(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = needed(&state.node.ps, "system/ps.txt", "which agents run", Vec::is_empty)?;
    let mut faults: Vec<Fault> = Vec::new();
    for agent in &software().agent {
        let Some(process) = read.value().iter().find(|process| process.program() == agent.program) else { continue };
        match faults.iter_mut().find(|fault| fault.subject == agent.name) {
            Some(fault) => fault.cites.push(read.cite(process.span)),
            None => faults.push(Fault {
                subject: agent.name.clone(),
                detail: format!("{} runs: {}", agent.name, agent.disturbs),
                entities: vec![agent.program.clone()],
                cites: vec![read.cite(process.span)],
                ..Fault::default()
            }),
        }
    }
    Ok(faults)
}

/// The boot took long.
pub(super) fn boot_slow(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = needed(&state.node.boot, "system/systemd-analyze.svg", "how long the boot took", |boot| {
        boot.seconds.is_none()
    })?;
    let Some((span, seconds)) =
        read.value().seconds.filter(|(_, seconds)| *seconds > thresholds::boot_minutes() * 60.0)
    else {
        return Ok(Vec::new());
    };
    Ok(vec![Fault {
        count: 1,
        detail: format!("the boot took {seconds:.0} s, more than {} minutes", thresholds::boot_minutes()),
        cites: vec![read.cite(span)],
        ..Fault::default()
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_has_a_source() {
        assert!(software().agent.iter().all(|agent| !agent.source.is_empty() && !agent.disturbs.is_empty()));
        assert!(software().units.vital.iter().chain(&software().units.time).all(|unit| unit.ends_with(".service")));
    }
}
