//! One function a command: request, answer, exit status.

use std::io::Write as _;
use std::path::Path;

use clap::CommandFactory as _;
use eks_logs_findings::{Catalogue, Severity};
use eks_logs_tools::{
    Code, ErrorsRequest, Failure, Options, ResponseFormat, check_rules, describe_rule, errors, list_rules, load_rules,
    open_local, triage, validate,
};
use futures_lite::future::block_on;
use serde::Serialize;

use crate::args::{Args, Command, Detail, Format, Rules, Scanning};
use crate::human;
use crate::progress::Progress;

const OK: u8 = 0;
const FOUND: u8 = 1;

/// Runs the command and returns the exit status.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    match args.color {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    match &args.command {
        Command::Triage(command) => {
            let scanning = &command.scanning;
            let catalogue = catalogue(scanning.rules.as_deref())?;
            let progress = Progress::start();
            let hear = |done, total| progress.at(done, total);
            let options = Options { progress: Some(&hear), ..options(args, &catalogue, Some(scanning)) };
            let mut answer = block_on(async { triage(&open_local(&scanning.bundle).await?, options).await })?;
            drop(progress);
            let status = status(scanning, answer.findings.iter().map(|finding| finding.severity));
            let found = answer.findings.len();
            answer.findings.retain(|finding| scanning.severity.accepts(finding.severity));
            let hidden = found - answer.findings.len();
            print(args, &answer, |answer| human::triage(answer, hidden))?;
            Ok(status)
        }
        Command::Errors(command) => {
            let scanning = &command.scanning;
            let catalogue = catalogue(scanning.rules.as_deref())?;
            let progress = Progress::start();
            let hear = |done, total| progress.at(done, total);
            let options = Options { progress: Some(&hear), ..options(args, &catalogue, Some(scanning)) };
            let request = ErrorsRequest {
                severity: scanning.severity.clone(),
                response_format: match command.response_format {
                    Detail::Concise => ResponseFormat::Concise,
                    Detail::Detailed => ResponseFormat::Detailed,
                },
                page_size: command.page_size,
                page_token: command.page_token.clone(),
            };
            let answer = block_on(async { errors(&open_local(&scanning.bundle).await?, &request, options).await })?;
            drop(progress);
            let counts = &answer.summary;
            let found = [
                (Severity::Critical, counts.critical),
                (Severity::High, counts.high),
                (Severity::Medium, counts.medium),
                (Severity::Low, counts.low),
                (Severity::Info, counts.info),
            ];
            let status =
                status(scanning, found.into_iter().filter(|(_, count)| *count > 0).map(|(severity, _)| severity));
            print(args, &answer, human::errors)?;
            Ok(status)
        }
        Command::Validate { bundle } => {
            let progress = Progress::start();
            let hear = |done, total| progress.at(done, total);
            let options = Options { progress: Some(&hear), ..options(args, Catalogue::builtin(), None) };
            let answer = block_on(async { validate(&open_local(bundle).await?, options).await })?;
            drop(progress);
            print(args, &answer, human::validate)?;
            Ok(OK)
        }
        Command::Rules { command } => rules(args, command),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Args::command(), "eks-logs", &mut anstream::stdout());
            Ok(OK)
        }
    }
}

fn rules(args: &Args, command: &Rules) -> Result<u8, Failure> {
    match command {
        Rules::List { rules, patterns: false } => {
            print(args, &list_rules(&catalogue(rules.as_deref())?), human::rules)?
        }
        Rules::List { rules, patterns: true } => {
            let catalogue = catalogue(rules.as_deref())?;
            let lines = catalogue.rules().iter().flat_map(eks_logs_tools::rule_patterns);
            write(&lines.map(|line| line + "\n").collect::<String>())?;
        }
        Rules::Show { id, rules } => print(args, &describe_rule(&catalogue(rules.as_deref())?, id)?, human::rule)?,
        Rules::Check { directory } => print(args, &check_rules(directory)?, human::checked)?,
    }
    Ok(OK)
}

fn catalogue(directory: Option<&Path>) -> Result<Catalogue, Failure> {
    directory.map_or_else(|| Ok(Catalogue::builtin().clone()), load_rules)
}

fn options<'a>(args: &Args, catalogue: &'a Catalogue, scanning: Option<&Scanning>) -> Options<'a> {
    let mut options = Options::new(catalogue);
    if let Some(threads) = args.threads {
        options.threads = threads.into();
    }
    if let Some(scanning) = scanning {
        options.evidence = scanning.evidence.0;
        options.redact = !scanning.no_redact;
    }
    options
}

fn status(scanning: &Scanning, mut found: impl Iterator<Item = Severity>) -> u8 {
    let fails = scanning.fail_on.is_some_and(|worst| found.any(|severity| severity <= worst));
    if fails { FOUND } else { OK }
}

fn print<T: Serialize>(args: &Args, answer: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    match args.format {
        Format::Human => write(&human(answer)),
        Format::Json => write(&json(answer)?),
    }
}

fn json<T: Serialize>(answer: &T) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(answer);
    text.map(|text| text + "\n").map_err(|why| Failure::new(Code::Internal, why.to_string(), "report this"))
}

fn write(text: &str) -> Result<(), Failure> {
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Code::Internal, format!("cannot write the answer: {why}"), "check where the output goes"))
        }
        _ => Ok(()),
    }
}

/// Prints a failure and returns its exit status.
pub(crate) fn report(args: &Args, failure: &Failure) -> u8 {
    if args.format == Format::Json {
        // The failure object is the answer; if even that cannot be written, the status still tells.
        let _ = json(failure).and_then(|text| write(&text));
    }
    let mut errors = anstream::stderr();
    let _ = writeln!(errors, "eks-logs: {}", crate::terminal::neutral(&failure.error));
    for detail in failure.details.all.iter().skip(1) {
        let _ = writeln!(errors, "  {}", crate::terminal::neutral(detail));
    }
    let _ = writeln!(errors, "  {}", crate::terminal::neutral(&failure.details.suggestion));
    match failure.code {
        Code::BadArgument => 2,
        Code::NotFound | Code::Unreadable => 3,
        Code::Denied => 4,
        _ => 5,
    }
}
