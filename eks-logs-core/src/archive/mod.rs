//! Archives read in place: .tar.gz, .tgz, .tar and .zip, recognised by their content, nothing extracted to disk.
//!
//! A walk is one pass: a thread of its own decompresses and hands pieces over through a short queue, so that decompression and
//! analysis overlap. A single member is found and read with the help of what earlier reads have learned: where members are, and
//! checkpoints from which decompression is taken up again. What an archive can do to a reader (links, absolute names, bombs) is refused member by member; the rest of
//! the archive is still read.

mod format;
mod gzip_seek;
mod limits;
mod members;
mod pass;
mod tar_pass;
mod zip_pass;

use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::stream;

pub use format::ArchiveFormat;
pub use limits::Limits;

use self::members::Members;
use self::pass::{Pass, Step};
use crate::error::{Error, Result};
use crate::path::StorePath;
use crate::store::{ByteRange, ByteStream, Children, FileSink, Flow, Object, ObjectStream, Store};

/// Where the bytes of an archive are.
#[derive(Clone, Debug)]
enum Source {
    File(PathBuf),
    Memory(Bytes),
}

/// What both kinds of source offer.
trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

impl Source {
    fn open(&self, locator: &str) -> Result<(Box<dyn ReadSeek>, u64)> {
        match self {
            Source::File(path) => {
                let file = File::open(path).map_err(|why| Error::from_io(locator, why))?;
                let size = file.metadata().map_err(|why| Error::from_io(locator, why))?.len();
                Ok((Box::new(file), size))
            }
            Source::Memory(bytes) => Ok((Box::new(Cursor::new(bytes.clone())), bytes.len() as u64)),
        }
    }
}

/// Bytes of the pieces that [`Store::stream`] yields.
const PIECE: usize = 256 << 10;

/// An archive as a store. Walking it is one streaming pass. A member of a tar is found by reading on from where the last search
/// stopped, and read from the nearest of some hundred checkpoints (33 MiB at the most); a member of a zip is read from its own start.
#[derive(Debug)]
pub struct ArchiveStore {
    source: Source,
    locator: String,
    format: ArchiveFormat,
    limits: Limits,
    listed: OnceLock<Arc<Vec<Object>>>,
    members: Members,
}

impl ArchiveStore {
    /// Opens an archive file. Fails if the file is not an archive, is empty or is damaged in its very first block.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let locator = path.display().to_string();
        Self::new(Source::File(path), locator)
    }

    /// Opens an archive that is in memory; `locator` names it in messages.
    pub fn from_bytes(bytes: impl Into<Bytes>, locator: impl Into<String>) -> Result<Self> {
        Self::new(Source::Memory(bytes.into()), locator.into())
    }

    fn new(source: Source, locator: String) -> Result<Self> {
        let (reader, _) = source.open(&locator)?;
        let format = format::recognise(reader, &locator)?;
        Ok(Self {
            source,
            locator,
            format,
            limits: Limits::default(),
            listed: OnceLock::new(),
            members: Members::default(),
        })
    }

    /// Sets what a member and the archive may cost.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether a name ends as archives' names do.
    pub fn is_archive_name(name: &str) -> bool {
        crate::id::ARCHIVE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
    }

    /// The archive's format, as its content shows it.
    pub fn format(&self) -> ArchiveFormat {
        self.format
    }

    fn start(&self) -> Result<Pass> {
        let (reader, size) = self.source.open(&self.locator)?;
        Ok(Pass::start(reader, size, self.format, self.limits))
    }

    fn is_gzip(&self) -> bool {
        self.format == ArchiveFormat::TarGz
    }

    fn open_source(&self) -> Result<Box<dyn ReadSeek>> {
        self.source.open(&self.locator).map(|(reader, _)| reader)
    }

    fn not_found(&self, path: &StorePath) -> Error {
        Error::NotFound { path: format!("{}/{path}", self.locator) }
    }

    /// The regular members in name order; learned once and kept.
    async fn index(&self) -> Result<Arc<Vec<Object>>> {
        if let Some(members) = self.listed.get() {
            return Ok(Arc::clone(members));
        }
        let found = if self.format == ArchiveFormat::Zip {
            let mut pass = self.start()?;
            let mut found = Vec::new();
            while let Some(step) = pass.next().await {
                if let Step::Begin(object) = step {
                    pass.skip();
                    found.push(object);
                }
            }
            found.sort_by(|a, b| a.path.cmp(&b.path));
            found
        } else {
            self.members.all(|| self.open_source(), self.is_gzip(), self.limits)?
        };
        Ok(Arc::clone(self.listed.get_or_init(|| Arc::new(found))))
    }

    /// A member by a pass over the archive, from its first byte on.
    async fn stream_in_pass<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        let mut pass = self.start()?;
        let object = loop {
            match pass.next().await {
                Some(Step::Begin(object)) if object.path == *path => break object,
                Some(Step::Begin(_)) => pass.skip(),
                Some(_) => {}
                None => return Err(self.not_found(path)),
            }
        };
        let range = range.within(path, object.size)?;
        let state = Some((pass, 0_u64));
        Ok(Box::pin(stream::unfold(state, move |state| {
            let range = range.clone();
            async move {
                let (mut pass, mut at) = state?;
                while at < range.end {
                    match pass.next().await {
                        Some(Step::Data(piece)) => {
                            let start = range.start.saturating_sub(at).min(piece.len() as u64) as usize;
                            let end = (range.end - at).min(piece.len() as u64) as usize;
                            at += piece.len() as u64;
                            if start < end {
                                let piece = Bytes::from(piece).slice(start..end);
                                return Some((Ok(piece), Some((pass, at))));
                            }
                        }
                        Some(Step::End(crate::store::FileEnd::Cut(detail))) => {
                            return Some((Err(Error::Corrupt { path: path.to_string(), detail }), None));
                        }
                        Some(Step::Cut(detail)) => {
                            return Some((Err(Error::Corrupt { path: path.to_string(), detail }), None));
                        }
                        Some(Step::Progress(..) | Step::Refused(_)) => {}
                        Some(Step::Begin(_) | Step::End(_)) | None => return None,
                    }
                }
                None
            }
        })))
    }
}

#[async_trait]
impl Store for ArchiveStore {
    fn locator(&self) -> String {
        self.locator.clone()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        Box::pin(stream::unfold(None, move |state: Option<(Arc<Vec<Object>>, usize)>| async move {
            let (members, mut at) = match state {
                Some(state) => state,
                None => match self.index().await {
                    Ok(members) => (members, 0),
                    // An empty list behind the error ends the stream.
                    Err(why) => return Some((Err(why), Some((Arc::new(Vec::new()), 0)))),
                },
            };
            while let Some(object) = members.get(at) {
                at += 1;
                if object.path.below(prefix).is_some() {
                    return Some((Ok(object.clone()), Some((members, at))));
                }
            }
            None
        }))
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children> {
        let mut children = Children::default();
        for object in self.index().await?.iter() {
            let Some(rest) = object.path.below(prefix) else { continue };
            match rest.split_first() {
                (name, Some(_)) => children.directories.push(prefix.join(name)?),
                (_, None) => children.objects.push(object.clone()),
            }
        }
        children.directories.sort();
        children.directories.dedup();
        Ok(children)
    }

    async fn head(&self, path: &StorePath) -> Result<Object> {
        if self.format != ArchiveFormat::Zip {
            let found = self.members.find(path, || self.open_source(), self.is_gzip(), self.limits)?;
            return found.map(|member| member.object).ok_or_else(|| self.not_found(path));
        }
        let members = self.index().await?;
        let at = members.binary_search_by(|object| object.path.cmp(path));
        at.map(|at| members[at].clone()).map_err(|_| self.not_found(path))
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        use futures_lite::StreamExt as _;
        let mut content = Vec::new();
        let mut pieces = self.stream(path, range).await?;
        while let Some(piece) = pieces.next().await {
            content.extend_from_slice(&piece?);
        }
        Ok(content.into())
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        if self.format == ArchiveFormat::Zip {
            return self.stream_in_pass(path, range).await;
        }
        let found = self.members.find(path, || self.open_source(), self.is_gzip(), self.limits)?;
        let member = found.ok_or_else(|| self.not_found(path))?;
        if member.sparse {
            return self.stream_in_pass(path, range).await;
        }
        let range = range.within(path, member.object.size)?;
        let corrupt = |detail: String| Error::Corrupt { path: path.to_string(), detail };
        let reader = self.members.read(&member, range.start, self.open_source()?, self.is_gzip(), self.limits);
        let reader = reader.map_err(|why| corrupt(format!("damaged before this part of it: {why}")))?;
        let state = Some((reader, range.end - range.start));
        Ok(Box::pin(stream::unfold(state, move |state| async move {
            let (mut reader, left) = state?;
            if left == 0 {
                return None;
            }
            let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            match reader.piece(most) {
                Ok(piece) => {
                    let left = left - piece.len() as u64;
                    Some((Ok(Bytes::from(piece)), Some((reader, left))))
                }
                Err(detail) => Some((Err(corrupt(detail)), None)),
            }
        })))
    }

    fn is_sequential(&self) -> bool {
        true
    }

    fn local_file(&self, _path: &StorePath) -> Option<PathBuf> {
        match &self.source {
            Source::File(path) => Some(path.clone()),
            Source::Memory(_) => None,
        }
    }

    async fn walk(&self, prefix: &StorePath, sink: &mut dyn FileSink) -> Result<()> {
        let mut pass = self.start()?;
        let mut wanted = false;
        let mut files = 0_u64;
        while let Some(step) = pass.next().await {
            match step {
                Step::Begin(object) => {
                    files += 1;
                    wanted = object.path.below(prefix).is_some();
                    let flow = if wanted { sink.begin(&object).await? } else { Flow::Skip };
                    if flow == Flow::Skip {
                        pass.skip();
                    }
                }
                Step::Data(piece) if wanted && !pass.is_skipping() => {
                    let mut rest = piece.as_slice();
                    while !rest.is_empty() {
                        let space = sink.space();
                        let count = space.len().min(rest.len());
                        space[..count].copy_from_slice(&rest[..count]);
                        rest = &rest[count..];
                        if sink.filled(count).await? == Flow::Skip {
                            pass.skip();
                            break;
                        }
                    }
                    pass.recycle(piece);
                }
                Step::Data(piece) => pass.recycle(piece),
                Step::End(end) => {
                    if wanted {
                        sink.end(end).await?;
                    }
                }
                Step::Refused(refusal) => {
                    files += 1;
                    sink.refused(refusal);
                }
                Step::Cut(reason) => sink.cut(reason),
                Step::Progress(done, total) => sink.progress(done, total),
            }
        }
        if files == 0 {
            return Err(Error::EmptyArchive { path: self.locator.clone() });
        }
        Ok(())
    }
}
