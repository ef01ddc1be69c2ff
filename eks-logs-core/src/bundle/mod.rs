//! Bundles: where they are, what their files mean.

mod discover;
mod expectations;
mod ingested;
mod inner;
mod key;
mod layout;
mod manifest;
mod node;
pub mod records;
mod source;

pub use discover::{Candidate, Located, discover, discover_of, open};
pub use expectations::{Expected, Presence, There, expectations};
pub use ingested::{Ingested, ingested, without};
pub use inner::{InnerRoot, inner_root};
pub use key::collection_of_key;
pub use layout::{Echo, EchoBy, Fact, FileClass, FileKind, Journal, Layout, NodeKind};
pub use manifest::{LeftOut, Manifest, ManifestEntry, Mismatch};
pub use node::{Collector, NodeFacts, Os};
pub use source::Source;
