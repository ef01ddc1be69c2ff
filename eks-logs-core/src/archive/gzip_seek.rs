//! Random access into gzip: decoding leaves checkpoints, from which it is taken up again.
//!
//! A checkpoint is a copy of the decoder with its window (43 KiB), not a bit offset, so it may stand anywhere and needs no second
//! format. Checksums are verified by a walk, not here: a range says nothing about the whole.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::ReadSeek;

/// Compressed bytes per read.
const INPUT: usize = 64 << 10;
/// Decoded bytes between checkpoints, at first.
const SPACING: u64 = 1 << 20;
/// Checkpoints that are kept (43 KiB each): beyond it every second one goes, and the spacing doubles.
const MOST: usize = 768;

/// Where a decoder is in the gzip framing (RFC 1952).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Header,
    Body,
    End,
}

#[derive(Clone)]
struct Decoder {
    state: Box<InflateState>,
    phase: Phase,
    /// Offset of the next compressed byte.
    input: u64,
    /// Decoded bytes so far.
    output: u64,
}

impl Decoder {
    fn new() -> Self {
        Self { state: InflateState::new_boxed(DataFormat::Raw), phase: Phase::Header, input: 0, output: 0 }
    }
}

/// The checkpoints of one file, shared by all that read it.
pub(super) struct Checkpoints(Mutex<Kept>);

struct Kept {
    spacing: u64,
    at: BTreeMap<u64, Arc<Decoder>>,
}

impl std::fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.lock();
        f.debug_struct("Checkpoints").field("kept", &kept.at.len()).field("spacing", &kept.spacing).finish()
    }
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self(Mutex::new(Kept { spacing: SPACING, at: BTreeMap::new() }))
    }
}

impl Checkpoints {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere cannot leave the map half changed: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a copy of the decoder if there is none close before it.
    fn offer(&self, decoder: &Decoder) {
        let mut kept = self.lock();
        let near = decoder.output.saturating_sub(kept.spacing - 1)..=decoder.output;
        if kept.at.range(near).next_back().is_some() {
            return;
        }
        kept.at.insert(decoder.output, Arc::new(decoder.clone()));
        if kept.at.len() > MOST {
            kept.spacing *= 2;
            let spacing = kept.spacing;
            let mut last = None;
            kept.at.retain(|at, _| {
                let keep = last.is_none_or(|last: u64| at - last >= spacing);
                if keep {
                    last = Some(*at);
                }
                keep
            });
        }
    }

    fn nearest(&self, offset: u64) -> Decoder {
        let kept = self.lock();
        kept.at.range(..=offset).next_back().map_or_else(Decoder::new, |(_, decoder)| Decoder::clone(decoder))
    }
}

/// Reads the decoded content; seeking forward decodes, from the nearest checkpoint where that is closer.
pub(super) struct GzipReader {
    file: Box<dyn ReadSeek>,
    buffer: Vec<u8>,
    /// The unread part of `buffer`.
    from: usize,
    to: usize,
    decoder: Decoder,
    checkpoints: Arc<Checkpoints>,
    since_offer: u64,
}

impl GzipReader {
    /// A reader at `offset` of the decoded content; an offset behind its end is the end.
    pub(super) fn open(file: Box<dyn ReadSeek>, checkpoints: Arc<Checkpoints>, offset: u64) -> io::Result<Self> {
        let decoder = checkpoints.nearest(offset);
        let buffer = vec![0; INPUT];
        let mut reader = Self { file, buffer, from: 0, to: 0, decoder, checkpoints, since_offer: 0 };
        reader.file.seek(SeekFrom::Start(reader.decoder.input))?;
        reader.forward(offset - reader.decoder.output)?;
        Ok(reader)
    }

    /// Compressed bytes that were decoded so far.
    pub(super) fn stored(&self) -> u64 {
        self.decoder.input
    }

    fn forward(&mut self, mut count: u64) -> io::Result<()> {
        let mut skipped = vec![0; INPUT.min(count as usize)];
        while count > 0 {
            let most = skipped.len().min(count as usize);
            match self.read(&mut skipped[..most])? {
                0 => break,
                read => count -= read as u64,
            }
        }
        Ok(())
    }

    /// Fills the buffer if it is empty; `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        while self.from == self.to {
            self.from = 0;
            self.to = match self.file.read(&mut self.buffer) {
                Ok(0) => {
                    self.to = 0;
                    return Ok(false);
                }
                Ok(count) => count,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => 0,
                Err(why) => return Err(why),
            };
        }
        Ok(true)
    }

    fn byte(&mut self) -> io::Result<u8> {
        if !self.fill()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let byte = self.buffer[self.from];
        self.used(1);
        Ok(byte)
    }

    fn used(&mut self, count: usize) {
        self.from += count;
        self.decoder.input += count as u64;
    }

    /// Reads a member's header. What stands behind the last member and is none is ignored, as gzip(1) does.
    fn header(&mut self) -> io::Result<()> {
        const CRC: u8 = 2;
        const EXTRA: u8 = 4;
        const NAME: u8 = 8;
        const COMMENT: u8 = 16;
        if !self.fill()? {
            self.decoder.phase = Phase::End;
            return Ok(());
        }
        let (first, second) = (self.byte()?, self.byte());
        if first != 0x1f || !matches!(second, Ok(0x8b)) {
            self.decoder.phase = Phase::End;
            return Ok(());
        }
        let method = self.byte()?;
        if method != 8 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("unknown compression method {method}")));
        }
        let flags = self.byte()?;
        for _ in 0..6 {
            self.byte()?;
        }
        if flags & EXTRA != 0 {
            let length = u16::from_le_bytes([self.byte()?, self.byte()?]);
            for _ in 0..length {
                self.byte()?;
            }
        }
        for text in [NAME, COMMENT] {
            while flags & text != 0 && self.byte()? != 0 {}
        }
        if flags & CRC != 0 {
            (self.byte()?, self.byte()?);
        }
        self.decoder.state = InflateState::new_boxed(DataFormat::Raw);
        self.decoder.phase = Phase::Body;
        Ok(())
    }
}

impl Read for GzipReader {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() {
            return Ok(0);
        }
        loop {
            match self.decoder.phase {
                Phase::End => return Ok(0),
                Phase::Header => self.header()?,
                Phase::Body => {
                    let more = self.fill()?;
                    let input = &self.buffer[self.from..self.to];
                    let result = inflate(&mut self.decoder.state, input, output, MZFlush::None);
                    self.used(result.bytes_consumed);
                    let count = result.bytes_written;
                    self.decoder.output += count as u64;
                    match result.status {
                        Ok(MZStatus::StreamEnd) => {
                            // Checksum and length, eight bytes.
                            for _ in 0..8 {
                                self.byte()?;
                            }
                            self.decoder.phase = Phase::Header;
                        }
                        Ok(_) | Err(MZError::Buf) if count > 0 || result.bytes_consumed > 0 => {}
                        Ok(_) | Err(MZError::Buf) if more => {
                            return Err(io::Error::new(io::ErrorKind::InvalidData, "the deflate stream stands still"));
                        }
                        Ok(_) | Err(MZError::Buf) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Err(_) => {
                            return Err(io::Error::new(io::ErrorKind::InvalidData, "corrupt deflate stream"));
                        }
                    }
                    if count > 0 {
                        self.since_offer += count as u64;
                        if self.since_offer >= SPACING && self.decoder.phase == Phase::Body {
                            self.since_offer = 0;
                            self.checkpoints.offer(&self.decoder);
                        }
                        return Ok(count);
                    }
                }
            }
        }
    }
}

impl Seek for GzipReader {
    /// Forward from where it stands, and nowhere else.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Current(count @ 0..) => {
                let target = self.decoder.output.saturating_add(count.unsigned_abs());
                let nearest = self.checkpoints.nearest(target);
                if nearest.output > self.decoder.output {
                    self.decoder = nearest;
                    self.file.seek(SeekFrom::Start(self.decoder.input))?;
                    (self.from, self.to) = (0, 0);
                }
                self.forward(target - self.decoder.output)?;
                Ok(self.decoder.output)
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "a gzip reader seeks forward only")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// Text that compresses, different everywhere.
    fn content(lines: u32) -> Vec<u8> {
        (0..lines).flat_map(|n| format!("{n} {} {}\n", n.wrapping_mul(2_654_435_761), n % 7).into_bytes()).collect()
    }

    fn at(stored: &[u8], checkpoints: &Arc<Checkpoints>, offset: u64) -> GzipReader {
        GzipReader::open(Box::new(Cursor::new(stored.to_vec())), Arc::clone(checkpoints), offset).unwrap()
    }

    #[test]
    fn every_range_reads_the_same_with_and_without_checkpoints() {
        let content = content(400_000);
        let (half, rest) = content.split_at(content.len() / 3);
        for stored in [gzip(&content), [gzip(half), gzip(&[]), gzip(rest)].concat()] {
            let checkpoints = Arc::new(Checkpoints::default());
            let mut whole = Vec::new();
            at(&stored, &checkpoints, 0).read_to_end(&mut whole).unwrap();
            assert!(whole == content);
            assert!(checkpoints.lock().at.len() >= content.len() / (2 * SPACING as usize));
            for offset in (0..content.len()).step_by(700_001).chain([content.len() - 1, content.len()]) {
                let want = &content[offset..(offset + 5000).min(content.len())];
                for checkpoints in [&checkpoints, &Arc::new(Checkpoints::default())] {
                    let mut got = Vec::new();
                    let mut reader = at(&stored, checkpoints, offset as u64);
                    reader.by_ref().take(5000).read_to_end(&mut got).unwrap();
                    assert!(got == want, "at {offset}");
                    reader.seek(SeekFrom::Current(1_000_000)).unwrap();
                    got.clear();
                    reader.take(10).read_to_end(&mut got).unwrap();
                    let further = (offset + 1_005_000).min(content.len());
                    assert!(got == content[further..(further + 10).min(content.len())]);
                }
            }
        }
    }

    #[test]
    fn checkpoints_are_bounded() {
        let checkpoints = Checkpoints::default();
        let mut decoder = Decoder::new();
        for n in 0..5000 {
            decoder.output = n * SPACING;
            checkpoints.offer(&decoder);
        }
        let kept = checkpoints.lock();
        assert!(kept.at.len() <= MOST, "{}", kept.at.len());
        assert!(kept.at.len() >= MOST / 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn damage_is_an_error_or_other_text_never_a_panic(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut stored = gzip(&content(3000));
            let place = place.index(stored.len());
            stored[place] ^= byte;
            stored.truncate(cut.index(stored.len()));
            let mut text = Vec::new();
            let _ = at(&stored, &Arc::new(Checkpoints::default()), 0).read_to_end(&mut text);
        }
    }
}
