//! Nodes side by side, and a summary that says nothing but what it was given.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use eks_logs_findings::compare::{Facts, Missing, Node, compare, facts};
use eks_logs_findings::{Catalogue, Scan, summary};
use futures_lite::future::block_on;
use proptest::prelude::*;
use support::{bundle, find, scanned};

const FULL: &str = "network/conntrack-table-full";
const RING: &str = "//- kernel/dmesg.human.current\n[Tue Jul 14 10:00:00 2026] Linux version 6.1\n";
const FAULT: &str = "[Tue Jul 14 10:00:01 2026] nf_conntrack: nf_conntrack: table full, dropping packet\n";

fn node(text: &str) -> (Scan, Facts) {
    let scan = scanned(text);
    let facts = block_on(facts(&bundle(text), &scan)).unwrap();
    (scan, facts)
}

fn sysctl(max: u64) -> String {
    format!(
        "//- sysctls/sysctl_all.txt\nkernel.hostname = {max}\nnet.netfilter.nf_conntrack_max = {max}\nvm.swappiness = 60\n"
    )
}

#[test]
fn what_separates_the_failing_from_the_healthy_is_said() {
    let a = node(&format!("{RING}{FAULT}{FAULT}{}", sysctl(65_536)));
    let b = node(&format!("{RING}{FAULT}{}", sysctl(65_536)));
    let c = node(&format!("{RING}{}", sysctl(262_144)));
    let nodes = [("i-a", &a), ("i-b", &b), ("i-c", &c)].map(|(name, (scan, facts))| Node { name, scan, facts });
    let found = compare(Catalogue::builtin(), &nodes);
    assert_eq!(found.partial.len(), 1, "{found:#?}");
    let row = &found.partial[0];
    assert_eq!((row.rule.as_str(), row.nodes["i-a"].count, row.nodes["i-b"].count), (FULL, 2, 1));
    assert_eq!(row.missing["i-c"], Missing::Absent);
    assert_eq!(found.insight.failing, ["i-a", "i-b"]);
    assert_eq!(found.insight.separating_findings, std::slice::from_ref(&row.fingerprint));
    assert_eq!(found.insight.separating_settings, ["sysctl net.netfilter.nf_conntrack_max"]);
    assert!(
        found.insight.text.contains("nf_conntrack_max is 65536 on the failing and 262144 on the others"),
        "{}",
        found.insight.text
    );
    assert_eq!(found.differences.len(), 1, "the host name tells nothing: {:#?}", found.differences);
    // The order of the nodes does not matter.
    let [first, second, third] = nodes;
    assert_eq!(compare(Catalogue::builtin(), &[third, first, second]), found);
}

#[test]
fn what_was_not_collected_is_unknown_and_not_absent() {
    let a = node(&format!("{RING}{FAULT}{}", sysctl(65_536)));
    let b = node("//- kubelet/kubelet.log\nall is well\n");
    let nodes = [Node { name: "i-a", scan: &a.0, facts: &a.1 }, Node { name: "i-b", scan: &b.0, facts: &b.1 }];
    let found = compare(Catalogue::builtin(), &nodes);
    let row = &found.unique["i-a"][0];
    assert_eq!(row.missing["i-b"], Missing::Unknown);
    assert!(found.unique["i-b"].is_empty() && found.insight.separating_findings.is_empty());
    assert!(found.nodes[1].lacks_sources.contains(&"kernel".to_owned()));
    assert!(found.differences.is_empty(), "a file that one lacks is no difference of values");
}

#[test]
fn all_nodes_failing_share_what_they_share() {
    let a = node(&format!("{RING}{FAULT}"));
    let nodes = [Node { name: "i-a", scan: &a.0, facts: &a.1 }, Node { name: "i-b", scan: &a.0, facts: &a.1 }];
    let found = compare(Catalogue::builtin(), &nodes);
    assert_eq!((found.common.len(), found.partial.len()), (1, 0));
    assert!(found.insight.text.starts_with("All 2 nodes fail."), "{}", found.insight.text);
}

#[test]
fn a_summary_is_about_the_given_findings_alone() {
    let text = format!(
        "{RING}{FAULT}[Tue Jul 14 10:02:05 2026] nvme nvme1: I/O 21 QID 3 timeout, aborting\n[Tue Jul 14 10:02:36 2026] Aborting journal on device nvme1n1-8.\n"
    );
    let scan = scanned(&text);
    let id = find(&scan, FULL).id.clone();
    let others: Vec<&String> = scan.findings.iter().map(|finding| &finding.id).filter(|other| **other != id).collect();
    assert!(others.len() >= 2);
    let said = summary::summarize(Catalogue::builtin(), &scan, &[id.clone(), "F-999".to_owned(), "S-001".to_owned()]);
    assert!(!said.grounded, "two ids are none");
    assert_eq!(said.unresolved, ["F-999", "S-001"]);
    assert_eq!(said.findings.len(), 1);
    let whole = serde_json::to_string(&said).unwrap();
    for other in others {
        assert!(!whole.contains(other.as_str()), "{other} was not asked for: {whole}");
    }
    for statement in said.critical.iter().chain(&said.overview).chain(&said.recommendations).chain(&said.causes) {
        assert_eq!(statement.finding_ids, std::slice::from_ref(&id), "{statement:?}");
        assert!(statement.text.contains(&id), "{statement:?}");
    }
    assert!(!said.critical.is_empty() && !said.recommendations.is_empty());
    let nothing = summary::summarize(Catalogue::builtin(), &scan, &[]);
    assert!(!nothing.grounded && nothing.findings.is_empty() && nothing.causes.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nothing_enters_a_summary_that_was_not_given(picked in proptest::collection::vec(any::<bool>(), 40)) {
        static SCAN: std::sync::OnceLock<Scan> = std::sync::OnceLock::new();
        let scan = SCAN.get_or_init(|| {
            let rules = Catalogue::builtin().rules().iter().step_by(9);
            let mut files = std::collections::BTreeMap::<&str, String>::new();
            for example in rules.flat_map(|rule| &rule.examples).filter(|example| !example.file.is_empty()) {
                files.entry(&example.file).or_default().push_str(&format!("{}\n", example.line));
            }
            scanned(&files.iter().map(|(file, content)| format!("//- {file}\n{content}")).collect::<String>())
        });
        let ids: Vec<String> = scan.findings.iter().zip(&picked).filter(|(_, picked)| **picked).map(|(f, _)| f.id.clone()).collect();
        let said = summary::summarize(Catalogue::builtin(), scan, &ids);
        prop_assert_eq!(said.grounded, !ids.is_empty());
        let statements = said.overview.iter().chain(&said.critical).chain(&said.high).chain(&said.others).chain(&said.causes).chain(&said.recommendations);
        for statement in statements {
            prop_assert!(statement.finding_ids.iter().all(|id| ids.contains(id)), "{statement:?}");
            let mut words = statement.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            prop_assert!(words.all(|word| !word.starts_with("F-") || word.len() < 5 || ids.contains(&word.to_owned())), "{}", statement.text);
        }
    }
}
