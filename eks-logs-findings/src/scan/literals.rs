//! Finding the literals of the rules in a block of lines, at a cost that hardly depends on how many literals there are.
//!
//! Of each literal a window of seven bytes is chosen, the one that is rarest in the logs of a healthy node (`data/healthy.log`).
//! Wherever such a window stands in a block, it covers one whole aligned group of four bytes. So only every fourth position is looked
//! at: if its four bytes are in a small bitmap, the literals that they may belong to are compared. Literals that are shorter than a
//! window are few and have a SIMD search of their own.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, Input, Span, packed};
use memchr::{memchr, memrchr};

/// Bytes of a group, and how far apart groups are.
const GROUP: usize = 4;
/// Bytes of a window: wherever it starts, it covers an aligned group.
const WINDOW: usize = 2 * GROUP - 1;
/// Bits of the bitmap, as a power of two: 32 KiB, which stay in the first-level cache.
const BITS: u32 = 18;
const WORDS: usize = (1 << BITS) / 64;
/// Groups whose marks are taken together.
const AT_ONCE: usize = 8;
/// So many times [`AT_ONCE`] groups are looked at before the first that is marked is compared.
const AHEAD: usize = 512;

/// Lines of a healthy node, as each component prints them.
static HEALTHY: &str = include_str!("../../data/healthy.log");

/// A literal, and its number among all.
type Numbered<'a> = (usize, &'a str);

/// A literal that a group may belong to.
#[derive(Clone, Copy, Debug)]
struct Place {
    group: u32,
    /// Another group of the literal, the rarest in healthy logs: what does not have it need not be compared.
    second: u32,
    literal: u32,
    /// Where in the literal the groups start.
    offset: u32,
    second_offset: u32,
}

/// Finds literals. Their numbers are their places in the list from which it was made.
#[derive(Debug)]
pub(super) struct Literals {
    /// Those of at least a window's length, and their numbers.
    long: Vec<(u32, Box<[u8]>)>,
    bitmap: Box<[u64; WORDS]>,
    /// For each word of the bitmap, the bits that are set in those before it.
    before: Vec<u32>,
    /// For each bit that is set, where its places start; and behind the last, where they end.
    starts: Vec<u32>,
    /// By bit.
    places: Vec<Place>,
    /// Shorter ones.
    short: Option<Short>,
}

impl Literals {
    pub(super) fn new<'a>(literals: impl Iterator<Item = &'a str>) -> Self {
        let (long, short): (Vec<Numbered<'_>>, Vec<Numbered<'_>>) =
            literals.enumerate().partition(|(_, literal)| literal.len() >= WINDOW);
        let mut by_bit: Vec<(usize, Place)> = Vec::with_capacity(GROUP * long.len());
        for (number, (_, literal)) in long.iter().enumerate() {
            let literal = literal.as_bytes();
            let window = rarest_window(literal);
            for offset in window..window + GROUP {
                let (group, second_offset) = (group_at(literal, offset), rarest_beside(literal, offset));
                let place = Place {
                    group,
                    second: group_at(literal, second_offset),
                    literal: number as u32,
                    offset: offset as u32,
                    second_offset: second_offset as u32,
                };
                by_bit.push((bit(group), place));
            }
        }
        by_bit.sort_by_key(|(bit, _)| *bit);
        let mut bitmap = Box::new([0_u64; WORDS]);
        let (mut starts, mut places) = (Vec::new(), Vec::with_capacity(by_bit.len()));
        for of_one in by_bit.chunk_by(|(one, _), (next, _)| one == next) {
            let bit = of_one[0].0;
            bitmap[bit / 64] |= 1 << (bit % 64);
            starts.push(places.len() as u32);
            places.extend(of_one.iter().map(|(_, place)| *place));
        }
        starts.push(places.len() as u32);
        let before =
            bitmap.iter().scan(0, |set, word| Some(std::mem::replace(set, *set + word.count_ones()))).collect();
        Self {
            long: long.iter().map(|(number, literal)| (*number as u32, literal.as_bytes().into())).collect(),
            bitmap,
            before,
            starts,
            places,
            short: Short::new(&short),
        }
    }

    /// The lines of `block` that hold a literal, as ranges without their newline, in order and each once.
    pub(super) fn lines(&self, block: &[u8], found: &mut Vec<(usize, usize)>) {
        found.clear();
        if !self.long.is_empty() {
            self.lines_of_long(block, found);
        }
        let Some(short) = &self.short else { return };
        let long = found.len();
        let mut from = 0;
        while let Some(at) = short.find(block, from) {
            from = line_around(block, from, at, found);
        }
        if long > 0 && found.len() > long {
            found.sort_unstable();
            found.dedup();
        }
    }

    /// Groups are looked at first, without a branch; then the few that may belong to a literal.
    fn lines_of_long(&self, block: &[u8], found: &mut Vec<(usize, usize)>) {
        const BYTES: usize = GROUP * AT_ONCE;
        let mut from = 0;
        let mut look = |at: usize| {
            if at >= from && self.at(block, at, group_at(block, at)).next().is_some() {
                from = line_around(block, from, at, found);
            }
        };
        let (chunks, rest) = block.as_chunks::<BYTES>();
        let mut marked = [(0_u32, 0_u8); AHEAD];
        for (part, chunks) in chunks.chunks(AHEAD).enumerate() {
            let mut count = 0;
            for (number, chunk) in chunks.iter().enumerate() {
                let mut marks = 0;
                for group in 0..AT_ONCE {
                    marks |= u8::from(self.may_hold(group_at(chunk, group * GROUP))) << group;
                }
                // No more are marked than were looked at: the remainder only tells the compiler so.
                marked[count % AHEAD] = (number as u32, marks);
                count += usize::from(marks != 0);
            }
            for &(number, marks) in &marked[..count] {
                let mut marks = marks;
                while marks != 0 {
                    look((part * AHEAD + number as usize) * BYTES + marks.trailing_zeros() as usize * GROUP);
                    marks &= marks - 1;
                }
            }
        }
        let first = block.len() - rest.len();
        let groups = (0..rest.len() / GROUP).map(|number| first + number * GROUP);
        groups.filter(|at| self.may_hold(group_at(block, *at))).for_each(look);
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
        if let Some(short) = &self.short {
            for hit in short.automaton.find_overlapping_iter(line) {
                told(short.numbers[hit.pattern().as_usize()], hit.end());
            }
        }
    }

    fn may_hold(&self, group: u32) -> bool {
        let bit = bit(group);
        self.bitmap[bit / 64] >> (bit % 64) & 1 != 0
    }

    /// The literals that stand around a group that [`Self::may_hold`] one: number and offset behind it.
    fn at(&self, text: &[u8], at: usize, group: u32) -> impl Iterator<Item = (u32, usize)> {
        let bit = bit(group);
        let lower = self.bitmap[bit / 64] & ((1 << (bit % 64)) - 1);
        let rank = (self.before[bit / 64] + lower.count_ones()) as usize;
        let places = self.starts[rank] as usize..self.starts[rank + 1] as usize;
        self.places[places].iter().filter(move |place| place.group == group).filter_map(move |place| {
            let start = at.checked_sub(place.offset as usize)?;
            let second = start + place.second_offset as usize;
            if text.get(second..second + GROUP).map(|bytes| group_at(bytes, 0)) != Some(place.second) {
                return None;
            }
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

/// Notes the line around `at`, which is no further back than `from`; where the next line starts.
fn line_around(block: &[u8], from: usize, at: usize, found: &mut Vec<(usize, usize)>) -> usize {
    let start = memrchr(b'\n', &block[from..at]).map_or(from, |newline| from + newline + 1);
    let end = memchr(b'\n', &block[at..]).map_or(block.len(), |newline| at + newline);
    found.push((start, end));
    end + 1
}

/// Finds literals that are shorter than a window.
#[derive(Debug)]
struct Short {
    /// For one line: tells overlapping ones too.
    automaton: AhoCorasick,
    /// For blocks, where the processor and the number of literals allow it.
    packed: Option<packed::Searcher>,
    numbers: Vec<u32>,
}

impl Short {
    fn new(literals: &[Numbered<'_>]) -> Option<Self> {
        let texts = || literals.iter().map(|(_, literal)| literal);
        let automaton = AhoCorasick::new(texts()).ok().filter(|_| !literals.is_empty())?;
        let packed = packed::Config::new().builder().extend(texts()).build();
        Some(Self { automaton, packed, numbers: literals.iter().map(|(number, _)| *number as u32).collect() })
    }

    /// Where a literal starts, at or behind `from`.
    fn find(&self, block: &[u8], from: usize) -> Option<usize> {
        let span = Span { start: from.min(block.len()), end: block.len() };
        match &self.packed {
            Some(packed) => packed.find_in(block, span).map(|hit| hit.start()),
            None => self.automaton.find(Input::new(block).span(span)).map(|hit| hit.start()),
        }
    }
}

/// Where the window of a literal starts whose groups are rarest in healthy logs.
fn rarest_window(literal: &[u8]) -> usize {
    let commonness = commonness();
    let cost =
        |window: &usize| -> u32 { (*window..window + GROUP).map(|at| commonness.of(group_at(literal, at))).sum() };
    (0..=literal.len() - WINDOW).min_by_key(cost).unwrap_or(0)
}

/// Where the rarest other group of a literal starts: one that tells what the group at `offset` does not.
fn rarest_beside(literal: &[u8], offset: usize) -> usize {
    let commonness = commonness();
    let cost = |at: &usize| {
        let shared = GROUP.saturating_sub(at.abs_diff(offset));
        (shared, commonness.of(group_at(literal, *at)))
    };
    (0..=literal.len() - GROUP).min_by_key(cost).unwrap_or(offset)
}

/// How often groups of four bytes stand in healthy logs. Groups that share a place share its count: good enough to choose by.
struct Commonness(Box<[u32; 1 << COMMON_BITS]>);

/// Places of [`Commonness`], as a power of two.
const COMMON_BITS: u32 = 16;

impl Commonness {
    fn of(&self, group: u32) -> u32 {
        self.0[Self::place(group)]
    }

    fn place(group: u32) -> usize {
        (group.wrapping_mul(0x9e37_79b1) >> (32 - COMMON_BITS)) as usize
    }
}

fn commonness() -> &'static Commonness {
    static COMMONNESS: OnceLock<Commonness> = OnceLock::new();
    COMMONNESS.get_or_init(|| {
        let mut counts = Box::new([0; 1 << COMMON_BITS]);
        for line in HEALTHY.lines() {
            for bytes in line.as_bytes().windows(GROUP) {
                counts[Commonness::place(group_at(bytes, 0))] += 1;
            }
        }
        Commonness(counts)
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
