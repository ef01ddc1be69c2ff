//! Finding bundles: a path may be an archive, an extracted bundle, or a directory that holds many of either.

use std::path::Path;
use std::sync::Arc;

use super::Layout;
use crate::archive::ArchiveStore;
use crate::error::{Error, Result};
use crate::id::{ARCHIVE_SUFFIXES, CollectionName, InstanceId};
use crate::path::StorePath;
use crate::store::{Children, LocalStore, Store};

/// A bundle that can be read.
#[derive(Clone, Debug)]
pub struct Located {
    /// The store that holds it.
    pub store: Arc<dyn Store>,
    /// The directory below which its files are. Inside an archive a single directory around everything is found while reading.
    pub root: StorePath,
    /// Where it is, for people.
    pub locator: String,
    /// What its name says of the collection.
    pub name: Option<CollectionName>,
}

impl Located {
    /// A bundle whose files are all that a store holds.
    pub fn in_store(store: impl Store + 'static) -> Self {
        let locator = store.locator();
        Self { store: Arc::new(store), root: StorePath::root(), locator, name: None }
    }
}

/// One bundle in a store of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The directory of its files, or the archive.
    pub path: StorePath,
    /// True for an archive.
    pub archive: bool,
    /// The archive that lies beside a directory of this name.
    pub beside: Option<StorePath>,
    /// What its name says of the collection.
    pub name: Option<CollectionName>,
}

/// The bundles directly below the root of a store, sorted by path; an archive and the directory extracted from it are one bundle, the
/// directory. A store that is itself an extracted bundle yields its root.
pub async fn discover(store: &dyn Store) -> Result<Vec<Candidate>> {
    let top = store.children(&StorePath::root()).await?;
    if is_bundle(&top) {
        return Ok(vec![Candidate { path: StorePath::root(), archive: false, beside: None, name: None }]);
    }
    among(store, top).await
}

/// The bundles of one node, as [`discover`] finds them, without looking at those of others. `collection` narrows it down to collections
/// whose id begins so.
pub async fn discover_of(store: &dyn Store, node: &InstanceId, collection: &str) -> Result<Vec<Candidate>> {
    let beginning = format!("{}{collection}", node.bundle_prefix());
    among(store, store.children_named(&StorePath::root(), &beginning).await?).await
}

fn is_bundle(children: &Children) -> bool {
    children.directories.iter().any(|directory| Layout::builtin().is_top_name(directory.name()))
}

async fn among(store: &dyn Store, top: Children) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for directory in &top.directories {
        let name = CollectionName::parse(directory.name());
        let extracted = directory.join("extracted")?;
        // `extracted` in its place means that the store itself is the directory of one collection.
        let inner = store.children(directory).await?;
        let path = if inner.directories.contains(&extracted) {
            extracted
        } else if is_bundle(&inner) {
            directory.clone()
        } else {
            continue;
        };
        found.push(Candidate { path, archive: false, beside: None, name });
    }
    for object in &top.objects {
        let Some(stem) = ARCHIVE_SUFFIXES.iter().find_map(|suffix| object.path.as_str().strip_suffix(suffix)) else {
            continue;
        };
        if let Some(bundle) = found.iter_mut().find(|bundle| bundle.path.split_first().0 == stem) {
            bundle.beside = Some(object.path.clone());
        } else {
            found.push(Candidate {
                path: object.path.clone(),
                archive: true,
                beside: None,
                name: CollectionName::parse(object.path.name()),
            });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Opens the one bundle that a local path means.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NotAnArchive`] and [`Error::EmptyArchive`] for what cannot be opened, [`Error::NotABundle`] for a
/// directory without a bundle, [`Error::ManyBundles`] for one that holds several.
pub async fn open(path: &Path) -> Result<Located> {
    let locator = path.display().to_string();
    let kind = std::fs::metadata(path).map_err(|why| Error::from_io(&locator, why))?;
    if !kind.is_dir() {
        return open_archive(path);
    }
    let store = LocalStore::open(path)?;
    let mut found = discover(&store).await?;
    match (found.pop(), found.is_empty()) {
        (None, _) => {
            let files = store.children(&StorePath::root()).await?.objects.len() as u64;
            Err(Error::NotABundle { path: locator, files })
        }
        (Some(only), true) if only.archive => open_archive(&path.join(only.path.as_str())),
        (Some(only), true) => {
            let full = if only.path.is_root() { path.to_owned() } else { path.join(only.path.as_str()) };
            let name = collection_of(&full);
            Ok(Located { store: Arc::new(store), root: only.path, locator: full.display().to_string(), name })
        }
        (Some(last), false) => {
            found.push(last);
            let bundles = found.iter().map(|bundle| path.join(bundle.path.as_str()).display().to_string()).collect();
            Err(Error::ManyBundles { path: locator, bundles })
        }
    }
}

fn open_archive(path: &Path) -> Result<Located> {
    let store = ArchiveStore::open(path)?;
    let name = path.file_name().and_then(|name| name.to_str()).and_then(CollectionName::parse);
    Ok(Located { store: Arc::new(store), root: StorePath::root(), locator: path.display().to_string(), name })
}

/// The collection that a directory's name, or the name around its `extracted`, tells.
fn collection_of(path: &Path) -> Option<CollectionName> {
    let full = path.canonicalize().ok()?;
    let name = full.file_name()?.to_str()?;
    let name = if name == "extracted" { full.parent()?.file_name()?.to_str()? } else { name };
    CollectionName::parse(name)
}
