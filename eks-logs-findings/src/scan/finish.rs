//! From tallies to findings: echoes counted once, times resolved, severities decided, the canonical order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use eks_logs_core::{Error, Layout, Located, Source};
use xxhash_rust::xxh3::xxh3_64;

use super::account;
use super::echo::Echoes;
use super::files::{FileTally, Tallies, rule_of};
use super::fold::{self, Grouped, Wrapped};
use super::reports::Report;
use super::sink::Read;
use super::tally::{At, Quote, Tally};
use super::unrecognised;
use super::{EvidenceLimit, ScanError, ScanOptions};
use crate::checks::{Judged, Keeper, State, StateFile, StateFiles, judge};
use crate::clock::{Certainty, Clock};
use crate::diagnostics::FileState;
use crate::finding::{Course, Event, Evidence, Finding, Gap, Scan, Skipped};
use crate::line::stamp::SECOND;
use crate::platform::Platform;
use crate::rule::{Catalogue, Rule, RuleId};

/// Printed subjects that a finding names.
const ENTITIES: usize = 8;

pub(super) fn scan(
    bundle: &Located,
    catalogue: &Catalogue,
    read: Read,
    options: ScanOptions,
) -> Result<Scan, ScanError> {
    let evidence = options.evidence;
    let Read { mut tallies, mut state, inner_roots, at_root, refused, cuts } = read;
    let mut gaps: Vec<Gap> = cuts.into_iter().map(|detail| Gap { kind: "cut", file: None, detail }).collect();
    let mut refused: Vec<Skipped> =
        refused.into_iter().map(|refusal| Skipped { file: refusal.name, reason: refusal.detail }).collect();

    let inner_root = match (at_root, inner_roots.len()) {
        (false, 1) => inner_roots.into_iter().next(),
        (false, 2..) => {
            let bundles = inner_roots.into_iter().map(|root| format!("{}/{root}", bundle.locator)).collect();
            return Err(Error::ManyBundles { path: bundle.locator.clone(), bundles }.into());
        }
        _ => None,
    };
    if let Some(root) = inner_root {
        let strip = |path: &mut String| {
            if let Some(rest) = path.strip_prefix(root.as_str()).and_then(|rest| rest.strip_prefix('/')) {
                *path = rest.to_owned();
            }
        };
        tallies.files.iter_mut().for_each(|file| strip(&mut file.path));
        refused.iter_mut().for_each(|skipped| strip(&mut skipped.file));
    }
    if !tallies.files.iter().any(|file| file.class.known) {
        let files = tallies.files.len() as u64;
        return Err(Error::NotABundle { path: bundle.locator.clone(), files }.into());
    }

    // From here on the order in which the store handed the files over is forgotten.
    let mut order: Vec<usize> = (0..tallies.files.len()).collect();
    order.sort_by(|a, b| tallies.files[*a].path.cmp(&tallies.files[*b].path));

    let clock = account::clock(bundle, &tallies);
    let mut events = Vec::new();
    if options.keep_events {
        let context = Context { catalogue, tallies: &tallies, order: &order, clock: &clock, evidence: super::EVENTS };
        (events, _) = context.findings();
        // What follows finds what a scan finds that keeps fewer lines.
        tallies.keep_quotes(evidence.first_lines());
    }
    let context = Context { catalogue, tallies: &tallies, order: &order, clock: &clock, evidence };
    let cut = !gaps.is_empty();
    let (mut findings, untold) = context.findings();
    let state = State::new(context.state(&mut state));
    for file in state.files.iter() {
        let cut = file.cut.iter().map(|why| Gap { kind: "state", file: Some(file.path.clone()), detail: why.clone() });
        gaps.extend(cut);
    }
    let (network, node) = (state.network().figures(&state.node.kubelet), state.node.figures());
    let files_of_node = node.files.iter().map(|file| &file.file);
    let read = network.files.iter().chain(files_of_node);
    for file in read.filter(|file| file.problems > 0 && file.state != FileState::Cut) {
        let first = file.detail.clone().unwrap_or_default();
        let places = if file.problems == 1 { "1 place".to_owned() } else { format!("{} places", file.problems) };
        let detail = format!("{places} in it could not be read; the first: {first}");
        gaps.push(Gap { kind: "state", file: Some(file.file.clone()), detail });
    }
    let Judged { findings: of_state, reports: checks } = judge(catalogue, &state, evidence);
    findings.extend(of_state);
    number(&mut findings);
    if options.keep_events {
        events.extend(judge(catalogue, &state, super::EVENTS).findings);
        number(&mut events);
    }
    if untold > 0 {
        let detail = format!(
            "{untold} more kinds of error lines that no rule knows are not listed: they are earlier, longer or more frequent"
        );
        gaps.push(Gap { kind: "unrecognised-errors", file: None, detail });
    }
    let info = account::info(bundle, &tallies, &clock);
    let paths: Vec<&str> = order.iter().map(|at| tallies.files[*at].path.as_str()).collect();
    let content = |path: &str| state.files.get(path).map(|file| file.content.as_slice());
    let platform = Platform::detect(&paths, content, info.instance_id.as_deref());
    gaps.extend(platform.gaps(&paths));
    let coverage = account::coverage(&tallies, &order, refused, cut);
    gaps.extend(account::gaps(&tallies, &order, &clock, &coverage, &platform));
    gaps.sort();
    gaps.dedup();
    let boots = account::boots(&tallies, &order, &clock);
    let files = order.iter().map(|at| account::report(&tallies.files[*at], &clock)).collect();
    let lines = if options.index_lines { account::lines(&mut tallies.files) } else { Vec::new() };
    Ok(Scan {
        bundle: info,
        coverage,
        findings,
        boots,
        gaps,
        files,
        checks,
        platform,
        network,
        node,
        lines,
        events,
        indexed_at: None,
    })
}

/// Puts findings into their canonical order and names them by it.
fn number(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let place = |finding: &Finding| finding.evidence.first().map(|line| (line.file.clone(), line.start_byte));
        (a.severity, &a.rule, place(a), &a.subject).cmp(&(b.severity, &b.rule, place(b), &b.subject))
    });
    for (at, finding) in findings.iter_mut().enumerate() {
        finding.id = format!("F-{:03}", at + 1);
    }
}

struct Context<'a> {
    catalogue: &'a Catalogue,
    tallies: &'a Tallies,
    order: &'a [usize],
    clock: &'a Clock,
    evidence: EvidenceLimit,
}

impl<'a> Context<'a> {
    /// The findings, and how many kinds of unrecognised error lines are not among them.
    fn findings(&self) -> (Vec<Finding>, usize) {
        let groups = fold::folded(self.groups());
        let (unknown, known): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| unrecognised::rule_of(group.number).is_some());
        let mut findings: Vec<Finding> = known.into_iter().filter_map(|group| self.finding(group)).collect();
        let (unrecognised, untold) = self.unrecognised(unknown);
        findings.extend(unrecognised);
        (findings, untold)
    }

    /// The state files that were kept, under their paths in the bundle.
    fn state(&self, kept: &mut Keeper) -> StateFiles {
        let mut files = StateFiles::default();
        for (number, file) in self.tallies.files.iter().enumerate() {
            if let Some(kept) = kept.take(number as u32) {
                let missing = file.cut.as_ref().map(|why| format!("checks read it without its end: {why}"));
                let cut = kept.cut.or(missing);
                files.insert(StateFile {
                    path: file.path.clone(),
                    source: file.class.source,
                    content: kept.content,
                    cut,
                    connections: kept.connections,
                });
            }
        }
        files
    }

    /// Everything that was added up, by rule and subject.
    fn groups(&self) -> BTreeMap<(u32, &'a str), Grouped<'a>> {
        let mut groups: BTreeMap<(u32, &str), Grouped<'a>> = BTreeMap::new();
        for at in self.order {
            let file = &self.tallies.files[*at];
            for ((rule, subject), tally) in &file.tallies {
                let masked = self.masked(*subject);
                let group = groups.entry((*rule, masked)).or_insert_with(|| Grouped {
                    rule: rule_of(self.catalogue, *rule),
                    number: *rule,
                    subject: *subject,
                    parts: Vec::new(),
                    wrapped: Vec::new(),
                    context: Vec::new(),
                    most: u64::MAX,
                });
                group.parts.push((file, tally));
                let wrapped = tally.wrapped.iter();
                group.wrapped.extend(
                    wrapped.map(|((rule, subject), part)| Wrapped {
                        by: (*rule, self.masked(*subject)),
                        part: (file, part),
                    }),
                );
            }
        }
        groups
    }

    fn masked(&self, subject: u32) -> &'a str {
        self.tallies.subjects[subject as usize].as_str()
    }

    /// Of the error lines that no rule knows, the few templates that deserve to be told.
    fn unrecognised(&self, groups: Vec<Grouped<'a>>) -> (Vec<Finding>, usize) {
        let weight = |group: &Grouped<'_>| {
            let parts = group.parts.iter().map(|(file, tally)| {
                unrecognised::weight(tally.first_offset, tally.last_offset, file.bytes, tally.count)
            });
            parts.fold(0.0, f64::max)
        };
        let mut ranked: Vec<(u32, f64, Grouped<'a>)> =
            groups.into_iter().map(|group| (group.number, weight(&group), group)).collect();
        // Fatal ones first; equal weights stand in the order of their templates.
        ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| b.1.total_cmp(&a.1)));
        let untold = ranked.len().saturating_sub(unrecognised::TOLD);
        (ranked.into_iter().take(unrecognised::TOLD).filter_map(|(_, _, group)| self.finding(group)).collect(), untold)
    }

    fn finding(&self, mut group: Grouped<'a>) -> Option<Finding> {
        group.best_first();
        let verdict = group.verdict()?;
        let rule = group.rule;
        let parts = &group.parts;
        let mut echoes = Echoes::default();
        let (mut lines, mut duplicates) = (Vec::new(), Vec::new());
        let (mut quoted_lines, mut speaking) = (0, Vec::new());
        for (file, tally) in parts {
            let known = echoes.begin(tally);
            if known.fresh(tally) > 0 {
                speaking.push((*file, *tally));
            }
            quoted_lines += tally.count + tally.again;
            let mut seen: HashMap<u64, u32> = HashMap::new();
            let first_ones = tally.quotes.iter().map(|quote| (quote, false));
            for (quote, is_last) in first_ones.chain(tally.last.iter().map(|quote| (quote, true))) {
                if quote.again {
                    duplicates.push(self.evidence(file, quote, true));
                    continue;
                }
                let nth = seen.entry(quote.event).or_insert(0);
                *nth += 1;
                // The last line is the last of its event, whatever its number among those that are quoted.
                let all = tally.events.as_ref().and_then(|events| events.get(&quote.event)).copied();
                let nth = if is_last { all.unwrap_or(*nth) } else { *nth };
                let duplicate = known.has(quote.event, nth);
                let line = self.evidence(file, quote, duplicate);
                if duplicate { duplicates.push(line) } else { lines.push(line) }
            }
            echoes.end(tally);
        }
        // A file that only repeats what a better clock has told does not tell the time.
        let (first_seen, last_seen, time_certainty) = self.seen(&speaking);
        let place = |line: &Evidence| (line.file.clone(), line.start_byte);
        let cited: BTreeSet<(String, u64)> = lines.iter().chain(&duplicates).map(place).collect();
        for (_, (file, tally)) in &group.context {
            let quotes = tally.quotes.iter().chain(&tally.last).map(|quote| self.evidence(file, quote, true));
            let before = duplicates.len();
            duplicates.extend(quotes.filter(|line| !cited.contains(&place(line))));
            quoted_lines += (duplicates.len() - before) as u64;
        }
        lines.sort_by_key(place);
        duplicates.sort_by_key(place);
        let source = self.source(parts);
        lines.extend(duplicates);
        if let EvidenceLimit::Few(most) = self.evidence {
            lines = few(lines, most);
        }
        let subject = self.masked(group.subject).to_owned();
        let events = self.events(&speaking);
        let mut entities: Vec<String> = Vec::new();
        for printed in parts.iter().flat_map(|(_, tally)| &tally.printed) {
            if entities.len() < ENTITIES && !entities.contains(printed) {
                entities.push(printed.clone());
            }
        }
        for entity in events.iter().flat_map(entities_of) {
            if entities.len() < 4 * ENTITIES && !entities.contains(&entity) {
                entities.push(entity);
            }
        }
        let mut wrappers: Vec<RuleId> = group.context.iter().map(|(rule, _)| rule.id.clone()).collect();
        wrappers.retain(|wrapper| *wrapper != rule.id);
        wrappers.sort();
        wrappers.dedup();
        Some(Finding {
            id: String::new(),
            fingerprint: fingerprint(rule, &subject),
            rule: rule.id.clone(),
            title: rule.title.clone(),
            severity: verdict.severity,
            severity_reason: verdict.reason,
            source,
            subject,
            entities,
            count: verdict.count,
            detail: None,
            first_seen,
            last_seen,
            time_certainty,
            cleared: verdict.cleared,
            course: course(parts, verdict.cleared),
            events,
            wrappers,
            evidence_omitted: quoted_lines - lines.len() as u64,
            evidence: lines,
            remedy: rule.remedy.clone(),
        })
    }

    /// Some of the events of several lines that these parts report.
    fn events(&self, parts: &[(&FileTally, &Tally)]) -> Vec<Event> {
        let reports = parts.iter().flat_map(|(file, tally)| {
            tally.reports.iter().filter_map(move |number| Some((*file, file.reports.get(*number)?)))
        });
        let event = |(file, report): (&FileTally, &Report)| Event {
            kind: report.kind,
            file: file.path.clone(),
            first_line: report.first_line + 1,
            last_line: report.last_line + 1,
            time: self.resolve(file, At { stamp: report.stamp, years: file.years }).0,
            fields: report.fields.clone(),
        };
        let mut events: Vec<Event> = Vec::new();
        for event in reports.map(event) {
            if events.len() < ENTITIES && !events.contains(&event) {
                events.push(event);
            }
        }
        events
    }

    fn source(&self, parts: &[(&FileTally, &Tally)]) -> Source {
        let sources = Layout::builtin().sources();
        parts.first().map_or(sources[0], |(_, tally)| sources[usize::from(tally.source)])
    }

    fn evidence(&self, file: &FileTally, quote: &Quote, duplicate: bool) -> Evidence {
        Evidence {
            file: file.path.clone(),
            line: quote.line + 1,
            start_byte: quote.start,
            end_byte: quote.end,
            time: self.resolve(file, quote.time).0,
            text: quote.text.clone(),
            duplicate,
        }
    }

    fn resolve(&self, file: &FileTally, at: At) -> (Option<jiff::Timestamp>, Certainty) {
        self.clock.resolve(at.stamp, file.years - at.years, file.last_yearless)
    }

    /// First and last time over all files, and the certainty of the least sure of the two.
    fn seen(&self, parts: &[(&FileTally, &Tally)]) -> (Option<jiff::Timestamp>, Option<jiff::Timestamp>, Certainty) {
        let spans = parts.iter().flat_map(|(file, tally)| tally.spans.iter().flatten().map(move |span| (file, span)));
        let resolved: Vec<_> = spans
            .flat_map(|(file, (first, last))| [self.resolve(file, *first), self.resolve(file, *last)])
            .filter_map(|(time, certainty)| Some((time?, certainty)))
            .collect();
        match (resolved.iter().min(), resolved.iter().max()) {
            (Some(first), Some(last)) => (Some(first.0), Some(last.0), first.1.max(last.1)),
            _ => (None, None, Certainty::Unknown),
        }
    }
}

/// What an event names, in the form of subjects.
fn entities_of(event: &Event) -> Vec<String> {
    let names = [
        ("podUid", "pod_uid"),
        ("containerId", "container_id"),
        ("victimCgroup", "cgroup"),
        ("victim", "process"),
        ("victimPid", "pid"),
        ("process", "process"),
        ("pid", "pid"),
    ];
    let named = names.iter().filter_map(|(field, name)| Some(format!("{name}={}", event.fields.get(field)?)));
    named.collect()
}

/// How the state went, over the files of the best rank that tell.
fn course(parts: &[(&FileTally, &Tally)], cleared: bool) -> Option<Course> {
    let rank = |tally: &Tally| tally.echo.map_or(0, |(_, rank)| rank);
    let best = parts.iter().map(|(_, tally)| rank(tally)).min()?;
    let told: Vec<_> = parts.iter().filter(|(_, tally)| rank(tally) == best).map(|(_, tally)| tally.course).collect();
    let ended: u64 = told.iter().map(|course| course.begun - u64::from(course.is_there())).sum();
    if ended == 0 {
        return None;
    }
    let timed = told.iter().all(|course| !course.untimed);
    let seconds = |micros: i64| u64::try_from(micros / SECOND).ok().filter(|_| timed);
    Some(Course {
        flaps: told.iter().map(|course| course.begun).sum::<u64>().saturating_sub(1),
        ended: cleared,
        bad_seconds: seconds(told.iter().map(|course| course.lasted).sum()),
        last_bad_seconds: told.last().and_then(|course| seconds(course.last)),
    })
}

pub(crate) fn fingerprint(rule: &Rule, subject: &str) -> String {
    format!("{:016x}", xxh3_64(format!("{}\0{subject}", rule.id).as_bytes()))
}

/// The first lines and the last one that is no duplicate.
pub(crate) fn few(mut lines: Vec<Evidence>, most: usize) -> Vec<Evidence> {
    let most = most.max(1);
    if lines.len() > most {
        let last = lines.iter().rposition(|line| !line.duplicate).unwrap_or(0);
        if last >= most && most > 1 {
            lines.swap(most - 1, last);
        }
        lines.truncate(most);
    }
    lines
}
