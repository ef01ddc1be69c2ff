//! The node's state as its tools print it: one parser per format, typed, each item with the place where it stands.
//!
//! A parser takes a file's bytes and never fails: what it cannot read is a [`Problem`] with its place, and the rest is still read. A file
//! in an unknown format therefore yields an empty value and a problem, never a silent empty one. Parsers know nothing of bundles,
//! checks or severities.

pub mod api_probe;
pub mod cni_conflist;
pub mod cni_containers;
pub mod conntrack;
pub mod containerd_config;
pub mod containerd_version;
pub mod cpu_throttling;
pub mod ctr;
pub mod df;
pub mod docker_info;
pub mod document;
pub mod ebpf;
pub mod enis;
pub mod ethtool;
pub mod fstab;
pub mod goroutines;
pub mod ifconfig;
pub mod inodes;
pub mod instance;
pub mod interface;
pub mod io_throttling;
pub mod ip_addr;
pub mod ip_route;
pub mod ip_rule;
pub mod ipam_checkpoint;
pub mod ipamd_settings;
pub mod ipset;
pub mod iptables_list;
pub mod iptables_save;
pub mod ipvsadm;
pub mod kubeconfig;
pub mod kubelet_config;
pub mod kubelet_flags;
pub mod large_environments;
pub mod lsblk;
pub mod lsmod;
pub mod metrics;
pub mod mounts;
pub mod netstat;
pub mod packages;
pub mod ping;
pub mod pod_local_storage;
pub mod pressure;
pub mod process_stat;
pub mod procstat;
pub mod ps;
pub mod reboots;
pub mod resolv_conf;
pub mod selinux;
pub mod services;
pub mod sysctl;
pub mod systemd_analyze;
pub mod systemd_unit;
pub mod threads;
pub mod top;
pub mod uname;
pub mod xfs;

mod content;
#[cfg(test)]
mod damage;
pub mod heavy;
mod json;
mod words;

use std::fmt;

use memchr::memchr;

pub use content::Content;

/// Where something stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte; a newline is not part of the span.
    pub end: u64,
    /// The line in which it starts, 1-based.
    pub line: u64,
}

/// Something that a parser could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub span: Span,
    /// What was expected there.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.span.line, self.what)
    }
}

/// Problems that are kept of one file; the number of all of them is exact.
const KEPT: usize = 16;

/// What one file says, and what of it could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed<T> {
    /// What it says.
    pub value: T,
    /// The first places that could not be read.
    pub problems: Vec<Problem>,
    /// How many places could not be read.
    pub problem_count: u64,
}

impl<T> Parsed<T> {
    /// A value without problems so far.
    pub fn new(value: T) -> Self {
        Self { value, problems: Vec::new(), problem_count: 0 }
    }

    /// Notes a place that could not be read.
    pub fn problem(&mut self, span: Span, what: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < KEPT {
            self.problems.push(Problem { span, what: what.into() });
        }
    }
}

/// The lines of a text with their places; a carriage return before the newline belongs to neither line nor span.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
    start: u64,
    line: u64,
}

impl<'a> Lines<'a> {
    /// The lines of a whole file.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: text, start: 0, line: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (Span, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, next) = match memchr(b'\n', self.rest) {
            Some(end) => (&self.rest[..end], end + 1),
            None => (self.rest, self.rest.len()),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.line += 1;
        let span = Span { start: self.start, end: self.start + line.len() as u64, line: self.line };
        self.rest = &self.rest[next..];
        self.start += next as u64;
        Some((span, line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_the_file(text in "[a-c\r\n]{0,40}") {
            let lines: Vec<_> = Lines::new(text.as_bytes()).collect();
            let naive: Vec<&str> = text.split_terminator('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
            prop_assert_eq!(lines.len(), naive.len());
            for (number, ((span, line), wanted)) in lines.iter().zip(naive).enumerate() {
                prop_assert_eq!(*line, wanted.as_bytes());
                prop_assert_eq!(&text.as_bytes()[span.start as usize..span.end as usize], *line);
                prop_assert_eq!(span.line, number as u64 + 1);
            }
        }
    }
}
