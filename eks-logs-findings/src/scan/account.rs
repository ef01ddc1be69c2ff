//! What a scan says about itself and its bundle: the node, the clocks, what was read, what is not known.

use std::collections::{BTreeMap, HashMap};

use eks_logs_core::{Fact, InstanceId, Layout, Located, bundle::NodeKind};

use super::files::{FileTally, OTHERS, Tallies};
use crate::clock::Clock;
use crate::finding::{Boot, BundleInfo, Coverage, FileLines, FileReport, Gap, Skipped};
use crate::line::Stamp;
use crate::line::stamp::{SECOND, timestamp};
use crate::platform::Platform;

/// Earlier than any EKS node: a time before it is not one (2014-01-01).
const EARLIEST: i64 = 1_388_534_400 * SECOND;
/// The anchors: when the bundle was collected and when its node booted.
pub(super) fn clock(bundle: &Located, tallies: &Tallies) -> Clock {
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
    let zones = tallies.files.iter().filter_map(|file| crate::clock::zone(file.zone?));
    let mut told: BTreeMap<i64, usize> = BTreeMap::new();
    for zone in zones {
        *told.entry(zone).or_default() += 1;
    }
    let zone =
        told.into_iter().max_by_key(|(zone, files)| (*files, std::cmp::Reverse(zone.abs()))).map(|(zone, _)| zone);
    Clock { collected, zone, boot: btime.or_else(|| boot_from_twins(tallies).map(|local| local - zone.unwrap_or(0))) }
}

/// When the node booted, in its own zone: the first message of the kernel's ring is printed once with the time since boot and once with
/// the time of day.
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

/// The boots that files tell of: the same boot, told by several files or by two lines of one, once.
pub(super) fn boots(tallies: &Tallies, order: &[usize], clock: &Clock) -> Vec<Boot> {
    /// Two boots are further apart than this.
    const APART: i64 = 120 * SECOND;
    /// A marker of the journal and the kernel's first line are not.
    const LINES: u64 = 8;
    let told = order.iter().map(|at| &tallies.files[*at]).flat_map(|file| {
        file.boots.iter().map(move |boot| {
            let back = file.years - boot.at.years;
            let (at, time_certainty) = clock.resolve(boot.at.stamp, back, file.last_yearless);
            Boot { at, time_certainty, id: boot.id.clone(), file: file.path.clone(), line: boot.line + 1 }
        })
    });
    let mut told: Vec<Boot> = told.collect();
    told.sort_by(|a, b| {
        (a.at.is_none(), a.at, a.time_certainty, &a.file, a.line).cmp(&(
            b.at.is_none(),
            b.at,
            b.time_certainty,
            &b.file,
            b.line,
        ))
    });
    let mut boots: Vec<Boot> = Vec::new();
    for boot in told {
        let same = |known: &&mut Boot| {
            let times = boot.at.zip(known.at).map(|(a, b)| (a.as_microsecond() - b.as_microsecond()).abs() <= APART);
            let near = boot.file == known.file && boot.line.abs_diff(known.line) <= LINES;
            (boot.id.is_some() && boot.id == known.id) || times.unwrap_or(near)
        };
        match boots.iter_mut().find(same) {
            Some(known) => known.id = known.id.take().or(boot.id),
            None => boots.push(boot),
        }
    }
    boots
}

pub(super) fn info(bundle: &Located, tallies: &Tallies, clock: &Clock) -> BundleInfo {
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

/// Where the lines of each file are, by path.
pub(super) fn lines(files: &mut [FileTally]) -> Vec<FileLines> {
    let mut lines: Vec<FileLines> = files
        .iter_mut()
        .map(|file| {
            let builder = std::mem::take(&mut file.index);
            let (size, version) = file.stored.clone();
            FileLines {
                file: file.path.clone(),
                content_hash: format!("{:032x}", builder.content_hash()),
                index: builder.finish(size, version),
            }
        })
        .collect();
    lines.sort_by(|a, b| a.file.cmp(&b.file));
    lines
}

pub(super) fn report(file: &FileTally, clock: &Clock) -> FileReport {
    let first = file.first.map(|(stamp, _)| stamp).unwrap_or_default();
    let (first_time, _) = clock.resolve(first, file.years, file.last_yearless);
    let (last_time, _) = clock.resolve(file.last, 0, file.last_yearless);
    FileReport {
        first_time,
        last_time,
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

pub(super) fn coverage(tallies: &Tallies, order: &[usize], refused: Vec<Skipped>, cut: bool) -> Coverage {
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

pub(super) fn gaps(
    tallies: &Tallies,
    order: &[usize],
    clock: &Clock,
    coverage: &Coverage,
    platform: &Platform,
) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = coverage
        .skipped
        .iter()
        .map(|skipped| Gap { kind: "skipped", file: Some(skipped.file.clone()), detail: skipped.reason.clone() })
        .collect();
    let files = || order.iter().map(|at| &tallies.files[*at]);
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
        let repeated = |key| files().any(|other| other.path != file.path && other.tallies.contains_key(key));
        if file.tallies.iter().any(|(key, tally)| tally.echo.is_some() && tally.events.is_none() && repeated(key)) {
            let detail = "more than 65536 different events of one fault: where another file repeats some of them, its count is that of the \
                          file that has more";
            gaps.push(about("events", file, detail.to_owned()));
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
        if matches!(file.last_yearless, Stamp::Yearless(_)) && clock.collected.is_none() && !file.tallies.is_empty() {
            let detail = "its lines print no year and nothing in the bundle tells one: times are not given".to_owned();
            gaps.push(about("time", file, detail));
        }
        if matches!(file.last, Stamp::Uptime(_)) && clock.boot.is_none() && !file.tallies.is_empty() {
            let detail = "its lines print the time since boot and nothing in the bundle tells the boot time: times are not given";
            gaps.push(about("time", file, detail.to_owned()));
        }
    }
    for (path, _) in Layout::builtin().expected().iter().filter(|(_, on)| *on == NodeKind::All) {
        if !platform.never_has(path) && !files().any(|file| file.path == *path) {
            let detail =
                "the collector writes it on every node and it is not there: what it would show is unknown".to_owned();
            gaps.push(Gap { kind: "missing", file: Some(path.clone()), detail });
        }
    }
    gaps
}
