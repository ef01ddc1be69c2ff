//! From tallies to findings: times resolved, echoes counted once, severities decided, the canonical order.

use std::collections::{BTreeMap, HashMap};

use eks_logs_core::{Error, Fact, InstanceId, Layout, Located, Source};
use xxhash_rust::xxh3::xxh3_64;

use super::echo::Echoes;
use super::sink::Read;
use super::tally::{At, FileTally, OTHERS, Quote, Tallies, Tally, rule_of};
use super::unrecognised;
use super::{EvidenceLimit, ScanError};
use crate::clock::{Certainty, Clock};
use crate::finding::{BundleInfo, Coverage, Evidence, FileReport, Finding, Gap, Scan, Skipped};
use crate::line::Stamp;
use crate::line::stamp::{SECOND, timestamp};
use crate::rule::{Catalogue, Escalate, Rule};
use crate::severity::Severity;

/// Earlier than any EKS node: a time before it is not one (2014-01-01).
const EARLIEST: i64 = 1_388_534_400 * SECOND;
/// Printed subjects that a finding names.
const ENTITIES: usize = 8;

pub(super) fn scan(
    bundle: &Located,
    catalogue: &Catalogue,
    read: Read,
    evidence: EvidenceLimit,
) -> Result<Scan, ScanError> {
    let Read { mut tallies, inner_roots, at_root, refused, cuts } = read;
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

    let clock = clock(bundle, &tallies);
    let context = Context { catalogue, tallies: &tallies, order: &order, clock: &clock, evidence };
    let cut = !gaps.is_empty();
    let (findings, untold) = context.findings();
    if untold > 0 {
        let detail = format!(
            "{untold} more kinds of error lines that no rule knows are not listed: they are earlier, longer or more frequent"
        );
        gaps.push(Gap { kind: "unrecognised-errors", file: None, detail });
    }
    let info = info(bundle, &tallies, &clock);
    let coverage = coverage(&tallies, &order, refused, cut);
    gaps.extend(context.gaps(&coverage));
    gaps.sort();
    gaps.dedup();
    let files = order.iter().map(|at| report(&tallies.files[*at])).collect();
    Ok(Scan { bundle: info, coverage, findings, gaps, files })
}

/// The anchors: when the bundle was collected and when its node booted.
fn clock(bundle: &Located, tallies: &Tallies) -> Clock {
    let named = bundle.name.as_ref().and_then(|name| name.collected_at).map(|at| at.as_microsecond());
    let sure = tallies.files.iter().filter_map(|file| match file.last {
        Stamp::Instant(at) | Stamp::Local(at) if at > EARLIEST => Some(at),
        _ => None,
    });
    let collected = named.or_else(|| sure.max());
    let btime = tallies.files.iter().find(|file| file.class.fact == Some(Fact::BootTime)).and_then(|file| {
        let line = file.head.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
        std::str::from_utf8(line).ok()?.trim().parse::<i64>().ok().map(|seconds| seconds * SECOND)
    });
    Clock { collected, boot: btime.or_else(|| boot_from_twins(tallies)) }
}

/// The first message of the kernel's ring, printed once with the time since boot and once with the time of day.
fn boot_from_twins(tallies: &Tallies) -> Option<i64> {
    let mut uptimes = HashMap::new();
    let mut locals = HashMap::new();
    for file in &tallies.files {
        match file.first {
            Some((Stamp::Uptime(at), event)) => drop(uptimes.insert(event, at)),
            Some((Stamp::Local(at), event)) => drop(locals.insert(event, at)),
            _ => {}
        }
    }
    let pairs = uptimes.iter().filter_map(|(event, uptime)| Some(locals.get(event)? - uptime));
    // Both clocks belong to one boot; with several pairs any order of the map must give the same answer.
    pairs.min()
}

fn info(bundle: &Located, tallies: &Tallies, clock: &Clock) -> BundleInfo {
    let told = tallies.files.iter().find(|file| file.class.fact == Some(Fact::InstanceId)).and_then(|file| {
        let text = std::str::from_utf8(&file.head).ok()?;
        InstanceId::parse(text.trim()).ok()
    });
    let instance = bundle.name.as_ref().and_then(|name| name.instance.clone()).or(told);
    let collection = bundle.name.as_ref().map(|name| name.collection.clone());
    let id = match (&instance, &collection) {
        (Some(instance), Some(collection)) => Some(format!("{instance}_{collection}")),
        (Some(only), None) => Some(only.to_string()),
        (None, Some(only)) => Some(only.clone()),
        (None, None) => None,
    };
    BundleInfo {
        id,
        instance_id: instance.map(|id| id.to_string()),
        collected_at: clock.collected.and_then(timestamp),
        files: tallies.files.len() as u64,
        bytes: tallies.files.iter().map(|file| file.bytes).sum(),
        locator: bundle.locator.clone(),
    }
}

fn report(file: &FileTally) -> FileReport {
    FileReport {
        file: file.path.clone(),
        source: file.class.source,
        kind: file.class.kind,
        known: file.class.known,
        bytes: file.bytes,
        lines: Tallies::lines(file),
        has_rules: file.has_rules,
        complete: file.cut.is_none(),
    }
}

fn coverage(tallies: &Tallies, order: &[usize], refused: Vec<Skipped>, cut: bool) -> Coverage {
    let files = || order.iter().map(|at| &tallies.files[*at]);
    let total = tallies.files.len() + refused.len();
    let mut skipped = refused;
    skipped.extend(files().filter_map(|file| Some(Skipped { file: file.path.clone(), reason: file.cut.clone()? })));
    skipped.sort();
    Coverage {
        files_scanned: files().filter(|file| file.cut.is_none()).count() as u64,
        files_total: total as u64,
        bytes_scanned: files().map(|file| file.bytes).sum(),
        lines_scanned: files().map(Tallies::lines).sum(),
        scan_complete: skipped.is_empty() && !cut,
        skipped,
    }
}

struct Context<'a> {
    catalogue: &'a Catalogue,
    tallies: &'a Tallies,
    order: &'a [usize],
    clock: &'a Clock,
    evidence: EvidenceLimit,
}

/// One rule about one subject, with the files that report it: the better sources first.
struct Grouped<'a> {
    rule: &'a Rule,
    number: u32,
    subject: u32,
    parts: Vec<(&'a FileTally, &'a Tally)>,
}

impl<'a> Context<'a> {
    /// The findings, and how many kinds of unrecognised error lines are not among them.
    fn findings(&self) -> (Vec<Finding>, usize) {
        let mut groups: BTreeMap<(u32, &str), Grouped<'a>> = BTreeMap::new();
        for at in self.order {
            let file = &self.tallies.files[*at];
            for ((rule, subject), tally) in &file.tallies {
                let masked = self.tallies.subjects[*subject as usize].as_str();
                let group = groups.entry((*rule, masked)).or_insert_with(|| Grouped {
                    rule: rule_of(self.catalogue, *rule),
                    number: *rule,
                    subject: *subject,
                    parts: Vec::new(),
                });
                group.parts.push((file, tally));
            }
        }
        let (unknown, known): (Vec<_>, Vec<_>) =
            groups.into_values().partition(|group| unrecognised::rule_of(group.number).is_some());
        let mut findings: Vec<Finding> = known.into_iter().filter_map(|group| self.finding(group)).collect();
        let (unrecognised, untold) = self.unrecognised(unknown);
        findings.extend(unrecognised);
        findings.sort_by(|a, b| {
            let place = |finding: &Finding| finding.evidence.first().map(|line| (line.file.clone(), line.start_byte));
            (a.severity, &a.rule, place(a), &a.subject).cmp(&(b.severity, &b.rule, place(b), &b.subject))
        });
        for (at, finding) in findings.iter_mut().enumerate() {
            finding.id = format!("F-{:03}", at + 1);
        }
        (findings, untold)
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
        // Among files that hold the same events the better one speaks; the order of paths decides the rest.
        group.parts.sort_by_key(|(_, tally)| tally.echo.map_or(0, |(_, rank)| rank));
        let mut echoes = Echoes::default();
        let (mut count, mut lines, mut duplicates) = (0, Vec::new(), Vec::new());
        let (mut quoted_lines, mut speaking) = (0, Vec::new());
        for (file, tally) in &group.parts {
            let known = echoes.begin(tally);
            let fresh = known.fresh(tally);
            if fresh > 0 {
                speaking.push((*file, *tally));
            }
            count += fresh;
            quoted_lines += tally.count;
            let mut seen: HashMap<u64, u32> = HashMap::new();
            for quote in tally.quotes.iter().chain(&tally.last) {
                let nth = seen.entry(quote.event).or_insert(0);
                *nth += 1;
                // The last line is quoted apart: it is the last of its event, whatever its number here.
                let nth =
                    if std::ptr::eq(quote, tally.last.as_ref().unwrap_or(&tally.quotes[0])) && tally.last.is_some() {
                        tally.events.as_ref().and_then(|events| events.get(&quote.event)).copied().unwrap_or(*nth)
                    } else {
                        *nth
                    };
                let duplicate = known.has(quote.event, nth);
                let line = self.evidence(file, quote, duplicate);
                if duplicate { duplicates.push(line) } else { lines.push(line) }
            }
            echoes.end(tally);
        }
        let rule = group.rule;
        let parts = &group.parts;
        if let Some(repeat) = rule.repeat {
            let often = match repeat.within {
                Some(_) => parts.iter().any(|(_, tally)| tally.reached(&repeat)),
                None => count >= repeat.count,
            };
            if !often {
                return None;
            }
        }
        let cleared = rule.cleared_by.is_some() && parts.iter().all(|(file, tally)| group.is_cleared(file, tally));
        let (severity, severity_reason) = severity(rule, parts, count, cleared);
        // A file that only repeats what a better clock has told does not tell the time.
        let (first_seen, last_seen, time_certainty) = self.seen(&speaking);

        let place = |line: &Evidence| (line.file.clone(), line.start_byte);
        lines.sort_by_key(place);
        duplicates.sort_by_key(place);
        let source = self.source(parts);
        lines.extend(duplicates);
        if let EvidenceLimit::Few(most) = self.evidence {
            lines = few(lines, most);
        }
        let subject = self.tallies.subjects[group.subject as usize].clone();
        let mut entities: Vec<String> = Vec::new();
        for printed in parts.iter().flat_map(|(_, tally)| &tally.printed) {
            if entities.len() < ENTITIES && !entities.contains(printed) {
                entities.push(printed.clone());
            }
        }
        Some(Finding {
            id: String::new(),
            fingerprint: fingerprint(rule, &subject),
            rule: rule.id.clone(),
            title: rule.title.clone(),
            severity,
            severity_reason,
            source,
            subject,
            entities,
            count,
            first_seen,
            last_seen,
            time_certainty,
            cleared,
            evidence_omitted: quoted_lines - lines.len() as u64,
            evidence: lines,
            remedy: rule.remedy.clone(),
        })
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

    fn gaps(&self, coverage: &Coverage) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = coverage
            .skipped
            .iter()
            .map(|skipped| Gap { kind: "skipped", file: Some(skipped.file.clone()), detail: skipped.reason.clone() })
            .collect();
        let files = || self.order.iter().map(|at| &self.tallies.files[*at]);
        let about = |kind, file: &FileTally, detail: String| Gap { kind, file: Some(file.path.clone()), detail };
        for file in files() {
            gaps.extend(file.notes.iter().map(|(kind, detail)| about(kind, file, detail.clone())));
            if file.stale_documents > 0 {
                let detail = format!(
                    "an aborted earlier run of the collector left {} document(s) in front: only the last one is judged",
                    file.stale_documents
                );
                gaps.push(about("appended", file, detail));
            }
            if file.too_many_subjects {
                let detail = format!(
                    "more than 512 subjects of one fault, or 8192 of all: those beyond are counted together as {OTHERS}"
                );
                gaps.push(about("subjects", file, detail));
            }
            if file.class.known && !file.has_rules && file.bytes > 0 {
                let detail = format!(
                    "no rule is about {} yet: its {} bytes were read but not judged",
                    file.class.source, file.bytes
                );
                gaps.push(about("not-analysed", file, detail));
            }
            if !file.class.known {
                gaps.push(about(
                    "unrecognised",
                    file,
                    "not a file that a log collector writes: only journal lines in it are judged".to_owned(),
                ));
            }
            if matches!(file.last_yearless, Stamp::Yearless(_))
                && self.clock.collected.is_none()
                && !file.tallies.is_empty()
            {
                let detail =
                    "its lines print no year and nothing in the bundle tells one: times are not given".to_owned();
                gaps.push(about("time", file, detail));
            }
            if matches!(file.last, Stamp::Uptime(_)) && self.clock.boot.is_none() && !file.tallies.is_empty() {
                let detail = "its lines print the time since boot and nothing in the bundle tells the boot time: times are not given";
                gaps.push(about("time", file, detail.to_owned()));
            }
        }
        for (path, _) in
            Layout::builtin().expected().iter().filter(|(_, on)| *on == eks_logs_core::bundle::NodeKind::All)
        {
            if !files().any(|file| file.path == *path) {
                let detail = "the collector writes it on every node and it is not there: what it would show is unknown"
                    .to_owned();
                gaps.push(Gap { kind: "missing", file: Some(path.clone()), detail });
            }
        }
        gaps
    }
}

impl Grouped<'_> {
    fn is_cleared(&self, file: &FileTally, tally: &Tally) -> bool {
        let after =
            |subject| file.cleared.get(&(self.number, subject)).is_some_and(|offset| *offset > tally.last_offset);
        after(None) || after(Some(self.subject))
    }
}

/// The severity with what happened taken into account, and why.
fn severity(rule: &Rule, parts: &[(&FileTally, &Tally)], count: u64, cleared: bool) -> (Severity, String) {
    let holds = |step: &Escalate| {
        let often = step.repeat.is_none_or(|repeat| match repeat.within {
            Some(_) => parts.iter().any(|(_, tally)| tally.reached(&repeat)),
            None => count >= repeat.count,
        });
        let long = step
            .lasts
            .is_none_or(|lasts| parts.iter().any(|(_, tally)| i128::from(tally.lasted()) >= lasts.as_micros() as i128));
        often && long
    };
    if let Some(cleared_by) = rule.cleared_by.as_ref().filter(|_| cleared)
        && (cleared_by.severity > rule.severity || rule.escalate.iter().any(holds))
    {
        return (cleared_by.severity, format!("{}; it ended before the end of the log", rule.severity_reason));
    }
    let worst = rule
        .escalate
        .iter()
        .filter(|step| step.severity < rule.severity && holds(step))
        .min_by_key(|step| step.severity);
    match worst {
        Some(step) if !step.reason.is_empty() => (step.severity, step.reason.clone()),
        Some(step) => (step.severity, rule.severity_reason.clone()),
        None => (rule.severity, rule.severity_reason.clone()),
    }
}

fn fingerprint(rule: &Rule, subject: &str) -> String {
    format!("{:016x}", xxh3_64(format!("{}\0{subject}", rule.id).as_bytes()))
}

/// The first lines and the last one that is no duplicate.
fn few(mut lines: Vec<Evidence>, most: usize) -> Vec<Evidence> {
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
