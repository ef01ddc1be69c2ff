use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A claim about the node. Ordered: the worst is the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The node or a data path is down or losing data now.
    Critical,
    /// Service-impacting; needs a person.
    High,
    /// Degraded, or a precursor.
    Medium,
    /// Worth knowing when something else is wrong.
    Low,
    /// Context.
    Info,
}

impl Severity {
    /// All, worst first.
    pub const ALL: [Severity; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// The name as it stands in rules and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        Self::ALL.into_iter().find(|known| known.name() == text).ok_or_else(|| UnknownSeverity(text.to_owned()))
    }
}

/// A severity that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a severity; one of: critical, high, medium, low, info")]
pub struct UnknownSeverity(pub String);
