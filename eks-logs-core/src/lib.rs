//! Bundles of EKS node logs, as bytes: where they are, what their files mean, how they are read.
//!
//! A **bundle** is one collection of one node, as an archive or extracted. A [`Store`] is where bundles and our own records live: a
//! directory ([`LocalStore`]), a single archive read in place ([`ArchiveStore`]), memory ([`MemoryStore`]). The [`Layout`] says what each
//! path of a bundle means: whose lines they are ([`Source`]), of which kind, and which files hold the same events twice.
//! [`bundle::open`] turns a path that a person names into a bundle; [`Store::walk`] reads it once, front to back.
//!
//! This crate knows no rule, no cloud and no terminal.
//!
//! ```
//! use eks_logs_core::{Layout, StorePath};
//! let class = Layout::builtin().classify(&StorePath::parse("var_log/aws-routed-eni/ipamd.log")?);
//! assert_eq!(class.source.name(), "ipamd");
//! # Ok::<(), eks_logs_core::Error>(())
//! ```

pub mod archive;
pub mod bundle;
pub mod collection;
pub mod inventory;
pub mod read;
pub mod search;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;

mod clock;
mod error;
mod id;
mod path;

pub use archive::{ArchiveFormat, ArchiveStore, Limits};
pub use bundle::{Echo, EchoBy, Fact, FileClass, FileKind, Journal, Layout, Located, Source};
pub use clock::{Clock, Timer};
pub use collection::Collector;
pub use error::{Error, Result};
pub use id::{ARCHIVE_SUFFIXES, CollectionName, ExecutionId, InstanceId, Region};
pub use inventory::Inventory;
pub use path::StorePath;
pub use store::{
    ByteRange, FileEnd, FileSink, Flow, LocalStore, MemoryStore, Object, Presign, Presigned, PutMode, Refusal,
    RefusalReason, Store, StoreExt, StoreWriter, Upload, Version,
};
