//! Settings of aws-node that somebody has changed, and those that change what to expect of pods: context for other findings.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::view::{Network, Verdict};
use crate::checks::{Fault, Outcome};

/// Names of settings, each with the values that nobody has to set.
type Defaults = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Kept for the test that there is one.
    #[cfg_attr(not(test), allow(dead_code))]
    source: String,
    settings: Defaults,
    targets: Defaults,
}

fn table() -> &'static File {
    static TABLE: OnceLock<File> = OnceLock::new();
    TABLE.get_or_init(|| {
        // The file is part of the crate and a test reads it: what does not parse never ships.
        #[allow(clippy::expect_used)]
        toml::from_str(include_str!("../../../data/cni-settings.toml")).expect("data/cni-settings.toml is sound")
    })
}

/// The settings that explain other findings, but for [`targets`].
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    table().settings.keys().map(String::as_str)
}

/// The settings that tell how many addresses ipamd keeps ready.
pub(super) fn targets() -> impl Iterator<Item = &'static str> {
    table().targets.keys().map(String::as_str)
}

/// What is set otherwise than it comes.
pub(super) fn changed(network: &Network) -> Verdict {
    network.not_another_cni()?;
    let mut known = false;
    let mut told = Vec::new();
    let mut cites = Vec::new();
    for (name, defaults) in table().settings.iter().chain(&table().targets) {
        let Some((value, cite)) = network.setting(name) else { continue };
        known = true;
        if !defaults.is_empty() && !defaults.iter().any(|default| default.eq_ignore_ascii_case(&value)) {
            told.push(format!("{name}={value}"));
            cites.push(cite);
        }
    }
    if !known {
        return Err(Outcome::Unknown("aws-node's settings are not in the bundle".to_owned()));
    }
    if told.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Fault { count: told.len() as u64, detail: told.join(", "), cites, ..Fault::default() }])
}

/// Pods reach the internet only through a NAT gateway.
pub(super) fn external_snat(network: &Network) -> Verdict {
    let name = "AWS_VPC_K8S_CNI_EXTERNALSNAT";
    network.not_another_cni()?;
    let Some((_, cite)) = network.setting(name) else {
        return Err(Outcome::Unknown(format!("whether {name} is set is not in the bundle")));
    };
    if network.is_on(name) != Some(true) {
        return Ok(Vec::new());
    }
    let detail = format!(
        "{name} is on: pods leave the VPC under their own addresses, so their subnets need a route to a NAT gateway, not to an internet gateway"
    );
    Ok(vec![Fault { detail, cites: vec![cite], ..Fault::default() }])
}

/// New pods can neither send nor receive until a policy allows it.
pub(super) fn strict_policies(network: &Network) -> Verdict {
    let name = "NETWORK_POLICY_ENFORCING_MODE";
    network.not_another_cni()?;
    let Some((mode, cite)) = network.setting(name) else {
        return Err(Outcome::Unknown(format!("whether {name} is set is not in the bundle")));
    };
    if !mode.eq_ignore_ascii_case("strict") {
        return Ok(Vec::new());
    }
    let detail = format!("{name} is {mode}: a pod starts with all traffic denied until a network policy allows it");
    Ok(vec![Fault { detail, cites: vec![cite], ..Fault::default() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_says_where_it_is_from() {
        assert!(table().source.starts_with("aws/amazon-vpc-cni-k8s"));
        assert!(names().count() > 10 && targets().count() == 5);
    }
}
