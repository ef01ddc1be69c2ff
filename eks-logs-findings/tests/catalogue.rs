//! Every rule of the catalogue, against its own examples, through the public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeSet;

use eks_logs_findings::Catalogue;

/// Every embedded file loads as a file that somebody adds would: patterns compiled, examples run.
#[test]
fn every_rule_is_sound() {
    let files = Catalogue::embedded_files();
    let errors = match Catalogue::empty().extended(files.iter().copied()) {
        Ok(catalogue) => {
            assert_eq!(catalogue.rules().len(), files.len());
            return;
        }
        Err(errors) => errors,
    };
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    panic!("{} rules do not hold:\n{}", errors.len(), lines.join("\n"));
}

#[test]
fn the_builtin_catalogue_leaves_no_file_out() {
    let loaded: Vec<&str> = Catalogue::builtin().rules().iter().map(|rule| rule.id.as_str()).collect();
    let embedded: Vec<&str> = Catalogue::embedded_files().iter().map(|(id, _)| *id).collect();
    assert_eq!(loaded, embedded);
    assert!(loaded.len() >= 80);
}

#[test]
fn every_cause_edge_leads_to_a_rule() {
    let catalogue = Catalogue::builtin();
    let mut dangling = BTreeSet::new();
    for rule in catalogue.rules() {
        for caused in rule.effects().iter().map(|edge| &edge.rule) {
            assert_ne!(caused, &rule.id, "a rule does not cause itself");
            if catalogue.get(caused.as_str()).is_none() {
                dangling.insert(format!("{} -> {caused}", rule.id));
            }
        }
    }
    assert!(dangling.is_empty(), "{dangling:#?}");
}

/// Every area of the signal catalogue has rules.
#[test]
fn every_area_has_rules() {
    let areas: BTreeSet<&str> = Catalogue::builtin().rules().iter().map(|rule| rule.id.area()).collect();
    for area in [
        "kernel",
        "memory",
        "storage",
        "process",
        "runtime",
        "kubelet",
        "image",
        "bootstrap",
        "cni",
        "kube-proxy",
        "network",
        "dns",
        "iam",
        "volume",
        "network-policy",
        "gpu",
        "time",
        "lifecycle",
    ] {
        assert!(areas.contains(area), "no rule in {area}");
    }
}

#[test]
fn titles_and_reasons_are_for_people() {
    for rule in Catalogue::builtin().rules() {
        assert!(!rule.title.ends_with('.') && rule.title.len() <= 100, "{}: {:?}", rule.id, rule.title);
        assert!(!rule.severity_reason.is_empty() && !rule.origin.is_empty(), "{}", rule.id);
        assert!(!rule.remedy.steps.is_empty(), "{}: no step to take", rule.id);
        for (at, unless) in rule.unless.iter().enumerate() {
            assert!(!unless.reason.is_empty(), "{}: unless {at} without a reason", rule.id);
        }
    }
}

/// docs/rule.schema.json is made from the types; `UPDATE_SCHEMA=1` writes it.
#[test]
fn the_schema_is_what_the_types_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rule.schema.json");
    let made = Catalogue::rule_schema();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == made, "docs/rule.schema.json is not what the types say: run with UPDATE_SCHEMA=1");
    assert!(made.contains("\"counter_examples\"") && made.contains("\"additionalProperties\": false"));
}
