//! `eks-logs collect`

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use eks_logs_core::{InstanceId, StoreWriter, collection};
use eks_logs_tools::{
    Call, Code, CollectAnswer, CollectRequest, Context, Failure, Request as _, Selector, StatusAnswer, StatusRequest,
    TriageRequest, ingest_archive,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::{Account, OK, answer};
use crate::args::Args;
use crate::cloud::block_on;
use crate::human;
use crate::output::print;

/// Looks at an archive that nobody extracts, after which this command does it.
const UNTOUCHED: u32 = 2;
/// The same where somebody has begun, and may have died.
const ABANDONED: u32 = 20;

#[derive(Debug, ClapArgs)]
pub(crate) struct Collect {
    /// The node, such as i-0123456789abcdef0
    #[arg(value_name = "INSTANCE")]
    instance_id: String,
    #[command(flatten)]
    account: Account,

    /// Where the node is; without it, the node is looked for
    #[arg(long)]
    region: Option<String>,

    /// Two calls with one token start one collection
    #[arg(long, value_name = "TOKEN")]
    idempotency_token: Option<String>,

    /// Follows the collection to its end and prints the triage report
    #[arg(long)]
    wait: bool,

    /// Seconds between two looks, with --wait
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    poll_seconds: u64,

    /// With --wait, leaves extracting and indexing to the account's ingestion function
    #[arg(long, requires = "wait")]
    no_ingest: bool,
}

impl Collect {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, writer) = self.account.prepare(args)?;
        let request = CollectRequest {
            instance_id: self.instance_id.clone(),
            idempotency_token: self.idempotency_token.clone(),
            region: self.region.clone(),
        };
        let collected = answer(&context, &request)?;
        if !self.wait {
            print(args, &collected, human::collected)?;
            return Ok(OK);
        }
        let status = self.follow(&context, &writer, &collected)?;
        let bundle =
            Selector { instance_id: Some(collected.instance_id), bundle_id: status.bundle_id, execution_id: None };
        let triage = answer(&context, &TriageRequest { bundle, ..TriageRequest::default() })?;
        print(args, &triage, human::triage)?;
        Ok(OK)
    }

    /// Looks again and again until the findings can be read.
    fn follow(
        &self,
        context: &Context,
        writer: &Arc<dyn StoreWriter>,
        collected: &CollectAnswer,
    ) -> Result<StatusAnswer, Failure> {
        let shown = Shown::start();
        let request = StatusRequest {
            execution_id: collected.execution_id.clone(),
            include_step_details: false,
            region: Some(collected.region.clone()),
        };
        let mut untouched = 0;
        loop {
            let status = block_on(request.answer(context, Call::default()))?;
            shown.at(status.stage, status.automation.progress, &status.task.message);
            match status.automation.status {
                "completed" => return Ok(status),
                "failed" | "cancelled" => return Err(ended(&status)),
                _ => {}
            }
            untouched = if status.stage == "extracting" { untouched + 1 } else { 0 };
            if untouched >= UNTOUCHED && !self.no_ingest && self.ingest(context, writer, &status, untouched, &shown)? {
                untouched = 0;
                continue;
            }
            if let Some(timer) = &context.timer {
                block_on(timer.sleep(Duration::from_secs(self.poll_seconds)));
            }
        }
    }

    /// Extracts and indexes what nobody else does; `false` if somebody has begun not long ago.
    fn ingest(
        &self,
        context: &Context,
        writer: &Arc<dyn StoreWriter>,
        status: &StatusAnswer,
        looks: u32,
        shown: &Shown,
    ) -> Result<bool, Failure> {
        let node = InstanceId::parse(&self.instance_id)?;
        let stored = block_on(collection::stage::stored(writer.as_ref(), &node, &status.automation.execution_id))?;
        let Some(archive) = stored.archive else { return Ok(false) };
        if stored.directory.is_some() && looks < ABANDONED {
            return Ok(false);
        }
        let bar = &shown.bar;
        let hear = |done: u64, total: u64| within(bar, 70, 95, done, total);
        let call = Call::heard_by(&hear);
        block_on(ingest_archive(Arc::clone(writer), &archive, context, Timestamp::now(), call))?;
        Ok(true)
    }
}

/// A collection that ended without a bundle.
fn ended(status: &StatusAnswer) -> Failure {
    let mut failure = Failure::new(
        Code::NotCollectable,
        format!("{}: {}", status.automation.execution_id, status.task.message),
        status.next_step.clone(),
    );
    if let Some(cause) = &status.failure {
        failure.details.all = std::iter::once(cause.cause.clone()).chain(cause.fix.iter().cloned()).collect();
    }
    failure
}

/// A bar through all stages; a line for each where there is no terminal.
struct Shown {
    bar: ProgressBar,
    terminal: bool,
    last: std::cell::Cell<&'static str>,
}

impl Shown {
    fn start() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(100), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:30}] {msg}, {elapsed}") {
            bar.set_style(style);
        }
        if terminal {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, terminal, last: std::cell::Cell::new("") }
    }

    fn at(&self, stage: &'static str, percent: u8, message: &str) {
        use std::io::Write as _;
        self.bar.set_position(percent.into());
        self.bar.set_message(format!("{stage}: {message}"));
        if !self.terminal && self.last.replace(stage) != stage {
            // Who does not read it misses nothing of the answer.
            let _ = writeln!(anstream::stderr(), "{stage}: {message}");
        }
    }
}

/// A part of the bar, by how much of something is done.
fn within(bar: &ProgressBar, from: u64, to: u64, done: u64, total: u64) {
    if let Some(share) = ((to - from) * done.min(total)).checked_div(total) {
        bar.set_position(from + share);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
