//! One pass over an archive: a thread decodes, the caller receives steps through a short queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_channel::{Receiver, Sender};

use super::{ArchiveFormat, Limits, ReadSeek, tar_pass, zip_pass};
use crate::store::{FileEnd, Object, Refusal};

/// Bytes of one piece.
const PIECE: usize = 256 << 10;
/// Pieces between the two sides.
const QUEUE: usize = 8;

/// What a pass meets, in order.
pub(super) enum Step {
    Begin(Object),
    Data(Vec<u8>),
    End(FileEnd),
    Refused(Refusal),
    /// The archive ends early.
    Cut(String),
    /// Stored bytes consumed, and all of them.
    Progress(u64, u64),
}

/// The receiving side.
pub(super) struct Pass {
    steps: Receiver<Step>,
    used: Sender<Vec<u8>>,
    /// The number of the current member, and the last one whose bytes are not wanted.
    member: u64,
    skipped: Arc<AtomicU64>,
}

/// The decoding side's end of the queue.
pub(super) struct Output {
    steps: Sender<Step>,
    used: Receiver<Vec<u8>>,
    member: u64,
    skipped: Arc<AtomicU64>,
}

/// The receiver is gone: nobody wants the rest.
pub(super) struct Unwanted;

impl Pass {
    pub(super) fn start(reader: Box<dyn ReadSeek>, size: u64, format: ArchiveFormat, limits: Limits) -> Self {
        let (steps_in, steps) = async_channel::bounded(QUEUE);
        let (used, used_out) = async_channel::bounded(QUEUE);
        let skipped = Arc::new(AtomicU64::new(0));
        let output = Output { steps: steps_in, used: used_out, member: 0, skipped: Arc::clone(&skipped) };
        std::thread::spawn(move || {
            // `Unwanted` only says that the other side has stopped listening.
            let _ = match format {
                ArchiveFormat::Zip => zip_pass::run(reader, size, limits, output),
                ArchiveFormat::Tar | ArchiveFormat::TarGz => {
                    tar_pass::run(reader, size, format == ArchiveFormat::TarGz, limits, output)
                }
            };
        });
        Self { steps, used, member: 0, skipped }
    }

    pub(super) async fn next(&mut self) -> Option<Step> {
        let step = self.steps.recv().await.ok()?;
        if matches!(step, Step::Begin(_)) {
            self.member += 1;
        }
        Some(step)
    }

    /// The bytes of the current member are not wanted.
    pub(super) fn skip(&self) {
        self.skipped.store(self.member, Ordering::Relaxed);
    }

    pub(super) fn is_skipping(&self) -> bool {
        self.skipped.load(Ordering::Relaxed) == self.member
    }

    /// Gives a piece's buffer back.
    pub(super) fn recycle(&self, piece: Vec<u8>) {
        let _ = self.used.try_send(piece);
    }
}

impl Output {
    pub(super) fn send(&mut self, step: Step) -> Result<(), Unwanted> {
        if matches!(step, Step::Begin(_)) {
            self.member += 1;
        }
        self.steps.send_blocking(step).map_err(|_| Unwanted)
    }

    /// True when the bytes of the current member need not be sent. The other side may say so late: it drops what it gets.
    pub(super) fn is_skipped(&self) -> bool {
        self.skipped.load(Ordering::Relaxed) == self.member
    }

    /// A buffer of [`PIECE`] bytes.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.used.try_recv().unwrap_or_default();
        buffer.resize(PIECE, 0);
        buffer
    }

    /// Sends a member's bytes until it ends, breaks or breaks a limit; `stored` tells the compressed bytes that it
    /// took so far, at the most.
    pub(super) fn member(
        &mut self,
        object: Object,
        read: &mut dyn FnMut(&mut [u8]) -> std::io::Result<usize>,
        stored: &dyn Fn() -> u64,
        limits: &Limits,
    ) -> Result<(), Unwanted> {
        let size = object.size;
        self.send(Step::Begin(object))?;
        let mut expanded = 0;
        let end = loop {
            if self.is_skipped() {
                break FileEnd::Whole;
            }
            let mut buffer = self.buffer();
            let mut filled = 0;
            let outcome = loop {
                match read(&mut buffer[filled..]) {
                    Ok(0) => break Some(Ok(())),
                    Ok(count) => filled += count,
                    Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(why) => break Some(Err(why)),
                }
                if filled == buffer.len() {
                    break None;
                }
            };
            expanded += filled as u64;
            buffer.truncate(filled);
            if filled > 0 {
                self.send(Step::Data(buffer))?;
            }
            match outcome {
                Some(Ok(())) if expanded < size => {
                    break FileEnd::Cut(format!("the archive ends inside this file: {expanded} of {size} bytes"));
                }
                Some(Ok(())) => break FileEnd::Whole,
                Some(Err(why)) => break FileEnd::Cut(format!("damaged after {expanded} of {size} bytes: {why}")),
                None => {}
            }
            if let Some(reason) = limits.exceeded(stored(), expanded) {
                break FileEnd::Cut(reason);
            }
        };
        self.send(Step::End(end))
    }
}
