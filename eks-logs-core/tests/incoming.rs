//! Archives that arrive as streams.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;

use async_trait::async_trait;
use bytes::Bytes;
use eks_logs_core::archive::walk_incoming;
use eks_logs_core::{Error, FileEnd, FileSink, Flow, Limits, Object, Refusal, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_lite::{future, stream};

/// Keeps what it is given.
#[derive(Default)]
struct Kept {
    files: Vec<(String, Vec<u8>)>,
    buffer: Vec<u8>,
}

#[async_trait]
impl FileSink for Kept {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        self.files.push((file.path.to_string(), Vec::new()));
        Ok(Flow::Read)
    }

    fn space(&mut self) -> &mut [u8] {
        self.buffer.resize(4096, 0);
        &mut self.buffer
    }

    async fn filled(&mut self, count: usize) -> Result<Flow> {
        self.files.last_mut().unwrap().1.extend_from_slice(&self.buffer[..count]);
        Ok(Flow::Read)
    }

    async fn end(&mut self, _: FileEnd) -> Result<()> {
        Ok(())
    }

    fn refused(&mut self, _: Refusal) {}

    fn cut(&mut self, _: String) {}
}

fn archive(size: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::none()));
    let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let mut header = tar::Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, "kubelet/kubelet.log", content.as_slice()).unwrap();
    let mut gzip = tar.into_inner().unwrap();
    gzip.flush().unwrap();
    gzip.finish().unwrap()
}

/// Walks an archive in pieces of this size; the stream panics if it is asked again after its end, as it may.
fn walk(archive: &[u8], piece: usize) -> Result<Kept> {
    let pieces: Vec<Bytes> = archive.chunks(piece).map(Bytes::copy_from_slice).collect();
    let once = stream::unfold(pieces.into_iter(), |mut rest| async move { Some((Ok(rest.next()?), rest)) });
    let mut sink = Kept::default();
    let size = archive.len() as u64;
    future::block_on(walk_incoming(Box::pin(once), size, "memory", Limits::default(), &mut sink))?;
    Ok(sink)
}

#[test]
fn archives_smaller_and_larger_than_their_head_arrive_whole() {
    for size in [1, 100, 5_000, 9_000, 100_000] {
        let archive = archive(size);
        for piece in [1000, 8 << 10, 1 << 20] {
            let kept = walk(&archive, piece).unwrap();
            assert_eq!((kept.files.len(), kept.files[0].0.as_str()), (1, "kubelet/kubelet.log"), "{size} {piece}");
            assert_eq!(kept.files[0].1.len(), size, "{size} {piece}");
        }
    }
}

#[test]
fn what_is_no_archive_says_so() {
    assert!(matches!(walk(b"no archive at all", 10), Err(Error::NotAnArchive { .. })));
    assert!(matches!(walk(b"", 10), Err(Error::NotAnArchive { .. } | Error::EmptyArchive { .. })));
}
