use std::path::Path;

use eks_logs_core::{Located, bundle};

use crate::failure::{Code, Failure};

/// Opens the bundle that a local path means: an archive, an extracted directory, a directory that holds one bundle.
///
/// # Errors
/// What cannot be opened as a bundle, with what to point at instead.
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
