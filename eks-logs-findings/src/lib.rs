//! What is wrong with an EKS node, with the lines that prove it.
//!
//! A [`Catalogue`] of **rules** (data: what a line looks like, what it means, how bad it is) is run by [`scan`] over a bundle that a
//! `Store` of `eks-logs-core` holds. A match is an occurrence; all occurrences of one rule about one subject are a [`Finding`], with an
//! exact count, first and last time in UTC with their certainty, and [`Evidence`]: file, line, byte span and verbatim text.
//!
//! Pure analysis: it opens no file and no socket, asks no clock and prints nothing. The same bytes give the same answer.
//!
//! ```
//! use eks_logs_core::{Located, MemoryStore, StorePath};
//! use eks_logs_findings::{Catalogue, ScanOptions, scan};
//! # futures_lite::future::block_on(async {
//! let store = MemoryStore::new();
//! let line = "[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n";
//! store.insert(StorePath::parse("kernel/dmesg.current")?, line);
//! let bundle = Located::in_store(store);
//! let found = scan(&bundle, Catalogue::builtin(), ScanOptions::default(), None).await?;
//! assert_eq!(found.findings[0].evidence[0].text, line.trim_end());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

pub mod baseline;
pub mod clock;
pub mod compare;
pub mod correlate;
pub mod diagnostics;
pub mod entity;
pub mod hypothesis;
pub mod index;
pub mod line;
pub mod rule;
pub mod state;
pub mod summary;
pub mod timeline;
pub mod triage;
pub mod verify;

mod checks;
mod event;
mod finding;
mod platform;
mod scan;
mod severity;
mod subject;

pub use clock::Certainty;
pub use event::EventKind;
pub use finding::{
    BundleInfo, CheckOutcome, CheckReport, Course, Coverage, Event, Evidence, FileLines, FileReport, Finding, Gap,
    Name, Scan, Skipped,
};
pub use hypothesis::{Diagnosis, Hypothesis, diagnose, hypotheses};
pub use platform::Platform;
pub use rule::{Catalogue, Rule, RuleError, RuleId};
pub use scan::{EvidenceLimit, Progress, ScanError, ScanOptions, scan};
pub use severity::{Severity, UnknownSeverity};
