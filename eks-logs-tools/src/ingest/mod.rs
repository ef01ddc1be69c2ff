//! From an archive in a store to a bundle that can be read, in one pass over the archive: members are written while they are scanned.
//!
//! Whoever reads sees a whole bundle or none. A bundle whose archive lies beside it is read when its manifest is there, which is written
//! last; where another archive has come under the same name, the manifest of the former is first marked as [`Manifest::extracting`], and the
//! files that only the former had are named as stale in the new one. What cannot be ingested leaves a record of why.

mod arriving;

use std::collections::BTreeMap;
use std::sync::Arc;

use eks_logs_core::bundle::{Ingested, Manifest, ingested, records, without};
use eks_logs_core::collection::record::{self, IngestFailure};
use eks_logs_core::{
    ARCHIVE_SUFFIXES, ArchiveStore, CollectionName, ExecutionId, Located, Object, PutMode, Store, StoreExt as _,
    StorePath, StoreWriter, Version,
};
use eks_logs_findings::baseline::Observation;
use eks_logs_findings::index::{self, Of, STORED_EVIDENCE, Stored};
use eks_logs_findings::{EvidenceLimit, Scan, ScanOptions, scan};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::arriving::Arriving;
use crate::context::{Call, Context};
use crate::failure::{Code, Failure};
use crate::index::{learn_told, write_records};

/// How often work is done anew because another writer has replaced the archive, its manifest or its members meanwhile.
const ROUNDS: usize = 3;

/// What an ingestion has stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngestAnswer {
    /// Always true.
    pub success: bool,
    /// The bundle.
    pub bundle_id: Option<String>,
    /// The archive, relative to the store.
    pub archive: String,
    /// Where its files are, relative to the store.
    pub root: String,
    /// True if the archive had been ingested before, and nothing was to do.
    pub already: bool,
    /// Files.
    pub file_count: u64,
    /// Bytes of them.
    pub total_size: u64,
    /// Members that were not extracted.
    pub skipped: usize,
    /// Findings of all severities.
    pub findings: usize,
    /// What the cluster's baseline learned from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<String>,
}

/// Extracts an archive beside itself (`<name>/extracted/`), with line indexes, findings index and, last, the manifest.
///
/// The archive is read once. It may be run twice, or by two at the same time: both write the same. Nobody reads the files before the
/// manifest is there; a run that dies leaves files that are not seen, and the next one completes them. A failure is remembered beside the
/// bundles (`ingest-failures/<archive>.json`), so that who waits for the bundle is told. A bundle of a healthy node is taken into the baseline
/// of its cluster, where the record of its collection names that.
///
/// # Errors
/// If the archive cannot be read, is none, or the store cannot be written to. What can be read of a damaged archive is ingested, with what is
/// missing among the gaps.
pub async fn ingest_archive(
    writer: Arc<dyn StoreWriter>,
    archive: &StorePath,
    context: &Context,
    at: Timestamp,
    call: Call<'_>,
) -> Result<IngestAnswer, Failure> {
    let root = root_of(archive)?;
    let mut object = writer.head(archive).await?;
    for _ in 0..ROUNDS {
        match once(&writer, &object, &root, context, at, call).await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => object = writer.head(archive).await?,
            // What fails while the archive is replaced says nothing of the one that is there now.
            Err(failure) => match writer.head(archive).await {
                Ok(now) if now.version != object.version => object = now,
                _ => {
                    remember(writer.as_ref(), &object, &failure, at).await;
                    return Err(failure);
                }
            },
        }
    }
    let error = format!("{archive}: it was replaced again and again while it was read");
    Err(Failure::new(Code::Conflict, error, "ingest it again when nobody uploads under this name any more"))
}

/// Where the files of an archive go.
fn root_of(archive: &StorePath) -> Result<StorePath, Failure> {
    let stem = ARCHIVE_SUFFIXES.iter().find_map(|ending| archive.as_str().strip_suffix(ending));
    let Some(stem) = stem.filter(|_| ArchiveStore::is_archive_name(archive.name())) else {
        return Err(Failure::new(
            Code::BadArgument,
            format!("{archive} has not the name of an archive"),
            "name an object that ends in .tar.gz, .tgz, .tar or .zip",
        ));
    };
    Ok(StorePath::parse(stem)?.join("extracted")?)
}

/// Ingests one state of an archive; `None` if it was replaced meanwhile.
async fn once(
    writer: &Arc<dyn StoreWriter>,
    object: &Object,
    root: &StorePath,
    context: &Context,
    at: Timestamp,
    call: Call<'_>,
) -> Result<Option<IngestAnswer>, Failure> {
    let archive = &object.path;
    let store: Arc<dyn Store> = Arc::clone(writer) as Arc<dyn Store>;
    let locator = format!("{}/{root}", store.locator());
    let name = CollectionName::parse(archive.name());
    let bundle = Located { store, root: root.clone(), locator: locator.clone(), name: name.clone() };
    if let Some(answer) = already(&bundle, object, context).await? {
        return Ok(Some(answer));
    }

    let arriving = Arc::new(Arriving::new(writer, object, root));
    let options = ScanOptions::default()
        .with_threads(context.threads)
        .with_evidence(EvidenceLimit::Few(STORED_EVIDENCE))
        .with_line_index(true)
        .with_events(true);
    let source = Located { store: Arc::clone(&arriving) as Arc<dyn Store>, root: StorePath::root(), locator, name };
    // Stored as it is: what leaves the tools is redacted when it is read.
    let mut found = scan(&source, &context.catalogue, options, call.progress).await?;
    if writer.head(archive).await?.version != object.version {
        return Ok(None);
    }
    let (entries, skipped, versions) = arriving.take();
    stamp(&mut found, &versions);
    let mut manifest = Manifest::of(entries, skipped, at);
    manifest.archive_key = Some(archive.to_string());
    manifest.archive_size = Some(object.size);
    manifest.archive_version = object.version.as_ref().map(|version| version.0.clone());
    manifest.stale = others(&bundle, &manifest).await?;
    let bundle = without(bundle, &manifest.stale);

    let mut of = Of::now(&bundle, &context.catalogue).await?;
    for _ in 0..ROUNDS {
        write_records(writer.as_ref(), &bundle, &found, &manifest, &of, at).await?;
        let now = Of::now(&bundle, &context.catalogue).await?;
        if now == of {
            break;
        }
        // Another run has written the same members again.
        of = now;
    }
    let learned = learned(writer, &bundle, context, &found).await;
    Ok(Some(IngestAnswer { learned, ..answer(&bundle, archive, &manifest, found.findings.len(), false) }))
}

fn answer(bundle: &Located, archive: &StorePath, manifest: &Manifest, findings: usize, already: bool) -> IngestAnswer {
    IngestAnswer {
        success: true,
        bundle_id: bundle.name.as_ref().map(CollectionName::bundle_id),
        archive: archive.to_string(),
        root: bundle.root.to_string(),
        already,
        file_count: manifest.total_files,
        total_size: manifest.total_size,
        skipped: manifest.skipped.len(),
        findings,
        learned: None,
    }
}

/// The answer, if this state of the archive is ingested and its index can be used.
async fn already(bundle: &Located, object: &Object, context: &Context) -> Result<Option<IngestAnswer>, Failure> {
    // A manifest that cannot be read is written anew.
    let Ok(Some(manifest)) = Manifest::load(bundle).await else { return Ok(None) };
    let version = object.version.as_ref().map(|version| version.0.as_str());
    if version.is_none() || manifest.archive_version.as_deref() != version {
        return Ok(None);
    }
    let Ingested::Whole(bundle) = ingested(bundle.clone()).await? else { return Ok(None) };
    Ok(match index::load(&bundle, &context.catalogue).await? {
        Stored::Fresh(found) => Some(answer(&bundle, &object.path, &manifest, found.findings.len(), true)),
        _ => None,
    })
}

/// Files below the root that the archive does not hold.
async fn others(bundle: &Located, manifest: &Manifest) -> Result<Vec<String>, Failure> {
    let all = bundle.store.list_all(&bundle.root).await?;
    let below = all.iter().filter_map(|object| object.path.below(&bundle.root));
    let other = |path: &StorePath| !records::is_record(path) && manifest.file(path.as_str()).is_none();
    Ok(below.filter(other).map(|path| path.to_string()).collect())
}

/// Says beside the bundles why an archive was not ingested. The failure itself is the answer: if it cannot be stored, it is told all the
/// same.
async fn remember(writer: &dyn StoreWriter, object: &Object, failure: &Failure, at: Timestamp) {
    let passes =
        matches!(failure.code, Code::StoreUnavailable | Code::Throttled | Code::Conflict | Code::Busy | Code::Stopped);
    let said = IngestFailure {
        archive: object.path.to_string(),
        archive_version: object.version.as_ref().map(|version| version.0.clone()),
        failed_at: at,
        code: serde_json::to_value(failure.code)
            .ok()
            .and_then(|code| code.as_str().map(str::to_owned))
            .unwrap_or_default(),
        error: failure.error.clone(),
        suggestion: failure.details.suggestion.clone(),
        lasting: !passes,
    };
    if let Ok(path) = record::failure_path(&object.path) {
        let _ = record::write(writer, &path, &said, PutMode::Overwrite).await;
    }
}

/// Takes the bundle into a baseline: the one that the context names, else that of the cluster for which it was collected, if its node is
/// healthy. The bundle is stored whatever comes of it.
async fn learned(writer: &Arc<dyn StoreWriter>, bundle: &Located, context: &Context, found: &Scan) -> Option<String> {
    let execution = bundle.name.as_ref().and_then(|name| ExecutionId::parse(&name.collection).ok());
    let cluster = match (&context.learns, execution) {
        (Some(cluster), _) => cluster.clone(),
        (None, Some(execution)) => match record::cluster_of(writer.as_ref(), &execution).await {
            Ok(cluster) => cluster?,
            Err(why) => return Some(format!("nothing: the record of the collection cannot be read ({why})")),
        },
        (None, None) => return None,
    };
    let healthy = Observation::new(found).is_some_and(|seen| seen.healthy);
    if context.learns.is_none() && !healthy {
        return Some(format!("nothing for {cluster}: the node has a severe fault, and a baseline is what is normal"));
    }
    let records = context.records.as_ref().unwrap_or(writer);
    Some(match learn_told(context, records.as_ref(), &cluster, found).await {
        Ok(said) => format!("{cluster}: {said}"),
        Err(why) => format!("nothing for {cluster}: {why}"),
    })
}

/// Line indexes speak for the members as they were stored.
fn stamp(found: &mut Scan, versions: &BTreeMap<String, Version>) {
    for lines in &mut found.lines {
        let stored = versions.get(&lines.file);
        // A directory around the bundle is no part of a file's name.
        let stored = stored.or_else(|| {
            let mut ending =
                versions.iter().filter(|(name, _)| name.split_once('/').is_some_and(|(_, rest)| rest == lines.file));
            ending.next().map(|(_, version)| version)
        });
        lines.index.version = stored.cloned();
    }
}
