//! Running a tool: on a thread that may block, a bounded number at a time, until nobody waits for it any more.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use eks_logs_tools::{Call, Code, Context, Failure, Tool};
use serde_json::Value;
use tokio::sync::Semaphore;

/// What most calls end within.
const SHORT: Duration = Duration::from_millis(200);

/// How far a call is, and whether it should end. Shared between the call and whoever waits for it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl Watch {
    /// Bytes that are read, and all of them (0 where that is not known).
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Ends the call soon.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Ends the call when whoever waits for it is gone.
pub(crate) struct StopOnDrop(Option<Arc<Watch>>);

impl StopOnDrop {
    pub(crate) fn new(watch: &Arc<Watch>) -> Self {
        Self(Some(Arc::clone(watch)))
    }

    /// The call goes on: somebody else waits for it.
    pub(crate) fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.stop();
        }
    }
}

/// What tools work with, made when the first call needs it: the rules take longer to load than a list of tools may take.
pub(crate) type Lazy = Arc<LazyLock<Context, Box<dyn FnOnce() -> Context + Send>>>;

/// Runs calls.
#[derive(Debug)]
pub(crate) struct Runner {
    context: Lazy,
    places: Arc<Semaphore>,
    /// Calls that have begun a moment ago. Most end within it: a few threads answer hundreds of clients as fast as hundreds would, and
    /// the memory that each thread keeps is kept a few times only. One that takes longer reads or waits, and lets the next begin.
    begun: Arc<Semaphore>,
    waiting: AtomicUsize,
    may_wait: usize,
    longest: Duration,
}

/// A place in the queue, given back when the call begins or is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Runner {
    pub(crate) fn new(context: Lazy, calls: usize, longest: Duration) -> Self {
        let places = Arc::new(Semaphore::new(calls));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let begun = Arc::new(Semaphore::new(processors * 4));
        Self { context, places, begun, waiting: AtomicUsize::new(0), may_wait: calls * 2, longest }
    }

    /// Calls a tool.
    pub(crate) async fn call(
        &self,
        tool: &'static Tool,
        arguments: Value,
        watch: Arc<Watch>,
    ) -> Result<Value, Failure> {
        self.call_then(tool, arguments, watch, Ok).await
    }

    /// Calls a tool, and does something with its answer on the same thread.
    pub(crate) async fn call_then<T: Send + 'static>(
        &self,
        tool: &'static Tool,
        arguments: Value,
        watch: Arc<Watch>,
        then: impl FnOnce(Value) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let answering = Arc::clone(&watch);
        self.run(watch, move |context| {
            let progress = |done, total| {
                answering.done.store(done, Ordering::Relaxed);
                answering.total.store(total, Ordering::Relaxed);
            };
            let stop = || answering.is_stopped();
            let call = Call::heard_by(&progress).stopped_by(&stop);
            then(tokio::runtime::Handle::current().block_on(tool.call(context, arguments, call))?)
        })
        .await
    }

    /// Runs work that may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        watch: Arc<Watch>,
        work: impl FnOnce(&Context) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let waiting = Waiting(&self.waiting);
                if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.may_wait {
                    return Err(busy());
                }
                let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| busy())?;
                drop(waiting);
                place
            }
        };
        let begun = Arc::clone(&self.begun).acquire_owned().await.map_err(|_| busy())?;
        let context = Arc::clone(&self.context);
        let guard = StopOnDrop::new(&watch);
        let mut work = tokio::task::spawn_blocking(move || {
            let _place = place;
            // A bug in one call must not end the server.
            std::panic::catch_unwind(AssertUnwindSafe(|| work(&context))).unwrap_or_else(|_| {
                tracing::error!("a call panicked");
                Err(Failure::new(Code::Internal, "internal error: the call did not end well", "report this"))
            })
        });
        let done = async {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(SHORT) => drop(begun),
            }
            work.await
        };
        let answer = tokio::time::timeout(self.longest, done).await;
        drop(guard);
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Failure::new(Code::Internal, "internal error: the call was lost", "report this")),
            Err(_) => Err(Failure::new(
                Code::Stopped,
                format!("no answer within {} seconds: the call was stopped", self.longest.as_secs()),
                "ask for less (a window of time, one severity), or start the server with a larger --call-seconds",
            )),
        }
    }
}

fn busy() -> Failure {
    Failure::new(Code::Busy, "the server has as many calls as it can take", "wait some seconds and ask again")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use eks_logs_tools::Bundles;

    use super::*;

    fn runner(calls: usize, longest: Duration) -> Arc<Runner> {
        let context = Context::new(Bundles::Directory(".".into()));
        Arc::new(Runner::new(Arc::new(LazyLock::new(Box::new(|| context))), calls, longest))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_call_too_many_is_refused() {
        let runner = runner(1, Duration::from_secs(60));
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(std::sync::Mutex::new(blocked));
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let (runner, blocked) = (Arc::clone(&runner), Arc::clone(&blocked));
                tokio::spawn(async move {
                    let work = move |_: &Context| {
                        blocked.lock().unwrap().recv().unwrap();
                        Ok(())
                    };
                    runner.run(Arc::default(), work).await
                })
            })
            .collect();
        while runner.waiting.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        let refused = runner.run(Arc::default(), |_| Ok(())).await.unwrap_err();
        assert_eq!(refused.code, Code::Busy);
        (0..3).for_each(|_| release.send(()).unwrap());
        for call in calls {
            call.await.unwrap().unwrap();
        }
        runner.run(Arc::default(), |_| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn what_takes_too_long_or_panics_is_a_failure() {
        let runner = runner(1, Duration::from_millis(20));
        let watch: Arc<Watch> = Arc::default();
        let stops = Arc::clone(&watch);
        let work = move |_: &Context| {
            while !stops.is_stopped() {
                std::thread::yield_now();
            }
            Ok(())
        };
        assert_eq!(runner.run(watch, work).await.unwrap_err().code, Code::Stopped);
        let panics = |_: &Context| -> Result<(), Failure> { panic!("on purpose") };
        let patient = self::runner(1, Duration::from_secs(60));
        assert_eq!(patient.run(Arc::default(), panics).await.unwrap_err().code, Code::Internal);
    }
}
