//! Bytes that every match of a query holds, looked for without regard to case: faster than any automaton, and what it finds is then
//! asked of the regex.

use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind};

/// Bytes that are compared at each place.
const COMPARED: usize = 4;
/// The shortest run of bytes that is rare enough to be looked for.
const SHORTEST: usize = 3;
/// Places that are compared before the first branch.
const AT_A_TIME: usize = 128;
/// What logs consist of, the most frequent first; bytes that are not here are rarer.
const FREQUENT: &[u8] = b"e0t1 ain2or5s3d46c789l.p-m:u/b\"f=hgv_ky,w";

/// One byte of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unit {
    /// What a byte of the text is joined with before it is compared: the bit in which letters' cases differ, or nothing.
    fold: u8,
    byte: u8,
}

/// Some bytes of a run that every match holds.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    /// The bytes, with their distance from the start of the run.
    compared: [(usize, Unit); COMPARED],
    /// Bytes of the run.
    length: usize,
}

impl Needle {
    /// The rarest bytes of the longest run; `None` where no run is long enough.
    pub(super) fn of(query: &Hir) -> Option<Self> {
        let mut runs = Runs::default();
        runs.take(query);
        runs.end();
        let run = runs.longest;
        if run.len() < SHORTEST {
            return None;
        }
        let rarity =
            |unit: &Unit| FREQUENT.iter().rev().position(|byte| *byte == unit.byte).map_or(0, |place| place + 1);
        let mut places: Vec<usize> = (0..run.len()).collect();
        places.sort_by_key(|place| rarity(&run[*place]));
        // The same byte twice, such as `ll`, tells less than two different ones.
        if let Some(other) = places.iter().position(|place| run[*place] != run[places[0]]) {
            places[1..=other].rotate_right(1);
        }
        let at = |number: usize| {
            let place = places[number % places.len()];
            (place, run[place])
        };
        Some(Self { compared: [at(0), at(1), at(2), at(3)], length: run.len() })
    }

    /// A place at which the run may start.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        let places = (text.len() + 1).checked_sub(self.length)?;
        let mut at = 0;
        while at + AT_A_TIME <= places {
            let lane = |number: usize| {
                let (place, unit) = self.compared[number];
                (unit, &text[at + place..at + place + AT_A_TIME])
            };
            // The two rarest tell nearly always that nothing is here.
            if two(lane(0), lane(1)) && four(lane(0), lane(1), lane(2), lane(3)) {
                break;
            }
            at += AT_A_TIME;
        }
        (at..places).find(|start| self.compared.iter().all(|(place, unit)| unit.is(text[start + place])))
    }
}

type Lane<'a> = (Unit, &'a [u8]);

// Without a branch inside, both become vector instructions.

/// Whether somewhere both bytes stand.
fn two(first: Lane<'_>, second: Lane<'_>) -> bool {
    let (a, b) = (&first.1[..AT_A_TIME], &second.1[..AT_A_TIME]);
    (0..AT_A_TIME).fold(false, |found, at| found | (first.0.is(a[at]) & second.0.is(b[at])))
}

/// Whether somewhere all four stand.
fn four(first: Lane<'_>, second: Lane<'_>, third: Lane<'_>, fourth: Lane<'_>) -> bool {
    let (a, b, c, d) = (&first.1[..AT_A_TIME], &second.1[..AT_A_TIME], &third.1[..AT_A_TIME], &fourth.1[..AT_A_TIME]);
    (0..AT_A_TIME).fold(false, |found, at| {
        found | (first.0.is(a[at]) & second.0.is(b[at]) & third.0.is(c[at]) & fourth.0.is(d[at]))
    })
}

impl Unit {
    fn is(self, byte: u8) -> bool {
        byte | self.fold == self.byte
    }
}

/// Runs of bytes that stand in every match.
#[derive(Default)]
struct Runs {
    current: Vec<Unit>,
    longest: Vec<Unit>,
}

impl Runs {
    fn take(&mut self, part: &Hir) {
        match part.kind() {
            HirKind::Literal(literal) => {
                self.current.extend(literal.0.iter().map(|byte| Unit { fold: 0, byte: *byte }));
            }
            HirKind::Class(class) => match both_cases(class) {
                Some(byte) => self.current.push(Unit { fold: 0x20, byte }),
                None => self.end(),
            },
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.take(part)),
            HirKind::Capture(group) => self.take(&group.sub),
            // Once at least, and what follows the last time is not what follows the first.
            HirKind::Repetition(repeated) if repeated.min > 0 => {
                self.end();
                self.take(&repeated.sub);
                self.end();
            }
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Repetition(_) | HirKind::Alternation(_) => self.end(),
        }
    }

    fn end(&mut self) {
        if self.current.len() > self.longest.len() {
            std::mem::swap(&mut self.current, &mut self.longest);
        }
        self.current.clear();
    }
}

/// The lower case of a letter, if the class is its two cases and nothing else. (Without regard to case, `k` is the sign for kelvin, too.)
fn both_cases(class: &Class) -> Option<u8> {
    let letters: Option<Vec<u8>> = match class {
        Class::Unicode(class) => {
            let one = |range: &ClassUnicodeRange| (range.start() == range.end()).then_some(range.start());
            class.ranges().iter().map(|range| one(range).and_then(|letter| u8::try_from(letter).ok())).collect()
        }
        Class::Bytes(class) => {
            class.ranges().iter().map(|range| (range.start() == range.end()).then_some(range.start())).collect()
        }
    };
    match letters?.as_slice() {
        [upper @ b'A'..=b'Z', lower] if upper | 0x20 == *lower => Some(*lower),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn needle(query: &str) -> Option<Needle> {
        let mut parser = regex_syntax::ParserBuilder::new().utf8(false).case_insensitive(true).multi_line(true).build();
        Needle::of(&parser.parse(query).unwrap())
    }

    fn length(query: &str) -> Option<usize> {
        needle(query).map(|needle| needle.length)
    }

    #[test]
    fn the_longest_run_of_what_must_be_there_is_taken() {
        for (query, run) in [
            ("error", Some(5)),
            ("failed to (create|start)", Some(10)),
            (r"eni-[0-9a-f]{17}", Some(4)),
            (r"\bcgroup\b.*end$", Some(6)),
            ("(error){2,3}", Some(5)),
            ("xab+cde", Some(3)),
            ("(?-i:Pod)x", Some(4)),
            // One of several, none at all, too short, and letters with more than two cases.
            ("error|failed", None),
            ("(error)*", None),
            ("(error)?", None),
            ("ab.cd", None),
            ("ks", None),
            ("aks", None),
            ("OOMKilled", Some(5)),
        ] {
            assert_eq!(length(query), run, "{query}");
        }
    }

    proptest! {
        #[test]
        fn what_the_regex_matches_holds_the_needle(
            query in "[a-cK]{0,2}(abc|a{3}|b[ac]a|cab)?[a-c.]{1,3}b?",
            text in proptest::collection::vec(prop_oneof![
                30 => Just(b'.'), 5 => Just(b'a'), 5 => Just(b'B'), 5 => Just(b'c'), 2 => Just(b'A'), 1 => Just(b'k'), 1 => any::<u8>(),
            ], 0..700),
        ) {
            let regex = regex::bytes::RegexBuilder::new(&query).case_insensitive(true).build().unwrap();
            if let Some(needle) = needle(&query) {
                let at = needle.find(&text);
                if let Some(found) = regex.find(&text) {
                    prop_assert!(at.is_some_and(|at| at < found.end()), "{:?} {:?}", at, found.range());
                }
                let holds = |at: usize| needle.compared.iter().all(|(place, unit)| unit.is(text[at + place]));
                let naive = (0..(text.len() + 1).saturating_sub(needle.length)).find(|at| holds(*at));
                prop_assert_eq!(at, naive);
            }
        }
    }
}
