//! A store whose walks end in time: what was not read until then is refused with the reason, so that the answer that is made of the rest
//! says what it does not cover.

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

/// A store with a deadline for walks.
#[derive(Debug)]
pub(crate) struct Until {
    store: Arc<dyn Store>,
    at: Instant,
    left_out: Arc<AtomicU64>,
}

impl Until {
    /// `left_out` counts the files that a walk did not read to their end.
    pub(crate) fn new(store: Arc<dyn Store>, at: Instant, left_out: Arc<AtomicU64>) -> Self {
        Self { store, at, left_out }
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
        let mut ending = Ending { sink, prefix, at: self.at, left_out: &self.left_out, file: File::Read };
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
    at: Instant,
    left_out: &'a AtomicU64,
    file: File,
}

impl Ending<'_> {
    fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }
}

#[async_trait]
impl FileSink for Ending<'_> {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        if !self.is_over() {
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
        if flow == Flow::Read && self.is_over() {
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
    use eks_logs_tools::{Bundles, Call, Context, tool};
    use serde_json::json;

    use super::*;

    /// One finding in a file that is read, and one in a file that is not.
    fn bundle() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("kernel")).unwrap();
        let fault = "[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n";
        std::fs::write(root.path().join("kernel/dmesg.current"), fault).unwrap();
        root
    }

    async fn errors(root: &tempfile::TempDir, at: Instant) -> (serde_json::Value, u64) {
        let left_out = Arc::default();
        let store = Until::new(Arc::new(LocalStore::open(root.path()).unwrap()), at, Arc::clone(&left_out));
        let context = Context::new(Bundles::One(Located::in_store(store)));
        let answer = tool("errors").unwrap().call(&context, json!({}), Call::default()).await.unwrap();
        (answer, left_out.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn what_was_not_read_in_time_is_said() {
        let root = bundle();
        let (in_time, none) = errors(&root, Instant::now() + std::time::Duration::from_secs(3600)).await;
        assert_eq!((in_time["totalFindings"].as_u64(), none), (Some(1), 0));
        let (late, one) = errors(&root, Instant::now()).await;
        assert_eq!((late["totalFindings"].as_u64(), one), (Some(0), 1));
        assert!(late["coverage_report"].to_string().contains(OVER), "{}", late["coverage_report"]);
        assert!(late["coverage_report"].to_string().contains("kernel/dmesg.current"), "{}", late["coverage_report"]);
    }
}
