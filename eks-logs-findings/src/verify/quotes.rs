//! Looking for the words that a report quotes: one pass over the whole bundle, all of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use aho_corasick::AhoCorasick;
use async_trait::async_trait;
use eks_logs_core::{FileEnd, FileSink, Flow, Limits, Located, Object, Refusal, Result, StorePath};
use flate2::write::MultiGzDecoder;
use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::Spot;
use crate::finding::Scan;

/// Places that are kept of one quotation; all of them are counted.
const PLACES: usize = 64;
/// A line longer than this is read in pieces.
const LONGEST_LINE: usize = 1 << 20;
/// What two pieces of a long line share, so that words across the cut are found.
const OVERLAP: usize = 4 << 10;
/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;
/// The shortest part of a quotation that is looked for, in bytes.
const SHORTEST: usize = 4;

/// Where words stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hits {
    /// Lines that hold them.
    pub(super) lines: u64,
    /// The first of them, by file and place.
    pub(super) places: Vec<Spot>,
}

/// What was found of all words.
#[derive(Clone, Debug, Default)]
pub(super) struct Searched {
    pub(super) hits: BTreeMap<String, Hits>,
    /// Files that could not be read to their end.
    pub(super) unread: Vec<String>,
}

/// The parts of a quotation that must stand in one line in this order: what was left out, cut short or redacted parts them.
pub(super) fn fragments(quotation: &str) -> Vec<String> {
    let mut text = quotation.replace('\u{2026}', "\u{0}").replace("[...]", "\u{0}").replace("...", "\u{0}");
    while let Some(start) = text.find("[REDACTED") {
        let end = text[start..].find(']').map_or(text.len(), |end| start + end + 1);
        text.replace_range(start..end, "\u{0}");
    }
    let parts = text.split(['\u{0}', '\u{fffd}']).map(|part| part.trim().trim_end_matches(['.', ',', ';']).to_owned());
    parts.filter(|part| part.len() >= SHORTEST).collect()
}

pub(super) async fn search(bundle: &Located, scan: &Scan, words: &[String]) -> Result<Searched> {
    let mut searched = Searched::default();
    let needles: Vec<(String, Vec<String>)> =
        words.iter().map(|word| (word.clone(), fragments(word))).filter(|(_, parts)| !parts.is_empty()).collect();
    if needles.is_empty() {
        return Ok(searched);
    }
    let longest = |parts: &[String]| parts.iter().max_by_key(|part| part.len()).cloned().unwrap_or_default();
    let Ok(literals) = AhoCorasick::new(needles.iter().map(|(_, parts)| longest(parts))) else { return Ok(searched) };
    let known: BTreeSet<&str> = scan.files.iter().map(|file| file.file.as_str()).collect();
    let mut sink = Sink {
        root: bundle.root.clone(),
        known,
        needles: &needles,
        literals,
        searched: &mut searched,
        space: vec![0; PIECE],
        text: Vec::new(),
        file: String::new(),
        start: 0,
        line: 1,
        begun: false,
        gzip: None,
        stored: 0,
        position: 0,
        damaged: false,
    };
    bundle.store.walk(&bundle.root, &mut sink).await?;
    for hits in searched.hits.values_mut() {
        hits.places.sort();
        hits.places.truncate(PLACES);
    }
    searched.unread.sort();
    searched.unread.dedup();
    Ok(searched)
}

struct Sink<'a> {
    root: StorePath,
    known: BTreeSet<&'a str>,
    needles: &'a [(String, Vec<String>)],
    literals: AhoCorasick,
    searched: &'a mut Searched,
    space: Vec<u8>,
    /// Text that has not been looked at: at most one piece and the beginning of a line.
    text: Vec<u8>,
    file: String,
    /// Offset of `text` in its file, and the number of its first line.
    start: u64,
    line: u64,
    begun: bool,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    stored: u64,
    position: u64,
    damaged: bool,
}

impl Sink<'_> {
    fn take(&mut self, bytes: &[u8]) {
        self.position += bytes.len() as u64;
        self.text.extend_from_slice(bytes);
        match memrchr(b'\n', &self.text) {
            Some(newline) => self.look(newline + 1),
            None if self.text.len() >= LONGEST_LINE => self.look(self.text.len() - OVERLAP),
            None => {}
        }
    }

    /// Looks at the first bytes of the text and lets go of them.
    fn look(&mut self, length: usize) {
        let text = &self.text[..length];
        // A line is counted once for each quotation.
        let mut told: Vec<u64> = vec![0; self.needles.len()];
        let (mut counted_to, mut line) = (0, self.line);
        for found in self.literals.find_overlapping_iter(text) {
            let begins = memrchr(b'\n', &text[..found.start()]).map_or(0, |newline| newline + 1);
            let ends = memchr(b'\n', &text[found.end()..]).map_or(text.len(), |newline| found.end() + newline);
            if begins >= counted_to {
                line += memchr_iter(b'\n', &text[counted_to..begins]).count() as u64;
                counted_to = begins;
            }
            let number = found.pattern().as_usize();
            // Matches come in order of their ends, all of one line before those of the next.
            if told[number] == line {
                continue;
            }
            let (words, parts) = &self.needles[number];
            let Some(span) = in_order(&text[begins..ends], parts) else { continue };
            told[number] = line;
            let hits = self.searched.hits.entry(words.clone()).or_default();
            hits.lines += 1;
            hits.places.push(Spot {
                file: self.file.clone(),
                line,
                start_byte: self.start + (begins + span.start) as u64,
                end_byte: self.start + (begins + span.end) as u64,
            });
            if hits.places.len() >= 2 * PLACES {
                // The store may hand files over in any order: the first places by name stay.
                hits.places.sort();
                hits.places.truncate(PLACES);
            }
        }
        self.line += memchr_iter(b'\n', text).count() as u64;
        self.start += length as u64;
        self.text.drain(..length);
    }

    fn inflate(&mut self, stored: &[u8]) -> bool {
        // Compressed bytes are decoded a few at a time: deflate may give a thousand times as many.
        for piece in stored.chunks(4 << 10) {
            let Some(gzip) = &mut self.gzip else { return false };
            self.stored += piece.len() as u64;
            let failed = gzip.write_all(piece).and_then(|()| gzip.flush()).is_err();
            let text = std::mem::take(gzip.get_mut());
            self.take(&text);
            if failed || Limits::default().exceeded(self.stored, self.position).is_some() {
                self.damaged = true;
                return false;
            }
        }
        true
    }
}

/// From the first to the last of the parts, if they stand in the line in this order.
fn in_order(line: &[u8], parts: &[String]) -> Option<std::ops::Range<usize>> {
    let (mut from, mut start) = (0, None);
    for part in parts {
        let at = from + memmem::find(&line[from..], part.as_bytes())?;
        start = start.or(Some(at));
        from = at + part.len();
    }
    Some(start?..from)
}

#[async_trait]
impl FileSink for Sink<'_> {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        let path = file.path.below(&self.root).unwrap_or_else(|| file.path.clone());
        // As the scan names it: without the directory that an archive may have around the bundle.
        self.file = match path.as_str().split_once('/') {
            Some((_, inner)) if !self.known.contains(path.as_str()) && self.known.contains(inner) => inner.to_owned(),
            _ => path.to_string(),
        };
        self.text.clear();
        (self.start, self.line, self.stored, self.position) = (0, 1, 0, 0);
        (self.begun, self.damaged, self.gzip) = (false, false, None);
        Ok(Flow::Read)
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.space
    }

    async fn filled(&mut self, count: usize) -> Result<Flow> {
        let piece = std::mem::take(&mut self.space);
        let bytes = &piece[..count];
        if !self.begun {
            self.begun = true;
            if bytes.starts_with(&[0x1f, 0x8b, 8]) {
                self.gzip = Some(MultiGzDecoder::new(Vec::new()));
            }
        }
        let goes_on = if self.gzip.is_some() {
            self.inflate(bytes)
        } else {
            self.take(bytes);
            true
        };
        self.space = piece;
        Ok(if goes_on { Flow::Read } else { Flow::Skip })
    }

    async fn end(&mut self, end: FileEnd) -> Result<()> {
        let whole = self.text.len();
        if whole > 0 {
            self.look(whole);
        }
        let unfinished = self.gzip.as_mut().is_some_and(|gzip| gzip.try_finish().is_err());
        if self.damaged || unfinished || matches!(end, FileEnd::Cut(_)) {
            self.searched.unread.push(self.file.clone());
        }
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) {
        self.searched.unread.push(refusal.name);
    }

    fn cut(&mut self, reason: String) {
        self.searched.unread.push(reason);
    }
}
