//! Bundles: where they are, what their files mean.

mod discover;
mod inner;
mod key;
mod layout;
mod manifest;
pub mod records;
mod source;

pub use discover::{Candidate, Located, discover, open};
pub use inner::InnerRoot;
pub(crate) use inner::inner_root;
pub use key::collection_of_key;
pub use layout::{Echo, EchoBy, Fact, FileClass, FileKind, Journal, Layout, NodeKind};
pub use manifest::{LeftOut, Manifest, ManifestEntry, Mismatch};
pub use source::Source;
