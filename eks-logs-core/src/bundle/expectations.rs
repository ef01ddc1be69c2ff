//! What a bundle has to hold, by the kind of its node, and what it means if it does not: `data/expectations.toml`.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::node::{Collector, NodeFacts, Os};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    expect: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    paths: Vec<String>,
    #[serde(default)]
    os: Vec<Os>,
    #[serde(default)]
    collector: Vec<Collector>,
    gpu: Option<bool>,
    hybrid: Option<bool>,
    auto_mode: Option<bool>,
    absent: String,
    normal: String,
    empty: Option<String>,
}

fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    // Data that does not parse fails the test `every_row_is_a_file_that_collectors_write`.
    ROWS.get_or_init(|| {
        let table: Result<Table, _> = toml::from_str(include_str!("../../data/expectations.toml"));
        table.map(|table| table.expect).unwrap_or_default()
    })
}

/// Whether an expected file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// There, with content.
    Present,
    /// There, without a byte.
    Empty,
    /// There, and its end is missing.
    Truncated,
    /// Not there, and on this node it should be.
    Absent,
    /// Not there, as is normal on this node.
    NormalToBeAbsent,
}

/// A file as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct There {
    /// Bytes, after decompression.
    pub bytes: u64,
    /// It was read to its end.
    pub complete: bool,
}

/// One expectation, held against a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The file, or the first of those that would do.
    pub file: String,
    /// Whether it is there.
    pub presence: Presence,
    /// What that means.
    pub why: String,
    /// It speaks against the bundle or the node.
    pub suspicious: bool,
}

impl Row {
    fn applies(&self, node: &NodeFacts) -> bool {
        let flag = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
        // A system that nothing tells may be any: what one of them lacks is not held against it.
        (self.os.is_empty() || self.os.contains(&node.os))
            && (self.collector.is_empty() || self.collector.contains(&node.collector))
            && flag(self.gpu, node.gpu)
            && flag(self.hybrid, node.hybrid)
            && flag(self.auto_mode, node.auto_mode)
    }
}

/// Holds every expectation against a bundle; `there` looks a file up.
pub fn expectations(node: &NodeFacts, there: impl Fn(&str) -> Option<There>) -> Vec<Expected> {
    rows()
        .iter()
        .map(|row| {
            let found = row.paths.iter().find_map(|path| Some((path, there(path)?)));
            let file = found.map_or_else(|| row.paths.first().cloned().unwrap_or_default(), |(path, _)| path.clone());
            let (presence, why, suspicious) = match found {
                Some((_, found)) if !found.complete => (Presence::Truncated, "its end is missing".to_owned(), true),
                Some((_, found)) if found.bytes == 0 => match &row.empty {
                    Some(why) => (Presence::Empty, why.clone(), row.applies(node)),
                    None => (Presence::Empty, "nothing to tell, as is normal".to_owned(), false),
                },
                Some(_) => (Presence::Present, "as expected".to_owned(), false),
                None if row.applies(node) => (Presence::Absent, row.absent.clone(), true),
                None => (Presence::NormalToBeAbsent, row.normal.clone(), false),
            };
            Expected { file, presence, why, suspicious }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::bundle::Layout;
    use crate::path::StorePath;

    const AL2: NodeFacts =
        NodeFacts { os: Os::Al2, collector: Collector::Script, gpu: false, hybrid: false, auto_mode: false };

    fn of<'a>(all: &'a [Expected], file: &str) -> &'a Expected {
        all.iter().find(|one| one.file == file).unwrap()
    }

    #[test]
    fn every_row_is_a_file_that_collectors_write() {
        assert!(rows().len() > 25);
        let mut seen = BTreeSet::new();
        for row in rows() {
            for path in &row.paths {
                assert!(Layout::builtin().classify(&StorePath::parse(path).unwrap()).known, "{path}");
                assert!(seen.insert(path), "{path} is expected twice");
            }
            assert!(!row.absent.is_empty() && !row.normal.is_empty());
        }
    }

    #[test]
    fn the_same_absence_is_normal_on_one_node_and_suspicious_on_another() {
        let nothing = |_: &str| None;
        let al2 = expectations(&AL2, nothing);
        let al2023 = expectations(&NodeFacts { os: Os::Al2023, ..AL2 }, nothing);
        for (file, on_al2, on_al2023) in [
            ("var_log/messages", Presence::Absent, Presence::NormalToBeAbsent),
            ("nodeadm/nodeadm-run.log", Presence::NormalToBeAbsent, Presence::Absent),
            ("kubelet/kubelet.log", Presence::Absent, Presence::Absent),
            ("system/system-eventlogs.csv", Presence::NormalToBeAbsent, Presence::NormalToBeAbsent),
            ("gpu/nvidia-bug-report.log.gz", Presence::NormalToBeAbsent, Presence::NormalToBeAbsent),
        ] {
            assert_eq!(of(&al2, file).presence, on_al2, "{file}");
            assert_eq!(of(&al2023, file).presence, on_al2023, "{file}");
        }
        let gpu = expectations(&NodeFacts { gpu: true, ..AL2 }, nothing);
        assert!(of(&gpu, "gpu/nvidia-bug-report.log.gz").suspicious);
        let hybrid = expectations(&NodeFacts { hybrid: true, ..AL2 }, nothing);
        assert!(!of(&hybrid, "system/instance-id.txt").suspicious);
        let logdog = NodeFacts { os: Os::Bottlerocket, collector: Collector::Logdog, ..AL2 };
        let flat =
            |file: &str| ["dmesg", "journalctl.log"].contains(&file).then_some(There { bytes: 9, complete: true });
        let logdog = expectations(&logdog, flat);
        assert_eq!(of(&logdog, "dmesg").presence, Presence::Present);
        assert_eq!(of(&logdog, "kubelet/kubelet.log").presence, Presence::NormalToBeAbsent);
        assert_eq!(of(&logdog, "settings.json").presence, Presence::Absent);
        let windows = NodeFacts { os: Os::Windows, collector: Collector::Windows, ..AL2 };
        assert!(of(&expectations(&windows, nothing), "system/system-eventlogs.csv").suspicious);
        let auto = NodeFacts { os: Os::Bottlerocket, collector: Collector::Agent, auto_mode: true, ..AL2 };
        assert!(!of(&expectations(&auto, nothing), "ipamd/enis.json").suspicious);
    }

    #[test]
    fn empty_and_cut_files_are_told_apart() {
        let there = |file: &str| match file {
            "ipamd/enis.json" => Some(There { bytes: 0, complete: true }),
            "kubelet/kubelet.log" => Some(There { bytes: 100, complete: false }),
            "var_log/cloud-init.log" => Some(There { bytes: 0, complete: true }),
            _ => None,
        };
        let all = expectations(&AL2, there);
        let enis = of(&all, "ipamd/enis.json");
        assert!(enis.presence == Presence::Empty && enis.suspicious && enis.why.contains("61679"));
        assert_eq!(of(&all, "kubelet/kubelet.log").presence, Presence::Truncated);
        assert!(!of(&all, "var_log/cloud-init.log").suspicious);
    }
}
