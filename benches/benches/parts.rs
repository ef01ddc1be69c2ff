//! The parts, each alone: `cargo bench -p eks-logs-benches`. What the whole job costs beside other tools, `compare.py` measures.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::OnceLock;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use eks_logs_benches::{Corpus, write};
use eks_logs_core::bundle::open;
use eks_logs_core::search::{Query, SearchOptions, search};
use eks_logs_core::{Located, MemoryStore, StorePath};
use eks_logs_findings::correlate::{Focus, correlate};
use eks_logs_findings::index::{self, Of, Stored};
use eks_logs_findings::line;
use eks_logs_findings::state::{conntrack, ip_rule, iptables_save, sysctl};
use eks_logs_findings::{Catalogue, Scan, ScanOptions, diagnose, scan};
use futures_lite::future::block_on;
use jiff::Timestamp;

fn main() {
    divan::main();
}

/// Bytes of the bundle: larger than the caches, small enough for many rounds.
const BYTES: u64 = 64 << 20;

/// A bundle on disk, for as long as the process lives.
fn bundle() -> &'static Path {
    static BUNDLE: OnceLock<tempfile::TempDir> = OnceLock::new();
    BUNDLE
        .get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            write(directory.path(), &Corpus { bytes: BYTES, seed: 1, faults: 200 }).unwrap();
            directory
        })
        .path()
}

/// The files of the bundle that are logs, in memory.
fn logs() -> &'static [(String, Vec<u8>)] {
    static LOGS: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    LOGS.get_or_init(|| {
        let paths = [
            "kubelet/kubelet.log",
            "containerd/containerd-log.txt",
            "var_log/aws-routed-eni/ipamd.log",
            "kernel/dmesg.current",
        ];
        paths.iter().filter_map(|path| Some(((*path).to_owned(), std::fs::read(bundle().join(path)).ok()?))).collect()
    })
}

fn in_memory() -> (Located, u64) {
    let store = MemoryStore::new();
    let mut bytes = 0;
    for (path, content) in logs() {
        bytes += content.len() as u64;
        store.insert(StorePath::parse(path).unwrap(), content.clone());
    }
    (Located::in_store(store), bytes)
}

fn scanned() -> &'static (Scan, Of) {
    static SCANNED: OnceLock<(Scan, Of)> = OnceLock::new();
    SCANNED.get_or_init(|| {
        block_on(async {
            let located = open(bundle()).await.unwrap();
            let found = scan(&located, Catalogue::builtin(), ScanOptions::default(), None).await.unwrap();
            let of = Of::now(&located, Catalogue::builtin()).await.unwrap();
            (found, of)
        })
    })
}

/// Header, time and message of each line, by the file's grammar.
#[divan::bench(args = [0, 1, 2, 3])]
fn lines(bencher: Bencher, file: usize) {
    let Some((_, content)) = logs().get(file) else { return };
    let content = &content[..content.len().min(1 << 20)];
    bencher.counter(BytesCount::of_slice(content)).bench(|| {
        for text in content.split(|byte| *byte == b'\n') {
            black_box(line::parse(black_box(text)));
        }
    });
}

/// Prefilter, rules and adding up, on one thread, from memory.
#[divan::bench(sample_count = 10)]
fn scan_one_thread(bencher: Bencher) {
    let (located, bytes) = in_memory();
    let options = ScanOptions::default().with_threads(0);
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| block_on(scan(&located, Catalogue::builtin(), options, None)).unwrap());
}

/// As above, with where lines are.
#[divan::bench(sample_count = 10)]
fn scan_and_index_lines(bencher: Bencher) {
    let (located, bytes) = in_memory();
    let options = ScanOptions::default().with_threads(0).with_line_index(true);
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| block_on(scan(&located, Catalogue::builtin(), options, None)).unwrap());
}

/// One search, on one thread, from memory.
#[divan::bench(sample_count = 10, args = ["failed to create", r"\berror\b", r"pod\S+ .*deadline", "(?i)oom.?kill"])]
fn search_one_thread(bencher: Bencher, query: &str) {
    let (located, bytes) = in_memory();
    let query = Query::new(query, false).unwrap();
    let mut options = SearchOptions::default();
    options.threads = 0;
    bencher.counter(BytesCount::new(bytes)).bench(|| block_on(search(&located, &query, &options)).unwrap());
}

#[divan::bench]
fn index_written(bencher: Bencher) {
    let (found, of) = scanned();
    bencher.bench(|| index::to_json(black_box(found), of, Timestamp::UNIX_EPOCH).unwrap());
}

#[divan::bench]
fn index_read(bencher: Bencher) {
    let (found, of) = scanned();
    let json = index::to_json(found, of, Timestamp::UNIX_EPOCH).unwrap();
    bencher.counter(BytesCount::of_slice(&json)).bench(|| {
        let stored = index::from_json(black_box(&json), of);
        assert!(matches!(stored, Stored::Fresh(_)));
    });
}

#[divan::bench]
fn correlated(bencher: Bencher) {
    let (found, _) = scanned();
    bencher.bench(|| correlate(Catalogue::builtin(), black_box(found), &Focus::default()));
}

#[divan::bench]
fn diagnosed(bencher: Bencher) {
    let (found, _) = scanned();
    bencher.bench(|| diagnose(Catalogue::builtin(), black_box(found)));
}

/// State dumps, as large as busy nodes make them.
mod state {
    use super::*;

    fn repeated(line: impl Fn(usize) -> String, count: usize) -> String {
        (0..count).map(line).collect()
    }

    fn measured<T>(bencher: Bencher, text: &str, parse: fn(&[u8]) -> T) {
        bencher.counter(BytesCount::of_str(text)).bench(|| parse(black_box(text.as_bytes())));
    }

    #[divan::bench]
    fn iptables_rules(bencher: Bencher) {
        let rule = |n| format!("-A KUBE-SVC-{n:016X} -m comment --comment \"shop/cart:http\" -j KUBE-SEP-{n:016X}\n");
        let chain = |n| format!(":KUBE-SVC-{n:016X} - [0:0]\n");
        let text = format!("*nat\n{}{}COMMIT\n", repeated(chain, 10_000), repeated(rule, 10_000));
        measured(bencher, &text, iptables_save::parse);
    }

    #[divan::bench]
    fn connections(bencher: Bencher) {
        let entry = |n| {
            let port = 1024 + n % 60_000;
            format!(
                "tcp      6 86400 ESTABLISHED src=10.70.5.11 dst=10.71.5.5 sport={port} dport=443 src=10.71.5.5 dst=10.70.5.11 sport=443 dport={port} [ASSURED] mark=0 use=1\n"
            )
        };
        let text = format!("*** Output of conntrack -L ***\n{}", repeated(entry, 50_000));
        measured(bencher, &text, conntrack::parse);
    }

    #[divan::bench]
    fn rules(bencher: Bencher) {
        let rule = |n: usize| format!("512:\tfrom all to 10.70.{}.{} lookup main\n", n / 250, n % 250);
        measured(bencher, &repeated(rule, 1_000), ip_rule::parse);
    }

    #[divan::bench]
    fn parameters(bencher: Bencher) {
        let parameter = |n| format!("net.ipv4.conf.eni{n:011x}.rp_filter = 0\n");
        measured(bencher, &repeated(parameter, 2_000), sysctl::parse);
    }
}
