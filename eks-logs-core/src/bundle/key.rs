//! From a key that a caller gives to a file of the bundle: inside, or refused without a hint of what is outside.

use super::{Located, inner_root};
use crate::error::{Error, Result};
use crate::id::{ARCHIVE_SUFFIXES, CollectionName};
use crate::path::StorePath;

/// What else lives in a store beside bundles.
const RECORDS_OF_OTHERS: [&str; 4] = ["idempotency", "baselines", "batches", "execution-regions"];

/// The collection that a full key names (`eks_<instance>_<collection>/extracted/...`), before any bundle is looked for.
///
/// # Errors
/// [`Error::OutsideBundle`] for a key that can be of no bundle.
pub fn collection_of_key(key: &str) -> Result<Option<CollectionName>> {
    let outside = || Error::OutsideBundle { key: key.to_owned() };
    if hides_something(key) {
        return Err(outside());
    }
    let path = StorePath::parse(key).map_err(|_| outside())?;
    let (first, rest) = path.split_first();
    if path.is_root() || RECORDS_OF_OTHERS.contains(&first) {
        return Err(outside());
    }
    match (CollectionName::parse(first), rest.and_then(|rest| rest.strip_prefix("extracted/"))) {
        (Some(_), None | Some("")) => Err(outside()),
        (named, _) => Ok(named),
    }
}

impl Located {
    /// The file that a key means: a path below the bundle's root (`kubelet/kubelet.log`), or a full key
    /// (`eks_<instance>_<collection>/extracted/kubelet/kubelet.log`). The file need not be there.
    ///
    /// # Errors
    /// [`Error::OutsideBundle`] for every key that is not inside: absolute, with `..`, with encoded dots or slashes, with backslashes
    /// or control characters, of another bundle, of records that are no bundle. What is there is not looked at.
    pub fn resolve(&self, key: &str) -> Result<StorePath> {
        let outside = || Error::OutsideBundle { key: key.to_owned() };
        if hides_something(key) {
            return Err(outside());
        }
        let path = StorePath::parse(key).map_err(|_| outside())?;
        if path.is_root() {
            return Err(outside());
        }
        if !self.root.is_root()
            && let Some(below) = path.below(&self.root)
        {
            return if below.is_root() { Err(outside()) } else { Ok(path) };
        }
        let (first, rest) = path.split_first();
        if RECORDS_OF_OTHERS.contains(&first) {
            return Err(outside());
        }
        if let Some(named) = CollectionName::parse(first) {
            let mine = self.name.as_ref() == Some(&named) || self.called(first);
            let below = rest.and_then(|rest| rest.strip_prefix("extracted/")).filter(|_| mine);
            let below = below.and_then(|below| StorePath::parse(below).ok()).filter(|below| !below.is_root());
            return below.map_or_else(|| Err(outside()), |below| self.root.join(below.as_str()));
        }
        self.root.join(path.as_str()).map_err(|_| outside())
    }

    /// The same, for a file that is to be read: where one directory is around everything, paths are given without it.
    ///
    /// # Errors
    /// As [`Located::resolve`], and if the bundle cannot be read.
    pub async fn find(&self, key: &str) -> Result<StorePath> {
        let path = self.resolve(key)?;
        match self.store.stat(&path).await {
            Err(Error::NotFound { .. }) => {}
            _ => return Ok(path),
        }
        let below = path.below(&self.root).unwrap_or_else(StorePath::root);
        match inner_root(self).await? {
            Some(inner) => self.root.join(inner.as_str())?.join(below.as_str()),
            None => Ok(path),
        }
    }

    /// Whether the bundle's own name is this one.
    fn called(&self, name: &str) -> bool {
        let own = self.locator.trim_end_matches('/').trim_end_matches("/extracted");
        let own = own.rsplit(['/', '\\']).next().unwrap_or(own);
        let own = ARCHIVE_SUFFIXES.iter().find_map(|suffix| own.strip_suffix(suffix)).unwrap_or(own);
        own == name
    }
}

/// Whether a key holds an encoded dot, slash, backslash, percent sign or control character: nobody needs one, and something behind us
/// might decode it.
fn hides_something(key: &str) -> bool {
    let bytes = key.as_bytes();
    let hex = |byte: u8| (byte as char).to_digit(16);
    bytes.windows(3).any(|window| match (window[0], hex(window[1]), hex(window[2])) {
        (b'%', Some(high), Some(low)) => {
            let byte = (high * 16 + low) as u8;
            matches!(byte, b'.' | b'/' | b'\\' | b'%') || byte.is_ascii_control()
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_lite::future::block_on;
    use proptest::prelude::*;

    use super::*;
    use crate::store::MemoryStore;

    const NAME: &str = "eks_i-0123456789abcdef0_2026-11-20_0312-UTC_0.7.9";
    const OTHER: &str = "eks_i-0123456789abcdef1_2026-11-20_0312-UTC_0.7.9";

    fn in_bucket() -> Located {
        let root = StorePath::parse(&format!("{NAME}/extracted")).unwrap();
        let locator = format!("s3://bucket/{root}");
        Located { store: Arc::new(MemoryStore::new()), root, locator, name: CollectionName::parse(NAME) }
    }

    fn alone() -> Located {
        Located { root: StorePath::root(), locator: format!("/tmp/{NAME}.tar.gz"), ..in_bucket() }
    }

    #[test]
    fn keys_inside_are_found_however_they_are_given() {
        let full = format!("{NAME}/extracted/kubelet/kubelet.log");
        for key in ["kubelet/kubelet.log", full.as_str()] {
            assert_eq!(in_bucket().resolve(key).unwrap().as_str(), full);
            assert_eq!(alone().resolve(key).unwrap().as_str(), "kubelet/kubelet.log");
        }
        assert_eq!(alone().resolve("var_log/a%20b.log").unwrap().as_str(), "var_log/a%20b.log");
    }

    #[test]
    fn keys_outside_are_refused_alike() {
        let other = format!("{OTHER}/extracted/kubelet/kubelet.log");
        let archive = format!("{NAME}.tar.gz");
        let up = format!("{NAME}/extracted/../../{OTHER}/extracted/a");
        let beside = format!("{NAME}/other/a");
        let root = format!("{NAME}/extracted");
        for key in [
            "",
            "/etc/passwd",
            "../a",
            "a/../../b",
            "kubelet/..",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "C:\\a",
            "a\0b",
            "a\nb",
            "%2e%2e/a",
            "..%2fa",
            "%2E%2E%2Fa",
            "a%5cb",
            "a%00b",
            "%252e%252e/a",
            "idempotency/i-0123abcd/t.json",
            "baselines/prod/patterns.json",
            "batches/1/metadata.json",
            "execution-regions/1.json",
            &other,
            &archive,
            &up,
            &beside,
            &root,
        ] {
            for bundle in [in_bucket(), alone()] {
                let refused = bundle.resolve(key);
                assert!(matches!(refused, Err(Error::OutsideBundle { .. })), "{key:?}: {refused:?}");
            }
        }
    }

    #[test]
    fn a_directory_around_everything_is_no_part_of_a_key() {
        let store = MemoryStore::new();
        for name in ["bottlerocket-logs/ipamd.log", "bottlerocket-logs/dmesg", "bottlerocket-logs/journalctl.log"] {
            store.insert(StorePath::parse(name).unwrap(), "x\n");
        }
        let bundle = Located::in_store(store);
        for key in ["ipamd.log", "bottlerocket-logs/ipamd.log"] {
            assert_eq!(block_on(bundle.find(key)).unwrap().as_str(), "bottlerocket-logs/ipamd.log");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_below_the_root(key in "([a-c./\\\\%2eEfF0]{0,30}|eks_i-0123456789abcdef0[a-z_/.]{0,20})") {
            let bundle = in_bucket();
            if let Ok(path) = bundle.resolve(&key) {
                prop_assert!(path.below(&bundle.root).is_some_and(|below| !below.is_root()), "{path}");
                prop_assert!(path.as_str().split('/').all(|part| part != ".."));
            }
        }
    }
}
