//! One line a request, under an id that the client may have chosen.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

const ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client.
const LONGEST: usize = 64;

/// The client's id if it is harmless, else a new one.
fn id(request: &Request) -> String {
    let harmless = |id: &&str| {
        (1..=LONGEST).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let given = request.headers().get(&ID).and_then(|value| value.to_str().ok()).filter(harmless);
    given.map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// Names the request, in the log and in the answer.
pub(super) async fn request(request: Request, next: Next) -> Response {
    let id = id(&request);
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    let started = std::time::Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let milliseconds = started.elapsed().as_millis() as u64;
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), milliseconds, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(ID, value);
    }
    response
}
