//! `eks-logs-mcp`: the eks-logs tools for agents, over stdio or streamable HTTP.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use eks_logs_mcp::{Args, run};

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(usize::from(args.limits.calls) * 2 + 16)
        .thread_keep_alive(Duration::from_secs(5))
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(why) => return failed(&why.to_string(), 5),
    };
    let ended = runtime.block_on(run(args));
    // A blocking read of stdin cannot be called off: do not wait for it.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => failed(&why.to_string(), why.exit_status()),
    }
}

#[expect(clippy::print_stderr, reason = "why it did not start is told where no client listens")]
fn failed(why: &str, status: u8) -> ExitCode {
    eprintln!("eks-logs-mcp: {why}");
    ExitCode::from(status)
}
