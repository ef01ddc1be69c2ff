//! Versions that are known to break nodes: `data/known-bad.toml`.

use std::cmp::Ordering;
use std::sync::OnceLock;

use serde::Deserialize;

use super::components::{Component, against};
use super::files::NodeFiles;
use crate::Severity;
use crate::checks::{Fault, Outcome, State};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    component: String,
    /// Versions, as far as they are written out.
    #[serde(default)]
    exact: Vec<String>,
    /// The first version that is bad, and the first that is good again.
    from: Option<String>,
    before: Option<String>,
    /// Only on this system, by what the kernel's release holds: `amzn2.`, `amzn2023`.
    kernel: Option<String>,
    /// Only with this snapshotter.
    snapshotter: Option<String>,
    severity: Severity,
    breaks: String,
    fixed_in: String,
    #[cfg_attr(not(test), allow(dead_code))]
    source: String,
}

impl Row {
    fn holds(&self, component: &Component, node: &NodeFiles) -> bool {
        if self.component != component.name {
            return false;
        }
        let version = component.version.as_str();
        let exact = self.exact.iter().any(|bad| against(version, bad) == Ordering::Equal);
        let since = |from: &String| against(version, from) != Ordering::Less;
        let range = self.from.as_ref().is_some_and(since)
            && self.before.as_ref().is_some_and(|before| against(version, before) == Ordering::Less);
        let release = node.uname.as_ref().and_then(|read| read.value().as_ref()).map(|uname| uname.release.as_str());
        let on_kernel =
            self.kernel.as_ref().is_none_or(|wanted| release.is_some_and(|release| release.contains(wanted)));
        let snapshotter = || {
            let config = node.containerd_config.as_ref()?.value().as_ref()?;
            config.snapshotter.as_ref().map(|(_, name)| name.as_str())
        };
        let with = self.snapshotter.as_ref().is_none_or(|wanted| snapshotter() == Some(wanted));
        (exact || range) && on_kernel && with
    }
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        #[expect(clippy::expect_used, reason = "the file is part of the crate and a test reads it")]
        toml::from_str(include_str!("../../../data/known-bad.toml")).expect("data/known-bad.toml is sound")
    })
}

/// Components in a version that is known to break nodes.
pub(super) fn found(state: &State) -> Result<Vec<Fault>, Outcome> {
    let components = state.node.components();
    if components.is_empty() {
        return Err(Outcome::Unknown(
            "neither kernel/uname.txt nor system/pkglist.txt nor containerd's lists tell a version: whether one is known to be bad is not known"
                .to_owned(),
        ));
    }
    let mut faults = Vec::new();
    for component in &components {
        for row in table().row.iter().filter(|row| row.holds(component, &state.node)) {
            faults.push(Fault {
                subject: format!("{} {}", component.name, component.version),
                severity: Some((row.severity, row.breaks.clone())),
                count: 1,
                detail: format!("{} {}: {}; fixed in {}", component.name, component.version, row.breaks, row.fixed_in),
                entities: vec![component.name.to_owned()],
                cites: vec![component.cite.clone()],
            });
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_range_and_a_source() {
        assert!(table().row.len() >= 15);
        for row in &table().row {
            let range = row.from.is_some() && row.before.is_some();
            assert!(range == row.exact.is_empty(), "{row:?}");
            assert!(row.source.len() > 8 && !row.breaks.is_empty() && !row.fixed_in.is_empty(), "{row:?}");
            assert!(row.severity != Severity::Critical, "{row:?}: a version alone is no outage");
        }
    }
}
