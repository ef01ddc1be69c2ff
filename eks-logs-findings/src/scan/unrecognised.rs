//! What no rule knows: lines that a component itself logs as error, fatal or panic, gathered into templates. A fault that nobody has
//! written a rule for still surfaces, a handful of templates and never a flood. Which components, and which phrases are known to be
//! harmless, is data: `data/unrecognised.toml`.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use eks_logs_core::{Layout, Source};
use memchr::{memchr, memmem};
use serde::Deserialize;

use super::matcher::Target;
use crate::rule::{LineMatcher, Remedy, Rule, RuleId};
use crate::severity::Severity;

/// The number under which error lines are tallied; no rule of a catalogue has it.
pub(super) const ERROR: u32 = u32::MAX - 1;
/// The number of fatal ones.
pub(super) const FATAL: u32 = u32::MAX;
/// What the literals of levels lead to: the line calls itself an error, whichever.
pub(super) const MARK: Target = Target { rule: u32::MAX, clears: false };
/// Templates that are told.
pub(super) const TOLD: usize = 10;
/// Bytes of a template.
const TEMPLATE: usize = 160;
/// Bytes from the start of a line in which its level stands.
const HEAD: usize = 220;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sources: Vec<String>,
    benign: Vec<String>,
    error: Kind,
    fatal: Kind,
    late: Late,
}

/// A burst of error lines that begins late in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Late {
    /// Lines that make a burst.
    count: u64,
    /// The share of the file that stands in front of the first.
    share: f64,
    /// Bytes that a file has for its parts to mean early and late.
    least_bytes: u64,
    pub(super) severity: Severity,
    pub(super) severity_reason: String,
}

/// Whether error lines, of which the first stands at `first` in a file of `size` bytes, are a burst that begins late; and what that means.
pub(super) fn late(first: u64, size: u64, count: u64) -> Option<&'static Late> {
    let late = &known()?.late;
    (count >= late.count && size >= late.least_bytes && first as f64 >= late.share * size as f64).then_some(late)
}

/// A rule that the scanner applies without a pattern, as data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    title: String,
    severity: Severity,
    severity_reason: String,
}

struct Known {
    sources: Vec<Source>,
    benign: Option<AhoCorasick>,
    error: Rule,
    fatal: Rule,
    late: Late,
}

fn known() -> Option<&'static Known> {
    static KNOWN: OnceLock<Option<Known>> = OnceLock::new();
    // A file that does not parse fails the test `the_data_is_sound`.
    let load = || {
        let file: File = toml::from_str(include_str!("../../data/unrecognised.toml")).ok()?;
        let sources: Vec<Source> = file.sources.iter().filter_map(|name| Layout::builtin().source(name)).collect();
        Some(Known {
            benign: AhoCorasick::new(&file.benign).ok(),
            error: rule("unrecognised/error", file.error, &sources, STEP),
            fatal: rule("unrecognised/fatal", file.fatal, &sources, STEP),
            late: file.late,
            sources,
        })
    };
    KNOWN.get_or_init(load).as_ref()
}

/// What to do about a line that nobody has judged.
const STEP: &str = "Read the lines around it, and look its text up in the component's source or issues.";

/// A rule without a pattern.
pub(super) fn rule(id: &str, kind: Kind, sources: &[Source], step: &str) -> Rule {
    Rule {
        id: RuleId(id.to_owned()),
        title: kind.title,
        severity: kind.severity,
        severity_reason: kind.severity_reason,
        sources: sources.to_vec(),
        origin: "the component that wrote the line".to_owned(),
        since: "0.1.0".to_owned(),
        signals: Vec::new(),
        causes: Vec::new(),
        leads_to: Vec::new(),
        docs: Vec::new(),
        subject: Vec::new(),
        generic: false,
        reads_quoted: false,
        matcher: LineMatcher::default(),
        check: None,
        unless: Vec::new(),
        repeat: None,
        escalate: Vec::new(),
        cleared_by: None,
        remedy: Remedy { steps: vec![step.to_owned()], commands: Vec::new() },
        examples: Vec::new(),
        counter_examples: Vec::new(),
    }
}

/// The rule under whose number unrecognised lines are tallied.
pub(super) fn rule_of(number: u32) -> Option<&'static Rule> {
    match number {
        ERROR => known().map(|known| &known.error),
        FATAL => known().map(|known| &known.fatal),
        _ => None,
    }
}

/// Whether error lines of this component are mined.
pub(super) fn mines(source: Source) -> bool {
    known().is_some_and(|known| known.sources.contains(&source))
}

/// What stands in a line that calls itself an error: a level by name, or klog's letter with a date. Other lines may hold it too. In files
/// that no journal or syslog writes klog's letter may be the first of the line.
pub(super) fn marks(plain: bool) -> Vec<String> {
    const NAMED: [&str; 10] = [
        // klog as JSON has no level: an error is what has an error and no verbosity.
        ",\"err\":\"",
        "level=error",
        "level=fatal",
        "level=panic",
        "\"level\":\"error\"",
        "\"level\":\"fatal\"",
        "\"level\":\"panic\"",
        "\"level\":\"dpanic\"",
        "[ERROR]",
        "[FATAL]",
    ];
    let mut marks: Vec<String> = NAMED.into_iter().map(str::to_owned).collect();
    // klog's letter and date, `E1119 `: behind `prog[pid]: `, behind CRI's ` F `, and in a file of one component at the start of a line.
    // Each group of four bytes in them holds the letter, for dates alone stand in every line.
    for letter in ["E", "F"] {
        for month in 1..=12 {
            for tens in 0..=3 {
                marks.extend(["]: ", " F "].map(|before| format!("{before}{letter}{month:02}{tens}")));
                let days = (tens * 10).max(1)..tens * 10 + 10;
                let hours = days.filter(|day| plain && *day <= 31).flat_map(|day| [0, 1, 2].map(|hour| (day, hour)));
                marks.extend(hours.map(|(day, hour)| format!("{letter}{month:02}{day:02} {hour}")));
            }
        }
    }
    marks
}

/// Whether a line is known to be harmless.
pub(super) fn is_benign(line: &[u8]) -> bool {
    known().and_then(|known| known.benign.as_ref()).is_some_and(|benign| benign.is_match(line))
}

/// What a line says of itself: [`ERROR`], [`FATAL`], or neither. Reads the beginning of the line only.
pub(super) fn level(line: &[u8]) -> Option<u32> {
    let head = &line[..line.len().min(HEAD)];
    // klog's letter stands where a message starts: at the start of the line, behind `prog[pid]: ` or behind CRI's ` F `.
    let klog = |at: usize| match head.get(at..at + 7) {
        Some([letter @ (b'E' | b'F'), month, digits @ .., b' ', _])
            if month.is_ascii_digit() && digits.iter().all(u8::is_ascii_digit) =>
        {
            Some(if *letter == b'E' { ERROR } else { FATAL })
        }
        _ => None,
    };
    let start = match head.first()? {
        b'{' => return json(line),
        b'E' | b'F' if klog(0).is_some() => return klog(0),
        b'0'..=b'9' => match memmem::find(head.get(..60.min(head.len()))?, b" F ") {
            Some(at) => at + 3,
            None => behind_program(head)?,
        },
        b'A'..=b'Z' => behind_program(head)?,
        _ => return None,
    };
    let rest = head.get(start..)?;
    match rest.first()? {
        b'E' | b'F' => klog(start),
        b'{' => json(&line[start..]),
        b't' | b'l' => named(rest, b"level="),
        b'[' | b'0'..=b'9' => {
            let place = memchr(b'[', &rest[..rest.len().min(40)])?;
            if rest[place..].starts_with(b"[ERROR]") {
                Some(ERROR)
            } else {
                rest[place..].starts_with(b"[FATAL]").then_some(FATAL)
            }
        }
        _ => None,
    }
}

/// The level of a JSON record: zap and logrus name it; klog gives a verbosity to what is no error.
fn json(record: &[u8]) -> Option<u32> {
    let has = |text: &[u8]| memmem::find(record, text).is_some();
    if record.starts_with(b"{\"ts\":") && has(b",\"err\":\"") && !has(b"\"level\":\"") {
        return (!has(b",\"v\":")).then_some(ERROR);
    }
    named(&record[..record.len().min(HEAD)], b"\"level\":\"")
}

/// The level behind a key.
fn named(text: &[u8], key: &[u8]) -> Option<u32> {
    let value = &text[memmem::find(text, key)? + key.len()..];
    if value.starts_with(b"error") {
        return Some(ERROR);
    }
    (value.starts_with(b"fatal") || value.starts_with(b"panic") || value.starts_with(b"dpanic")).then_some(FATAL)
}

/// Where the message of a journal or syslog line starts.
fn behind_program(head: &[u8]) -> Option<usize> {
    Some(memmem::find(head, b": ")? + 2).filter(|at| *at < head.len())
}

/// What a message looks like with its particulars left out: words that hold a digit, paths, ids and quoted values become `*`.
pub(super) fn template(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(&message[..message.len().min(2 * TEMPLATE)]);
    let text = match text.find("level=") {
        // logfmt: the time is not part of it.
        Some(at) if text.starts_with("time=") => &text[at..],
        _ => &text,
    };
    let mut out = String::new();
    for word in text.split_ascii_whitespace() {
        if out.len() >= TEMPLATE {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        let particular = word.bytes().any(|byte| byte.is_ascii_digit() || byte == b'/') || word.len() > 40;
        match word.split_once('=') {
            _ if !particular => out.extend(word.chars().filter(|c| !c.is_control())),
            Some((key, _)) if key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                out.push_str(key);
                out.push_str("=*");
            }
            _ => out.push('*'),
        }
    }
    out
}

/// How much a template deserves to be told: late, sudden and rare ones first. Offsets are in a file of `size` bytes.
pub(super) fn weight(first: u64, last: u64, size: u64, count: u64) -> f64 {
    let size = size.max(1) as f64;
    let late = first as f64 / size;
    let sudden = 1.0 - (last.saturating_sub(first)) as f64 / size;
    let rare = 1.0 / (1.0 + (count.max(1) as f64).log2());
    late + sudden + rare
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_data_is_sound() {
        let file: File = toml::from_str(include_str!("../../data/unrecognised.toml")).unwrap();
        let known = known().unwrap();
        assert_eq!(known.sources.len(), file.sources.len(), "a source that the layout does not know");
        assert!(file.benign.iter().all(|phrase| phrase.len() >= 10), "a phrase so short hides too much");
    }

    #[test]
    fn a_line_tells_its_own_level() {
        for (line, want) in [
            ("Nov 22 07:00:01 h kubelet[31]: E1122 07:00:01.000001      31 a.go:1] \"x\"", Some(ERROR)),
            ("Nov 22 07:00:01 h kubelet[31]: F1122 07:00:01.000001      31 a.go:1] x", Some(FATAL)),
            ("Nov 22 07:00:01 h kubelet[31]: I1122 07:00:01.000001      31 a.go:1] \"Error\" level=error", None),
            ("Nov 22 07:00:01 h containerd[30]: time=\"2026-11-22T07:00:01Z\" level=error msg=x", Some(ERROR)),
            ("Nov 22 07:00:01 h containerd[30]: time=\"2026-11-22T07:00:01Z\" level=info msg=\"level=error\"", None),
            ("{\"level\":\"error\",\"ts\":\"x\"}", Some(ERROR)),
            ("{\"level\":\"panic\",\"ts\":\"x\"}", Some(FATAL)),
            ("{\"level\":\"debug\",\"msg\":\"error\"}", None),
            ("2026-11-22T07:00:01.1Z stderr F E1122 07:00:01.000001       1 a.go:1] x", Some(ERROR)),
            ("2026-11-22T07:00:01.1Z stdout F [FATAL] plugin/x", Some(FATAL)),
            ("2026-11-22T07:00:01.1Z stdout F {\"level\":\"error\"}", Some(ERROR)),
            (
                r#"2026-11-22T07:00:01.1Z stderr F {"ts":1795330801000.25,"msg":"Failed to frob","err":"no"}"#,
                Some(ERROR),
            ),
            (r#"{"ts":1795330801.25,"level":"error","msg":"zap","err":"no"}"#, Some(ERROR)),
            ("2026-11-22T07:00:01.1Z stdout F error: nothing says so", None),
            ("2018-11-14T13:58:34Z [ERROR] x", None),
            ("E1122 07:00:01.000001       1 a.go:1] x", Some(ERROR)),
            (r#"{"ts":1795330801000.25,"caller":"a/b.go:1","msg":"Failed to frob","err":"no"}"#, Some(ERROR)),
            (r#"{"ts":1795330801000.25,"caller":"a/b.go:1","msg":"Frobbed","v":0,"err":"no"}"#, None),
            ("Error: words", None),
            ("", None),
        ] {
            assert_eq!(level(line.as_bytes()), want, "{line}");
        }
    }

    #[test]
    fn a_template_keeps_the_words_and_leaves_the_particulars_out() {
        let of = |message: &str| template(message.as_bytes());
        assert_eq!(of("\"Failed to frob\" pod=\"a/b-1\" err=\"no 17\""), "\"Failed to frob\" pod=* err=\"no *");
        assert_eq!(
            of("\"Failed to frob\" pod=\"c/d-2\" err=\"no 23\""),
            of("\"Failed to frob\" pod=\"a/b-1\" err=\"no 17\"")
        );
        assert_eq!(
            of("time=\"2026-11-22T07:00:01Z\" level=error msg=\"frob\" id=0a1b"),
            "level=error msg=\"frob\" id=*"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..400)) {
            level(&line);
            prop_assert!(template(&line).len() <= 3 * TEMPLATE);
        }
    }
}
