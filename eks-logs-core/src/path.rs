//! Paths inside a store: the only form in which a name reaches the filesystem or a bucket.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The longest path that is accepted, in bytes (S3's limit for a key).
const MAX_PATH_BYTES: usize = 1024;

/// A path relative to the root of a store, with `/` between its parts.
///
/// - never absolute, never with a `.` or `..` part, never with an empty part;
/// - no NUL, no other control character, no backslash;
/// - at most 1024 bytes; the empty path is the root.
///
/// ```
/// use eks_logs_core::StorePath;
/// assert_eq!(StorePath::parse("kubelet/kubelet.log")?.as_str(), "kubelet/kubelet.log");
/// assert!(StorePath::parse("../etc/shadow").is_err());
/// # Ok::<(), eks_logs_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

impl StorePath {
    /// The root of the store.
    pub fn root() -> Self {
        Self::default()
    }

    /// Accepts a path that already has the form.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason| Err(Error::InvalidPath { path: text.to_owned(), reason });
        if text.is_empty() {
            return Ok(Self::root());
        }
        if text.len() > MAX_PATH_BYTES {
            return refuse("longer than 1024 bytes");
        }
        if text.starts_with('/') {
            return refuse("absolute paths leave the store");
        }
        if text.contains('\\') {
            return refuse("a backslash separates directories on some systems");
        }
        if text.chars().any(char::is_control) {
            return refuse("control characters are not allowed in names");
        }
        for part in text.split('/') {
            match part {
                "" => return refuse("it has an empty part"),
                "." => return refuse("`.` is not a name"),
                ".." => return refuse("`..` leaves the store"),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Normalises the name of an archive member: a leading `./`, doubled and trailing slashes go, Windows' backslashes become
    /// slashes. What could leave the bundle is refused, never repaired.
    pub fn from_member(name: &str) -> Result<Self> {
        let slashed = name.replace('\\', "/");
        if slashed.starts_with('/') || slashed.as_bytes().get(1) == Some(&b':') {
            return Err(Error::InvalidPath { path: name.to_owned(), reason: "absolute paths leave the bundle" });
        }
        let parts: Vec<&str> = slashed.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        Self::parse(&parts.join("/")).map_err(|why| match why {
            Error::InvalidPath { reason, .. } => Error::InvalidPath { path: name.to_owned(), reason },
            other => other,
        })
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the root of the store.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of `name` below this one.
    pub fn join(&self, name: &str) -> Result<Self> {
        match (self.is_root(), name.is_empty()) {
            (_, true) => Ok(self.clone()),
            (true, _) => Self::parse(name),
            (false, _) => Self::parse(&format!("{}/{name}", self.0)),
        }
    }

    /// This path seen from `root`, or `None` if it is not below it.
    pub fn below(&self, root: &StorePath) -> Option<StorePath> {
        if root.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(root.as_str())?;
        if rest.is_empty() { Some(Self::root()) } else { rest.strip_prefix('/').map(|rest| Self(rest.to_owned())) }
    }

    /// The part before the first `/`, and what follows it.
    pub fn split_first(&self) -> (&str, Option<&str>) {
        match self.0.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (self.0.as_str(), None),
        }
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StorePath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_lose_what_is_harmless_and_are_refused_for_what_is_not() {
        assert_eq!(StorePath::from_member("./kubelet//kubelet.log").unwrap().as_str(), "kubelet/kubelet.log");
        assert_eq!(StorePath::from_member("system\\kubelet\\a.csv").unwrap().as_str(), "system/kubelet/a.csv");
        assert!(StorePath::from_member("./").unwrap().is_root());
        for bad in ["/etc/passwd", "a/../../b", "..", "C:\\x", "\\\\host\\x", "a\0b", "a\u{1b}[2J"] {
            assert!(StorePath::from_member(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn below_cuts_whole_parts_only() {
        let path = StorePath::parse("eks_1/extracted/a").unwrap();
        assert_eq!(path.below(&StorePath::parse("eks_1").unwrap()).unwrap().as_str(), "extracted/a");
        assert_eq!(path.below(&StorePath::parse("eks_").unwrap()), None);
    }

    proptest! {
        #[test]
        fn an_accepted_path_never_leaves_its_root(name in "\\PC{0,40}|[./\\\\a-c\0]{0,20}") {
            if let Ok(path) = StorePath::from_member(&name) {
                prop_assert!(!path.as_str().starts_with('/'));
                prop_assert!(path.as_str().split('/').all(|part| part != ".." && part != "."));
                prop_assert_eq!(&StorePath::parse(path.as_str()).unwrap(), &path);
                let joined = std::path::Path::new("/root").join(path.as_str());
                prop_assert!(joined.starts_with("/root"));
            }
        }
    }
}
