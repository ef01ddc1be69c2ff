//! A walk that ends when nobody waits for its result any more.

use async_trait::async_trait;
use eks_logs_core::{Error, FileEnd, FileSink, Flow, Object, Refusal, Result};

use super::Stop;

/// A sink that asks before each file and each block whether to go on.
pub(super) struct Stoppable<'a, S> {
    pub(super) sink: &'a mut S,
    pub(super) stop: Option<Stop<'a>>,
}

impl<S> Stoppable<'_, S> {
    fn go_on(&self) -> Result<()> {
        if self.stop.is_some_and(|stop| stop()) { Err(Error::Stopped) } else { Ok(()) }
    }
}

#[async_trait]
impl<S: FileSink> FileSink for Stoppable<'_, S> {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        self.go_on()?;
        self.sink.begin(file).await
    }

    fn space(&mut self) -> &mut [u8] {
        self.sink.space()
    }

    async fn filled(&mut self, count: usize) -> Result<Flow> {
        self.go_on()?;
        self.sink.filled(count).await
    }

    async fn end(&mut self, end: FileEnd) -> Result<()> {
        self.sink.end(end).await
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
