//! The state files of a bundle, kept while it is read.

use std::collections::BTreeMap;

use eks_logs_core::{FileClass, FileKind, Layout, Source, StorePath};

use crate::state::conntrack::{Conntrack, ConntrackReader};
use crate::state::{Parsed, Span};

/// Bytes that are kept of one file. What a healthy node's largest dump takes, several times over.
const FILE: usize = 32 << 20;
/// Bytes that are kept of all files together, in the order in which they are read.
const ALL: usize = 96 << 20;
/// Bytes that are kept of the kernel's log: its first lines say which machine it is.
const KERNEL: usize = 256 << 10;
/// Bytes that are kept of a list of connections, which is added up instead: its counters stand at its beginning.
const CONNECTIONS: usize = 1 << 20;

/// One state file.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    /// Its path below the bundle's root.
    pub(crate) path: String,
    /// What it is about.
    pub(crate) source: Source,
    /// Its content, or as much of it as is kept.
    pub(crate) content: Vec<u8>,
    /// Why the end is missing, if it is.
    pub(crate) cut: Option<String>,
    /// What a list of connections comes to: it is added up as it is read, whatever its size.
    pub(crate) connections: Option<Parsed<Conntrack>>,
}

impl StateFile {
    /// The text of a span, lossy; `None` if the span is not in the file.
    pub(crate) fn text(&self, span: Span) -> Option<String> {
        let bytes = self.content.get(usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// The state files of one bundle, by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateFiles {
    files: BTreeMap<String, StateFile>,
}

impl StateFiles {
    /// The files of a small bundle.
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut state = Self::default();
        for (path, text) in files {
            let Ok(parsed) = StorePath::parse(path) else { continue };
            let source = Layout::builtin().classify(&parsed).source;
            state.insert(StateFile {
                path: path.to_owned(),
                source,
                content: text.as_bytes().to_vec(),
                cut: None,
                connections: None,
            });
        }
        state
    }

    pub(crate) fn insert(&mut self, file: StateFile) {
        self.files.insert(file.path.clone(), file);
    }

    /// One file.
    pub(crate) fn get(&self, path: &str) -> Option<&StateFile> {
        self.files.get(path)
    }

    /// All files, by path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &StateFile> {
        self.files.values()
    }
}

/// Keeps state files while their blocks come in.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    kept: BTreeMap<u32, Vec<u8>>,
    cut: BTreeMap<u32, String>,
    connections: BTreeMap<u32, (u64, ConntrackReader)>,
    total: usize,
}

fn is_connections(class: FileClass) -> bool {
    class.source.name() == "conntrack"
}

impl Keeper {
    /// How many bytes checks read of a file of this class.
    fn limit(class: FileClass) -> usize {
        match class.kind {
            FileKind::State if is_connections(class) => CONNECTIONS,
            FileKind::State | FileKind::Config | FileKind::Metrics => FILE,
            FileKind::Log if class.source.name() == "kernel" => KERNEL,
            _ => 0,
        }
    }

    /// A file begins. An empty one is kept too: that a tool printed nothing is a state.
    pub(crate) fn begin(&mut self, file: u32, class: FileClass) {
        if Self::limit(class) > 0 {
            self.kept.entry(file).or_default();
        }
    }

    /// A block of a file, from `start`; blocks of one file come in order and may overlap.
    pub(crate) fn add(&mut self, file: u32, class: FileClass, start: u64, data: &[u8]) {
        let limit = Self::limit(class);
        if limit == 0 {
            return;
        }
        if is_connections(class) {
            let (seen, reader) = self.connections.entry(file).or_default();
            let known = usize::try_from(seen.saturating_sub(start)).unwrap_or(usize::MAX);
            let fresh = data.get(known..).unwrap_or_default();
            *seen += fresh.len() as u64;
            reader.push(fresh);
        }
        let kept = self.kept.entry(file).or_default();
        let known = (kept.len() as u64).saturating_sub(start);
        let fresh = data.get(usize::try_from(known).unwrap_or(usize::MAX)..).unwrap_or_default();
        let room = limit.saturating_sub(kept.len()).min(ALL.saturating_sub(self.total)).min(fresh.len());
        kept.extend_from_slice(&fresh[..room]);
        self.total += room;
        // Of a log the rest was never wanted, and of connections it is added up.
        if room < fresh.len() && class.kind != FileKind::Log && !is_connections(class) {
            self.cut.entry(file).or_insert_with(|| {
                format!("too large to be judged as a whole: checks read its first {} bytes", kept.len())
            });
        }
    }

    /// What was kept of a file.
    pub(crate) fn take(&mut self, file: u32) -> Option<Kept> {
        let connections = self.connections.remove(&file).map(|(_, reader)| reader.finish());
        Some(Kept { content: self.kept.remove(&file)?, cut: self.cut.remove(&file), connections })
    }
}

/// What was kept of a file.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) content: Vec<u8>,
    /// Why its end is missing.
    pub(crate) cut: Option<String>,
    pub(crate) connections: Option<Parsed<Conntrack>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_blocks_are_kept_once_and_logs_are_not() {
        let layout = Layout::builtin();
        let state = layout.classify(&StorePath::parse("networking/iprule.txt").unwrap());
        let log = layout.classify(&StorePath::parse("kubelet/kubelet.log").unwrap());
        let mut keeper = Keeper::default();
        keeper.add(0, state, 0, b"0:\tfrom all");
        keeper.add(0, state, 7, b" all lookup");
        keeper.add(1, log, 0, b"line");
        let kept = keeper.take(0).unwrap();
        assert_eq!((kept.content, kept.cut), (b"0:\tfrom all lookup".to_vec(), None));
        assert!(keeper.take(1).is_none());
    }

    #[test]
    fn a_file_beyond_the_limit_says_so() {
        let class = Layout::builtin().classify(&StorePath::parse("networking/iprule.txt").unwrap());
        let mut keeper = Keeper::default();
        let block = vec![b'x'; 1 << 20];
        for at in 0..40_u64 {
            keeper.add(0, class, at << 20, &block);
        }
        let kept = keeper.take(0).unwrap();
        assert_eq!(kept.content.len(), FILE);
        assert!(kept.cut.unwrap().contains("first 33554432 bytes"));
    }

    #[test]
    fn connections_are_counted_beyond_what_is_kept() {
        let class = Layout::builtin().classify(&StorePath::parse("networking/conntrack.txt").unwrap());
        let mut keeper = Keeper::default();
        let line = "udp      17 12 src=10.70.3.9 dst=172.20.0.10 sport=40000 dport=53 src=10.70.4.4 dst=10.70.3.9 sport=53 dport=40000 mark=0 use=1\n";
        let block = line.repeat(100_000);
        let (first, second) = block.as_bytes().split_at(7_000_001);
        keeper.add(0, class, 0, first);
        keeper.add(0, class, 6_999_000, &block.as_bytes()[6_999_000..]);
        let kept = keeper.take(0).unwrap();
        assert!(kept.content.len() <= CONNECTIONS && kept.cut.is_none() && !second.is_empty());
        assert_eq!(kept.connections.unwrap().value.entries, 100_000);
    }
}
