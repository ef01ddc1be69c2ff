//! Bundles: where they are, what their files mean.

mod discover;
mod inner;
mod layout;
pub mod records;
mod source;

pub use discover::{Candidate, Located, discover, open};
pub use inner::InnerRoot;
pub(crate) use inner::inner_root;
pub use layout::{Echo, EchoBy, Fact, FileClass, FileKind, Journal, Layout, NodeKind};
pub use source::Source;
