use clap::{Parser, Subcommand, ValueEnum};

use crate::command::{
    Artifact, Baseline, BatchCollect, BatchStatus, ClusterHealth, Collect, Compare, Correlate, Doctor, Errors, History,
    Index, Ingest, NetworkDiagnostics, NodeDiagnostics, Read, Rules, Search, Status, Summarize, Triage, Validate,
    Verify,
};

/// Reads the log bundle of an EKS worker node and says what is wrong with the node, with the lines that prove it.
///
/// BUNDLE is the archive that the log collector made (.tar.gz, .tgz, .tar or .zip, told by content, read in place), the directory
/// extracted from it, a directory that holds one such bundle, or any of these in a bucket (s3://bucket/...). Local bundles need no
/// AWS access.
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
  eks-logs search ./bundle 'oom|out of memory' --log-types kernel,kubelet
  eks-logs read ./bundle kubelet/kubelet.log --start-line -50
  eks-logs rules show network/conntrack-table-full";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What is wrong with this node: findings, candidate causes, what is not known
    Triage(Triage),
    /// The findings alone, filtered and in pages
    Errors(Errors),
    /// What the bundle holds and what it lacks
    Validate(Validate),
    /// Events in order and together, and the chain that leads through them
    Correlate(Correlate),
    /// The node's network by section: figures, issues, what is not known
    NetworkDiagnostics(NetworkDiagnostics),
    /// The node itself by section: disks, memory, processes, configuration, versions
    NodeDiagnostics(NodeDiagnostics),
    /// What given findings mean, each sentence citing its findings
    Summarize(Summarize),
    /// Checks a written report: each finding id, quotation, count, time and place
    Verify(Verify),
    /// What some nodes have and others lack
    CompareNodes(Compare),
    /// What is normal in a cluster
    Baseline {
        #[command(subcommand)]
        command: Baseline,
    },
    /// Any part of any file, by bytes or by lines
    Read(Read),
    /// A regex in every file, with exact counts
    Search(Search),
    /// Where one file can be fetched as it is, with its SHA-256
    Artifact(Artifact),
    /// Stores what is known of an extracted bundle beside it: manifest, line indexes, findings
    ///
    /// Writes manifest.json, line_index/, findings_index.json and events_index.json into the bundle's
    /// directory. The other commands then use them as long as the files and the rules are the same.
    Index(Index),
    /// Collects a node's logs through SSM; with --wait up to the triage report
    Collect(Collect),
    /// How far a collection is, and why it failed
    Status(Status),
    /// Which collections there were
    History(History),
    /// Extracts an archive of a bucket beside itself and indexes it, in one pass
    Ingest(Ingest),
    /// How the nodes of a cluster are
    ClusterHealth(ClusterHealth),
    /// Collects a sample of a cluster's nodes, or shows the plan
    BatchCollect(BatchCollect),
    /// How far a batch of collections is
    BatchStatus(BatchStatus),
    /// Whether the nodes of a cluster can be collected, and the fix for what stands in the way
    ///
    /// Looks from outside at what must hold: the document in the region, the bucket, nodes with agents that are online, and that the
    /// nodes' roles, the bucket's and the key's policies let them upload. Exit status 1 if something does not hold or is not known.
    Doctor(Doctor),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}
