//! Listings, page by page.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects_v2::{ListObjectsV2Error, ListObjectsV2Output};
use aws_sdk_s3::types::EncodingType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use eks_logs_core::store::{Children, ObjectStream};
use eks_logs_core::{Error, Object, Refusal, Result, Store as _, StorePath, Version};
use futures_lite::stream;
use percent_encoding::percent_decode_str;
use xxhash_rust::xxh3::Xxh3;

use super::S3Store;
use crate::error::{Asked, answered, chain, meaning};

/// Keys that a service gives at once, at the most.
const PAGE: i32 = 1000;

/// What a listing yields.
pub(super) enum Entry {
    Object(Object),
    /// A key that no path can hold.
    Refused(Refusal),
}

/// Whether the service answered well, and what it answered could not be read.
fn is_unreadable(why: &SdkError<ListObjectsV2Error, HttpResponse>) -> bool {
    matches!(why, SdkError::ResponseError(_)) || answered(why).0 == Some(200)
}

/// A listing that is read as it is wanted.
pub(super) struct Listing {
    store: S3Store,
    /// The beginning of the keys that are wanted.
    beginning: String,
    page: VecDeque<Entry>,
    next: Option<String>,
    over: bool,
}

/// Which page of a listing is wanted.
#[derive(Default)]
struct Wanted<'a> {
    /// The beginning of the keys.
    beginning: &'a str,
    delimiter: Option<&'a str>,
    /// Where the last page ended.
    next: Option<&'a str>,
    /// Only what stands behind this key.
    after: Option<&'a str>,
    /// Keys and directories, at the most.
    most: Option<i32>,
}

/// One page of a listing, its keys as they are.
struct Page {
    directories: Vec<String>,
    objects: Vec<(String, u64, Option<Version>)>,
    next: Option<String>,
}

impl Page {
    fn of(answer: &ListObjectsV2Output) -> Self {
        // A server that was asked for encoded keys and does not say that it has encoded them has not.
        let encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let plain = |key: Option<&str>| {
            let key = key.unwrap_or_default();
            if !encoded {
                return key.to_owned();
            }
            // As in a form: S3 writes a blank as a plus sign.
            percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
        };
        let more = answer.is_truncated() == Some(true);
        Self {
            directories: answer.common_prefixes().iter().map(|prefix| plain(prefix.prefix())).collect(),
            objects: answer
                .contents()
                .iter()
                .map(|object| (plain(object.key()), super::size(object.size()), super::version(object.e_tag())))
                .collect(),
            next: answer.next_continuation_token().filter(|_| more).map(str::to_owned),
        }
    }
}

impl S3Store {
    async fn page(&self, wanted: Wanted<'_>) -> Result<Page> {
        let uri = format!("s3://{}/{}", self.inner.location.bucket, wanted.beginning);
        let asked = Asked { path: &uri, action: "s3:ListBucket" };
        let encoded = self.inner.encoded_keys.load(Ordering::Relaxed);
        let why = match self.page_as(&wanted, encoded).await {
            Ok(page) => return Ok(Page::of(&page)),
            Err(why) => why,
        };
        if !is_unreadable(&why) {
            return Err(meaning(&asked, &why));
        }
        // A key may hold characters that XML cannot. One such key must not keep all others from being seen.
        let again = match encoded {
            false => self.page_as(&wanted, true).await,
            true => Err(why),
        };
        match again {
            Ok(page) => {
                self.inner.encoded_keys.store(true, Ordering::Relaxed);
                Ok(Page::of(&page))
            }
            Err(why) if is_unreadable(&why) => {
                let detail = format!("the listing cannot be read, a key may hold what XML cannot: {}", chain(&why));
                Err(Error::Unavailable { path: uri, detail })
            }
            Err(why) => Err(meaning(&asked, &why)),
        }
    }

    async fn page_as(
        &self,
        wanted: &Wanted<'_>,
        encoded: bool,
    ) -> Result<ListObjectsV2Output, SdkError<ListObjectsV2Error, HttpResponse>> {
        self.ask_raw(|client| {
            client
                .list_objects_v2()
                .bucket(&self.inner.location.bucket)
                .prefix(wanted.beginning)
                .set_delimiter(wanted.delimiter.map(str::to_owned))
                .set_continuation_token(wanted.next.map(str::to_owned))
                .set_start_after(wanted.after.map(str::to_owned))
                .set_max_keys(wanted.most)
                .set_encoding_type(encoded.then_some(EncodingType::Url))
                .send()
        })
        .await
    }

    /// One level, of what has a name that begins so.
    pub(super) async fn level(&self, directory: &StorePath, beginning: &str) -> Result<Children> {
        let below = self.inner.location.below(directory) + beginning;
        let mut children = Children::default();
        let mut next: Option<String> = None;
        loop {
            let wanted = Wanted { beginning: &below, delimiter: Some("/"), next: next.as_deref(), ..Wanted::default() };
            let page = self.page(wanted).await?;
            next = self.gather(page, &mut children);
            if next.is_none() {
                break;
            }
        }
        children.directories.sort();
        children.objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(children)
    }

    /// The next `most` of one level, behind a name (a directory's ends with a slash).
    pub(super) async fn level_after(&self, directory: &StorePath, after: &str, most: usize) -> Result<Children> {
        let below = self.inner.location.below(directory);
        // Behind a directory means behind all that is in it.
        let behind = if after.ends_with('/') { format!("{after}{}", char::MAX) } else { after.to_owned() };
        let behind = (!after.is_empty()).then(|| format!("{below}{behind}"));
        // Two more than are wanted: a service may tell the directory again, and the one that stands for the directory itself.
        let keys = i32::try_from(most.saturating_add(2)).unwrap_or(PAGE).min(PAGE);
        let mut children = Children::default();
        let mut next: Option<String> = None;
        loop {
            let wanted = Wanted {
                beginning: &below,
                delimiter: Some("/"),
                next: next.as_deref(),
                after: behind.as_deref().filter(|_| next.is_none()),
                most: Some(keys),
            };
            let page = self.page(wanted).await?;
            next = self.gather(page, &mut children);
            children.keep_after(after, most);
            if next.is_none() || children.directories.len() + children.objects.len() >= most {
                break;
            }
        }
        children.directories.sort();
        children.objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(children)
    }

    /// Adds what a page tells; where the next one begins.
    fn gather(&self, page: Page, children: &mut Children) -> Option<String> {
        for key in page.directories {
            if let Some(Ok(path)) = self.inner.location.path(key.trim_end_matches('/')) {
                children.directories.push(path);
            }
        }
        for object in page.objects {
            if let Some(Entry::Object(object)) = self.entry(object) {
                children.objects.push(object);
            }
        }
        page.next
    }

    /// A mark of everything below a prefix: keys, sizes and ETags.
    pub(super) async fn state_below(&self, prefix: &StorePath) -> Result<Version> {
        let mut listing = self.listing(prefix);
        let mut hash = Xxh3::new();
        while let Some(entry) = listing.next().await? {
            match entry {
                Entry::Object(object) => {
                    let version = object.version.map(|version| version.0).unwrap_or_default();
                    hash.update(format!("{}\0{}\0{version}\0", object.path, object.size).as_bytes());
                }
                Entry::Refused(refusal) => hash.update(format!("{refusal:?}\0").as_bytes()),
            }
        }
        Ok(Version(format!("{:032x}", hash.digest128())))
    }

    /// `None` for what is no file: the empty objects with a slash at their end that consoles make for directories.
    fn entry(&self, (key, size, version): (String, u64, Option<Version>)) -> Option<Entry> {
        if key.ends_with('/') && size == 0 {
            return None;
        }
        match self.inner.location.path(&key)? {
            Ok(path) if path.is_root() => None,
            Ok(path) => Some(Entry::Object(Object { path, size, version })),
            Err(why) => Some(Entry::Refused((key, why).into())),
        }
    }

    pub(super) fn listing(&self, prefix: &StorePath) -> Listing {
        Listing {
            store: self.clone(),
            beginning: self.inner.location.below(prefix),
            page: VecDeque::new(),
            next: None,
            over: false,
        }
    }

    pub(super) fn list_below<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        Box::pin(stream::unfold((self.listing(prefix), 0_u64), move |(mut listing, found)| async move {
            loop {
                match listing.next().await {
                    Ok(Some(Entry::Object(object))) => return Some((Ok(object), (listing, found + 1))),
                    Ok(Some(Entry::Refused(_))) => {}
                    Ok(None) if found == 0 && !prefix.is_root() => {
                        // The prefix may be an object itself.
                        return match self.head(prefix).await {
                            Ok(object) => Some((Ok(object), (listing, 1))),
                            Err(Error::NotFound { .. }) => None,
                            Err(why) => Some((Err(why), (listing, 1))),
                        };
                    }
                    Ok(None) => return None,
                    Err(why) => {
                        listing.over = true;
                        return Some((Err(why), (listing, 1)));
                    }
                }
            }
        }))
    }
}

impl Listing {
    /// The next entry, in the order of keys.
    pub(super) async fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                return Ok(Some(entry));
            }
            if self.over {
                return Ok(None);
            }
            let next = self.next.take();
            let wanted = Wanted { beginning: &self.beginning, next: next.as_deref(), ..Wanted::default() };
            let page = self.store.page(wanted).await?;
            self.page.extend(page.objects.into_iter().filter_map(|object| self.store.entry(object)));
            self.over = page.next.is_none();
            self.next = page.next;
        }
    }
}
