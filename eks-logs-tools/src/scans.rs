//! Scans that are kept while a server runs: many calls about one bundle cost one pass over it.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eks_logs_findings::{EvidenceLimit, Scan};

use crate::failure::{Code, Failure};

/// How long a waiting call sleeps before it asks again whether anybody still waits for it.
const NAP: Duration = Duration::from_millis(50);
/// Bytes that a finding, a file or a gap takes besides its text.
const RECORD: usize = 256;

/// What decides a scan's result: where the bundle is, the state its bytes are in, how many lines are quoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) bundle: String,
    pub(crate) state: String,
    pub(crate) lines: Option<usize>,
}

impl Key {
    pub(crate) fn new(bundle: String, state: String, evidence: EvidenceLimit) -> Self {
        let lines = match evidence {
            EvidenceLimit::Few(lines) => Some(lines),
            EvidenceLimit::All => None,
        };
        Self { bundle, state, lines }
    }
}

/// How much scanning goes on at a time, and how much of it is kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ScanLimits {
    /// Bytes of results that are kept, about; the least recently used go first.
    pub kept_bytes: usize,
    /// Scans that run at the same time. Each has threads of its own.
    pub running: usize,
    /// Calls that may wait for a scan to begin; one more is refused as busy.
    pub waiting: usize,
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self { kept_bytes: 64 << 20, running: 2, waiting: 64 }
    }
}

#[derive(Debug)]
enum Slot {
    Running,
    Kept { scan: Arc<Scan>, bytes: usize, used: u64 },
}

#[derive(Debug, Default)]
struct State {
    slots: HashMap<Key, Slot>,
    running: usize,
    waiting: usize,
    bytes: usize,
    uses: u64,
}

/// Keeps scans, runs one at a time for each bundle, and no more than a few in all.
///
/// Waiting blocks the thread: for adapters that answer each call on a thread of its own.
#[derive(Debug)]
pub struct Scans {
    limits: ScanLimits,
    state: Mutex<State>,
    changed: Condvar,
}

/// A scan that its caller must make; dropped without a result, the next one who waits makes it.
pub(crate) struct Turn<'a> {
    scans: &'a Scans,
    key: Key,
}

/// What a call gets.
pub(crate) enum Place<'a> {
    Kept(Arc<Scan>),
    Turn(Turn<'a>),
}

impl Scans {
    /// Keeps nothing yet.
    pub fn new(limits: ScanLimits) -> Self {
        Self { limits, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Scans that are kept, and about how many bytes they take.
    pub fn kept(&self) -> (usize, usize) {
        let state = self.lock();
        (state.slots.values().filter(|slot| matches!(slot, Slot::Kept { .. })).count(), state.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scan, or the right to make it once a place is free.
    pub(crate) fn place(&self, key: Key, stop: &dyn Fn() -> bool) -> Result<Place<'_>, Failure> {
        let mut state = self.lock();
        let mut counted = false;
        let place = loop {
            state.uses += 1;
            let now = state.uses;
            if let Some(Slot::Kept { scan, used, .. }) = state.slots.get_mut(&key) {
                *used = now;
                break Ok(Place::Kept(Arc::clone(scan)));
            }
            match state.slots.get(&key) {
                Some(_) => {}
                None if state.running < self.limits.running => {
                    state.running += 1;
                    state.slots.insert(key.clone(), Slot::Running);
                    break Ok(Place::Turn(Turn { scans: self, key }));
                }
                None if !counted && state.waiting >= self.limits.waiting => break Err(busy()),
                None if !counted => {
                    counted = true;
                    state.waiting += 1;
                }
                None => {}
            }
            if stop() {
                break Err(eks_logs_core::Error::Stopped.into());
            }
            state = self.changed.wait_timeout(state, NAP).unwrap_or_else(PoisonError::into_inner).0;
        };
        if counted {
            state.waiting -= 1;
        }
        place
    }

    fn make_room(&self, state: &mut State) {
        while state.bytes > self.limits.kept_bytes {
            let oldest = state.slots.iter().filter_map(|(key, slot)| match slot {
                Slot::Kept { bytes, used, .. } => Some((*used, *bytes, key.clone())),
                Slot::Running => None,
            });
            let Some((_, bytes, key)) = oldest.min_by_key(|(used, ..)| *used) else { return };
            state.slots.remove(&key);
            state.bytes -= bytes;
        }
    }
}

fn busy() -> Failure {
    Failure::new(
        Code::Busy,
        "too many bundles are being scanned at the same time",
        "wait some seconds and ask again; a bundle that was scanned a moment ago answers at once",
    )
}

impl Turn<'_> {
    /// Hands the result to all who wait for it.
    pub(crate) fn done(self, scan: Scan) -> Arc<Scan> {
        let scan = Arc::new(scan);
        let bytes = weight(&scan);
        if bytes <= self.scans.limits.kept_bytes / 4 {
            let mut state = self.scans.lock();
            // An older state of the same bundle is never asked for again.
            let stale = |key: &Key| key.bundle == self.key.bundle && key.state != self.key.state;
            let mut freed = 0;
            state.slots.retain(|key, slot| match slot {
                Slot::Kept { bytes, .. } if stale(key) => {
                    freed += *bytes;
                    false
                }
                _ => true,
            });
            state.bytes -= freed;
            state.uses += 1;
            let used = state.uses;
            state.slots.insert(self.key.clone(), Slot::Kept { scan: Arc::clone(&scan), bytes, used });
            state.bytes += bytes;
            self.scans.make_room(&mut state);
        }
        scan
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.scans.lock();
        state.running -= 1;
        if matches!(state.slots.get(&self.key), Some(Slot::Running)) {
            state.slots.remove(&self.key);
        }
        drop(state);
        self.scans.changed.notify_all();
    }
}

/// About how many bytes a scan takes.
fn weight(scan: &Scan) -> usize {
    let findings = scan.findings.iter().map(|finding| {
        let lines = finding.evidence.iter().map(|line| line.text.len() + line.file.len() + RECORD);
        RECORD * 4 + lines.sum::<usize>() + finding.entities.iter().map(String::len).sum::<usize>()
    });
    let records = scan.files.len() + scan.gaps.len() + scan.checks.len() + scan.coverage.skipped.len();
    findings.sum::<usize>() + records * RECORD
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use eks_logs_core::{Located, MemoryStore, StorePath};
    use eks_logs_findings::{Catalogue, ScanOptions};
    use futures_lite::future::block_on;

    use super::*;

    fn scan() -> Scan {
        let store = MemoryStore::new();
        store.insert(StorePath::parse("kernel/dmesg.current").unwrap(), "[ 1.0] quiet\n");
        let options = ScanOptions::default().with_threads(0);
        block_on(eks_logs_findings::scan(&Located::in_store(store), Catalogue::builtin(), options, None)).unwrap()
    }

    fn key(bundle: &str, state: &str) -> Key {
        Key::new(bundle.to_owned(), state.to_owned(), EvidenceLimit::Few(5))
    }

    #[test]
    fn many_calls_make_one_scan() {
        let scans = Scans::new(ScanLimits::default());
        let (made, result) = (AtomicUsize::new(0), scan());
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| match scans.place(key("a", "1"), &|| false).unwrap() {
                    Place::Kept(kept) => assert_eq!(*kept, result),
                    Place::Turn(turn) => {
                        made.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(20));
                        turn.done(result.clone());
                    }
                });
            }
        });
        assert_eq!((made.into_inner(), scans.kept().0), (1, 1));
    }

    #[test]
    fn a_changed_bundle_is_scanned_again_and_the_old_scan_goes() {
        let scans = Scans::new(ScanLimits::default());
        for state in ["1", "2"] {
            let Place::Turn(turn) = scans.place(key("a", state), &|| false).unwrap() else { panic!("kept") };
            turn.done(scan());
        }
        assert_eq!(scans.kept().0, 1);
    }

    #[test]
    fn who_gives_up_leaves_the_turn_to_the_next() {
        let scans = Scans::new(ScanLimits { running: 1, waiting: 0, ..ScanLimits::default() });
        let Place::Turn(turn) = scans.place(key("a", "1"), &|| false).unwrap() else { panic!("kept") };
        let failure = scans.place(key("b", "1"), &|| false).err().unwrap();
        assert_eq!(failure.code, Code::Busy, "no place is left to wait in");
        let failure = scans.place(key("a", "1"), &|| true).err().unwrap();
        assert_eq!(failure.code, Code::Stopped, "nobody waits for it");
        drop(turn);
        assert!(matches!(scans.place(key("a", "1"), &|| false).unwrap(), Place::Turn(_)));
    }

    #[test]
    fn what_is_kept_stays_within_its_bytes() {
        let one = weight(&scan());
        let scans = Scans::new(ScanLimits { kept_bytes: one * 4, ..ScanLimits::default() });
        for bundle in ["a", "b", "c", "d", "e", "f"] {
            let Place::Turn(turn) = scans.place(key(bundle, "1"), &|| false).unwrap() else { panic!("kept") };
            turn.done(scan());
        }
        assert_eq!(scans.kept(), (4, one * 4));
        assert!(matches!(scans.place(key("f", "1"), &|| false).unwrap(), Place::Kept(_)));
        assert!(matches!(scans.place(key("a", "1"), &|| false).unwrap(), Place::Turn(_)));
    }
}
