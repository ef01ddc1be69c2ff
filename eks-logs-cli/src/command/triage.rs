//! `eks-logs triage`

use clap::Args as ClapArgs;
use eks_logs_findings::Severity;
use eks_logs_tools::{Failure, SeverityFilter, TriageRequest};

use super::{Scanning, Target, When, answer};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Triage {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    scanning: Scanning,
    #[command(flatten)]
    when: When,
}

impl Triage {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let context = self.scanning.prepare(args, &self.target)?;
        let request = TriageRequest {
            bundle: self.target.selector(),
            time: self.when.arguments(),
            severity: SeverityFilter::default(),
            evidence: self.scanning.evidence,
        };
        let mut answer = answer(&context, &request)?;
        // The exit status tells of all findings, whichever are shown.
        let found: Vec<Severity> = answer.findings.iter().map(|finding| finding.severity).collect();
        answer.findings.retain(|finding| self.scanning.severity.accepts(finding.severity));
        answer.hidden_findings = found.len() - answer.findings.len();
        print(args, &answer, human::triage)?;
        Ok(self.scanning.status(found.into_iter()))
    }
}
