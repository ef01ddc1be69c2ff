//! From arguments to the command.

use clap::CommandFactory as _;
use eks_logs_tools::Failure;

use crate::args::{Args, Command};
use crate::command::OK;

/// Runs the command and returns the exit status.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    match args.color {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    match &args.command {
        Command::Triage(command) => command.run(args),
        Command::Errors(command) => command.run(args),
        Command::Validate(command) => command.run(args),
        Command::Correlate(command) => command.run(args),
        Command::NetworkDiagnostics(command) => command.run(args),
        Command::NodeDiagnostics(command) => command.run(args),
        Command::Summarize(command) => command.run(args),
        Command::Verify(command) => command.run(args),
        Command::CompareNodes(command) => command.run(args),
        Command::Baseline { command } => command.run(args),
        Command::Read(command) => command.run(args),
        Command::Search(command) => command.run(args),
        Command::Artifact(command) => command.run(args),
        Command::Index(command) => command.run(args),
        Command::Collect(command) => command.run(args),
        Command::Status(command) => command.run(args),
        Command::History(command) => command.run(args),
        Command::Ingest(command) => command.run(args),
        Command::ClusterHealth(command) => command.run(args),
        Command::BatchCollect(command) => command.run(args),
        Command::BatchStatus(command) => command.run(args),
        Command::Doctor(command) => command.run(args),
        Command::Rules { command } => command.run(args),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Args::command(), "eks-logs", &mut anstream::stdout());
            Ok(OK)
        }
    }
}
