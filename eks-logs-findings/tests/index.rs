//! The stored findings index gives what a scan gives, or is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::path::Path;

use eks_logs_core::{ByteRange, LocalStore, Located, MemoryStore, StorePath, bundle};
use eks_logs_findings::index::{
    Of, STORED_EVENTS, STORED_EVIDENCE, Stored, events_to_json, from_json, has_evidence, load, load_with, take_events,
    to_json,
};
use eks_logs_findings::{Catalogue, EvidenceLimit, Scan, ScanOptions, scan};
use futures_lite::future::block_on;
use proptest::prelude::*;

const AT: &str = "2026-11-20T04:00:00Z";

fn with_events(bundle: &Located) -> Scan {
    let options = ScanOptions::default().with_line_index(true).with_events(true);
    block_on(scan(bundle, Catalogue::builtin(), options, None)).unwrap()
}

fn scanned(bundle: &Located, evidence: EvidenceLimit, lines: bool) -> Scan {
    let options = ScanOptions::default().with_evidence(evidence).with_line_index(lines);
    block_on(scan(bundle, Catalogue::builtin(), options, None)).unwrap()
}

/// What is stored is read back, and gives the answer of a scan with as much evidence, byte for byte.
fn check(located: &Located) {
    let of = block_on(Of::now(located, Catalogue::builtin())).unwrap();
    let full = with_events(located);
    let (plain, more) = (
        scanned(located, EvidenceLimit::Few(STORED_EVIDENCE), true),
        scanned(located, EvidenceLimit::Few(STORED_EVENTS), false),
    );
    assert!(full.findings == plain.findings, "{}: keeping events changes what is found", located.locator);
    assert!(full.events == more.findings, "{}: the events are those of a scan that quotes as many", located.locator);
    let json = to_json(&full, &of, AT.parse().unwrap()).unwrap();
    let Stored::Fresh(read) = from_json(&json, &of) else { panic!("{}: {:?}", located.locator, from_json(&json, &of)) };
    assert_eq!(read.indexed_at, Some(AT.parse().unwrap()));
    for limit in [EvidenceLimit::Few(STORED_EVIDENCE), EvidenceLimit::All] {
        if !has_evidence(&read, limit) {
            continue;
        }
        let fresh = serde_json::to_string_pretty(&scanned(located, limit, false)).unwrap();
        let stored = serde_json::to_string_pretty(&read).unwrap();
        let differs = stored.lines().zip(fresh.lines()).find(|(stored, fresh)| stored != fresh);
        assert_eq!((differs, stored.len()), (None, fresh.len()), "{} {limit:?}", located.locator);
    }
    let mut read = *read;
    assert!(take_events(&mut read, &events_to_json(&full, &of).unwrap(), &of), "{}", located.locator);
    read.indexed_at = None;
    let (stored, fresh) = (serde_json::to_string(&read).unwrap(), serde_json::to_string(&more).unwrap());
    assert!(stored == fresh, "{}: the index of events differs from a scan", located.locator);
}

#[test]
fn an_index_gives_what_a_scan_gives() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/eks_i-0a1b2c3d4e5f60718_2026-11-20_0312-UTC_0.7.9.tar.gz");
    check(&block_on(bundle::open(&sample)).unwrap());
}

#[test]
fn an_index_gives_what_a_scan_gives_on_every_incident() {
    let incidents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/incidents");
    let Ok(found) = std::fs::read_dir(&incidents) else {
        println!("skipped: an_index_gives_what_a_scan_gives_on_every_incident needs ../shared/incidents");
        return;
    };
    let mut bundles: Vec<_> =
        found.flatten().map(|entry| entry.path().join("bundle")).filter(|path| path.is_dir()).collect();
    bundles.sort();
    assert!(!bundles.is_empty());
    for path in bundles {
        if let Ok(located) = block_on(bundle::open(&path)) {
            check(&located);
        }
    }
}

fn memory(fault: &str) -> MemoryStore {
    let store = MemoryStore::new();
    store.insert(StorePath::parse("kernel/dmesg.current").unwrap(), fault.to_owned());
    store
}

const FAULT: &str = "[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n";

#[test]
fn an_index_of_anything_else_is_refused() {
    let store = memory(FAULT);
    let located = Located::in_store(memory(FAULT));
    let of = block_on(Of::now(&located, Catalogue::builtin())).unwrap();
    let found = scanned(&located, EvidenceLimit::Few(STORED_EVIDENCE), false);
    let json = to_json(&found, &of, AT.parse().unwrap()).unwrap();
    let path = StorePath::parse("findings_index.json").unwrap();
    store.insert(path.clone(), json.clone());
    let located = Located::in_store(store);
    assert!(
        matches!(block_on(load(&located, Catalogue::builtin())).unwrap(), Stored::Fresh(_)),
        "its own record is no file of it"
    );
    // Other rules.
    let stale = |stored: Stored, word: &str| match stored {
        Stored::Stale(why) => assert!(why.contains(word), "{why}"),
        other => panic!("{other:?}"),
    };
    stale(block_on(load(&located, &Catalogue::empty())).unwrap(), "other rules");
    // Other files.
    let grown = memory(&format!("{FAULT}{FAULT}"));
    grown.insert(path.clone(), json.clone());
    stale(block_on(load(&Located::in_store(grown), Catalogue::builtin())).unwrap(), "other files");
    // Other versions, damage, other programs.
    stale(from_json(br#"{"index_version":"v9"}"#, &of), "v9");
    stale(from_json(br#"{"index_version":"v3","indexedAt":"2026"}"#, &of), "damaged");
    stale(from_json(&json[..json.len() / 2], &of), "no findings index");
    stale(from_json(&json, &Of { program: "0.0.0".to_owned(), ..of.clone() }), "version of the program");
    // The sample server's.
    for (json, version) in [
        (r#"{"index_version":"v2","indexedAt":"2026-11-20T04:00:00","findings":[],"summary":{"critical":0}}"#, "v2"),
        (r#"{"indexedAt":"2026-11-20T04:00:00","findings":[{"severity":"warning"}],"summary":{"warning":1}}"#, "v1"),
    ] {
        assert_eq!(from_json(json.as_bytes(), &of), Stored::Legacy(version.to_owned()));
    }
    assert_eq!(block_on(load(&Located::in_store(memory(FAULT)), Catalogue::builtin())).unwrap(), Stored::Absent);
}

#[test]
fn evidence_that_was_not_stored_is_not_made_up() {
    let found = scanned(&Located::in_store(memory(&FAULT.repeat(50))), EvidenceLimit::Few(STORED_EVIDENCE), false);
    assert!(found.findings[0].evidence_omitted > 0);
    assert!(has_evidence(&found, EvidenceLimit::Few(STORED_EVIDENCE)));
    assert!(
        !has_evidence(&found, EvidenceLimit::All) && !has_evidence(&found, EvidenceLimit::Few(STORED_EVIDENCE - 1))
    );
    let all = scanned(&Located::in_store(memory(FAULT)), EvidenceLimit::Few(STORED_EVIDENCE), false);
    assert!(has_evidence(&all, EvidenceLimit::All));
}

#[test]
fn events_are_taken_from_an_index_of_the_same_findings_only() {
    let with = |records: &[(&str, &[u8])]| {
        let store = memory(&FAULT.repeat(50));
        for (name, content) in records {
            store.insert(StorePath::parse(name).unwrap(), content.to_vec());
        }
        Located::in_store(store)
    };
    let bundle = with(&[]);
    let of = block_on(Of::now(&bundle, Catalogue::builtin())).unwrap();
    let found = with_events(&bundle);
    let (findings, events) = (to_json(&found, &of, AT.parse().unwrap()).unwrap(), events_to_json(&found, &of).unwrap());
    let quoted = |records: &[(&str, &[u8])], limit| {
        let scan = block_on(load_with(&with(records), Catalogue::builtin(), limit)).unwrap();
        scan.map(|scan| scan.findings[0].evidence.len())
    };
    let (few, many) = (EvidenceLimit::Few(STORED_EVIDENCE), EvidenceLimit::Few(STORED_EVENTS));
    let whole: [(&str, &[u8]); 2] = [("findings_index.json", &findings), ("events_index.json", &events)];
    assert_eq!(
        (quoted(&whole, few), quoted(&whole, many), quoted(&whole, EvidenceLimit::All)),
        (Some(5), Some(50), Some(50))
    );
    let other = events_to_json(&found, &Of { rules: "others".to_owned(), ..of }).unwrap();
    for events in [&events[..events.len() / 2], b"", b"{}", &other] {
        let damaged: [(&str, &[u8]); 2] = [whole[0], ("events_index.json", events)];
        assert_eq!((quoted(&damaged, few), quoted(&damaged, many)), (Some(5), None));
    }
    assert_eq!((quoted(&whole[..1], few), quoted(&whole[..1], many)), (Some(5), None));
    assert_eq!(quoted(&whole[1..], many), None);
}

/// The lines of the scan's index are those of the file, also of one that is compressed inside the bundle.
#[test]
fn lines_are_a_by_product_of_the_scan() {
    use std::io::Write as _;
    let text: String = (0..60_000).map(|n| format!("{n} {}\n", "x".repeat(n % 83))).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let compressed = encoder.finish().unwrap();
    let stored = compressed.len() as u64;
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("kubelet")).unwrap();
    std::fs::write(directory.path().join("kubelet/kubelet.log"), &text).unwrap();
    std::fs::write(directory.path().join("kubelet/kubelet.log.1.gz"), compressed).unwrap();
    let located = Located::in_store(LocalStore::open(directory.path()).unwrap());
    for threads in [0, 3] {
        let options = ScanOptions::default().with_threads(threads).with_line_index(true);
        let found = block_on(scan(&located, Catalogue::builtin(), options, None)).unwrap();
        assert_eq!(found.lines.len(), 2);
        assert_eq!(found.lines[0].content_hash, found.lines[1].content_hash);
        assert_eq!((found.lines[0].index.stored_size, found.lines[1].index.stored_size), (text.len() as u64, stored));
        for lines in &found.lines {
            assert_eq!((lines.index.lines(), lines.index.size), (60_000, text.len() as u64));
            let (segments, before) = lines.index.locate(31_415, 31_416).unwrap();
            let from = segments[0].start as usize;
            assert_eq!(text[..from].lines().count() as u64, before);
            assert!(segments[0].holds(&text.as_bytes()[from..segments[0].end() as usize]));
        }
    }
    let whole =
        block_on(located.store.get(&StorePath::parse("kubelet/kubelet.log").unwrap(), ByteRange::WHOLE)).unwrap();
    assert_eq!(whole.len(), text.len());
}

proptest! {
    #[test]
    fn no_bytes_make_an_index_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let located = Located::in_store(memory(FAULT));
        let of = Of { program: String::new(), rules: String::new(), files: String::new() };
        let found = scanned(&located, EvidenceLimit::Few(2), false);
        let mut json = to_json(&found, &of, AT.parse().unwrap()).unwrap();
        let at = at.index(json.len());
        json[at] = byte;
        let _ = from_json(&json, &of);
        json.truncate(cut.index(json.len()));
        let _ = from_json(&json, &of);
    }
}
