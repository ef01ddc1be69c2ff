//! A file that lies in this machine, searched in shares: each thread reads its own, so that bytes are searched by the processor that
//! has just read them. What a share holds depends on the bytes alone: the lines that start in it.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use memchr::memchr;

use super::block::{self, Searched};
use super::query::Query;

/// Bytes of a share: small enough to stay in a processor's own cache.
pub(super) const SHARE: u64 = 512 << 10;
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
    /// Where the share starts; a multiple of [`SHARE`].
    pub(super) start: u64,
    /// Bytes of the file.
    pub(super) size: u64,
    pub(super) crlf: bool,
    /// Matches that are told.
    pub(super) keep: usize,
    /// Text is wanted also where nothing matches: for lines of context.
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
    // The byte in front tells whether a line starts at the start.
    let from = share.start.saturating_sub(1);
    let end = (share.start + SHARE).min(share.size);
    let mut filled = fill(share, buffer, 0, from, (end - from) as usize + BEHIND)?;
    let first = match share.start {
        0 => 0,
        _ => match memchr(b'\n', &buffer[..filled]) {
            Some(newline) => newline + 1,
            // The file's last line, which started before, is all there is.
            None if from + filled as u64 == share.size => filled,
            None => return None,
        },
    };
    let inside = (end - from) as usize;
    // A line that starts at the end is the next share's.
    let mut last = inside - 1;
    let behind = loop {
        if let Some(newline) = memchr(b'\n', &buffer[last..filled]) {
            break last + newline + 1;
        }
        if from + filled as u64 == share.size {
            break filled;
        }
        if filled - inside > LONGEST {
            return None;
        }
        last = filled;
        filled = fill(share, buffer, filled, from + filled as u64, filled - inside + BEHIND)?;
    };
    // A line that is longer than a share leaves one without a start of its own.
    let lines = buffer.get(first..behind).unwrap_or_default();
    let mut found = Searched::new(share.number, from + first as u64, lines.len());
    block::search_lines(query.lines(share.crlf), lines, 0, share.keep, stop, &mut found);
    if share.text || !found.hits.is_empty() {
        found.data = lines.to_vec();
    }
    Some(found)
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

/// Reads up to `count` bytes from `at` behind the first `filled` of the buffer. Returns how many it holds then.
fn fill(share: &Share, buffer: &mut Vec<u8>, filled: usize, at: u64, count: usize) -> Option<usize> {
    let count = usize::try_from(share.size - at).unwrap_or(usize::MAX).min(count);
    buffer.resize(filled + count, 0);
    let got = read(&share.file, &mut buffer[filled..], at).ok()?;
    (got == count).then_some(filled + count)
}
