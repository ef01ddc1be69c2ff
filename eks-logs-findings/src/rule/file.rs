//! One rule file: TOML to [`Rule`], with the line of what is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use eks_logs_core::Layout;
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use toml::Spanned;

use super::{
    ClearedBy, Escalate, Example, LeadsTo, LineMatcher, Pattern, Remedy, Repeat, Rule, RuleId, Section, Unless,
};
use crate::Severity;
use crate::checks;
use crate::entity::EntityKind;

/// The shortest literal, in bytes: shorter ones stand in every line and make a scan slow.
const SHORTEST_LITERAL: usize = 4;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    /// One line for people, without a full stop.
    #[schemars(with = "String")]
    title: Spanned<String>,
    /// How bad one occurrence is: a claim about the node.
    severity: Severity,
    /// Why.
    severity_reason: String,
    /// Whose lines are authoritative.
    #[schemars(with = "Vec<String>", length(min = 1))]
    sources: Spanned<Vec<Spanned<String>>>,
    /// The upstream code that prints the phrase.
    origin: String,
    /// The version that introduced the rule.
    since: String,
    /// Ids of the signal catalogue that it covers.
    #[serde(default)]
    signals: Vec<String>,
    /// Ids of rules whose fault this one can bring about.
    #[serde(default)]
    causes: Vec<String>,
    /// The same, with conditions.
    #[serde(default)]
    leads_to: Vec<LeadsToFile>,
    /// Links.
    #[serde(default)]
    docs: Vec<String>,
    /// Named captures that tell one subject from another, in `regex` or, where there is one, in `subject_regex`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    subject: Vec<Spanned<String>>,
    /// It only wraps the error of something else: where another rule is about the same line or event and is no milder, that one is told.
    #[serde(default)]
    generic: bool,
    /// It reads what components quote: output of probes, commands, statuses. Otherwise a match lies in the component's own words.
    #[serde(default)]
    reads_quoted: bool,
    /// What a line looks like. A rule has this or `check`.
    #[serde(rename = "match")]
    matcher: Option<MatcherFile>,
    /// Which structured check finds the fault: the one of the rule's id.
    check: Option<CheckFile>,
    /// Contexts in which a match is benign.
    #[serde(default)]
    unless: Vec<UnlessFile>,
    /// Below this it is no finding.
    repeat: Option<RepeatFile>,
    /// When it is worse; the highest severity whose conditions all hold wins.
    #[serde(default)]
    escalate: Vec<EscalateFile>,
    /// A later line that says that the fault ended.
    cleared_by: Option<ClearedByFile>,
    /// What to do.
    remedy: RemedyFile,
    /// Lines that match: at least two.
    #[serde(default)]
    examples: Vec<ExampleFile>,
    /// Lines that do not: at least one.
    #[serde(default)]
    counter_examples: Vec<ExampleFile>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MatcherFile {
    /// The line holds at least one of these, byte for byte.
    #[schemars(with = "Vec<String>", length(min = 1))]
    literals: Spanned<Vec<Spanned<String>>>,
    /// And its message matches this (Rust regex syntax, bytes).
    #[schemars(with = "Option<String>")]
    regex: Option<Spanned<String>>,
    /// Searched in a message that matches: where the subject is named, if it need not stand in what `regex` matches.
    #[schemars(with = "Option<String>")]
    subject_regex: Option<Spanned<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckFile {
    /// The part of the node's state that it belongs to.
    section: Section,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UnlessFile {
    /// Searched in the message.
    #[schemars(with = "String")]
    regex: Spanned<String>,
    /// Why the line is benign then.
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RepeatFile {
    count: u64,
    /// A window, such as "5m".
    #[schemars(with = "Option<String>")]
    within: Option<Spanned<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EscalateFile {
    count: Option<u64>,
    /// A window, such as "5m".
    #[schemars(with = "Option<String>")]
    within: Option<Spanned<String>>,
    /// It goes on for so long, with no pause longer than that.
    #[schemars(with = "Option<String>")]
    lasts: Option<Spanned<String>>,
    /// The severity then.
    #[schemars(with = "Severity")]
    severity: Spanned<Severity>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClearedByFile {
    /// The line holds at least one of these, byte for byte.
    #[schemars(with = "Vec<String>", length(min = 1))]
    literals: Spanned<Vec<Spanned<String>>>,
    /// And its message matches this (Rust regex syntax, bytes).
    #[schemars(with = "Option<String>")]
    regex: Option<Spanned<String>>,
    severity: Severity,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LeadsToFile {
    /// The id of the rule of the effect.
    rule: String,
    /// The effect comes at most so long after the cause, such as "10m".
    #[schemars(with = "Option<String>")]
    within: Option<Spanned<String>>,
    /// Both name the same one of at least one of these kinds.
    #[serde(default)]
    shares: Vec<EntityKind>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RemedyFile {
    #[serde(default)]
    steps: Vec<String>,
    #[serde(default)]
    commands: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExampleFile {
    /// For a line: the file in which it stands.
    file: Option<String>,
    /// The whole line, without its newline.
    line: Option<String>,
    /// For a check: the files of a small bundle, by path.
    #[serde(default)]
    files: BTreeMap<String, String>,
    why: Option<String>,
}

/// What is wrong with a rule file, and in which line (1-based; 0 for the file as a whole).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) line: usize,
    pub(super) reason: String,
}

/// Whether patterns are compiled, and examples demanded, now or were by the tests of this crate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Embedded,
    Checked,
}

struct Reader<'a> {
    text: &'a str,
    trust: Trust,
}

/// The JSON Schema of a rule file.
pub(super) fn json_schema() -> String {
    serde_json::to_string_pretty(&schema_for!(RuleFile)).unwrap_or_default() + "\n"
}

/// Reads one file.
pub(super) fn read(id: &str, text: &str, trust: Trust) -> Result<Rule, Refused> {
    let reader = Reader { text, trust };
    let file: RuleFile =
        toml::from_str(text).map_err(|why| reader.refuse(why.span().unwrap_or_default(), why.message().to_owned()))?;
    let names_a_path =
        |part: &str| !part.is_empty() && part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if !id.split_once('/').is_some_and(|(area, name)| names_a_path(area) && names_a_path(name)) {
        let reason =
            format!("{id:?} is not a rule id: the file stands in <area>/<name>.toml, lower case, digits and `-`");
        return Err(Refused { line: 0, reason });
    }
    if file.title.get_ref().trim().is_empty() {
        return Err(reader.refuse(file.title.span(), "the title is empty".to_owned()));
    }
    let layout = Layout::builtin();
    if file.sources.get_ref().is_empty() {
        return Err(reader.refuse(file.sources.span(), "a rule names the sources it is about".to_owned()));
    }
    let mut sources = Vec::new();
    for name in file.sources.get_ref() {
        let known = layout.source(name.get_ref()).ok_or_else(|| {
            let names: Vec<_> = layout.sources().iter().map(|source| source.name()).collect();
            reader.refuse(name.span(), format!("unknown source {:?}; one of: {}", name.get_ref(), names.join(", ")))
        })?;
        sources.push(known);
    }
    let whole = |reason: &str| Refused { line: 0, reason: reason.to_owned() };
    let (matcher, check) = match (&file.matcher, &file.check) {
        (Some(lines), None) => {
            let matcher = reader.matcher(&lines.literals, lines.regex.as_ref())?;
            if let Some(regex) = lines.subject_regex.as_ref().filter(|_| file.subject.is_empty()) {
                let reason =
                    "subject_regex without `subject`: name there the captures that tell one subject from another";
                return Err(reader.refuse(regex.span(), reason.to_owned()));
            }
            let subject = lines.subject_regex.as_ref().map(|regex| reader.pattern(regex)).transpose()?;
            (LineMatcher { subject, ..matcher }, None)
        }
        (None, Some(check)) if checks::exists(id) => (LineMatcher::default(), Some(check.section)),
        (None, Some(_)) => {
            return Err(whole(
                "there is no structured check of this id: checks are code; a rule of yours needs [match]",
            ));
        }
        _ => return Err(whole("a rule has either [match] (it reads lines) or [check] (it reads state)")),
    };
    let lines_only =
        !file.unless.is_empty() || !file.escalate.is_empty() || file.repeat.is_some() || file.cleared_by.is_some();
    if check.is_some() && (lines_only || !file.subject.is_empty()) {
        return Err(whole(
            "a check decides by itself: unless, subject, repeat, escalate and cleared_by are for [match]",
        ));
    }
    if trust == Trust::Checked {
        for capture in &file.subject {
            let known = matcher.subject.as_ref().or(matcher.pattern.as_ref()).and_then(Pattern::regex);
            if !known.is_some_and(|regex| regex.capture_names().flatten().any(|name| name == capture.get_ref())) {
                let place = if matcher.subject.is_some() { "subject_regex" } else { "regex" };
                let reason = format!("the {place} has no capture (?P<{}>...)", capture.get_ref());
                return Err(reader.refuse(capture.span(), reason));
            }
        }
        let least = if check.is_some() { 1 } else { 2 };
        if file.examples.len() < least || file.counter_examples.is_empty() {
            let reason = format!(
                "a rule has at least {least} examples and 1 counter-example; this one has {} and {}",
                file.examples.len(),
                file.counter_examples.len()
            );
            return Err(Refused { line: 0, reason });
        }
    }
    let unless = file
        .unless
        .iter()
        .map(|unless| Ok(Unless { pattern: reader.pattern(&unless.regex)?, reason: unless.reason.clone() }));
    let escalate = file.escalate.iter().map(|step| reader.escalate(step));
    let cleared_by = file.cleared_by.as_ref().map(|cleared| {
        Ok(ClearedBy {
            matcher: reader.matcher(&cleared.literals, cleared.regex.as_ref())?,
            severity: cleared.severity,
        })
    });
    let repeat = file
        .repeat
        .as_ref()
        .map(|repeat| Ok(Repeat { count: repeat.count, within: reader.duration(repeat.within.as_ref())? }));
    let leads_to = file.leads_to.iter().map(|edge| {
        let within = reader.duration(edge.within.as_ref())?;
        Ok(LeadsTo { rule: RuleId(edge.rule.clone()), within, shares: edge.shares.clone() })
    });
    let example = |file: ExampleFile| match (check, file.file, file.line, file.files.is_empty()) {
        (None, Some(path), Some(line), true) => Ok(Example { file: path, line, files: BTreeMap::new(), why: file.why }),
        (Some(_), None, None, false) => {
            Ok(Example { file: String::new(), line: String::new(), files: file.files, why: file.why })
        }
        _ => Err(whole("an example of a [match] has `file` and `line`, one of a [check] has `files`")),
    };
    Ok(Rule {
        id: RuleId(id.to_owned()),
        title: file.title.get_ref().clone(),
        severity: file.severity,
        sources,
        causes: file.causes.into_iter().map(RuleId).collect(),
        leads_to: leads_to.collect::<Result<_, _>>()?,
        subject: file.subject.into_iter().map(Spanned::into_inner).collect(),
        generic: file.generic,
        reads_quoted: file.reads_quoted,
        unless: unless.collect::<Result<_, _>>()?,
        escalate: escalate.collect::<Result<_, _>>()?,
        cleared_by: cleared_by.transpose()?,
        repeat: repeat.transpose()?,
        remedy: Remedy { steps: file.remedy.steps, commands: file.remedy.commands },
        severity_reason: file.severity_reason,
        origin: file.origin,
        since: file.since,
        signals: file.signals,
        docs: file.docs,
        matcher,
        check,
        examples: file.examples.into_iter().map(example).collect::<Result<_, _>>()?,
        counter_examples: file.counter_examples.into_iter().map(example).collect::<Result<_, _>>()?,
    })
}

impl Reader<'_> {
    fn refuse(&self, span: std::ops::Range<usize>, reason: String) -> Refused {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        Refused { line: before.matches('\n').count() + 1, reason }
    }

    fn matcher(
        &self,
        literals: &Spanned<Vec<Spanned<String>>>,
        regex: Option<&Spanned<String>>,
    ) -> Result<LineMatcher, Refused> {
        if literals.get_ref().is_empty() {
            let reason = "a rule needs a literal that each matching line holds: without one every line runs its regex"
                .to_owned();
            return Err(self.refuse(literals.span(), reason));
        }
        for literal in literals.get_ref() {
            if literal.get_ref().len() < SHORTEST_LITERAL || literal.get_ref().contains('\n') {
                let reason = format!("literal {:?}: at least {SHORTEST_LITERAL} bytes, of one line", literal.get_ref());
                return Err(self.refuse(literal.span(), reason));
            }
        }
        Ok(LineMatcher {
            literals: literals.get_ref().iter().map(|literal| literal.get_ref().clone()).collect(),
            pattern: regex.map(|regex| self.pattern(regex)).transpose()?,
            subject: None,
        })
    }

    fn pattern(&self, regex: &Spanned<String>) -> Result<Pattern, Refused> {
        if self.trust == Trust::Embedded {
            return Ok(Pattern::embedded(regex.get_ref()));
        }
        let pattern =
            Pattern::new(regex.get_ref()).map_err(|why| self.refuse(regex.span(), format!("bad regex: {why}")))?;
        if pattern.is_match(b"") {
            let reason =
                "the regex matches nothing at all, and so every line: look for `||`, `(|` or a `*` around all of it";
            return Err(self.refuse(regex.span(), reason.to_owned()));
        }
        Ok(pattern)
    }

    fn duration(&self, text: Option<&Spanned<String>>) -> Result<Option<Duration>, Refused> {
        let Some(text) = text else { return Ok(None) };
        let parsed: Result<jiff::SignedDuration, _> = text.get_ref().parse();
        let duration =
            parsed.ok().and_then(|duration| Duration::try_from(duration).ok()).filter(|duration| !duration.is_zero());
        match duration {
            Some(duration) => Ok(Some(duration)),
            None => Err(self.refuse(
                text.span(),
                format!("{:?} is not a duration such as \"90s\", \"5m\" or \"1h\"", text.get_ref()),
            )),
        }
    }

    fn escalate(&self, step: &EscalateFile) -> Result<Escalate, Refused> {
        let within = self.duration(step.within.as_ref())?;
        let lasts = self.duration(step.lasts.as_ref())?;
        if (step.count.is_none() && lasts.is_none()) || (step.count.is_none() && within.is_some()) {
            let reason = "an escalation needs `count` (with `within`, if in a window), `lasts`, or both".to_owned();
            return Err(self.refuse(step.severity.span(), reason));
        }
        Ok(Escalate {
            repeat: step.count.map(|count| Repeat { count, within }),
            lasts,
            severity: *step.severity.get_ref(),
            reason: step.reason.clone(),
        })
    }
}
