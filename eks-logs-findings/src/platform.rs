//! Which collector wrote a bundle and which system its node runs: `data/platforms.toml`. What a bundle of that kind never has is no
//! fault; what it has and is not read is a gap with a name.

use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Gap;

/// A part of a bundle that is not read, and what that leaves unknown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unread {
    file: String,
    detail: String,
}

/// How to tell one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    id: String,
    name: String,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    holds: Vec<(String, String)>,
    #[serde(default)]
    never: Vec<String>,
    #[serde(default)]
    unread: Vec<Unread>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AutoMode {
    paths: Vec<String>,
    unread: Vec<Unread>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    collector: Vec<Kind>,
    os: Vec<Kind>,
    auto_mode: AutoMode,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        #[expect(clippy::expect_used, reason = "the file is part of the crate and a test reads it")]
        toml::from_str(include_str!("../data/platforms.toml")).expect("data/platforms.toml is sound")
    })
}

/// The kind of a bundle and of its node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Platform {
    /// Which collector wrote it: `eks-log-collector`, `node-monitoring-agent`, `bottlerocket-logdog`, `windows`; `null` where nothing tells.
    pub collector: Option<String>,
    /// The collector's name for people.
    pub collector_name: Option<String>,
    /// The node's system: `amazon-linux-2`, `amazon-linux-2023`, `bottlerocket`, `ubuntu`, `red-hat`, `windows`; `null` where nothing tells.
    pub os: Option<String>,
    /// The system's name for people.
    pub os_name: Option<String>,
    /// Whether EKS Auto Mode runs the node.
    pub auto_mode: bool,
    /// Whether it is a hybrid node, outside of EC2.
    pub hybrid: bool,
}

fn matches(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == path, |start| path.starts_with(start))
}

impl Platform {
    /// Tells the kind from the bundle's paths and from what some small files hold; `instance` is the node's id.
    pub fn detect<'a>(paths: &[&str], content: impl Fn(&str) -> Option<&'a [u8]>, instance: Option<&str>) -> Self {
        let stands =
            |patterns: &[String]| patterns.iter().any(|pattern| paths.iter().any(|path| matches(pattern, path)));
        let holds = |kind: &&Kind| {
            stands(&kind.paths)
                || kind.holds.iter().any(|(file, text)| {
                    content(file).is_some_and(|bytes| memchr::memmem::find(bytes, text.as_bytes()).is_some())
                })
        };
        let collector = table().collector.iter().find(holds);
        let os = table().os.iter().find(holds);
        Self {
            collector: collector.map(|kind| kind.id.clone()),
            collector_name: collector.map(|kind| kind.name.clone()),
            os: os.map(|kind| kind.id.clone()),
            os_name: os.map(|kind| kind.name.clone()),
            auto_mode: stands(&table().auto_mode.paths),
            hybrid: instance.is_some_and(|id| id.starts_with("mi-")),
        }
    }

    fn kinds(&self) -> impl Iterator<Item = &'static Kind> {
        let known = |kinds: &'static [Kind], id: &Option<String>| {
            let id = id.clone();
            kinds.iter().filter(move |kind| Some(&kind.id) == id.as_ref())
        };
        known(&table().collector, &self.collector).chain(known(&table().os, &self.os))
    }

    /// Whether a bundle of this kind never has a file, so that its absence says nothing.
    pub fn never_has(&self, path: &str) -> bool {
        self.kinds().flat_map(|kind| &kind.never).any(|pattern| matches(pattern, path))
    }

    /// What such a bundle has and is not read; `paths` are the bundle's.
    pub fn gaps(&self, paths: &[&str]) -> Vec<Gap> {
        let auto_mode = table().auto_mode.unread.iter().filter(|_| self.auto_mode);
        let there =
            |unread: &&Unread| unread.file.is_empty() || paths.iter().any(|path| path.starts_with(&unread.file));
        let unread = self.kinds().flat_map(|kind| &kind.unread).chain(auto_mode).filter(there);
        unread
            .map(|unread| Gap {
                kind: "platform",
                file: Some(unread.file.clone()).filter(|file| !file.is_empty()),
                detail: unread.detail.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &'static str)]) -> Platform {
        let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        let content = |wanted: &str| files.iter().find(|(path, _)| *path == wanted).map(|(_, text)| text.as_bytes());
        Platform::detect(&paths, content, None)
    }

    fn told(platform: &Platform) -> (Option<&str>, Option<&str>) {
        (platform.collector.as_deref(), platform.os.as_deref())
    }

    #[test]
    fn every_kind_is_told_by_what_it_has() {
        let script =
            [("system/script-params.txt", ""), ("kernel/uname.txt", "Linux h 6.1.141-155.222.amzn2023.x86_64 #1")];
        assert_eq!(told(&of(&script)), (Some("eks-log-collector"), Some("amazon-linux-2023")));
        let old = [("kubelet/kubelet.log", ""), ("system/pkglist.txt", "glibc-2.26-64.amzn2.0.1.x86_64\n")];
        assert_eq!(told(&of(&old)), (Some("eks-log-collector"), Some("amazon-linux-2")));
        let ubuntu =
            [("system/script-params.txt", ""), ("kernel/uname.txt", "Linux h 5.15.0-47-generic #51-Ubuntu SMP")];
        assert_eq!(told(&of(&ubuntu)), (Some("eks-log-collector"), Some("ubuntu")));
        let logdog = [("journalctl.log", ""), ("os-release", "NAME=Bottlerocket\nID=bottlerocket\n"), ("df", "")];
        assert_eq!(told(&of(&logdog)), (Some("bottlerocket-logdog"), Some("bottlerocket")));
        let agent = [
            ("system/pressure_cpu.txt", ""),
            ("automode/coredns.txt", ""),
            ("bottlerocket/application-inventory.json", ""),
        ];
        assert_eq!(told(&of(&agent)), (Some("node-monitoring-agent"), Some("bottlerocket")));
        assert!(of(&agent).auto_mode && !of(&script).auto_mode);
        let windows = [("system/sysinfo", ""), ("system/events/Application.evtx", "")];
        assert_eq!(told(&of(&windows)), (Some("windows"), Some("windows")));
        assert_eq!(of(&[]), Platform::default());
    }

    #[test]
    fn what_a_system_never_has_is_no_gap_and_what_is_not_read_is_one() {
        let new =
            of(&[("system/script-params.txt", ""), ("kernel/uname.txt", "Linux h 6.1.141-155.222.amzn2023.x86_64 #1")]);
        assert!(new.never_has("var_log/messages") && !new.never_has("kubelet/kubelet.log"));
        let files = ["system/events/System.evtx", "system/sysinfo"];
        let windows = Platform::detect(&files, |_| None, None);
        assert!(windows.never_has("kubelet/kubelet.log"));
        assert_eq!(windows.gaps(&files).len(), 1);
    }

    #[test]
    fn a_hybrid_node_is_told_by_its_id() {
        assert!(Platform::detect(&[], |_| None, Some("mi-0a1b2c3d4e5f60718")).hybrid);
        assert!(!Platform::detect(&[], |_| None, Some("i-0a1b2c3d4e5f60718")).hybrid);
    }
}
