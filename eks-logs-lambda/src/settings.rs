//! What the functions are told through their environment.

use eks_logs_aws::S3Location;
use eks_logs_core::Region;

/// How a function is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// `EKS_LOGS_STORE`: the bucket to which nodes upload and where bundles and records are, as `s3://bucket`.
    pub store: S3Location,
    /// `EKS_LOGS_AUTOMATION_ROLE`: the role that the automation takes on.
    pub automation_role: Option<String>,
    /// `EKS_LOGS_DOCUMENT`: the document that collects, if not AWS's own.
    pub document: Option<String>,
    /// `EKS_LOGS_REGIONS`: the regions that may be asked, a comma list; empty for all that are enabled.
    pub regions: Vec<Region>,
    /// `EKS_LOGS_LEARN`: the cluster whose baseline learns from what is ingested.
    pub learn: Option<String>,
}

/// What is wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A variable is absent.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A variable is not of its form.
    #[error("{name}: {source}")]
    Invalid {
        /// Which.
        name: &'static str,
        /// Why.
        #[source]
        source: eks_logs_core::Error,
    },
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is absent or wrong.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(of: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let of = |name: &str| of(name).filter(|value| !value.is_empty());
        let store = of("EKS_LOGS_STORE").ok_or(SettingsError::Missing("EKS_LOGS_STORE"))?;
        let store = store.parse().map_err(|source| SettingsError::Invalid { name: "EKS_LOGS_STORE", source })?;
        let regions = of("EKS_LOGS_REGIONS").unwrap_or_default();
        let regions = regions.split(',').map(str::trim).filter(|region| !region.is_empty()).map(Region::parse);
        let regions = regions.collect::<Result<_, _>>();
        Ok(Self {
            store,
            automation_role: of("EKS_LOGS_AUTOMATION_ROLE"),
            document: of("EKS_LOGS_DOCUMENT"),
            regions: regions.map_err(|source| SettingsError::Invalid { name: "EKS_LOGS_REGIONS", source })?,
            learn: of("EKS_LOGS_LEARN"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(|name| {
            let of = variables.iter().find(|(known, _)| *known == name);
            of.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_wrong_is_named() {
        let settings =
            read(&[("EKS_LOGS_STORE", "s3://logs-1"), ("EKS_LOGS_REGIONS", "eu-central-1, us-east-1")]).unwrap();
        assert_eq!((settings.store.bucket.as_str(), settings.regions.len()), ("logs-1", 2));
        assert!(read(&[]).unwrap_err().to_string().contains("EKS_LOGS_STORE"));
        assert!(read(&[("EKS_LOGS_STORE", "/tmp")]).unwrap_err().to_string().contains("EKS_LOGS_STORE"));
        let wrong = read(&[("EKS_LOGS_STORE", "s3://logs-1"), ("EKS_LOGS_REGIONS", "Frankfurt")]);
        assert!(wrong.unwrap_err().to_string().contains("Frankfurt"));
    }
}
