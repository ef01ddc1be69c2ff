//! From an archive in a store to a bundle that can be read, in one pass over the archive: members are written while they are scanned.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use eks_logs_core::archive::walk_incoming;
use eks_logs_core::bundle::{LeftOut, Manifest, ManifestEntry, records};
use eks_logs_core::store::{ByteStream, Children, ObjectStream};
use eks_logs_core::{
    ArchiveStore, ByteRange, CollectionName, Error, FileEnd, FileSink, Flow, Layout, Limits, Located, Object, Refusal,
    RefusalReason, Store, StorePath, StoreWriter, Upload, Version,
};
use eks_logs_findings::index::{self, Of, STORED_EVIDENCE, Stored};
use eks_logs_findings::{EvidenceLimit, Scan, ScanOptions, scan};
use futures_lite::{future, stream};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::context::{Call, Context};
use crate::failure::{Code, Failure};
use crate::index::{learned, write_records};

/// Members whose last bytes are on their way, while the next ones are read.
const FINISHING: usize = 6;
/// How often the index is written anew because another writer has replaced members meanwhile.
const ROUNDS: usize = 3;
/// Bytes handed over at a time of a member that is not scanned.
const SPACE: usize = 256 << 10;

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

/// Extracts an archive beside itself (`<name>/extracted/`), with manifest, line indexes and, last, the findings index.
///
/// The archive is read once. It may be run twice, or by two at the same time: both write the same. Whoever finds the index finds
/// everything; a run that dies leaves files and no index, and the next one completes them.
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
    let stem = [".tar.gz", ".tgz", ".tar", ".zip"].iter().find_map(|ending| archive.as_str().strip_suffix(ending));
    let Some(stem) = stem.filter(|_| ArchiveStore::is_archive_name(archive.name())) else {
        return Err(Failure::new(
            Code::BadArgument,
            format!("{archive} has not the name of an archive"),
            "name an object that ends in .tar.gz, .tgz, .tar or .zip",
        ));
    };
    let root = StorePath::parse(stem)?.join("extracted")?;
    let object = writer.head(archive).await?;
    let store: Arc<dyn Store> = Arc::clone(&writer) as Arc<dyn Store>;
    let locator = format!("{}/{root}", store.locator());
    let name = CollectionName::parse(archive.name());
    let bundle = Located { store, root: root.clone(), locator: locator.clone(), name: name.clone() };
    if let Some(answer) = already(&bundle, archive, &object, context).await? {
        return Ok(answer);
    }

    let arriving = Arc::new(Arriving {
        writer: Arc::clone(&writer),
        archive: object.clone(),
        root: root.clone(),
        stored: Mutex::default(),
    });
    let options = ScanOptions::default()
        .with_threads(context.threads)
        .with_evidence(EvidenceLimit::Few(STORED_EVIDENCE))
        .with_line_index(true);
    let source = Located { store: Arc::clone(&arriving) as Arc<dyn Store>, root: StorePath::root(), locator, name };
    // Stored as it is: what leaves the tools is redacted when it is read.
    let mut found = scan(&source, &context.catalogue, options, call.progress).await?;
    let (entries, skipped, versions) = arriving.take();
    stamp(&mut found, &versions);
    let mut manifest = Manifest::of(entries, skipped, at);
    manifest.archive_key = Some(archive.to_string());
    manifest.archive_size = Some(object.size);
    manifest.archive_version = object.version.as_ref().map(|version| version.0.clone());

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
    let learned = learned(context, &found).await?;
    Ok(IngestAnswer { learned, ..answer(&bundle, archive, &manifest, found.findings.len(), false) })
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
async fn already(
    bundle: &Located,
    archive: &StorePath,
    object: &Object,
    context: &Context,
) -> Result<Option<IngestAnswer>, Failure> {
    // A manifest that cannot be read is written anew.
    let Ok(Some(manifest)) = Manifest::load(bundle).await else { return Ok(None) };
    let version = object.version.as_ref().map(|version| version.0.as_str());
    if version.is_none() || manifest.archive_version.as_deref() != version {
        return Ok(None);
    }
    Ok(match index::load(bundle, &context.catalogue).await? {
        Stored::Fresh(found) => Some(answer(bundle, archive, &manifest, found.findings.len(), true)),
        _ => None,
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

type StoredMembers = (Vec<ManifestEntry>, Vec<LeftOut>, BTreeMap<String, Version>);

/// An archive in a store, as a store that can be walked once: what it hands over, it also writes.
#[derive(Debug)]
struct Arriving {
    writer: Arc<dyn StoreWriter>,
    archive: Object,
    root: StorePath,
    stored: Mutex<StoredMembers>,
}

impl Arriving {
    fn take(&self) -> StoredMembers {
        std::mem::take(&mut *self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn not_here(&self, path: &StorePath) -> Error {
        Error::NotFound { path: format!("{}/{path}", self.locator()) }
    }
}

#[async_trait]
impl Store for Arriving {
    fn locator(&self) -> String {
        format!("{}/{}", self.writer.locator(), self.archive.path)
    }

    fn list<'a>(&'a self, _: &'a StorePath) -> ObjectStream<'a> {
        Box::pin(stream::empty())
    }

    async fn children(&self, _: &StorePath) -> Result<Children, Error> {
        Ok(Children::default())
    }

    async fn head(&self, path: &StorePath) -> Result<Object, Error> {
        Err(self.not_here(path))
    }

    async fn get(&self, path: &StorePath, _: ByteRange) -> Result<Bytes, Error> {
        Err(self.not_here(path))
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, _: ByteRange) -> Result<ByteStream<'a>, Error> {
        Err(self.not_here(path))
    }

    fn is_sequential(&self) -> bool {
        true
    }

    async fn walk(&self, _: &StorePath, sink: &mut dyn FileSink) -> Result<(), Error> {
        let bytes = self.writer.stream(&self.archive.path, ByteRange::WHOLE).await?;
        let mut writing = Writing {
            inner: sink,
            writer: self.writer.as_ref(),
            root: &self.root,
            member: None,
            own: vec![0; SPACE],
            finishing: FuturesUnordered::new(),
            stored: StoredMembers::default(),
        };
        walk_incoming(bytes, self.archive.size, &self.locator(), Limits::default(), &mut writing).await?;
        while writing.finished().await? {}
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = writing.stored;
        Ok(())
    }
}

/// A member that is being written.
struct Member<'a> {
    path: StorePath,
    upload: Box<dyn Upload + 'a>,
    sum: Sha256,
    size: u64,
    /// The scan wants its bytes.
    scanned: bool,
}

/// Writes what passes through.
struct Writing<'a> {
    inner: &'a mut dyn FileSink,
    writer: &'a dyn StoreWriter,
    root: &'a StorePath,
    member: Option<Member<'a>>,
    own: Vec<u8>,
    finishing: FuturesUnordered<BoxFuture<'a, Result<(ManifestEntry, Version), Error>>>,
    stored: StoredMembers,
}

impl Writing<'_> {
    /// Waits for a member that is being finished; `false` if none is.
    async fn finished(&mut self) -> Result<bool, Error> {
        let Some(done) = self.finishing.next().await else { return Ok(false) };
        self.note(done?);
        Ok(true)
    }

    fn note(&mut self, (entry, version): (ManifestEntry, Version)) {
        self.stored.2.insert(entry.key.clone(), version);
        self.stored.0.push(entry);
    }

    fn leave_out(&mut self, name: String, reason: RefusalReason, detail: &str) {
        self.stored.1.push(LeftOut { name: name.clone(), reason: detail.to_owned() });
        self.inner.refused(Refusal { name, reason, detail: detail.to_owned() });
    }
}

#[async_trait]
impl FileSink for Writing<'_> {
    async fn begin(&mut self, file: &Object) -> Result<Flow, Error> {
        self.member = None;
        if records::is_record(&file.path) {
            self.leave_out(
                file.path.to_string(),
                RefusalReason::UnsafeName,
                "it has the name of a record that is written beside the files",
            );
            return Ok(Flow::Skip);
        }
        let Ok(to) = self.root.join(file.path.as_str()) else {
            self.leave_out(file.path.to_string(), RefusalReason::UnsafeName, "its name is too long to be stored");
            return Ok(Flow::Skip);
        };
        let upload = self.writer.upload(&to).await?;
        let scanned = self.inner.begin(file).await? == Flow::Read;
        self.member = Some(Member { path: file.path.clone(), upload, sum: Sha256::new(), size: 0, scanned });
        Ok(Flow::Read)
    }

    fn space(&mut self) -> &mut [u8] {
        match &self.member {
            Some(member) if member.scanned => self.inner.space(),
            _ => &mut self.own,
        }
    }

    async fn filled(&mut self, count: usize) -> Result<Flow, Error> {
        let piece = Bytes::copy_from_slice(&self.space()[..count]);
        let Some(member) = &mut self.member else { return Ok(Flow::Skip) };
        member.sum.update(&piece);
        member.size += count as u64;
        member.upload.write(piece).await?;
        if member.scanned && self.inner.filled(count).await? == Flow::Skip {
            member.scanned = false;
        }
        while let Some(Some(done)) = future::poll_once(self.finishing.next()).await {
            self.note(done?);
        }
        Ok(Flow::Read)
    }

    async fn end(&mut self, end: FileEnd) -> Result<(), Error> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let class = Layout::builtin().classify(&member.path);
        let entry = ManifestEntry {
            key: member.path.to_string(),
            full_key: self.root.join(member.path.as_str())?.to_string(),
            size: member.size,
            content_type: None,
            sha256: Some(hex(&member.sum.finalize())),
            source: Some(class.source.name().to_owned()),
            truncated: match &end {
                FileEnd::Whole => None,
                FileEnd::Cut(reason) => Some(reason.clone()),
            },
        };
        let upload = member.upload;
        self.finishing.push(Box::pin(async move { Ok((entry, upload.finish().await?)) }));
        self.inner.end(end).await?;
        while self.finishing.len() >= FINISHING {
            self.finished().await?;
        }
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) {
        self.stored.1.push(LeftOut { name: refusal.name.clone(), reason: refusal.detail.clone() });
        self.inner.refused(refusal);
    }

    fn cut(&mut self, reason: String) {
        self.stored.1.push(LeftOut { name: "the rest of the archive".to_owned(), reason: reason.clone() });
        self.inner.cut(reason);
    }

    fn progress(&mut self, done: u64, total: u64) {
        self.inner.progress(done, total);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
