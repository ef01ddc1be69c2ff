//! The baseline: exact under concurrent writers, a bundle once, annotating and never hiding.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::thread;

use eks_logs_core::{LocalStore, MemoryStore, StoreWriter};
use eks_logs_findings::baseline::{self, BaselineError, Learned, Observation, Pin, annotate};
use eks_logs_findings::{Finding, Scan};
use futures_lite::future::block_on;
use support::{find, path, scanned};

const WRITERS: usize = 20;
const BUNDLES: usize = 50;
const FULL: &str = "network/conntrack-table-full";

/// The bundle of a node, with so many lines of one fault.
fn observed(node: usize, bundle: usize, lines: usize) -> Scan {
    let mut text = String::from("//- kernel/dmesg.human.current\n");
    for line in 0..lines {
        text.push_str(&format!(
            "[Tue Jul 14 10:{:02}:{:02} 2026] nf_conntrack: nf_conntrack: table full, dropping packet\n",
            line / 60,
            line % 60
        ));
    }
    text.push_str("[Tue Jul 14 11:00:00 2026] all is well\n");
    let mut scan = scanned(&text);
    scan.bundle.id = Some(format!("i-{node:017x}_{bundle:04}"));
    scan.bundle.instance_id = Some(format!("i-{node:017x}"));
    scan
}

fn concurrent(store: &(impl StoreWriter + 'static)) {
    let scans: Vec<Scan> = (1..=3).map(|lines| observed(0, 0, lines)).collect();
    let observations: Vec<Observation> = scans.iter().map(|scan| Observation::new(scan).unwrap()).collect();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let observations = &observations;
            scope.spawn(move || {
                for bundle in 0..BUNDLES {
                    let mut seen = observations[bundle % 3].clone();
                    seen.bundle = format!("i-{writer:017x}_{bundle:04}");
                    seen.instance = Some(format!("i-{writer:017x}"));
                    assert_eq!(block_on(baseline::learn(store, "prod", &seen)).unwrap(), Learned::New);
                }
            });
        }
    });
    let baseline = block_on(baseline::read(store, "prod")).unwrap();
    assert_eq!((baseline.bundles, baseline.nodes), (WRITERS * BUNDLES, WRITERS));
    let entry = baseline.entry(&find(&scans[0], FULL).fingerprint).unwrap();
    assert_eq!((entry.bundles, entry.nodes, entry.most), (WRITERS * BUNDLES, WRITERS, 3));
    assert!(entry.normal);
}

#[test]
fn concurrent_writers_lose_nothing_in_memory() {
    concurrent(&MemoryStore::new());
}

#[test]
fn concurrent_writers_lose_nothing_in_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    concurrent(&LocalStore::open(directory.path()).unwrap());
}

#[test]
fn a_bundle_counts_once_however_often_it_is_read() {
    let store = MemoryStore::new();
    let scan = observed(1, 1, 4);
    let seen = Observation::new(&scan).unwrap();
    assert_eq!(block_on(baseline::learn(&store, "prod", &seen)).unwrap(), Learned::New);
    for _ in 0..9 {
        assert_eq!(block_on(baseline::learn(&store, "prod", &seen)).unwrap(), Learned::Known);
    }
    let read = block_on(baseline::read(&store, "prod")).unwrap();
    assert_eq!((read.bundles, read.entries[0].bundles, read.entries[0].most), (1, 1, 4));
    // A newer catalogue finds more in it: it still counts once.
    let again = Observation::new(&observed(1, 1, 5)).unwrap();
    assert_eq!(block_on(baseline::learn(&store, "prod", &again)).unwrap(), Learned::Updated);
    assert_eq!(block_on(baseline::read(&store, "prod")).unwrap().bundles, 1);
}

fn learned(store: &MemoryStore, bundles: usize, lines: usize) {
    for bundle in 0..bundles {
        let seen = Observation::new(&observed(bundle, 1, lines)).unwrap();
        block_on(baseline::learn(store, "prod", &seen)).unwrap();
    }
}

fn said(store: &MemoryStore, scan: &Scan) -> Option<baseline::Annotation> {
    let finding: &Finding = find(scan, FULL);
    let baseline = block_on(baseline::read(store, "prod")).unwrap();
    annotate(&baseline.without(scan.bundle.id.as_deref().unwrap()), finding)
}

#[test]
fn what_is_usual_is_annotated_and_a_surge_is_flagged_again() {
    let store = MemoryStore::new();
    learned(&store, 4, 10);
    let usual = said(&store, &observed(90, 1, 12)).unwrap();
    assert!(usual.is_baseline && !usual.surges, "{usual:?}");
    assert!(usual.note.contains("4 of 4 bundles"), "{}", usual.note);
    let surge = said(&store, &observed(90, 1, 500)).unwrap();
    assert!(!surge.is_baseline && surge.surges, "{surge:?}");
}

#[test]
fn a_bundle_does_not_make_itself_normal() {
    let store = MemoryStore::new();
    learned(&store, 3, 10);
    // One of the three itself: two others are too few.
    let own = said(&store, &observed(0, 1, 10)).unwrap();
    assert!(!own.is_baseline, "{own:?}");
    assert!(said(&MemoryStore::new(), &observed(0, 1, 10)).is_none());
}

#[test]
fn decisions_hold_until_they_are_taken_back() {
    let store = MemoryStore::new();
    learned(&store, 4, 10);
    let scan = observed(90, 1, 10);
    let fingerprint = find(&scan, FULL).fingerprint.clone();
    let pin = |decision| block_on(baseline::pin(&store, "prod", &fingerprint, decision, "")).unwrap();
    assert!(pin(Some(Pin::Never)));
    assert!(!pin(Some(Pin::Never)), "nothing changes twice");
    assert!(!said(&store, &scan).unwrap().is_baseline);
    assert!(pin(None));
    assert!(said(&store, &scan).unwrap().is_baseline);
    assert_eq!(block_on(baseline::reset(&store, "prod")).unwrap(), 4);
    assert!(said(&store, &scan).is_none());
    assert!(pin(Some(Pin::Normal)));
    assert!(said(&store, &scan).unwrap().is_baseline, "declared, though never seen");
}

#[test]
fn names_and_records_are_checked() {
    let store = MemoryStore::new();
    for name in ["", "../x", "a/b", "-a", "a b"] {
        assert!(matches!(block_on(baseline::read(&store, name)), Err(BaselineError::BadCluster(_))), "{name}");
    }
    for shard in 0..16 {
        store.insert(path(&format!("baselines/prod/seen-{shard:x}.json")), "{");
    }
    let failed = block_on(baseline::read(&store, "prod")).unwrap_err();
    assert!(failed.to_string().contains("baselines/prod/seen-0.json"), "{failed}");
}

#[test]
fn old_bundles_weigh_less() {
    let store = MemoryStore::new();
    for (bundle, (day, lines)) in [(1, 2), (2, 2), (3, 2), (200, 0), (201, 0), (202, 0)].into_iter().enumerate() {
        let mut scan = observed(bundle, 1, lines);
        let since = jiff::Timestamp::from_second(1_780_000_000).unwrap();
        scan.bundle.collected_at = Some(since + jiff::SignedDuration::from_hours(24 * day));
        block_on(baseline::learn(&store, "prod", &Observation::new(&scan).unwrap())).unwrap();
    }
    let read = block_on(baseline::read(&store, "prod")).unwrap();
    let entry = read.entry(&find(&observed(0, 1, 1), FULL).fingerprint).unwrap();
    assert_eq!(entry.bundles, 3);
    assert!(entry.rate < 0.05 && !entry.normal, "half a year ago: {entry:?}");
}
