//! `iptables-save` and `ip6tables-save`.
//!
//! A table's rules keep their text in one place and are taken apart when they are looked at: a node with thousands of services has tens of
//! thousands of rules, and a check wants a handful of them in detail.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Lines, Parsed, Span};

/// All tables that were printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IptablesSave {
    /// The tables, in the order in which they were printed.
    pub tables: Vec<Table>,
    /// Which program and back end printed them: `iptables-save v1.8.8 (nf_tables)`.
    pub generator: Option<Box<str>>,
    /// Warnings among the comments, such as that the other back end holds rules too.
    pub warnings: Vec<(Span, Box<str>)>,
}

/// One table: `*nat` to `COMMIT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The line of its name.
    pub span: Span,
    /// `filter`, `nat`, `mangle`, `raw`, `security`.
    pub name: Box<str>,
    /// Its chains.
    pub chains: Vec<Chain>,
    /// Whether its `COMMIT` was there. Without it the output was cut: what is not there may only not have been printed.
    pub complete: bool,
    entries: Vec<Entry>,
    text: String,
}

/// A chain as it was declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its line.
    pub span: Span,
    /// Its name.
    pub name: Box<str>,
    /// `ACCEPT` or `DROP` of a built-in chain.
    pub policy: Option<Box<str>>,
    /// Packets that ran into the policy.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    span: Span,
    start: usize,
    length: u32,
    chain: u32,
}

/// One rule of a table.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// Its line.
    pub span: Span,
    /// The chain it was appended to.
    pub chain: &'a Chain,
    /// All of it behind `-A CHAIN `, as printed.
    pub text: &'a str,
}

/// A condition that may be negated with `!`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given<'a> {
    /// What is compared.
    pub value: &'a str,
    /// Whether it must differ.
    pub negated: bool,
}

impl<'a> Given<'a> {
    /// The value, if it is not negated.
    pub fn positive(self) -> Option<&'a str> {
        (!self.negated).then_some(self.value)
    }
}

/// A rule's parts. What is not among them is counted in `other`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec<'a> {
    /// `-s`.
    pub source: Option<Given<'a>>,
    /// `-d`.
    pub destination: Option<Given<'a>>,
    /// `-i`.
    pub in_interface: Option<Given<'a>>,
    /// `-o`.
    pub out_interface: Option<Given<'a>>,
    /// `-p`.
    pub protocol: Option<Given<'a>>,
    /// `--sport`, `--sports`.
    pub source_ports: Option<Given<'a>>,
    /// `--dport`, `--dports`.
    pub destination_ports: Option<Given<'a>>,
    /// `--ctstate` or `--state`.
    pub state: Option<Given<'a>>,
    /// `--mark`.
    pub mark: Option<Given<'a>>,
    /// `--match-set`: the set's name.
    pub set: Option<Given<'a>>,
    /// `--dst-type`.
    pub destination_type: Option<Given<'a>>,
    /// `-j`.
    pub target: Option<&'a str>,
    /// `-g`.
    pub goto: Option<&'a str>,
    /// `--comment`, unquoted.
    pub comment: Option<Cow<'a, str>>,
    /// `--reject-with`.
    pub reject_with: Option<&'a str>,
    /// `--to-destination`, or `--to-ports` of a REDIRECT.
    pub to_destination: Option<&'a str>,
    /// `--to-source`.
    pub to_source: Option<&'a str>,
    /// `--random-fully`, or the older `--random`.
    pub random: bool,
    /// Options that are none of these (their values too).
    pub other: usize,
}

impl Table {
    /// The chain of that name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| &*chain.name == name)
    }

    /// How many rules it has.
    pub fn rule_count(&self) -> usize {
        self.entries.len()
    }

    /// Its rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        self.entries.iter().filter_map(|entry| {
            let text = self.text.get(entry.start..entry.start + entry.length as usize)?;
            Some(Rule { span: entry.span, chain: self.chains.get(entry.chain as usize)?, text })
        })
    }

    /// The rules of one chain, in order.
    pub fn rules_of<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = Rule<'a>> {
        let wanted = self.chains.iter().position(|known| &*known.name == chain);
        let rules = self.entries.iter().filter(move |entry| wanted == Some(entry.chain as usize));
        rules.filter_map(|entry| {
            let text = self.text.get(entry.start..entry.start + entry.length as usize)?;
            Some(Rule { span: entry.span, chain: self.chains.get(entry.chain as usize)?, text })
        })
    }
}

impl IptablesSave {
    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| &*table.name == name)
    }

    /// How many rules all tables have.
    pub fn rule_count(&self) -> usize {
        self.tables.iter().map(Table::rule_count).sum()
    }
}

impl<'a> Rule<'a> {
    /// Where its packets go: `-j` or `-g`.
    pub fn target(&self) -> Option<&'a str> {
        let spec = self.spec();
        spec.target.or(spec.goto)
    }

    /// Takes it apart.
    pub fn spec(&self) -> Spec<'a> {
        let mut spec = Spec::default();
        let mut words = Words { rest: self.text };
        let mut negated = false;
        while let Some(option) = words.next() {
            if option == "!" {
                negated = true;
                continue;
            }
            let slot = match option {
                "-s" => &mut spec.source,
                "-d" => &mut spec.destination,
                "-i" => &mut spec.in_interface,
                "-o" => &mut spec.out_interface,
                "-p" => &mut spec.protocol,
                "--sport" | "--sports" => &mut spec.source_ports,
                "--dport" | "--dports" => &mut spec.destination_ports,
                "--ctstate" | "--state" => &mut spec.state,
                "--mark" => &mut spec.mark,
                "--match-set" => &mut spec.set,
                "--dst-type" => &mut spec.destination_type,
                "-m" => {
                    words.next();
                    continue;
                }
                "-j" => {
                    spec.target = words.next();
                    continue;
                }
                "-g" => {
                    spec.goto = words.next();
                    continue;
                }
                "--comment" => {
                    spec.comment = words.next().map(unquoted);
                    continue;
                }
                "--reject-with" => {
                    spec.reject_with = words.next();
                    continue;
                }
                "--to-destination" | "--to-ports" => {
                    spec.to_destination = words.next();
                    continue;
                }
                "--to-source" => {
                    spec.to_source = words.next();
                    continue;
                }
                "--random-fully" | "--random" => {
                    spec.random = true;
                    continue;
                }
                _ => {
                    spec.other += 1;
                    negated = false;
                    continue;
                }
            };
            *slot = words.next().map(|value| Given { value, negated });
            negated = false;
        }
        spec
    }
}

/// Words between blanks; a quoted one is one word, its quotes and escapes as printed.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start_matches(' ');
        if self.rest.is_empty() {
            return None;
        }
        let bytes = self.rest.as_bytes();
        let end = if bytes[0] == b'"' {
            let mut at = 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at + 1
        } else {
            memchr::memchr(b' ', bytes).unwrap_or(bytes.len())
        };
        // An escape may have led past the end, or into a character.
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(word)
    }
}

fn unquoted(word: &str) -> Cow<'_, str> {
    let Some(inner) = word.strip_prefix('"') else { return Cow::Borrowed(word) };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Cow::Owned(plain)
}

/// Reads the output of `iptables-save` or `ip6tables-save`.
pub fn parse(text: &[u8]) -> Parsed<IptablesSave> {
    let mut parsed = Parsed::new(IptablesSave::default());
    let mut open: Option<(Table, HashMap<&str, u32>)> = None;
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        let line = line.trim_end();
        let Some(first) = line.as_bytes().first() else { continue };
        match (first, &mut open) {
            (b'#', _) => comment(&mut parsed, span, line[1..].trim_start()),
            (b'*', _) => {
                if let Some((table, _)) = open.take() {
                    parsed.problem(span, format!("table {} ends without COMMIT", table.name));
                    parsed.value.tables.push(table);
                }
                let table = Table { span, name: line[1..].into(), ..Table::default() };
                open = Some((table, HashMap::new()));
            }
            (b':', Some((table, known))) => match declaration(span, &line[1..]) {
                Some((name, chain)) if !known.contains_key(name) => {
                    known.insert(name, table.chains.len() as u32);
                    table.chains.push(chain);
                }
                Some((name, _)) => parsed.problem(span, format!("chain {name} is declared twice")),
                None => parsed.problem(span, "expected `:CHAIN POLICY [packets:bytes]`"),
            },
            (b'-' | b'[', Some((table, known))) => match appended(line) {
                Some((chain, rule)) => match (known.get(chain), u32::try_from(rule.len())) {
                    (Some(&chain), Ok(length)) => {
                        let start = table.text.len();
                        table.text.push_str(rule);
                        table.entries.push(Entry { span, start, length, chain });
                    }
                    _ => parsed.problem(span, format!("chain {chain} was not declared")),
                },
                None => parsed.problem(span, "expected `-A CHAIN ...`"),
            },
            (b'C', Some(_)) if line == "COMMIT" => {
                if let Some((mut table, _)) = open.take() {
                    table.complete = true;
                    parsed.value.tables.push(table);
                }
            }
            _ => parsed.problem(span, "expected a table, a chain, a rule or COMMIT"),
        }
    }
    if let Some((table, _)) = open {
        let end = Span { start: text.len() as u64, end: text.len() as u64, line: last_line(text) };
        parsed.problem(end, format!("the file ends within table {}", table.name));
        parsed.value.tables.push(table);
    }
    for table in &mut parsed.value.tables {
        table.chains.shrink_to_fit();
        table.entries.shrink_to_fit();
        table.text.shrink_to_fit();
    }
    parsed
}

/// The line in which the end of a text stands.
pub(super) fn last_line(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64 + 1
}

fn comment(parsed: &mut Parsed<IptablesSave>, span: Span, said: &str) {
    if let Some(generated) = said.strip_prefix("Generated by ") {
        let generator = generated.split(" on ").next().unwrap_or(generated);
        parsed.value.generator.get_or_insert_with(|| generator.into());
    } else if said.starts_with("Warning: ") {
        parsed.value.warnings.push((span, said.into()));
    }
}

/// `KUBE-SERVICES - [0:0]`
fn declaration(span: Span, line: &str) -> Option<(&str, Chain)> {
    let (name, rest) = line.split_once(' ')?;
    let (policy, counters) = rest.split_once(' ')?;
    let (packets, bytes) = counters.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    let policy = (policy != "-").then(|| policy.into());
    let chain = Chain { span, name: name.into(), policy, packets: packets.parse().ok()?, bytes: bytes.parse().ok()? };
    Some((name, chain))
}

/// `-A CHAIN rule`, with the counters of `-c` before it.
fn appended(line: &str) -> Option<(&str, &str)> {
    let line = if line.starts_with('[') { line.split_once("] ")?.1 } else { line };
    let line = line.strip_prefix("-A ")?;
    Some(line.split_once(' ').unwrap_or((line, "")))
}

#[cfg(test)]
#[path = "iptables_save_tests.rs"]
mod tests;
