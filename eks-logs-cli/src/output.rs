//! Answers and failures to stdout and stderr.

use std::io::Write as _;

use eks_logs_tools::{Code, Failure};
use serde::Serialize;

use crate::args::{Args, Format};

pub(crate) fn print<T: Serialize>(args: &Args, answer: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    match args.format {
        Format::Human => write(&human(answer)),
        Format::Json => write(&json(answer)?),
    }
}

fn json<T: Serialize>(answer: &T) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(answer);
    text.map(|text| text + "\n").map_err(|why| Failure::new(Code::Internal, why.to_string(), "report this"))
}

pub(crate) fn write(text: &str) -> Result<(), Failure> {
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
        Code::BadArgument | Code::NeedsAws => 2,
        Code::NotFound | Code::Unreadable | Code::DocumentNotFound => 3,
        Code::Denied => 4,
        _ => 5,
    }
}
