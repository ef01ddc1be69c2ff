//! Searching one block. Pure: the same block gives the same result on any thread.

use std::sync::atomic::{AtomicBool, Ordering};

use memchr::{memchr, memchr_iter, memrchr};

use super::query::{Lines, Query};

/// Lines that are looked at between two looks at whether to stop.
const ASK: u64 = 4096;

/// Whole lines of one file, or a piece of a line that is longer than the longest.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) file: u32,
    pub(super) start: u64,
    pub(super) data: Vec<u8>,
    /// The first line began in the block before.
    pub(super) continues: bool,
    /// The last line goes on in a block to come, if one comes.
    pub(super) goes_on: bool,
    /// Lines of the file end with `\r\n`.
    pub(super) crlf: bool,
    /// Matches that are told.
    pub(super) keep: usize,
}

/// A line that matches: offsets in the bytes that are kept of the block, the newline left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Bytes of the block before it that are not kept.
    pub(super) left_out: u32,
    /// Newlines of the block before it.
    pub(super) line: u32,
    /// Where the match starts.
    pub(super) at: u32,
}

/// What a block holds.
#[derive(Debug)]
pub(super) struct Searched {
    pub(super) file: u32,
    pub(super) start: u64,
    /// Bytes of it.
    pub(super) len: u64,
    /// The bytes, or the lines of them that are told.
    pub(super) data: Vec<u8>,
    /// Newlines; where no further match of the file is told, only whether there is one.
    pub(super) newlines: u64,
    /// Lines that match.
    pub(super) count: u64,
    /// The first of them.
    pub(super) hits: Vec<Hit>,
    /// The first line, which began in the block before, matches.
    pub(super) first: bool,
    /// The last line, which goes on, matches.
    pub(super) last: bool,
    /// The last line, which goes on, matches if it ends here after all.
    pub(super) tentative: Option<Hit>,
    /// The search was stopped inside the block.
    pub(super) stopped: bool,
}

impl Searched {
    pub(super) fn new(file: u32, start: u64, len: usize) -> Self {
        Searched {
            file,
            start,
            len: len as u64,
            data: Vec::new(),
            newlines: 0,
            count: 0,
            hits: Vec::new(),
            first: false,
            last: false,
            tentative: None,
            stopped: false,
        }
    }
}

pub(super) fn search(query: &Query, block: Block, stop: &AtomicBool) -> Searched {
    let Block { file, start, data, continues, goes_on, crlf, keep } = block;
    let query = query.lines(crlf);
    let mut found = Searched::new(file, start, data.len());
    let mut at = 0;
    if continues || (goes_on && memchr(b'\n', &data).is_none()) {
        at = piece(query, &data, continues, goes_on, &mut found);
    }
    search_lines(query, &data, at, keep, stop, &mut found);
    found.data = data;
    found
}

/// Searches the lines from `at` on; the first `keep` that match are told.
pub(super) fn search_lines(
    query: Lines<'_>,
    data: &[u8],
    mut at: usize,
    keep: usize,
    stop: &AtomicBool,
    found: &mut Searched,
) {
    let (mut counted, mut newlines) = (0, 0);
    if stop.load(Ordering::Relaxed) {
        found.stopped = true;
        at = data.len();
    }
    let mut asked = 0;
    while at < data.len() {
        let Some((near, sure)) = query.candidate(&data[at..]) else { break };
        let near = (at + near).min(data.len());
        // Behind the last newline there is no line.
        if near == data.len() && data.ends_with(b"\n") {
            break;
        }
        let line_start = memrchr(b'\n', &data[..near]).map_or(0, |newline| newline + 1).max(at);
        let line_end = memchr(b'\n', &data[near..]).map_or(data.len(), |newline| near + newline);
        if sure || query.matches(&data[line_start..line_end]) {
            found.count += 1;
            if found.hits.len() < keep {
                newlines += memchr_iter(b'\n', &data[counted..line_start]).count() as u32;
                counted = line_start;
                found.hits.push(hit(query, data, line_start, line_end, newlines));
            }
        }
        at = line_end + 1;
        asked += 1;
        if asked % ASK == 0 && stop.load(Ordering::Relaxed) {
            found.stopped = true;
            break;
        }
    }
    found.newlines = match keep {
        0 => u64::from(memchr(b'\n', data).is_some()),
        _ => u64::from(newlines) + memchr_iter(b'\n', &data[counted..]).count() as u64,
    };
}

fn hit(query: Lines<'_>, data: &[u8], start: usize, end: usize, line: u32) -> Hit {
    // Where in the line matters for long ones only.
    let at = if end - start > super::found::SHOWN { query.first(&data[start..end]).unwrap_or(0) } else { 0 };
    Hit { start: start as u32, end: end as u32, left_out: 0, line, at: (start + at) as u32 }
}

/// The part of an overlong line at the start of a block. Returns where the next line starts.
fn piece(query: Lines<'_>, data: &[u8], continues: bool, goes_on: bool, found: &mut Searched) -> usize {
    let end = memchr(b'\n', data).unwrap_or(data.len());
    let open = end == data.len() && goes_on;
    let text = &data[..end];
    // The start of a piece is no start of a line: a match begins behind a byte that is known.
    let matched = query.earliest_end(text, usize::from(continues).min(text.len()));
    let told = |at: usize| Hit { start: 0, end: end as u32, left_out: 0, line: 0, at: at.min(end) as u32 };
    match matched {
        // What matches up to the very end of a piece may do so only because the piece ends.
        Some(matched_end) if open && matched_end == end => found.tentative = Some(told(matched_end)),
        Some(matched_end) => {
            found.count += 1;
            found.first = continues;
            found.last = open;
            found.hits.push(told(matched_end));
        }
        None => {}
    }
    end + 1
}
