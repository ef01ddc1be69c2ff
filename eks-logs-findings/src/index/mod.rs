//! The findings index: what a scan found, stored beside the bundle (`findings_index.json`, version v3), so that it need not be scanned
//! again.
//!
//! An index speaks for one set of rules, one version of the program and one state of the files; of any other it is stale, and the bundle
//! is scanned. Versions v1 and v2 are the sample server's: its findings have no evidence that could be cited, so such a bundle is
//! scanned too.
//!
//! Beside it lies `events_index.json`: the same findings with up to [`STORED_EVENTS`] lines each, for what needs more than a few.

pub(crate) mod names;

use eks_logs_core::bundle::records;
use eks_logs_core::{Error, Located, StoreExt as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::finding::{Finding, Scan};
use crate::rule::Catalogue;
use crate::scan::EvidenceLimit;
use crate::severity::Severity;

/// The version that is written and read.
const VERSION: &str = "v3";
/// Lines that each finding quotes in a stored index: as many as tools quote if nothing else is asked for.
pub const STORED_EVIDENCE: usize = 5;
/// Lines that each finding quotes in the index of events.
pub const STORED_EVENTS: usize = 500;
/// A larger file is no index: evidence is bounded.
const LARGEST: u64 = 512 << 20;

/// How many findings of each severity there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Summary {
    critical: u64,
    high: u64,
    medium: u64,
    low: u64,
    info: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(rename = "index_version")]
    index_version: &'static str,
    indexed_at: Timestamp,
    #[serde(flatten)]
    of: &'a Of,
    summary: Summary,
    scan: &'a Scan,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    indexed_at: Timestamp,
    #[serde(flatten)]
    of: Of,
    scan: Scan,
}

/// The index of events, as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEvents<'a> {
    #[serde(rename = "index_version")]
    index_version: &'static str,
    #[serde(flatten)]
    of: &'a Of,
    events: &'a [Finding],
}

#[derive(Deserialize)]
struct ReadEvents {
    index_version: String,
    #[serde(flatten)]
    of: Of,
    events: Vec<Finding>,
}

/// What is enough to tell a version, whoever wrote it.
#[derive(Deserialize)]
struct Head {
    index_version: Option<String>,
}

/// What an index speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Of {
    /// The version of this program.
    pub program: String,
    /// The rules.
    pub rules: String,
    /// Paths, sizes and, where the store knows them, versions of the files.
    pub files: String,
}

impl Of {
    /// These rules, and the files as they are stored now.
    ///
    /// # Errors
    /// If the files cannot be listed.
    pub async fn now(bundle: &Located, catalogue: &Catalogue) -> Result<Self, Error> {
        let mut hasher = Xxh3::new();
        for object in bundle.store.list_all(&bundle.root).await? {
            let Some(below) = object.path.below(&bundle.root) else { continue };
            if records::is_record(&below) {
                continue;
            }
            let version = object.version.as_ref().map_or("", |version| version.0.as_str());
            hasher.update(format!("{below}\n{}\n{version}\n", object.size).as_bytes());
        }
        Ok(Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            rules: catalogue.digest(),
            files: format!("{:032x}", hasher.digest128()),
        })
    }
}

/// A stored index, and whether it can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// None is there.
    Absent,
    /// It is of other rules, of another program or of other files; the text says which.
    Stale(String),
    /// It is the sample server's: v1 or v2.
    Legacy(String),
    /// It speaks for the bundle as it is.
    Fresh(Box<Scan>),
}

/// A scan as it is stored, with [`STORED_EVIDENCE`] lines for each finding.
pub fn to_json(scan: &Scan, of: &Of, indexed_at: Timestamp) -> Result<Vec<u8>, serde_json::Error> {
    let mut summary = Summary::default();
    for finding in &scan.findings {
        *match finding.severity {
            Severity::Critical => &mut summary.critical,
            Severity::High => &mut summary.high,
            Severity::Medium => &mut summary.medium,
            Severity::Low => &mut summary.low,
            Severity::Info => &mut summary.info,
        } += 1;
    }
    serde_json::to_vec(&Written { index_version: VERSION, indexed_at, of, summary, scan })
}

/// The [`Scan::events`] of a scan as they are stored.
pub fn events_to_json(scan: &Scan, of: &Of) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&WrittenEvents { index_version: VERSION, of, events: &scan.events })
}

/// Gives a stored scan the lines of its index of events; false if that is not one of the same findings.
pub fn take_events(scan: &mut Scan, json: &[u8], now: &Of) -> bool {
    let Ok(ReadEvents { index_version, of, events }) = serde_json::from_slice(json) else { return false };
    let same = |(a, b): (&Finding, &Finding)| a.fingerprint == b.fingerprint && a.count == b.count;
    let fits = index_version == VERSION && of == *now && events.len() == scan.findings.len();
    let fits = fits && scan.findings.iter().zip(&events).all(same);
    if fits {
        scan.findings = events;
    }
    fits
}

/// Reads a stored index, if it speaks for what is `now`.
pub fn from_json(json: &[u8], now: &Of) -> Stored {
    match serde_json::from_slice::<Head>(json) {
        Err(why) => return Stored::Stale(format!("it is no findings index: {why}")),
        Ok(Head { index_version: None }) => return Stored::Legacy("v1".to_owned()),
        Ok(Head { index_version: Some(version) }) if version == "v1" || version == "v2" => {
            return Stored::Legacy(version);
        }
        Ok(Head { index_version: Some(version) }) if version != VERSION => {
            return Stored::Stale(format!("its version is {version}, and this program reads {VERSION}"));
        }
        Ok(_) => {}
    }
    let Read { indexed_at, of, mut scan } = match serde_json::from_slice(json) {
        Ok(read) => read,
        Err(why) => return Stored::Stale(format!("it is damaged or of another build: {why}")),
    };
    for (what, stored, now) in [
        ("another version of the program", &of.program, &now.program),
        ("other rules", &of.rules, &now.rules),
        ("other files", &of.files, &now.files),
    ] {
        if stored != now {
            return Stored::Stale(format!("it is of {what}"));
        }
    }
    scan.indexed_at = Some(indexed_at);
    Stored::Fresh(Box::new(scan))
}

/// The index that is stored with a bundle. In an archive nothing is stored.
///
/// # Errors
/// If it is there and cannot be read, or the files cannot be listed.
pub async fn load(bundle: &Located, catalogue: &Catalogue) -> Result<Stored, Error> {
    let Some(json) = record(bundle, records::FINDINGS_INDEX).await? else { return Ok(Stored::Absent) };
    Ok(read(bundle, &json, &Of::now(bundle, catalogue).await?))
}

/// What is stored with a bundle, if it speaks for the bundle as it is and quotes as many lines as are asked for.
///
/// # Errors
/// As [`load`].
pub async fn load_with(bundle: &Located, catalogue: &Catalogue, limit: EvidenceLimit) -> Result<Option<Scan>, Error> {
    let Some(json) = record(bundle, records::FINDINGS_INDEX).await? else { return Ok(None) };
    let now = Of::now(bundle, catalogue).await?;
    let Stored::Fresh(mut scan) = read(bundle, &json, &now) else { return Ok(None) };
    if has_evidence(&scan, limit) {
        return Ok(Some(*scan));
    }
    let fits = match record(bundle, records::EVENTS_INDEX).await? {
        Some(json) => take_events(&mut scan, &json, &now),
        None => false,
    };
    let enough = limit == EvidenceLimit::Few(STORED_EVENTS) || is_whole(&scan);
    Ok((fits && enough).then_some(*scan))
}

fn read(bundle: &Located, json: &[u8], now: &Of) -> Stored {
    match from_json(json, now) {
        Stored::Fresh(mut scan) => {
            // Where it is read from may be another place than where it was made.
            scan.bundle.locator = bundle.locator.clone();
            Stored::Fresh(scan)
        }
        other => other,
    }
}

/// A record beside the files of a bundle; `None` if none is there. One that is larger than ours ever are is empty to us.
async fn record(bundle: &Located, name: &str) -> Result<Option<Vec<u8>>, Error> {
    if bundle.store.is_sequential() {
        return Ok(None);
    }
    let path = bundle.root.join(name)?;
    match bundle.store.stat(&path).await {
        Ok(object) if object.size > LARGEST => Ok(Some(Vec::new())),
        Ok(_) => Ok(Some(bundle.store.get_all(&path).await?.into())),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(why) => Err(why),
    }
}

/// Whether a stored scan has the evidence that is asked for. Which lines are quoted depends on how many are: another number needs more
/// than it has, unless all were stored.
pub fn has_evidence(scan: &Scan, limit: EvidenceLimit) -> bool {
    match limit {
        EvidenceLimit::Few(STORED_EVIDENCE) => true,
        EvidenceLimit::Few(count) if count < STORED_EVIDENCE => false,
        EvidenceLimit::Few(_) | EvidenceLimit::All => is_whole(scan),
    }
}

/// Whether it quotes every line.
fn is_whole(scan: &Scan) -> bool {
    scan.findings.iter().all(|finding| finding.evidence_omitted == 0)
}
