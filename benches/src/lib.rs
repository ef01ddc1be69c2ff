//! Seeded bundles of any size: healthy traffic in the components' own forms, and faults at random places whose truth is known.
//!
//! The same seed and size give the same bytes. Used by the tests (is every fault found, exactly where it is, and nothing else?) and by
//! `bars.py` (how long does it take, beside what one would use otherwise?).

mod lines;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use lines::{Component, FAULTS};

/// The first line of every log.
const START: &str = "2026-11-19T22:00:00Z";
/// How long the logs last, in seconds.
const LASTS: f64 = 6.0 * 3600.0;

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct Corpus {
    /// Bytes, about.
    pub bytes: u64,
    /// Which of all bundles of this size.
    pub seed: u64,
    /// Faults, about.
    pub faults: usize,
}

/// A planted fault: where it is and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// The rule that must find it.
    pub rule: &'static str,
    /// The file.
    pub file: &'static str,
    /// 1-based.
    pub line: u64,
    /// Offset of its first byte.
    pub byte: u64,
    /// The line, without its newline.
    pub text: String,
}

/// Writes a bundle below a directory and returns what was planted.
pub fn write(root: &Path, corpus: &Corpus) -> io::Result<Vec<Planted>> {
    let mut rng = Rng::with_seed(corpus.seed);
    for (path, content) in lines::STATE {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(path, content)?;
    }
    let mut planted = Vec::new();
    for component in Component::ALL {
        let path = root.join(component.path());
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        planted.extend(write_log(&mut out, component, corpus, &mut rng)?);
        out.flush()?;
    }
    Ok(planted)
}

fn write_log(out: &mut impl Write, component: Component, corpus: &Corpus, rng: &mut Rng) -> io::Result<Vec<Planted>> {
    let size = (corpus.bytes as f64 * component.share()) as u64;
    let mine: Vec<_> = FAULTS.iter().filter(|fault| fault.component == component).collect();
    let count = (corpus.faults as f64 * component.share()).ceil() as usize;
    let mut places: Vec<u64> = (0..if mine.is_empty() { 0 } else { count }).map(|_| rng.u64(0..size.max(1))).collect();
    places.sort_unstable_by(|a, b| b.cmp(a));

    let start: Timestamp = START.parse().map_err(io::Error::other)?;
    let (mut byte, mut line) = (0_u64, 0);
    let mut planted = Vec::new();
    let mut text = String::new();
    while byte < size || !places.is_empty() {
        line += 1;
        let passed = SignedDuration::from_secs_f64(LASTS * byte as f64 / size.max(1) as f64);
        text.clear();
        match places.last() {
            Some(place) if byte >= *place => {
                places.pop();
                let fault = mine[rng.usize(..mine.len())];
                component.line(&mut text, start + passed, fault.line, rng);
                planted.push(Planted { rule: fault.rule, file: component.path(), line, byte, text: text.clone() });
            }
            _ => {
                let healthy = component.healthy();
                component.line(&mut text, start + passed, healthy[rng.usize(..healthy.len())], rng);
            }
        }
        text.push('\n');
        out.write_all(text.as_bytes())?;
        byte += text.len() as u64;
    }
    Ok(planted)
}
