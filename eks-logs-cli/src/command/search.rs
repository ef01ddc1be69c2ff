//! `eks-logs search`

use clap::Args as ClapArgs;
use eks_logs_tools::{Failure, SearchRequest, Selector};

use super::{OK, Place, answer, in_place};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Search {
    /// The bundle, and a regex over lines (upper and lower case are the same); with --store the regex alone
    #[arg(required = true, num_args = 1..=2, value_names = ["BUNDLE", "QUERY"])]
    words: Vec<String>,
    #[command(flatten)]
    place: Place,

    /// Only files of these log types: kubelet, containerd, networking, ipamd, dmesg, system, ..., or sources
    #[arg(long, value_name = "LIST")]
    log_types: Option<String>,

    /// Matches of each file that are shown, 1 to 500 [default: 100]; all are counted
    #[arg(long, value_name = "N")]
    max_results: Option<u64>,

    /// Lines before and after each match, 0 to 10
    #[arg(long, value_name = "N", default_value_t = 0)]
    context_lines: u64,

    /// Upper and lower case differ
    #[arg(long)]
    case_sensitive: bool,

    /// Leaves tokens, keys and passwords as they are
    #[arg(long)]
    no_redact: bool,
}

impl Search {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, query) = in_place(args, &self.place, &self.words, "QUERY", !self.no_redact)?;
        let request = SearchRequest {
            bundle: Selector {
                instance_id: self.place.stored.instance_id.clone(),
                bundle_id: self.place.stored.bundle_id.clone(),
                ..Selector::default()
            },
            query: query.to_owned(),
            log_types: self.log_types.clone(),
            max_results: self.max_results,
            context_lines: Some(self.context_lines),
            case_sensitive: self.case_sensitive,
            ..SearchRequest::default()
        };
        print(args, &answer(&context, &request)?, human::search)?;
        Ok(OK)
    }
}
