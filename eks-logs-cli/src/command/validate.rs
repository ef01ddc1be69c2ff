//! `eks-logs validate`

use clap::Args as ClapArgs;
use eks_logs_tools::{Failure, ValidateRequest};

use super::{OK, Target, answer, context};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Validate {
    #[command(flatten)]
    target: Target,

    /// Files of the manifest on a page, 1 to 2000 [default: 500]
    #[arg(long, value_name = "N")]
    page_size: Option<u64>,

    /// Where the last page of the manifest ended: its nextPageToken
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
}

impl Validate {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let context = context(args, &self.target)?;
        let request = ValidateRequest {
            bundle: self.target.selector(),
            page_size: self.page_size,
            page_token: self.page_token.clone(),
        };
        print(args, &answer(&context, &request)?, human::validate)?;
        Ok(OK)
    }
}
