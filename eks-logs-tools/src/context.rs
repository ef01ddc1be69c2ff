//! What tools work with: where bundles are, the rules, how much of a machine may be used.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use eks_logs_core::bundle::{self, Candidate, Ingested, ingested};
use eks_logs_core::collection::record;
use eks_logs_core::{
    Clock, CollectionName, Collector, Error, InstanceId, Inventory, LocalStore, Located, Store, StorePath, StoreWriter,
    Timer,
};
use eks_logs_findings::index::{self, STORED_EVENTS, STORED_EVIDENCE};
use eks_logs_findings::{BundleInfo, Catalogue, EvidenceLimit, Progress, Scan, ScanOptions, Stop, scan_until};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::{Code, Failure};
use crate::redact;
use crate::scans::{Key, Place, Scans};

/// What all calls of one adapter share.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// Where bundles are.
    pub bundles: Bundles,
    /// The rules.
    pub catalogue: Catalogue,
    /// Threads that scan, besides the one that reads.
    pub threads: usize,
    /// Secrets in quoted text are redacted.
    pub redact: bool,
    /// Where our own records are kept, and collections arrive: the bucket. Without it, beside the bundles of a directory, and nowhere for
    /// the rest.
    pub records: Option<Arc<dyn StoreWriter>>,
    /// The cluster whose baseline learns from bundles as they are indexed; none does without it.
    pub learns: Option<String>,
    /// Tells how old a bundle is; without it, answers do not say, and the same bundle gives the same bytes.
    pub clock: Option<Arc<dyn Clock>>,
    /// Starts and follows collections.
    pub collector: Option<Arc<dyn Collector>>,
    /// Knows clusters, nodes and regions.
    pub inventory: Option<Arc<dyn Inventory>>,
    /// Waits, for tools that work on an AWS account.
    pub timer: Option<Arc<dyn Timer>>,
    /// Keeps scans between calls, for an adapter that lives longer than one. Calls that wait for one block their thread.
    pub scans: Option<Arc<Scans>>,
}

/// What an adapter has of an account, for [`Context::work_on`].
#[derive(Clone, Debug)]
pub struct AccountPorts {
    /// Where bundles and our own records are, and collections arrive.
    pub bucket: Arc<dyn StoreWriter>,
    /// Starts and follows collections.
    pub collector: Arc<dyn Collector>,
    /// Knows clusters, nodes and regions; absent in builds that only follow collections.
    pub inventory: Option<Arc<dyn Inventory>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Waits.
    pub timer: Arc<dyn Timer>,
}

/// What one call brings besides its arguments.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Call<'a> {
    /// Hears how far long work is.
    pub progress: Option<Progress<'a>>,
    /// Asked now and then: true ends the work, because nobody waits for it any more or its time is over.
    pub stop: Option<Stop<'a>>,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
    /// A call whose progress is heard.
    pub fn heard_by(progress: Progress<'a>) -> Self {
        Self { progress: Some(progress), stop: None }
    }

    /// A call that ends when `stop` says so.
    #[must_use]
    pub fn stopped_by(mut self, stop: Stop<'a>) -> Self {
        self.stop = Some(stop);
        self
    }
}

/// Where bundles are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Bundles {
    /// One bundle: arguments need not name it.
    One(Located),
    /// A directory with many, as archives or extracted.
    Directory(PathBuf),
    /// A store with many that are extracted (`eks_<instance>_<collection>/extracted/`).
    Store(Arc<dyn Store>),
}

/// Which bundle a tool reads. Part of the arguments of every tool that reads one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// The node: i- and 8 or 17 hex digits, or mi- and 17 for a hybrid node. Its newest bundle is read.
    #[serde(default)]
    #[schemars(required, with = "String", regex(pattern = r"^(i-([0-9a-f]{8}|[0-9a-f]{17})|mi-[0-9a-f]{17})$"))]
    pub instance_id: Option<String>,
    /// An older bundle of the node, by the bundleId that an answer gave.
    #[serde(default)]
    pub bundle_id: Option<String>,
    /// An older bundle of the node, by the execution that collected it.
    #[serde(default)]
    pub execution_id: Option<String>,
}

/// The bundle that an answer speaks of. Part of every such answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleUsed {
    /// Instance and collection.
    pub bundle_id: Option<String>,
    /// The node.
    pub instance_id: Option<String>,
    /// When it was collected, UTC.
    pub collected_at: Option<Timestamp>,
    /// How long ago that is, where the adapter has a clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_age_seconds: Option<i64>,
    /// How many bundles of the node there are.
    pub bundles_of_instance: usize,
}

/// A bundle that was selected.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Where it is.
    pub located: Located,
    /// How many bundles of the node there are.
    pub of_instance: usize,
}

impl Context {
    /// These bundles, the built-in rules, all processors, redaction on.
    pub fn new(bundles: Bundles) -> Self {
        let ScanOptions { threads, .. } = ScanOptions::default();
        Self {
            bundles,
            catalogue: Catalogue::builtin().clone(),
            threads,
            redact: true,
            records: None,
            learns: None,
            clock: None,
            collector: None,
            inventory: None,
            timer: None,
            scans: None,
        }
    }

    /// Makes the tools work on an account: bundles are those of its bucket, and records are kept there.
    pub fn work_on(&mut self, account: AccountPorts) {
        self.bundles = Bundles::Store(Arc::clone(&account.bucket) as Arc<dyn Store>);
        self.records = Some(account.bucket);
        self.collector = Some(account.collector);
        self.inventory = account.inventory;
        self.clock = Some(account.clock);
        self.timer = Some(account.timer);
    }

    /// The bundle that the arguments mean.
    ///
    /// # Errors
    /// `bad_argument` if they name none where there are many, or in a wrong form; `not_found` with what there is.
    pub async fn select(&self, wanted: &Selector) -> Result<Selected, Failure> {
        let instance = wanted.instance_id.as_deref().map(InstanceId::parse).transpose()?;
        match &self.bundles {
            Bundles::One(located) => {
                let chosen = one(located, wanted)?;
                readable(chosen.located, None, chosen.of_instance).await
            }
            Bundles::Directory(path) => {
                let store = LocalStore::open(path)?;
                let (candidate, of_instance) = pick(&store, instance.as_ref(), wanted).await?;
                let full = path.join(candidate.path.as_str());
                readable(bundle::open(&full).await?, None, of_instance).await
            }
            Bundles::Store(store) => {
                let (candidate, of_instance) = pick(store.as_ref(), instance.as_ref(), wanted).await?;
                if candidate.archive {
                    return Err(not_yet(store.as_ref(), &candidate.path, "uploaded, and not extracted yet").await?);
                }
                let locator = format!("{}/{}", store.locator(), candidate.path);
                let located = Located { store: Arc::clone(store), root: candidate.path, locator, name: candidate.name };
                readable(located, candidate.beside.as_ref(), of_instance).await
            }
        }
    }

    /// Scans a bundle, or takes the stored index where it speaks for the bundle; what is quoted has its secrets redacted.
    ///
    /// # Errors
    /// A [`Failure`] if nothing of the bundle can be read.
    pub async fn scan(&self, bundle: &Located, evidence: EvidenceLimit, call: Call<'_>) -> Result<Scan, Failure> {
        // An index holds so many lines of each finding or so many: of what it is asked for, it has the next larger number.
        let (kept, most) = match evidence {
            EvidenceLimit::Few(most) if most <= STORED_EVIDENCE => (EvidenceLimit::Few(STORED_EVIDENCE), most),
            EvidenceLimit::Few(most) if most <= STORED_EVENTS => (EvidenceLimit::Few(STORED_EVENTS), most),
            other => (other, usize::MAX),
        };
        let mut found = self.scan_or_kept(bundle, kept, call).await?;
        found.findings.iter_mut().for_each(|finding| finding.quote_at_most(most));
        Ok(found)
    }

    async fn scan_or_kept(&self, bundle: &Located, evidence: EvidenceLimit, call: Call<'_>) -> Result<Scan, Failure> {
        let state = match &self.scans {
            Some(_) => bundle.store.state(&bundle.root).await?,
            None => None,
        };
        let (Some(scans), Some(state)) = (&self.scans, state) else {
            return self.found(bundle, evidence, call).await;
        };
        let key = Key::new(bundle.locator.clone(), state.0, evidence);
        let scan = match scans.place(key, &|| call.stop.is_some_and(|stop| stop()))? {
            Place::Kept(scan) => scan,
            Place::Turn(turn) => turn.done(self.found(bundle, evidence, call).await?),
        };
        Ok(Arc::unwrap_or_clone(scan))
    }

    /// What the stored index tells, if it is of this bundle and these rules; else a scan.
    async fn found(&self, bundle: &Located, evidence: EvidenceLimit, call: Call<'_>) -> Result<Scan, Failure> {
        if let Some(mut found) = index::load_with(bundle, &self.catalogue, evidence).await? {
            self.redact(&mut found);
            return Ok(found);
        }
        self.scan_with(&self.catalogue, bundle, evidence, call).await
    }

    pub(crate) async fn scan_with(
        &self,
        catalogue: &Catalogue,
        bundle: &Located,
        evidence: EvidenceLimit,
        call: Call<'_>,
    ) -> Result<Scan, Failure> {
        let options = ScanOptions::default().with_threads(self.threads).with_evidence(evidence);
        let mut found = scan_until(bundle, catalogue, options, call.progress, call.stop).await?;
        self.redact(&mut found);
        Ok(found)
    }

    /// Where our own records are kept.
    ///
    /// # Errors
    /// `bad_argument` where there is no place for them.
    pub fn records(&self) -> Result<Arc<dyn StoreWriter>, Failure> {
        match (&self.records, &self.bundles) {
            (Some(records), _) => Ok(Arc::clone(records)),
            (None, Bundles::Directory(path)) => Ok(Arc::new(LocalStore::open(path)?)),
            (None, _) => Err(Failure::new(
                Code::BadArgument,
                "there is no store for baselines here",
                "name the store that holds the cluster's bundles (--store on the command line)",
            )),
        }
    }

    pub(crate) fn redact(&self, found: &mut Scan) {
        if !self.redact {
            return;
        }
        for finding in &mut found.findings {
            finding.evidence.iter_mut().for_each(|line| redact::in_place(&mut line.text));
            finding.entities.iter_mut().chain(&mut finding.detail).for_each(redact::in_place);
            redact::in_place(&mut finding.subject);
        }
    }

    /// What an answer says of the bundle that it used.
    pub fn used(&self, info: &BundleInfo, of_instance: usize) -> BundleUsed {
        let age = |at: Timestamp| Some(self.clock.as_ref()?.now().as_second() - at.as_second());
        BundleUsed {
            bundle_id: info.id.clone(),
            instance_id: info.instance_id.clone(),
            collected_at: info.collected_at,
            bundle_age_seconds: info.collected_at.and_then(age),
            bundles_of_instance: of_instance,
        }
    }
}

/// The only bundle, if the arguments do not mean another.
fn one(located: &Located, wanted: &Selector) -> Result<Selected, Failure> {
    let named = located.name.as_ref();
    let instance = named.and_then(|name| name.instance.as_ref()).map(ToString::to_string);
    let id = named.map(|name| name.bundle_id());
    let other = |wanted: &Option<String>, there: Option<&String>| match (wanted, there) {
        (Some(wanted), Some(there)) => wanted != there,
        _ => false,
    };
    if other(&wanted.instance_id, instance.as_ref()) || other(&wanted.bundle_id, id.as_ref()) {
        return Err(Failure::new(
            Code::NotFound,
            format!("{} is the bundle of another node or collection", located.locator),
            "leave instanceId and bundleId out: there is one bundle only",
        ));
    }
    Ok(Selected { located: located.clone(), of_instance: 1 })
}

/// A bundle whose files are those of one archive. `beside` is the archive that lies beside it in a bucket, where only the manifest, which
/// is written last, says that all of it is there.
async fn readable(located: Located, beside: Option<&StorePath>, of_instance: usize) -> Result<Selected, Failure> {
    let (store, locator) = (Arc::clone(&located.store), located.locator.clone());
    let extracted = located.root.name() == "extracted";
    match (ingested(located).await?, beside) {
        (Ingested::NoManifest(_), Some(archive)) if extracted => {
            Err(not_yet(store.as_ref(), archive, "its files are being extracted, or that broke off").await?)
        }
        (Ingested::Whole(located) | Ingested::NoManifest(located), _) => Ok(Selected { located, of_instance }),
        (Ingested::Underway, Some(archive)) => {
            Err(not_yet(store.as_ref(), archive, "another archive is being extracted over its files").await?)
        }
        (Ingested::Underway, None) => Err(Failure::new(
            Code::NotFound,
            format!("{locator}: another archive was being extracted over its files, and that is not done"),
            "ingest the archive again (`eks-logs ingest`)",
        )),
    }
}

/// Why the bundle of an archive cannot be read: because that failed, or because it is not done.
async fn not_yet(store: &dyn Store, archive: &StorePath, otherwise: &str) -> Result<Failure, Failure> {
    Ok(match record::failure_of(store, archive).await? {
        Some(said) => Failure::new(
            if said.lasting { Code::Unreadable } else { Code::NotFound },
            format!("{archive}: its ingestion failed at {}: {}", said.failed_at, said.error),
            said.suggestion,
        ),
        None => Failure::new(
            Code::NotFound,
            format!("{archive}: {otherwise}"),
            "wait until the collection's status is completed, then ask again; `eks-logs ingest` does it by hand",
        ),
    })
}

/// The bundle that is meant, of those that a store holds, and how many there are of its node.
async fn pick(
    store: &dyn Store,
    instance: Option<&InstanceId>,
    wanted: &Selector,
) -> Result<(Candidate, usize), Failure> {
    if instance.is_none() && wanted.bundle_id.is_none() && wanted.execution_id.is_none() {
        return Err(Failure::new(
            Code::BadArgument,
            "instanceId is missing",
            "give instanceId (its newest bundle is read), or bundleId for a certain one",
        ));
    }
    // One node's bundles are found by their names; only an execution alone says nothing of the node.
    let named = wanted.bundle_id.as_deref().and_then(|id| CollectionName::parse(&format!("eks_{id}")));
    let of_name = named.as_ref().and_then(|name| name.instance.as_ref());
    let all = match (instance.or(of_name), of_name.is_some()) {
        (Some(node), false) => bundle::discover_of(store, node, "").await?,
        (Some(node), true) if instance.is_none_or(|instance| instance == node) => {
            bundle::discover_of(store, node, "").await?
        }
        _ => bundle::discover(store).await?,
    };
    let of_instance = |candidate: &&Candidate| {
        let name = candidate.name.as_ref();
        instance.is_none_or(|wanted| name.and_then(|name| name.instance.as_ref()) == Some(wanted))
    };
    let mut found: Vec<&Candidate> = all.iter().filter(of_instance).collect();
    let count = found.len();
    let id = |candidate: &Candidate| candidate.name.as_ref().map(|name| name.bundle_id()).unwrap_or_default();
    let execution = |candidate: &Candidate| candidate.name.as_ref().map(|name| name.collection.clone());
    found.retain(|candidate| {
        wanted.bundle_id.as_ref().is_none_or(|wanted| *wanted == id(candidate))
            && wanted.execution_id.as_ref().is_none_or(|wanted| Some(wanted) == execution(candidate).as_ref())
    });
    let mut dated = Vec::new();
    for candidate in &found {
        // A bundle that is named after its execution does not say when it was collected; when it was stored tells the order.
        let mut at = candidate.name.as_ref().and_then(|name| name.collected_at);
        if at.is_none() && found.len() > 1 {
            at = stored_at(store, candidate).await?;
        }
        dated.push((at, id(candidate), *candidate));
    }
    let newest = dated.into_iter().max_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1))).map(|(_, _, candidate)| candidate);
    if let Some(newest) = newest {
        return Ok((newest.clone(), count));
    }
    let mut there: Vec<String> = all.iter().filter(of_instance).map(id).collect();
    if there.is_empty() {
        there = names(store).await?;
    }
    there.sort();
    there.dedup();
    there.truncate(10);
    let there = if there.is_empty() {
        "the store holds no bundle".to_owned()
    } else {
        format!("there are {}", there.join(", "))
    };
    let asked = [&wanted.instance_id, &wanted.bundle_id, &wanted.execution_id];
    let asked: Vec<&str> = asked.into_iter().flatten().map(String::as_str).collect();
    Err(Failure::new(Code::NotFound, format!("no bundle of {}", asked.join(", ")), there))
}

/// The ids of bundles, by their names alone: for the message that says what there is.
async fn names(store: &dyn Store) -> Result<Vec<String>, Failure> {
    let top = store.children(&StorePath::root()).await?;
    let named = top.directories.iter().chain(top.objects.iter().map(|object| &object.path));
    Ok(named.filter_map(|path| CollectionName::parse(path.name())).map(|name| name.bundle_id()).collect())
}

/// When a bundle was stored: its archive, or the record that is written when it is extracted.
async fn stored_at(store: &dyn Store, candidate: &Candidate) -> Result<Option<Timestamp>, Failure> {
    let marks: Vec<StorePath> = if candidate.archive {
        vec![candidate.path.clone()]
    } else {
        let directory = candidate.path.split_first().0.to_owned();
        vec![StorePath::parse(&format!("{directory}.tar.gz"))?, candidate.path.join("manifest.json")?]
    };
    for mark in marks {
        match store.modified(&mark).await {
            Ok(Some(at)) => return Ok(Some(at)),
            Ok(None) | Err(Error::NotFound { .. }) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(None)
}
