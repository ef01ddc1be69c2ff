use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use eks_logs_findings::{EvidenceLimit, Severity};
use eks_logs_tools::SeverityFilter;

/// Reads the log bundle of an EKS worker node and says what is wrong with the node, with the lines that prove it.
///
/// BUNDLE is the archive that the log collector made (.tar.gz, .tgz, .tar or .zip, told by content, read in place), the directory
/// extracted from it, or a directory that holds one such bundle. No AWS access is needed.
#[derive(Debug, Parser)]
#[command(name = "eks-logs", version, propagate_version = true, max_term_width = 110, after_help = EXIT_STATUS)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// How answers are printed; JSON is for programs
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,

    /// Threads that scan [default: one per processor]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=256))]
    pub(crate) threads: Option<u16>,

    /// When to colour: auto honours NO_COLOR and colours terminals only
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: clap::ColorChoice,
}

const EXIT_STATUS: &str = "Exit status:
  0  answered; nothing at or above --fail-on
  1  answered; findings at or above --fail-on
  2  an argument is wrong
  3  not found, or not readable as a bundle
  4  access denied
  5  anything else

Examples:
  eks-logs triage eks_i-0abc_2026-11-20_0312-UTC_0.7.9.tar.gz
  eks-logs errors ./bundle --severity critical,high --format json
  eks-logs rules show network/conntrack-table-full";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What is wrong with this node: findings, candidate causes, what is not known
    Triage(Triage),
    /// The findings alone, filtered and in pages
    Errors(Errors),
    /// What the bundle holds and what it lacks
    Validate {
        /// Archive or directory
        bundle: PathBuf,
    },
    /// What is looked for, and why
    Rules {
        #[command(subcommand)]
        command: Rules,
    },
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Scanning {
    /// Archive or directory
    pub(crate) bundle: PathBuf,

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

#[derive(Debug, ClapArgs)]
pub(crate) struct Triage {
    #[command(flatten)]
    pub(crate) scanning: Scanning,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Errors {
    #[command(flatten)]
    pub(crate) scanning: Scanning,

    /// How much of each finding is told
    #[arg(long, value_enum, default_value_t = Detail::Concise)]
    pub(crate) response_format: Detail,

    /// Findings on a page, 1 to 200
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) page_size: usize,

    /// Where the last page ended: its nextPageToken
    #[arg(long, value_name = "TOKEN")]
    pub(crate) page_token: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// All rules, by id
    List {
        /// Also those of a directory
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        /// Prints only the patterns, one a line, for use with grep or ripgrep
        #[arg(long)]
        patterns: bool,
    },
    /// One rule with all that it says
    Show {
        /// Such as network/conntrack-table-full
        id: String,
        /// Also look in a directory
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
    },
    /// Loads a directory of rules and runs every example
    Check {
        /// DIR/AREA/NAME.toml
        directory: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Detail {
    Concise,
    Detailed,
}

/// `--evidence N|all`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted(pub(crate) EvidenceLimit);

impl FromStr for Quoted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(EvidenceLimit::All)),
            number => match number.parse() {
                Ok(count) if count >= 1 => Ok(Self(EvidenceLimit::Few(count))),
                _ => Err("give a number from 1, or all".to_owned()),
            },
        }
    }
}
