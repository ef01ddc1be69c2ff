//! Reading every file once: the push side of a store.

use std::fmt;
use std::fs::File;

use async_trait::async_trait;
use futures_lite::StreamExt as _;
use serde::Serialize;

use super::{ByteRange, Object, Store};
use crate::error::{Error, Result};

/// Whether a sink wants (more of) a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on with this file.
    Read,
    /// The rest of this file is not wanted.
    Skip,
}

/// How the reading of a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileEnd {
    /// Everything was handed over.
    Whole,
    /// What was handed over is the beginning; the text says why the rest is missing.
    Cut(String),
}

/// Why an entry was not read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RefusalReason {
    /// A symbolic or hard link: never followed.
    Link,
    /// A device, socket or pipe.
    NotAFile,
    /// The name is absolute, leaves the bundle or holds control characters.
    UnsafeName,
    /// A member of this name was read before.
    DuplicateName,
    /// Opening or reading failed at the first byte.
    Unreadable,
}

/// An entry that was not read, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The name as it stands in the directory or archive.
    pub name: String,
    /// The kind of reason.
    pub reason: RefusalReason,
    /// The reason in words.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.detail)
    }
}

/// Receives files from [`Store::walk`]. The store drives; bytes are written straight into the sink's own buffer.
///
/// For each file: `begin`, then (`space`, `filled`)*, then `end`. After `Flow::Skip` from `begin` or `filled` only `end` follows. A store of
/// local files may offer one as a whole behind `begin` (`whole`); if the sink takes it, only `end` follows.
#[async_trait]
pub trait FileSink: Send {
    /// A file begins.
    async fn begin(&mut self, file: &Object) -> Result<Flow>;

    /// The file that has begun, open, to be read by the sink itself, on several threads for example: `size` bytes. A sink that has done so
    /// says how it ended; `None` means that it wants the bytes handed over, from the first one on, and has kept nothing.
    async fn whole(&mut self, file: &File, size: u64) -> Result<Option<FileEnd>> {
        let _ = (file, size);
        Ok(None)
    }

    /// Where the next bytes go; never empty.
    fn space(&mut self) -> &mut [u8];

    /// The first `count` bytes of the last `space` now hold data. May wait until the receiver has caught up.
    async fn filled(&mut self, count: usize) -> Result<Flow>;

    /// The file is over.
    async fn end(&mut self, end: FileEnd) -> Result<()>;

    /// An entry was not read.
    fn refused(&mut self, refusal: Refusal);

    /// The walk as a whole stops early; the text says where and what that leaves unread.
    fn cut(&mut self, reason: String);

    /// How far the walk is, in bytes as stored; `total` is 0 where it is not known.
    fn progress(&mut self, done: u64, total: u64) {
        let _ = (done, total);
    }
}

/// Hands one object over, from its stream.
pub(super) async fn stream_into<S: Store + ?Sized>(store: &S, object: &Object, sink: &mut dyn FileSink) -> Result<()> {
    if sink.begin(object).await? == Flow::Skip {
        return sink.end(FileEnd::Whole).await;
    }
    let mut stream = match store.stream(&object.path, ByteRange::WHOLE).await {
        Ok(stream) => stream,
        Err(why) => return sink.end(FileEnd::Cut(why.to_string())).await,
    };
    while let Some(piece) = stream.next().await {
        let mut piece = match piece {
            Ok(piece) => piece,
            Err(why) => return sink.end(FileEnd::Cut(why.to_string())).await,
        };
        while !piece.is_empty() {
            let space = sink.space();
            let count = space.len().min(piece.len());
            space[..count].copy_from_slice(&piece.split_to(count));
            if sink.filled(count).await? == Flow::Skip {
                return sink.end(FileEnd::Whole).await;
            }
        }
    }
    sink.end(FileEnd::Whole).await
}

/// Hands over what a blocking reader yields, straight into the sink's buffer; `stop` is asked before each read.
pub(crate) async fn read_into(
    mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>,
    mut stop: impl FnMut() -> Option<String>,
    sink: &mut dyn FileSink,
) -> Result<FileEnd> {
    loop {
        if let Some(reason) = stop() {
            return Ok(FileEnd::Cut(reason));
        }
        match read(sink.space()) {
            Ok(0) => return Ok(FileEnd::Whole),
            Ok(count) => {
                if sink.filled(count).await? == Flow::Skip {
                    return Ok(FileEnd::Whole);
                }
            }
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Err(why) => return Ok(FileEnd::Cut(why.to_string())),
        }
    }
}

impl From<(String, Error)> for Refusal {
    fn from((name, why): (String, Error)) -> Self {
        let reason = match why {
            Error::InvalidPath { .. } => RefusalReason::UnsafeName,
            _ => RefusalReason::Unreadable,
        };
        let detail = match why {
            Error::InvalidPath { reason, .. } => format!("unsafe name: {reason}"),
            Error::Denied { .. } => "permission denied".to_owned(),
            Error::NotFound { .. } => "gone before it could be read".to_owned(),
            Error::Io { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        Refusal { name, reason, detail }
    }
}
