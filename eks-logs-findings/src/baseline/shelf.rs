//! Reading and writing the records of a cluster.

use std::collections::BTreeMap;

use eks_logs_core::{Error, PutMode, Store, StoreExt, StorePath, StoreWriter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use super::Baseline;
use super::record::{Decisions, Observation, Pin, Pinned, Shard};

/// Shards of one cluster: writers of different shards never meet.
const SHARDS: u64 = 16;
/// Bundles that a shard keeps, the newest: the older ones weigh next to nothing.
const KEPT: usize = 256;
/// Times that a write is tried when others are faster.
const TRIES: usize = 100;
/// The form of the records.
const VERSION: u32 = 1;

/// Why a baseline cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// The name is none that a cluster can have.
    #[error("{0:?} is not a cluster's name: letters, digits, `-` and `_`, at most 100, a letter or digit first")]
    BadCluster(String),
    /// A stored record cannot be read.
    #[error("the record {path} cannot be read: {why}; move it away to begin again")]
    Damaged {
        /// The record.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Others were always faster.
    #[error("the record {0} was changed by others at each of {TRIES} attempts; try again")]
    Contended(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What learning a bundle changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The bundle was not known.
    New,
    /// It was known, with other findings: the catalogue has changed since.
    Updated,
    /// It was known: nothing was written.
    Known,
}

fn place(cluster: &str, name: &str) -> Result<StorePath, BaselineError> {
    let valid = cluster.len() <= 100
        && cluster.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && cluster.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !valid {
        return Err(BaselineError::BadCluster(cluster.to_owned()));
    }
    Ok(StorePath::parse(&format!("baselines/{cluster}/{name}.json"))?)
}

fn shard(cluster: &str, number: u64) -> Result<StorePath, BaselineError> {
    place(cluster, &format!("seen-{number:x}"))
}

fn shard_of(bundle: &str) -> u64 {
    xxh3_64(bundle.as_bytes()) % SHARDS
}

async fn load<T: DeserializeOwned + Default>(
    store: &(impl Store + ?Sized),
    path: &StorePath,
) -> Result<T, BaselineError> {
    let content = match store.get_all(path).await {
        Ok(content) => content,
        Err(Error::NotFound { .. }) => return Ok(T::default()),
        Err(why) => return Err(why.into()),
    };
    serde_json::from_slice(&content)
        .map_err(|why| BaselineError::Damaged { path: path.to_string(), why: why.to_string() })
}

/// Changes a record, again and again until nobody was faster. `change` says whether there is anything to write.
async fn change<T, R>(
    store: &(impl StoreWriter + ?Sized),
    path: &StorePath,
    mut change: impl FnMut(&mut T) -> (bool, R),
) -> Result<R, BaselineError>
where
    T: DeserializeOwned + Default + Serialize,
{
    for _ in 0..TRIES {
        // The version first: content that is newer than it fails the condition, and is read again.
        let mode = match store.head(path).await {
            Ok(object) => match object.version {
                Some(version) => PutMode::Match(version),
                None => PutMode::Overwrite,
            },
            Err(Error::NotFound { .. }) => PutMode::Create,
            Err(why) => return Err(why.into()),
        };
        let mut record: T = load(store, path).await?;
        let (write, result) = change(&mut record);
        if !write {
            return Ok(result);
        }
        let content = serde_json::to_vec(&record)
            .map_err(|why| BaselineError::Damaged { path: path.to_string(), why: why.to_string() })?;
        match store.put(path, content.into(), mode).await {
            Ok(_) => return Ok(result),
            Err(Error::Precondition { .. }) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Err(BaselineError::Contended(path.to_string()))
}

/// The baseline of a cluster; empty for one that nothing is known of.
///
/// # Errors
/// [`BaselineError`] if a record cannot be read.
pub async fn read(store: &(impl Store + ?Sized), cluster: &str) -> Result<Baseline, BaselineError> {
    let mut observations = BTreeMap::new();
    for number in 0..SHARDS {
        observations.extend(load::<Shard>(store, &shard(cluster, number)?).await?.bundles);
    }
    let decisions: Decisions = load(store, &place(cluster, "decisions")?).await?;
    Ok(Baseline::of(cluster, observations, decisions.pins))
}

/// Takes a bundle into the baseline of its cluster. Reading the same bundle again changes nothing.
///
/// # Errors
/// [`BaselineError`] if it could not be written.
pub async fn learn(
    store: &(impl StoreWriter + ?Sized),
    cluster: &str,
    observation: &Observation,
) -> Result<Learned, BaselineError> {
    let path = shard(cluster, shard_of(&observation.bundle))?;
    change(store, &path, |shard: &mut Shard| {
        let learned = match shard.bundles.get(&observation.bundle) {
            Some(known) if known == observation => return (false, Learned::Known),
            Some(_) => Learned::Updated,
            None => Learned::New,
        };
        shard.version = VERSION;
        shard.bundles.insert(observation.bundle.clone(), observation.clone());
        while shard.bundles.len() > KEPT {
            let oldest = shard.bundles.values().min_by_key(|seen| (seen.collected_at, &seen.bundle));
            let Some(oldest) = oldest.map(|seen| seen.bundle.clone()) else { break };
            shard.bundles.remove(&oldest);
        }
        (true, learned)
    })
    .await
}

/// Notes a decision about a fingerprint; `None` takes one back. Says whether anything changed.
///
/// # Errors
/// [`BaselineError`] if it could not be written.
pub async fn pin(
    store: &(impl StoreWriter + ?Sized),
    cluster: &str,
    fingerprint: &str,
    decision: Option<Pin>,
    note: &str,
) -> Result<bool, BaselineError> {
    change(store, &place(cluster, "decisions")?, |decisions: &mut Decisions| {
        decisions.version = VERSION;
        let wanted = decision.map(|pin| Pinned { pin, note: note.to_owned() });
        if decisions.pins.get(fingerprint) == wanted.as_ref() {
            return (false, false);
        }
        match wanted {
            Some(pinned) => decisions.pins.insert(fingerprint.to_owned(), pinned),
            None => decisions.pins.remove(fingerprint),
        };
        (true, true)
    })
    .await
}

/// Forgets all that is known of a cluster, decisions too. Says how many bundles were forgotten.
///
/// # Errors
/// [`BaselineError`] if it could not be written.
pub async fn reset(store: &(impl StoreWriter + ?Sized), cluster: &str) -> Result<usize, BaselineError> {
    let mut forgotten = 0;
    for number in 0..SHARDS {
        forgotten += change(store, &shard(cluster, number)?, |shard: &mut Shard| {
            let known = shard.bundles.len();
            *shard = Shard { version: VERSION, bundles: BTreeMap::new() };
            (known > 0, known)
        })
        .await?;
    }
    change(store, &place(cluster, "decisions")?, |decisions: &mut Decisions| {
        let known = !decisions.pins.is_empty();
        *decisions = Decisions { version: VERSION, pins: BTreeMap::new() };
        (known, ())
    })
    .await?;
    Ok(forgotten)
}
