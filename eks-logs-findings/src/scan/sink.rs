//! The receiving end of a walk.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use eks_logs_core::bundle::records;
use eks_logs_core::text::{BLOCK, Cut, Splitter, Workers};
use eks_logs_core::{
    ArchiveStore, FileClass, FileEnd, FileSink, Flow, Layout, Limits, Object, Refusal, Result, Source, StorePath,
};
use flate2::write::MultiGzDecoder;

use super::block::{self, Block, Scanned, Scratch};
use super::files::Tallies;
use super::matcher::{Matcher, Matchers};
use super::{Progress, ScanError};
use crate::checks::Keeper;
use crate::rule::Catalogue;

/// Bytes in front of a block that it carries along, to be looked back at and not to be scanned again.
pub(super) const CONTEXT: usize = 8 << 10;
/// Compressed bytes that are decoded at a time: deflate may give a thousand times as many.
const GZIP_PIECE: usize = 4 << 10;
/// Bytes that tell a file's encoding.
const MAGIC: u64 = 4;

/// What a walk brought.
pub(super) struct Read {
    pub(super) tallies: Tallies,
    /// State files, for the checks.
    pub(super) state: Keeper,
    /// Directories around bundles, and whether a bundle stands at the root.
    pub(super) inner_roots: BTreeSet<String>,
    pub(super) at_root: bool,
    pub(super) refused: Vec<Refusal>,
    pub(super) cuts: Vec<String>,
}

/// The file that is being read.
struct Current {
    file: u32,
    class: FileClass,
    matcher: Arc<Matcher>,
    stored: u64,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    /// The encoding is known.
    told: bool,
    cut: Option<String>,
}

pub(super) struct Sink<'a> {
    catalogue: Catalogue,
    root: StorePath,
    matchers: Matchers,
    /// Sources that checks read.
    checked: BTreeSet<Source>,
    workers: Workers<Block, Scanned>,
    read: Read,
    splitter: Splitter,
    current: Option<Current>,
    /// Buffers that came back.
    spare: Vec<Vec<u8>>,
    progress: Option<Progress<'a>>,
    /// Where lines are is wanted too.
    index: bool,
}

impl<'a> Sink<'a> {
    pub(super) fn new(
        catalogue: &Catalogue,
        root: &StorePath,
        threads: usize,
        tallies: Tallies,
        index: bool,
        progress: Option<Progress<'a>>,
    ) -> Self {
        let read = Read {
            tallies,
            state: Keeper::default(),
            inner_roots: BTreeSet::new(),
            at_root: false,
            refused: Vec::new(),
            cuts: Vec::new(),
        };
        Self {
            catalogue: catalogue.clone(),
            root: root.clone(),
            matchers: Matchers::new(catalogue.clone()),
            checked: catalogue
                .rules()
                .iter()
                .filter(|rule| rule.check.is_some())
                .flat_map(|rule| rule.sources.clone())
                .collect(),
            workers: Workers::start(threads, || {
                let (catalogue, mut scratch) = (catalogue.clone(), Scratch::default());
                move |block| block::scan(&catalogue, block, &mut scratch)
            }),
            read,
            splitter: Splitter::holding(BLOCK).with_context(CONTEXT),
            current: None,
            spare: Vec::new(),
            progress,
            index,
        }
    }

    /// What a path means, and the directory around the bundle that it shows.
    fn classify(&mut self, path: &StorePath) -> FileClass {
        let layout = Layout::builtin();
        let class = layout.classify(path);
        if class.known {
            self.read.at_root = true;
            return class;
        }
        let (first, Some(rest)) = path.split_first() else { return class };
        let Ok(rest) = StorePath::parse(rest) else { return class };
        let inner = layout.classify(&rest);
        if inner.known && !layout.is_top_name(first) {
            self.read.inner_roots.insert(first.to_owned());
            return inner;
        }
        class
    }

    async fn hand_out(&mut self, cut: Cut) {
        let Some(current) = &self.current else { return };
        let block = Block {
            file: current.file,
            class: current.class,
            matcher: Arc::clone(&current.matcher),
            start: cut.start,
            context: cut.context,
            data: cut.data,
            index: self.index,
        };
        self.workers.hand_out(block).await;
        while let Some(scanned) = self.workers.take().await {
            self.add(scanned);
        }
    }

    fn add(&mut self, scanned: Scanned) {
        let class = self.read.tallies.files[scanned.file as usize].class;
        self.read.state.add(scanned.file, class, scanned.start, &scanned.data);
        self.spare.push(self.read.tallies.add(&self.catalogue, scanned));
    }

    /// `count` bytes of text are in the splitter.
    async fn text(&mut self, count: usize) {
        let spare = &mut self.spare;
        if let Some(cut) = self.splitter.filled(count, || spare.pop().unwrap_or_default()) {
            self.hand_out(cut).await;
        }
    }

    /// Decodes what arrived of a compressed file. `false` ends the file.
    async fn inflate(&mut self, stored: &[u8]) -> bool {
        for piece in stored.chunks(GZIP_PIECE) {
            let Some(current) = &mut self.current else { return false };
            let Some(gzip) = &mut current.gzip else { return false };
            current.stored += piece.len() as u64;
            let failed = gzip.write_all(piece).and_then(|()| gzip.flush()).err();
            let text = std::mem::take(gzip.get_mut());
            let stored = current.stored;
            self.copy(&text).await;
            let limit = Limits::default().exceeded(stored, self.splitter.position());
            if let Some(reason) = failed.map(|why| format!("its gzip is damaged: {why}")).or(limit) {
                if let Some(current) = &mut self.current {
                    current.cut = Some(reason);
                }
                return false;
            }
        }
        true
    }

    async fn copy(&mut self, mut text: &[u8]) {
        while !text.is_empty() {
            let space = self.splitter.space();
            let count = space.len().min(text.len());
            space[..count].copy_from_slice(&text[..count]);
            text = &text[count..];
            self.text(count).await;
        }
    }

    /// Looks at the first bytes of a file. `true` when it is compressed: what the splitter holds is not text.
    fn tell(&mut self) -> bool {
        let Some(current) = &mut self.current else { return false };
        current.told = true;
        let file = &mut self.read.tallies.files[current.file as usize];
        match self.splitter.peek() {
            [0x1f, 0x8b, 8, ..] => {
                current.gzip = Some(MultiGzDecoder::new(Vec::new()));
                true
            }
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                file.notes.push(("encoding", "UTF-16 text: its lines are not matched against rules".to_owned()));
                false
            }
            _ => false,
        }
    }

    pub(super) async fn finish(mut self) -> std::result::Result<Read, ScanError> {
        while let Some(scanned) = self.workers.drain().await {
            self.add(scanned);
        }
        self.read.tallies.settle(&self.catalogue);
        if self.workers.is_idle() { Ok(self.read) } else { Err(ScanError::WorkerLost) }
    }
}

#[async_trait]
impl FileSink for Sink<'_> {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        let path = file.path.below(&self.root).unwrap_or_else(|| file.path.clone());
        // What we have stored beside the files is none of them.
        if records::is_record(&path) {
            return Ok(Flow::Skip);
        }
        let class = self.classify(&path);
        let matcher = self.matchers.for_class(class);
        let judged = !matcher.is_empty() || self.checked.contains(&class.source);
        let number = self.read.tallies.open(path.to_string(), class, judged);
        self.read.tallies.files[number as usize].stored = (file.size, file.version.clone());
        self.read.state.begin(number, class);
        if ArchiveStore::is_archive_name(path.name()) {
            let note = "an archive inside the bundle: its files are not read; unpack it and point at it".to_owned();
            self.read.tallies.files[number as usize].notes.push(("nested-archive", note));
        }
        self.current = Some(Current { file: number, class, matcher, stored: 0, gzip: None, told: false, cut: None });
        self.splitter.begin(self.spare.pop().unwrap_or_default(), file.size);
        Ok(Flow::Read)
    }

    fn space(&mut self) -> &mut [u8] {
        self.splitter.space()
    }

    async fn filled(&mut self, count: usize) -> Result<Flow> {
        let told = self.current.as_ref().is_some_and(|current| current.told);
        if !told && self.splitter.position() + (count as u64) >= MAGIC {
            // Nothing has left the splitter yet: the file begins at the start of its buffer.
            if self.tell() {
                let stored = self.splitter.take_back(count);
                return Ok(if self.inflate(&stored).await { Flow::Read } else { Flow::Skip });
            }
        } else if self.current.as_ref().is_some_and(|current| current.gzip.is_some()) {
            let stored = self.splitter.space()[..count].to_vec();
            return Ok(if self.inflate(&stored).await { Flow::Read } else { Flow::Skip });
        }
        self.text(count).await;
        Ok(Flow::Read)
    }

    async fn end(&mut self, end: FileEnd) -> Result<()> {
        match self.splitter.finish() {
            Ok(cut) => self.hand_out(cut).await,
            Err(unused) => self.spare.push(unused),
        }
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let file = &mut self.read.tallies.files[current.file as usize];
        if self.splitter.overlong() {
            file.notes.push((
                "overlong-line",
                "a line longer than 1 MiB was matched in pieces of 1 MiB that overlap by 4 KiB".to_owned(),
            ));
        }
        let unfinished = current.gzip.as_mut().and_then(|gzip| gzip.try_finish().err());
        let unfinished = unfinished.map(|why| format!("its gzip is cut or damaged: {why}"));
        file.cut = match end {
            FileEnd::Cut(reason) => Some(reason),
            FileEnd::Whole => current.cut.or(unfinished),
        };
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) {
        self.read.refused.push(refusal);
    }

    fn cut(&mut self, reason: String) {
        self.read.cuts.push(reason);
    }

    fn progress(&mut self, done: u64, total: u64) {
        if let Some(progress) = self.progress {
            progress(done, total);
        }
    }
}
