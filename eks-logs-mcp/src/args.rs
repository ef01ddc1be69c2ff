//! The command line.

use std::net::SocketAddr;

use clap::{Args as ClapArgs, Parser, ValueEnum};

/// Serves the eks-logs tools to agents over the Model Context Protocol: what is wrong with an EKS node, from its log bundle, with the
/// lines that prove it. Over stdio unless --http is given. Bundles that lie in a directory need no AWS account.
#[derive(Clone, Debug, Parser)]
#[command(name = "eks-logs-mcp", version, max_term_width = 110, after_help = EXAMPLES)]
pub struct Args {
    /// Where bundles are: a directory of many (as archives or extracted), one bundle, or a bucket with the account that it belongs to
    #[arg(long, value_name = "DIR|BUNDLE|s3://BUCKET", env = "EKS_LOGS_STORE")]
    pub store: String,

    /// Which tools are offered: a profile (compact, fifteen, analysis, all) or names with commas between them
    #[arg(long, value_name = "PROFILE|NAMES", default_value = "compact")]
    pub tools: String,

    /// Hides the tools that need an AWS account
    #[arg(long)]
    pub offline: bool,

    /// Lists the schemas of answers to their last level, for clients that are programs. They take four times the room in a context window
    #[arg(long)]
    pub whole_schemas: bool,

    /// Adds the rules of a directory (DIR/AREA/NAME.toml)
    #[arg(long, value_name = "DIR")]
    pub rules: Option<std::path::PathBuf>,

    /// Leaves tokens, keys and passwords in quoted lines as they are
    #[arg(long)]
    pub no_redact: bool,

    /// AWS
    #[command(flatten)]
    pub account: Account,

    /// Limits
    #[command(flatten)]
    pub limits: Limits,

    /// HTTP
    #[command(flatten)]
    pub http: Http,

    /// What is logged, to stderr: error, warn, info, debug, or a tracing filter. Log content never is
    #[arg(long, value_name = "FILTER", env = "EKS_LOGS_LOG", default_value = "info", help_heading = "Logging")]
    pub log: String,

    /// How it is logged
    #[arg(long, value_enum, default_value_t = LogFormat::Text, help_heading = "Logging")]
    pub log_format: LogFormat,
}

/// What holds with a bucket. Credentials, region and profile are those of AWS's SDKs: environment, profiles, SSO, roles.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "AWS (with --store s3://BUCKET; region and profile: AWS_REGION, AWS_PROFILE)")]
pub struct Account {
    /// The document that collects, if not AWSSupport-CollectEKSInstanceLogs
    #[arg(long, value_name = "NAME")]
    pub document: Option<String>,

    /// The role that the automation takes on, if not that of the caller
    #[arg(long, value_name = "ARN")]
    pub automation_role: Option<String>,

    /// The KMS key with which what we write is encrypted, if not as the bucket's default says
    #[arg(long, value_name = "KEY")]
    pub kms_key: Option<String>,
}

/// What a call may cost.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Tokens (estimated) that one answer may take; what is beyond comes in further parts
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..=200_000))]
    pub answer_tokens: u32,

    /// Seconds that one call may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub call_seconds: u32,

    /// Calls that run at the same time; twice as many may wait, one more is refused as busy
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub calls: u16,

    /// Bundles that are scanned at the same time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub scans: u16,

    /// Threads of each scan [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,

    /// MiB of scans that are kept, so that the next call about a bundle does not read it again
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u16).range(0..=16_384))]
    pub cache_mib: u16,

    /// The largest request
    #[arg(long, value_name = "KIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub max_request_kib: u32,

    /// Seconds after which a call becomes a task, for clients that follow tasks
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub task_after: u32,
}

/// Streamable HTTP.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "HTTP")]
pub struct Http {
    /// Serves streamable HTTP at this address, under /mcp. An address that others reach needs --oidc-issuer
    #[arg(long, value_name = "IP:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:8080")]
    pub http: Option<SocketAddr>,

    /// No sessions: each request stands alone, for servers behind a load balancer. Always so with --oidc-issuer
    #[arg(long, requires = "http")]
    pub stateless: bool,

    /// Host names that requests may be for, besides loopback's
    #[arg(long, value_name = "HOST", value_delimiter = ',', requires = "http")]
    pub allow_host: Vec<String>,

    /// Web origins that may call, such as <https://app.example.com:443>; pages of this machine may where no token is asked for
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', requires = "http")]
    pub allow_origin: Vec<String>,

    /// Seconds that requests in flight have to end when the server is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub grace_seconds: u32,

    /// Bearer tokens must be of this OpenID Connect issuer
    #[arg(long, value_name = "URL", requires_all = ["http", "oidc_audience", "public_url"])]
    pub oidc_issuer: Option<String>,

    /// ... for this audience
    #[arg(long, value_name = "AUDIENCE", requires = "oidc_issuer")]
    pub oidc_audience: Option<String>,

    /// ... or, for tokens that name no audience, of one of these clients
    #[arg(long, value_name = "ID", value_delimiter = ',', requires = "oidc_issuer")]
    pub oidc_client_id: Vec<String>,

    /// ... with this scope
    #[arg(long, value_name = "SCOPE", default_value = "gateway:read")]
    pub oidc_scope: String,

    /// The URL under which clients reach the server, as its protected resource metadata says it
    #[arg(long, value_name = "URL", requires = "http")]
    pub public_url: Option<String>,
}

/// How the server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

const EXAMPLES: &str = "Examples:
  eks-logs-mcp --store ./bundles
  eks-logs-mcp --store eks_i-0abc_2026-11-20_0312-UTC_0.7.9.tar.gz --tools all --offline
  eks-logs-mcp --store s3://my-eks-logs --tools fifteen
  eks-logs-mcp --store ./bundles --http 127.0.0.1:8080
  eks-logs-mcp --store ./bundles --http 0.0.0.0:8080 --public-url https://logs.example.com/mcp \\
      --oidc-issuer https://issuer.example.com --oidc-audience eks-logs --allow-host logs.example.com

In a client's configuration (Claude Desktop, Claude Code, Kiro, Amazon Q, VS Code):
  { \"mcpServers\": { \"eks-logs\": { \"command\": \"eks-logs-mcp\", \"args\": [\"--store\", \"/path/to/bundles\"] } } }";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let args = Args::try_parse_from(["eks-logs-mcp", "--store", ".", "--http"]).unwrap();
        assert_eq!(args.http.http.unwrap().to_string(), "127.0.0.1:8080");
        for bad in [
            &["eks-logs-mcp"][..],
            &["eks-logs-mcp", "--store", ".", "--stateless"],
            &["eks-logs-mcp", "--store", ".", "--http", "--oidc-issuer", "https://issuer.example.com"],
            &["eks-logs-mcp", "--store", ".", "--answer-tokens", "5"],
        ] {
            assert!(Args::try_parse_from(bad).is_err(), "{bad:?}");
        }
    }
}
