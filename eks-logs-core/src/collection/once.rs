//! Starting a collection exactly once.
//!
//! Two things must not happen: two executions for one token, and two collectors at work on one node (they share a directory and would
//! mix their files). So there are two kinds of claims, records that are written create-only or by compare-and-swap: one for the token, one for the
//! node. Whoever holds both starts; the others wait for what the holder writes into them.
//!
//! A holder that dies leaves a claim without an execution. After [`LEASE`] the next caller takes it over, looks for an execution of this node that
//! began since the claim was made and adopts it, and otherwise starts one with the same client token, so that SSM itself would answer
//! with the first one if it was started after all. A caller that arrives right after a crash waits up to [`LEASE`].

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use xxhash_rust::xxh3::xxh3_128;

use super::record::{self, Claim, ExecutionRegion};
use super::{Collector, ExecutionFilter, ExecutionState};
use crate::clock::{Clock, Timer};
use crate::error::{Error, Result};
use crate::id::{ExecutionId, InstanceId, Region};
use crate::path::StorePath;
use crate::store::{PutMode, StoreWriter, Version};

/// How long a claim without an execution is respected. A start takes 20 seconds at the most; callers' clocks may differ by the rest.
pub const LEASE: Duration = Duration::from_secs(60);
/// A holder whose claim is older than this renews it before it starts.
const RENEW: SignedDuration = SignedDuration::from_secs(20);
/// By how much the clocks of SSM and of callers may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(120);
/// Executions that are looked at, newest first, to find one that a dead caller started.
const LOOKED_AT: usize = 50;
/// Between two looks at another caller's claim: at first, and at the most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// The claim of the node itself. No token may contain `+`.
const NODE: &str = "+node";

/// What starting takes.
#[derive(Clone, Copy, Debug)]
pub struct Starter<'a> {
    /// Where claims are kept.
    pub records: &'a dyn StoreWriter,
    /// What starts.
    pub collector: &'a dyn Collector,
    /// Tells how old claims are.
    pub clock: &'a dyn Clock,
    /// Waits for other callers.
    pub timer: &'a dyn Timer,
    /// The node's cluster, to be remembered, where it is known.
    pub cluster: Option<&'a str>,
}

/// Why an execution is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This call started it.
    Started,
    /// An earlier call with the same token started it.
    SameToken,
    /// It runs on the node already.
    AlreadyRunning,
    /// A caller that died had started it.
    Adopted,
}

/// An execution that stands for the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The execution.
    pub execution: ExecutionId,
    /// Where it runs.
    pub region: Region,
    /// Why it is the answer.
    pub origin: Origin,
    /// The execution that the token stood for before, which had failed.
    pub replaces: Option<ExecutionId>,
    /// What could not be remembered.
    pub warnings: Vec<String>,
}

/// A claim that this call holds.
struct Held {
    path: StorePath,
    claim: Claim,
    version: Version,
    /// What the claim stood for before.
    before: Option<ExecutionId>,
    /// It was left behind by a caller that died.
    orphaned: bool,
}

enum Claimed {
    Held(Box<Held>),
    Taken(ExecutionId, Region),
}

/// Checks that a token may be part of a path: 1 to 128 of `A-Z a-z 0-9 . _ -`.
pub fn check_token(token: &str) -> Result<()> {
    let valid = (1..=128).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if valid {
        return Ok(());
    }
    Err(Error::InvalidId {
        value: token.to_owned(),
        kind: "idempotency token",
        expected: "1 to 128 of A-Z a-z 0-9 . _ -",
    })
}

impl Starter<'_> {
    /// Starts a collection, or answers with the one that stands for this call.
    pub async fn start(&self, node: &InstanceId, region: &Region, token: Option<&str>) -> Result<Started> {
        let Some(token) = token else { return self.on_node(node, region, None).await };
        check_token(token)?;
        let path = record::claim_path(node, token)?;
        let again = |execution: ExecutionState| execution.is_over() && execution != ExecutionState::Success;
        let mut held = match self.claim(&path, region, again).await? {
            Claimed::Taken(execution, region) => {
                return Ok(Started {
                    execution,
                    region,
                    origin: Origin::SameToken,
                    replaces: None,
                    warnings: Vec::new(),
                });
            }
            Claimed::Held(held) => *held,
        };
        let since = held.claim.first_claimed_at.filter(|_| held.orphaned);
        match self.on_node(node, region, since).await {
            Ok(mut started) => {
                started.replaces = held.before.take();
                self.settle(held, &started.execution, &started.region, &mut started.warnings).await;
                Ok(started)
            }
            Err(why) => Err(self.release(held, why).await),
        }
    }

    /// Starts on a node unless a collection runs there; with `since`, one that began and ended since then counts too.
    async fn on_node(&self, node: &InstanceId, region: &Region, since: Option<Timestamp>) -> Result<Started> {
        let path = record::claim_path(node, NODE)?;
        let finished = |state: ExecutionState| state.is_over();
        let started =
            |execution, region, origin| Started { execution, region, origin, replaces: None, warnings: Vec::new() };
        if let Some(since) = since
            && let Some((claim, _)) = record::read::<Claim>(self.records, &path).await?
            && let Some((execution, region)) = known(&claim, region)?
            && claim.claimed_at.is_some_and(|at| at >= since)
            && self.state(&execution, &region).await?.is_none_or(|state| state == ExecutionState::Success)
        {
            return Ok(started(execution, region, Origin::Adopted));
        }
        let mut held = match self.claim(&path, region, finished).await? {
            Claimed::Taken(execution, region) => return Ok(started(execution, region, Origin::AlreadyRunning)),
            Claimed::Held(held) => *held,
        };
        let result = self.start_held(node, region, &mut held).await;
        match result {
            Ok((execution, origin)) => {
                let mut started = started(execution, region.clone(), origin);
                self.settle(held, &started.execution, region, &mut started.warnings).await;
                self.remember_region(node, &mut started).await;
                Ok(started)
            }
            Err(why) => Err(self.release(held, why).await),
        }
    }

    async fn start_held(&self, node: &InstanceId, region: &Region, held: &mut Held) -> Result<(ExecutionId, Origin)> {
        if held.orphaned
            && let Some(since) = held.claim.first_claimed_at
            && let Some(execution) = self.find(node, region, since).await?
        {
            return Ok((execution, Origin::Adopted));
        }
        let now = self.clock.now();
        if held.claim.claimed_at.is_none_or(|at| now.duration_since(at) > RENEW) {
            held.claim.claimed_at = Some(now);
            held.version =
                record::write(self.records, &held.path, &held.claim, PutMode::Match(held.version.clone())).await?;
        }
        let execution = self.collector.start(node, region, &client_token(node, region, &held.claim)).await?;
        Ok((execution, Origin::Started))
    }

    /// Claims a path, or says what it stands for; `again` tells in which states an execution does not stand any more.
    async fn claim(
        &self,
        path: &StorePath,
        region: &Region,
        again: impl Fn(ExecutionState) -> bool,
    ) -> Result<Claimed> {
        let me = nonce();
        let fresh = |generation| {
            let now = self.clock.now();
            Claim {
                execution_id: None,
                region: Some(region.to_string()),
                claimed_at: Some(now),
                first_claimed_at: Some(now),
                generation,
                claimed_by: me.clone(),
                failed: None,
            }
        };
        let mut pause = PAUSE.0;
        loop {
            let held = |claim, version, before, orphaned| {
                let held = Held { path: path.clone(), claim, version, before, orphaned };
                Ok(Claimed::Held(Box::new(held)))
            };
            let Some((there, version)) = record::read::<Claim>(self.records, path).await? else {
                let claim = fresh(0);
                match record::write(self.records, path, &claim, PutMode::Create).await {
                    Ok(version) => return held(claim, version, None, false),
                    // Somebody was faster, or it was us and the answer got lost: the record tells.
                    Err(Error::Precondition { .. }) => continue,
                    Err(why) => return Err(why),
                }
            };
            let (next, before, orphaned) = match known(&there, region)? {
                Some((execution, at)) => match self.state(&execution, &at).await? {
                    Some(state) if !again(state) => return Ok(Claimed::Taken(execution, at)),
                    // SSM forgets executions after 30 days.
                    Some(_) | None => (fresh(there.generation + 1), Some(execution), false),
                },
                None if there.claimed_by == me => return held(there, version, None, false),
                None if there.failed.is_some() => (fresh(there.generation + 1), None, false),
                None if self.is_orphaned(&there) => {
                    let now = self.clock.now();
                    let next = Claim { claimed_at: Some(now), claimed_by: me.clone(), ..there };
                    (next, None, true)
                }
                None => {
                    self.timer.sleep(pause).await;
                    pause = (pause * 2).min(PAUSE.1);
                    continue;
                }
            };
            match record::write(self.records, path, &next, PutMode::Match(version)).await {
                Ok(version) => return held(next, version, before, orphaned),
                Err(Error::Precondition { .. }) => {}
                Err(why) => return Err(why),
            }
        }
    }

    fn is_orphaned(&self, claim: &Claim) -> bool {
        let lease = SignedDuration::from_secs(LEASE.as_secs() as i64);
        claim.claimed_at.is_none_or(|at| self.clock.now().duration_since(at) > lease)
    }

    /// How an execution is; `None` if SSM does not know it (any more).
    async fn state(&self, execution: &ExecutionId, region: &Region) -> Result<Option<ExecutionState>> {
        match self.collector.execution(execution, region).await {
            Ok(execution) => Ok(Some(execution.state)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// An execution of the node that began since then and has not failed.
    async fn find(&self, node: &InstanceId, region: &Region, since: Timestamp) -> Result<Option<ExecutionId>> {
        let started_after = since.checked_sub(SKEW).ok();
        let filter = ExecutionFilter { state: None, started_after };
        let (mut token, mut looked) = (None::<String>, 0);
        loop {
            let page = self.collector.executions(region, &filter, token.as_deref()).await?;
            for listed in page.executions {
                looked += 1;
                if looked > LOOKED_AT {
                    return Ok(None);
                }
                let stands = |state| state == ExecutionState::Success || !ExecutionState::is_over(state);
                if !stands(listed.state) {
                    continue;
                }
                // A listing does not tell the node.
                if self.collector.execution(&listed.id, region).await?.instance.as_ref() == Some(node) {
                    return Ok(Some(listed.id));
                }
            }
            match page.next {
                Some(next) => token = Some(next),
                None => return Ok(None),
            }
        }
    }

    /// Writes the execution into the claim. It runs: what cannot be remembered is a warning.
    async fn settle(&self, held: Held, execution: &ExecutionId, region: &Region, warnings: &mut Vec<String>) {
        let claim = Claim {
            execution_id: Some(execution.to_string()),
            region: Some(region.to_string()),
            failed: None,
            ..held.claim
        };
        if let Err(why) = record::write(self.records, &held.path, &claim, PutMode::Match(held.version)).await {
            warnings.push(format!(
                "the collection is started, but the claim could not be completed ({why}); the next call finds it"
            ));
        }
    }

    /// Gives a claim back after a failed start, so that nobody has to wait for it. Where the start may have happened in spite of the
    /// error, the claim stays: the next caller looks for the execution.
    async fn release(&self, held: Held, why: Error) -> Error {
        if matches!(why, Error::Unavailable { .. }) {
            return why;
        }
        let claim = Claim { failed: Some(why.to_string()), ..held.claim };
        // If even that fails, the lease ends by itself.
        let _ = record::write(self.records, &held.path, &claim, PutMode::Match(held.version)).await;
        why
    }

    async fn remember_region(&self, node: &InstanceId, started: &mut Started) {
        let record = ExecutionRegion {
            execution_id: Some(started.execution.to_string()),
            region: started.region.to_string(),
            instance_id: Some(node.to_string()),
            started_at: Some(self.clock.now()),
            cluster: self.cluster.map(str::to_owned),
        };
        let written = match record::region_path(&started.execution) {
            Ok(path) => record::write(self.records, &path, &record, PutMode::Overwrite).await.map(|_| ()),
            Err(why) => Err(why),
        };
        if let Err(why) = written {
            started.warnings.push(format!(
                "the region could not be remembered ({why}); give region {} when you ask for the status",
                started.region
            ));
        }
    }
}

/// The execution that a claim stands for; records of other tools may not name the region.
fn known(claim: &Claim, region: &Region) -> Result<Option<(ExecutionId, Region)>> {
    let Some(id) = &claim.execution_id else { return Ok(None) };
    let region = claim.region.as_deref().map_or_else(|| Ok(region.clone()), Region::parse)?;
    Ok(Some((ExecutionId::parse(id)?, region)))
}

/// Tells this call from all others.
fn nonce() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

/// The same for all who hold one claim one after the other; SSM wants a UUID.
fn client_token(node: &InstanceId, region: &Region, claim: &Claim) -> String {
    let at = claim.first_claimed_at.map_or_else(String::new, |at| at.as_nanosecond().to_string());
    let hex = format!("{:032x}", xxh3_128(format!("{node}/{region}/{at}/{}", claim.generation).as_bytes()));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_path_safe() {
        assert!(check_token("incident-4711.a_B").is_ok());
        for bad in ["", "a/b", "..%2f", "ü", "+node", &"x".repeat(129)] {
            assert!(check_token(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_client_token_is_a_uuid_and_follows_the_claim() {
        let node = InstanceId::parse("i-0123abcd").unwrap();
        let region = Region::parse("eu-central-1").unwrap();
        let claim: Claim = serde_json::from_str(r#"{"firstClaimedAt":"2026-11-20T03:00:00Z"}"#).unwrap();
        let token = client_token(&node, &region, &claim);
        assert!(ExecutionId::parse(&token).is_ok(), "{token}");
        assert_eq!(token, client_token(&node, &region, &Claim { claimed_by: "another".to_owned(), ..claim.clone() }));
        assert_ne!(token, client_token(&node, &region, &Claim { generation: 1, ..claim }));
    }
}
