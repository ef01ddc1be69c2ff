//! S3Store against a real S3 server over the wire: what every store must do, buckets that others have filled, links, encryption.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use eks_logs_aws::testing::{Proxy, Servers, sdk_config, servers};
use eks_logs_aws::{Encryption, Patience, S3Location, S3Store};
use eks_logs_core::testing::{Fixture, reads, writes};
use eks_logs_core::{Error, Presign as _, PutMode, Store as _, StoreExt as _, StorePath, StoreWriter as _};

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

fn fixture() -> Fixture {
    let files: [(&str, Vec<u8>); 6] = [
        ("kubelet/kubelet.log", b"one\ntwo\r\nthree".to_vec()),
        ("kubelet/config.json", Vec::new()),
        ("kernel/dmesg.current", (0..3_000_000_u32).map(|n| (n % 251) as u8).collect()),
        ("var_log/messages with blanks & signs+%20", b"x\n".to_vec()),
        ("var_log/gr\u{fc}n\u{df}e", b"y\n".to_vec()),
        ("top", b"at the root".to_vec()),
    ];
    files.into_iter().map(|(name, content)| (path(name), content)).collect()
}

async fn fill(store: &S3Store, fixture: &Fixture) {
    for (path, content) in fixture {
        store.put(path, Bytes::from(content.clone()), PutMode::Overwrite).await.unwrap();
    }
}

/// The same bucket, through another configuration.
fn through(store: &S3Store, endpoint: &str, prefix: &str) -> S3Store {
    let location = S3Location { bucket: store.location().bucket.clone(), prefix: path(prefix) };
    S3Store::new(&sdk_config(endpoint, "us-east-1"), location, Patience::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_a_store() {
    let Some(servers) = servers("a_bucket_is_a_store") else { return };
    writes(&servers.bucket().await).await;
    let whole = servers.bucket().await;
    fill(&whole, &fixture()).await;
    reads(&whole, &fixture()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_a_bucket_is_a_store() {
    let Some(servers) = servers("a_part_of_a_bucket_is_a_store") else { return };
    let whole = servers.bucket().await;
    // What lies beside the prefix, also under a longer name, is not seen.
    fill(&whole, &[(path("team/ab/x"), b"x".to_vec()), (path("other"), b"x".to_vec())].into()).await;
    let part = through(&whole, &servers.s3, "team/a");
    fill(&part, &fixture()).await;
    reads(&part, &fixture()).await;
    writes(&through(&whole, &servers.s3, "team/records")).await;
    assert_eq!(part.locator(), format!("s3://{}/team/a", whole.location().bucket));
}

/// Listings of several pages.
#[tokio::test]
async fn listings_of_any_length() {
    let Some(servers) = servers("listings_of_any_length") else { return };
    let store = servers.bucket().await;
    let client = raw(&servers);
    let bucket = store.location().bucket.clone();
    let mut puts = tokio::task::JoinSet::new();
    for number in 0..1203 {
        let (client, bucket) = (client.clone(), bucket.clone());
        puts.spawn(async move {
            let key = format!("eks_i-0123456789abcdef0_x/extracted/var_log/{number:04}");
            client.put_object().bucket(bucket).key(key).body(Bytes::from_static(b"x").into()).send().await.unwrap();
        });
        if puts.len() >= 32 {
            puts.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = puts.join_next().await {
        done.unwrap();
    }
    let all = store.list_all(&StorePath::root()).await.unwrap();
    assert_eq!(all.len(), 1203);
    assert!(all.is_sorted_by_key(|object| object.path.clone()));
    let level = store.children(&path("eks_i-0123456789abcdef0_x/extracted/var_log")).await.unwrap();
    assert_eq!(level.objects.len(), 1203);
}

/// What consoles leave behind for directories, and keys that no path can hold: left out of listings, named by a walk. SeaweedFS, whose
/// keys are files, changes such names; moto keeps them.
#[tokio::test]
async fn odd_keys_are_named_and_not_read() {
    let Some(servers) = servers("odd_keys_are_named_and_not_read") else { return };
    let config = sdk_config(&servers.moto, "us-east-1");
    let client =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    let bucket = Servers::fresh_name("odd");
    client.create_bucket().bucket(&bucket).send().await.unwrap();
    for (key, content) in [("top", "x"), ("directory/", ""), ("a//b", "x"), ("x\\y", "x"), ("../up", "x")] {
        client.put_object().bucket(&bucket).key(key).body(Bytes::from(content).into()).send().await.unwrap();
    }
    let store = S3Store::new(&config, S3Location { bucket, prefix: StorePath::root() }, Patience::default());
    assert_eq!(store.list_all(&StorePath::root()).await.unwrap().len(), 1);
    let mut names = Names::default();
    store.walk(&StorePath::root(), &mut names).await.unwrap();
    names.refused.sort();
    assert_eq!(
        (names.read, names.refused),
        (vec!["top".to_owned()], ["../up", "a//b", "x\\y"].map(str::to_owned).to_vec())
    );
}

/// Names of files, and of what was not read.
#[derive(Default)]
struct Names {
    read: Vec<String>,
    refused: Vec<String>,
    space: Vec<u8>,
}

#[async_trait::async_trait]
impl eks_logs_core::FileSink for Names {
    async fn begin(&mut self, file: &eks_logs_core::Object) -> eks_logs_core::Result<eks_logs_core::Flow> {
        self.read.push(file.path.to_string());
        Ok(eks_logs_core::Flow::Read)
    }

    fn space(&mut self) -> &mut [u8] {
        self.space.resize(1000, 0);
        &mut self.space
    }

    async fn filled(&mut self, _: usize) -> eks_logs_core::Result<eks_logs_core::Flow> {
        Ok(eks_logs_core::Flow::Read)
    }

    async fn end(&mut self, _: eks_logs_core::FileEnd) -> eks_logs_core::Result<()> {
        Ok(())
    }

    fn refused(&mut self, refusal: eks_logs_core::Refusal) {
        self.refused.push(refusal.name);
    }

    fn cut(&mut self, _: String) {}
}

fn raw(servers: &Servers) -> aws_sdk_s3::Client {
    let config = sdk_config(&servers.s3, "us-east-1");
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build())
}

/// A bucket of many bundles: one node's are found without listing the others.
#[tokio::test]
async fn the_bundles_of_a_node_cost_a_few_requests() {
    let Some(servers) = servers("the_bundles_of_a_node_cost_a_few_requests") else { return };
    let filled = servers.bucket().await;
    for number in 0..40 {
        let directory = format!("eks_i-{number:017x}_2026-11-20_0312-UTC_0.7.9");
        filled.put(&path(&format!("{directory}.tar.gz")), "x".into(), PutMode::Overwrite).await.unwrap();
        let member = format!("{directory}/extracted/kernel/dmesg.current");
        filled.put(&path(&member), "x".into(), PutMode::Overwrite).await.unwrap();
    }
    let proxy = Proxy::before(&servers.s3).await;
    let store = through(&filled, &proxy.url(), "");
    let node = eks_logs_core::InstanceId::parse("i-00000000000000007").unwrap();
    let found = eks_logs_core::bundle::discover_of(&store, &node, "").await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path.as_str(), "eks_i-00000000000000007_2026-11-20_0312-UTC_0.7.9/extracted");
    assert_eq!(proxy.seen().len(), 2, "one listing by name, one look inside");
}

#[tokio::test]
async fn a_link_holds_for_its_time_and_for_its_object() {
    let Some(servers) = servers("a_link_holds_for_its_time_and_for_its_object") else { return };
    let store = servers.bucket().await;
    let at = path("eks_i-0123abcd_x/extracted/kubelet/kubelet.log");
    store.put(&at, "the content".into(), PutMode::Create).await.unwrap();
    let link = store.presign_get(&at, Duration::from_secs(60)).await.unwrap();
    assert_eq!(link.uri, format!("s3://{}/{at}", store.location().bucket));
    assert!(!format!("{link:?}").contains("Signature"), "a link is a secret");
    assert_eq!(support::fetch(&link.url).await, (200, Bytes::from("the content")));
    let tampered = link.url.replace("kubelet.log", "other.log");
    assert_eq!(support::fetch(&tampered).await.0, 403);
    let short = store.presign_get(&at, Duration::from_secs(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(support::fetch(&short.url).await.0, 403, "it has expired");
    let missing = store.presign_get(&path("nothing"), Duration::from_secs(60)).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
}

/// SeaweedFS has no KMS here; moto answers the headers that it was sent.
#[tokio::test]
async fn a_kms_key_is_passed_on() {
    let Some(servers) = servers("a_kms_key_is_passed_on") else { return };
    let config = sdk_config(&servers.moto, "us-east-1");
    let bucket = Servers::fresh_name("kms");
    let client =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    client.create_bucket().bucket(&bucket).send().await.unwrap();
    let proxy = Proxy::before(&servers.moto).await;
    let location = S3Location { bucket: bucket.clone(), prefix: StorePath::root() };
    let key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555";
    let store = S3Store::new(&sdk_config(&proxy.url(), "us-east-1"), location, Patience::default())
        .with_encryption(Encryption::Kms(key.to_owned()));
    store.put(&path("record.json"), "{}".into(), PutMode::Overwrite).await.unwrap();
    let head = client.head_object().bucket(&bucket).key("record.json").send().await.unwrap();
    assert_eq!(head.ssekms_key_id(), Some(key));
    let large = path("large");
    let mut upload = store.upload(&large).await.unwrap();
    for _ in 0..10 {
        upload.write(Bytes::from(vec![b'x'; 1 << 20])).await.unwrap();
    }
    // moto calls the element of its answer otherwise than S3 does: only what it was sent counts here.
    let _ = upload.finish().await;
    let encrypted = proxy.count(|seen| seen.encryption.as_deref() == Some(&format!("aws:kms {key}")));
    assert_eq!(encrypted, 2, "the put and the start of the upload in parts");
    assert!(proxy.count(|seen| seen.method == "PUT" && seen.target.contains("partNumber")) == 2);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let Some(servers) = servers("what_is_missing_is_named") else { return };
    let location: S3Location = "s3://there-is-no-such-bucket".parse().unwrap();
    let store = S3Store::new(&sdk_config(&servers.s3, "us-east-1"), location, Patience::default());
    let why = store.check().await.unwrap_err();
    assert!(matches!(&why, Error::NotFound { path } if path == "s3://there-is-no-such-bucket"), "{why:?}");
    let listed = store.list_all(&StorePath::root()).await;
    assert!(matches!(listed, Err(Error::NotFound { .. })), "{listed:?}");
}

#[tokio::test]
async fn wrong_credentials_are_said_to_be_wrong() {
    let Some(servers) = servers("wrong_credentials_are_said_to_be_wrong") else { return };
    let filled = servers.bucket().await;
    filled.put(&path("a"), "x".into(), PutMode::Create).await.unwrap();
    let wrong = aws_credential_types::Credentials::new("test", "wrong", None, None, "tests");
    let config = eks_logs_aws::testing::sdk_config_with(&servers.s3, "us-east-1", wrong);
    let store = S3Store::new(&config, filled.location().clone(), Patience::default());
    for why in [
        store.get_all(&path("a")).await.map(|_| ()),
        store.head(&path("a")).await.map(|_| ()),
        store.put(&path("b"), "x".into(), PutMode::Create).await.map(|_| ()),
    ] {
        assert!(matches!(why, Err(Error::Credentials { .. })), "{why:?}");
    }
}
