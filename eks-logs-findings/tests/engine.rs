//! The engine against the plain reading of its contract: for any lines, in any file, cut anywhere, it finds what a loop over lines and
//! rules finds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;

use eks_logs_core::{Layout, Located, MemoryStore};
use eks_logs_findings::{Catalogue, EvidenceLimit, Scan, ScanOptions, Severity, line, scan};
use futures_lite::future::block_on;
use proptest::prelude::*;
use support::path;

const FILES: [&str; 5] = [
    "kubelet/kubelet.log",
    "var_log/messages",
    "kernel/dmesg.current",
    "var_log/aws-routed-eni/ipamd.log",
    "var_log/kube-system_coredns-5d78c9869d-gtr8z_uid/coredns/0.log",
];

/// Lines: examples and counter-examples of all rules, whole or damaged, and bytes of any kind.
fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let rules = Catalogue::builtin().rules();
    let real: Vec<Vec<u8>> = rules
        .iter()
        .flat_map(|rule| rule.examples.iter().chain(&rule.counter_examples))
        .map(|example| example.line.as_bytes().to_vec())
        .collect();
    let damaged = (proptest::sample::select(real.clone()), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut line, at, byte)| {
            if !line.is_empty() {
                let at = at.index(line.len());
                line[at] = if byte == b'\n' { 0 } else { byte };
            }
            line
        },
    );
    let noise = proptest::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 0..200);
    let line = prop_oneof![4 => proptest::sample::select(real), 2 => damaged, 1 => noise];
    proptest::collection::vec(line, 0..60)
}

/// For each rule without conditions over many lines: in which lines it matches, read line by line.
fn naive(file: &str, lines: &[Vec<u8>]) -> BTreeMap<String, Vec<u64>> {
    let layout = Layout::builtin();
    let class = layout.classify(&path(file));
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (number, text) in lines.iter().enumerate() {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let (bytes, text) = (text, &*line::clean(text));
        let parsed = line::parse(text);
        let source = layout.line_source(class, parsed.program.clone().map(|range| &text[range]), parsed.kernel);
        let message = &text[parsed.message..];
        let mut own = message.to_vec();
        line::quoted::spans(message).into_iter().for_each(|span| own[span].fill(b' '));
        for rule in Catalogue::builtin().rules() {
            let holds = |literal: &String| bytes.windows(literal.len()).any(|bytes| bytes == literal.as_bytes());
            let message = if rule.reads_quoted { message } else { &own };
            if rule.repeat.is_none()
                && rule.sources.contains(&source)
                && rule.matcher.literals.iter().any(holds)
                && rule.matcher.pattern.as_ref().is_none_or(|pattern| pattern.is_match(message))
                && !rule.unless.iter().any(|unless| unless.pattern.is_match(message))
            {
                found.entry(rule.id.to_string()).or_default().push(number as u64 + 1);
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn it_finds_what_a_loop_over_lines_finds(lines in lines(), file in proptest::sample::select(&FILES[..]), newline in any::<bool>(), threads in 0_usize..3, times in 1_usize..4) {
        // What was said of a message is remembered from its second time on.
        let lines: Vec<Vec<u8>> = std::iter::repeat_n(lines, times).flatten().collect();
        let mut content = lines.join(&b'\n');
        if newline {
            content.push(b'\n');
        }
        let store = MemoryStore::new();
        store.insert(path(file), content.clone());
        // Each rule for itself: which finding tells a line that several rules match is another matter.
        let options = ScanOptions::default().with_threads(threads).with_evidence(EvidenceLimit::All).with_fold(false);
        let found = block_on(scan(&Located::in_store(store), Catalogue::builtin(), options, None)).unwrap();
        let mut told: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for finding in found.findings.iter().filter(|finding| !matches!(finding.rule.area(), "unrecognised" | "clock")) {
            prop_assert_eq!(finding.count + finding.evidence.iter().filter(|line| line.duplicate).count() as u64, finding.evidence.len() as u64);
            for line in &finding.evidence {
                let span = &content[line.start_byte as usize..line.end_byte as usize];
                prop_assert_eq!(String::from_utf8_lossy(span), line.text.as_str());
                let above = content[..line.start_byte as usize].iter().filter(|byte| **byte == b'\n').count() as u64;
                prop_assert_eq!(above + 1, line.line);
                if Catalogue::builtin().get(finding.rule.as_str()).unwrap().repeat.is_none() {
                    told.entry(finding.rule.to_string()).or_default().push(line.line);
                }
            }
        }
        told.values_mut().for_each(|lines| lines.sort_unstable());
        prop_assert_eq!(told, naive(file, &lines));
    }
    /// Folding moves lines between findings: none is lost, none is told more mildly, and every citation still holds.
    #[test]
    fn folding_loses_no_line_and_no_severity(lines in lines(), file in proptest::sample::select(&FILES[..]), threads in 0_usize..3) {
        let content = lines.join(&b'\n');
        let store = MemoryStore::new();
        store.insert(path(file), content.clone());
        let bundle = Located::in_store(store);
        let scanned = |fold| {
            let options = ScanOptions::default().with_threads(threads).with_evidence(EvidenceLimit::All).with_fold(fold);
            block_on(scan(&bundle, Catalogue::builtin(), options, None)).unwrap()
        };
        // Of each line, the worst finding that cites it, and whether only findings of wrapping rules do.
        let told = |found: &Scan| {
            let mut told: BTreeMap<u64, (Severity, bool)> = BTreeMap::new();
            for finding in found.findings.iter().filter(|finding| finding.rule.area() != "clock") {
                let wraps = Catalogue::builtin().get(finding.rule.as_str()).is_some_and(|rule| rule.generic);
                for line in &finding.evidence {
                    let known = told.entry(line.line).or_insert((finding.severity, wraps));
                    *known = (known.0.min(finding.severity), known.1 && wraps);
                }
            }
            told
        };
        let (apart, folded) = (scanned(false), scanned(true));
        let (apart, joined) = (told(&apart), { for finding in &folded.findings {
            let duplicates = finding.evidence.iter().filter(|line| line.duplicate).count() as u64;
            prop_assert_eq!(finding.count + duplicates, finding.evidence.len() as u64);
            for line in &finding.evidence {
                let span = &content[line.start_byte as usize..line.end_byte as usize];
                prop_assert_eq!(String::from_utf8_lossy(span), line.text.as_str());
            }
        } told(&folded) });
        for (line, (severity, _)) in &apart {
            let told = joined.get(line);
            prop_assert!(told.is_some_and(|(now, wraps)| now <= severity || *wraps), "line {}: {:?} became {:?}", line, severity, told);
        }
    }
}
