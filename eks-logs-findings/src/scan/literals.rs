//! Finding the literals of the rules in a block of lines, at a cost that hardly depends on how many literals there are.
//!
//! Of each literal a window of seven bytes is chosen, the one that is rarest in the logs of a healthy node (`data/healthy.log`).
//! Wherever such a window stands in a block, it covers one whole aligned group of four bytes. So only every fourth position is looked
//! at: if its four bytes are in a small bitmap, the literals that they may belong to are compared. Literals that are shorter than a
//! window are few and have a SIMD search of their own.

use std::collections::HashMap;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, Input};
use memchr::{memchr, memrchr};

/// Bytes of a group, and how far apart groups are.
const GROUP: usize = 4;
/// Bytes of a window: wherever it starts, it covers an aligned group.
const WINDOW: usize = 2 * GROUP - 1;
/// Bits of the bitmap, as a power of two: 32 KiB, which stay in the first-level cache.
const BITS: u32 = 18;

/// Lines of a healthy node, as each component prints them.
static HEALTHY: &str = include_str!("../../data/healthy.log");

/// A literal, and its number among all.
type Numbered<'a> = (usize, &'a str);

/// A literal that a group may belong to.
#[derive(Clone, Copy, Debug)]
struct Place {
    literal: u32,
    /// Where in the literal the group starts.
    offset: u32,
}

/// Finds literals. Their numbers are their places in the list from which it was made.
#[derive(Debug)]
pub(super) struct Literals {
    /// Those of at least a window's length, and their numbers.
    long: Vec<(u32, Box<[u8]>)>,
    bitmap: Vec<u64>,
    /// For each group of each window, where it stands.
    places: HashMap<u32, Vec<Place>>,
    /// Shorter ones.
    short: Option<AhoCorasick>,
    short_numbers: Vec<u32>,
}

impl Literals {
    pub(super) fn new<'a>(literals: impl Iterator<Item = &'a str>) -> Self {
        let (long, short): (Vec<Numbered<'_>>, Vec<Numbered<'_>>) =
            literals.enumerate().partition(|(_, literal)| literal.len() >= WINDOW);
        let automaton = || AhoCorasick::new(short.iter().map(|(_, literal)| literal)).ok();
        let mut made = Self {
            long: long.iter().map(|(number, literal)| (*number as u32, literal.as_bytes().into())).collect(),
            bitmap: vec![0; (1 << BITS) / 64],
            places: HashMap::new(),
            short: if short.is_empty() { None } else { automaton() },
            short_numbers: short.iter().map(|(number, _)| *number as u32).collect(),
        };
        for (number, (_, literal)) in long.iter().enumerate() {
            let window = rarest_window(literal.as_bytes());
            for offset in window..window + GROUP {
                let group = group_at(literal.as_bytes(), offset);
                let bit = bit(group);
                made.bitmap[bit / 64] |= 1 << (bit % 64);
                let place = Place { literal: number as u32, offset: offset as u32 };
                made.places.entry(group).or_default().push(place);
            }
        }
        made
    }

    /// The lines of `block` that hold a literal, as ranges without their newline, in order and each once.
    pub(super) fn lines(&self, block: &[u8], found: &mut Vec<(usize, usize)>) {
        found.clear();
        if !self.long.is_empty() {
            lines(block, found, |from| self.find(block, from));
        }
        if let Some(short) = &self.short {
            let long = found.len();
            lines(block, found, |from| short.find(Input::new(block).span(from..block.len())).map(|hit| hit.start()));
            if long > 0 && found.len() > long {
                found.sort_unstable();
                found.dedup();
            }
        }
    }

    /// Every literal in one line: its number and the offset behind it. A literal that stands twice may be told twice.
    pub(super) fn in_line(&self, line: &[u8], mut told: impl FnMut(u32, usize)) {
        for (number, group) in line.chunks_exact(GROUP).enumerate() {
            let group = group_at(group, 0);
            if self.may_hold(group) {
                for (literal, end) in self.at(line, number * GROUP, group) {
                    told(literal, end);
                }
            }
        }
        for hit in self.short.iter().flat_map(|short| short.find_overlapping_iter(line)) {
            told(self.short_numbers[hit.pattern().as_usize()], hit.end());
        }
    }

    /// A position in the first line at or behind `from` (the start of a line) that holds a long literal.
    fn find(&self, block: &[u8], from: usize) -> Option<usize> {
        let first = from.next_multiple_of(GROUP);
        let groups = block.get(first..)?.chunks_exact(GROUP);
        let mut found = groups.enumerate().filter(|(_, bytes)| self.may_hold(group_at(bytes, 0)));
        found.find_map(|(number, bytes)| {
            let at = first + number * GROUP;
            self.at(block, at, group_at(bytes, 0)).next().map(|_| at)
        })
    }

    fn may_hold(&self, group: u32) -> bool {
        let bit = bit(group);
        self.bitmap[bit / 64] >> (bit % 64) & 1 != 0
    }

    /// The literals that stand around a group: number and offset behind it.
    fn at(&self, text: &[u8], at: usize, group: u32) -> impl Iterator<Item = (u32, usize)> {
        self.places.get(&group).into_iter().flatten().filter_map(move |place| {
            let start = at.checked_sub(place.offset as usize)?;
            let (number, literal) = &self.long[place.literal as usize];
            text[start..].starts_with(literal).then(|| (*number, start + literal.len()))
        })
    }
}

fn bit(group: u32) -> usize {
    (group.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize
}

fn group_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The lines in which `find`, asked from the start of a line on, finds something.
fn lines(block: &[u8], found: &mut Vec<(usize, usize)>, find: impl Fn(usize) -> Option<usize>) {
    let mut from = 0;
    while let Some(hit) = find(from) {
        let start = memrchr(b'\n', &block[from..hit]).map_or(from, |newline| from + newline + 1);
        let end = memchr(b'\n', &block[hit..]).map_or(block.len(), |newline| hit + newline);
        found.push((start, end));
        from = end + 1;
        if from >= block.len() {
            break;
        }
    }
}

/// Where the window of a literal starts whose groups are rarest in healthy logs.
fn rarest_window(literal: &[u8]) -> usize {
    let commonness = commonness();
    let cost = |window: &usize| -> u32 {
        (*window..window + GROUP).map(|at| commonness.get(&group_at(literal, at)).copied().unwrap_or(0)).sum()
    };
    (0..=literal.len() - WINDOW).min_by_key(cost).unwrap_or(0)
}

/// How often each group of four bytes stands in healthy logs.
fn commonness() -> &'static HashMap<u32, u32> {
    static COMMONNESS: OnceLock<HashMap<u32, u32>> = OnceLock::new();
    COMMONNESS.get_or_init(|| {
        let mut counts = HashMap::new();
        for line in HEALTHY.lines() {
            for bytes in line.as_bytes().windows(GROUP) {
                *counts.entry(group_at(bytes, 0)).or_insert(0) += 1;
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
        Literals::new(literals.iter().map(String::as_str)).lines(block, &mut found);
        found
    }

    #[test]
    fn a_window_is_rare_in_healthy_logs() {
        let literal = b"Failed to ensure lease exists, will retry";
        let window = rarest_window(literal);
        let chosen = &literal[window..window + WINDOW];
        assert!(
            !HEALTHY.as_bytes().windows(WINDOW).any(|bytes| bytes == chosen),
            "{:?}",
            String::from_utf8_lossy(chosen)
        );
    }

    proptest! {
        /// Exactly the lines that hold a literal, whatever the number of literals and wherever they stand, in order and once.
        #[test]
        fn it_finds_the_lines_that_hold_a_literal(
            literals in proptest::collection::vec("[a-d ]{4,20}", 1..120),
            lines in proptest::collection::vec(("[a-d ]{0,30}", any::<prop::sample::Index>(), any::<bool>()), 0..40),
        ) {
            let lines: Vec<String> = lines
                .into_iter()
                .map(|(noise, pick, plant)| if plant { format!("{noise}{}{noise}", pick.get(&literals)) } else { noise })
                .collect();
            let block = lines.join("\n");
            let (mut want, mut start) = (Vec::new(), 0);
            for line in &lines {
                if literals.iter().any(|literal| line.contains(literal.as_str())) {
                    want.push((start, start + line.len()));
                }
                start += line.len() + 1;
            }
            prop_assert_eq!(found(&literals, block.as_bytes()), want);
        }

        #[test]
        fn in_a_line_it_finds_every_literal(literals in proptest::collection::vec("[a-c]{4,12}", 1..60), line in "[a-c]{0,200}") {
            let mut told = std::collections::BTreeSet::new();
            Literals::new(literals.iter().map(String::as_str)).in_line(line.as_bytes(), |number, end| {
                let literal = &literals[number as usize];
                assert_eq!(&line[end - literal.len()..end], literal);
                told.insert(number as usize);
            });
            let want: std::collections::BTreeSet<usize> =
                (0..literals.len()).filter(|number| line.contains(&literals[*number])).collect();
            prop_assert_eq!(told, want);
        }
    }
}
