//! `corpus DIRECTORY MEGABYTES SEED [FAULTS]`: writes a seeded bundle.

use std::path::PathBuf;
use std::process::ExitCode;

use eks_logs_benches::{Corpus, write};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|text| text.parse::<u64>().ok());
    let (Some(root), Some(megabytes), Some(seed)) = (args.first(), number(1), number(2)) else {
        return ExitCode::from(2);
    };
    let corpus = Corpus { bytes: megabytes * 1_000_000, seed, faults: number(3).unwrap_or(200) as usize };
    match write(&PathBuf::from(root), &corpus) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
