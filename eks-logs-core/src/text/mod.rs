//! The text of files: decoded, cut into blocks of whole lines, worked on in parallel, its lines indexed.
//!
//! A [`Feed`] takes the bytes of a walk and yields blocks ([`Cut`]); [`Workers`] work on blocks in parallel and return results in the
//! order of the bytes; [`LineIndexBuilder`] makes of the blocks a [`LineIndex`], with which a line of a huge file is found by a few
//! ranged reads. Offsets and lines are those of the decoded content where a file is compressed inside the bundle.

mod feed;
mod line_index;
mod splitter;
mod workers;

pub(crate) use feed::GZIP_MAGIC;
pub use feed::{Feed, Unfinished};
pub use line_index::{LineIndex, LineIndexBuilder, Segment, segments};
pub use splitter::{BLOCK, Cut, OVERLAP, Splitter};
pub use workers::Workers;
