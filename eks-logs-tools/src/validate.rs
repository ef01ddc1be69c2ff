use async_trait::async_trait;
use eks_logs_core::Layout;
use eks_logs_core::bundle::NodeKind;
use eks_logs_findings::{Catalogue, Coverage, EvidenceLimit, Gap, Scan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{BundleUsed, Call, Context, Selector};
use crate::failure::Failure;
use crate::human::size_human;
use crate::tool::{About, Effect, Needs, Request};

/// What a bundle holds and what it lacks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct ValidateRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
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
    /// Not there, and the collector always writes it.
    Absent,
    /// Not there, as is normal on some nodes.
    NormalToBeAbsent,
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
    pub why: &'static str,
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
    /// Every file was read to its end, and none that is always written is missing.
    pub complete: bool,
    pub file_count: u64,
    pub total_size: u64,
    pub total_size_human: String,
    pub missing_patterns: Vec<String>,
    pub found_patterns: Vec<String>,
    pub has_findings_index: bool,
    pub manifest_version: Option<u32>,
    pub sources: Vec<SourceReport>,
    pub manifest: Vec<ManifestFile>,
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
    let selected = context.select(&request.bundle).await?;
    let bundle = &selected.located;
    let Scan { bundle: info, coverage, files, gaps, .. } =
        context.scan_with(&Catalogue::empty(), bundle, EvidenceLimit::Few(1), call).await?;
    let used = context.used(&info, selected.of_instance);
    let report = |(path, on): &(String, NodeKind)| {
        let file = files.iter().find(|file| file.file == *path);
        let (presence, why) = match (file, on) {
            (Some(file), _) if !file.complete => (Presence::Truncated, "its end is missing"),
            (Some(file), _) if file.bytes == 0 => (Presence::Empty, "the tool behind it printed nothing or timed out"),
            (Some(_), _) => (Presence::Present, "as expected"),
            (None, NodeKind::All) => (
                Presence::Absent,
                "the collector writes it on every node; it timed out, was cut off, or is of another collector",
            ),
            (None, NodeKind::Al2) => (Presence::NormalToBeAbsent, "written on Amazon Linux 2 only"),
            (None, NodeKind::Al2023) => (Presence::NormalToBeAbsent, "written on Amazon Linux 2023 only"),
        };
        SourceReport { file: path.clone(), presence, why }
    };
    let sources: Vec<SourceReport> = Layout::builtin().expected().iter().map(report).collect();
    let named = |wanted: &[Presence]| -> Vec<String> {
        sources.iter().filter(|source| wanted.contains(&source.presence)).map(|source| source.file.clone()).collect()
    };
    let missing_patterns = named(&[Presence::Absent]);
    let full = |file: &str| if bundle.root.is_root() { file.to_owned() } else { format!("{}/{file}", bundle.root) };
    Ok(ValidateAnswer {
        success: true,
        used,
        complete: coverage.scan_complete && missing_patterns.is_empty(),
        file_count: info.files,
        total_size: info.bytes,
        total_size_human: size_human(info.bytes),
        found_patterns: named(&[Presence::Present, Presence::Empty, Presence::Truncated]),
        missing_patterns,
        has_findings_index: files.iter().any(|file| file.file == "findings_index.json"),
        manifest_version: None,
        sources,
        manifest: files
            .iter()
            .map(|file| ManifestFile {
                key: file.file.clone(),
                full_key: full(&file.file),
                size: file.bytes,
                size_human: size_human(file.bytes),
                source: file.source.name(),
            })
            .collect(),
        coverage,
        // Without rules nothing is judged, which is no gap of the bundle.
        gaps: gaps.into_iter().filter(|gap| !matches!(gap.kind, "not-analysed" | "unrecognised-errors")).collect(),
    })
}
