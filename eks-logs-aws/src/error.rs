//! From the SDKs' errors to ours, by meaning: who refused, why, and what to do.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use eks_logs_core::Error;

/// Codes of expired or unusable credentials.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>,
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>
const CREDENTIALS: [&str; 13] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "TokenRefreshRequired",
    "RequestExpired",
    "InvalidToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "AuthFailure",
    "MissingAuthenticationToken",
    "RequestTimeTooSkewed",
];
/// Codes of a refusal.
const DENIED: [&str; 5] =
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled", "UnauthorizedAccess"];
/// Codes of a service that is asked too much.
const THROTTLED: [&str; 9] = [
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottled",
    "RequestThrottledException",
    "AutomationExecutionLimitExceededException",
];
/// Codes of something that is not there.
const ABSENT: [&str; 10] = [
    "NoSuchKey",
    "NoSuchUpload",
    "NotFound",
    "NoSuchBucket",
    "ResourceNotFoundException",
    "InvalidInstanceID.NotFound",
    "AutomationDefinitionNotFoundException",
    "AutomationExecutionNotFoundException",
    "InvalidDocument",
    "DoesNotExistException",
];

/// What a request was about.
pub(crate) struct Asked<'a> {
    /// What it is about, for people.
    pub(crate) path: &'a str,
    /// The permission that it needs.
    pub(crate) action: &'a str,
}

/// The status and code of an answer that is an error.
pub(crate) fn answered<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> (Option<u16>, Option<&str>) {
    let status = error.raw_response().map(|response| response.status().as_u16());
    (status, error.as_service_error().and_then(ProvideErrorMetadata::code))
}

/// The region that an answer names as the right one.
pub(crate) fn right_region<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    error.raw_response()?.headers().get("x-amz-bucket-region").map(str::to_owned)
}

/// What an SDK error means.
pub(crate) fn meaning<E>(asked: &Asked<'_>, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let path = asked.path.to_owned();
    match error {
        SdkError::ServiceError(_) => {
            let (status, code) = answered(error);
            let message = error.as_service_error().and_then(ProvideErrorMetadata::message).unwrap_or_default();
            of_answer(asked, status.unwrap_or(0), code.unwrap_or_default(), message, right_region(error))
        }
        SdkError::TimeoutError(_) => Error::Unavailable { path, detail: "no answer in time".to_owned() },
        other => {
            let detail = chain(other);
            // The credentials' own error is deep inside, and differs between providers.
            let credentials = ["CredentialsError", "credentials", "ProviderError", "CredentialsNotLoaded", "sso"];
            if matches!(other, SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_))
                && credentials.iter().any(|word| detail.contains(word))
            {
                let detail = format!("there are no usable credentials ({detail})");
                return Error::Credentials { path, detail };
            }
            Error::Unavailable { path, detail }
        }
    }
}

/// What an answer with this status and code means.
pub(crate) fn of_answer(asked: &Asked<'_>, status: u16, code: &str, message: &str, region: Option<String>) -> Error {
    let path = asked.path.to_owned();
    let said = |fallback: &str| match (code, message) {
        ("", "") => fallback.to_owned(),
        (code, "") => code.to_owned(),
        ("", message) => message.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    if CREDENTIALS.contains(&code) {
        return Error::Credentials { path, detail: said("the credentials are not accepted") };
    }
    if THROTTLED.contains(&code) || status == 429 {
        return Error::Throttled { path, detail: said("throttled") };
    }
    if DENIED.contains(&code) {
        return Error::AccessDenied { path, action: asked.action.to_owned(), detail: said("denied") };
    }
    if code == "PermanentRedirect"
        || code == "AuthorizationHeaderMalformed"
        || code == "IllegalLocationConstraintException"
        || status == 301
    {
        return Error::WrongRegion { path, region: region.unwrap_or_default() };
    }
    if ABSENT.contains(&code) {
        return Error::NotFound { path };
    }
    match status {
        403 | 401 => Error::AccessDenied { path, action: asked.action.to_owned(), detail: said("denied") },
        404 => Error::NotFound { path },
        409 if code == "ConditionalRequestConflict" || code == "OperationAborted" => Error::Precondition { path },
        412 => Error::Precondition { path },
        503 => Error::Throttled { path, detail: said("the service answers 503") },
        500.. => Error::Unavailable { path, detail: said("it answers with a failure of its own") },
        _ => Error::Rejected {
            path,
            code: code.to_owned(),
            detail: if message.is_empty() { format!("status {status}") } else { message.to_owned() },
        },
    }
}

/// An error with what caused it, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = Vec::<String>::new();
    let mut at = Some(error);
    while let Some(error) = at {
        let text = error.to_string();
        if said.last() != Some(&text) {
            said.push(text);
        }
        at = error.source();
    }
    let text = said.join(": ");
    if text.is_empty() { DisplayErrorContext(error).to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_meaning() {
        let asked = Asked { path: "s3://logs/a", action: "s3:GetObject" };
        let of = |status, code| of_answer(&asked, status, code, "said", None);
        assert!(matches!(of(403, "AccessDenied"), Error::AccessDenied { .. }));
        assert!(matches!(of(403, ""), Error::AccessDenied { .. }));
        assert!(matches!(of(400, "ExpiredToken"), Error::Credentials { .. }));
        assert!(matches!(of(403, "SignatureDoesNotMatch"), Error::Credentials { .. }));
        assert!(matches!(of(503, "SlowDown"), Error::Throttled { .. }));
        assert!(matches!(of(400, "ThrottlingException"), Error::Throttled { .. }));
        assert!(matches!(of(500, "InternalError"), Error::Unavailable { .. }));
        assert!(matches!(of(404, "NoSuchKey"), Error::NotFound { .. }));
        assert!(matches!(of(412, "PreconditionFailed"), Error::Precondition { .. }));
        assert!(matches!(of(301, "PermanentRedirect"), Error::WrongRegion { .. }));
        assert!(matches!(of(400, "InvalidArgument"), Error::Rejected { .. }));
    }
}
