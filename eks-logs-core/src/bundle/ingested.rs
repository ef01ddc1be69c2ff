//! A bundle as its last ingestion left it: whole, or not to be seen yet; without what an archive of the same name has left before.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::StreamExt as _;
use jiff::Timestamp;

use super::{Located, Manifest};
use crate::error::{Error, Result};
use crate::path::StorePath;
use crate::store::{
    ByteRange, ByteStream, Children, FileEnd, FileSink, Flow, Object, ObjectStream, Presign, Refusal, Store, Version,
};

/// Whether the files of a bundle are those of one archive.
#[derive(Clone, Debug)]
pub enum Ingested {
    /// They are; or nothing says otherwise.
    Whole(Located),
    /// No manifest is there: nobody has extracted all of an archive here.
    NoManifest(Located),
    /// Another archive is being extracted over them, or that broke off.
    Underway,
}

/// Looks at the manifest of a bundle. A manifest that cannot be read hides nothing.
///
/// # Errors
/// If the store does not answer.
pub async fn ingested(bundle: Located) -> Result<Ingested> {
    if bundle.store.is_sequential() {
        return Ok(Ingested::Whole(bundle));
    }
    let manifest = match Manifest::load(&bundle).await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Ok(Ingested::NoManifest(bundle)),
        Err(Error::Corrupt { .. }) => return Ok(Ingested::Whole(bundle)),
        Err(why) => return Err(why),
    };
    if manifest.extracting.is_some() {
        return Ok(Ingested::Underway);
    }
    Ok(Ingested::Whole(without(bundle, &manifest.stale)))
}

/// A bundle without some files, which are named as a manifest names them.
pub fn without(bundle: Located, names: &[String]) -> Located {
    let hidden: BTreeSet<StorePath> = names.iter().filter_map(|name| bundle.root.join(name).ok()).collect();
    if hidden.is_empty() {
        return bundle;
    }
    Located { store: Arc::new(Without { inner: Arc::clone(&bundle.store), hidden }), ..bundle }
}

/// A store without some of its objects.
#[derive(Debug)]
struct Without {
    inner: Arc<dyn Store>,
    hidden: BTreeSet<StorePath>,
}

impl Without {
    fn check(&self, path: &StorePath) -> Result<()> {
        if self.hidden.contains(path) {
            return Err(Error::NotFound { path: format!("{}/{path}", self.inner.locator()) });
        }
        Ok(())
    }

    fn shown(&self, mut children: Children) -> Children {
        children.objects.retain(|object| !self.hidden.contains(&object.path));
        children
    }
}

#[async_trait]
impl Store for Without {
    fn locator(&self) -> String {
        self.inner.locator()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        let shown = |found: &Result<Object>| found.as_ref().map_or(true, |object| !self.hidden.contains(&object.path));
        Box::pin(self.inner.list(prefix).filter(shown))
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children> {
        Ok(self.shown(self.inner.children(prefix).await?))
    }

    async fn children_named(&self, directory: &StorePath, beginning: &str) -> Result<Children> {
        Ok(self.shown(self.inner.children_named(directory, beginning).await?))
    }

    async fn head(&self, path: &StorePath) -> Result<Object> {
        self.check(path)?;
        self.inner.head(path).await
    }

    async fn stat(&self, path: &StorePath) -> Result<Object> {
        self.check(path)?;
        self.inner.stat(path).await
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        self.check(path)?;
        self.inner.get(path, range).await
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        self.check(path)?;
        self.inner.stream(path, range).await
    }

    async fn state(&self, prefix: &StorePath) -> Result<Option<Version>> {
        self.inner.state(prefix).await
    }

    async fn walk(&self, prefix: &StorePath, sink: &mut dyn FileSink) -> Result<()> {
        let mut shown = Shown { inner: sink, hidden: &self.hidden, skipping: false };
        self.inner.walk(prefix, &mut shown).await
    }

    fn local_file(&self, path: &StorePath) -> Option<PathBuf> {
        self.check(path).ok()?;
        self.inner.local_file(path)
    }

    fn presign(&self) -> Option<&dyn Presign> {
        // Whoever wants a link has asked for the object's size before, which is refused for a hidden one.
        self.inner.presign()
    }

    async fn modified(&self, path: &StorePath) -> Result<Option<Timestamp>> {
        self.check(path)?;
        self.inner.modified(path).await
    }
}

/// Passes a walk on, without the hidden files.
struct Shown<'a> {
    inner: &'a mut dyn FileSink,
    hidden: &'a BTreeSet<StorePath>,
    skipping: bool,
}

#[async_trait]
impl FileSink for Shown<'_> {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        self.skipping = self.hidden.contains(&file.path);
        if self.skipping { Ok(Flow::Skip) } else { self.inner.begin(file).await }
    }

    async fn whole(&mut self, file: &File, size: u64) -> Result<Option<FileEnd>> {
        self.inner.whole(file, size).await
    }

    fn space(&mut self) -> &mut [u8] {
        self.inner.space()
    }

    async fn filled(&mut self, count: usize) -> Result<Flow> {
        self.inner.filled(count).await
    }

    async fn end(&mut self, end: FileEnd) -> Result<()> {
        if self.skipping { Ok(()) } else { self.inner.end(end).await }
    }

    fn refused(&mut self, refusal: Refusal) {
        self.inner.refused(refusal);
    }

    fn cut(&mut self, reason: String) {
        self.inner.cut(reason);
    }

    fn progress(&mut self, done: u64, total: u64) {
        self.inner.progress(done, total);
    }
}

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::store::{MemoryStore, StoreExt as _};
    use crate::testing::{Fixture, reads};

    fn path(text: &str) -> StorePath {
        StorePath::parse(text).unwrap()
    }

    fn fixture() -> Fixture {
        let files: [(&str, &[u8]); 4] = [
            ("kubelet/kubelet.log", b"one\ntwo\r\nthree"),
            ("kubelet/config.json", b""),
            ("kernel/dmesg.current", b"0123456789012345678901234567890123456789"),
            ("top", b"at the root"),
        ];
        files.into_iter().map(|(name, content)| (path(name), content.to_vec())).collect()
    }

    #[test]
    fn without_some_objects_it_is_a_store_still() {
        let store = MemoryStore::new();
        for (path, content) in fixture() {
            store.insert(path, content);
        }
        let hidden = [path("kubelet/old.log"), path("kernel/dmesg.boot")];
        for path in &hidden {
            store.insert(path.clone(), "of a former archive");
        }
        let hidden = hidden.into_iter().collect();
        block_on(reads(&Without { inner: Arc::new(store), hidden }, &fixture()));
    }

    #[test]
    fn the_manifest_decides() {
        let manifest = |json: &str| {
            let store = MemoryStore::new();
            store.insert(path("kubelet/new.log"), "x");
            store.insert(path("kubelet/old.log"), "y");
            if !json.is_empty() {
                store.insert(path("manifest.json"), json.to_owned());
            }
            block_on(ingested(Located::in_store(store))).unwrap()
        };
        assert!(matches!(manifest(""), Ingested::NoManifest(_)));
        assert!(matches!(manifest(r#"{"version":2,"extracting":"v2"}"#), Ingested::Underway));
        let names = |state: Ingested| {
            let Ingested::Whole(bundle) = state else { panic!("{state:?}") };
            let all = block_on(bundle.store.list_all(&bundle.root)).unwrap();
            all.into_iter().map(|object| object.path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(manifest("half a rec")), ["kubelet/new.log", "kubelet/old.log", "manifest.json"]);
        let stale = r#"{"version":2,"stale":["kubelet/old.log"]}"#;
        assert_eq!(names(manifest(stale)), ["kubelet/new.log", "manifest.json"]);
    }
}
