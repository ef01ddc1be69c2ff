//! Kernel parameters against what the EKS AMI sets.

use std::sync::OnceLock;

use serde::Deserialize;

use super::files::{Read, needed};
use crate::Severity;
use crate::checks::{Fault, Outcome, State};
use crate::state::sysctl::Sysctl;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    parameter: Vec<Parameter>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameter {
    name: String,
    /// The least value that is fine.
    least: Option<i64>,
    /// The one value that is fine.
    equals: Option<i64>,
    /// Numbers that the value, a list of numbers and ranges, has to cover.
    #[serde(default)]
    covers: Vec<u16>,
    /// kubelet refuses to start with another value when protectKernelDefaults is set.
    #[serde(default)]
    kubelet_insists: bool,
    severity: Severity,
    harm: String,
    /// Which check tells it: `baseline` or `inotify`.
    check: String,
    #[cfg_attr(not(test), allow(dead_code))]
    source: String,
}

fn baseline() -> &'static Baseline {
    static BASELINE: OnceLock<Baseline> = OnceLock::new();
    BASELINE.get_or_init(|| {
        #[expect(clippy::expect_used, reason = "the file is part of the crate and a test reads it")]
        toml::from_str(include_str!("../../../data/sysctl-baseline.toml")).expect("data/sysctl-baseline.toml is sound")
    })
}

/// Ports that belong to components of the node.
pub(super) fn reserved_ports() -> &'static [u16] {
    baseline()
        .parameter
        .iter()
        .map(|parameter| parameter.covers.as_slice())
        .find(|ports| !ports.is_empty())
        .unwrap_or_default()
}

/// Whether a list such as `2703,9808-9809` holds a number.
fn covers(list: &str, number: u16) -> bool {
    list.split(',').any(|part| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        matches!((from.trim().parse::<u16>(), to.trim().parse::<u16>()), (Ok(from), Ok(to)) if (from..=to).contains(&number))
    })
}

fn sysctls(state: &State) -> Result<&Read<Sysctl>, Outcome> {
    needed(&state.node.sysctl, "sysctls/sysctl_all.txt", "the kernel's parameters", Sysctl::is_empty)
}

fn against(state: &State, check: &str) -> Result<Vec<Fault>, Outcome> {
    let read = sysctls(state)?;
    let guards = state.node.kubelet.one("protect-kernel-defaults", "protectKernelDefaults");
    let guarded = guards.as_ref().is_some_and(|(_, on)| *on == "true");
    let mut faults = Vec::new();
    let mut told = false;
    for parameter in baseline().parameter.iter().filter(|parameter| parameter.check == check) {
        let Some(setting) = read.value().get(&parameter.name) else { continue };
        told = true;
        let number = setting.value.parse::<i64>().ok();
        let wanted = match (parameter.least, parameter.equals) {
            (Some(least), _) if number.is_some_and(|value| value < least) => format!("at least {least}"),
            (_, Some(equals)) if number.is_some_and(|value| value != equals) => equals.to_string(),
            (None, None) if parameter.covers.iter().any(|port| !covers(&setting.value, *port)) => {
                format!("with {:?}", parameter.covers)
            }
            _ => continue,
        };
        let insists = parameter.kubelet_insists && guarded;
        let severity = match insists {
            true => (Severity::Critical, "protectKernelDefaults is set: kubelet refuses to start".to_owned()),
            false => (parameter.severity, parameter.harm.clone()),
        };
        let mut cites = vec![read.cite(setting.span)];
        cites.extend(guards.iter().filter(|_| insists).map(|(cite, _)| cite.clone()));
        let value = if setting.value.is_empty() { "empty" } else { &setting.value };
        faults.push(Fault {
            subject: parameter.name.clone(),
            severity: Some(severity),
            count: 1,
            detail: format!("{} is {value}, wanted is {wanted}: {}", parameter.name, parameter.harm),
            cites,
            ..Fault::default()
        });
    }
    if !told {
        return Err(Outcome::Unknown(format!("{} has none of the parameters that are compared", read.path)));
    }
    Ok(faults)
}

/// Parameters of memory, panics and ports.
pub(super) fn baseline_differs(state: &State) -> Result<Vec<Fault>, Outcome> {
    against(state, "baseline")
}

/// Limits of inotify.
pub(super) fn inotify_low(state: &State) -> Result<Vec<Fault>, Outcome> {
    against(state, "inotify")
}

/// The kernel has been tainted.
pub(super) fn tainted(state: &State) -> Result<Vec<Fault>, Outcome> {
    const LETTERS: [(u32, &str); 8] = [
        (0, "a proprietary module"),
        (4, "a machine check"),
        (5, "a bad page"),
        (7, "an oops or BUG since boot"),
        (9, "a warning since boot"),
        (12, "a module from outside the kernel"),
        (13, "an unsigned module"),
        (14, "a soft lockup since boot"),
    ];
    let read = needed(&state.node.sysctl, "sysctls/sysctl_all.txt", "whether the kernel is tainted", |sysctl| {
        sysctl.get("kernel.tainted").is_none()
    })?;
    let (Some(setting), Some(bits)) = (read.value().get("kernel.tainted"), read.value().number("kernel.tainted"))
    else {
        return Ok(Vec::new());
    };
    let set = |bit: u32| bits >> bit & 1 == 1;
    let why: Vec<&str> = LETTERS.iter().filter(|(bit, _)| set(*bit)).map(|(_, why)| *why).collect();
    if bits == 0 {
        return Ok(Vec::new());
    }
    let severity = if [4, 5, 7, 14].into_iter().any(set) {
        Some((Severity::Medium, "the kernel has met an error since boot and may misbehave".to_owned()))
    } else if set(9) {
        Some((Severity::Low, "the kernel has printed a warning since boot".to_owned()))
    } else {
        None
    };
    Ok(vec![Fault {
        severity,
        count: 1,
        detail: format!(
            "kernel.tainted is {bits}: {}",
            if why.is_empty() { "other reasons".to_owned() } else { why.join(", ") }
        ),
        cites: vec![read.cite(setting.span)],
        ..Fault::default()
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_a_source_and_one_comparison() {
        for parameter in &baseline().parameter {
            let ways = [parameter.least.is_some(), parameter.equals.is_some(), !parameter.covers.is_empty()];
            assert_eq!(ways.iter().filter(|way| **way).count(), 1, "{}", parameter.name);
            assert!(!parameter.source.is_empty() && !parameter.harm.is_empty(), "{}", parameter.name);
            assert!(matches!(parameter.check.as_str(), "baseline" | "inotify"), "{}", parameter.name);
        }
    }

    #[test]
    fn ranges_cover_what_is_between() {
        assert!(covers("1-3,9808-9809", 9809) && covers("2703", 2703));
        assert!(!covers("", 2703) && !covers("9808-9809", 9810));
    }
}
