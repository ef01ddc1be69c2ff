//! `eks-logs summarize`

use clap::Args as ClapArgs;
use eks_logs_tools::{Failure, SummarizeRequest};

use super::{OK, Reading, Target, answer};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Summarize {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    reading: Reading,

    /// The findings to speak of, as triage or errors names them: F-001,F-003
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    finding_ids: Vec<String>,

    /// Leaves out what to do
    #[arg(long)]
    no_recommendations: bool,

    /// Leaves out the causes
    #[arg(long)]
    no_triage: bool,
}

impl Summarize {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let context = self.reading.prepare(args, &self.target)?;
        let request = SummarizeRequest {
            bundle: self.target.selector(),
            finding_ids: self.finding_ids.iter().map(|id| id.trim().to_owned()).collect(),
            include_recommendations: !self.no_recommendations,
            include_triage: !self.no_triage,
        };
        print(args, &answer(&context, &request)?, human::summarize)?;
        Ok(OK)
    }
}
