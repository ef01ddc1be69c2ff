//! What can go wrong, by meaning: adapters turn these into exit statuses and wire codes without looking at text.

use std::io;

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error says what failed, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is stored there.
    #[error("{path}: not found; check the path (relative paths start at the current directory)")]
    NotFound {
        /// The path as it was asked for.
        path: String,
    },
    /// The operating system or the store refuses access.
    #[error("{path}: permission denied; make it readable for this user")]
    Denied {
        /// The path as it was asked for.
        path: String,
    },
    /// The bytes are not in a format that can be opened as an archive.
    #[error("{path}: not an archive: {found}; expected a .tar.gz, .tgz, .tar or .zip, or a directory")]
    NotAnArchive {
        /// The file that was opened.
        path: String,
        /// What its first bytes look like.
        found: String,
    },
    /// The archive is well formed but holds no file.
    #[error("{path}: the archive is empty: it holds no file; the collection or the copy of it failed, collect again")]
    EmptyArchive {
        /// The archive.
        path: String,
    },
    /// Files were found, but none that any log collector writes.
    #[error(
        "{path}: not an EKS node log bundle: none of its {files} files is one that a log collector writes; point at the root of the bundle"
    )]
    NotABundle {
        /// The directory or archive.
        path: String,
        /// How many files were looked at.
        files: u64,
    },
    /// One bundle was asked for and there are several.
    #[error("{path}: holds {} bundles, name one of them: {}", bundles.len(), bundles.join(", "))]
    ManyBundles {
        /// The directory.
        path: String,
        /// Locators of the bundles, sorted.
        bundles: Vec<String>,
    },
    /// A path that could escape its bundle, or that no store can hold.
    #[error("{path:?}: not a valid path: {reason}")]
    InvalidPath {
        /// The path as it was given.
        path: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// An id that does not have the form of its kind.
    #[error("{value:?}: not a valid {kind}: {expected}")]
    InvalidId {
        /// What was given.
        value: String,
        /// Which kind of id was expected.
        kind: &'static str,
        /// The form that is expected.
        expected: &'static str,
    },
    /// A byte range that ends before it starts or starts after the end of the object.
    #[error("{path}: range {start}..{end} is outside of the object's {size} bytes")]
    InvalidRange {
        /// The object.
        path: String,
        /// First byte asked for.
        start: u64,
        /// One past the last byte asked for.
        end: u64,
        /// The object's size in bytes.
        size: u64,
    },
    /// Lines that cannot be asked for.
    #[error(
        "{path}: lines are counted from 1, or from -1 backwards, 1 to {most} at a time; not from line {start}, {count} of them"
    )]
    InvalidLines {
        /// The object.
        path: String,
        /// The line asked for.
        start: u64,
        /// How many lines.
        count: u64,
        /// How many lines may be asked for.
        most: u64,
    },
    /// A key that is not one of the bundle's files. Whether anything is stored there is not told.
    #[error("{key:?}: not a key inside the bundle; give the path of one of its files, such as kubelet/kubelet.log")]
    OutsideBundle {
        /// The key as it was given.
        key: String,
    },
    /// The caller asked to stop.
    #[error("stopped before the end")]
    Stopped,
    /// A thread died; the result would not be whole.
    #[error("internal error: a thread stopped; please report this with the bundle's layout")]
    WorkerLost,
    /// A conditional write lost: the object exists already or has changed since it was read.
    #[error("{path}: the object was changed by somebody else; read it again and retry")]
    Precondition {
        /// The object.
        path: String,
    },
    /// The archive is damaged from here on.
    #[error("{path}: {detail}")]
    Corrupt {
        /// The archive or the member.
        path: String,
        /// What is damaged and what was read before it.
        detail: String,
    },
    /// The data file that came with this crate, or one that the caller loaded, is not valid.
    #[error("{file}: {detail}")]
    Data {
        /// Which data file.
        file: String,
        /// Where and why it is refused.
        detail: String,
    },
    /// Reading or writing failed below us.
    #[error("{path}: {source}")]
    Io {
        /// The file or object.
        path: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Sorts an I/O error by its meaning.
    pub fn from_io(path: impl Into<String>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound { path },
            io::ErrorKind::PermissionDenied => Error::Denied { path },
            _ => Error::Io { path, source },
        }
    }
}
