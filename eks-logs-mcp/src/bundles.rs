//! The bundles of the store, as resources name them.

use eks_logs_core::{ARCHIVE_SUFFIXES, CollectionName, LocalStore, Located, Object, Store, StorePath, bundle};
use eks_logs_tools::{Bundles, Context, Failure, Selector};
use futures_lite::StreamExt as _;
use jiff::Timestamp;

/// How names of bundles begin.
const BEGINNING: &str = "eks_";
/// How a bundle without a name of its own is called.
const ONLY: &str = "only";

/// Names of a bucket that are asked for at a time.
const LEVEL: usize = 1000;

/// One bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) collected: Option<Timestamp>,
}

impl From<&CollectionName> for Known {
    fn from(name: &CollectionName) -> Self {
        Self {
            id: name.bundle_id(),
            instance: name.instance.as_ref().map(ToString::to_string),
            collected: name.collected_at,
        }
    }
}

/// What is known of a bundle by its name.
pub(crate) fn known(located: &Located) -> Known {
    let unnamed = || Known { id: ONLY.to_owned(), instance: None, collected: None };
    located.name.as_ref().map_or_else(unnamed, Known::from)
}

/// The bundles of this machine that have a name, by id.
async fn local(bundles: &Bundles) -> Result<Vec<Known>, Failure> {
    let found = match bundles {
        Bundles::One(located) => return Ok(vec![known(located)]),
        Bundles::Directory(path) => bundle::discover(&LocalStore::open(path)?).await?,
        _ => Vec::new(),
    };
    let mut all: Vec<Known> = found.iter().filter_map(|candidate| candidate.name.as_ref()).map(Known::from).collect();
    all.sort();
    all.dedup_by(|a, b| a.id == b.id);
    Ok(all)
}

/// How many bundles there are, where that can be told without reading a whole bucket; what is in the way otherwise.
pub(crate) async fn count(context: &Context) -> Result<Option<usize>, Failure> {
    match &context.bundles {
        Bundles::Store(store) => {
            store.children_after(&StorePath::root(), "", 1).await?;
            Ok(None)
        }
        bundles => Ok(Some(local(bundles).await?.len())),
    }
}

/// The next bundles behind one, or the first ones; where none come, there are no more. Their order is the store's own.
pub(crate) async fn after(context: &Context, id: Option<&str>, most: usize) -> Result<Vec<Known>, Failure> {
    match &context.bundles {
        Bundles::Store(store) => of_bucket(store.as_ref(), id, most).await,
        bundles => {
            let mut all = local(bundles).await?;
            all.retain(|known| id.is_none_or(|id| known.id.as_str() > id));
            all.truncate(most);
            Ok(all)
        }
    }
}

/// By their names alone: a bucket of thousands is not looked into for a list.
async fn of_bucket(store: &dyn Store, id: Option<&str>, most: usize) -> Result<Vec<Known>, Failure> {
    let mut after = match id {
        None => BEGINNING.to_owned(),
        // Behind the directory is behind the archive, too: a dot stands before a slash.
        Some(id) => directory(id) + "/",
    };
    loop {
        let level = store.children_after(&StorePath::root(), &after, most).await?;
        let directories = level.directories.iter().map(|path| format!("{}/", path.name()));
        let objects = level.objects.iter().map(|object| object.path.name().to_owned());
        let mut names: Vec<String> = directories.chain(objects).collect();
        names.sort();
        let Some(last) = names.last() else { return Ok(Vec::new()) };
        let beyond = !last.starts_with(BEGINNING);
        after.clone_from(last);
        let mut found: Vec<Known> = names.iter().filter_map(|name| bundle_of(name)).collect();
        found.dedup_by(|a, b| a.id == b.id);
        if beyond || !found.is_empty() {
            return Ok(found);
        }
    }
}

/// What a directory (with a slash at its end) or an archive of the store holds, by its name.
fn bundle_of(name: &str) -> Option<Known> {
    let directory = name.strip_suffix('/');
    let stem = directory.or_else(|| ARCHIVE_SUFFIXES.iter().find_map(|ending| name.strip_suffix(ending)))?;
    CollectionName::parse(stem).as_ref().map(Known::from)
}

/// The name of a bundle's directory.
fn directory(id: &str) -> String {
    let named = format!("{BEGINNING}{id}");
    // A bundle without a node has its collection behind an empty place.
    if CollectionName::parse(&named).is_some() { named } else { format!("{BEGINNING}_{id}") }
}

/// The bundles whose id begins so, for who types it; of a local store all of them.
pub(crate) async fn beginning(context: &Context, typed: &str) -> Result<Vec<Known>, Failure> {
    let Bundles::Store(store) = &context.bundles else { return local(&context.bundles).await };
    if typed.is_empty() {
        return after(context, None, LEVEL).await;
    }
    let level = store.children_named(&StorePath::root(), &format!("{BEGINNING}{typed}")).await?;
    let directories = level.directories.iter().map(|path| format!("{}/", path.name()));
    let objects = level.objects.iter().map(|object| object.path.name().to_owned());
    let mut found: Vec<Known> = directories.chain(objects).filter_map(|name| bundle_of(&name)).collect();
    found.sort();
    found.dedup_by(|a, b| a.id == b.id);
    Ok(found)
}

/// The arguments of a tool that mean this bundle.
pub(crate) fn selector(id: &str) -> Selector {
    Selector { bundle_id: (id != ONLY).then(|| id.to_owned()), ..Selector::default() }
}

/// The files of a bundle, by path, and where it is.
pub(crate) async fn files(context: &Context, id: &str) -> Result<(Located, Vec<Object>), Failure> {
    let located = context.select(&selector(id)).await?.located;
    let mut files = Vec::new();
    let mut listed = located.store.list(&located.root);
    while let Some(object) = listed.next().await {
        files.push(object?);
    }
    drop(listed);
    for file in &mut files {
        if let Some(path) = file.path.below(&located.root) {
            file.path = path;
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((located, files))
}
