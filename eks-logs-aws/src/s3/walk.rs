//! Every file below a prefix, in order: small files are fetched ahead, because a bundle is hundreds of them and each costs a round trip.

use std::collections::VecDeque;

use bytes::Bytes;
use eks_logs_core::bundle::records;
use eks_logs_core::{ByteRange, FileEnd, FileSink, Flow, Object, Result, Store as _, StorePath};
use tokio::task::JoinHandle;

use super::S3Store;
use super::list::{Entry, Listing};

/// Files up to this size are fetched ahead.
const SMALL: u64 = 1 << 20;
/// Files that are fetched ahead at the most.
const AHEAD: usize = 12;

/// A file that is wanted next.
enum Coming {
    /// It is on its way, or there.
    Small(Object, JoinHandle<Result<Bytes>>),
    /// It is read when its turn comes.
    Large(Object),
}

impl S3Store {
    pub(super) async fn walk_below(&self, prefix: &StorePath, sink: &mut dyn FileSink) -> Result<()> {
        let mut listing = self.listing(prefix);
        let mut coming = VecDeque::new();
        let mut done = 0;
        loop {
            self.fill(prefix, &mut listing, &mut coming, sink).await?;
            let Some(next) = coming.pop_front() else { return Ok(()) };
            done += self.hand_over(next, sink).await?;
            // How much there is in all, a listing tells at its end only.
            sink.progress(done, 0);
        }
    }

    async fn fill(
        &self,
        prefix: &StorePath,
        listing: &mut Listing,
        coming: &mut VecDeque<Coming>,
        sink: &mut dyn FileSink,
    ) -> Result<()> {
        // Records beside the files are seldom wanted by who walks them.
        let wanted = |object: &Object| object.path.below(prefix).is_none_or(|below| !records::is_record(&below));
        while coming.len() < AHEAD {
            match listing.next().await? {
                Some(Entry::Object(object)) if object.size <= SMALL && wanted(&object) => {
                    let (store, path) = (self.clone(), object.path.clone());
                    let fetched = tokio::spawn(async move { store.get(&path, ByteRange::WHOLE).await });
                    coming.push_back(Coming::Small(object, fetched));
                }
                Some(Entry::Object(object)) => coming.push_back(Coming::Large(object)),
                Some(Entry::Refused(refusal)) => sink.refused(refusal),
                None => break,
            }
        }
        Ok(())
    }

    /// Hands a file over and says how many bytes it had.
    async fn hand_over(&self, next: Coming, sink: &mut dyn FileSink) -> Result<u64> {
        let (Coming::Small(object, _) | Coming::Large(object)) = &next;
        let object = object.clone();
        if sink.begin(&object).await? == Flow::Skip {
            if let Coming::Small(_, fetched) = &next {
                fetched.abort();
            }
            sink.end(FileEnd::Whole).await?;
            return Ok(object.size);
        }
        let end = match next {
            Coming::Small(_, fetched) => match fetched.await {
                Ok(Ok(content)) => {
                    give(content, sink).await?;
                    FileEnd::Whole
                }
                Ok(Err(why)) => FileEnd::Cut(why.to_string()),
                Err(why) => FileEnd::Cut(format!("fetching it was stopped: {why}")),
            },
            Coming::Large(_) => self.stream_over(&object, sink).await?,
        };
        sink.end(end).await?;
        Ok(object.size)
    }

    async fn stream_over(&self, object: &Object, sink: &mut dyn FileSink) -> Result<FileEnd> {
        let mut body = match self.body(&object.path, ByteRange::WHOLE).await {
            Ok(body) => body,
            Err(why) => return Ok(FileEnd::Cut(why.to_string())),
        };
        loop {
            match body.next().await {
                Ok(Some(piece)) => {
                    if give(piece, sink).await? == Flow::Skip {
                        return Ok(FileEnd::Whole);
                    }
                }
                Ok(None) => return Ok(FileEnd::Whole),
                Err(why) => return Ok(FileEnd::Cut(why.to_string())),
            }
        }
    }
}

/// Copies bytes into the sink's own buffer.
async fn give(mut piece: Bytes, sink: &mut dyn FileSink) -> Result<Flow> {
    while !piece.is_empty() {
        let space = sink.space();
        let count = space.len().min(piece.len());
        space[..count].copy_from_slice(&piece.split_to(count));
        if sink.filled(count).await? == Flow::Skip {
            return Ok(Flow::Skip);
        }
    }
    Ok(Flow::Read)
}
