//! Threads that work on blocks. What they return is put back into the order in which it was handed out: the schedule never shows.

use std::collections::BTreeMap;
use std::fmt;
use std::thread::JoinHandle;

use async_channel::{Receiver, Sender};

/// Tells the receiving side that a result will never come.
struct CloseOnPanic<R>(Sender<(u64, R)>);

impl<R> Drop for CloseOnPanic<R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

type Work<J, R> = Box<dyn FnMut(J) -> R + Send>;

/// A bounded number of jobs in work.
pub struct Workers<J, R> {
    jobs: Option<Sender<(u64, J)>>,
    results: Receiver<(u64, R)>,
    threads: Vec<JoinHandle<()>>,
    /// Jobs that may be in work or waiting for an earlier one.
    most: usize,
    handed_out: u64,
    returned: u64,
    early: BTreeMap<u64, R>,
    /// What the caller's own thread does.
    own: Work<J, R>,
}

impl<J, R> fmt::Debug for Workers<J, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("threads", &self.threads.len()).field("handed_out", &self.handed_out).finish()
    }
}

impl<J: Send + 'static, R: Send + 'static> Workers<J, R> {
    /// Starts `threads` threads, each with what `worker` makes; with 0 the caller's own thread works.
    pub fn start<F: FnMut(J) -> R + Send + 'static>(threads: usize, worker: impl Fn() -> F) -> Self {
        let (job_sender, jobs) = async_channel::unbounded::<(u64, J)>();
        let (result_sender, results) = async_channel::unbounded();
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                let (jobs, results, mut work) = (jobs.clone(), result_sender.clone(), worker());
                std::thread::spawn(move || {
                    let _closing = CloseOnPanic(results.clone());
                    while let Ok((number, job)) = jobs.recv_blocking() {
                        if results.send_blocking((number, work(job))).is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        Self {
            most: 2 * threads.len() + 2,
            jobs: (!threads.is_empty()).then_some(job_sender),
            results,
            threads,
            handed_out: 0,
            returned: 0,
            early: BTreeMap::new(),
            own: Box::new(worker()),
        }
    }

    /// Hands a job out. Call `take` until it yields nothing before the next one.
    pub async fn hand_out(&mut self, job: J) {
        let number = self.handed_out;
        self.handed_out += 1;
        match &self.jobs {
            // The queue is unbounded and its receivers live as long as we do.
            Some(jobs) if !self.results.is_closed() => drop(jobs.send((number, job)).await),
            Some(_) => {}
            None => drop(self.early.insert(number, (self.own)(job))),
        }
    }

    /// Does a job in the caller's own thread: one that takes less time than to wake a thread. Call `take` as after `hand_out`.
    pub fn do_here(&mut self, job: J) {
        let result = (self.own)(job);
        self.early.insert(self.handed_out, result);
        self.handed_out += 1;
    }

    /// The next result in order: what is there already, and as long as too many jobs are in work, what is awaited.
    pub async fn take(&mut self) -> Option<R> {
        self.next(self.most).await
    }

    /// The next result in order; `None` when all were returned, or when a thread was lost.
    pub async fn drain(&mut self) -> Option<R> {
        self.next(0).await
    }

    /// True when everything that was handed out has been returned.
    pub fn is_idle(&self) -> bool {
        self.handed_out == self.returned
    }

    async fn next(&mut self, most: usize) -> Option<R> {
        loop {
            if let Some(result) = self.early.remove(&self.returned) {
                self.returned += 1;
                return Some(result);
            }
            let in_work = (self.handed_out - self.returned) as usize;
            let received = if in_work > most { self.results.recv().await.ok() } else { self.results.try_recv().ok() };
            let (number, result) = received?;
            self.early.insert(number, result);
        }
    }
}

impl<J, R> Drop for Workers<J, R> {
    fn drop(&mut self) {
        if let Some(jobs) = self.jobs.take() {
            // Jobs that nobody waits for any more are not worth doing.
            jobs.close();
            while self.results.try_recv().is_ok() {}
        }
        for thread in self.threads.drain(..) {
            // A worker that panicked has dropped its result; the caller then ends with an error of its own.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        for threads in [0, 1, 4] {
            let mut workers = Workers::start(threads, || {
                |job: u64| {
                    // Early jobs take longer than late ones.
                    (0..(100 - job) * 200).fold(0_u64, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
                    job
                }
            });
            let mut got = Vec::new();
            block_on(async {
                for job in 0..100 {
                    if job % 7 == 3 {
                        workers.do_here(job);
                    } else {
                        workers.hand_out(job).await;
                    }
                    while let Some(result) = workers.take().await {
                        got.push(result);
                    }
                }
                while let Some(result) = workers.drain().await {
                    got.push(result);
                }
            });
            assert!(workers.is_idle());
            assert_eq!(got, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_lost_worker_is_noticed() {
        let mut workers = Workers::start(1, || |job: u64| if job == 1 { panic!("on purpose") } else { job });
        let got = block_on(async {
            for job in 0..3 {
                workers.hand_out(job).await;
            }
            let mut got = Vec::new();
            while let Some(result) = workers.drain().await {
                got.push(result);
            }
            got
        });
        assert_eq!(got, [0]);
        assert!(!workers.is_idle());
    }
}
