//! `conntrack -S` (counters of each processor) and `conntrack -L` (the connection table), as the collector writes them into one file.
//!
//! The table may have hundreds of thousands of entries: they are added up as they are read, and what is kept does not grow with them.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::heavy::{Heaviest, Heavy};
use super::{Parsed, Span};

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    /// Counters of each processor: `conntrack -S`.
    pub processors: Vec<Processor>,
    /// Whether `conntrack -L` was run, and where its heading stands.
    pub listed: Option<Span>,
    /// Entries of the table.
    pub entries: u64,
    /// Entries by protocol: `tcp`, `udp`, `icmp`.
    pub by_protocol: BTreeMap<Box<str>, u64>,
    /// TCP entries by state.
    pub by_state: BTreeMap<Box<str>, u64>,
    /// Entries without an answer so far.
    pub unreplied: u64,
    /// What the most entries lead to.
    pub destinations: Vec<Heavy<Endpoint>>,
    /// Where the most entries come from.
    pub sources: Vec<Heavy<IpAddr>>,
    /// What the most entries without an answer lead to.
    pub unreplied_destinations: Vec<Heavy<Endpoint>>,
    /// What the most TCP entries that wait for a SYN's answer lead to.
    pub syn_sent_destinations: Vec<Heavy<Endpoint>>,
    /// How many entries the tool itself says that it showed; it tells on stderr, which most collectors leave out.
    pub shown: Option<u64>,
}

/// The counters of one processor, since boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Its line.
    pub span: Span,
    /// Its number.
    pub cpu: u32,
    counters: Vec<(Box<str>, u64)>,
}

impl Processor {
    /// A counter: `insert_failed`, `drop`, `early_drop`, `invalid` ...; `None` where this kernel has none of that name.
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.counters.iter().find(|(known, _)| &**known == name).map(|(_, value)| *value)
    }
}

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// `tcp`, `udp` ...
    pub protocol: Box<str>,
    /// Its address, before translation: a service's.
    pub address: IpAddr,
    /// Its port; `None` for protocols without.
    pub port: Option<u16>,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.port, self.address) {
            (Some(port), IpAddr::V6(address)) => write!(f, "[{address}]:{port}/{}", self.protocol),
            (Some(port), IpAddr::V4(address)) => write!(f, "{address}:{port}/{}", self.protocol),
            (None, address) => write!(f, "{address}/{}", self.protocol),
        }
    }
}

impl Conntrack {
    /// The sum of a counter over all processors; `None` where none has it.
    pub fn total(&self, name: &str) -> Option<u64> {
        let counters = self.processors.iter().filter_map(|processor| processor.counter(name));
        counters.fold(None, |sum, value| Some(sum.unwrap_or(0u64).saturating_add(value)))
    }
}

/// The reader: give it the file's bytes in any pieces, then [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct ConntrackReader {
    /// The beginning of a line whose end has not come yet, and how much of it was left out.
    rest: Vec<u8>,
    left_out: u64,
    /// Where that line begins, and how many stand before it.
    at: u64,
    lines: u64,
    parsed: Parsed<Conntrack>,
    destinations: Heaviest<Endpoint>,
    sources: Heaviest<IpAddr>,
    unreplied: Heaviest<Endpoint>,
    syn_sent: Heaviest<Endpoint>,
}

/// How many of the heaviest are told.
const TOLD: usize = 10;

/// Bytes that are kept of one line; the tool's own are a few hundred.
const LINE: usize = 64 << 10;

impl ConntrackReader {
    /// Takes the next bytes of the file.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.append(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.end_line();
            self.at += 1;
        }
        self.append(bytes);
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.rest.len()).min(bytes.len());
        self.rest.extend_from_slice(&bytes[..room]);
        self.left_out += (bytes.len() - room) as u64;
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.rest);
        let whole = line.len() as u64 + std::mem::take(&mut self.left_out);
        let text = line.strip_suffix(b"\r").unwrap_or(&line);
        self.lines += 1;
        self.line(Span { start: self.at, end: self.at + text.len() as u64, line: self.lines }, text);
        self.at += whole;
        self.rest = line;
        self.rest.clear();
    }

    fn line(&mut self, span: Span, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else {
            self.parsed.problem(span, "the line is not UTF-8");
            return;
        };
        if line.trim().is_empty() {
            return;
        }
        if let Some(heading) = line.strip_prefix("*** Output of conntrack ") {
            self.heading(span, heading.trim_end_matches([' ', '*']));
        } else if line.starts_with("cpu=") {
            match processor(span, line) {
                Some(processor) => self.parsed.value.processors.push(processor),
                None => self.parsed.problem(span, "expected `cpu=N counter=N ...`"),
            }
        } else if line.starts_with("conntrack v") {
            let shown = line.split_once("): ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
            self.parsed.value.shown = shown;
        } else if self.entry(span, line).is_none() {
            self.parsed.problem(span, "expected an entry: `PROTOCOL NUMBER TIMEOUT [STATE] src=... dst=...`");
        }
    }

    /// A second heading of one kind starts a newer run: the older one was aborted and does not count.
    fn heading(&mut self, span: Span, command: &str) {
        let seen = &self.parsed.value;
        let again = match command {
            "-S" => !seen.processors.is_empty() || seen.listed.is_some(),
            _ => seen.listed.is_some(),
        };
        if again {
            let mut parsed = std::mem::take(&mut self.parsed);
            parsed.value = Conntrack::default();
            parsed.problem(span, "an earlier, aborted collection left its output above; what follows counts");
            let Self { rest, left_out, at, lines, .. } = std::mem::take(self);
            *self = Self { rest, left_out, at, lines, parsed, ..Self::default() };
        }
        if command != "-S" {
            self.parsed.value.listed = Some(span);
        }
    }

    fn entry(&mut self, span: Span, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let mut protocol = words.next()?;
        // The form of `-o extended` and of /proc/net/nf_conntrack names the network protocol first.
        if matches!(protocol, "ipv4" | "ipv6") {
            words.next()?.parse::<u8>().ok()?;
            protocol = words.next()?;
        }
        words.next()?.parse::<u8>().ok()?;
        let (mut state, mut source, mut destination, mut port) = (None, None, None, None);
        let mut unreplied = false;
        for word in words {
            if let Some(address) = word.strip_prefix("src=") {
                // The second source is that of the answers: the rest of the line is not about who asks whom.
                if source.is_some() {
                    break;
                }
                source = Some(address.parse::<IpAddr>().ok()?);
            } else if let Some(address) = word.strip_prefix("dst=") {
                destination = Some(address.parse::<IpAddr>().ok()?);
            } else if let Some(number) = word.strip_prefix("dport=") {
                port = Some(number.parse().ok()?);
            } else if word == "[UNREPLIED]" {
                unreplied = true;
            } else if source.is_none() && word.as_bytes()[0].is_ascii_uppercase() {
                state = Some(word);
            }
        }
        let (source, address) = (source?, destination?);
        let seen = &mut self.parsed.value;
        seen.entries += 1;
        add(&mut seen.by_protocol, protocol);
        if let Some(state) = state {
            add(&mut seen.by_state, state);
        }
        let endpoint = Endpoint { protocol: protocol.into(), address, port };
        if unreplied {
            seen.unreplied += 1;
            self.unreplied.add(&endpoint, span, line);
        }
        if state == Some("SYN_SENT") {
            self.syn_sent.add(&endpoint, span, line);
        }
        self.destinations.add(&endpoint, span, line);
        self.sources.add(&source, span, line);
        Some(())
    }

    /// What the lines said.
    pub fn finish(mut self) -> Parsed<Conntrack> {
        if !self.rest.is_empty() {
            self.end_line();
        }
        let mut parsed = self.parsed;
        parsed.value.destinations = self.destinations.top(TOLD);
        parsed.value.sources = self.sources.top(TOLD);
        parsed.value.unreplied_destinations = self.unreplied.top(TOLD);
        parsed.value.syn_sent_destinations = self.syn_sent.top(TOLD);
        parsed
    }
}

/// Words of a protocol or state are few; of hostile input only the first are told apart.
const KINDS: usize = 64;

fn add(counts: &mut BTreeMap<Box<str>, u64>, word: &str) {
    if let Some(count) = counts.get_mut(word) {
        *count += 1;
        return;
    }
    let word = if counts.len() < KINDS { word } else { "other" };
    *counts.entry(word.into()).or_default() += 1;
}

/// `cpu=0   \tfound=0 invalid=1 insert=0 insert_failed=0 drop=0 ...`
fn processor(span: Span, line: &str) -> Option<Processor> {
    let mut words = line.split_ascii_whitespace();
    let cpu = words.next()?.strip_prefix("cpu=")?.parse().ok()?;
    let counters =
        words.map(|word| word.split_once('=').and_then(|(name, value)| Some((name.into(), value.parse().ok()?))));
    Some(Processor { span, cpu, counters: counters.collect::<Option<_>>()? })
}

/// Reads a whole file.
pub fn parse(text: &[u8]) -> Parsed<Conntrack> {
    let mut reader = ConntrackReader::default();
    reader.push(text);
    reader.finish()
}

#[cfg(test)]
#[path = "conntrack_tests.rs"]
mod tests;
