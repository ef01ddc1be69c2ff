//! Between "the document ended well" and "the bundle can be read" lie the upload, the extraction and the index.

use serde::Serialize;

use super::{Execution, ExecutionState};
use crate::bundle::{Manifest, records};
use crate::error::{Error, Result};
use crate::id::{ARCHIVE_SUFFIXES, CollectionName, InstanceId};
use crate::path::StorePath;
use crate::store::{Store, StoreExt as _};

/// How far a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The collector runs on the node.
    Collecting,
    /// The node uploads the archive, or the archive is not seen yet.
    Uploading,
    /// The archive is there; its members are being written, or nobody has begun.
    Extracting,
    /// All members are there; the findings index is not.
    Indexing,
    /// The findings index can be read.
    Ready,
    /// It ended without a bundle.
    Failed,
}

impl Stage {
    /// The word that answers use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Collecting => "collecting",
            Self::Uploading => "uploading",
            Self::Extracting => "extracting",
            Self::Indexing => "indexing",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// Roughly how much is done, in percent, for progress bars.
    pub fn percent(self) -> u8 {
        match self {
            Self::Collecting => 10,
            Self::Uploading => 50,
            Self::Extracting => 70,
            Self::Indexing => 90,
            Self::Ready | Self::Failed => 100,
        }
    }
}

/// What the store holds of one collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The archive.
    pub archive: Option<StorePath>,
    /// The directory of the bundle (above `extracted`).
    pub directory: Option<StorePath>,
}

/// What the store holds of a collection, in one listing.
pub async fn stored(store: &dyn Store, node: &InstanceId, collection: &str) -> Result<Stored> {
    let stem = format!("{}{collection}", node.bundle_prefix());
    let children = store.children_named(&StorePath::root(), &stem).await?;
    let archive = children
        .objects
        .into_iter()
        .map(|object| object.path)
        .find(|path| path.as_str().strip_prefix(&stem).is_some_and(|ending| ARCHIVE_SUFFIXES.contains(&ending)));
    let directory = children.directories.into_iter().find(|path| path.as_str() == stem);
    Ok(Stored { archive, directory })
}

/// How far a collection is, and where its bundle lies. `ready` is only said when the findings index could be read.
pub async fn stage(store: &dyn Store, execution: &Execution, node: Option<&InstanceId>) -> Result<(Stage, Stored)> {
    match execution.state {
        ExecutionState::Failed | ExecutionState::Cancelled => return Ok((Stage::Failed, Stored::default())),
        ExecutionState::Running | ExecutionState::Cancelling => {
            let uploading = execution
                .steps
                .iter()
                .any(|step| step.word == "InProgress" && step.name.to_ascii_lowercase().contains("upload"));
            let stage = if uploading { Stage::Uploading } else { Stage::Collecting };
            return Ok((stage, Stored::default()));
        }
        ExecutionState::Success => {}
    }
    let Some(node) = node else { return Ok((Stage::Uploading, Stored::default())) };
    let found = stored(store, node, execution.id.as_str()).await?;
    let Some(directory) = &found.directory else {
        let stage = if found.archive.is_some() { Stage::Extracting } else { Stage::Uploading };
        return Ok((stage, found));
    };
    let there = async |name: &str| match store.get_all(&directory.join("extracted")?.join(name)?).await {
        Ok(content) => Ok(Some(content)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(why) => Err(why),
    };
    let manifest = there(records::MANIFEST).await?;
    // The manifest is what makes a bundle whole. One from elsewhere, without its archive, may lack it.
    let whole = match &manifest {
        Some(json) => Manifest::from_json(json).is_ok_and(|manifest| manifest.extracting.is_none()),
        None => found.archive.is_none(),
    };
    if !whole {
        return Ok((Stage::Extracting, found));
    }
    let stage = match there(records::FINDINGS_INDEX).await? {
        // Half an index is never seen, but a foreign or damaged one may be.
        Some(index) if serde_json::from_slice::<serde::de::IgnoredAny>(&index).is_ok() => Stage::Ready,
        Some(_) => Stage::Indexing,
        None if manifest.is_some() => Stage::Indexing,
        None => Stage::Extracting,
    };
    Ok((stage, found))
}

/// The bundle's id, as answers of the analysis tools give it.
pub fn bundle_id(node: &InstanceId, collection: &str) -> String {
    let name = CollectionName { instance: Some(node.clone()), collection: collection.to_owned(), collected_at: None };
    name.bundle_id()
}
