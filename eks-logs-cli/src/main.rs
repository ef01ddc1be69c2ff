//! `eks-logs`: the tools of eks-logs for people and scripts. Arguments in, answers out; no analysis here.

mod args;
mod cloud;
mod command;
mod human;
mod output;
mod progress;
mod run;
mod terminal;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let status = match run::run(&args) {
        Ok(status) => status,
        Err(failure) => output::report(&args, &failure),
    };
    // A reader that stops reading (`| head`) is no failure.
    let _ = anstream::stdout().flush();
    ExitCode::from(status)
}
