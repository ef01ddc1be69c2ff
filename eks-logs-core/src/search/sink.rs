//! The receiving end of a walk that is searched.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::block::{self, Block, Searched};
use super::found::{FileMatches, FileState, SearchResult, Skipped, Stopped};
use super::query::Query;
use super::share::{self, SHARE, Share, TEXT_SHARE};
use super::{LONGEST_LINE, MOST_MATCHES, SearchOptions};
use crate::archive::ArchiveStore;
use crate::bundle::{InnerRoot, Located, records};
use crate::error::{Error, Result};
use crate::path::StorePath;
use crate::store::{FileEnd, FileSink, Flow, Object, Refusal, StoreExt as _};
use crate::text::{Feed, Workers};

/// Buffers that are kept for another use.
const SPARE: usize = 16;
/// A file of so many bytes is searched before a thread has woken up.
const SMALL: usize = 64 << 10;
/// Text of all files that is told: behind it matches are counted only.
const ALL_TEXT: usize = 32 << 20;

/// What a thread is given.
enum Job {
    Block(Block),
    Share(Share),
}

pub(super) struct Sink<'a> {
    options: &'a SearchOptions<'a>,
    root: StorePath,
    inner: InnerRoot,
    feed: Feed,
    spare: Vec<Vec<u8>>,
    workers: Workers<Job, Option<Searched>>,
    files: Vec<FileState>,
    /// Files that were begun or left out.
    seen: BTreeSet<StorePath>,
    left_out: u64,
    skipped: Vec<Skipped>,
    /// A file is being read.
    reading: bool,
    /// The last block of it ended inside a line.
    open: bool,
    /// Text that is told so far.
    text: usize,
    stopped: bool,
    /// Tells the workers.
    halt: Arc<AtomicBool>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(bundle: &Located, query: &Query, options: &'a SearchOptions<'a>) -> Self {
        let halt = Arc::new(AtomicBool::new(false));
        let workers = Workers::start(options.threads, || {
            let (query, halt) = (query.clone(), Arc::clone(&halt));
            let mut buffer = Vec::new();
            move |job| match job {
                Job::Block(block) => Some(block::search(&query, block, &halt)),
                Job::Share(share) => share::search(&query, &share, &mut buffer, &halt),
            }
        });
        Self {
            options,
            root: bundle.root.clone(),
            inner: InnerRoot::default(),
            feed: Feed::holding(LONGEST_LINE),
            spare: Vec::new(),
            workers,
            files: Vec::new(),
            seen: BTreeSet::new(),
            left_out: 0,
            skipped: Vec::new(),
            reading: false,
            open: false,
            text: 0,
            stopped: false,
            halt,
        }
    }

    /// Matches of a file that are told.
    fn keep(&self) -> usize {
        self.options.max_matches.min(MOST_MATCHES)
    }

    fn ask(&mut self) -> Result<()> {
        if self.stopped || self.options.stop.is_some_and(|stop| stop()) {
            self.stopped = true;
            self.halt.store(true, Ordering::Relaxed);
            return Err(Error::Stopped);
        }
        Ok(())
    }

    /// Hands out every block that is ready.
    async fn hand_out(&mut self) -> Result<()> {
        while let Some(cut) = self.feed.next(&mut self.spare) {
            self.ask()?;
            let file = self.files.len() as u32 - 1;
            let Some(state) = self.files.last_mut() else { return Ok(()) };
            state.utf16 |= cut.start == 0 && super::is_utf16(&cut.data);
            let goes_on = !cut.data.ends_with(b"\n");
            if cut.start == 0 {
                state.crlf =
                    memchr::memchr(b'\n', &cut.data).is_some_and(|newline| cut.data[..newline].ends_with(b"\r"));
            }
            let block = Block {
                file,
                start: cut.start,
                data: cut.data,
                continues: self.open && cut.start > 0,
                goes_on,
                crlf: state.crlf,
                // Blocks that are out may take some of what is wanted: the counting side decides, in order.
                keep: state.wanted(),
            };
            self.open = goes_on;
            let small = block.start == 0 && block.data.len() <= SMALL && self.feed.is_over();
            if small {
                self.workers.do_here(Job::Block(block));
            } else {
                self.workers.hand_out(Job::Block(block)).await;
            }
            while let Some(found) = self.workers.take().await {
                self.add(found);
            }
        }
        Ok(())
    }

    /// Searches the file at hand in shares; says whether that is possible.
    async fn search_shares(&mut self, file: &Arc<File>, size: u64) -> Result<bool> {
        let text = self.options.context > 0;
        let length = if text { TEXT_SHARE } else { SHARE };
        let mut possible = true;
        let mut start = 0;
        while start < size && possible {
            self.ask()?;
            let number = self.files.len() as u32 - 1;
            let Some(state) = self.files.last() else { return Ok(false) };
            let (crlf, keep) = (state.crlf, state.wanted());
            let file = Arc::clone(file);
            self.workers.hand_out(Job::Share(Share { number, file, start, length, size, crlf, keep, text })).await;
            start += length;
            while let Some(found) = self.workers.take().await {
                possible &= self.add(found);
            }
        }
        while let Some(found) = self.workers.drain().await {
            possible &= self.add(found);
        }
        Ok(possible)
    }

    /// False for a share that could not be searched: what came before it in the same file is of no use either.
    fn add(&mut self, found: Option<Searched>) -> bool {
        let Some(found) = found else { return false };
        self.stopped |= found.stopped;
        if let Some(state) = self.files.get_mut(found.file as usize) {
            self.text += state.add(&found, ALL_TEXT.saturating_sub(self.text));
        }
        let mut buffer = found.data;
        if self.spare.len() == SPARE {
            return true;
        }
        // One that grew for a long line is not kept that large.
        buffer.truncate(crate::text::BLOCK);
        buffer.shrink_to(2 * crate::text::BLOCK);
        self.spare.push(buffer);
        true
    }

    pub(super) async fn finish(mut self, bundle: &Located) -> Result<SearchResult> {
        while let Some(found) = self.workers.drain().await {
            self.add(found);
        }
        if !self.workers.is_idle() {
            return Err(Error::WorkerLost);
        }
        let Sink { mut files, mut skipped, mut inner, root, seen, stopped, left_out, .. } = self;
        let names: Vec<StorePath> = seen.iter().filter_map(|path| path.below(&root)).collect();
        inner.see(names.iter().filter(|name| !records::is_record(name)));
        let inner = inner.decide(&bundle.locator)?;
        let strip =
            |path: &StorePath| inner.as_ref().and_then(|inner| path.below(inner)).unwrap_or_else(|| path.clone());
        let stopped = if stopped {
            let not_reached = if bundle.store.is_sequential() {
                None
            } else {
                let all = bundle.store.list_all(&bundle.root).await?;
                let missing = all.iter().filter(|object| !seen.contains(&object.path));
                let below = missing.filter_map(|object| object.path.below(&root));
                Some(below.filter(|path| !records::is_record(path)).map(|path| strip(&path).to_string()).collect())
            };
            let last = files.iter().find(|file| !file.read || file.interrupted);
            Some(Stopped {
                file: last.map(|file| strip(&file.name).to_string()),
                bytes: last.map_or(0, |file| file.bytes),
                not_reached,
            })
        } else {
            None
        };
        let mut result = SearchResult {
            files: Vec::new(),
            total: 0,
            files_searched: 0,
            files_left_out: left_out,
            bytes_searched: 0,
            skipped: Vec::new(),
            utf16: Vec::new(),
            overlong: Vec::new(),
            cut: false,
            stopped,
        };
        files.sort_by(|a, b| a.name.cmp(&b.name));
        for mut file in files {
            let whole = file.read && !file.interrupted;
            if whole {
                file.finish();
            }
            let name = strip(&file.name).to_string();
            result.total += file.count;
            result.bytes_searched += file.bytes;
            result.files_searched += u64::from(whole && file.cut.is_none());
            if let Some(reason) = file.cut {
                skipped.push(Skipped { file: name.clone(), reason });
            }
            if file.utf16 {
                result.utf16.push(name.clone());
            }
            if file.overlong {
                result.overlong.push(name.clone());
            }
            if file.count > 0 {
                result.cut |= (file.matches.len() as u64) < file.count;
                result.files.push(FileMatches {
                    id: format!("S-{:03}", result.files.len() + 1),
                    file: name,
                    path: file.path,
                    count: file.count,
                    matches: file.matches,
                });
            }
        }
        skipped.sort();
        result.skipped = skipped;
        Ok(result)
    }
}

#[async_trait]
impl FileSink for Sink<'_> {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        self.ask()?;
        self.reading = false;
        self.seen.insert(file.path.clone());
        let name = file.path.below(&self.root).unwrap_or_else(|| file.path.clone());
        if records::is_record(&name) {
            return Ok(Flow::Skip);
        }
        if let Some(types) = &self.options.log_types {
            let (class, below) = self.inner.classify(&name);
            if !types.accepts(class, &below) {
                self.left_out += 1;
                return Ok(Flow::Skip);
            }
        }
        if ArchiveStore::is_archive_name(name.name()) {
            let reason = "an archive inside the bundle: not searched; unpack it and point at it".to_owned();
            self.skipped.push(Skipped { file: name.to_string(), reason });
            return Ok(Flow::Skip);
        }
        self.files.push(FileState::new(name, file.path.clone(), self.keep(), self.options.context));
        self.reading = true;
        self.open = false;
        let buffer = self.spare.pop().unwrap_or_default();
        self.feed.begin(buffer, file.size);
        Ok(Flow::Read)
    }

    async fn whole(&mut self, file: &File, size: u64) -> Result<Option<FileEnd>> {
        // A small file is searched before a thread has woken up.
        if size < 2 * crate::text::BLOCK as u64 {
            return Ok(None);
        }
        let (Some(head), Ok(file)) = (share::head(file), file.try_clone()) else { return Ok(None) };
        // Blocks of other files may still be out.
        while let Some(found) = self.workers.drain().await {
            self.add(found);
        }
        let Some(state) = self.files.last_mut() else { return Ok(None) };
        (state.utf16, state.crlf) = (head.utf16, head.crlf);
        let text = self.text;
        if self.search_shares(&Arc::new(file), size).await? {
            return Ok(Some(FileEnd::Whole));
        }
        // Block by block, from the start.
        self.text = text;
        let keep = self.keep();
        let Some(state) = self.files.last_mut() else { return Ok(None) };
        *state = FileState::new(state.name.clone(), state.path.clone(), keep, self.options.context);
        Ok(None)
    }

    fn space(&mut self) -> &mut [u8] {
        self.feed.space()
    }

    async fn filled(&mut self, count: usize) -> Result<Flow> {
        self.feed.filled(count);
        self.hand_out().await?;
        Ok(if self.feed.unfinished().is_some() { Flow::Skip } else { Flow::Read })
    }

    async fn end(&mut self, end: FileEnd) -> Result<()> {
        if !std::mem::take(&mut self.reading) {
            return Ok(());
        }
        self.feed.end();
        self.hand_out().await?;
        let Some(state) = self.files.last_mut() else { return Ok(()) };
        state.read = true;
        state.overlong = self.feed.overlong();
        state.cut = match end {
            FileEnd::Cut(reason) => Some(reason),
            FileEnd::Whole => self.feed.unfinished().map(|unfinished| unfinished.0.clone()),
        };
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) {
        self.skipped.push(Skipped { file: refusal.name, reason: refusal.detail });
    }

    fn cut(&mut self, reason: String) {
        self.skipped.push(Skipped { file: "(the rest of the archive)".to_owned(), reason });
    }

    fn progress(&mut self, done: u64, total: u64) {
        if let Some(progress) = self.options.progress {
            progress(done, total);
        }
    }
}
