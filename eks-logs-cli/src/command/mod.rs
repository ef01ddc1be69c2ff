//! One file a command: its arguments, its request, its exit status.

mod account;
mod artifact;
mod baseline;
mod collect;
mod collections;
mod compare;
mod correlate;
mod diagnostics;
mod doctor;
mod errors;
mod fleet;
mod index;
mod read;
mod rules;
mod search;
mod summarize;
mod target;
mod triage;
mod validate;
mod verify;

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use eks_logs_findings::{Catalogue, Severity};
use eks_logs_tools::{Call, Context, Failure, Quoted, Request, SeverityFilter, load_rules};

pub(crate) use account::Account;
pub(crate) use artifact::Artifact;
pub(crate) use baseline::Baseline;
pub(crate) use collect::Collect;
pub(crate) use collections::{History, Ingest, Status};
pub(crate) use compare::Compare;
pub(crate) use correlate::Correlate;
pub(crate) use diagnostics::{NetworkDiagnostics, NodeDiagnostics};
pub(crate) use doctor::Doctor;
pub(crate) use errors::Errors;
pub(crate) use fleet::{BatchCollect, BatchStatus, ClusterHealth};
pub(crate) use index::Index;
pub(crate) use read::Read;
pub(crate) use rules::Rules;
pub(crate) use search::Search;
pub(crate) use summarize::Summarize;
pub(crate) use target::{Place, Target, When, many, open};
pub(crate) use triage::Triage;
pub(crate) use validate::Validate;
pub(crate) use verify::Verify;

use crate::args::Args;
use crate::cloud::block_on;
use crate::progress::Progress;

/// Answered.
pub(crate) const OK: u8 = 0;
/// Answered, with findings at or above `--fail-on`.
const FOUND: u8 = 1;

/// What commands that look for faults share.
#[derive(Debug, ClapArgs)]
pub(crate) struct Scanning {
    /// Only findings of these severities: all, critical, high, medium, low, info, or a comma list
    #[arg(long, value_name = "LIST", default_value = "all")]
    pub(crate) severity: SeverityFilter,

    /// Lines that each finding quotes: a number, or all
    #[arg(long, value_name = "N|all", default_value = "5")]
    pub(crate) evidence: Quoted,

    /// Adds the rules of a directory (DIR/AREA/NAME.toml); a rule replaces the built-in one of the same id
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Option<PathBuf>,

    /// Exit with status 1 if there is a finding of this severity or worse
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<Severity>,

    /// Leaves tokens, keys and passwords in quoted lines as they are
    #[arg(long)]
    pub(crate) no_redact: bool,
}

impl Scanning {
    fn prepare(&self, args: &Args, target: &Target) -> Result<Context, Failure> {
        let mut context = context(args, target)?;
        context.catalogue = catalogue(self.rules.as_deref())?;
        context.redact = !self.no_redact;
        Ok(context)
    }

    fn status(&self, mut found: impl Iterator<Item = Severity>) -> u8 {
        let fails = self.fail_on.is_some_and(|worst| found.any(|severity| severity <= worst));
        if fails { FOUND } else { OK }
    }
}

/// What commands share that read the findings of a bundle.
#[derive(Debug, ClapArgs)]
pub(crate) struct Reading {
    /// Adds the rules of a directory (DIR/AREA/NAME.toml); a rule replaces the built-in one of the same id
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,

    /// Leaves tokens, keys and passwords in quoted lines as they are
    #[arg(long)]
    no_redact: bool,
}

impl Reading {
    fn prepare(&self, args: &Args, target: &Target) -> Result<Context, Failure> {
        let mut context = context(args, target)?;
        context.catalogue = catalogue(self.rules.as_deref())?;
        context.redact = !self.no_redact;
        Ok(context)
    }
}

/// What tools work with, for a target.
fn context(args: &Args, target: &Target) -> Result<Context, Failure> {
    let mut context = Context::new(target.bundles()?);
    if let Some(threads) = args.threads {
        context.threads = threads.into();
    }
    Ok(context)
}

/// What tools work with, for a bundle and one more word, and that word.
fn in_place<'a>(
    args: &Args,
    place: &Place,
    words: &'a [String],
    what: &str,
    redact: bool,
) -> Result<(Context, &'a str), Failure> {
    let (bundles, word) = place.of(words, what)?;
    let mut context = Context::new(bundles);
    if let Some(threads) = args.threads {
        context.threads = threads.into();
    }
    context.redact = redact;
    Ok((context, word))
}

/// Answers a request, with a progress bar if it takes long.
fn answer<R: Request>(context: &Context, request: &R) -> Result<R::Answer, Failure> {
    listening(|call| block_on(request.answer(context, call)))
}

/// Does some work, with a progress bar if it takes long.
fn listening<T>(work: impl FnOnce(Call<'_>) -> T) -> T {
    let progress = Progress::start();
    let hear = |done, total| progress.at(done, total);
    work(Call::heard_by(&hear))
}

fn catalogue(directory: Option<&Path>) -> Result<Catalogue, Failure> {
    directory.map_or_else(|| Ok(Catalogue::builtin().clone()), load_rules)
}
