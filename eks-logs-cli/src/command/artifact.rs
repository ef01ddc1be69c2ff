//! `eks-logs artifact`

use clap::Args as ClapArgs;
use eks_logs_tools::{ArtifactRequest, Failure, FileSelector};

use super::{OK, Place, answer, in_place};
use crate::args::Args;
use crate::human;
use crate::output::print;

#[derive(Debug, ClapArgs)]
pub(crate) struct Artifact {
    /// The bundle, and the file in it, relative to the bundle's root; with --store the file alone
    #[arg(required = true, num_args = 1..=2, value_names = ["BUNDLE", "FILE"])]
    words: Vec<String>,
    #[command(flatten)]
    place: Place,

    /// How long a link holds, 1 to 60 minutes [default: 15]
    #[arg(long, value_name = "N")]
    expiration_minutes: Option<u64>,
}

impl Artifact {
    pub(crate) fn run(&self, args: &Args) -> Result<u8, Failure> {
        let (context, file) = in_place(args, &self.place, &self.words, "FILE", true)?;
        let request = ArtifactRequest {
            file: FileSelector {
                log_key: file.to_owned(),
                instance_id: self.place.stored.instance_id.clone(),
                bundle_id: self.place.stored.bundle_id.clone(),
            },
            expiration_minutes: self.expiration_minutes,
        };
        print(args, &answer(&context, &request)?, human::artifact)?;
        Ok(OK)
    }
}
