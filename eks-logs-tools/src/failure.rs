use eks_logs_core::Error;
use eks_logs_core::search::QueryError;
use eks_logs_findings::{RuleError, ScanError};
use schemars::JsonSchema;
use serde::Serialize;

/// What kind of failure it is: decides the CLI's exit status and the wire's status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// An argument is wrong.
    BadArgument,
    /// Access is refused.
    Denied,
    /// Nothing is there.
    NotFound,
    /// It is there and cannot be read as a bundle.
    Unreadable,
    /// Somebody else changed it first.
    Conflict,
    /// The store does not answer as it should.
    StoreUnavailable,
    /// A service asks to come back later.
    Throttled,
    /// The collection document is not in the region.
    DocumentNotFound,
    /// The node cannot be collected as it is.
    NotCollectable,
    /// The tool works on an AWS account, and none is set up.
    NeedsAws,
    /// Too much is asked of this server right now.
    Busy,
    /// The answer is larger than what can be carried, and cannot be told in parts.
    TooLarge,
    /// Ended before the answer, because whoever asked does not wait any more or the time is over.
    Stopped,
    /// Our own fault.
    Internal,
}

impl Code {
    /// The status that a Lambda answer carries.
    pub fn http_status(self) -> u16 {
        match self {
            Code::BadArgument => 400,
            Code::Denied => 403,
            Code::NotFound | Code::Unreadable | Code::DocumentNotFound => 404,
            Code::Conflict | Code::NotCollectable => 409,
            Code::NeedsAws => 400,
            Code::TooLarge => 413,
            Code::Throttled | Code::Busy => 429,
            Code::StoreUnavailable | Code::Stopped => 503,
            Code::Internal => 500,
        }
    }
}

/// What helps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Details {
    /// What to do.
    pub suggestion: String,
    /// All that is wrong, where there is more than one thing; or what was found instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<String>,
}

/// An answer that is none: never an empty success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Always false.
    pub success: bool,
    /// What failed, for people.
    pub error: String,
    /// What kind of failure, for programs.
    pub code: Code,
    /// What helps.
    pub details: Details,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(code: Code, error: impl Into<String>, suggestion: impl Into<String>) -> Self {
        let details = Details { suggestion: suggestion.into(), all: Vec::new() };
        Self { success: false, error: error.into(), code, details }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (code, suggestion) = match &error {
            Error::NotFound { .. } => (Code::NotFound, "check the path"),
            Error::Denied { .. } => {
                (Code::Denied, "make the file readable for this user, or run as one that may read it")
            }
            Error::OutsideBundle { .. } => {
                (Code::Denied, "give the path of one of the bundle's files, as answers name them: kubelet/kubelet.log")
            }
            Error::InvalidLines { .. } => {
                (Code::BadArgument, "give startLine from 1, or from -1 backwards, and fewer lines")
            }
            Error::NotAnArchive { .. } | Error::NotABundle { .. } => (
                Code::Unreadable,
                "point at the archive that the log collector made, or at the directory extracted from it",
            ),
            Error::EmptyArchive { .. } | Error::Corrupt { .. } => {
                (Code::Unreadable, "copy the archive again, or collect again")
            }
            Error::ManyBundles { .. } => (Code::BadArgument, "name one of the bundles"),
            Error::InvalidPath { .. } | Error::InvalidId { .. } | Error::InvalidRange { .. } => {
                (Code::BadArgument, "correct the argument")
            }
            Error::AccessDenied { .. } => {
                (Code::Denied, "allow the named action to the identity in use; `aws sts get-caller-identity` names it")
            }
            Error::Credentials { .. } => {
                (Code::Denied, "sign in again: `aws sso login`, another AWS_PROFILE, or fresh AWS_* variables")
            }
            Error::Throttled { .. } => (Code::Throttled, "wait a minute and try again, or ask for less at a time"),
            Error::Unavailable { .. } => (Code::StoreUnavailable, "check the network and the endpoint, then try again"),
            Error::WrongRegion { .. } => (Code::BadArgument, "ask in the region that is named"),
            Error::Rejected { .. } => (Code::BadArgument, "correct what the service does not accept"),
            Error::Stopped => (Code::Stopped, "ask again, and wait longer or for less"),
            Error::Precondition { .. } => (Code::Conflict, "read the record again and retry"),
            Error::Io { .. } => (Code::StoreUnavailable, "see what the operating system said"),
            _ => (Code::Internal, "report this"),
        };
        Failure::new(code, error.to_string(), suggestion)
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Failure::new(Code::BadArgument, error.to_string(), error.hint)
    }
}

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Store(error) => error.into(),
            other => Failure::new(Code::Internal, other.to_string(), "report this"),
        }
    }
}

impl From<Vec<RuleError>> for Failure {
    fn from(errors: Vec<RuleError>) -> Self {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let first = all.first().cloned().unwrap_or_default();
        let more = if all.len() > 1 { format!(" (and {} more)", all.len() - 1) } else { String::new() };
        let mut failure = Failure::new(
            Code::BadArgument,
            format!("{first}{more}"),
            "correct the rule files; docs/RULES.md has the format",
        );
        failure.details.all = all;
        failure
    }
}
