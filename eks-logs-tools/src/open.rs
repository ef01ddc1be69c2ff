use std::path::Path;

use eks_logs_core::{Located, bundle};
use eks_logs_findings::{Catalogue, EvidenceLimit, Progress, Scan, ScanOptions, scan};

use crate::failure::{Code, Failure};
use crate::redact;

/// How a tool reads a bundle and what it shows.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The rules.
    pub catalogue: &'a Catalogue,
    /// Threads that scan.
    pub threads: usize,
    /// Lines that each finding quotes.
    pub evidence: EvidenceLimit,
    /// Secrets in quoted text are redacted.
    pub redact: bool,
    /// Hears how far the scan is.
    pub progress: Option<Progress<'a>>,
}

impl<'a> Options<'a> {
    /// The defaults, with these rules.
    pub fn new(catalogue: &'a Catalogue) -> Self {
        let ScanOptions { threads, evidence, .. } = ScanOptions::default();
        Self { catalogue, threads, evidence, redact: true, progress: None }
    }

    pub(crate) async fn scan(&self, bundle: &Located) -> Result<Scan, Failure> {
        let options = ScanOptions::default().with_threads(self.threads).with_evidence(self.evidence);
        let mut found = scan(bundle, self.catalogue, options, self.progress).await?;
        if self.redact {
            for line in found.findings.iter_mut().flat_map(|finding| &mut finding.evidence) {
                redact::in_place(&mut line.text);
            }
            for finding in &mut found.findings {
                finding.entities.iter_mut().for_each(redact::in_place);
                redact::in_place(&mut finding.subject);
            }
        }
        Ok(found)
    }
}

/// Opens the bundle that a local path means: an archive, an extracted directory, a directory that holds one bundle.
pub async fn open_local(path: &Path) -> Result<Located, Failure> {
    if path.to_str().is_some_and(|text| text.starts_with("s3://")) {
        return Err(Failure::new(
            Code::BadArgument,
            format!("{}: this build reads local bundles only", path.display()),
            "download the archive (`aws s3 cp s3://... .`) and point at the file",
        ));
    }
    Ok(bundle::open(path).await?)
}
