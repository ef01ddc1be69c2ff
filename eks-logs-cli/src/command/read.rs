//! `eks-logs read`

use clap::Args as ClapArgs;
use eks_logs_tools::{Failure, FileSelector, ReadRequest};

use super::{OK, Place, answer, in_place};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Read {
    /// The bundle, and the file in it, relative to the bundle's root; with --store the file alone
    #[arg(required = true, num_args = 1..=2, value_names = ["BUNDLE", "FILE"])]
    words: Vec<String>,
    #[command(flatten)]
    place: Place,

    /// The first byte; snapped forward to the start of a line
    #[arg(long, value_name = "N", conflicts_with = "start_line")]
    start_byte: Option<u64>,

    /// One past the last byte; snapped forward to the end of a line [default: 1 MiB behind the first]
    #[arg(long, value_name = "N", conflicts_with = "start_line")]
    end_byte: Option<u64>,

    /// The first line, 1-based; negative from the end
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    start_line: Option<i64>,

    /// How many lines, 1 to 10000 [default: 1000]
    #[arg(long, value_name = "N", requires = "start_line")]
    line_count: Option<u64>,

    /// Exactly the bytes from --start-byte to --end-byte, wherever lines start
    #[arg(long, requires = "end_byte")]
    exact: bool,

    /// Leaves tokens, keys and passwords as they are
    #[arg(long)]
    no_redact: bool,
}

impl Read {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, file) = in_place(args, &self.place, &self.words, "FILE", !self.no_redact)?;
        let request = ReadRequest {
            file: FileSelector {
                log_key: file.to_owned(),
                instance_id: self.place.stored.instance_id.clone(),
                bundle_id: self.place.stored.bundle_id.clone(),
            },
            start_byte: self.start_byte,
            end_byte: self.end_byte,
            start_line: self.start_line,
            line_count: self.line_count,
            exact: self.exact,
        };
        print(args, &answer(&context, &request)?, human::read)?;
        Ok(OK)
    }
}
