//! The keys that occur most often in a stream, in memory that does not grow with it (Misra and Gries, 1982).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

use super::Span;

/// How many keys are followed at a time. A key that makes up more than one in so many of the stream is never lost.
const FOLLOWED: usize = 1024;

/// A key that occurs often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heavy<K> {
    /// The key.
    pub key: K,
    /// It occurred at least so often ...
    pub at_least: u64,
    /// ... and at most so often. Equal where fewer keys were seen than are followed.
    pub at_most: u64,
    /// One of the places where it occurs.
    pub span: Span,
    /// The line there.
    pub text: Box<str>,
}

/// The counts while the stream runs.
#[derive(Debug)]
pub(super) struct Heaviest<K> {
    counts: HashMap<K, (u64, Span, Box<str>)>,
    missed: u64,
}

impl<K> Default for Heaviest<K> {
    fn default() -> Self {
        Self { counts: HashMap::new(), missed: 0 }
    }
}

impl<K: Clone + Eq + Hash + Ord> Heaviest<K> {
    pub(super) fn add(&mut self, key: &K, span: Span, line: &str) {
        if let Some((count, ..)) = self.counts.get_mut(key) {
            *count += 1;
        } else if self.counts.len() < FOLLOWED {
            self.counts.insert(key.clone(), (1, span, line.into()));
        } else {
            // One of every followed key is given up against the new one.
            self.missed += 1;
            self.counts.retain(|_, (count, ..)| {
                *count -= 1;
                *count > 0
            });
        }
    }

    /// The heaviest keys, heaviest first, equal ones in order.
    pub(super) fn top(self, told: usize) -> Vec<Heavy<K>> {
        let missed = self.missed;
        let heavy = |(key, (count, span, text))| Heavy { key, at_least: count, at_most: count + missed, span, text };
        let mut all: Vec<_> = self.counts.into_iter().map(heavy).collect();
        all.sort_by(|one, other| (Reverse(one.at_least), &one.key).cmp(&(Reverse(other.at_least), &other.key)));
        all.truncate(told);
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_true_count_lies_between(stream in prop::collection::vec((0..3u32, 0..4000u32), 0..6000)) {
            let mut heaviest = Heaviest::default();
            let mut exact = std::collections::BTreeMap::<u32, u64>::new();
            for (common, rare) in stream {
                let key = if common == 0 { 7 } else { rare };
                *exact.entry(key).or_default() += 1;
                heaviest.add(&key, Span::default(), "");
            }
            let many = exact.len() > FOLLOWED;
            for heavy in heaviest.top(10) {
                prop_assert!(heavy.at_least <= exact[&heavy.key] && exact[&heavy.key] <= heavy.at_most);
                prop_assert!(many || heavy.at_least == heavy.at_most);
            }
        }
    }
}
