//! `eks-logs errors`

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args as ClapArgs, ValueEnum};
use eks_logs_core::LocalStore;
use eks_logs_findings::Severity;
use eks_logs_tools::{ErrorsRequest, Failure, ResponseFormat};

use super::{Scanning, Target, When, answer};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Errors {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    scanning: Scanning,
    #[command(flatten)]
    when: When,

    /// How much of each finding is told
    #[arg(long, value_enum, default_value_t = Detail::Concise)]
    response_format: Detail,

    /// Findings on a page, 1 to 200
    #[arg(long, value_name = "N", default_value_t = 50)]
    page_size: usize,

    /// Where the last page ended: its nextPageToken
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,

    /// The cluster whose baseline says what is normal there
    #[arg(long, value_name = "NAME")]
    cluster_context: Option<String>,

    /// The directory that holds `baselines/` [default: --store]
    #[arg(long, value_name = "DIR", requires = "cluster_context")]
    records: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Detail {
    Concise,
    Detailed,
}

impl Errors {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let mut context = self.scanning.prepare(args, &self.target)?;
        if let Some(records) = &self.records {
            context.records = Some(Arc::new(LocalStore::open(records)?));
        }
        let request = ErrorsRequest {
            bundle: self.target.selector(),
            time: self.when.arguments(),
            severity: self.scanning.severity.clone(),
            response_format: match self.response_format {
                Detail::Concise => ResponseFormat::Concise,
                Detail::Detailed => ResponseFormat::Detailed,
            },
            page_size: self.page_size,
            page_token: self.page_token.clone(),
            cluster_context: self.cluster_context.clone(),
            evidence: self.scanning.evidence,
        };
        let answer = answer(&context, &request)?;
        let counts = &answer.summary;
        let found = [
            (Severity::Critical, counts.critical),
            (Severity::High, counts.high),
            (Severity::Medium, counts.medium),
            (Severity::Low, counts.low),
            (Severity::Info, counts.info),
        ];
        let found = found.into_iter().filter(|(_, count)| *count > 0).map(|(severity, _)| severity);
        let status = self.scanning.status(found);
        print(args, &answer, human::errors)?;
        Ok(status)
    }
}
