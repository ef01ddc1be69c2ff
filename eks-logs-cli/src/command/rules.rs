//! `eks-logs rules`

use std::path::PathBuf;

use clap::Subcommand;
use eks_logs_tools::{Failure, check_rules, describe_rule, list_rules, rule_patterns};

use super::{OK, catalogue};
use crate::args::Args;
use crate::human;
use crate::output::{print, write};

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// All rules, by id
    List {
        /// Also those of a directory
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
        /// Prints only the patterns, one a line, for use with grep or ripgrep
        #[arg(long)]
        patterns: bool,
    },
    /// One rule with all that it says
    Show {
        /// Such as network/conntrack-table-full
        id: String,
        /// Also look in a directory
        #[arg(long, value_name = "DIR")]
        rules: Option<PathBuf>,
    },
    /// Loads a directory of rules and runs every example
    Check {
        /// DIR/AREA/NAME.toml
        directory: PathBuf,
    },
}

impl Rules {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        match self {
            Rules::List { rules, patterns: false } => {
                print(args, &list_rules(&catalogue(rules.as_deref())?), human::rules)?;
            }
            Rules::List { rules, patterns: true } => {
                let catalogue = catalogue(rules.as_deref())?;
                let lines = catalogue.rules().iter().flat_map(rule_patterns);
                write(&lines.map(|line| line + "\n").collect::<String>())?;
            }
            Rules::Show { id, rules } => print(args, &describe_rule(&catalogue(rules.as_deref())?, id)?, human::rule)?,
            Rules::Check { directory } => print(args, &check_rules(directory)?, human::checked)?,
        }
        Ok(OK)
    }
}
