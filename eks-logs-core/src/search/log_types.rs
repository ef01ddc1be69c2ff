//! The files that a search may be limited to, by the names of `data/log_types.toml` and of sources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use crate::bundle::{FileClass, Layout, Source};
use crate::error::{Error, Result};
use crate::path::StorePath;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    paths: Vec<String>,
}

/// A name that is no log type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?}: not a log type")]
pub struct UnknownLogType {
    /// The name.
    pub name: String,
    /// Names that come close, best first.
    pub close: Vec<String>,
}

/// Which files are searched.
#[derive(Clone, Debug)]
pub struct LogTypes {
    names: Vec<String>,
    sources: BTreeSet<Source>,
    paths: GlobSet,
}

fn table() -> &'static BTreeMap<String, Row> {
    static TABLE: OnceLock<BTreeMap<String, Row>> = OnceLock::new();
    // Data that does not parse fails the test `every_row_means_something`.
    TABLE.get_or_init(|| toml::from_str(include_str!("../../data/log_types.toml")).unwrap_or_default())
}

fn globs<'a>(paths: impl Iterator<Item = &'a String>) -> Result<GlobSet> {
    let refuse = |why: globset::Error| Error::Data { file: "log_types.toml".to_owned(), detail: why.to_string() };
    let mut set = GlobSetBuilder::new();
    for path in paths {
        set.add(GlobBuilder::new(path).literal_separator(true).build().map_err(refuse)?);
    }
    set.build().map_err(refuse)
}

impl LogTypes {
    /// Every name: those of the table, and the sources.
    pub fn names() -> BTreeSet<&'static str> {
        let sources = Layout::builtin().sources().iter().map(|source| source.name());
        table().keys().map(String::as_str).chain(sources).collect()
    }

    /// Reads a comma list; blanks and case do not matter. `None` for an empty list or `all`: every file.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn parse(list: &str) -> std::result::Result<Option<Self>, UnknownLogType> {
        let mut names: Vec<String> =
            list.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect();
        names.sort();
        names.dedup();
        if names.is_empty() || names.iter().any(|name| name == "all") {
            return Ok(None);
        }
        let layout = Layout::builtin();
        let mut sources = BTreeSet::new();
        let mut paths = Vec::new();
        for name in &names {
            match (table().get(name), layout.source(name)) {
                (None, None) => return Err(unknown(name)),
                (row, source) => {
                    sources.extend(source);
                    if let Some(row) = row {
                        sources.extend(row.sources.iter().filter_map(|name| layout.source(name)));
                        paths.extend(&row.paths);
                    }
                }
            }
        }
        let paths = globs(paths.into_iter()).map_err(|_| unknown(&names[0]))?;
        Ok(Some(Self { names, sources, paths }))
    }

    /// The names, sorted.
    pub fn as_names(&self) -> &[String] {
        &self.names
    }

    /// Whether a file is among them: its class, and its path below the bundle's root.
    pub fn accepts(&self, class: FileClass, path: &StorePath) -> bool {
        self.sources.contains(&class.source) || self.paths.is_match(path.as_str())
    }
}

fn unknown(name: &str) -> UnknownLogType {
    let mut close: Vec<(f64, &str)> = LogTypes::names()
        .into_iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    close.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    UnknownLogType {
        name: name.to_owned(),
        close: close.into_iter().take(3).map(|(_, known)| known.to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_means_something() {
        let layout = Layout::builtin();
        assert!(table().len() > 20);
        for (name, row) in table() {
            assert!(!row.sources.is_empty() || !row.paths.is_empty(), "{name}");
            for source in &row.sources {
                assert!(layout.source(source).is_some(), "{name}: no source {source}");
            }
            globs(row.paths.iter()).unwrap();
        }
    }

    #[test]
    fn names_choose_files() {
        let accepts = |list: &str, path: &str| {
            let path = StorePath::parse(path).unwrap();
            LogTypes::parse(list).unwrap().is_none_or(|types| types.accepts(Layout::builtin().classify(&path), &path))
        };
        assert!(accepts("kubelet", "kubelet/kubelet.log"));
        assert!(!accepts("kubelet", "containerd/containerd-log.txt"));
        assert!(accepts(" Kubelet , containerd", "containerd/containerd-log.txt"));
        assert!(accepts("networking", "networking/iproute.txt"));
        assert!(accepts("dmesg", "kernel/dmesg.current") && !accepts("dmesg", "kernel/uname.txt"));
        assert!(accepts("pods", "var_log/default_web-0_0363f3c1-ad9f-735c-e266-4c45bae016d8/web/0.log"));
        assert!(accepts("kube-proxy", "var_log/kube-proxy-7hq2p_kube-system_kube-proxy-0123.log"));
        assert!(accepts("all", "anything") && accepts("", "anything"));
        let why = LogTypes::parse("kubelet,kublet").unwrap_err();
        assert_eq!((why.name.as_str(), why.close[0].as_str()), ("kublet", "kubelet"));
    }
}
