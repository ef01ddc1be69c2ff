//! Threads that scan blocks. What they return is put back into the order in which it was handed out: the schedule never shows.

use std::collections::BTreeMap;
use std::thread::JoinHandle;

use async_channel::{Receiver, Sender};

use super::block::{self, Block, Scanned, Scratch};
use crate::rule::Catalogue;

/// Tells the receiving side that a result will never come.
struct CloseOnPanic(Sender<(u64, Scanned)>);

impl Drop for CloseOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

/// A bounded number of blocks in work.
#[derive(Debug)]
pub(super) struct Workers {
    catalogue: Catalogue,
    jobs: Option<Sender<(u64, Block)>>,
    results: Receiver<(u64, Scanned)>,
    threads: Vec<JoinHandle<()>>,
    /// Blocks that may be in work or waiting for an earlier one.
    most: usize,
    handed_out: u64,
    returned: u64,
    early: BTreeMap<u64, Scanned>,
    /// Used where there are no threads.
    scratch: Scratch,
}

impl Workers {
    /// Starts `threads` threads; with 0 the caller's own thread scans.
    pub(super) fn start(catalogue: &Catalogue, threads: usize) -> Self {
        let (job_sender, jobs) = async_channel::unbounded::<(u64, Block)>();
        let (result_sender, results) = async_channel::unbounded();
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                let (catalogue, jobs, results) = (catalogue.clone(), jobs.clone(), result_sender.clone());
                std::thread::spawn(move || {
                    let _closing = CloseOnPanic(results.clone());
                    let mut scratch = Scratch::default();
                    while let Ok((number, block)) = jobs.recv_blocking() {
                        if results.send_blocking((number, block::scan(&catalogue, block, &mut scratch))).is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        Self {
            catalogue: catalogue.clone(),
            most: 2 * threads.len() + 2,
            jobs: (!threads.is_empty()).then_some(job_sender),
            results,
            threads,
            handed_out: 0,
            returned: 0,
            early: BTreeMap::new(),
            scratch: Scratch::default(),
        }
    }

    /// Hands a block out. Call `take` until it yields nothing before the next one.
    pub(super) async fn hand_out(&mut self, block: Block) {
        let number = self.handed_out;
        self.handed_out += 1;
        match &self.jobs {
            // The queue is unbounded and its receivers live as long as we do.
            Some(jobs) if !self.results.is_closed() => drop(jobs.send((number, block)).await),
            Some(_) => {}
            None => {
                let scanned = block::scan(&self.catalogue, block, &mut self.scratch);
                self.early.insert(number, scanned);
            }
        }
    }

    /// The next result in order: what is there already, and as long as too many blocks are in work, what is awaited.
    pub(super) async fn take(&mut self) -> Option<Scanned> {
        self.next(self.most).await
    }

    /// The next result in order; `None` when all were returned, or when a thread was lost.
    pub(super) async fn drain(&mut self) -> Option<Scanned> {
        self.next(0).await
    }

    /// True when everything that was handed out has been returned.
    pub(super) fn is_idle(&self) -> bool {
        self.handed_out == self.returned
    }

    async fn next(&mut self, most: usize) -> Option<Scanned> {
        loop {
            if let Some(scanned) = self.early.remove(&self.returned) {
                self.returned += 1;
                return Some(scanned);
            }
            let in_work = (self.handed_out - self.returned) as usize;
            let received = if in_work > most { self.results.recv().await.ok() } else { self.results.try_recv().ok() };
            let (number, scanned) = received?;
            self.early.insert(number, scanned);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(jobs) = self.jobs.take() {
            // Blocks that nobody waits for any more are not worth scanning.
            jobs.close();
            while self.results.try_recv().is_ok() {}
        }
        for thread in self.threads.drain(..) {
            // A worker that panicked has dropped its result; the scan then ends with an error of its own.
            let _ = thread.join();
        }
    }
}
