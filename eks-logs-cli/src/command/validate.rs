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
}

impl Validate {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let context = context(args, &self.target)?;
        let request = ValidateRequest { bundle: self.target.selector() };
        print(args, &answer(&context, &request)?, human::validate)?;
        Ok(OK)
    }
}
