//! What a search found: adding blocks up, file by file.

use std::collections::VecDeque;

use memchr::{memchr, memrchr};
use serde::Serialize;

use super::block::{Hit, Searched};
use crate::path::StorePath;

/// The most of a line that is shown, in bytes; a longer one is shown around its match.
pub(super) const SHOWN: usize = 2 << 10;
/// The most of a line of context that is shown.
const CONTEXT: usize = 1 << 10;
/// Text of one file that is told.
const FILE_TEXT: usize = 512 << 10;

/// A line that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LineMatch {
    /// 1-based.
    pub line: u64,
    /// Offset of the first byte of `text`.
    pub start_byte: u64,
    /// Offset behind its last byte; the newline is not part of it.
    pub end_byte: u64,
    /// The line, or 2 KiB of it around the match. Invalid UTF-8 is shown as U+FFFD.
    pub text: String,
    /// The line is longer than what is shown.
    pub shortened: bool,
    /// Lines before it, in order.
    pub before: Vec<String>,
    /// Lines after it, in order.
    pub after: Vec<String>,
}

/// The matches of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileMatches {
    /// `S-001`: the file's place among those with matches, by path.
    pub id: String,
    /// The file, relative to the bundle's root.
    pub file: String,
    /// The file in its store.
    pub path: StorePath,
    /// Lines that match: all of them.
    pub count: u64,
    /// The first of them.
    pub matches: Vec<LineMatch>,
}

/// A file that was not searched, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Where a search was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// The file that was being searched.
    pub file: Option<String>,
    /// How far.
    pub bytes: u64,
    /// Files that were not reached; `None` in an archive, where what comes behind is not known.
    pub not_reached: Option<Vec<String>>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchResult {
    /// Files with matches, by path.
    pub files: Vec<FileMatches>,
    /// Lines that match, in all files.
    pub total: u64,
    /// Files that were searched to their end.
    pub files_searched: u64,
    /// Files that the log types left out.
    pub files_left_out: u64,
    /// Bytes that were searched, after decompression.
    pub bytes_searched: u64,
    /// What was not searched, or not to its end.
    pub skipped: Vec<Skipped>,
    /// Files whose text is not UTF-8 but UTF-16, which is searched as bytes.
    pub utf16: Vec<String>,
    /// Files with lines longer than 4 MiB, which were searched in pieces that overlap by 4 KiB.
    pub overlong: Vec<String>,
    /// Matches are left out somewhere: each file has the first ones.
    pub cut: bool,
    /// Set if the search was stopped: the rest is not known.
    pub stopped: Option<Stopped>,
}

/// One file while it is searched.
#[derive(Debug)]
pub(super) struct FileState {
    /// Below the bundle's root as far as it is known, and in the store.
    pub(super) name: StorePath,
    pub(super) path: StorePath,
    pub(super) count: u64,
    pub(super) matches: Vec<LineMatch>,
    pub(super) bytes: u64,
    pub(super) cut: Option<String>,
    pub(super) utf16: bool,
    pub(super) overlong: bool,
    pub(super) read: bool,
    /// A block of it was not searched to its end.
    pub(super) interrupted: bool,
    /// The first line ends with `\r\n`.
    pub(super) crlf: bool,
    newlines: u64,
    text: usize,
    context: usize,
    keep: usize,
    /// The last lines of the block before.
    before: VecDeque<String>,
    /// The last line of the block before goes on and was counted.
    counted: bool,
    tentative: Option<LineMatch>,
}

impl FileState {
    pub(super) fn new(name: StorePath, path: StorePath, keep: usize, context: usize) -> Self {
        Self {
            name,
            path,
            count: 0,
            matches: Vec::new(),
            bytes: 0,
            cut: None,
            utf16: false,
            overlong: false,
            read: false,
            interrupted: false,
            crlf: false,
            newlines: 0,
            text: 0,
            context,
            keep,
            before: VecDeque::new(),
            counted: false,
            tentative: None,
        }
    }

    /// Matches that may still be told.
    pub(super) fn wanted(&self) -> usize {
        if self.text >= FILE_TEXT { 0 } else { self.keep - self.matches.len() }
    }

    /// Adds the next block of the file; `room` is the text that may still be told. Returns how much was.
    pub(super) fn add(&mut self, found: &Searched, room: usize) -> usize {
        let told = self.text;
        let repeated = found.first && self.counted;
        self.count += found.count - u64::from(repeated);
        self.tentative = None;
        self.after_of_the_last(&found.data);
        let hits = found.hits.iter().skip(usize::from(repeated));
        for hit in hits {
            if self.wanted() == 0 || self.text - told >= room {
                break;
            }
            let line = self.line(found, *hit);
            self.text += line.text.len() + line.before.iter().chain(&line.after).map(String::len).sum::<usize>();
            self.matches.push(line);
        }
        if let Some(hit) = found.tentative.filter(|_| !self.counted) {
            self.tentative = Some(self.line(found, hit));
        }
        let continues_counted = self.counted && found.newlines == 0;
        self.counted = found.last || continues_counted;
        if self.context > 0 && self.wanted() > 0 {
            self.remember(&found.data);
        }
        self.newlines += found.newlines;
        self.bytes = found.start + found.len;
        self.interrupted |= found.stopped;
        self.text - told
    }

    /// The file is over.
    pub(super) fn finish(&mut self) {
        if let Some(line) = self.tentative.take() {
            self.count += 1;
            if self.wanted() > 0 {
                self.matches.push(line);
            }
        }
    }

    fn line(&self, found: &Searched, hit: Hit) -> LineMatch {
        let data = &found.data;
        let (start, end) = (hit.start as usize, hit.end as usize);
        let end = if data[start..end].ends_with(b"\r") { end - 1 } else { end };
        let (from, to) = shown(data, start, end, hit.at as usize, SHOWN);
        let mut before: VecDeque<String> = VecDeque::new();
        let mut at = start;
        while before.len() < self.context && at > 0 {
            let line_start = memrchr(b'\n', &data[..at - 1]).map_or(0, |newline| newline + 1);
            before.push_front(context(&data[line_start..at - 1]));
            at = line_start;
        }
        let missing = self.context - before.len();
        for line in self.before.iter().rev().take(missing) {
            before.push_front(line.clone());
        }
        let next =
            memchr(b'\n', &data[hit.end as usize..]).map_or(data.len(), |newline| hit.end as usize + newline + 1);
        let offset = found.start + u64::from(hit.left_out);
        LineMatch {
            line: self.newlines + u64::from(hit.line) + 1,
            start_byte: offset + from as u64,
            end_byte: offset + to as u64,
            text: String::from_utf8_lossy(&data[from..to]).into_owned(),
            shortened: to - from < end - start,
            before: before.into(),
            after: lines(&data[next..]).take(self.context).map(context).collect(),
        }
    }

    /// Lines after the last matches of the block before.
    fn after_of_the_last(&mut self, data: &[u8]) {
        let context_lines = self.context;
        for line in self.matches.iter_mut().rev().take(context_lines) {
            let missing = context_lines - line.after.len();
            line.after.extend(lines(data).take(missing).map(context));
        }
    }

    fn remember(&mut self, data: &[u8]) {
        let mut at = data.len();
        let mut last = VecDeque::new();
        while last.len() < self.context && at > 0 {
            let end = if data[at - 1] == b'\n' { at - 1 } else { at };
            let start = memrchr(b'\n', &data[..end]).map_or(0, |newline| newline + 1);
            last.push_front(context(&data[start..end]));
            at = start;
        }
        let kept = self.context - last.len();
        for line in self.before.iter().rev().take(kept) {
            last.push_front(line.clone());
        }
        self.before = last;
    }
}

/// The lines of some text; none behind its last newline.
fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

fn context(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (from, to) = shown(line, 0, line.len(), 0, CONTEXT);
    String::from_utf8_lossy(&line[from..to]).into_owned()
}

/// The part of a line that is shown: all of it, or a window around `at` that cuts no character.
fn shown(data: &[u8], start: usize, end: usize, at: usize, most: usize) -> (usize, usize) {
    if end - start <= most {
        return (start, end);
    }
    let boundary = |mut place: usize| {
        while place > start && place < end && data[place] & 0xc0 == 0x80 {
            place -= 1;
        }
        place
    };
    let from = boundary(at.saturating_sub(most / 4).clamp(start, end - most));
    (from, boundary((from + most).min(end)))
}
