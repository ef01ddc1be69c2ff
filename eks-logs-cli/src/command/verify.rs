//! `eks-logs verify`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use eks_logs_tools::{Code, Failure, LONGEST_REPORT, Selector, VerifyRequest};

use super::{FOUND, OK, Place, answer, catalogue, in_place};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// The bundle, and the report (text or Markdown; - reads standard input); with --store the report alone
    #[arg(required = true, num_args = 1..=2, value_names = ["BUNDLE", "REPORT"])]
    words: Vec<String>,
    #[command(flatten)]
    place: Place,

    /// Adds the rules of a directory (DIR/AREA/NAME.toml); a rule replaces the built-in one of the same id
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,

    /// Leaves tokens, keys and passwords in quoted lines as they are
    #[arg(long)]
    no_redact: bool,
}

impl Verify {
    /// Status 1 for a report with a claim that is contradicted or not found.
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (mut context, report) = in_place(args, &self.place, &self.words, "REPORT", !self.no_redact)?;
        context.catalogue = catalogue(self.rules.as_deref())?;
        let bundle = Selector {
            instance_id: self.place.stored.instance_id.clone(),
            bundle_id: self.place.stored.bundle_id.clone(),
            ..Selector::default()
        };
        let request = VerifyRequest { bundle, report: read(Path::new(report))? };
        let answer = answer(&context, &request)?;
        let holds = answer.verification.contradicted == 0 && answer.verification.not_found == 0;
        print(args, &answer, human::verify)?;
        Ok(if holds { OK } else { FOUND })
    }
}

fn read(path: &Path) -> Result<String, Failure> {
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
