//! From the command line to a running server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eks_logs_core::Clock;
use eks_logs_tools::{Bundles, Code, Context, Failure, ScanLimits, Scans, load_rules, open_local};
use jiff::Timestamp;
use rmcp::ServiceExt as _;

use crate::args::Args;
use crate::server::{Options, Server};
use crate::{cloud, http, telemetry};

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// A store, a rule or a tool is not there.
    #[error("{}; {}", .0.error, .0.details.suggestion)]
    Failure(#[from] Failure),
    /// The operating system refuses.
    #[error("{doing}: {source}")]
    Io {
        /// What was attempted.
        doing: String,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
    /// The client does not speak the protocol.
    #[error("the client did not begin as the protocol asks: {0}")]
    Protocol(String),
}

impl StartError {
    /// The exit status: 2 for the command line, 3 and 4 for what is not there or refused, 5 for anything else.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failure(failure) => match failure.code {
                Code::BadArgument => 2,
                Code::NotFound | Code::Unreadable => 3,
                Code::Denied => 4,
                _ => 5,
            },
            Self::Io { .. } | Self::Protocol(_) => 5,
        }
    }
}

/// The clock of this machine: tells how old a bundle is.
#[derive(Debug)]
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Where bundles are.
enum Place {
    Local(Bundles),
    Bucket(cloud::Bucket),
}

/// Makes what the tools work with. The built-in rules are loaded, and a bucket's account is looked up, when it is called: on a thread of
/// the runtime that may block.
///
/// # Errors
/// What the store or the rules of `--rules` lack.
pub async fn context(args: &Args) -> Result<impl FnOnce() -> Context + Send + 'static, StartError> {
    let place = place(args).await?;
    let rules = args.rules.as_deref().map(load_rules).transpose()?;
    let args = args.clone();
    Ok(move || {
        let mut context = match place {
            Place::Local(bundles) => Context::new(bundles),
            Place::Bucket(bucket) => bucket.context(Arc::new(Now)),
        };
        if let Some(threads) = args.limits.threads {
            context.threads = threads.into();
        }
        if let Some(rules) = rules {
            context.catalogue = rules;
        }
        context.redact = !args.no_redact;
        context.clock = Some(Arc::new(Now));
        let mut limits = ScanLimits::default();
        limits.kept_bytes = usize::from(args.limits.cache_mib) << 20;
        limits.running = args.limits.scans.into();
        context.scans = Some(Arc::new(Scans::new(limits)));
        context
    })
}

async fn place(args: &Args) -> Result<Place, Failure> {
    if is_bucket(&args.store) {
        return Ok(Place::Bucket(cloud::Bucket::of(&args.store, &args.account)?));
    }
    let account = &args.account;
    for (name, given) in
        [("document", &account.document), ("automation-role", &account.automation_role), ("kms-key", &account.kms_key)]
    {
        if given.is_some() {
            return Err(Failure::new(
                Code::BadArgument,
                format!("--{name} holds for a bucket, and --store {} is none", args.store),
                "give --store s3://BUCKET, or leave it out",
            ));
        }
    }
    Ok(Place::Local(bundles(&args.store).await?))
}

fn is_bucket(store: &str) -> bool {
    store.starts_with("s3://")
}

/// Where the bundles are that a local `--store` means: one that it names, or all of a directory.
async fn bundles(store: &str) -> Result<Bundles, Failure> {
    let path = Path::new(store);
    let kind = std::fs::metadata(path).map_err(|why| Failure::from(eks_logs_core::Error::from_io(store, why)))?;
    if !kind.is_dir() {
        return Ok(Bundles::One(open_local(path).await?));
    }
    // A directory of one extracted bundle is that bundle; any other may fill up while the server runs.
    match open_local(path).await {
        Ok(located) if located.root.is_root() && located.name.is_none() => Ok(Bundles::One(located)),
        Ok(located) if path.ends_with("extracted") || located.locator == path.display().to_string() => {
            Ok(Bundles::One(located))
        }
        _ => Ok(Bundles::Directory(path.to_owned())),
    }
}

/// Serves until the client leaves or the process is told to end.
///
/// # Errors
/// Why the server could not start.
pub async fn run(args: Args) -> Result<(), StartError> {
    telemetry::start(&args.log, args.log_format)?;
    let mut options = Options::default();
    options.tools.clone_from(&args.tools);
    options.offline = args.offline;
    options.whole_schemas = args.whole_schemas;
    options.account = is_bucket(&args.store);
    options.answer_tokens = args.limits.answer_tokens as usize;
    options.calls = args.limits.calls.into();
    options.longest_call = Duration::from_secs(args.limits.call_seconds.into());
    options.task_after = Duration::from_secs(args.limits.task_after.into());
    let server = Server::making(context(&args).await?, options)?;
    match args.http.http {
        Some(address) => http::serve(server, &http::Settings::new(address, &args)?).await,
        None => stdio(server, args.limits.max_request_kib as usize * 1024).await,
    }
}

async fn stdio(server: Server, longest: usize) -> Result<(), StartError> {
    let crate::stdio::Streams { transport, written } = crate::stdio::streams(longest);
    let running = match server.serve(transport).await {
        Ok(running) => running,
        // A client that leaves before it says anything is no failure.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(why) => return Err(StartError::Protocol(why.to_string())),
    };
    let stop = running.cancellation_token();
    tokio::select! {
        _ = running.waiting() => {
            let _ = written.await;
        }
        () = http::told_to_end() => stop.cancel(),
    }
    Ok(())
}
