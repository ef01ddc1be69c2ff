//! An archive that arrives as a stream of bytes, such as the body of an object in a bucket: read once, front to back, nothing kept.

use std::io::{self, Read, Seek, SeekFrom, Write as _};

use async_channel::Receiver;
use bytes::{Buf as _, Bytes, BytesMut};
use futures_lite::{StreamExt as _, future};

use super::format::recognise_head;
use super::pass::Pass;
use super::{ArchiveFormat, ArchiveStore, Limits, deliver};
use crate::error::{Error, Result};
use crate::path::StorePath;
use crate::store::{ByteStream, FileSink, Store as _};

/// Pieces between the stream and the thread that decodes.
const QUEUE: usize = 32;
/// Bytes of a piece; larger ones are cut.
const PIECE: usize = 1 << 20;
/// Bytes that tell the format: a gzip header and the first block of the tar in it.
const HEAD: usize = 8 << 10;

/// Reads what a channel brings. Only forward.
struct Channel {
    pieces: Receiver<Bytes>,
    at: Bytes,
}

impl Read for Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at.is_empty() {
            // The sender is gone at the end of the stream.
            let Ok(next) = self.pieces.recv_blocking() else { return Ok(0) };
            self.at = next;
        }
        let count = buffer.len().min(self.at.len());
        self.at.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Seek for Channel {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a stream only goes forward"))
    }
}

/// Walks an archive of `size` bytes that arrives as `bytes`, as [`ArchiveStore`] walks a file. A stream that breaks off is an error: an archive
/// that was not received is not one that is cut. A zip, whose directory stands at its end, goes through a temporary file.
///
/// # Errors
/// What the stream fails with; [`Error::NotAnArchive`] and [`Error::EmptyArchive`]; what the sink fails with.
pub async fn walk_incoming(
    bytes: ByteStream<'_>,
    size: u64,
    locator: &str,
    limits: Limits,
    sink: &mut dyn FileSink,
) -> Result<()> {
    // A small archive is over before its head is full, and is asked for more below.
    let mut bytes = bytes.fuse();
    let mut head = BytesMut::new();
    while head.len() < HEAD {
        match bytes.next().await {
            Some(piece) => head.extend_from_slice(&piece?),
            None => break,
        }
    }
    let head = head.freeze();
    let format = recognise_head(&head, locator)?;
    let root = StorePath::root();
    if format == ArchiveFormat::Zip {
        let failed = |why| Error::from_io(locator, why);
        let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
        file.write_all(&head).map_err(failed)?;
        while let Some(piece) = bytes.next().await {
            file.write_all(&piece?).map_err(failed)?;
        }
        file.flush().map_err(failed)?;
        let mut store = ArchiveStore::open(file.path())?.with_limits(limits);
        store.locator = locator.to_owned();
        return store.walk(&root, sink).await;
    }
    let (sender, pieces) = async_channel::bounded(QUEUE);
    let pass = Pass::start(Box::new(Channel { pieces, at: head }), size, format, limits);
    let pump = async move {
        while let Some(piece) = bytes.next().await {
            let mut piece = piece?;
            while !piece.is_empty() {
                // A decoder that has seen the end of the archive wants no more.
                if sender.send(piece.split_to(piece.len().min(PIECE))).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    };
    let (pumped, files) = future::zip(pump, deliver(pass, &root, sink)).await;
    pumped?;
    match files? {
        0 => Err(Error::EmptyArchive { path: locator.to_owned() }),
        _ => Ok(()),
    }
}
