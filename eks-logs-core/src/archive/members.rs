//! The members of a tar, plain or inside gzip, learned as far as they were asked for, and read from where they are.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use super::gzip_seek::{Checkpoints, GzipReader};
use super::tar_pass::{READ, Verdict, judge};
use super::{Limits, ReadSeek};
use crate::error::Error;
use crate::path::StorePath;
use crate::store::Object;

/// Bytes of a tar block.
const BLOCK: u64 = 512;

/// Where a member's bytes are.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) object: Object,
    /// Offset of its first byte in the tar.
    start: u64,
    /// Compressed bytes before it, at the least.
    stored: u64,
    /// Holes are stored as a map: its bytes are not simply there.
    pub(super) sparse: bool,
}

#[derive(Debug, Default)]
struct Learned {
    members: BTreeMap<StorePath, Member>,
    /// Offset of the header that was not looked at yet.
    next: u64,
    complete: bool,
}

/// What is known of one archive, shared by all that read it.
#[derive(Debug, Default)]
pub(super) struct Members {
    learned: Mutex<Learned>,
    checkpoints: Arc<Checkpoints>,
}

/// A tar's bytes from some offset on.
enum Tar {
    Plain(Box<dyn ReadSeek>),
    Gzip(Box<GzipReader>),
}

impl Tar {
    fn stored(&self) -> u64 {
        match self {
            Tar::Plain(_) => 0,
            Tar::Gzip(reader) => reader.stored(),
        }
    }
}

impl Read for Tar {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Tar::Plain(reader) => reader.read(buffer),
            Tar::Gzip(reader) => reader.read(buffer),
        }
    }
}

impl Seek for Tar {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Tar::Plain(reader) => reader.seek(to),
            Tar::Gzip(reader) => reader.seek(to),
        }
    }
}

impl Members {
    fn at(&self, mut file: Box<dyn ReadSeek>, gzip: bool, offset: u64) -> io::Result<Tar> {
        if gzip {
            return Ok(Tar::Gzip(Box::new(GzipReader::open(file, Arc::clone(&self.checkpoints), offset)?)));
        }
        file.seek(SeekFrom::Start(offset))?;
        Ok(Tar::Plain(file))
    }

    /// Every member, by path.
    pub(super) fn all(
        &self,
        open: impl FnOnce() -> Result<Box<dyn ReadSeek>, Error>,
        gzip: bool,
        limits: Limits,
    ) -> Result<Vec<Object>, Error> {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if !learned.complete {
            self.learn(&mut learned, open()?, gzip, limits, None);
        }
        Ok(learned.members.values().map(|member| member.object.clone()).collect())
    }

    /// One member; the archive is read as far as needed.
    pub(super) fn find(
        &self,
        path: &StorePath,
        open: impl FnOnce() -> Result<Box<dyn ReadSeek>, Error>,
        gzip: bool,
        limits: Limits,
    ) -> Result<Option<Member>, Error> {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if !learned.members.contains_key(path) && !learned.complete {
            self.learn(&mut learned, open()?, gzip, limits, Some(path));
        }
        Ok(learned.members.get(path).cloned())
    }

    /// Reads headers on, up to the member that is wanted. Where the archive is damaged it ends: a walk says so, with the reason.
    fn learn(
        &self,
        learned: &mut Learned,
        file: Box<dyn ReadSeek>,
        gzip: bool,
        limits: Limits,
        wanted: Option<&StorePath>,
    ) {
        let base = learned.next;
        // The entries borrow the archive, so the reader tells how far it is through this.
        let stored = std::rc::Rc::new(std::cell::Cell::new(0));
        let Ok(tar) = self.at(file, gzip, base) else {
            learned.complete = true;
            return;
        };
        let mut archive = tar::Archive::new(Told { tar, stored: std::rc::Rc::clone(&stored) });
        let Ok(entries) = archive.entries_with_seek() else {
            learned.complete = true;
            return;
        };
        for entry in entries {
            let Ok(entry) = entry else { break };
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let Verdict::File(path) = judge(&name, entry.header().entry_type()) else { continue };
            if learned.members.contains_key(&path) {
                continue;
            }
            if learned.members.len() as u64 == limits.members {
                break;
            }
            let start = base + entry.raw_file_position();
            let sparse = entry.header().entry_type().is_gnu_sparse();
            let object = Object { path: path.clone(), size: entry.size(), version: None };
            let found = wanted == Some(&path);
            learned.members.insert(path, Member { object, start, stored: stored.get(), sparse });
            if found && !sparse {
                learned.next = start + entry.size().div_ceil(BLOCK) * BLOCK;
                return;
            }
        }
        learned.complete = true;
    }

    /// A reader of a member's bytes from `offset` on.
    pub(super) fn read(
        &self,
        member: &Member,
        offset: u64,
        file: Box<dyn ReadSeek>,
        gzip: bool,
        limits: Limits,
    ) -> io::Result<MemberReader> {
        let tar = self.at(file, gzip, member.start + offset)?;
        Ok(MemberReader { tar, stored: member.stored, offset, size: member.object.size, limits, gzip })
    }
}

/// Tells how far its reader is.
struct Told {
    tar: Tar,
    stored: std::rc::Rc<std::cell::Cell<u64>>,
}

impl Read for Told {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.tar.read(buffer)?;
        self.stored.set(self.tar.stored());
        Ok(count)
    }
}

impl Seek for Told {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.tar.seek(to)
    }
}

/// Reads one member from some offset on; stops where a limit is hit.
pub(super) struct MemberReader {
    tar: Tar,
    stored: u64,
    offset: u64,
    size: u64,
    limits: Limits,
    gzip: bool,
}

impl MemberReader {
    /// The next bytes, `most` at the most; fewer only at the end of the member.
    pub(super) fn piece(&mut self, most: usize) -> Result<Vec<u8>, String> {
        let most = most.min((self.size - self.offset.min(self.size)) as usize);
        let mut piece = vec![0; most];
        let mut filled = 0;
        while filled < most {
            match self.tar.read(&mut piece[filled..]) {
                Ok(0) => {
                    let at = self.offset + filled as u64;
                    return Err(format!("the archive ends inside this file: {at} of {} bytes", self.size));
                }
                Ok(count) => filled += count,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => {
                    let at = self.offset + filled as u64;
                    return Err(format!("the archive ends inside this file: {at} of {} bytes", self.size));
                }
                Err(why) => {
                    return Err(format!("damaged after {} of {} bytes: {why}", self.offset + filled as u64, self.size));
                }
            }
        }
        self.offset += filled as u64;
        let stored = (self.tar.stored() - self.stored.min(self.tar.stored())) + READ as u64;
        match self.limits.exceeded(if self.gzip { stored } else { self.offset }, self.offset) {
            Some(reason) => Err(reason),
            None => Ok(piece),
        }
    }
}
