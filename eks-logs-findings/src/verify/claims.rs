//! What a report claims.

use std::ops::Range;
use std::sync::OnceLock;

use regex::Regex;

use super::ClaimKind;
use super::numbers::{self, PrintedTime};
use super::report::{Sentence, sentences};
use crate::finding::Scan;
use crate::rule::Catalogue;
use crate::severity::Severity;

/// A claim as the report makes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) what: What,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Finding(String),
    Rule { rule: String, denied: bool },
    Quotation { text: String, of: Option<String>, at: Option<Place> },
    Count { number: u64, about: About },
    Time { time: PrintedTime, of: Option<String>, edge: TimeEdge },
    Severity { severity: Severity, of: String },
    Place(Place),
    Identifier(String),
}

/// What a number counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum About {
    /// Occurrences of these findings together.
    Findings(Vec<String>),
    /// Lines that hold these words.
    Words(String),
    /// Findings of the bundle, of one severity or of all.
    All(Option<Severity>),
    /// Files that were scanned.
    Files,
}

/// Which end of a finding a time is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeEdge {
    First,
    Last,
    Any,
}

/// A file, and a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) lines: Option<(u64, u64)>,
    pub(super) bytes: Option<(u64, u64)>,
}

impl Claim {
    pub(super) fn kind(&self) -> ClaimKind {
        match &self.what {
            What::Finding(_) => ClaimKind::FindingId,
            What::Rule { .. } => ClaimKind::Rule,
            What::Quotation { .. } => ClaimKind::Quotation,
            What::Count { .. } => ClaimKind::Count,
            What::Time { .. } => ClaimKind::Time,
            What::Severity { .. } => ClaimKind::Severity,
            What::Place(_) => ClaimKind::Place,
            What::Identifier(_) => ClaimKind::Identifier,
        }
    }
}

/// The words that have to be looked for in the bundle.
pub(super) fn words(claims: &[Claim]) -> Vec<String> {
    let mut words: Vec<String> = claims
        .iter()
        .filter_map(|claim| match &claim.what {
            What::Quotation { text, .. } | What::Identifier(text) => Some(text.clone()),
            What::Count { about: About::Words(text), .. } => Some(text.clone()),
            _ => None,
        })
        .collect();
    words.sort();
    words.dedup();
    words
}

/// The patterns by which claims are told; each compiled once.
struct Patterns {
    id: Regex,
    rule: Regex,
    identifier: Regex,
    severity_behind: Regex,
    severity_before: Regex,
    place: Regex,
    denied: Regex,
    attributed: Regex,
    pronoun: Regex,
}

fn patterns() -> Option<&'static Patterns> {
    static PATTERNS: OnceLock<Option<Patterns>> = OnceLock::new();
    let build = || {
        Some(Patterns {
            id: Regex::new(r"\bF-\d{1,7}\b").ok()?,
            rule: Regex::new(r"\b[a-z][a-z0-9-]*/[a-z][a-z0-9-]*\b").ok()?,
            identifier: Regex::new(
                r"\b(?:(?:i|eni|vol|subnet|sg|fs|vpc)-[0-9a-f]{8,40}|[0-9a-f]{64}|(?:\d{1,3}\.){3}\d{1,3})\b",
            )
            .ok()?,
            severity_behind: Regex::new(
                r"(?i)\b(F-\d{1,7})\b\s*(?:[(\[]\s*|(?:is|was)\s+(?:an?\s+)?|,?\s*severity:?\s*)(critical|high|medium|low|info)\b",
            )
            .ok()?,
            severity_before: Regex::new(
                r"(?i)\b(critical|high|medium|low|info)(?:[- ]severity)?\s+findings?\s+[(\[]?(F-\d{1,7})\b",
            )
            .ok()?,
            place: Regex::new(
                r"(?P<file>[\w@~.+-]+(?:/[\w@~.+-]+)*)(?::(?P<line>\d+)(?:-(?P<to>\d+))?|,?\s+(?:at\s+)?lines?\s+(?P<wline>\d+)(?:\s*(?:-|to|\u{2013})\s*(?P<wto>\d+))?|,?\s+\(?bytes\s+(?P<start>\d+)\s*(?:-|\.\.|to|\u{2013})\s*(?P<end>\d+))?",
            )
            .ok()?,
            denied: Regex::new(r"(?i)\b(?:no|not|without|never|neither|nor|absence of|isn't|wasn't|aren't)\b[^,.;]{0,40}$").ok()?,
            attributed: Regex::new(
                r"(?i)^[\s(\[:,*_\u{2013}\u{2014}-]*(?:which\s+)?(?:says|shows|quotes|cites|prints|logs|logged|reads|evidence|with the line|reports)?[\s:(\[*_]*$",
            )
            .ok()?,
            pronoun: Regex::new(r"^[\s*_-]*(?:It|This|That|The finding|The fault|This finding)\b").ok()?,
        })
    };
    // A pattern that does not compile fails every test of this module.
    PATTERNS.get_or_init(build).as_ref()
}

/// The claims of a report, in its order.
pub(super) fn in_report(report: &str, catalogue: &Catalogue, scan: &Scan) -> Vec<Claim> {
    let Some(patterns) = patterns() else { return Vec::new() };
    let mut claims = Vec::new();
    let mut before: Option<(usize, String)> = None;
    for sentence in sentences(report) {
        let reader = Reader { patterns, catalogue, scan, sentence: &sentence };
        let ids = reader.ids();
        // "It happened 5 times" is about the finding of the sentence before.
        let carried = before
            .as_ref()
            .filter(|(line, _)| {
                ids.is_empty() && sentence.line <= line + 1 && patterns.pronoun.is_match(&sentence.said)
            })
            .map(|(_, id)| id.clone());
        claims.extend(reader.claims(&ids, carried.as_deref()));
        before = match ids.as_slice() {
            [] => carried.map(|id| (sentence.line, id)),
            [(_, only)] => Some((sentence.line, only.clone())),
            many if many.iter().all(|(_, id)| *id == many[0].1) => Some((sentence.line, many[0].1.clone())),
            _ => None,
        };
    }
    claims
}

struct Reader<'a> {
    patterns: &'a Patterns,
    catalogue: &'a Catalogue,
    scan: &'a Scan,
    sentence: &'a Sentence,
}

impl Reader<'_> {
    fn ids(&self) -> Vec<(Range<usize>, String)> {
        self.patterns.id.find_iter(&self.sentence.said).map(|id| (id.range(), id.as_str().to_owned())).collect()
    }

    fn claim(&self, text: &str, what: What) -> Claim {
        Claim { text: text.to_owned(), line: self.sentence.line, what }
    }

    fn claims(&self, ids: &[(Range<usize>, String)], carried: Option<&str>) -> Vec<Claim> {
        let said = &self.sentence.said;
        let mut claims: Vec<(usize, Claim)> = Vec::new();
        // What has been understood as one thing is not read as another.
        let mut taken: Vec<Range<usize>> = ids.iter().map(|(range, _)| range.clone()).collect();
        for (range, id) in ids {
            claims.push((range.start, self.claim(id, What::Finding(id.clone()))));
        }
        for found in self.patterns.rule.find_iter(said) {
            let rule = found.as_str();
            // A rule's id may also be the beginning of a path.
            let goes_on = said[found.end()..].starts_with(['/', '.', ':']) && !said[found.end()..].starts_with(". ");
            let is_rule = self.catalogue.get(rule).is_some() && !self.scan.files.iter().any(|file| file.file == rule);
            if is_rule && !(goes_on && said[found.end()..].len() > 1) {
                let denied = self.patterns.denied.is_match(&said[..found.start()]);
                claims.push((found.start(), self.claim(rule, What::Rule { rule: rule.to_owned(), denied })));
                taken.push(found.range());
            }
        }
        let times = numbers::times(said);
        taken.extend(times.iter().map(|(range, ..)| range.clone()));
        let mut places: Vec<(Range<usize>, Place)> = Vec::new();
        for captures in self.patterns.place.captures_iter(said) {
            let Some(whole) = captures.get(0).filter(|whole| !overlaps(&taken, &whole.range())) else { continue };
            let number = |name: &str| captures.name(name).and_then(|digits| digits.as_str().parse::<u64>().ok());
            let line = number("line").or_else(|| number("wline"));
            let to = number("to").or_else(|| number("wto"));
            let lines = line.map(|line| (line, to.unwrap_or(line)));
            let place = Place {
                file: captures["file"].trim_end_matches('.').to_owned(),
                lines,
                bytes: number("start").zip(number("end")),
            };
            if let Some(place) = self.place(place) {
                places.push((whole.range(), place));
                taken.push(whole.range());
            }
        }
        for (range, place) in &places {
            claims.push((range.start, self.claim(&said[range.clone()], What::Place(place.clone()))));
        }
        for found in self.patterns.identifier.find_iter(said) {
            if !overlaps(&taken, &found.range()) {
                let what = What::Identifier(found.as_str().to_owned());
                claims.push((found.start(), self.claim(found.as_str(), what)));
                taken.push(found.range());
            }
        }
        for (pattern, id, severity) in [(&self.patterns.severity_behind, 1, 2), (&self.patterns.severity_before, 2, 1)]
        {
            for captures in pattern.captures_iter(said) {
                let Some(whole) = captures.get(0) else { continue };
                let Ok(severity) = captures[severity].to_ascii_lowercase().parse() else { continue };
                let what = What::Severity { severity, of: captures[id].to_owned() };
                claims.push((whole.start(), self.claim(whole.as_str(), what)));
            }
        }
        for (range, time, edge) in times {
            let of = nearest(ids, &range).or_else(|| carried.map(str::to_owned));
            claims.push((range.start, self.claim(&said[range.clone()], What::Time { time, of, edge })));
        }
        for (at, text) in &self.sentence.quoted {
            let of = ids
                .iter()
                .rev()
                .find(|(range, _)| range.end <= *at && self.patterns.attributed.is_match(&said[range.end..*at]));
            let at_place = match places.as_slice() {
                [(_, only)] if only.lines.is_some() => Some(only.clone()),
                _ => None,
            };
            let of = of.map(|(_, id)| id.clone());
            claims.push((*at, self.claim(text, What::Quotation { text: text.clone(), of, at: at_place })));
        }
        for counted in numbers::counts(said) {
            if overlaps(&taken, &counted.digits) {
                continue;
            }
            let Some(about) = self.about(&counted, ids, carried) else { continue };
            let what = What::Count { number: counted.number, about };
            claims.push((counted.range.start, self.claim(&said[counted.range.clone()], what)));
        }
        claims.sort_by_key(|(at, _)| *at);
        claims.into_iter().map(|(_, claim)| claim).collect()
    }

    fn about(
        &self,
        counted: &numbers::Counted,
        ids: &[(Range<usize>, String)],
        carried: Option<&str>,
    ) -> Option<About> {
        match counted.unit {
            numbers::Unit::Findings(severity) => {
                // "3 critical findings: F-001, F-002, F-003" counts its own list.
                let mut listed: Vec<&String> = ids.iter().map(|(_, id)| id).collect();
                listed.sort();
                listed.dedup();
                (listed.is_empty() || listed.len() as u64 != counted.number).then_some(About::All(severity))
            }
            numbers::Unit::Files => Some(About::Files),
            numbers::Unit::Occurrences { together } => {
                if together && ids.len() > 1 {
                    return Some(About::Findings(ids.iter().map(|(_, id)| id.clone()).collect()));
                }
                if let Some(id) = nearest(ids, &counted.range).or_else(|| carried.map(str::to_owned)) {
                    return Some(About::Findings(vec![id]));
                }
                match self.sentence.quoted.as_slice() {
                    [(_, only)] => Some(About::Words(only.clone())),
                    _ => None,
                }
            }
        }
    }

    /// Whether a word is meant as a file of the bundle.
    fn place(&self, place: Place) -> Option<Place> {
        let name = place.file.trim_start_matches("./");
        let named = |file: &str| file == name || file.strip_suffix(name).is_some_and(|rest| rest.ends_with('/'));
        let mut known = self.scan.files.iter().filter(|file| named(&file.file));
        if let Some(file) = known.next() {
            // A bare name of several files is none in particular.
            let exact = self.scan.files.iter().any(|file| file.file == name);
            let sure = exact || known.next().is_none();
            let file = if exact { name.to_owned() } else { file.file.clone() };
            let meant = name.contains('/') || name.contains('.') || place.lines.is_some() || place.bytes.is_some();
            return (sure && meant).then_some(Place { file, ..place });
        }
        // `prober.go:107` is where a component's source printed the line.
        if [".go", ".c", ".h", ".rs", ".cc"].iter().any(|ending| name.ends_with(ending)) {
            return None;
        }
        let looks_like_one =
            |part: &str| part.rsplit('/').next().is_some_and(|last| last.contains('.') && !last.starts_with('.'));
        let numbered = place.lines.is_some() || place.bytes.is_some();
        let top = name.split_once('/').map(|(top, _)| top);
        let below = top.is_some_and(|top| {
            self.scan.files.iter().any(|file| file.file.split_once('/').is_some_and(|(other, _)| other == top))
        });
        let letters = name.bytes().any(|byte| byte.is_ascii_alphabetic());
        let meant =
            letters && ((numbered && (name.contains('/') || looks_like_one(name))) || (below && looks_like_one(name)));
        meant.then(|| Place { file: name.to_owned(), ..place })
    }
}

fn overlaps(taken: &[Range<usize>], range: &Range<usize>) -> bool {
    taken.iter().any(|other| other.start < range.end && range.start < other.end)
}

/// The finding that a number belongs to: the last one before it, or the next one where none stands before.
fn nearest(ids: &[(Range<usize>, String)], range: &Range<usize>) -> Option<String> {
    let before = ids.iter().rev().find(|(id, _)| id.end <= range.start);
    before.or_else(|| ids.iter().find(|(id, _)| id.start >= range.end)).map(|(_, id)| id.clone())
}
