//! What the bundle says to a claim.

use super::claims::{About, Claim, Place, TimeEdge, What};
use super::numbers::{Moment, PrintedTime};
use super::quotes::{Hits, Searched, fragments};
use super::{ClaimVerdict, Judged, Spot};
use crate::finding::{Evidence, Finding, Scan};
use crate::rule::Catalogue;
use crate::severity::Severity;

struct Said {
    verdict: ClaimVerdict,
    reason: String,
    span: Option<Spot>,
    ids: Vec<String>,
}

impl Said {
    fn new(verdict: ClaimVerdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into(), span: None, ids: Vec::new() }
    }

    fn supported(reason: impl Into<String>) -> Self {
        Self::new(ClaimVerdict::Supported, reason)
    }

    fn contradicted(reason: impl Into<String>) -> Self {
        Self::new(ClaimVerdict::Contradicted, reason)
    }

    fn not_found(reason: impl Into<String>) -> Self {
        Self::new(ClaimVerdict::NotFound, reason)
    }

    fn at(mut self, span: Option<Spot>) -> Self {
        self.span = span;
        self
    }

    fn of<'a>(mut self, ids: impl IntoIterator<Item = &'a String>) -> Self {
        self.ids = ids.into_iter().cloned().collect();
        self
    }
}

pub(super) fn judge(claim: &Claim, catalogue: &Catalogue, scan: &Scan, searched: &Searched) -> Judged {
    let judge = Judge { catalogue, scan, searched };
    let said = match &claim.what {
        What::Finding(id) => judge.finding(id),
        What::Rule { rule, denied } => judge.rule(rule, *denied),
        What::Quotation { text, of, at } => judge.quotation(text, of.as_deref(), at.as_ref()),
        What::Count { number, about } => judge.count(*number, about),
        What::Time { time, of, edge } => judge.time(time, of.as_deref(), *edge),
        What::Severity { severity, of } => judge.severity(*severity, of),
        What::Place(place) => judge.place(place),
        What::Identifier(text) => judge.identifier(text),
    };
    Judged {
        kind: claim.kind(),
        claim: claim.text.clone(),
        report_line: claim.line,
        verdict: said.verdict,
        reason: said.reason,
        span: said.span,
        finding_ids: said.ids,
    }
}

struct Judge<'a> {
    catalogue: &'a Catalogue,
    scan: &'a Scan,
    searched: &'a Searched,
}

fn spot(line: &Evidence) -> Spot {
    Spot { file: line.file.clone(), line: line.line, start_byte: line.start_byte, end_byte: line.end_byte }
}

impl Judge<'_> {
    fn find(&self, id: &str) -> Option<&Finding> {
        self.scan.findings.iter().find(|finding| finding.id == id)
    }

    fn no_such(&self, id: &str) -> Said {
        let reason = match self.scan.findings.len() {
            0 => format!("{id} does not exist: the bundle has no findings"),
            count => format!("{id} does not exist: the bundle has {count} findings, F-001 to F-{count:03}"),
        };
        Said::contradicted(reason)
    }

    fn finding(&self, id: &str) -> Said {
        match self.find(id) {
            Some(finding) => Said::supported(format!("{}: {}", finding.rule, finding.title))
                .at(finding.evidence.first().map(spot))
                .of([&finding.id]),
            None => self.no_such(id),
        }
    }

    fn rule(&self, rule: &str, denied: bool) -> Said {
        let of: Vec<&Finding> = self.scan.findings.iter().filter(|finding| finding.rule.as_str() == rule).collect();
        let ids: Vec<&String> = of.iter().map(|finding| &finding.id).collect();
        let listed = ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
        match (of.first(), denied) {
            (Some(first), false) => {
                Said::supported(format!("found as {listed}")).at(first.evidence.first().map(spot)).of(ids)
            }
            (Some(first), true) => {
                Said::contradicted(format!("it was found, as {listed}")).at(first.evidence.first().map(spot)).of(ids)
            }
            (None, _) => {
                let sources = self.catalogue.get(rule).map(|rule| rule.sources.clone()).unwrap_or_default();
                let files: Vec<_> = self
                    .scan
                    .files
                    .iter()
                    .filter(|file| file.bytes > 0 && sources.iter().any(|source| file.speaks_for(*source)))
                    .collect();
                if files.is_empty() {
                    return Said::not_found("the bundle has none of the logs that would show it");
                }
                let bytes: u64 = files.iter().map(|file| file.bytes).sum();
                let reason = format!("no finding of it in {} files, {bytes} bytes", files.len());
                if denied { Said::supported(reason) } else { Said::contradicted(reason) }
            }
        }
    }

    fn hits(&self, text: &str) -> Option<&Hits> {
        self.searched.hits.get(text)
    }

    fn quotation(&self, text: &str, of: Option<&str>, at: Option<&Place>) -> Said {
        let Some(hits) = self.hits(text) else { return self.unheard(text) };
        let Some(first) = hits.places.first() else { return self.unheard(text) };
        let everywhere = format!("{} line{} of the bundle", hits.lines, if hits.lines == 1 { "" } else { "s" });
        if let Some(place) = at
            && let Some((from, to)) = place.lines
        {
            let there = hits.places.iter().find(|spot| spot.file == place.file && (from..=to).contains(&spot.line));
            // Only so many places are kept: beyond them a place may hold the words all the same.
            if there.is_none() && hits.places.len() as u64 == hits.lines {
                let reason = format!(
                    "these words do not stand in {}:{from}; they stand in {}:{}",
                    place.file, first.file, first.line
                );
                return Said::contradicted(reason).at(Some(first.clone()));
            }
            if let Some(there) = there {
                return Said::supported(format!("they stand there, and in {everywhere} in all"))
                    .at(Some(there.clone()));
            }
        }
        if let Some(finding) = of.and_then(|id| self.find(id)) {
            let parts = fragments(text);
            let quoted =
                finding.evidence.iter().find(|line| parts.iter().all(|part| line.text.contains(part.as_str())));
            match quoted {
                Some(line) => {
                    return Said::supported(format!("a line of {}", finding.id)).at(Some(spot(line))).of([&finding.id]);
                }
                None if finding.evidence_omitted == 0 => {
                    let reason = format!(
                        "the bundle holds these words ({}:{}), but no line of {} does",
                        first.file, first.line, finding.id
                    );
                    return Said::contradicted(reason).at(Some(first.clone())).of([&finding.id]);
                }
                None => {}
            }
        }
        let cites = |finding: &&Finding| finding.evidence.iter().any(|line| covers(line, first));
        let ids: Vec<&String> = self.scan.findings.iter().filter(cites).map(|finding| &finding.id).collect();
        Said::supported(format!("stands in {everywhere}")).at(Some(first.clone())).of(ids)
    }

    /// Words that no line holds: perhaps a line holds nearly the same.
    fn unheard(&self, text: &str) -> Said {
        let parts = fragments(text);
        if parts.is_empty() {
            return Said::not_found("too short to look for");
        }
        let masked: Vec<String> = parts.iter().map(|part| mask(part)).collect();
        for finding in &self.scan.findings {
            for line in &finding.evidence {
                let of_line = mask(&line.text);
                if masked.iter().all(|part| of_line.contains(part.as_str())) {
                    let reason = format!("nearly: the line says {:?}", clipped(&line.text));
                    return Said::contradicted(reason).at(Some(spot(line))).of([&finding.id]);
                }
            }
        }
        let unread = if self.searched.unread.is_empty() { "" } else { "; not all of the bundle could be read" };
        Said::not_found(format!("no line of the bundle holds these words{unread}"))
    }

    fn identifier(&self, text: &str) -> Said {
        if self.scan.bundle.instance_id.as_deref() == Some(text) {
            return Said::supported("the bundle's own node");
        }
        match self.hits(text) {
            Some(hits) => Said::supported(format!("stands in {} lines of the bundle", hits.lines))
                .at(hits.places.first().cloned()),
            None => Said::not_found("stands nowhere in the bundle"),
        }
    }

    fn count(&self, number: u64, about: &About) -> Said {
        let (truth, what, ids) = match about {
            About::Findings(ids) => {
                let mut sum = 0;
                for id in ids {
                    match self.find(id) {
                        Some(finding) => sum += finding.count,
                        None => return self.no_such(id),
                    }
                }
                (sum, format!("occurrences of {}", ids.join(", ")), ids.clone())
            }
            About::Words(text) => match self.hits(text) {
                Some(hits) => (hits.lines, "lines that hold the quoted words".to_owned(), Vec::new()),
                None => return Said::not_found("no line of the bundle holds the quoted words"),
            },
            About::All(severity) => {
                let of = |finding: &&Finding| severity.is_none_or(|severity| finding.severity == severity);
                let of: Vec<&Finding> = self.scan.findings.iter().filter(of).collect();
                let what =
                    severity.map_or("findings".to_owned(), |severity| format!("findings of severity {severity}"));
                (of.len() as u64, what, Vec::new())
            }
            About::Files => (self.scan.coverage.files_scanned, "files were scanned".to_owned(), Vec::new()),
        };
        let said = if truth == number {
            Said::supported(format!("{truth} {what}"))
        } else {
            Said::contradicted(format!("not {number}: {truth} {what}"))
        };
        said.of(&ids)
    }

    fn severity(&self, severity: Severity, id: &str) -> Said {
        match self.find(id) {
            None => self.no_such(id),
            Some(finding) if finding.severity == severity => {
                Said::supported(finding.severity_reason.clone()).of([&finding.id])
            }
            Some(finding) => {
                Said::contradicted(format!("{} is {}: {}", finding.id, finding.severity, finding.severity_reason))
                    .of([&finding.id])
            }
        }
    }

    fn time(&self, time: &PrintedTime, of: Option<&str>, edge: TimeEdge) -> Said {
        let Some(id) = of else { return self.any_time(time) };
        let Some(finding) = self.find(id) else { return self.no_such(id) };
        let (Some(first), Some(last)) = (finding.first_seen, finding.last_seen) else {
            return Said::not_found(format!("the times of {id} are not known")).of([&finding.id]);
        };
        let span = || finding.evidence.iter().find(|line| line.time.is_some_and(|at| time.is(at))).map(spot);
        let (holds, truth) = match edge {
            TimeEdge::First => (time.is(first), format!("{id} first happened at {first}")),
            TimeEdge::Last => (time.is(last), format!("{id} last happened at {last}")),
            TimeEdge::Any => {
                let quoted = finding.evidence.iter().filter_map(|line| line.time);
                let holds = quoted.chain([first, last]).any(|at| time.is(at));
                (holds, format!("{id} happened from {first} to {last}"))
            }
        };
        if holds {
            return Said::supported(truth).at(span()).of([&finding.id]);
        }
        let inside = match time.at {
            Moment::Instant(at) => first <= at && at <= last,
            Moment::OfDay(_) => true,
        };
        // Some of its lines are not quoted: one of them may be of that time.
        if edge == TimeEdge::Any && inside && finding.evidence_omitted > 0 {
            return Said::not_found(format!("{truth}; no line that is quoted is of that time")).of([&finding.id]);
        }
        Said::contradicted(truth).of([&finding.id])
    }

    /// A time that no finding is named with: some event is of that time, or the bundle's own.
    fn any_time(&self, time: &PrintedTime) -> Said {
        if self.scan.bundle.collected_at.is_some_and(|at| time.is(at)) {
            return Said::supported("the bundle was collected then");
        }
        for finding in &self.scan.findings {
            if let Some(line) = finding.evidence.iter().find(|line| line.time.is_some_and(|at| time.is(at))) {
                return Said::supported(format!("{} happened then", finding.id)).at(Some(spot(line))).of([&finding.id]);
            }
            if finding.first_seen.into_iter().chain(finding.last_seen).any(|at| time.is(at)) {
                return Said::supported(format!("{} happened then", finding.id)).of([&finding.id]);
            }
        }
        let files = || self.scan.files.iter();
        let from = files().filter_map(|file| file.first_time).min();
        let to = files().filter_map(|file| file.last_time).chain(self.scan.bundle.collected_at).max();
        match (time.at, from, to) {
            (Moment::Instant(at), Some(from), Some(to)) if at < from || at > to => {
                Said::contradicted(format!("the bundle reaches from {from} to {to}"))
            }
            _ => Said::not_found("no finding has an event of that time"),
        }
    }

    fn place(&self, place: &Place) -> Said {
        let Some(file) = self.scan.files.iter().find(|file| file.file == place.file) else {
            return Said::contradicted(format!("the bundle has no file {}", place.file));
        };
        if let Some((from, to)) = place.lines
            && (from == 0 || to < from || to > file.lines)
        {
            return Said::contradicted(format!("{} has {} lines", file.file, file.lines));
        }
        if let Some((start, end)) = place.bytes
            && (end < start || end > file.bytes)
        {
            return Said::contradicted(format!("{} has {} bytes", file.file, file.bytes));
        }
        let on = |line: &&Evidence| {
            line.file == file.file && place.lines.is_some_and(|(from, to)| (from..=to).contains(&line.line))
        };
        let cited = self.scan.findings.iter().find_map(|finding| Some((finding, finding.evidence.iter().find(on)?)));
        let said = Said::supported(format!("{} has {} lines, {} bytes", file.file, file.lines, file.bytes));
        match cited {
            Some((finding, line)) => said.at(Some(spot(line))).of([&finding.id]),
            None => said,
        }
    }
}

fn covers(line: &Evidence, spot: &Spot) -> bool {
    line.file == spot.file && line.start_byte <= spot.start_byte && spot.end_byte <= line.end_byte
}

/// Digits and case do not count.
fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        let c = if c.is_ascii_digit() { '0' } else { c };
        if !(c == '0' && masked.ends_with('0')) {
            masked.push(c);
        }
    }
    masked
}

/// The longest text of a line that a reason repeats, in characters.
const CLIPPED: usize = 240;

fn clipped(text: &str) -> String {
    let mut clipped: String = text.chars().take(CLIPPED).collect();
    if clipped.len() < text.len() {
        clipped.push('\u{2026}');
    }
    clipped
}
