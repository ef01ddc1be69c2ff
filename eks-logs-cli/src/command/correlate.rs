//! `eks-logs correlate`

use clap::Args as ClapArgs;
use eks_logs_tools::{CorrelateRequest, Failure, ResponseFormat};

use super::errors::Detail;
use super::{OK, Reading, Target, When, answer};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Correlate {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    when: When,

    /// Seconds that events of one cluster lie apart at most; around a pivot, how far to look
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    time_window: u64,

    /// Around what to look: a finding (F-001), a rule, or a regex over the quoted lines
    #[arg(long, value_name = "ID|REGEX")]
    pivot_event: Option<String>,

    /// Only these components, such as kubelet,kernel
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    components: Vec<String>,

    /// Whether the events' lines are told
    #[arg(long, value_enum, default_value_t = Detail::Concise)]
    response_format: Detail,
}

impl Correlate {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let context = self.reading.prepare(args, &self.target)?;
        let request = CorrelateRequest {
            bundle: self.target.selector(),
            time: self.when.arguments(),
            time_window: self.time_window,
            pivot_event: self.pivot_event.clone(),
            components: self.components.clone(),
            response_format: match self.response_format {
                Detail::Concise => ResponseFormat::Concise,
                Detail::Detailed => ResponseFormat::Detailed,
            },
        };
        print(args, &answer(&context, &request)?, human::correlate)?;
        Ok(OK)
    }
}
