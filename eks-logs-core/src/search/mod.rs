//! Search: every file, every size, each byte read once, exact counts, in linear time.
//!
//! A file is searched line by line as ripgrep's `-a` does: also what is not text. What is compressed inside the bundle is searched
//! decompressed. A line longer than [`LONGEST_LINE`] is searched in pieces that overlap.

mod block;
mod found;
mod log_types;
mod needle;
mod query;
mod share;
mod sink;

pub use found::{FileMatches, LineMatch, SearchResult, Skipped, Stopped};
pub use log_types::{LogTypes, UnknownLogType};
pub use query::{LONGEST_QUERY, Query, QueryError};

use crate::bundle::Located;
use crate::error::{Error, Result};

/// The longest line that is searched as one (4 MiB).
pub const LONGEST_LINE: usize = 4 << 20;
/// The most matches of one file that are told.
pub const MOST_MATCHES: usize = 500;

/// Asked now and then whether the search shall stop: cancelled, or out of time.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// Hears how far a search is: bytes as stored, and all of them (0 where that is not known).
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// What a search keeps and what it may use.
#[derive(Clone)]
#[non_exhaustive]
pub struct SearchOptions<'a> {
    /// Matches of each file that are told (500 at the most); all are counted.
    pub max_matches: usize,
    /// Lines that are told before and after each match.
    pub context: usize,
    /// Which files; all, if not given.
    pub log_types: Option<LogTypes>,
    /// Threads that search, besides the one that reads.
    pub threads: usize,
    /// Ends the search early.
    pub stop: Option<Stop<'a>>,
    /// Hears how far the search is.
    pub progress: Option<Progress<'a>>,
}

impl Default for SearchOptions<'_> {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { max_matches: 100, context: 0, log_types: None, threads, stop: None, progress: None }
    }
}

/// Whether a file's first bytes are the byte order mark of UTF-16.
fn is_utf16(head: &[u8]) -> bool {
    head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff])
}

/// Searches a bundle.
///
/// What could not be searched (a damaged file, one that was not reached in time) is in the result.
///
/// # Errors
/// If the bundle cannot be read at all: an empty archive, several bundles in one.
pub async fn search(bundle: &Located, query: &Query, options: &SearchOptions<'_>) -> Result<SearchResult> {
    let mut sink = sink::Sink::new(bundle, query, options);
    let walked = bundle.store.walk(&bundle.root, &mut sink).await;
    match walked {
        Ok(()) | Err(Error::Stopped) => {}
        Err(why) => return Err(why),
    }
    sink.finish(bundle).await
}
