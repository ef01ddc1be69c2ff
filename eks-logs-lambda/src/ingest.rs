//! The ingestion handler: archives that nodes have uploaded become bundles.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use eks_logs_aws::S3Store;
use eks_logs_core::{ArchiveStore, StorePath, StoreWriter};
use eks_logs_tools::{Call, Code, Context, Failure, IngestAnswer, ingest_archive};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::account;
use crate::events::{Arrival, Batch};
use crate::invocation::Invocation;
use crate::metrics::Metrics;
use crate::runtime::{Failed, Handler};
use crate::settings::Settings;

/// How long before the function's end an ingestion is given up, so that the queue hears which messages are left.
const MARGIN: Duration = Duration::from_secs(3);

/// Makes bundles of archives.
#[derive(Debug)]
pub struct Ingest {
    context: Context,
    store: Arc<S3Store>,
}

/// What became of an object.
enum Became {
    Ingested(Box<IngestAnswer>),
    /// Not an archive of a collection, or gone since.
    PassedOver(&'static str),
    Failed(Failure),
}

impl Ingest {
    /// Makes what ingestion works with. Nothing is asked of AWS yet.
    pub async fn new(settings: &Settings) -> Self {
        let (context, store) = account::context(settings).await;
        Self { context, store }
    }

    /// Why an object is none of ours to ingest: we write below directories, nodes upload archives to the root.
    fn passed_over(&self, arrival: &Arrival) -> Option<&'static str> {
        if arrival.key.contains('/') {
            return Some("it lies below a directory, where records and extracted files are");
        }
        if !ArchiveStore::is_archive_name(&arrival.key) {
            return Some("its name is not that of an archive");
        }
        None
    }

    async fn ingest(&self, arrival: &Arrival, until: Instant) -> Became {
        let ours = &self.store.location().bucket;
        if arrival.bucket != *ours {
            let error = format!("{} is not the bucket of this function, {ours}", arrival.bucket);
            return Became::Failed(Failure::new(Code::BadArgument, error, "correct the bucket's notification"));
        }
        if let Some(why) = self.passed_over(arrival) {
            return Became::PassedOver(why);
        }
        let archive = match StorePath::parse(&arrival.key) {
            Ok(archive) => archive,
            Err(why) => return Became::Failed(why.into()),
        };
        if Instant::now() >= until {
            return Became::Failed(late("its turn did not come"));
        }
        let writer = Arc::clone(&self.store) as Arc<dyn StoreWriter>;
        let (context, at) = (self.context.clone(), Timestamp::now());
        // A task of its own: a panic over one archive must not lose what is known of the others.
        let path = archive.clone();
        let running = tokio::spawn(async move { ingest_archive(writer, &path, &context, at, Call::default()).await });
        let stop = running.abort_handle();
        match tokio::time::timeout_at(until, running).await {
            Ok(Ok(Ok(answer))) => Became::Ingested(Box::new(answer)),
            Ok(Ok(Err(failure))) if failure.code == Code::NotFound => self.gone(&archive, failure).await,
            Ok(Ok(Err(failure))) => Became::Failed(failure),
            Ok(Err(_)) => {
                Became::Failed(Failure::new(Code::Internal, "internal error over this archive", "report this"))
            }
            Err(_) => {
                stop.abort();
                Became::Failed(late("it takes longer than the function may run"))
            }
        }
    }

    /// An archive that is not there any more needs no ingestion; anything else that is missing is a failure.
    async fn gone(&self, archive: &StorePath, failure: Failure) -> Became {
        use eks_logs_core::{Error, Store as _};
        match self.store.head(archive).await {
            Err(Error::NotFound { .. }) => Became::PassedOver("it was removed before its turn"),
            _ => Became::Failed(failure),
        }
    }

    /// Ingests what a message tells of. `Err` says what failed.
    async fn message(
        &self,
        invocation: &Invocation,
        arrivals: &[Arrival],
        until: Instant,
    ) -> Result<Vec<Value>, Vec<String>> {
        // S3 may tell twice of one object, and of an older state after a newer one: what is there now is ingested, once.
        let distinct: BTreeMap<(&str, &str), &Arrival> =
            arrivals.iter().map(|arrival| ((arrival.bucket.as_str(), arrival.key.as_str()), arrival)).collect();
        let (mut ingested, mut failed) = (Vec::new(), Vec::new());
        for arrival in distinct.into_values() {
            let began = Instant::now();
            let became = self.ingest(arrival, until).await;
            tell(invocation, arrival, &became, began.elapsed());
            match became {
                Became::Ingested(answer) => {
                    ingested.push(
                        json!({ "bundleId": answer.bundle_id, "archive": answer.archive, "already": answer.already }),
                    );
                }
                Became::PassedOver(_) => {}
                Became::Failed(failure) => failed.push(format!("{}: {}", arrival.key, failure.error)),
            }
        }
        if failed.is_empty() { Ok(ingested) } else { Err(failed) }
    }
}

fn late(why: &str) -> Failure {
    Failure::new(Code::Stopped, format!("the function's time is over: {why}"), "give the function more time or memory")
}

/// A line for people and one for metrics.
fn tell(invocation: &Invocation, arrival: &Arrival, became: &Became, took: Duration) {
    let request_id = &invocation.id;
    let milliseconds = took.as_secs_f64() * 1000.0;
    let (key, rounded) = (&arrival.key, milliseconds.round());
    let mut metrics = vec![("Ingestions", "Count", 1.0), ("IngestionDuration", "Milliseconds", milliseconds)];
    let failed = match became {
        Became::PassedOver(why) => {
            tracing::info!(requestId = request_id, key, why, "passed over");
            return;
        }
        Became::Ingested(answer) => {
            tracing::info!(
                requestId = request_id,
                key,
                bundleId = answer.bundle_id,
                already = answer.already,
                files = answer.file_count,
                bytes = answer.total_size,
                skipped = answer.skipped,
                findings = answer.findings,
                milliseconds = rounded,
                "ingested"
            );
            metrics.push(("Files", "Count", answer.file_count as f64));
            metrics.push(("ExtractedBytes", "Bytes", answer.total_size as f64));
            metrics.push(("Findings", "Count", answer.findings as f64));
            if let Some(at) = arrival.at.filter(|_| !answer.already) {
                let waited = Timestamp::now().duration_since(at).as_secs_f64().max(0.0);
                metrics.push(("IngestionAge", "Seconds", waited));
            }
            0.0
        }
        Became::Failed(failure) => {
            let code = serde_json::to_value(failure.code).unwrap_or(Value::Null);
            let code = code.as_str().unwrap_or_default();
            tracing::error!(requestId = request_id, key, code, milliseconds = rounded, "not ingested");
            1.0
        }
    };
    metrics.push(("IngestionsFailed", "Count", failed));
    let dimensions = vec![("FunctionName", invocation.function.to_string())];
    Metrics { dimensions, metrics, fields: vec![("requestId", json!(request_id))] }.tell();
}

#[async_trait]
impl Handler for Ingest {
    async fn handle(&self, invocation: Invocation) -> Result<Bytes, Failed> {
        let left = invocation.time_left();
        let until = Instant::now() + left.saturating_sub(MARGIN.min(left / 4));
        let batch = Batch::read(&invocation.event);
        let (mut ingested, mut failures, mut left_over) = (Vec::new(), Vec::new(), Vec::new());
        for message in &batch.messages {
            let outcome = match &message.arrivals {
                Ok(arrivals) => self.message(&invocation, arrivals, until).await,
                Err(why) => {
                    tracing::error!(requestId = invocation.id, "a message that is no news of S3");
                    Err(vec![why.to_string()])
                }
            };
            match (outcome, &message.id) {
                (Ok(done), _) => ingested.extend(done),
                (Err(_), Some(id)) if batch.of_queue => {
                    left_over.push(json!({ "itemIdentifier": id }));
                }
                (Err(why), _) => failures.extend(why),
            }
        }
        // An event that did not come through a queue is tried again as a whole: what is ingested already costs little then.
        if !failures.is_empty() {
            return Err(Failed { kind: "IngestionFailed", message: failures.join("; ") });
        }
        // docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: what is not named here is done.
        let answer = match batch.of_queue {
            true => json!({ "batchItemFailures": left_over }),
            false => json!({ "ingested": ingested }),
        };
        Ok(answer.to_string().into())
    }
}
