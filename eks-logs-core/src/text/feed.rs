//! From the bytes of a walk to blocks of text: decompresses what is compressed inside the bundle. Sans I/O.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;

use super::splitter::{Cut, Splitter};
use crate::archive::Limits;

/// Compressed bytes that are decoded at a time: deflate may give a thousand times as many.
const GZIP_PIECE: usize = 4 << 10;
/// Compressed bytes that are taken at a time.
const STORED: usize = 64 << 10;
/// Bytes that tell a file's encoding.
const MAGIC: u64 = 4;
/// How a gzip member begins (RFC 1952: magic and the one method, deflate).
pub(crate) const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Why a file's text ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished(pub String);

struct Inflate {
    decoder: MultiGzDecoder<Vec<u8>>,
    /// Compressed bytes that wait to be decoded.
    stored: Vec<u8>,
    at: usize,
    taken: u64,
    /// Text that waits to be cut.
    text: Vec<u8>,
    text_at: usize,
}

/// Takes the bytes of one file after the other and yields blocks of its text.
///
/// For each file: `begin`, then (`space`, `filled`, `next` until it yields nothing)*, then `end` and `next` until it yields nothing.
pub struct Feed {
    splitter: Splitter,
    inflate: Option<Inflate>,
    /// The encoding is known.
    told: bool,
    /// Bytes in the splitter's space that it has not been told of.
    pending: usize,
    ended: bool,
    unfinished: Option<Unfinished>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("position", &self.position()).field("gzip", &self.inflate.is_some()).finish()
    }
}

impl Feed {
    /// One that keeps lines whole up to `longest` bytes.
    pub fn holding(longest: usize) -> Self {
        Self {
            splitter: Splitter::holding(longest),
            inflate: None,
            told: false,
            pending: 0,
            ended: true,
            unfinished: None,
        }
    }

    /// Begins a file with a buffer to reuse. `expected` says how many bytes it has, as far as that is known.
    pub fn begin(&mut self, buffer: Vec<u8>, expected: u64) {
        self.splitter.begin(buffer, expected);
        (self.inflate, self.told, self.pending, self.ended, self.unfinished) = (None, false, 0, false, None);
    }

    /// Where the next bytes go; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        match &mut self.inflate {
            Some(inflate) => {
                inflate.stored.resize(STORED, 0);
                &mut inflate.stored
            }
            None => self.splitter.space(),
        }
    }

    /// `count` bytes were written to `space`.
    pub fn filled(&mut self, count: usize) {
        if let Some(inflate) = &mut self.inflate {
            inflate.stored.truncate(count);
            inflate.at = 0;
            return;
        }
        self.pending = count;
        if !self.told && self.splitter.position() + count as u64 >= MAGIC {
            self.told = true;
            // Nothing has left the splitter yet: the file begins at the start of its buffer.
            if self.splitter.peek().starts_with(&GZIP_MAGIC) {
                let stored = self.splitter.take_back(count);
                self.pending = 0;
                let decoder = MultiGzDecoder::new(Vec::new());
                self.inflate = Some(Inflate { decoder, stored, at: 0, taken: 0, text: Vec::new(), text_at: 0 });
            }
        }
    }

    /// No more bytes come.
    pub fn end(&mut self) {
        self.ended = true;
        if let Some(inflate) = &mut self.inflate
            && self.unfinished.is_none()
        {
            if let Err(why) = inflate.decoder.try_finish() {
                self.unfinished = Some(Unfinished(format!("its gzip is cut or damaged: {why}")));
            }
            inflate.collect();
        }
    }

    /// The next block; `None` when more bytes are needed, or behind `end`, when the file is over. Buffers to reuse come from `spare`.
    pub fn next(&mut self, spare: &mut Vec<Vec<u8>>) -> Option<Cut> {
        let mut next = || spare.pop().unwrap_or_default();
        if self.pending > 0 {
            let count = std::mem::take(&mut self.pending);
            if let Some(cut) = self.splitter.filled(count, &mut next) {
                return Some(cut);
            }
        }
        while let Some(inflate) = &mut self.inflate {
            if inflate.text_at < inflate.text.len() {
                let space = self.splitter.space();
                let rest = &inflate.text[inflate.text_at..];
                let count = space.len().min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                inflate.text_at += count;
                if let Some(cut) = self.splitter.filled(count, &mut next) {
                    return Some(cut);
                }
            } else if self.unfinished.is_none() && inflate.at < inflate.stored.len() {
                self.unfinished = inflate.step(self.splitter.position());
            } else {
                break;
            }
        }
        if !self.ended {
            return None;
        }
        match self.splitter.finish() {
            Ok(cut) => Some(cut),
            Err(unused) => {
                spare.push(unused);
                None
            }
        }
    }

    /// Why the text ends early: damaged gzip, or one that expands beyond the limits. More bytes are then of no use.
    pub fn unfinished(&self) -> Option<&Unfinished> {
        self.unfinished.as_ref()
    }

    /// Whether the file's end was told.
    pub fn is_over(&self) -> bool {
        self.ended
    }

    /// Bytes of text so far.
    pub fn position(&self) -> u64 {
        self.splitter.position()
    }

    /// Whether some line of the file was longer than the longest that is held.
    pub fn overlong(&self) -> bool {
        self.splitter.overlong()
    }

    /// Whether the file is compressed.
    pub fn is_compressed(&self) -> bool {
        self.inflate.is_some()
    }
}

impl Inflate {
    /// Decodes the next compressed bytes; `position` is the text so far.
    fn step(&mut self, position: u64) -> Option<Unfinished> {
        let piece = &self.stored[self.at..(self.at + GZIP_PIECE).min(self.stored.len())];
        self.at += piece.len();
        self.taken += piece.len() as u64;
        let failed = self.decoder.write_all(piece).and_then(|()| self.decoder.flush()).err();
        self.collect();
        let limit = || Limits::default().exceeded(self.taken, position + self.text.len() as u64);
        failed.map(|why| format!("its gzip is damaged: {why}")).or_else(limit).map(Unfinished)
    }

    fn collect(&mut self) {
        self.text.drain(..self.text_at);
        self.text_at = 0;
        let fresh = std::mem::take(self.decoder.get_mut());
        if self.text.is_empty() { self.text = fresh } else { self.text.extend_from_slice(&fresh) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::text::BLOCK;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn feed(stored: &[u8], pieces: &[usize]) -> (Vec<u8>, Option<Unfinished>) {
        let mut feed = Feed::holding(BLOCK);
        let mut spare = Vec::new();
        feed.begin(Vec::new(), 0);
        let (mut text, mut at, mut piece) = (Vec::new(), 0, 0);
        let take = |feed: &mut Feed, text: &mut Vec<u8>, spare: &mut Vec<Vec<u8>>| {
            while let Some(cut) = feed.next(spare) {
                text.truncate(cut.start as usize);
                text.extend_from_slice(&cut.data);
                spare.push(cut.data);
            }
        };
        while at < stored.len() && feed.unfinished().is_none() {
            let space = feed.space();
            let count = space.len().min(stored.len() - at).min(pieces[piece % pieces.len()].max(1));
            space[..count].copy_from_slice(&stored[at..at + count]);
            feed.filled(count);
            take(&mut feed, &mut text, &mut spare);
            at += count;
            piece += 1;
        }
        feed.end();
        take(&mut feed, &mut text, &mut spare);
        (text, feed.unfinished().cloned())
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        (proptest::collection::vec(any::<u8>(), 0..40), 1_usize..60_000)
            .prop_map(|(bytes, times)| bytes.repeat(times.min(2_500_000 / bytes.len().max(1))))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn text_comes_through_whole_compressed_or_not(content in content(), pieces in proptest::collection::vec(1_usize..300_000, 1..4)) {
            prop_assume!(!content.starts_with(&GZIP_MAGIC));
            prop_assert_eq!(feed(&content, &pieces), (content.clone(), None));
            let stored = gzip(&content);
            prop_assert_eq!(feed(&stored, &pieces), (content.clone(), None));
            let (half, rest) = content.split_at(content.len() / 2);
            prop_assert_eq!(feed(&[gzip(half), gzip(rest)].concat(), &pieces), (content.clone(), None));
            let (text, unfinished) = feed(&stored[..stored.len() - 9], &pieces);
            prop_assert!(unfinished.is_some());
            prop_assert!(content.starts_with(&text));
        }
    }

    #[test]
    fn a_bomb_is_stopped() {
        let (text, unfinished) = feed(&gzip(&vec![b'a'; 200 << 20]), &[100_000]);
        assert!(text.len() < 100 << 20);
        assert!(unfinished.unwrap().0.contains("decompression bomb"));
    }
}
