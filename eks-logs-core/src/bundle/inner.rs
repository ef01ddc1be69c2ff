//! A single directory around everything: its name is no part of the files' paths.

use std::collections::BTreeSet;

use super::{FileClass, Layout, Located};
use crate::error::{Error, Result};
use crate::path::StorePath;
use crate::store::Store;

/// Learns from the paths of a bundle, in any order, whether one directory is around it.
#[derive(Clone, Debug, Default)]
pub struct InnerRoot {
    around: BTreeSet<String>,
    at_root: bool,
}

impl InnerRoot {
    /// What a path below the bundle's root means, and the path that says so: without the directory around it.
    pub fn classify(&mut self, path: &StorePath) -> (FileClass, StorePath) {
        let layout = Layout::builtin();
        let class = layout.classify(path);
        if class.known {
            self.at_root = true;
            return (class, path.clone());
        }
        if let (first, Some(rest)) = path.split_first()
            && let Ok(rest) = StorePath::parse(rest)
        {
            let inner = layout.classify(&rest);
            if inner.known && !layout.is_top_name(first) {
                self.around.insert(first.to_owned());
                return (inner, rest);
            }
        }
        (class, path.clone())
    }

    /// Sees paths of which nobody asks what they mean.
    pub fn see<'a>(&mut self, paths: impl Iterator<Item = &'a StorePath> + Clone) {
        // One that stands at the root decides, and most bundles have one that is soon told.
        let layout = Layout::builtin();
        self.at_root |= paths.clone().any(|path| layout.writes(path));
        for path in paths {
            if self.at_root {
                break;
            }
            self.classify(path);
        }
    }

    /// The directory around everything, if there is one.
    ///
    /// # Errors
    /// [`Error::ManyBundles`] if there are several with a bundle in each.
    pub fn decide(self, locator: &str) -> Result<Option<StorePath>> {
        match (self.at_root, self.around.len()) {
            (false, 1) => self.around.first().map(|name| StorePath::parse(name)).transpose(),
            (false, 2..) => Err(Error::ManyBundles {
                path: locator.to_owned(),
                bundles: self.around.iter().map(|name| format!("{locator}/{name}")).collect(),
            }),
            _ => Ok(None),
        }
    }
}

/// The directory around everything, found by looking at two levels of a bundle. Costs a listing; in an archive a pass.
///
/// # Errors
/// If the bundle cannot be listed, or holds several bundles.
pub async fn inner_root(bundle: &Located) -> Result<Option<StorePath>> {
    let mut inner = InnerRoot::default();
    let store: &dyn Store = bundle.store.as_ref();
    let top = store.children(&bundle.root).await?;
    let layout = Layout::builtin();
    inner.at_root = top.directories.iter().any(|directory| layout.is_top_name(directory.name()));
    let see = |inner: &mut InnerRoot, path: &StorePath| {
        if let Some(below) = path.below(&bundle.root) {
            inner.classify(&below);
        }
    };
    for object in &top.objects {
        see(&mut inner, &object.path);
    }
    if !inner.at_root {
        for directory in &top.directories {
            let children = store.children(directory).await?;
            if children.directories.iter().any(|child| layout.is_top_name(child.name())) {
                inner.around.insert(directory.name().to_owned());
            }
            for object in &children.objects {
                see(&mut inner, &object.path);
            }
        }
    }
    inner.decide(&bundle.locator)
}
