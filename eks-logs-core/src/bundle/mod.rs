//! Bundles: where they are, what their files mean.

mod discover;
mod layout;
mod source;

pub use discover::{Candidate, Located, discover, discover_of, open};
pub use layout::{Echo, EchoBy, Fact, FileClass, FileKind, Journal, Layout, NodeKind};
pub use source::Source;
