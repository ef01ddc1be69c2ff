//! The bundles of the store, as resources name them.

use eks_logs_core::{LocalStore, Located, Object, bundle};
use eks_logs_tools::{Bundles, Context, Failure, Selector};
use futures_lite::StreamExt as _;
use jiff::Timestamp;

/// How a bundle without a name of its own is called.
const ONLY: &str = "only";

/// One bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) collected: Option<Timestamp>,
}

/// All bundles that have a name, by id.
pub(crate) async fn all(context: &Context) -> Result<Vec<Known>, Failure> {
    let found = match &context.bundles {
        Bundles::One(located) => return Ok(vec![known(located)]),
        Bundles::Directory(path) => bundle::discover(&LocalStore::open(path)?).await?,
        Bundles::Store(store) => bundle::discover(store.as_ref()).await?,
        _ => Vec::new(),
    };
    let mut all: Vec<Known> = found
        .into_iter()
        .filter_map(|candidate| {
            let name = candidate.name?;
            Some(Known {
                id: name.bundle_id(),
                instance: name.instance.map(|id| id.to_string()),
                collected: name.collected_at,
            })
        })
        .collect();
    all.sort();
    all.dedup_by(|a, b| a.id == b.id);
    Ok(all)
}

fn known(located: &Located) -> Known {
    let name = located.name.as_ref();
    Known {
        id: name.map_or_else(|| ONLY.to_owned(), |name| name.bundle_id()),
        instance: name.and_then(|name| name.instance.as_ref()).map(ToString::to_string),
        collected: name.and_then(|name| name.collected_at),
    }
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
