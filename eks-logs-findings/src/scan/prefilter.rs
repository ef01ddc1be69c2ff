//! Finding the lines that may matter: a SIMD search for short, rare pieces of the rules' literals.
//!
//! It may let a line through that no rule matches; it never holds back one that holds a literal. Pieces are chosen for how seldom
//! they stand in the logs of a healthy node (`data/healthy.log`), because each needless candidate costs more than the search itself.

use std::collections::HashMap;
use std::sync::OnceLock;

use aho_corasick::packed::{self, Searcher};
use aho_corasick::{AhoCorasick, AhoCorasickKind, Span};
use memchr::{memchr, memmem, memrchr};

/// Patterns per SIMD searcher; more of them per pass make it verify more and more often.
const PATTERNS: usize = 48;
/// The longest piece, in bytes.
const LONGEST: usize = 12;
/// The shortest piece, in bytes.
const SHORTEST: usize = 4;

/// Lines of a healthy node, as each component prints them.
static HEALTHY: &str = include_str!("../../data/healthy.log");

/// Finds candidate lines.
#[derive(Debug)]
pub(super) enum Prefilter {
    /// No literal: no line is a candidate.
    Nothing,
    /// One or more SIMD searchers.
    Packed(Vec<Searcher>),
    /// Where the processor has no SIMD that we know.
    Automaton(Box<AhoCorasick>),
}

impl Prefilter {
    pub(super) fn new<'a>(literals: impl Iterator<Item = &'a str>) -> Self {
        let pieces = pieces(literals);
        if pieces.is_empty() {
            return Self::Nothing;
        }
        let searchers: Option<Vec<Searcher>> = pieces.chunks(PATTERNS).map(packed_searcher).collect();
        if let Some(searchers) = searchers {
            return Self::Packed(searchers);
        }
        let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(&pieces);
        automaton.map_or(Self::Nothing, |automaton| Self::Automaton(Box::new(automaton)))
    }

    /// The candidate lines of `block`, as ranges without their newline, in order and each once.
    pub(super) fn candidates(&self, block: &[u8], found: &mut Vec<(usize, usize)>) {
        found.clear();
        match self {
            Self::Nothing => {}
            Self::Automaton(automaton) => {
                lines(block, found, |at| {
                    let input = aho_corasick::Input::new(block).span(at..block.len());
                    automaton.find(input).map(|hit| hit.start())
                });
            }
            Self::Packed(searchers) => {
                for searcher in searchers {
                    let span = |at| Span { start: at, end: block.len() };
                    lines(block, found, |at| searcher.find_in(block, span(at)).map(|hit| hit.start()));
                }
                if searchers.len() > 1 {
                    found.sort_unstable();
                    found.dedup();
                }
            }
        }
    }
}

/// The lines in which `find` finds something at or behind an offset.
fn lines(block: &[u8], found: &mut Vec<(usize, usize)>, find: impl Fn(usize) -> Option<usize>) {
    let mut at = 0;
    while let Some(hit) = find(at) {
        let start = memrchr(b'\n', &block[at..hit]).map_or(at, |newline| at + newline + 1);
        let end = memchr(b'\n', &block[hit..]).map_or(block.len(), |newline| hit + newline);
        found.push((start, end));
        at = end + 1;
        if at >= block.len() {
            break;
        }
    }
}

fn packed_searcher(pieces: &[Vec<u8>]) -> Option<Searcher> {
    packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder().extend(pieces).build()
}

/// For each literal its rarest piece; a piece that another piece stands in is not needed twice.
fn pieces<'a>(literals: impl Iterator<Item = &'a str>) -> Vec<Vec<u8>> {
    let mut chosen: Vec<Vec<u8>> = literals.map(|literal| rarest(literal.as_bytes()).to_vec()).collect();
    chosen.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    chosen.dedup();
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for piece in chosen {
        if !kept.iter().any(|shorter| memmem::find(&piece, shorter).is_some()) {
            kept.push(piece);
        }
    }
    kept.sort();
    kept
}

/// The piece of a literal that starts with the four bytes that are rarest in healthy logs.
fn rarest(literal: &[u8]) -> &[u8] {
    let commonness = commonness();
    let last = literal.len().saturating_sub(SHORTEST);
    let score = |at: usize| {
        let piece = &literal[at..(at + LONGEST).min(literal.len())];
        let worst = |size: usize| piece.windows(size).map(|gram| commonness.get(gram).copied().unwrap_or(0)).min().unwrap_or(0);
        let first = |size: usize| piece.get(..size).and_then(|gram| commonness.get(gram)).copied().unwrap_or(0);
        // What the SIMD mask sees first decides the false candidates it has to verify; what the whole piece holds, those that remain.
        (first(4), worst(4), first(3), std::cmp::Reverse(piece.len()), at)
    };
    let start = (0..=last).min_by_key(|at| score(*at)).unwrap_or(0);
    &literal[start..(start + LONGEST).min(literal.len())]
}

/// How often each run of three and four bytes stands in healthy logs.
fn commonness() -> &'static HashMap<&'static [u8], u32> {
    static COMMONNESS: OnceLock<HashMap<&'static [u8], u32>> = OnceLock::new();
    COMMONNESS.get_or_init(|| {
        let mut counts = HashMap::new();
        for line in HEALTHY.lines() {
            for size in [3, 4] {
                for gram in line.as_bytes().windows(size) {
                    *counts.entry(gram).or_insert(0) += 1;
                }
            }
        }
        counts
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(literals: &[String], block: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        Prefilter::new(literals.iter().map(String::as_str)).candidates(block, &mut found);
        found
    }

    #[test]
    fn a_piece_is_rare_in_healthy_logs() {
        let piece = rarest(b"Failed to ensure lease exists, will retry");
        assert!(!HEALTHY.as_bytes().windows(4).any(|gram| gram == &piece[..4]), "{:?}", String::from_utf8_lossy(piece));
    }

    proptest! {
        /// Every line that holds a literal is a candidate, whatever the number of literals, in order and once.
        #[test]
        fn it_never_holds_back_a_line(
            literals in proptest::collection::vec("[a-d ]{4,20}", 1..120),
            lines in proptest::collection::vec(("[a-d ]{0,30}", any::<prop::sample::Index>(), any::<bool>()), 0..40),
        ) {
            let lines: Vec<String> = lines
                .into_iter()
                .map(|(noise, pick, plant)| if plant { format!("{noise}{}{noise}", pick.get(&literals)) } else { noise })
                .collect();
            let block = lines.join("\n");
            let candidates = found(&literals, block.as_bytes());
            prop_assert!(candidates.windows(2).all(|pair| pair[0].1 < pair[1].0));
            let mut start = 0;
            for line in &lines {
                if literals.iter().any(|literal| line.contains(literal.as_str())) {
                    prop_assert!(candidates.contains(&(start, start + line.len())), "{line:?}");
                }
                start += line.len() + 1;
            }
        }
    }
}
