//! Where lines are in a large file: a by-product of a scan, so that a line is found by a few ranged reads instead of a download.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::{memchr, memchr_iter};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::store::Version;

/// The form of the stored index; a reader refuses other numbers.
const FORMAT: u32 = 1;
/// Bytes of one segment, about: what a reader fetches to find a line.
const SEGMENT: usize = 256 << 10;

/// Consecutive bytes of a file that end behind a newline (or at the end of the file, or inside an overlong line).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Offset of the first byte.
    pub start: u64,
    /// Bytes.
    pub len: u32,
    /// Newlines among them.
    pub newlines: u32,
    /// Marks the bytes: a reader that finds others refuses the index.
    pub hash: u64,
}

impl Segment {
    /// Offset behind the last byte.
    pub fn end(&self) -> u64 {
        self.start + u64::from(self.len)
    }

    /// Whether these are the segment's bytes.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.len as usize && xxh3_64(bytes) == self.hash
    }
}

/// The segments of one block of whole lines.
pub fn segments(start: u64, data: &[u8]) -> Vec<Segment> {
    let mut found = Vec::with_capacity(data.len() / SEGMENT + 1);
    let mut at = 0;
    while at < data.len() {
        let end = match data.get(at + SEGMENT..) {
            Some(rest) => memchr(b'\n', rest).map_or(data.len(), |newline| at + SEGMENT + newline + 1),
            None => data.len(),
        };
        let bytes = &data[at..end];
        let newlines = memchr_iter(b'\n', bytes).count() as u32;
        found.push(Segment { start: start + at as u64, len: bytes.len() as u32, newlines, hash: xxh3_64(bytes) });
        at = end;
    }
    found
}

/// Where the lines of one file are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineIndex {
    /// Bytes of the file's content (decompressed).
    pub size: u64,
    /// Bytes of the file as it is stored.
    pub stored_size: u64,
    /// The state of the stored object, where its store knew it.
    pub version: Option<Version>,
    segments: Vec<Segment>,
    /// Newlines up to the end of each segment.
    counts: Vec<u64>,
    ends_open: bool,
}

/// Makes the index of one file from its segments, in order.
#[derive(Clone, Debug, Default)]
pub struct LineIndexBuilder {
    segments: Vec<Segment>,
    ends_open: bool,
}

impl LineIndexBuilder {
    /// Adds the next block: its segments, and whether its last byte is not a newline.
    pub fn add(&mut self, segments: Vec<Segment>, ends_open: bool) {
        self.segments.extend(segments);
        self.ends_open = ends_open;
    }

    /// A hash of all content so far.
    pub fn content_hash(&self) -> u128 {
        let mut bytes = Vec::with_capacity(self.segments.len() * 12);
        for segment in &self.segments {
            bytes.extend_from_slice(&segment.len.to_le_bytes());
            bytes.extend_from_slice(&segment.hash.to_le_bytes());
        }
        xxh3_128(&bytes)
    }

    /// The index of a file that takes `stored_size` bytes in its store.
    pub fn finish(self, stored_size: u64, version: Option<Version>) -> LineIndex {
        LineIndex::of(self.segments, self.ends_open, stored_size, version)
    }
}

/// As it is stored. Numbers are LEB128: for each segment the distance from the end of the one before (0, or how far it goes back, for
/// the pieces of an overlong line), its length and its newlines; hashes are little endian.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    format: u32,
    file: String,
    size: u64,
    stored_size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    lines: u64,
    ends_open: bool,
    segments: String,
    hashes: String,
}

impl LineIndex {
    fn of(segments: Vec<Segment>, ends_open: bool, stored_size: u64, version: Option<Version>) -> Self {
        let mut total = 0;
        let counts = segments
            .iter()
            .map(|segment| {
                total += u64::from(segment.newlines);
                total
            })
            .collect();
        let size = segments.last().map_or(0, Segment::end);
        Self { size, stored_size, version, segments, counts, ends_open }
    }

    /// Lines of the file; the last one may lack its newline.
    pub fn lines(&self) -> u64 {
        self.counts.last().copied().unwrap_or(0) + u64::from(self.ends_open)
    }

    /// The segments to read for the bytes from the start of line `first` (0-based) to before the start of line `end`, and the newlines
    /// before them; `None` if there is no line `first`. An `end` behind the last line means the end of the file.
    pub fn locate(&self, first: u64, end: u64) -> Option<(&[Segment], u64)> {
        if first >= self.lines() {
            return None;
        }
        // Line n starts behind newline number n; the segment that starts there counts for it, not the one that ends there. The last
        // segment alone may go on behind its last newline.
        let last = self.segments.len().saturating_sub(1);
        let from = self.counts.partition_point(|count| *count < first);
        let from = match self.counts.get(from) {
            Some(count) if *count == first && first > 0 => (from + 1).min(last),
            _ => from,
        };
        let to = self.counts.partition_point(|count| *count < end).min(last);
        let before = from.checked_sub(1).map_or(0, |at| self.counts[at]);
        self.segments.get(from..=to.max(from)).map(|segments| (segments, before))
    }

    /// As it is stored, for the file of this name.
    pub fn to_json(&self, file: &str) -> Vec<u8> {
        let mut numbers = Vec::new();
        let mut hashes = Vec::with_capacity(self.segments.len() * 8);
        let mut covered = 0;
        for segment in &self.segments {
            put(&mut numbers, covered - segment.start);
            put(&mut numbers, u64::from(segment.len));
            put(&mut numbers, u64::from(segment.newlines));
            hashes.extend_from_slice(&segment.hash.to_le_bytes());
            covered = segment.end();
        }
        let stored = Stored {
            format: FORMAT,
            file: file.to_owned(),
            size: self.size,
            stored_size: self.stored_size,
            version: self.version.as_ref().map(|version| version.0.clone()),
            lines: self.lines(),
            ends_open: self.ends_open,
            segments: STANDARD.encode(numbers),
            hashes: STANDARD.encode(hashes),
        };
        // Strings and numbers only: nothing in it can fail.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Reads a stored index; `None` for anything that is not one, is of another form or of another file.
    pub fn from_json(json: &[u8], file: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(json).ok()?;
        if stored.format != FORMAT || stored.file != file {
            return None;
        }
        let numbers = STANDARD.decode(stored.segments).ok()?;
        let hashes = STANDARD.decode(stored.hashes).ok()?;
        let mut numbers = numbers.as_slice();
        let mut segments = Vec::with_capacity(hashes.len() / 8);
        let mut covered = 0_u64;
        for hash in hashes.chunks(8) {
            let start = covered.checked_sub(take(&mut numbers)?)?;
            let len = u32::try_from(take(&mut numbers)?).ok()?;
            let newlines = u32::try_from(take(&mut numbers)?).ok()?;
            let hash = u64::from_le_bytes(hash.try_into().ok()?);
            segments.push(Segment { start, len, newlines, hash });
            covered = start.checked_add(len.into())?;
        }
        let index = Self::of(segments, stored.ends_open, stored.stored_size, stored.version.map(Version));
        (numbers.is_empty() && index.size == stored.size && index.lines() == stored.lines).then_some(index)
    }
}

fn put(numbers: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        numbers.push(number as u8 | 0x80);
        number >>= 7;
    }
    numbers.push(number as u8);
}

fn take(numbers: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = numbers.split_first()?;
        *numbers = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::{BLOCK, Splitter};

    fn index(content: &[u8]) -> LineIndex {
        let mut splitter = Splitter::holding(BLOCK);
        let mut builder = LineIndexBuilder::default();
        splitter.begin(Vec::new(), 0);
        let mut rest = content;
        let mut add = |cut: crate::text::Cut| {
            let open = cut.data.last().is_some_and(|byte| *byte != b'\n');
            builder.add(segments(cut.start, &cut.data), open);
        };
        while !rest.is_empty() {
            let space = splitter.space();
            let count = space.len().min(rest.len());
            space[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            if let Some(cut) = splitter.filled(count, Vec::new) {
                add(cut);
            }
        }
        if let Ok(cut) = splitter.finish() {
            add(cut);
        }
        builder.finish(content.len() as u64, None)
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![6 => 0_usize..90_000, 1 => Just(0), 1 => (BLOCK - 2)..(BLOCK + 2), 1 => (2 * BLOCK)..(2 * BLOCK + 9)];
        (proptest::collection::vec(line, 0..40), any::<bool>()).prop_map(|(lengths, newline)| {
            let mut content = Vec::new();
            for length in &lengths {
                content.resize(content.len() + length, b'x');
                content.push(b'\n');
            }
            if !newline {
                content.pop();
            }
            content
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_line_lies_in_the_segments_that_are_located_for_it(content in content(), first in 0_u64..45, count in 1_u64..5) {
            let index = index(&content);
            let lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
            prop_assert_eq!(index.lines(), lines.len() as u64);
            prop_assert_eq!(index.size, content.len() as u64);
            let stored = LineIndex::from_json(&index.to_json("a/b.log"), "a/b.log");
            prop_assert_eq!(stored.as_ref(), Some(&index));
            prop_assert_eq!(LineIndex::from_json(&index.to_json("a/b.log"), "a/c.log"), None);
            let Some((found, before)) = index.locate(first, first + count) else {
                prop_assert!(first >= lines.len() as u64);
                return Ok(());
            };
            let start: usize = lines.iter().take(first as usize).map(|line| line.len()).sum();
            let end: usize = lines.iter().take((first + count) as usize).map(|line| line.len()).sum();
            let (from, to) = (found[0].start as usize, found[found.len() - 1].end() as usize);
            prop_assert!(from <= start && end <= to, "{from}..{to} does not hold {start}..{end}");
            prop_assert_eq!(memchr_iter(b'\n', &content[..from]).count() as u64, before);
            for segment in found {
                prop_assert!(segment.holds(&content[segment.start as usize..segment.end() as usize]));
            }
            // No more than needed: the lines, and a segment around each end.
            let longest = found.iter().map(|segment| segment.len as usize).max().unwrap_or(0);
            prop_assert!(to - from <= end - start + 2 * longest);
        }

        #[test]
        fn no_bytes_make_it_panic(json in proptest::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let _ = LineIndex::from_json(&json, "");
            let mut stored = index(b"a\nb\n").to_json("x");
            let at = at.index(stored.len());
            stored[at] = byte;
            if let Some(index) = LineIndex::from_json(&stored, "x") {
                let _ = index.locate(1, u64::MAX);
            }
        }
    }
}
