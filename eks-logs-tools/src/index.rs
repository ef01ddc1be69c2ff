//! Storing what is known of a bundle beside it: manifest, line indexes, findings index.

use eks_logs_core::bundle::{Manifest, inner_root, records};
use eks_logs_core::read::Reader;
use eks_logs_core::{Located, PutMode, StoreWriter};
use eks_logs_findings::index::{self, Of, STORED_EVIDENCE};
use eks_logs_findings::{EvidenceLimit, Scan, ScanOptions, scan};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::baseline::learn;
use crate::context::{Call, Context};
use crate::failure::{Code, Failure};

/// Records besides the line indexes.
const RECORDS: usize = 3;
/// Files up to this size get no line index: they are read whole.
const SMALL: u64 = 1 << 20;

/// What was stored.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndexAnswer {
    /// Always true.
    pub success: bool,
    /// The bundle.
    pub bundle_id: Option<String>,
    /// When it was indexed.
    pub indexed_at: Timestamp,
    /// Files of the bundle.
    pub file_count: u64,
    /// Findings of all severities.
    pub findings: usize,
    /// Files whose lines are indexed.
    pub line_indexes: usize,
    /// What was written, in this order.
    pub written: Vec<String>,
    /// What the cluster's baseline learned, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<String>,
}

/// Scans a bundle and stores line indexes, findings index and manifest under its root; the manifest last, so that whoever sees it sees
/// all. Each record is whole or not there.
///
/// # Errors
/// If the bundle cannot be read, or the records cannot be written.
pub async fn index_bundle(
    writer: &dyn StoreWriter,
    bundle: &Located,
    context: &Context,
    at: Timestamp,
    call: Call<'_>,
) -> Result<IndexAnswer, Failure> {
    if bundle.store.is_sequential() {
        return Err(Failure::new(
            Code::BadArgument,
            format!("{}: an archive is not written to", bundle.locator),
            "unpack it and index the directory; archives are scanned in one pass anyway",
        ));
    }
    let of = Of::now(bundle, &context.catalogue).await?;
    let options = ScanOptions::default()
        .with_threads(context.threads)
        .with_evidence(EvidenceLimit::Few(STORED_EVIDENCE))
        .with_line_index(true)
        .with_events(true);
    // Stored as it is: what leaves the tools is redacted when it is read.
    let found = scan(bundle, &context.catalogue, options, call.progress).await?;
    let mut manifest = Manifest::build(bundle, at).await?;
    if let Ok(Some(former)) = Manifest::load(bundle).await {
        manifest = manifest.with_archive_of(&former);
    }
    if Of::now(bundle, &context.catalogue).await? != of {
        return Err(Failure::new(
            Code::Conflict,
            format!("{}: its files changed while they were read", bundle.locator),
            "index it again when nothing writes to it any more",
        ));
    }
    let written = write_records(writer, bundle, &found, &manifest, &of, at).await?;
    let line_indexes = written.len() - RECORDS;
    let learned = match &context.learns {
        Some(cluster) => Some(learn_told(context, context.records()?.as_ref(), cluster, &found).await?),
        None => None,
    };
    Ok(IndexAnswer {
        learned,
        success: true,
        bundle_id: found.bundle.id,
        indexed_at: at,
        file_count: found.bundle.files,
        findings: found.findings.len(),
        line_indexes,
        written,
    })
}

/// Writes line indexes, the findings index, and last the manifest; answers with their paths.
pub(crate) async fn write_records(
    writer: &dyn StoreWriter,
    bundle: &Located,
    found: &Scan,
    manifest: &Manifest,
    of: &Of,
    at: Timestamp,
) -> Result<Vec<String>, Failure> {
    let inner = inner_root(bundle).await?;
    let root = inner.as_ref().map_or_else(|| Ok(bundle.root.clone()), |inner| bundle.root.join(inner.as_str()))?;
    let mut written = Vec::new();
    for lines in found.lines.iter().filter(|lines| lines.index.size > SMALL) {
        let path = root.join(&lines.file)?;
        // A path that is too long for a record of its own goes without one.
        let Some((to, below)) = Reader::index_path(&bundle.root, &path).zip(path.below(&bundle.root)) else { continue };
        writer.put(&to, lines.index.to_json(below.as_str()).into(), PutMode::Overwrite).await?;
        written.push(to.to_string());
    }
    let failed = |why: serde_json::Error| Failure::new(Code::Internal, why.to_string(), "report this");
    let events = index::events_to_json(found, of).map_err(failed)?;
    let findings = index::to_json(found, of, at).map_err(failed)?;
    let manifest = manifest.to_json();
    for (name, content) in
        [(records::EVENTS_INDEX, events), (records::FINDINGS_INDEX, findings), (records::MANIFEST, manifest)]
    {
        let to = bundle.root.join(name)?;
        writer.put(&to, content.into(), PutMode::Overwrite).await?;
        written.push(to.to_string());
    }
    Ok(written)
}

/// Takes a bundle that was just stored into the baseline of a cluster. Last: a bundle that could not be stored is not learned from. Indexed
/// again, it counts once all the same.
pub(crate) async fn learn_told(
    context: &Context,
    records: &dyn StoreWriter,
    cluster: &str,
    found: &Scan,
) -> Result<String, Failure> {
    let mut told = found.clone();
    context.redact(&mut told);
    Ok(learn(records, cluster, &told).await?.1)
}
