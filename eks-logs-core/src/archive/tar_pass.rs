//! tar, plain or inside gzip, front to back.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use tar::EntryType;

use super::pass::{Output, Step, Unwanted};
use super::{Limits, ReadSeek};
use crate::path::StorePath;
use crate::store::{Object, Refusal, RefusalReason};

/// Compressed bytes per read.
pub(super) const READ: usize = 256 << 10;
/// Bytes behind the tar's end that are read to have gzip's checksum verified.
const TAIL: u64 = 16 << 20;

/// Counts what is taken from the file.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// What an entry is to a bundle.
pub(super) enum Verdict {
    File(StorePath),
    /// A directory, or no entry of its own.
    Nothing,
    Refused(Refusal),
}

/// Judges an entry by its name and type.
pub(super) fn judge(name: &str, kind: EntryType) -> Verdict {
    let refused = |reason, detail: String| Verdict::Refused(Refusal { name: name.to_owned(), reason, detail });
    match kind {
        EntryType::Directory | EntryType::XGlobalHeader => Verdict::Nothing,
        EntryType::Link | EntryType::Symlink => refused(RefusalReason::Link, "a link: not followed".to_owned()),
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            refused(RefusalReason::NotAFile, "a device or pipe: not read".to_owned())
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => match StorePath::from_member(name) {
            Ok(path) if !path.is_root() => Verdict::File(path),
            Ok(_) => Verdict::Nothing,
            Err(why) => Verdict::Refused((name.to_owned(), why).into()),
        },
        other => refused(
            RefusalReason::NotAFile,
            format!("an entry of unknown type {:?}: not read", other.as_byte() as char),
        ),
    }
}

pub(super) fn run(
    reader: Box<dyn ReadSeek>,
    size: u64,
    gzip: bool,
    limits: Limits,
    output: Output,
) -> Result<(), Unwanted> {
    let count = Rc::new(Cell::new(0));
    let reader = BufReader::with_capacity(READ, Counted { inner: reader, count: Rc::clone(&count) });
    if gzip {
        members(MultiGzDecoder::new(reader), &count, size, limits, output)
    } else {
        members(reader, &count, size, limits, output)
    }
}

fn members<R: Read>(
    reader: R,
    count: &Cell<u64>,
    size: u64,
    limits: Limits,
    mut output: Output,
) -> Result<(), Unwanted> {
    let mut archive = tar::Archive::new(reader);
    let mut seen = HashSet::new();
    let mut files = 0;
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(why) => return output.send(Step::Cut(format!("cannot be read as tar: {why}"))),
    };
    for entry in entries {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(why) => {
                return output
                    .send(Step::Cut(format!("the archive is cut or damaged behind its file number {files}: {why}")));
            }
        };
        output.send(Step::Progress(count.get(), size))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = match judge(&name, entry.header().entry_type()) {
            Verdict::File(path) => path,
            Verdict::Nothing => continue,
            Verdict::Refused(refusal) => {
                output.send(Step::Refused(refusal))?;
                continue;
            }
        };
        if files == limits.members {
            return output.send(Step::Cut(format!("more than {files} files in the archive: the rest is not read")));
        }
        files += 1;
        if !seen.insert(path.clone()) {
            let detail = "a second file of this name: only the first is analysed".to_owned();
            output.send(Step::Refused(Refusal { name, reason: RefusalReason::DuplicateName, detail }))?;
            continue;
        }
        let object = Object { path, size: entry.size(), version: None };
        let before = count.get();
        // The reader is ahead of the decoder by up to a buffer: a member is not called a bomb for what was read before it began.
        let stored = || count.get() - before + READ as u64;
        output.member(object, &mut |buffer| entry.read(buffer), &stored, &limits)?;
    }
    output.send(Step::Progress(count.get(), size))?;
    match io::copy(&mut archive.into_inner().take(TAIL), &mut io::sink()) {
        // gzip(1), too, ignores what stands behind its last member.
        Err(why) if !why.to_string().contains("invalid gzip header") => {
            output.send(Step::Cut(format!("behind the last file the archive does not end as it should: {why}")))
        }
        _ => Ok(()),
    }
}
