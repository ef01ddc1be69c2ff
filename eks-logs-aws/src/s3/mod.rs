//! A bucket as a store.

mod list;
mod location;
mod policy;
mod presign;
mod read;
mod upload;
mod walk;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::service_config::ServiceConfigKey;
use bytes::Bytes;
use eks_logs_core::store::{ByteStream, Children, ObjectStream};
use eks_logs_core::{
    ByteRange, Error, FileSink, Object, Presign, PutMode, Result, Store, StorePath, StoreWriter, Upload, Version,
};
use jiff::Timestamp;

pub use location::S3Location;

use crate::config::Patience;
use crate::error::{Asked, answered, meaning, of_answer, right_region};

/// How objects of ours are encrypted in the bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encryption {
    /// As the bucket's default says.
    #[default]
    BucketDefault,
    /// With a KMS key: its id, alias or ARN.
    Kms(String),
}

/// A bucket, or the part of it below a prefix, as a [`Store`] and [`StoreWriter`].
///
/// - Bodies that break off are taken up again from the byte where they stopped, of the same version of the object: one that was
///   replaced in between is an error, never a mixture.
/// - The bucket may be in any region: the first answer that names another one changes to it.
/// - Endpoints other than AWS's own are addressed by path; the endpoint itself comes from the configuration (`AWS_ENDPOINT_URL`,
///   `AWS_ENDPOINT_URL_S3`, profiles).
///
/// Futures must be polled within a tokio runtime.
#[derive(Clone)]
pub struct S3Store {
    inner: Arc<Inner>,
}

struct Inner {
    location: S3Location,
    config: aws_sdk_s3::Config,
    /// The client for the region in which the bucket is, as far as it is known.
    client: RwLock<Client>,
    encryption: Encryption,
    patience: Patience,
    /// Listings are asked for with encoded keys, since one was met that XML cannot hold.
    encoded_keys: AtomicBool,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Store").field("location", &self.inner.location).finish_non_exhaustive()
    }
}

impl S3Store {
    /// The bucket at a location. Nothing is asked yet.
    pub fn new(shared: &SdkConfig, location: S3Location, patience: Patience) -> Self {
        let mut config = aws_sdk_s3::config::Builder::from(shared)
            .retry_config(patience.retries())
            .retry_partition(patience.budget("s3"))
            .timeout_config(patience.timeouts())
            .stalled_stream_protection(
                aws_config::stalled_stream_protection::StalledStreamProtectionConfig::enabled()
                    .grace_period(patience.stall)
                    .build(),
            );
        if own_endpoint(shared) {
            config = config.force_path_style(true);
        }
        let config = config.build();
        let client = RwLock::new(Client::from_conf(config.clone()));
        let encryption = Encryption::default();
        let encoded_keys = AtomicBool::new(false);
        Self { inner: Arc::new(Inner { location, config, client, encryption, patience, encoded_keys }) }
    }

    /// Encrypts what is written.
    #[must_use]
    pub fn with_encryption(self, encryption: Encryption) -> Self {
        let Inner { location, config, patience, .. } = &*self.inner;
        let client = RwLock::new(self.client());
        let inner = Inner {
            location: location.clone(),
            config: config.clone(),
            client,
            encryption,
            patience: *patience,
            encoded_keys: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where it is.
    pub fn location(&self) -> &S3Location {
        &self.inner.location
    }

    /// Whether the bucket is there and may be used; the error names the fix.
    ///
    /// # Errors
    /// [`Error::NotFound`] for no such bucket, [`Error::AccessDenied`], [`Error::Credentials`], [`Error::Unavailable`].
    pub async fn check(&self) -> Result<()> {
        let bucket = &self.inner.location.bucket;
        let asked = Asked { path: &format!("s3://{bucket}"), action: "s3:ListBucket" };
        self.ask(&asked, |client| client.head_bucket().bucket(bucket).send()).await.map(|_| ())
    }

    fn client(&self) -> Client {
        self.inner.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request, and once more if the answer names another region as the bucket's.
    async fn ask<T, E, F>(&self, asked: &Asked<'_>, send: impl Fn(Client) -> F) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        match self.ask_raw(send).await {
            Ok(answer) => Ok(answer),
            Err(why) => Err(meaning(asked, &why)),
        }
    }

    async fn ask_raw<T, E, F>(&self, send: impl Fn(Client) -> F) -> Result<T, SdkError<E, HttpResponse>>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let client = self.client();
        let why = match send(client.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(why) => why,
        };
        let used = client.config().region().map(|region| region.as_ref().to_owned());
        match right_region(&why) {
            Some(right) if Some(&right) != used.as_ref() => {
                tracing::debug!(region = right, "the bucket is in another region");
                let config = self.inner.config.to_builder().region(Region::new(right)).build();
                let client = Client::from_conf(config);
                *self.inner.client.write().unwrap_or_else(PoisonError::into_inner) = client.clone();
                send(client).await
            }
            _ => Err(why),
        }
    }

    fn uri(&self, path: &StorePath) -> String {
        self.inner.location.uri(path)
    }

    fn encrypted(&self, put: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        match &self.inner.encryption {
            Encryption::BucketDefault => put,
            Encryption::Kms(key) => put.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(key),
        }
    }

    async fn head_object(&self, path: &StorePath) -> Result<aws_sdk_s3::operation::head_object::HeadObjectOutput> {
        let uri = self.uri(path);
        let asked = Asked { path: &uri, action: "s3:GetObject" };
        let (bucket, key) = (&self.inner.location.bucket, self.inner.location.key(path));
        let why = match self.ask_raw(|client| client.head_object().bucket(bucket).key(&key).send()).await {
            Ok(head) => return Ok(head),
            Err(why) => why,
        };
        // The answer to a HEAD has no body, so it does not say why: an expired token is a bare 400, a missing permission a bare 403.
        let (status, code) = answered(&why);
        if matches!(status, Some(400 | 403)) && code.is_none_or(str::is_empty) {
            let get = |client: Client| client.get_object().bucket(bucket).key(&key).range("bytes=0-0").send();
            if let Err(explained) = self.ask_raw(get).await
                && let (Some(status), Some(code)) = answered(&explained)
            {
                let message = explained.as_service_error().and_then(ProvideErrorMetadata::message).unwrap_or_default();
                return Err(of_answer(&asked, status, code, message, None));
            }
        }
        Err(meaning(&asked, &why))
    }
}

/// Whether S3 is asked elsewhere than at AWS: there, a bucket is part of the path and not of the host's name.
fn own_endpoint(shared: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let of_service = key.ok().and_then(|key| shared.service_config()?.load_config(key));
    let endpoint = of_service.or_else(|| shared.endpoint_url().map(str::to_owned));
    endpoint.is_some_and(|url| !url.contains(".amazonaws.com") && !url.contains(".amazonaws.eu"))
}

fn version(etag: Option<&str>) -> Option<Version> {
    etag.map(|etag| Version(etag.to_owned()))
}

fn size(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}

#[async_trait]
impl Store for S3Store {
    fn locator(&self) -> String {
        self.inner.location.to_string()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        self.list_below(prefix)
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children> {
        self.level(prefix, "").await
    }

    async fn children_named(&self, directory: &StorePath, beginning: &str) -> Result<Children> {
        self.level(directory, beginning).await
    }

    async fn children_after(&self, directory: &StorePath, after: &str, most: usize) -> Result<Children> {
        self.level_after(directory, after, most).await
    }

    async fn state(&self, prefix: &StorePath) -> Result<Option<Version>> {
        self.state_below(prefix).await.map(Some)
    }

    async fn head(&self, path: &StorePath) -> Result<Object> {
        let head = self.head_object(path).await?;
        Ok(Object { path: path.clone(), size: size(head.content_length()), version: version(head.e_tag()) })
    }

    async fn modified(&self, path: &StorePath) -> Result<Option<Timestamp>> {
        let head = self.head_object(path).await?;
        Ok(head.last_modified().and_then(|at| Timestamp::from_second(at.secs()).ok()))
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        self.read_whole(path, range).await
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        Ok(self.body(path, range).await?.into_stream())
    }

    async fn walk(&self, prefix: &StorePath, sink: &mut dyn FileSink) -> Result<()> {
        self.walk_below(prefix, sink).await
    }

    fn presign(&self) -> Option<&dyn Presign> {
        Some(self)
    }
}

#[async_trait]
impl StoreWriter for S3Store {
    async fn put(&self, path: &StorePath, content: Bytes, mode: PutMode) -> Result<Version> {
        let uri = self.uri(path);
        let asked = Asked { path: &uri, action: "s3:PutObject" };
        let (bucket, key) = (&self.inner.location.bucket, self.inner.location.key(path));
        let put = self.ask_raw(|client| {
            let body = aws_sdk_s3::primitives::ByteStream::from(content.clone());
            let put = self.encrypted(client.put_object().bucket(bucket).key(&key).body(body));
            match &mode {
                PutMode::Overwrite => put,
                PutMode::Create => put.if_none_match("*"),
                PutMode::Match(version) => put.if_match(&version.0),
            }
            .send()
        });
        match put.await {
            Ok(put) => version(put.e_tag()).ok_or_else(|| self.no_etag(path)),
            // What should be matched is gone: somebody else changed it.
            Err(why) if matches!(mode, PutMode::Match(_)) && answered(&why).0 == Some(404) => {
                Err(Error::Precondition { path: uri })
            }
            Err(why) => Err(meaning(&asked, &why)),
        }
    }

    async fn upload<'a>(&'a self, path: &StorePath) -> Result<Box<dyn Upload + 'a>> {
        Ok(Box::new(upload::Parts::new(self, path.clone())))
    }
}

impl S3Store {
    fn no_etag(&self, path: &StorePath) -> Error {
        Error::Unavailable { path: self.uri(path), detail: "the answer to a put has no ETag".to_owned() }
    }
}
