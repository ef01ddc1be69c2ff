//! Answers for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use eks_logs_findings::{BundleInfo, Coverage, Finding, Gap, Hypothesis, Severity};
use eks_logs_tools::{CheckAnswer, ErrorsAnswer, Presence, RuleAnswer, RulesAnswer, TriageAnswer, ValidateAnswer};

use crate::terminal::{neutral, shortened};

/// Characters of a quoted line that are shown; JSON has all of it.
const LINE: usize = 400;
/// Gaps that are listed one by one.
const GAPS: usize = 12;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn colour(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Cyan.on_default(),
        Severity::Info => DIM,
    }
}

/// Writing to a `String` cannot fail.
macro_rules! say {
    ($out:expr) => { let _ = writeln!($out); };
    ($out:expr, $($part:tt)*) => { let _ = writeln!($out, $($part)*); };
}

/// `hidden` findings are of severities that were not asked for.
pub(crate) fn triage(answer: &TriageAnswer, hidden: usize) -> String {
    let mut out = String::new();
    header(&mut out, &answer.bundle, &answer.coverage);
    say!(out);
    if answer.findings.is_empty() && hidden == 0 {
        say!(out, "No rule matched. That is no proof of health: see what is not known below.");
    } else {
        say!(out, "{BOLD}Likely causes{BOLD:#}");
        for hypothesis in answer.hypotheses.iter().take(3) {
            self::hypothesis(&mut out, hypothesis);
        }
        say!(out);
        say!(out, "{BOLD}Findings{BOLD:#} ({})", counts(&answer.findings));
        let (unrecognised, known): (Vec<_>, Vec<_>) =
            answer.findings.iter().partition(|finding| finding.rule.area() == "unrecognised");
        for finding in known {
            self::finding(&mut out, finding);
        }
        if !unrecognised.is_empty() {
            say!(out);
            say!(out, "{BOLD}Errors that no rule knows{BOLD:#}");
            for finding in unrecognised {
                self::finding(&mut out, finding);
            }
        }
    }
    if hidden > 0 {
        say!(out);
        say!(out, "Not shown: {hidden} of other severities (--severity all)");
    }
    gaps(&mut out, &answer.gaps);
    out
}

fn header(out: &mut String, bundle: &BundleInfo, coverage: &Coverage) {
    let node = bundle.instance_id.as_deref().unwrap_or("unknown instance");
    let when = bundle.collected_at.map_or("at an unknown time".to_owned(), |at| at.to_string());
    say!(out, "{BOLD}{}{BOLD:#}, collected {when}", neutral(node));
    say!(out, "{DIM}{}{DIM:#}", neutral(&bundle.locator));
    let complete = if coverage.scan_complete { "nothing left out" } else { "NOT COMPLETE, see the gaps" };
    say!(
        out,
        "read {} of {} files, {} lines, {} bytes: {complete}",
        coverage.files_scanned,
        coverage.files_total,
        coverage.lines_scanned,
        coverage.bytes_scanned
    );
}

fn counts(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let parts = Severity::ALL.into_iter().filter(|severity| count(*severity) > 0);
    parts.map(|severity| format!("{} {severity}", count(severity))).collect::<Vec<_>>().join(", ")
}

fn hypothesis(out: &mut String, hypothesis: &Hypothesis) {
    say!(out, "{:>3}. {} {DIM}{}{DIM:#}", hypothesis.rank, hypothesis.title, hypothesis.rule);
    say!(out, "     {}", hypothesis.explanation);
    for step in hypothesis.remedy.iter().take(3) {
        say!(out, "     - {step}");
    }
}

fn finding(out: &mut String, finding: &Finding) {
    let style = colour(finding.severity);
    let subject = if finding.subject.is_empty() { String::new() } else { format!(" [{}]", neutral(&finding.subject)) };
    let ended = if finding.cleared { ", ended since" } else { "" };
    say!(out);
    say!(out, "{style}{:<8}{style:#} {BOLD}{}{BOLD:#} {}{subject}", finding.severity, finding.id, finding.title);
    say!(
        out,
        "         {} in {}, {}{ended} {DIM}{}{DIM:#}",
        times(finding.count),
        finding.source,
        seen(finding),
        finding.rule
    );
    say!(out, "         {}", neutral(&finding.severity_reason));
    for line in &finding.evidence {
        let again = if line.duplicate { " (the same event, printed again)" } else { "" };
        let (file, span) = (neutral(&line.file), format!("{}..{}", line.start_byte, line.end_byte));
        say!(out, "         {DIM}{file}:{} bytes {span}{again}{DIM:#}", line.line);
        say!(out, "           {}", shortened(&neutral(&line.text), LINE));
    }
    if finding.evidence_omitted > 0 {
        say!(out, "         {DIM}and {} more (--evidence all){DIM:#}", lines(finding.evidence_omitted));
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn lines(count: u64) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

fn seen(finding: &Finding) -> String {
    match (finding.first_seen, finding.last_seen) {
        (Some(first), Some(last)) if first == last => format!("at {first}"),
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "at an unknown time".to_owned(),
    }
}

fn gaps(out: &mut String, gaps: &[Gap]) {
    if gaps.is_empty() {
        return;
    }
    say!(out);
    say!(out, "{BOLD}Not known{BOLD:#}");
    // What was cut or skipped matters most; files that no rule reads yet are many and of one kind.
    let (quiet, loud): (Vec<&Gap>, Vec<&Gap>) =
        gaps.iter().partition(|gap| matches!(gap.kind, "not-analysed" | "missing"));
    for gap in loud.iter().take(GAPS) {
        let file = gap.file.as_ref().map_or(String::new(), |file| format!("{}: ", neutral(file)));
        say!(out, "  {file}{}", neutral(&gap.detail));
    }
    if loud.len() > GAPS {
        say!(out, "  and {} more (--format json)", loud.len() - GAPS);
    }
    for (kind, what) in [
        ("missing", "that the collector always writes, missing"),
        ("not-analysed", "read but not judged, no rule is about them yet"),
    ] {
        let files: Vec<&str> =
            quiet.iter().filter(|gap| gap.kind == kind).filter_map(|gap| gap.file.as_deref()).collect();
        if !files.is_empty() {
            let named = files.iter().take(6).map(|file| neutral(file)).collect::<Vec<_>>().join(", ");
            let more = if files.len() > 6 { format!(" and {} more", files.len() - 6) } else { String::new() };
            let files = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
            say!(out, "  {files} {what}: {named}{more}");
        }
    }
}

pub(crate) fn errors(answer: &ErrorsAnswer) -> String {
    let mut out = String::new();
    for finding in &answer.findings {
        let style = colour(finding.severity);
        say!(
            out,
            "{style}{:<8}{style:#} {BOLD}{}{BOLD:#} {:>6}x {} {DIM}{}{DIM:#}",
            finding.severity,
            finding.finding_id,
            finding.count,
            finding.pattern,
            neutral(&finding.file)
        );
        for line in finding.detail.iter().flat_map(|detail| &detail.evidence) {
            say!(
                out,
                "           {DIM}{}:{}{DIM:#} {}",
                neutral(&line.file),
                line.line,
                shortened(&neutral(&line.text), LINE)
            );
        }
    }
    let shown = answer.page_offset + answer.findings.len();
    if answer.total_findings == 0 {
        say!(out, "No finding of the severities asked for. That is no proof of health.");
    } else {
        say!(out, "{} to {shown} of {} findings", answer.page_offset + usize::from(shown > 0), answer.total_findings);
    }
    if let Some(token) = &answer.next_page_token {
        say!(out, "more: --page-token {token}");
    }
    if !answer.coverage_report.coverage.scan_complete {
        say!(out, "The bundle was not read completely:");
    }
    gaps(
        &mut out,
        &answer
            .coverage_report
            .gaps
            .iter()
            .filter(|gap| matches!(gap.kind, "cut" | "skipped"))
            .cloned()
            .collect::<Vec<_>>(),
    );
    out
}

pub(crate) fn validate(answer: &ValidateAnswer) -> String {
    let mut out = String::new();
    let node = answer.instance_id.as_deref().unwrap_or("unknown instance");
    let verdict = if answer.complete { "complete" } else { "not complete" };
    say!(out, "{BOLD}{}{BOLD:#}: {verdict}, {} files, {}", neutral(node), answer.file_count, answer.total_size_human);
    for source in answer.sources.iter().filter(|source| source.presence != Presence::Present) {
        let presence = match source.presence {
            Presence::Present => "present",
            Presence::Empty => "empty",
            Presence::Truncated => "cut off",
            Presence::Absent => "absent",
            Presence::NormalToBeAbsent => "absent, as is normal here",
        };
        say!(out, "  {}: {presence} ({})", source.file, source.why);
    }
    for file in &answer.manifest {
        say!(out, "  {:>12}  {:<22} {}", file.size_human, file.source, neutral(&file.key));
    }
    gaps(&mut out, &answer.gaps.iter().filter(|gap| gap.kind != "missing").cloned().collect::<Vec<_>>());
    out
}

pub(crate) fn rules(answer: &RulesAnswer) -> String {
    let mut out = String::new();
    for rule in &answer.rules {
        let style = colour(rule.severity);
        say!(out, "{style}{:<8}{style:#} {:<44} {}", rule.severity, rule.id, rule.title);
    }
    say!(out, "{} rules", answer.count);
    out
}

pub(crate) fn checked(answer: &CheckAnswer) -> String {
    let mut out = String::new();
    for overlap in &answer.overlaps {
        let how = if overlap.shadowed { "is shadowed by" } else { "overlaps with" };
        say!(out, "{} {how} {}: every example of it matches there too", overlap.rule, overlap.by);
    }
    let rules =
        if answer.count == 1 { "1 rule is sound".to_owned() } else { format!("{} rules are sound", answer.count) };
    say!(out, "{rules} ({} in all with the built-in ones)", answer.in_all);
    out
}

pub(crate) fn rule(answer: &RuleAnswer) -> String {
    let mut out = String::new();
    let style = colour(answer.line.severity);
    say!(out, "{BOLD}{}{BOLD:#}: {}", answer.line.id, answer.line.title);
    say!(out, "{style}{}{style:#}: {}", answer.line.severity, answer.severity_reason);
    let mut list = |name: &str, items: &[String]| {
        if !items.is_empty() {
            say!(out, "{BOLD}{name}{BOLD:#}");
            for item in items {
                say!(out, "  {item}");
            }
        }
    };
    list("Read in lines of", &[answer.line.sources.join(", ")]);
    list("A line holds one of", &answer.literals);
    list("and its message matches", answer.regex.as_slice());
    list("unless", &answer.unless);
    list("Can bring about", &answer.causes);
    list("What to do", &answer.remedy.steps);
    list("Commands", &answer.remedy.commands);
    list("Examples", &answer.examples);
    list("Not this", &answer.counter_examples);
    list("Printed by", std::slice::from_ref(&answer.origin));
    list("More", &answer.docs);
    out
}
