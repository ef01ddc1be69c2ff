//! What goes wrong on the wire, and what comes of it: the right answer or the right error, and never a part of an object.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use bytes::Bytes;
use eks_logs_aws::testing::{Fault, Proxy, Seen, Servers, sdk_config, servers};
use eks_logs_aws::{Patience, S3Store};
use eks_logs_core::{
    ByteRange, Error, PutMode, Result, Store as _, StoreExt as _, StorePath, StoreWriter as _, Version,
};

/// Long enough that nobody waits for it: 30 seconds of silence.
const SILENCE: Duration = Duration::from_secs(30);

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

/// Retries as usual, without long pauses.
fn patience(wait: Duration) -> Patience {
    Patience::default().with_first_pause(Duration::from_millis(20)).with_waits(wait, wait)
}

struct Bench {
    /// The bucket itself.
    real: S3Store,
    /// The bucket through the proxy.
    store: S3Store,
    proxy: Proxy,
}

impl Bench {
    /// Waits for an answer as long as a busy machine may need for it.
    async fn new(servers: &Servers) -> Self {
        Self::waiting(servers, Duration::from_secs(4)).await
    }

    async fn waiting(servers: &Servers, wait: Duration) -> Self {
        let real = servers.bucket().await;
        let proxy = Proxy::before(&servers.s3).await;
        let store = S3Store::new(&sdk_config(&proxy.url(), "us-east-1"), real.location().clone(), patience(wait));
        Self { real, store, proxy }
    }
}

fn get(seen: &Seen) -> bool {
    seen.method == "GET" && !seen.target.contains("list-type")
}

fn put(seen: &Seen) -> bool {
    seen.method == "PUT"
}

/// Faults that pass: the answer is the same as without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_that_pass_are_not_noticed() {
    let Some(servers) = servers("faults_that_pass_are_not_noticed") else { return };
    let bench = Bench::new(&servers).await;
    let (at, bytes) = (path("eks_i-0123abcd_x/extracted/kubelet/kubelet.log"), content(3_000_000));
    bench.real.put(&at, Bytes::from(bytes.clone()), PutMode::Create).await.unwrap();
    for (name, fault) in [
        ("500", Fault::Xml(500, "InternalError")),
        ("503", Fault::Xml(503, "SlowDown")),
        ("400 RequestTimeout", Fault::Xml(400, "RequestTimeout")),
        ("reset", Fault::Reset),
        ("no answer", Fault::Stall(SILENCE)),
        ("cut at once", Fault::CutBody(0)),
        ("cut in the middle", Fault::CutBody(1_234_567)),
        ("stalled in the middle", Fault::StallBody(777_777, SILENCE)),
    ] {
        bench.proxy.reset();
        bench.proxy.fail(2, fault, get);
        let got = bench.store.get_all(&at).await.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(got == bytes, "{name}: other bytes");
        assert!(bench.proxy.count(get) >= 2, "{name}");
    }
    // A range that breaks off goes on behind what has arrived, of the same version.
    bench.proxy.reset();
    bench.proxy.fail(1, Fault::CutBody(100_000), get);
    let got = bench.store.get(&at, ByteRange::new(500_000, 900_000)).await.unwrap();
    assert!(got == bytes[500_000..900_000]);
    let seen: Vec<_> = bench.proxy.seen().into_iter().filter(get).collect();
    assert_eq!(seen[1].range.as_deref(), Some("bytes=600000-899999"));
    assert!(seen[1].if_match.is_some());
    // Listings and writes as well.
    bench.proxy.fail(1, Fault::Xml(503, "SlowDown"), |seen| seen.target.contains("list-type"));
    assert_eq!(bench.store.list_all(&StorePath::root()).await.unwrap().len(), 1);
    for fault in [Fault::Xml(500, "InternalError"), Fault::Reset, Fault::AnswerLost] {
        bench.proxy.fail(1, fault, put);
        bench.store.put(&path("record"), "{}".into(), PutMode::Overwrite).await.unwrap();
        assert_eq!(bench.real.get_all(&path("record")).await.unwrap(), "{}");
    }
    // A walk of many files.
    bench.proxy.fail(1, Fault::CutBody(1_000_000), get);
    let mut sizes = Sizes::default();
    bench.store.walk(&path("eks_i-0123abcd_x/extracted"), &mut sizes).await.unwrap();
    assert_eq!(sizes.0, [(3_000_000, true)]);
}

/// A bucket that fails for long does not take the second attempts of another one in the same region.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failing_bucket_leaves_the_others_their_retries() {
    let Some(servers) = servers("one_failing_bucket_leaves_the_others_their_retries") else { return };
    let (failing, other) = (Bench::new(&servers).await, Bench::new(&servers).await);
    let at = path("kubelet.log");
    other.real.put(&at, "x".into(), PutMode::Create).await.unwrap();
    failing.proxy.fail(usize::MAX, Fault::Xml(500, "InternalError"), |_| true);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (store, at) = (failing.store.clone(), at.clone());
        calls.spawn(async move { store.head(&at).await.map(|_| ()) });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap().unwrap_err();
    }
    let asked = failing.proxy.seen().len();
    assert!((40..200).contains(&asked), "{asked} requests for 40 calls of 5 attempts: a client's retries are bounded");
    other.proxy.fail(2, Fault::Xml(500, "InternalError"), get);
    assert_eq!(other.store.get_all(&at).await.unwrap(), "x");
}

/// Faults that last: the error says what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_that_last_have_their_names() {
    let Some(servers) = servers("faults_that_last_have_their_names") else { return };
    let bench = Bench::waiting(&servers, Duration::from_secs(1)).await;
    let at = path("kubelet.log");
    bench.real.put(&at, Bytes::from(content(100_000)), PutMode::Create).await.unwrap();
    type Case = (&'static str, Fault, fn(&Error) -> bool);
    let cases: [Case; 10] = [
        ("500", Fault::Xml(500, "InternalError"), |why| matches!(why, Error::Unavailable { .. })),
        ("503", Fault::Xml(503, "SlowDown"), |why| matches!(why, Error::Throttled { .. })),
        ("reset", Fault::Reset, |why| matches!(why, Error::Unavailable { .. })),
        ("no answer", Fault::Stall(SILENCE), |why| matches!(why, Error::Unavailable { .. })),
        ("expired", Fault::Xml(400, "ExpiredToken"), |why| matches!(why, Error::Credentials { .. })),
        ("403", Fault::Xml(403, "AccessDenied"), |why| matches!(why, Error::AccessDenied { .. })),
        ("404", Fault::Xml(404, "NoSuchKey"), |why| matches!(why, Error::NotFound { .. })),
        ("no bucket", Fault::Xml(404, "NoSuchBucket"), |why| matches!(why, Error::NotFound { .. })),
        ("cut", Fault::CutBody(10), |why| matches!(why, Error::Unavailable { .. })),
        ("clock", Fault::Xml(403, "RequestTimeTooSkewed"), |why| matches!(why, Error::Credentials { .. })),
    ];
    for (name, fault, right) in cases {
        bench.proxy.reset();
        // A body that is cut at ten bytes each time never makes it, and one that brings nothing is given up.
        let fault = if name == "cut" { Fault::CutBody(0) } else { fault };
        bench.proxy.fail(usize::MAX, fault.clone(), |_| true);
        let mut errors: Vec<(&str, Result<()>)> = vec![("get", bench.store.get_all(&at).await.map(|_| ()))];
        if name != "cut" {
            errors.push(("head", bench.store.head(&at).await.map(|_| ())));
            if name != "404" {
                errors.push(("list", bench.store.list_all(&StorePath::root()).await.map(|_| ())));
            }
            errors.push(("put", bench.store.put(&path("new"), "x".into(), PutMode::Create).await.map(|_| ())));
        }
        for (call, answer) in errors {
            let why = answer.expect_err(name);
            assert!(right(&why), "{name}, {call}: {why:?}");
            assert!(why.to_string().contains("s3://"), "{name}, {call}: {why} does not say where");
        }
        let there = bench.real.head(&path("new")).await;
        assert!(matches!(there, Err(Error::NotFound { .. })), "{name}: a failed put leaves nothing");
    }
}

/// An object that is replaced while it is read is an error, not a mixture of both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_changes_while_it_is_read() {
    use futures_lite::StreamExt as _;
    let Some(servers) = servers("an_object_that_changes_while_it_is_read") else { return };
    let bench = Bench::new(&servers).await;
    let at = path("kubelet.log");
    bench.real.put(&at, Bytes::from(content(2_000_000)), PutMode::Create).await.unwrap();
    bench.proxy.fail(1, Fault::CutBody(500_000), get);
    let mut stream = bench.store.stream(&at, ByteRange::WHOLE).await.unwrap();
    let mut read = stream.next().await.unwrap().unwrap().len();
    bench.real.put(&at, Bytes::from(vec![0; 2_000_000]), PutMode::Overwrite).await.unwrap();
    let why = loop {
        match stream.next().await.unwrap() {
            Ok(piece) => read += piece.len(),
            Err(why) => break why,
        }
    };
    assert!(matches!(why, Error::Precondition { .. }), "{why:?}");
    assert_eq!(read, 500_000);
}

#[tokio::test]
async fn a_bucket_in_another_region_is_found() {
    let Some(servers) = servers("a_bucket_in_another_region_is_found") else { return };
    let bench = Bench::new(&servers).await;
    bench.real.put(&path("a"), "x".into(), PutMode::Create).await.unwrap();
    bench.proxy.fail(1, Fault::Region("eu-west-3"), |_| true);
    assert_eq!(bench.store.get_all(&path("a")).await.unwrap(), "x");
    assert_eq!(bench.proxy.seen().len(), 2);
    // From then on the right region is asked at once.
    bench.store.get_all(&path("a")).await.unwrap();
    assert_eq!(bench.proxy.seen().len(), 3);
    // One that sends everybody to and fro is said to be elsewhere.
    bench.proxy.fail(usize::MAX, Fault::Region("eu-west-2"), |_| true);
    let why = bench.store.get_all(&path("a")).await.unwrap_err();
    assert!(matches!(&why, Error::WrongRegion { region, .. } if region == "eu-west-2"), "{why:?}");
}

/// A large upload goes through its faults part by part, and one that fails leaves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_in_parts() {
    let Some(servers) = servers("uploads_in_parts") else { return };
    let bench = Bench::new(&servers).await;
    let (at, bytes) = (path("large"), content(20 << 20));
    let write = async || -> Result<Version> {
        let mut upload = bench.store.upload(&at).await?;
        for piece in bytes.chunks(1 << 20) {
            upload.write(Bytes::copy_from_slice(piece)).await?;
        }
        upload.finish().await
    };
    let part = |seen: &Seen| seen.target.contains("partNumber=2");
    for fault in [Fault::Xml(503, "SlowDown"), Fault::Reset, Fault::AnswerLost] {
        bench.proxy.reset();
        bench.proxy.fail(1, fault, part);
        write().await.unwrap();
        assert!(bench.real.get_all(&at).await.unwrap() == bytes);
        assert!(bench.proxy.count(|seen| seen.target.contains("partNumber=")) >= 4, "three parts, one of them twice");
    }
    bench.proxy.reset();
    bench.proxy.fail(usize::MAX, Fault::Xml(403, "AccessDenied"), part);
    let before = bench.real.head(&at).await.unwrap();
    let why = write().await.unwrap_err();
    assert!(matches!(why, Error::AccessDenied { .. }), "{why:?}");
    assert_eq!(bench.real.head(&at).await.unwrap(), before, "what was there stays");
}

/// Twenty writers that each add one to a counter through compare and swap lose nothing, over a bad network.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_lose_nothing() {
    let Some(servers) = servers("concurrent_writers_lose_nothing") else { return };
    let bench = Bench::new(&servers).await;
    let at = path("baselines/prod/counter");
    bench.real.put(&at, "0".into(), PutMode::Create).await.unwrap();
    bench.proxy.fail(10, Fault::Xml(503, "SlowDown"), put);
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, at) = (bench.store.clone(), at.clone());
        writers.spawn(async move {
            loop {
                let version = store.head(&at).await.unwrap().version.unwrap();
                let text = store.get_all(&at).await.unwrap();
                let count: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
                match store.put(&at, (count + 1).to_string().into(), PutMode::Match(version)).await {
                    Ok(_) => break,
                    Err(Error::Precondition { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert_eq!(bench.real.get_all(&at).await.unwrap(), "20");
}

/// Sizes of files, and whether they were whole.
#[derive(Default)]
struct Sizes(Vec<(usize, bool)>, usize, Vec<u8>);

#[async_trait::async_trait]
impl eks_logs_core::FileSink for Sizes {
    async fn begin(&mut self, _: &eks_logs_core::Object) -> Result<eks_logs_core::Flow> {
        self.1 = 0;
        Ok(eks_logs_core::Flow::Read)
    }

    fn space(&mut self) -> &mut [u8] {
        self.2.resize(100_000, 0);
        &mut self.2
    }

    async fn filled(&mut self, count: usize) -> Result<eks_logs_core::Flow> {
        self.1 += count;
        Ok(eks_logs_core::Flow::Read)
    }

    async fn end(&mut self, end: eks_logs_core::FileEnd) -> Result<()> {
        self.0.push((self.1, end == eks_logs_core::FileEnd::Whole));
        Ok(())
    }

    fn refused(&mut self, _: eks_logs_core::Refusal) {}

    fn cut(&mut self, _: String) {}
}
