//! The loop over Lambda's Runtime API (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html): next event in, answer or error out.
//!
//! The client is that of AWS's `lambda_runtime`; the loop is not. That one reads the client context before any handler can speak, and ends the
//! process if it is not exactly what its types say. This one hands it over as it came, and a handler that panics fails its invocation alone.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};
use serde_json::json;

use crate::invocation::Invocation;

const BASE: &str = "/2018-06-01/runtime";
const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// Answers invocations.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The answer: JSON.
    async fn handle(&self, invocation: Invocation) -> Result<Bytes, Failed>;
}

/// An invocation that failed as such: Lambda tries an asynchronous one again, and then puts it aside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failed {
    /// What kind of failure, for filters.
    pub kind: &'static str,
    /// What failed, for people.
    pub message: String,
}

/// The loop cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// An environment variable that Lambda sets is absent or not of its form.
    #[error(
        "{0} is not set as Lambda sets it: this program is started by Lambda, or by an emulator of its Runtime API"
    )]
    Environment(&'static str),
    /// The Runtime API does not answer.
    #[error("the Runtime API does not answer: {0}")]
    Api(String),
}

fn variable(name: &'static str) -> Result<String, RuntimeError> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(RuntimeError::Environment(name))
}

/// Feeds a handler until Lambda ends the process.
///
/// # Errors
/// If the environment is not Lambda's, or the Runtime API is gone.
pub async fn serve(handler: impl Handler) -> Result<(), RuntimeError> {
    let api: http::Uri = variable("AWS_LAMBDA_RUNTIME_API")?
        .parse()
        .ok()
        .filter(|uri: &http::Uri| uri.authority().is_some())
        .ok_or(RuntimeError::Environment("AWS_LAMBDA_RUNTIME_API"))?;
    let function: Arc<str> = variable("AWS_LAMBDA_FUNCTION_NAME")?.into();
    let client = PooledClient::builder().with_endpoint(api).build();
    let handler = Arc::new(handler);
    loop {
        let Some(next) = next(&client).await? else { continue };
        let (id, invocation_id) = (next.id.clone(), next.invocation_id.clone());
        let outcome = match next.read(&function) {
            Ok(invocation) => {
                let handler = Arc::clone(&handler);
                // A task of its own: a panic ends the invocation, not the process.
                match tokio::spawn(async move { handler.handle(invocation).await }).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        let message = "internal error: the call did not end well; please report it".to_owned();
                        Err(Failed { kind: "Internal", message })
                    }
                }
            }
            Err(failed) => Err(failed),
        };
        answer(&client, &id, invocation_id, outcome).await?;
    }
}

/// An event as the Runtime API gives it.
struct Next {
    id: String,
    invocation_id: Option<http::HeaderValue>,
    headers: HeaderMap,
    event: Bytes,
}

/// Waits for an event. `None` for an answer that holds none: Lambda is asked again.
async fn next(client: &PooledClient) -> Result<Option<Next>, RuntimeError> {
    let request = build(Method::GET, "invocation/next", Bytes::new(), None)?;
    let answer = client.call(request).await.map_err(|why| RuntimeError::Api(why.to_string()))?;
    let (parts, body) = answer.into_parts();
    let event = body.collect().await.map_err(|why| RuntimeError::Api(why.to_string()))?.to_bytes();
    if parts.status != StatusCode::OK {
        return Err(RuntimeError::Api(format!("next event: status {}", parts.status)));
    }
    let id = parts.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let Some(id) =
        id.filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#')))
    else {
        tracing::error!("an event without a usable request id: nobody can be answered");
        return Ok(None);
    };
    let invocation_id = parts.headers.get(INVOCATION_ID).cloned();
    Ok(Some(Next { id, invocation_id, headers: parts.headers, event }))
}

impl Next {
    fn read(self, function: &Arc<str>) -> Result<Invocation, Failed> {
        let deadline = self.headers.get(DEADLINE).and_then(|deadline| deadline.to_str().ok()?.parse().ok());
        let deadline = deadline.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(since)));
        let Some(deadline) = deadline else {
            let message = "the invocation has no deadline".to_owned();
            return Err(Failed { kind: "Runtime.BadInvocation", message });
        };
        let client = self.headers.get(CLIENT_CONTEXT).map(|value| value.as_bytes().to_vec());
        Ok(Invocation { id: self.id, deadline, function: Arc::clone(function), client, event: self.event })
    }
}

async fn answer(
    client: &PooledClient,
    id: &str,
    invocation_id: Option<http::HeaderValue>,
    outcome: Result<Bytes, Failed>,
) -> Result<(), RuntimeError> {
    let mut request = match outcome {
        Ok(body) => build(Method::POST, &format!("invocation/{id}/response"), body, None)?,
        Err(failed) => {
            let kind = failed.kind;
            let told = json!({ "errorType": kind, "errorMessage": failed.message });
            build(Method::POST, &format!("invocation/{id}/error"), told.to_string().into(), Some(kind))?
        }
    };
    if let Some(invocation_id) = invocation_id {
        request.headers_mut().insert(INVOCATION_ID, invocation_id);
    }
    let answer = client.call(request).await.map_err(|why| RuntimeError::Api(why.to_string()))?;
    if !answer.status().is_success() {
        // The next event may still come: a late answer is refused with 400, one that is too large with 413.
        tracing::error!(requestId = id, status = answer.status().as_u16(), "the answer was not accepted");
    }
    let _ = answer.into_body().collect().await;
    Ok(())
}

fn build(method: Method, path: &str, body: Bytes, kind: Option<&str>) -> Result<Request<Body>, RuntimeError> {
    let mut request = build_request().method(method).uri(format!("{BASE}/{path}"));
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(kind) = kind {
        request = request.header(ERROR_TYPE, kind);
    }
    request.body(Body::from(body)).map_err(|why| RuntimeError::Api(why.to_string()))
}
