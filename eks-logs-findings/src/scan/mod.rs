//! One pass over a bundle: every byte once, findings out.
//!
//! A store pushes files into the sink here; the splitter cuts them into blocks of whole lines; workers scan blocks; what they find is
//! added up in the order of the bytes, file by file, and made into findings at the end. The result depends on the bytes alone: not on
//! the store, the order of its files, the number of threads or their schedule.

mod account;
mod block;
mod echo;
mod files;
mod finish;
mod fold;
mod judge;
mod literals;
mod matcher;
mod reports;
mod sink;
mod stop;
mod tally;
mod times;
mod unrecognised;
mod windows;

use eks_logs_core::Located;

pub(crate) use finish::{few, fingerprint};
pub(crate) use matcher::matches_line;

use self::files::Tallies;
use crate::finding::Scan;
use crate::index::STORED_EVENTS;
use crate::rule::Catalogue;

/// Lines that `all` evidence quotes of one fault in one file: beyond it memory would grow with the log.
const ALL_QUOTES: usize = 100_000;

/// How many lines a finding quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceLimit {
    /// The first `n - 1` and the last of each file that reports it, `n` at most in all.
    Few(usize),
    /// All (up to 100 000 of one fault in one file).
    All,
}

/// Lines that are kept of each finding for [`Scan::events`].
pub(crate) const EVENTS: EvidenceLimit = EvidenceLimit::Few(STORED_EVENTS);

impl EvidenceLimit {
    /// The first lines of each file that are quoted, besides the last one.
    fn first_lines(self) -> usize {
        match self {
            EvidenceLimit::Few(count) => count.saturating_sub(1).max(1),
            EvidenceLimit::All => ALL_QUOTES,
        }
    }
}

/// What a scan may use and what it keeps.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ScanOptions {
    /// Threads that scan, besides the one that reads; 0 scans on the reading thread.
    pub threads: usize,
    /// How many lines each finding quotes.
    pub evidence: EvidenceLimit,
    /// Rules that only wrap give their lines to the findings that tell more; otherwise each rule stands for itself.
    pub fold: bool,
    /// Also notes where lines are: [`Scan::lines`].
    pub index_lines: bool,
    /// Also keeps the findings with more lines each: [`Scan::events`].
    pub keep_events: bool,
}

impl Default for ScanOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads, evidence: EvidenceLimit::Few(5), fold: true, index_lines: false, keep_events: false }
    }
}

impl ScanOptions {
    /// Sets the number of threads.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets whether rules that only wrap give their lines away.
    #[must_use]
    pub fn with_fold(mut self, fold: bool) -> Self {
        self.fold = fold;
        self
    }

    /// Sets whether it also notes where lines are.
    #[must_use]
    pub fn with_line_index(mut self, index: bool) -> Self {
        self.index_lines = index;
        self
    }

    /// Sets whether it also keeps the findings with up to [`STORED_EVENTS`](crate::index::STORED_EVENTS) lines each.
    #[must_use]
    pub fn with_events(mut self, keep: bool) -> Self {
        self.keep_events = keep;
        self
    }

    /// Sets how many lines each finding quotes.
    #[must_use]
    pub fn with_evidence(mut self, evidence: EvidenceLimit) -> Self {
        self.evidence = evidence;
        self
    }
}

/// Hears how far a scan is: bytes as stored, and all of them (0 where that is not known).
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// Asked now and then while a scan runs: true ends it.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// Why there is no scan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The bundle could not be read at all.
    #[error(transparent)]
    Store(#[from] eks_logs_core::Error),
    /// A scanning thread died; the result would not be whole.
    #[error("internal error: a scanning thread stopped; please report the bundle's layout")]
    WorkerLost,
}

/// Scans a bundle.
///
/// What cannot be read (a cut archive, a damaged member, an unreadable file) is in the result's `coverage` and `gaps`.
///
/// # Errors
/// [`ScanError::Store`] if nothing can be read: an empty archive, no file that a collector writes, more than one bundle.
pub async fn scan(
    bundle: &Located,
    catalogue: &Catalogue,
    options: ScanOptions,
    progress: Option<Progress<'_>>,
) -> Result<Scan, ScanError> {
    scan_until(bundle, catalogue, options, progress, None).await
}

/// Scans a bundle as [`scan`] does, until `stop` says that nobody waits for it any more.
///
/// # Errors
/// As [`scan`]; [`eks_logs_core::Error::Stopped`] within a block of `stop` saying so.
pub async fn scan_until(
    bundle: &Located,
    catalogue: &Catalogue,
    options: ScanOptions,
    progress: Option<Progress<'_>>,
    stop: Option<Stop<'_>>,
) -> Result<Scan, ScanError> {
    let mut quotes = options.evidence.first_lines();
    if options.keep_events {
        quotes = quotes.max(EVENTS.first_lines());
    }
    let (tallies, index) = (Tallies::new(quotes, options.fold), options.index_lines);
    let mut sink = sink::Sink::new(catalogue, &bundle.root, options.threads, tallies, index, progress);
    bundle.store.walk(&bundle.root, &mut stop::Stoppable { sink: &mut sink, stop }).await?;
    let read = sink.finish().await?;
    finish::scan(bundle, catalogue, read, options)
}
