//! Listings, page by page.

use std::collections::VecDeque;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use eks_logs_core::store::{Children, ObjectStream};
use eks_logs_core::{Error, Object, Refusal, Result, Store as _, StorePath, Version};
use futures_lite::stream;
use xxhash_rust::xxh3::Xxh3;

use super::S3Store;
use crate::error::Asked;

/// Keys that a service gives at once, at the most.
const PAGE: i32 = 1000;

/// What a listing yields.
pub(super) enum Entry {
    Object(Object),
    /// A key that no path can hold.
    Refused(Refusal),
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

impl S3Store {
    async fn page(
        &self,
        beginning: &str,
        delimiter: Option<&str>,
        next: Option<String>,
    ) -> Result<ListObjectsV2Output> {
        let uri = format!("s3://{}/{beginning}", self.inner.location.bucket);
        let asked = Asked { path: &uri, action: "s3:ListBucket" };
        self.ask(&asked, |client| {
            client
                .list_objects_v2()
                .bucket(&self.inner.location.bucket)
                .prefix(beginning)
                .set_delimiter(delimiter.map(str::to_owned))
                .set_continuation_token(next.clone())
                .send()
        })
        .await
    }

    /// One level, of what has a name that begins so.
    pub(super) async fn level(&self, directory: &StorePath, beginning: &str) -> Result<Children> {
        let below = self.inner.location.below(directory) + beginning;
        let mut children = Children::default();
        let mut next = None;
        loop {
            let page = self.page(&below, Some("/"), next).await?;
            self.gather(&page, &mut children);
            match (page.is_truncated(), page.next_continuation_token()) {
                (Some(true), Some(token)) => next = Some(token.to_owned()),
                _ => break,
            }
        }
        children.directories.sort();
        children.objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(children)
    }

    /// The next `most` of one level, behind a name (a directory's ends with a slash).
    pub(super) async fn level_after(&self, directory: &StorePath, after: &str, most: usize) -> Result<Children> {
        let beginning = self.inner.location.below(directory);
        let uri = format!("s3://{}/{beginning}", self.inner.location.bucket);
        let asked = Asked { path: &uri, action: "s3:ListBucket" };
        // Behind a directory means behind all that is in it.
        let behind = if after.ends_with('/') { format!("{after}{}", char::MAX) } else { after.to_owned() };
        let mut start = (!after.is_empty()).then(|| format!("{beginning}{behind}"));
        let mut next = None;
        let mut children = Children::default();
        loop {
            // Two more than are wanted: a service may tell the directory again, and the one that stands for the directory itself.
            let keys = i32::try_from(most.saturating_add(2)).unwrap_or(PAGE).min(PAGE);
            let page = self
                .ask(&asked, |client| {
                    client
                        .list_objects_v2()
                        .bucket(&self.inner.location.bucket)
                        .prefix(&beginning)
                        .delimiter("/")
                        .max_keys(keys)
                        .set_start_after(start.clone())
                        .set_continuation_token(next.clone())
                        .send()
                })
                .await?;
            self.gather(&page, &mut children);
            children.keep_after(after, most);
            match (page.is_truncated(), page.next_continuation_token()) {
                (Some(true), Some(token)) if children.directories.len() + children.objects.len() < most => {
                    (next, start) = (Some(token.to_owned()), None);
                }
                _ => break,
            }
        }
        Ok(children)
    }

    fn gather(&self, page: &ListObjectsV2Output, children: &mut Children) {
        for prefix in page.common_prefixes() {
            let key = prefix.prefix().unwrap_or_default().trim_end_matches('/');
            if let Some(Ok(path)) = self.inner.location.path(key) {
                children.directories.push(path);
            }
        }
        for object in page.contents() {
            if let Some(Entry::Object(object)) = self.entry(object) {
                children.objects.push(object);
            }
        }
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
    fn entry(&self, object: &aws_sdk_s3::types::Object) -> Option<Entry> {
        let key = object.key().unwrap_or_default();
        let size = super::size(object.size());
        if key.ends_with('/') && size == 0 {
            return None;
        }
        match self.inner.location.path(key)? {
            Ok(path) if path.is_root() => None,
            Ok(path) => Some(Entry::Object(Object { path, size, version: super::version(object.e_tag()) })),
            Err(why) => Some(Entry::Refused((key.to_owned(), why).into())),
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
            let page = self.store.page(&self.beginning, None, self.next.take()).await?;
            self.page.extend(page.contents().iter().filter_map(|object| self.store.entry(object)));
            match (page.is_truncated(), page.next_continuation_token()) {
                (Some(true), Some(token)) => self.next = Some(token.to_owned()),
                _ => self.over = true,
            }
        }
    }
}
