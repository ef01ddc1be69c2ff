//! What each path of a bundle means: `data/layout.toml` and `data/programs.toml`, compiled.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use globset::{GlobBuilder, GlobSet};
use serde::{Deserialize, Serialize};

use super::Source;
use crate::error::{Error, Result};
use crate::path::StorePath;

/// The source of files that no row of the layout knows.
const UNKNOWN: &str = "unknown";

/// What kind of content a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// Lines that a component wrote over time.
    Log,
    /// A dump of state at collection time.
    State,
    /// Configuration.
    Config,
    /// Prometheus text.
    Metrics,
    /// Something else that a collector writes.
    Other,
}

/// What makes two lines of an echo group the same event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EchoBy {
    /// Equal messages, time and host left out.
    Message,
    /// Equal lines.
    Line,
}

/// A file that may hold events which another file of the same group holds too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The group's number.
    pub group: u16,
    /// How events are told to be the same.
    pub by: EchoBy,
    /// Files of a lower rank are cited first.
    pub rank: u8,
}

/// Whose lines a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Journal {
    /// One component's.
    #[default]
    No,
    /// One systemd unit's: its own, and systemd's about it.
    Unit,
    /// Every program's.
    All,
}

/// Something that the analysis needs to know of the node, told by one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// The file is the instance id.
    InstanceId,
    /// A line `btime <seconds since the epoch>` tells when the node booted (proc(5)).
    BootTime,
}

/// On which nodes the collector always writes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// On every Linux node.
    All,
    /// On Amazon Linux 2 only.
    Al2,
    /// On Amazon Linux 2023 only.
    Al2023,
}

/// The meaning of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileClass {
    /// Whose lines these are.
    pub source: Source,
    /// The kind of content.
    pub kind: FileKind,
    /// Whether each line's program decides its source.
    pub journal: Journal,
    /// Whether events here may stand elsewhere too.
    pub echo: Option<Echo>,
    /// What the file tells about the node.
    pub fact: Option<Fact>,
    /// What the first line of a document holds, in files to which an aborted earlier run of the collector may have written too: only
    /// the last document is this collection's.
    pub document_start: Option<&'static str>,
    /// True for a path that a collector writes.
    pub known: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    file: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    path: OneOrMany,
    source: String,
    kind: FileKind,
    #[serde(default)]
    journal: Journal,
    echo: Option<String>,
    echo_by: Option<EchoBy>,
    #[serde(default)]
    echo_rank: u8,
    expect: Option<NodeKind>,
    fact: Option<Fact>,
    document_start: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn as_slice(&self) -> &[String] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
struct Programs {
    programs: BTreeMap<String, String>,
}

/// The compiled tables.
#[derive(Debug)]
pub struct Layout {
    sources: Vec<Source>,
    by_name: HashMap<&'static str, Source>,
    patterns: Vec<String>,
    /// The patterns as one automaton, made when the first path is classified that no pattern is word for word: an index answers without.
    globs: OnceLock<GlobSet>,
    /// For each pattern, its row.
    pattern_rows: Vec<usize>,
    /// Patterns without wildcards, and their rows.
    plain: BTreeMap<String, usize>,
    classes: Vec<FileClass>,
    top_names: BTreeSet<String>,
    expected: Vec<(String, NodeKind)>,
    programs: HashMap<Box<[u8]>, Source>,
    program_prefixes: Vec<(Box<[u8]>, Source)>,
    /// For a component with files of its own: the echo group of its messages wherever they stand.
    message_groups: HashMap<Source, u16>,
    systemd: Source,
    kernel: Source,
    system: Source,
}

impl Layout {
    /// The layout that comes with this crate.
    pub fn builtin() -> &'static Layout {
        static BUILTIN: OnceLock<Layout> = OnceLock::new();
        BUILTIN.get_or_init(|| {
            #[expect(
                clippy::expect_used,
                reason = "the embedded tables are compiled by the test `the_builtin_layout_compiles`"
            )]
            Layout::compile(include_str!("../../data/layout.toml"), include_str!("../../data/programs.toml"))
                .expect("the embedded layout is valid")
        })
    }

    fn compile(layout: &'static str, programs: &'static str) -> Result<Layout> {
        let refuse = |file: &str, detail: String| Error::Data { file: file.to_owned(), detail };
        let table: Table = toml::from_str(layout).map_err(|why| refuse("layout.toml", why.to_string()))?;
        let programs: Programs = toml::from_str(programs).map_err(|why| refuse("programs.toml", why.to_string()))?;

        let names: BTreeSet<&str> = table
            .file
            .iter()
            .map(|row| row.source.as_str())
            .chain(programs.programs.values().map(String::as_str))
            .chain([UNKNOWN])
            .collect();
        // Leaked once per process: the table is embedded data of a fixed size, and a source is then a plain value.
        let sources: Vec<Source> = names
            .into_iter()
            .enumerate()
            .map(|(index, name)| Source { index: index as u16, name: Box::leak(name.to_owned().into_boxed_str()) })
            .collect();
        let by_name: HashMap<&'static str, Source> = sources.iter().map(|source| (source.name, *source)).collect();

        let mut patterns = Vec::new();
        let (mut pattern_rows, mut classes, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        let mut plain = BTreeMap::new();
        let mut top_names = BTreeSet::new();
        let mut groups: Vec<String> = Vec::new();
        for (number, row) in table.file.iter().enumerate() {
            for pattern in row.path.as_slice() {
                patterns.push(pattern.clone());
                pattern_rows.push(number);
                if !pattern.contains(WILDCARDS) {
                    plain.entry(pattern.clone()).or_insert(number);
                }
                if let Some((top, _)) = pattern.split_once('/') {
                    top_names.insert(top.to_owned());
                }
                if let Some(expect) = row.expect.filter(|_| !pattern.contains('*') && pattern.contains('/')) {
                    expected.push((pattern.clone(), expect));
                }
            }
            let echo = match (&row.echo, row.echo_by) {
                (Some(group), Some(by)) => {
                    let at = groups.iter().position(|known| known == group).unwrap_or_else(|| {
                        groups.push(group.clone());
                        groups.len() - 1
                    });
                    Some(Echo { group: at as u16, by, rank: row.echo_rank })
                }
                (None, None) => None,
                _ => return Err(refuse("layout.toml", format!("row {number}: echo and echo_by go together"))),
            };
            let source = by_name[row.source.as_str()];
            let document_start: Option<&'static str> =
                row.document_start.as_ref().map(|text| &*Box::leak(text.clone().into_boxed_str()));
            classes.push(FileClass {
                source,
                kind: row.kind,
                journal: row.journal,
                echo,
                fact: row.fact,
                document_start,
                known: true,
            });
        }
        let message_groups = classes
            .iter()
            .filter(|class| class.journal == Journal::No)
            .filter_map(|class| Some((class.source, class.echo.filter(|echo| echo.by == EchoBy::Message)?.group)))
            .collect();

        let by_name_or = |name: &str| {
            by_name
                .get(name)
                .copied()
                .ok_or_else(|| refuse("layout.toml", format!("no file or program has the source {name}")))
        };
        let mut exact = HashMap::new();
        let mut program_prefixes = Vec::new();
        for (name, source) in &programs.programs {
            let source = by_name[source.as_str()];
            match name.strip_suffix('*') {
                Some(prefix) => program_prefixes.push((prefix.as_bytes().into(), source)),
                None => {
                    exact.insert(name.as_bytes().into(), source);
                }
            }
        }
        Ok(Layout {
            sources,
            patterns,
            globs: OnceLock::new(),
            pattern_rows,
            plain,
            classes,
            top_names,
            expected,
            programs: exact,
            program_prefixes,
            message_groups,
            systemd: by_name_or("systemd")?,
            kernel: by_name_or("kernel")?,
            system: by_name_or("system")?,
            by_name,
        })
    }

    /// Every source, by number.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// A source by its name.
    pub fn source(&self, name: &str) -> Option<Source> {
        self.by_name.get(name).copied()
    }

    /// The meaning of a path below the bundle's root. Rotated and compressed copies (`.1`, `.gz`) mean what the file itself means.
    pub fn classify(&self, path: &StorePath) -> FileClass {
        let mut text = path.as_str();
        loop {
            if let Some(row) = self.plain.get(text) {
                return self.classes[*row];
            }
            // What is not valid fails the test `the_builtin_layout_compiles`.
            let globs = self.globs.get_or_init(|| globs(&self.patterns).unwrap_or_else(|_| GlobSet::empty()));
            if let Some(first) = globs.matches(text).first() {
                return self.classes[self.pattern_rows[*first]];
            }
            match text.rsplit_once('.') {
                Some((shorter, "gz")) => text = shorter,
                Some((shorter, digits))
                    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'-') =>
                {
                    text = shorter;
                }
                _ => break,
            }
        }
        let source = self.by_name[UNKNOWN];
        FileClass {
            source,
            kind: FileKind::Other,
            journal: Journal::All,
            echo: None,
            fact: None,
            document_start: None,
            known: false,
        }
    }

    /// True for a path that a collector writes on every node under the same name: told without looking at patterns.
    pub(crate) fn writes(&self, path: &StorePath) -> bool {
        self.plain.contains_key(path.as_str())
    }

    /// Where else the events of a line may stand. A kernel line in a syslog file is one of the kernel's group.
    pub fn echo(&self, class: FileClass, line: Source) -> Option<Echo> {
        let own = class.echo?;
        match self.message_groups.get(&line) {
            Some(&group) if class.journal != Journal::No => {
                Some(Echo { group, by: EchoBy::Message, rank: own.rank + 10 })
            }
            _ => Some(own),
        }
    }

    /// True for a name that stands directly below a bundle's root.
    pub fn is_top_name(&self, name: &str) -> bool {
        self.top_names.contains(name)
    }

    /// Files that the collector always writes, with the nodes on which it does.
    pub fn expected(&self) -> &[(String, NodeKind)] {
        &self.expected
    }

    /// Whose line this is: `program` is the name that the line prints, if it prints one; `kernel` says that it has the kernel's form.
    pub fn line_source(&self, class: FileClass, program: Option<&[u8]>, kernel: bool) -> Source {
        let named = program.and_then(|name| self.program(name));
        match (class.journal, named) {
            (Journal::No, _) => class.source,
            (Journal::Unit, Some(source)) if source == self.systemd => source,
            (Journal::Unit, _) => class.source,
            (Journal::All, Some(source)) => source,
            (Journal::All, None) if kernel => self.kernel,
            (Journal::All, None) if program.is_some() => self.system,
            (Journal::All, None) => class.source,
        }
    }

    fn program(&self, name: &[u8]) -> Option<Source> {
        self.programs.get(name).copied().or_else(|| {
            self.program_prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, source)| *source)
        })
    }

    /// The sources that lines of a file of this class can have, sorted.
    pub fn line_sources(&self, class: FileClass) -> Vec<Source> {
        let mut found = BTreeSet::from([class.source]);
        match class.journal {
            Journal::No => {}
            Journal::Unit => {
                found.insert(self.systemd);
            }
            Journal::All => {
                found.extend(self.programs.values());
                found.extend(self.program_prefixes.iter().map(|(_, source)| *source));
                found.extend([self.kernel, self.system]);
            }
        }
        found.into_iter().collect()
    }
}

/// What makes a pattern stand for more than one path.
const WILDCARDS: [char; 5] = ['*', '?', '[', '{', '\\'];

fn globs(patterns: &[String]) -> std::result::Result<GlobSet, globset::Error> {
    let globs = patterns.iter().map(|pattern| GlobBuilder::new(pattern).literal_separator(true).build());
    GlobSet::new(globs.collect::<std::result::Result<Vec<_>, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(path: &str) -> FileClass {
        Layout::builtin().classify(&StorePath::parse(path).unwrap())
    }

    #[test]
    fn the_builtin_layout_compiles() {
        assert!(Layout::builtin().sources().len() > 40);
        assert!(globs(&Layout::builtin().patterns).is_ok());
    }

    #[test]
    fn a_path_that_is_a_pattern_is_of_the_first_row_that_fits() {
        let layout = Layout::builtin();
        let globs = globs(&layout.patterns).unwrap();
        for (path, row) in &layout.plain {
            assert_eq!(layout.pattern_rows[globs.matches(path)[0]], *row, "{path}");
        }
        assert!(layout.plain.len() > 50);
    }

    #[test]
    fn every_name_of_a_log_leads_to_its_source() {
        for (path, source) in [
            ("kubelet/kubelet.log", "kubelet"),
            ("kernel/dmesg.human.current", "kernel"),
            ("var_log/messages", "system"),
            ("var_log/aws-routed-eni/ipamd.log", "ipamd"),
            ("var_log/aws-routed-eni/ipamd-2026-11-20T03-12-00.000.log.gz", "ipamd"),
            ("var_log/kube-system_aws-node-7hq2p_0d5c/aws-node/0.log", "aws-node"),
            ("var_log/kube-system_aws-node-7hq2p_0d5c/aws-node/0.log.20261122-070001.gz", "aws-node"),
            ("var_log/coredns-5d78c9869d-abc12_kube-system_coredns-0123abcd.log", "coredns"),
            ("var_log/kube-system_ebs-csi-node-4m8zz_u/ebs-plugin/3.log", "ebs-csi"),
            ("var_log/payments_web-6d5f_u/app/0.log", "pod"),
            ("networking/iptables-save.txt", "iptables"),
            ("ipamd/metrics.json", "metrics"),
            ("ipamd/enis.json", "ipamd-state"),
            ("journalctl.log", "system"),
            ("notes.txt", "unknown"),
        ] {
            assert_eq!(classify(path).source.name(), source, "{path}");
        }
        assert!(!classify("notes.txt").known);
    }

    #[test]
    fn twins_share_a_group_and_differ_in_rank() {
        let (human, current) = (classify("kernel/dmesg.human.current"), classify("kernel/dmesg.current"));
        assert_eq!(human.echo.unwrap().group, current.echo.unwrap().group);
        assert!(human.echo.unwrap().rank < current.echo.unwrap().rank);
        let pod = classify("var_log/kube-system_kube-proxy-x_u/kube-proxy/0.log").echo.unwrap();
        let container = classify("var_log/kube-proxy-x_kube-system_kube-proxy-0a.log").echo.unwrap();
        assert_eq!(pod.group, container.group);
    }

    #[test]
    fn programs_have_sources() {
        let layout = Layout::builtin();
        assert_eq!(layout.program(b"kubelet-wrapper").unwrap().name(), "kubelet");
        assert_eq!(layout.program(b"systemd-networkd").unwrap().name(), "networkd");
        assert_eq!(layout.program(b"postfix"), None);
    }
}
