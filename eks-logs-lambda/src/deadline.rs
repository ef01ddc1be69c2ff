//! A store whose walks end in time: what was not read until then is refused with the reason, so that the answer that is made of the rest
//! says what it does not cover.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use eks_logs_core::store::{ByteStream, Children, ObjectStream};
use eks_logs_core::{
    ByteRange, FileEnd, FileSink, Flow, Object, Presign, Refusal, RefusalReason, Result, Store, StorePath, Version,
};
use jiff::Timestamp;
use tokio::time::Instant;

/// What is said of a file that was not read, or not to its end.
const OVER: &str = "the function's time was nearly over";

type Over = Arc<dyn Fn() -> bool + Send + Sync>;

/// A store with a deadline for walks.
pub(crate) struct Until {
    store: Arc<dyn Store>,
    over: Over,
    left_out: Arc<AtomicU64>,
}

impl fmt::Debug for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Until {
    /// `left_out` counts the files that a walk did not read to their end.
    pub(crate) fn new(store: Arc<dyn Store>, at: Instant, left_out: Arc<AtomicU64>) -> Self {
        Self::when(store, Arc::new(move || Instant::now() >= at), left_out)
    }

    /// Walks end when `over` says so.
    fn when(store: Arc<dyn Store>, over: Over, left_out: Arc<AtomicU64>) -> Self {
        Self { store, over, left_out }
    }
}

#[async_trait]
impl Store for Until {
    fn locator(&self) -> String {
        self.store.locator()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> ObjectStream<'a> {
        self.store.list(prefix)
    }

    async fn children(&self, prefix: &StorePath) -> Result<Children> {
        self.store.children(prefix).await
    }

    async fn head(&self, path: &StorePath) -> Result<Object> {
        self.store.head(path).await
    }

    async fn stat(&self, path: &StorePath) -> Result<Object> {
        self.store.stat(path).await
    }

    async fn get(&self, path: &StorePath, range: ByteRange) -> Result<Bytes> {
        self.store.get(path, range).await
    }

    async fn stream<'a>(&'a self, path: &'a StorePath, range: ByteRange) -> Result<ByteStream<'a>> {
        self.store.stream(path, range).await
    }

    async fn state(&self, prefix: &StorePath) -> Result<Option<Version>> {
        self.store.state(prefix).await
    }

    async fn walk(&self, prefix: &StorePath, sink: &mut dyn FileSink) -> Result<()> {
        let mut ending = Ending { sink, prefix, over: &self.over, left_out: &self.left_out, file: File::Read };
        self.store.walk(prefix, &mut ending).await
    }

    fn is_sequential(&self) -> bool {
        self.store.is_sequential()
    }

    fn local_file(&self, path: &StorePath) -> Option<PathBuf> {
        self.store.local_file(path)
    }

    fn presign(&self) -> Option<&dyn Presign> {
        self.store.presign()
    }

    async fn children_named(&self, directory: &StorePath, beginning: &str) -> Result<Children> {
        self.store.children_named(directory, beginning).await
    }

    async fn modified(&self, path: &StorePath) -> Result<Option<Timestamp>> {
        self.store.modified(path).await
    }
}

/// What becomes of the file at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum File {
    /// It is handed on.
    Read,
    /// It was handed on until the time was over.
    Cut,
    /// The sink has not heard of it but as refused.
    Refused,
}

/// Hands on until the time is over.
struct Ending<'a> {
    sink: &'a mut dyn FileSink,
    prefix: &'a StorePath,
    over: &'a Over,
    left_out: &'a AtomicU64,
    file: File,
}

#[async_trait]
impl FileSink for Ending<'_> {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        if !(self.over)() {
            self.file = File::Read;
            return self.sink.begin(file).await;
        }
        self.file = File::Refused;
        self.left_out.fetch_add(1, Ordering::Relaxed);
        let name = file.path.below(self.prefix).unwrap_or_else(|| file.path.clone()).to_string();
        self.sink.refused(Refusal { name, reason: RefusalReason::Unreadable, detail: OVER.to_owned() });
        Ok(Flow::Skip)
    }

    fn space(&mut self) -> &mut [u8] {
        self.sink.space()
    }

    async fn filled(&mut self, count: usize) -> Result<Flow> {
        let flow = self.sink.filled(count).await?;
        if flow == Flow::Read && (self.over)() {
            self.file = File::Cut;
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return Ok(Flow::Skip);
        }
        Ok(flow)
    }

    async fn end(&mut self, end: FileEnd) -> Result<()> {
        match self.file {
            File::Read => self.sink.end(end).await,
            File::Cut => self.sink.end(FileEnd::Cut(OVER.to_owned())).await,
            File::Refused => Ok(()),
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        self.sink.refused(refusal);
    }

    fn cut(&mut self, reason: String) {
        self.sink.cut(reason);
    }

    fn progress(&mut self, done: u64, total: u64) {
        self.sink.progress(done, total);
    }
}

#[cfg(test)]
mod tests {
    use eks_logs_core::{LocalStore, Located};
    use eks_logs_tools::{Bundles, Call, Context, Failure, tool};
    use serde_json::json;

    use super::*;

    /// One finding in a file that is read first, and one in a file behind it.
    fn bundle() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let fault = "[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n";
        let other = "[ 4712.123456] EXT4-fs error (device nvme0n1p1): ext4_find_entry:1455: inode #2: comm ls: reading directory\n";
        for (name, line) in [("dmesg.current", fault), ("dmesg.human.current", other)] {
            std::fs::create_dir_all(root.path().join("kernel")).unwrap();
            std::fs::write(root.path().join("kernel").join(name), line).unwrap();
        }
        root
    }

    async fn errors(root: &tempfile::TempDir, over: Over) -> (Result<serde_json::Value, Failure>, u64) {
        let left_out = Arc::default();
        let store = Until::when(Arc::new(LocalStore::open(root.path()).unwrap()), over, Arc::clone(&left_out));
        let context = Context::new(Bundles::One(Located::in_store(store)));
        let answer = tool("errors").unwrap().call(&context, json!({}), Call::default()).await;
        (answer, left_out.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn what_was_not_read_in_time_is_said() {
        let root = bundle();
        let (whole, none) = errors(&root, Arc::new(|| false)).await;
        let whole = whole.unwrap();
        assert_eq!(none, 0);
        // Asked before each file and behind each piece: the second file is the first that is too late.
        let asked = AtomicU64::new(0);
        let (late, one) = errors(&root, Arc::new(move || asked.fetch_add(1, Ordering::Relaxed) >= 2)).await;
        let late = late.unwrap();
        assert_eq!((late["totalFindings"].as_u64(), one), (Some(1), 1));
        assert!(whole["totalFindings"].as_u64() > late["totalFindings"].as_u64());
        let coverage = late["coverage_report"].to_string();
        assert!(coverage.contains(OVER) && coverage.contains("kernel/dmesg.human.current"), "{coverage}");
        // Cut within the first file, nothing of the second.
        let asked = AtomicU64::new(0);
        let (_, two) = errors(&root, Arc::new(move || asked.fetch_add(1, Ordering::Relaxed) >= 1)).await;
        assert_eq!(two, 2);
        let (nothing, two) = errors(&root, Arc::new(|| true)).await;
        assert!(nothing.is_err() && two == 2);
    }
}
