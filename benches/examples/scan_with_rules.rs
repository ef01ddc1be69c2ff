//! One scan with so many rules, for `bars.py --growth`: the first of the catalogue, and beyond these rules in words that stand nowhere.
//!
//! `cargo run --release -p eks-logs-benches --example scan_with_rules -- BUNDLE RULES`
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use eks_logs_core::bundle::open;
use eks_logs_findings::{Catalogue, ScanOptions, scan};
use fastrand::Rng;
use futures_lite::future::block_on;

/// Whose lines the made rules read: the largest logs.
const SOURCES: [&str; 4] = ["kubelet", "containerd", "kernel", "ipamd"];

/// A rule for a phrase that nobody prints: words of syllables, as long as those of real phrases.
fn made(rng: &mut Rng) -> String {
    let mut word = |rng: &mut Rng| -> String {
        let syllables = ["ba", "den", "fi", "gor", "ku", "lam", "mo", "nur", "pe", "ras", "ti", "vok"];
        (0..rng.usize(2..4)).map(|_| syllables[rng.usize(..syllables.len())]).collect()
    };
    let phrase = |rng: &mut Rng, word: &mut dyn FnMut(&mut Rng) -> String| -> String {
        (0..rng.usize(3..6)).map(|_| word(rng)).collect::<Vec<_>>().join(" ")
    };
    let (first, second) = (phrase(rng, &mut word), phrase(rng, &mut word));
    let source = SOURCES[rng.usize(..SOURCES.len())];
    let file = match source {
        "kubelet" => "kubelet/kubelet.log",
        "containerd" => "containerd/containerd-log.txt",
        "kernel" => "kernel/dmesg.current",
        _ => "var_log/aws-routed-eni/ipamd.log",
    };
    let head = match source {
        "kernel" => "[ 4711.123456] ",
        "ipamd" => "",
        _ => "Oct 14 09:21:37 ip-10-3-7-45 SOURCE[3411]: ",
    };
    let head = head.replace("SOURCE", source);
    format!(
        "title = \"{first}\"\nseverity = \"medium\"\nseverity_reason = \"made up\"\nsources = [\"{source}\"]\norigin = \"made up\"\n\
         since = \"0.1.0\"\n[match]\nliterals = [\"{first}\", \"{second}\"]\n[remedy]\nsteps = [\"None.\"]\n\
         [[examples]]\nfile = \"{file}\"\nline = \"{head}{first} 1\"\n[[examples]]\nfile = \"{file}\"\nline = \"{head}{second} 2\"\n\
         [[counter_examples]]\nfile = \"{file}\"\nline = \"{head}all is well\"\nwhy = \"no such phrase\"\n"
    )
}

/// So many rules that read lines.
fn catalogue(count: usize) -> Catalogue {
    let real = Catalogue::embedded_files().iter().filter(|(_, text)| text.contains("\n[match]\n"));
    let mut files: Vec<(String, String)> =
        real.take(count).map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect();
    let mut rng = Rng::with_seed(1);
    for number in files.len()..count {
        files.push((format!("network/made-{number}"), made(&mut rng)));
    }
    let files = files.iter().map(|(id, text)| (id.as_str(), text.as_str()));
    Catalogue::empty().extended(files).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let bundle = arguments.next().expect("a bundle");
    let rules =
        arguments.next().and_then(|count| count.parse().ok()).map_or_else(|| Catalogue::builtin().clone(), catalogue);
    let located = block_on(open(Path::new(&bundle))).unwrap();
    let found = block_on(scan(&located, &rules, ScanOptions::default(), None)).unwrap();
    println!(
        "{} rules, {} findings, {} bytes",
        rules.rules().len(),
        found.findings.len(),
        found.coverage.bytes_scanned
    );
}
