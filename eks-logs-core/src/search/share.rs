//! A file that lies in this machine, searched in shares: each thread reads its own, so that bytes are searched by the processor that
//! has just read them. What a share holds depends on the bytes alone: the lines that start in it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use memchr::{memchr, memrchr};

use super::block::{self, Hit, Searched};
use super::query::Query;

/// Bytes of a share: a thread that is woken up for it has something to do.
pub(super) const SHARE: u64 = 4 << 20;
/// Bytes of a share of which all text is kept until its matches are told.
pub(super) const TEXT_SHARE: u64 = 1 << 20;
/// Bytes that are read at a time: they stay in a processor's own cache.
const PIECE: usize = 128 << 10;
/// Bytes behind a share that are read with it, for the end of its last line.
const BEHIND: usize = 2 << 10;
/// The longest line that shares are made of; a file with a longer one is searched block by block.
const LONGEST: usize = 1 << 20;
/// Bytes that tell how to search a file.
const HEAD: usize = 64 << 10;

/// The lines that start in a part of a file.
#[derive(Debug)]
pub(super) struct Share {
    /// The file's number, and the file.
    pub(super) number: u32,
    pub(super) file: Arc<File>,
    /// Where the share starts, and how many bytes it has.
    pub(super) start: u64,
    pub(super) length: u64,
    /// Bytes of the file.
    pub(super) size: u64,
    pub(super) crlf: bool,
    /// Matches that are told.
    pub(super) keep: usize,
    /// The text is wanted also where nothing matches: for lines of context.
    pub(super) text: bool,
}

/// What the first bytes of a file say.
pub(super) struct Head {
    pub(super) utf16: bool,
    pub(super) crlf: bool,
}

/// Looks at the start of a file; `None` if it is not one to be searched in shares.
pub(super) fn head(file: &File) -> Option<Head> {
    let mut bytes = vec![0; HEAD];
    if read(file, &mut bytes, 0).ok()? < HEAD || bytes.starts_with(&crate::text::GZIP_MAGIC) {
        return None;
    }
    let newline = memchr(b'\n', &bytes)?;
    Some(Head { utf16: super::is_utf16(&bytes), crlf: bytes[..newline].ends_with(b"\r") })
}

/// Searches a share with a buffer to reuse; `None` if a line is too long, or the file cannot be read as it was found.
pub(super) fn search(query: &Query, share: &Share, buffer: &mut Vec<u8>, stop: &AtomicBool) -> Option<Searched> {
    let lines = query.lines(share.crlf);
    let mut found = Searched::new(share.number, share.start, 0);
    if share.text {
        // Lines around a match are told: all is wanted in one piece.
        read_lines(share, share.length as usize + BEHIND, buffer, |start, piece| {
            found = Searched::new(share.number, start, piece.len());
            block::search_lines(lines, piece, 0, share.keep, stop, &mut found);
            found.data = piece.to_vec();
        })?;
        return Some(found);
    }
    let mut done = 0;
    let span = read_lines(share, PIECE, buffer, |_, piece| {
        let mut part = Searched::new(share.number, 0, 0);
        block::search_lines(lines, piece, 0, share.keep - found.hits.len(), stop, &mut part);
        for hit in part.hits {
            // Of the text only the lines that are told are kept.
            let line = &piece[hit.start as usize..hit.end as usize];
            let start = found.data.len() as u32;
            found.data.extend_from_slice(line);
            found.hits.push(Hit {
                start,
                end: start + line.len() as u32,
                left_out: done + hit.start - start,
                line: found.newlines as u32 + hit.line,
                at: start + (hit.at - hit.start),
            });
        }
        done += piece.len() as u32;
        found.count += part.count;
        found.newlines += part.newlines;
        found.stopped |= part.stopped;
    })?;
    (found.start, found.len) = (span.start, span.end - span.start);
    Some(found)
}

/// Reads the lines that start in a share, piece by piece; each comes with its offset in the file. Returns where they lie.
fn read_lines(
    share: &Share,
    piece: usize,
    buffer: &mut Vec<u8>,
    mut each: impl FnMut(u64, &[u8]),
) -> Option<Range<u64>> {
    // The byte in front tells whether a line starts at the start.
    let mut base = share.start.saturating_sub(1);
    let end = (share.start + share.length).min(share.size);
    let mut filled = 0;
    let mut first = (share.start == 0).then_some(0);
    loop {
        let position = base + filled as u64;
        let wanted = usize::try_from((end + BEHIND as u64).saturating_sub(position)).unwrap_or(piece);
        let count = usize::try_from(share.size - position).unwrap_or(piece).min(piece).min(wanted.max(BEHIND));
        if buffer.len() < filled + count {
            buffer.resize(filled + count, 0);
        }
        if read(&share.file, &mut buffer[filled..filled + count], position).ok()? < count {
            return None;
        }
        filled += count;
        let position = base + filled as u64;
        let over = position == share.size;
        let mut from = 0;
        if first.is_none() {
            match memchr(b'\n', &buffer[..filled]) {
                Some(newline) => from = newline + 1,
                // The file's last line, which started before, is all there is.
                None if over => from = filled,
                None if filled > LONGEST => return None,
                None => continue,
            }
        }
        let start = *first.get_or_insert(base + from as u64);
        // A line that starts at the end is the next share's.
        let last_byte = usize::try_from(end - 1 - base.min(end - 1)).unwrap_or(usize::MAX);
        let (to, done) = if position < end {
            (memrchr(b'\n', &buffer[from..filled]).map(|newline| from + newline + 1), false)
        } else {
            let newline = memchr(b'\n', &buffer[last_byte.min(filled)..filled]).map(|newline| last_byte + newline + 1);
            (newline.map(|to| to.max(from)).or(over.then_some(filled)), true)
        };
        let Some(to) = to else {
            if filled > piece + LONGEST {
                return None;
            }
            // A line that started before and has just ended does not come again.
            buffer.copy_within(from..filled, 0);
            (base, filled) = (base + from as u64, filled - from);
            continue;
        };
        each(base + from as u64, &buffer[from..to]);
        if done {
            return Some(start..base + to as u64);
        }
        buffer.copy_within(to..filled, 0);
        (base, filled) = (base + to as u64, filled - to);
    }
}

/// Reads as much as there is, up to the whole buffer.
fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_at(file, &mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}
