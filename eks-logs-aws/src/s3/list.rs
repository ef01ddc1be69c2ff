//! Listings, page by page.

use std::collections::VecDeque;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use eks_logs_core::store::{Children, ObjectStream};
use eks_logs_core::{Error, Object, Refusal, Result, Store as _, StorePath};
use futures_lite::stream;

use super::S3Store;
use crate::error::Asked;

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
            match (page.is_truncated(), page.next_continuation_token()) {
                (Some(true), Some(token)) => next = Some(token.to_owned()),
                _ => break,
            }
        }
        children.directories.sort();
        children.objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(children)
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
