//! Search finds what ripgrep finds, in every store, each byte once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eks_logs_core::search::{LONGEST_LINE, LogTypes, Query, SearchOptions, SearchResult, search};
use eks_logs_core::testing::{CountingStore, FaultyStore};
use eks_logs_core::{ArchiveStore, LocalStore, Located};
use futures_lite::future::block_on;
use proptest::prelude::*;
use support::{directory, everywhere, gzip, memory, path, shared, tar};

fn run(bundle: &Located, query: &str) -> SearchResult {
    with(bundle, query, |_| {})
}

fn with(bundle: &Located, query: &str, change: impl FnOnce(&mut SearchOptions<'_>)) -> SearchResult {
    let mut options = SearchOptions::default();
    options.max_matches = 500;
    change(&mut options);
    block_on(search(bundle, &Query::new(query, false).unwrap(), &options)).unwrap()
}

/// For each file the number of lines that match, and the first of them.
type Found = BTreeMap<String, (u64, Vec<u64>)>;

fn found(result: &SearchResult) -> Found {
    let lines = |file: &eks_logs_core::search::FileMatches| file.matches.iter().map(|line| line.line).collect();
    result.files.iter().map(|file| (file.file.clone(), (file.count, lines(file)))).collect()
}

fn has_ripgrep() -> bool {
    Command::new("rg").arg("--version").output().is_ok()
}

/// What ripgrep finds; `None` if it refuses the pattern.
fn ripgrep(root: &Path, pattern: &str, more: &[&str]) -> Option<Found> {
    let output = Command::new("rg")
        .args(["--no-config", "-a", "-i", "-n", "-H", "-0", "--no-heading", "--no-ignore", "--hidden", "-E", "none"])
        .args(more)
        .args(["-e", pattern, "."])
        .current_dir(root)
        .output()
        .unwrap();
    if output.status.code() == Some(2) {
        return None;
    }
    let mut found = Found::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        let Some(at) = line.iter().position(|byte| *byte == 0) else { continue };
        let name = String::from_utf8(line[..at].to_vec()).unwrap();
        let digits: String =
            line[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| *byte as char).collect();
        let (count, lines) = found.entry(name.trim_start_matches("./").to_owned()).or_default();
        *count += 1;
        if lines.len() < 500 {
            lines.push(digits.parse().unwrap());
        }
    }
    Some(found)
}

const WORDS: [&str; 18] = [
    "error",
    "failed",
    "kubelet",
    "oom",
    "timeout",
    "eni",
    "pod",
    "E1122",
    "level=info",
    "ms",
    "conn",
    "refused",
    "10.0",
    "aws-node",
    "über",
    "not",
    "0x",
    "sandbox",
];

/// A pattern of literals, classes, alternations, anchors, repetitions, case.
fn pattern(rng: &mut fastrand::Rng) -> String {
    let mut text = String::new();
    if rng.u8(..8) == 0 {
        text.push('^');
    }
    for _ in 0..rng.usize(1..4) {
        let word = WORDS[rng.usize(..WORDS.len())];
        let piece = match rng.u8(..14) {
            0 => r"\d+".to_owned(),
            1 => "[a-f0-9]{2,6}".to_owned(),
            2 => format!("({word}|{})", WORDS[rng.usize(..WORDS.len())]),
            3 => r"\s".to_owned(),
            4 => r"\b".to_owned() + word,
            5 => ".*".to_owned() + word,
            6 => format!("{word}?"),
            7 => r"[^ ]+".to_owned(),
            8 => format!("(?:{word})*"),
            9 => format!("{}.", &word[..word.chars().next().map_or(0, char::len_utf8)]),
            10 => word.to_uppercase(),
            _ => word.to_owned(),
        };
        text.push_str(&piece);
    }
    if rng.u8(..8) == 0 {
        text.push('$');
    }
    text
}

/// Lines as components print them, and some that they do not.
fn text(rng: &mut fastrand::Rng, lines: usize, end: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0..lines {
        for _ in 0..rng.usize(0..12) {
            let piece = match rng.u8(..20) {
                0 => rng.u32(..).to_string(),
                1 => format!("{:x}", rng.u64(..)),
                2 => "\t".to_owned(),
                3 => "Über→".to_owned(),
                _ => WORDS[rng.usize(..WORDS.len())].to_owned(),
            };
            text.extend_from_slice(piece.as_bytes());
            text.push(b' ');
        }
        if end == "\n" && number % 97 == 5 {
            text.extend_from_slice(b"\xff\xfe\0 \r progress\r");
        }
        text.extend_from_slice(end.as_bytes());
    }
    if rng.bool() {
        text.extend_from_slice(b"no newline at the end: pod failed");
    }
    text
}

/// Compares so many patterns and returns how many of them match something.
fn compare(root: &Path, patterns: usize, seed: u64, more: &[&str]) -> usize {
    let bundle = Located::in_store(LocalStore::open(root).unwrap());
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut compared, mut matching) = (0, 0);
    while compared < patterns {
        let pattern = pattern(&mut rng);
        let Ok(query) = Query::new(&pattern, false) else { continue };
        let Some(want) = ripgrep(root, &pattern, more) else { continue };
        let mut options = SearchOptions::default();
        options.max_matches = 500;
        options.threads = compared % 3;
        let result = block_on(search(&bundle, &query, &options)).unwrap();
        let got = found(&result);
        assert!(
            got == want,
            "{pattern}: differs in {:?}",
            got.iter()
                .filter(|(file, found)| want.get(*file) != Some(found))
                .chain(want.iter().filter(|(file, _)| !got.contains_key(*file)))
                .map(|(file, found)| (file, found.0, want.get(file).map(|found| found.0)))
                .collect::<Vec<_>>()
        );
        assert_eq!(result.total, want.values().map(|(count, _)| count).sum::<u64>());
        compared += 1;
        matching += usize::from(!want.is_empty());
    }
    matching
}

#[test]
fn ripgrep_finds_the_same_in_generated_bundles() {
    if !has_ripgrep() {
        println!("skipped: ripgrep_finds_the_same_in_generated_bundles needs rg");
        return;
    }
    let mut rng = fastrand::Rng::with_seed(1);
    let files: Vec<(String, Vec<u8>)> = (0..6)
        .map(|number| (format!("kubelet/{number}.log"), text(&mut rng, [0, 1, 50, 3000, 9000, 60_000][number], "\n")))
        .collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
    let root = directory(&files);
    let matching = compare(root.path(), 200, 7, &[]);
    assert!(matching > 50, "patterns that match nothing compare nothing: {matching}");
}

#[test]
fn ripgrep_finds_the_same_where_lines_end_as_on_windows() {
    if !has_ripgrep() {
        println!("skipped: ripgrep_finds_the_same_where_lines_end_as_on_windows needs rg");
        return;
    }
    let mut rng = fastrand::Rng::with_seed(2);
    let content = text(&mut rng, 4000, "\r\n");
    let root = directory(&[("system/services", &content)]);
    let matching = compare(root.path(), 60, 8, &["--crlf"]);
    assert!(matching > 15, "patterns that match nothing compare nothing: {matching}");
}

fn incidents() -> Option<Vec<PathBuf>> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?.join("shared/incidents");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(shared).ok()?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    Some(found)
}

#[test]
fn ripgrep_finds_the_same_in_the_incidents() {
    let (true, Some(incidents)) = (has_ripgrep(), incidents()) else {
        println!("skipped: ripgrep_finds_the_same_in_the_incidents needs rg and ../shared/incidents");
        return;
    };
    assert!(!incidents.is_empty());
    let each = 100_usize.div_ceil(incidents.len());
    let mut matching = 0;
    for (number, incident) in incidents.iter().enumerate() {
        // Answers and archives beside the bundle are compressed or no text: the directory of files is compared.
        let bundle = incident.join("bundle");
        if bundle.is_dir() {
            matching += compare(&bundle, each, number as u64, &["-g", "!*.gz"]);
        }
    }
    assert!(matching > 20, "patterns that match nothing compare nothing: {matching}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_store_and_any_number_of_threads_give_the_naive_answer(
        lines in proptest::collection::vec("[a-c ]{0,12}|\u{e4}b{0,3}|", 0..60), newline in any::<bool>(), query in prop_oneof![
            "[abc]{1,3}", Just("a.c".to_owned()), Just("^b".to_owned()), Just("c$".to_owned()), Just("^$".to_owned()),
            Just("(a|b)+c".to_owned()), Just("x*".to_owned()), Just("\u{c4}".to_owned()),
        ],
        context in 0_usize..4, max in 1_usize..8,
    ) {
        let mut content = lines.join("\n");
        if newline {
            content.push('\n');
        }
        let content = content.as_bytes();
        let compressed = gzip(content);
        let files: [(&str, &[u8]); 3] = [("kubelet/kubelet.log", content), ("ipamd/x.log.gz", &compressed), ("kernel/dmesg.current", b"no such line\n")];
        let (bundles, _directory) = everywhere(&files);
        let regex = regex::bytes::RegexBuilder::new(&query).case_insensitive(true).build().unwrap();
        let all: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line)).collect();
        let want: Vec<usize> = (0..all.len()).filter(|number| regex.is_match(all[*number])).collect();
        let mut answers = Vec::new();
        for (kind, bundle) in &bundles {
            for threads in [0, 3] {
                let result = with(bundle, &query, |options| {
                    (options.threads, options.context, options.max_matches) = (threads, context, max);
                });
                for file in ["kubelet/kubelet.log", "ipamd/x.log.gz"] {
                    let found = result.files.iter().find(|found| found.file == file);
                    prop_assert_eq!(found.map_or(0, |found| found.count), want.len() as u64, "{} {}", kind, &query);
                    let told = found.map(|found| found.matches.as_slice()).unwrap_or_default();
                    prop_assert_eq!(told.len(), want.len().min(max));
                    for (line, number) in told.iter().zip(&want) {
                        prop_assert_eq!(line.line as usize, number + 1);
                        prop_assert_eq!(line.text.as_bytes(), all[*number]);
                        prop_assert_eq!(&content[line.start_byte as usize..line.end_byte as usize], all[*number]);
                        let lossy = |lines: &[&[u8]]| lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>();
                        prop_assert_eq!(&line.before, &lossy(&all[number.saturating_sub(context)..*number]));
                        prop_assert_eq!(&line.after, &lossy(&all[(number + 1).min(all.len())..(number + 1 + context).min(all.len())]));
                    }
                }
                answers.push(result);
            }
        }
        for answer in &answers {
            prop_assert_eq!(&answer.files, &answers[0].files);
            prop_assert_eq!(answer.total, answers[0].total);
        }
    }
}

/// Context and counts across the blocks of a large file.
#[test]
fn blocks_do_not_show() {
    let line = |n: u64| format!("{n} {}{}", "x".repeat((n % 90) as usize), if n % 1000 == 7 { " needle" } else { "" });
    let content: String = (0..120_000).map(|n| line(n) + "\n").collect();
    assert!(content.len() > 4 << 20);
    let bundle = Located::in_store(memory(&[("kubelet/kubelet.log", content.as_bytes())]));
    let result = with(&bundle, "NEEDLE", |options| options.context = 3);
    let file = &result.files[0];
    assert_eq!((file.count, file.matches.len(), result.total), (120, 120, 120));
    for (number, found) in file.matches.iter().enumerate() {
        let at = number as u64 * 1000 + 7;
        assert_eq!(found.line, at + 1);
        assert_eq!(found.text, line(at));
        assert_eq!(found.before, (at.saturating_sub(3)..at).map(line).collect::<Vec<_>>());
        assert_eq!(found.after, (at + 1..at + 4).map(line).collect::<Vec<_>>());
        assert_eq!(&content[found.start_byte as usize..found.end_byte as usize], found.text);
    }
    let cut = with(&bundle, "x", |options| options.max_matches = 5);
    assert_eq!(cut.files[0].matches.len(), 5);
    assert_eq!(
        cut.total,
        (0..120_000).filter(|n| line(*n).contains('x')).count() as u64,
        "exact, although matches are cut"
    );
    assert!(cut.cut && !result.cut);
}

#[test]
fn lines_longer_than_the_longest_count_once() {
    let piece = "abcdefgh".repeat(LONGEST_LINE / 8);
    // A match in every piece, one across a cut, one at the end.
    let content = format!("start {piece}{piece}NEEDLE{piece} end\nshort\n{piece}{piece}last");
    let bundle = Located::in_store(memory(&[("log", content.as_bytes())]));
    for (query, lines) in [
        ("abcdefgh", vec![1, 3]),
        ("needle", vec![1]),
        ("^start", vec![1]),
        ("end$", vec![1]),
        ("last$", vec![3]),
        ("^abc", vec![3]),
        ("h$", vec![]),
        ("^h", vec![]),
        ("short", vec![2]),
        ("d.*last", vec![3]),
    ] {
        let result = run(&bundle, query);
        let told: Vec<u64> = result.files.iter().flat_map(|file| &file.matches).map(|line| line.line).collect();
        assert_eq!((told, result.total), (lines.clone(), lines.len() as u64), "{query}");
        assert_eq!(result.overlong, ["log"]);
        for line in result.files.iter().flat_map(|file| &file.matches) {
            assert!(line.text.len() <= 2 << 10);
            assert_eq!(&content[line.start_byte as usize..line.end_byte as usize], line.text);
        }
    }
    // A line of exactly the longest length ends where its only piece ends.
    let bundle = Located::in_store(memory(&[("log", piece.as_bytes())]));
    assert_eq!(run(&bundle, "h$").total, 1);
    assert_eq!(run(&bundle, "g$").total, 0);
}

#[test]
fn each_byte_is_read_once() {
    let content = text(&mut fastrand::Rng::with_seed(3), 40_000, "\n");
    let store = Arc::new(CountingStore::new(memory(&[("kubelet/kubelet.log", &content), ("a", b"pod\n")])));
    let result = run(&shared(&store), "pod");
    let asked = store.take();
    assert_eq!((asked.bytes, asked.gets), (content.len() as u64 + 4, 2));
    assert_eq!(result.bytes_searched, asked.bytes);
    assert_eq!(result.files_searched, 2);
}

#[test]
fn log_types_leave_files_out_and_say_so() {
    let bundle = Located::in_store(memory(&[
        ("bottlerocket-logs/ipamd.log", b"pod one\n"),
        ("bottlerocket-logs/dmesg", b"pod two\n"),
        ("bottlerocket-logs/journalctl.log", b"pod three\n"),
    ]));
    let all = run(&bundle, "pod");
    assert_eq!(
        all.files.iter().map(|file| file.file.as_str()).collect::<Vec<_>>(),
        ["dmesg", "ipamd.log", "journalctl.log"]
    );
    assert_eq!(all.files[1].path, path("bottlerocket-logs/ipamd.log"));
    assert_eq!(all.files.iter().map(|file| file.id.as_str()).collect::<Vec<_>>(), ["S-001", "S-002", "S-003"]);
    let some = with(&bundle, "pod", |options| options.log_types = LogTypes::parse("ipamd,dmesg").unwrap());
    assert_eq!((some.total, some.files_left_out, some.files_searched), (2, 1, 2));
}

#[test]
fn what_cannot_be_searched_is_said() {
    let damaged = {
        let mut bytes = gzip(&b"pod\n".repeat(5000));
        bytes.truncate(20);
        bytes
    };
    let files: [(&str, &[u8]); 5] = [
        ("kubelet/kubelet.log", b"pod\n"),
        ("kernel/dmesg.current", b"pod\n"),
        ("ipamd/x.log.gz", &damaged),
        ("bottlerocket/logdog/bottlerocket-logs.tar.gz", b"pod\n"),
        ("system/events/text", b"\xff\xfep\0o\0d\0"),
    ];
    let store = FaultyStore::new(memory(&files)).deny(path("kernel/dmesg.current"));
    let result = run(&Located::in_store(store), "pod");
    let skipped: Vec<&str> = result.skipped.iter().map(|skipped| skipped.file.as_str()).collect();
    assert_eq!(skipped, ["bottlerocket/logdog/bottlerocket-logs.tar.gz", "ipamd/x.log.gz", "kernel/dmesg.current"]);
    assert_eq!(result.utf16, ["system/events/text"]);
    assert_eq!(found(&result).get("kubelet/kubelet.log").unwrap().0, 1);
    assert!(
        run(&Located::in_store(memory(&[("manifest.json", b"pod\n"), ("line_index/a.json", b"pod\n")])), "pod")
            .files
            .is_empty()
    );
}

#[test]
fn a_search_that_is_stopped_says_what_it_did_not_reach() {
    let content = text(&mut fastrand::Rng::with_seed(4), 60_000, "\n");
    let files: [(&str, &[u8]); 4] = [
        ("cni/a", b"pod\n"),
        ("kubelet/kubelet.log", &content),
        ("var_log/messages", b"pod\n"),
        ("system/ps.txt", b"pod\n"),
    ];
    // Every run is asked anew.
    let run = |bundle: &Located| {
        let asked = AtomicU64::new(0);
        let stop = move || asked.fetch_add(1, Ordering::Relaxed) > 4;
        let mut options = SearchOptions::default();
        options.threads = 0;
        options.stop = Some(&stop);
        block_on(search(bundle, &Query::new("pod", false).unwrap(), &options)).unwrap()
    };
    let result = run(&Located::in_store(memory(&files)));
    let stopped = result.stopped.unwrap();
    assert_eq!(stopped.file.as_deref(), Some("kubelet/kubelet.log"));
    assert_eq!(stopped.not_reached.unwrap(), ["system/ps.txt", "var_log/messages"]);
    assert_eq!(result.files_searched, 1);
    let archive = ArchiveStore::from_bytes(gzip(&tar(&files)), "archive").unwrap();
    let result = run(&Located::in_store(archive));
    assert_eq!(result.stopped.unwrap().not_reached, None);
    let never = with(&Located::in_store(memory(&files)), "pod", |options| options.stop = Some(&|| false));
    assert!(never.stopped.is_none() && never.files_searched == 4);
}

/// A local file is searched in shares by several threads; what comes out is what comes out of blocks.
#[test]
fn shares_do_not_show() {
    const SHARE: usize = 4 << 20;
    let mut rng = fastrand::Rng::with_seed(5);
    let large = |rng: &mut fastrand::Rng, end: &str| {
        let mut content = Vec::new();
        while content.len() < 9 << 20 {
            content.extend_from_slice(&text(rng, 2000, end));
        }
        content
    };
    let (plain, windows) = (large(&mut rng, "\n"), large(&mut rng, "\r\n"));
    // Lines that end, start and go on where shares do.
    let edges = |overs: &[usize]| {
        let mut edges = b"pod at the start\n".to_vec();
        let short_lines = |edges: &mut Vec<u8>, to: usize| {
            while edges.len() < to - 500 {
                edges.extend_from_slice(b"a short line\n");
            }
        };
        for (number, over) in overs.iter().enumerate() {
            short_lines(&mut edges, (number + 1) * SHARE);
            edges.resize((number + 1) * SHARE + over - 5, b'.');
            edges.extend_from_slice(b"pod 1\npod 2\n");
        }
        let end = edges.len().div_ceil(SHARE) * SHARE;
        short_lines(&mut edges, end);
        edges.resize(end - 2, b'.');
        edges.extend_from_slice(b"pod over the last edge, without a newline");
        edges
    };
    // The first has shares; the second has a line that is longer than they are made of.
    let (edges, long_edge) = (edges(&[0, 1, 2, 3, 100]), edges(&[5, SHARE / 2]));
    let overlong = [plain.as_slice(), "pod ".repeat(LONGEST_LINE / 3).as_bytes(), b"\n", &plain].concat();
    let compressed = gzip(&fastrand::Rng::with_seed(6).u128(..).to_le_bytes().repeat(1000));
    let stored = [compressed.as_slice(), &plain].concat();
    let files: [(&str, &[u8]); 8] = [
        ("kubelet/kubelet.log", &plain),
        ("system/services", &windows),
        ("edges", &edges),
        ("long-edge", &long_edge),
        ("overlong", &overlong),
        ("one-line", &b"pod ".repeat(1 << 20)),
        ("two.gz", &stored),
        ("utf16", &[b"\xff\xfe".as_slice(), &plain].concat()),
    ];
    let root = directory(&files);
    let (blocks, shares) =
        (Located::in_store(memory(&files)), Located::in_store(LocalStore::open(root.path()).unwrap()));
    for query in
        ["pod", "^pod", r"failed$", "pod [12]$", r"\d{9}", "nowhere to be found", "newline$", "x*", r"progress\r$"]
    {
        for (threads, context, max) in [(2, 0, 500), (0, 0, 3), (3, 4, 7), (1, 1, 500)] {
            let ask = |bundle| {
                with(bundle, query, |options| {
                    (options.threads, options.context, options.max_matches) = (threads, context, max);
                })
            };
            let (blocks, shares) = (ask(&blocks), ask(&shares));
            assert!(blocks == shares, "{query}, {threads} threads, {context} lines of context, {max} matches");
        }
    }
    let found = run(&shares, "pod");
    assert_eq!((found.files_searched, found.overlong.len()), (7, 2));
    assert_eq!(found.files.iter().find(|file| file.file == "edges").unwrap().count, 12);
}
