use async_trait::async_trait;
use eks_logs_core::bundle::{
    self, Collector, Expected, Manifest, Mismatch as Differs, NodeFacts, Os, Presence as Is, There, inner_root, records,
};
use eks_logs_core::collection::record;
use eks_logs_core::{Located, StoreExt as _, StorePath};
use eks_logs_findings::{Catalogue, Coverage, EvidenceLimit, FileReport, Gap, Scan};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::context::{BundleUsed, Call, Context, Selector};
use crate::failure::{Code, Failure};
use crate::file::full_key;
use crate::human::size_human;
use crate::page;
use crate::tool::{About, Effect, Needs, Request};
use crate::whole;

/// Files on a page, if that is not said, and at the most.
const PAGE: u64 = 500;
const LARGEST_PAGE: u64 = 2000;

/// What a bundle holds and what it lacks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct ValidateRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
    /// Files of the manifest on a page (default 500, at most 2000).
    #[serde(default, rename = "pageSize", deserialize_with = "whole::optional")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 2000))]
    pub page_size: Option<u64>,
    /// Where the last page of the manifest ended.
    #[serde(default, rename = "pageToken")]
    pub page_token: Option<String>,
}

/// Whether an expected file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// There, with content.
    Present,
    /// There, without a byte.
    Empty,
    /// There, and its end is missing.
    Truncated,
    /// Not there, and on this node it should be.
    Absent,
    /// Not there, as is normal on this node.
    NormalToBeAbsent,
}

/// What kind of node the bundle is of, by its own files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    /// al2, al2023, ubuntu, bottlerocket, windows or unknown.
    pub os: &'static str,
    /// Who made the bundle: script (eks-log-collector.sh), agent (the node monitoring agent), logdog (Bottlerocket), windows.
    pub collector: &'static str,
    /// An NVIDIA driver is installed.
    pub gpu: bool,
    /// It is no EC2 instance.
    pub hybrid: bool,
    /// EKS Auto Mode runs it.
    pub auto_mode: bool,
}

/// Where the bundle differs from its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mismatch {
    /// missing, unlisted, size or checksum.
    pub kind: &'static str,
    /// The file.
    pub file: String,
    /// What the manifest says and what is there.
    pub detail: String,
}

/// One expected file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    /// The file.
    pub file: String,
    /// Whether it is there.
    pub presence: Presence,
    /// What that means.
    pub why: String,
    /// It speaks against the collection or the node.
    pub suspicious: bool,
}

/// One file of the bundle.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestFile {
    /// Relative to the bundle's root.
    pub key: String,
    /// Relative to the store.
    pub full_key: String,
    /// Bytes, after decompression.
    pub size: u64,
    /// The same for people.
    pub size_human: String,
    /// Whose lines it holds.
    pub source: &'static str,
}

/// What a bundle holds and lacks.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ValidateAnswer {
    pub success: bool,
    /// Which bundle was read.
    #[serde(flatten)]
    pub used: BundleUsed,
    /// Every file was read to its end, none that belongs there on such a node is missing, and all are as the manifest says.
    pub complete: bool,
    /// What kind of node it is, which decides what belongs there.
    pub node: NodeReport,
    pub file_count: u64,
    pub total_size: u64,
    pub total_size_human: String,
    pub missing_patterns: Vec<String>,
    pub found_patterns: Vec<String>,
    pub has_findings_index: bool,
    /// The version of the stored manifest; `null` where there is none.
    pub manifest_version: Option<u32>,
    /// Bytes of the archive that was extracted, by the manifest.
    pub archive_size: Option<u64>,
    /// Where the bundle differs from its manifest.
    pub mismatches: Vec<Mismatch>,
    /// Files that a former archive of the same name has left beside; nothing reads them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stale_files: Vec<String>,
    /// Why a newer archive of the same name could not be ingested: what is told here is of the former.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest_failure: Option<String>,
    /// What belongs in the bundle of some node: there, or not, and what that means.
    pub sources: Vec<SourceReport>,
    /// The files, by path: a page of them.
    pub manifest: Vec<ManifestFile>,
    pub has_more: bool,
    pub next_page_token: Option<String>,
    /// What is wrong with the bundle, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    pub coverage: Coverage,
    pub gaps: Vec<Gap>,
}

#[async_trait]
impl Request for ValidateRequest {
    type Answer = ValidateAnswer;
    const ABOUT: About = About {
        name: "validate",
        title: "What a bundle holds and lacks",
        description: "Whether a node's log bundle is whole: every file with its size, what is missing, empty or cut off, and what that leaves \
                      unknown. Use it when a collection may have failed or a finding rests on a file that may be absent.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<ValidateAnswer, Failure> {
        validate(self, context, call).await
    }
}

/// Reads every byte of a bundle, judges none, and says what is there.
async fn validate(request: &ValidateRequest, context: &Context, call: Call<'_>) -> Result<ValidateAnswer, Failure> {
    let page_size = request.page_size.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&page_size) {
        let error = format!("pageSize {page_size} is out of range");
        return Err(Failure::new(Code::BadArgument, error, "give a page size from 1 to 2000"));
    }
    let selected = context.select(&request.bundle).await?;
    let bundle = &selected.located;
    let Scan { bundle: info, coverage, files, gaps, .. } =
        context.scan_with(&Catalogue::empty(), bundle, EvidenceLimit::Few(1), call).await?;
    let bound_to = bound_to(info.id.as_deref(), &files);
    let offset = page::read(request.page_token.as_deref(), bound_to)?;
    let used = context.used(&info, selected.of_instance);
    let names: Vec<&str> = files.iter().map(|file| file.file.as_str()).collect();
    let node = NodeFacts::detect(bundle, inner_root(bundle).await?.as_ref(), &names).await?;
    let there = |name: &str| {
        let file = files.iter().find(|file| file.file == name)?;
        Some(There { bytes: file.bytes, complete: file.complete })
    };
    let expected = bundle::expectations(&node, there);
    let named = |wanted: &[Is]| -> Vec<String> {
        expected.iter().filter(|one| wanted.contains(&one.presence)).map(|one| one.file.clone()).collect()
    };
    let missing_patterns = named(&[Is::Absent]);
    let found_patterns = named(&[Is::Present, Is::Empty, Is::Truncated]);
    let stored = Manifest::load(bundle).await?;
    let mismatches = match &stored {
        Some(manifest) => differences(bundle, manifest).await?,
        None => Vec::new(),
    };
    let has_findings_index =
        !bundle.store.is_sequential() && bundle.store.stat(&bundle.root.join(records::FINDINGS_INDEX)?).await.is_ok();
    let next = (offset + page_size as usize).min(files.len());
    let has_more = next < files.len();
    let complete = coverage.scan_complete && missing_patterns.is_empty() && mismatches.is_empty();
    let ingest_failure = match &stored {
        Some(manifest) => newer_failed(bundle, manifest).await?,
        None => None,
    };
    Ok(ValidateAnswer {
        success: true,
        used,
        complete,
        node: node_report(&node),
        file_count: info.files,
        total_size: info.bytes,
        total_size_human: size_human(info.bytes),
        warning: warning(&coverage, &missing_patterns, &mismatches, ingest_failure.as_deref()),
        found_patterns,
        missing_patterns,
        has_findings_index,
        manifest_version: stored.as_ref().map(|manifest| manifest.version),
        archive_size: stored.as_ref().and_then(|manifest| manifest.archive_size),
        mismatches,
        stale_files: stored.map(|manifest| manifest.stale).unwrap_or_default(),
        ingest_failure,
        sources: expected.into_iter().map(source_report).collect(),
        manifest: files
            .iter()
            .take(next)
            .skip(offset)
            .map(|file| ManifestFile {
                full_key: full_key(bundle, &file.file),
                key: file.file.clone(),
                size: file.bytes,
                size_human: size_human(file.bytes),
                source: file.source.name(),
            })
            .collect(),
        has_more,
        next_page_token: has_more.then(|| page::write(next, bound_to)),
        coverage,
        // Without rules nothing is judged, which is no gap of the bundle; what is missing stands in the sources.
        gaps: gaps
            .into_iter()
            .filter(|gap| !matches!(gap.kind, "not-analysed" | "unrecognised-errors" | "missing"))
            .collect(),
    })
}

/// What a token of the manifest's pages belongs to.
fn bound_to(bundle: Option<&str>, files: &[FileReport]) -> u64 {
    let mut text = format!("{bundle:?}");
    for file in files {
        text.push_str(&format!("{} {}\n", file.file, file.bytes));
    }
    xxh3_64(text.as_bytes())
}

/// Holds the stored files against their manifest: sizes, and sums where it has them.
async fn differences(bundle: &Located, manifest: &Manifest) -> Result<Vec<Mismatch>, Failure> {
    let differs = if manifest.has_sums() {
        let there = Manifest::build(bundle, Timestamp::UNIX_EPOCH).await?;
        manifest.compare(there.files.iter().map(|file| (file.key.as_str(), file.size, file.sha256.as_deref())))
    } else {
        let objects = bundle.store.list_all(&bundle.root).await?;
        let there: Vec<(String, u64)> = objects
            .iter()
            .filter_map(|object| Some((object.path.below(&bundle.root)?, object.size)))
            .filter(|(path, _)| !records::is_record(path))
            .map(|(path, size)| (path.to_string(), size))
            .collect();
        manifest.compare(there.iter().map(|(name, size)| (name.as_str(), *size, None)))
    };
    let told = |differs| match differs {
        Differs::Missing { file } => ("missing", file, "the manifest has it, the bundle does not".to_owned()),
        Differs::Unlisted { file } => ("unlisted", file, "the bundle has it, the manifest does not".to_owned()),
        Differs::Size { file, expected, found } => {
            ("size", file, format!("{found} bytes, and the manifest says {expected}"))
        }
        Differs::Checksum { file, expected, found } => {
            ("checksum", file, format!("SHA-256 {found}, and the manifest says {expected}"))
        }
    };
    Ok(differs.into_iter().map(told).map(|(kind, file, detail)| Mismatch { kind, file, detail }).collect())
}

/// Why the archive that now has the bundle's name was not ingested.
async fn newer_failed(bundle: &Located, manifest: &Manifest) -> Result<Option<String>, Failure> {
    let Some(archive) = manifest.archive_key.as_deref().and_then(|key| StorePath::parse(key).ok()) else {
        return Ok(None);
    };
    let said = record::failure_of(bundle.store.as_ref(), &archive).await?;
    let newer = said.filter(|said| said.archive_version != manifest.archive_version);
    Ok(newer.map(|said| format!("{archive}, failed at {}: {}", said.failed_at, said.error)))
}

fn warning(
    coverage: &Coverage,
    missing: &[String],
    mismatches: &[Mismatch],
    ingest_failure: Option<&str>,
) -> Option<String> {
    let mut wrong = Vec::new();
    if let Some(said) = ingest_failure {
        wrong.push(format!("this is the former bundle, the newer could not be ingested: {said}"));
    }
    if !coverage.scan_complete {
        wrong.push(format!("{} files could not be read, or not to their end", coverage.skipped.len()));
    }
    if !missing.is_empty() {
        wrong.push(format!("missing on such a node: {}", missing.join(", ")));
    }
    if !mismatches.is_empty() {
        wrong.push(format!("{} files differ from the manifest", mismatches.len()));
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

fn source_report(expected: Expected) -> SourceReport {
    let presence = match expected.presence {
        Is::Present => Presence::Present,
        Is::Empty => Presence::Empty,
        Is::Truncated => Presence::Truncated,
        Is::Absent => Presence::Absent,
        Is::NormalToBeAbsent => Presence::NormalToBeAbsent,
    };
    SourceReport { file: expected.file, presence, why: expected.why, suspicious: expected.suspicious }
}

fn node_report(node: &NodeFacts) -> NodeReport {
    NodeReport {
        os: match node.os {
            Os::Al2 => "al2",
            Os::Al2023 => "al2023",
            Os::Ubuntu => "ubuntu",
            Os::Bottlerocket => "bottlerocket",
            Os::Windows => "windows",
            Os::Unknown => "unknown",
        },
        collector: match node.collector {
            Collector::Script => "script",
            Collector::Agent => "agent",
            Collector::Logdog => "logdog",
            Collector::Windows => "windows",
        },
        gpu: node.gpu,
        hybrid: node.hybrid,
        auto_mode: node.auto_mode,
    }
}
