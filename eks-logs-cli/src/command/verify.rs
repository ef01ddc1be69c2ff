//! `eks-logs verify`

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use eks_logs_tools::{Code, Failure, LONGEST_REPORT, VerifyRequest};

use super::{FOUND, OK, Reading, Target, answer};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    #[command(flatten)]
    target: Target,

    /// The report, text or Markdown; - reads standard input
    #[arg(value_name = "REPORT")]
    report: Option<PathBuf>,

    #[command(flatten)]
    reading: Reading,
}

impl Verify {
    /// Status 1 for a report with a claim that is contradicted or not found.
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        // With a --store the only positional argument is the report.
        let stored = self.target.stored.store.is_some();
        let named = if stored { self.report.as_ref().or(self.target.bundle.as_ref()) } else { self.report.as_ref() };
        let Some(path) = named else {
            return Err(Failure::new(Code::BadArgument, "no report is named", "eks-logs verify BUNDLE REPORT.md"));
        };
        let context = self.reading.prepare(args, &self.target)?;
        let request = VerifyRequest { bundle: self.target.selector(), report: read(path)? };
        let answer = answer(&context, &request)?;
        let holds = answer.verification.contradicted == 0 && answer.verification.not_found == 0;
        print(args, &answer, human::verify)?;
        Ok(if holds { OK } else { FOUND })
    }
}

fn read(path: &PathBuf) -> Result<String, Failure> {
    let failed = |why: std::io::Error| {
        let code = match why.kind() {
            std::io::ErrorKind::NotFound => Code::NotFound,
            std::io::ErrorKind::PermissionDenied => Code::Denied,
            _ => Code::Unreadable,
        };
        Failure::new(code, format!("{}: {why}", path.display()), "name a text file, or - for standard input")
    };
    // One byte more than is allowed tells that there is more.
    let limit = LONGEST_REPORT as u64 + 1;
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
