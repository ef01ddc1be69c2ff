//! Streamable HTTP: `/mcp` with the checks around it, health, and the metadata of a protected resource.

mod bearer;
mod keys;
mod settings;
mod trace;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::bearer::Issuer;
pub use self::settings::Settings;
use crate::message::{error, wrong};
use crate::server::Server;
use crate::start::StartError;

/// Where the protocol is served.
pub(crate) const PATH: &str = "/mcp";
/// Requests at the same time; one more is refused.
const REQUESTS: usize = 1024;
/// How long an answer is kept for a client that lost its connection.
const RESUMABLE: Duration = Duration::from_secs(3);
/// How long a session lives that nobody uses.
const IDLE: Duration = Duration::from_secs(300);

/// Serves until the process is told to end; then requests in flight have a while.
pub(crate) async fn serve(server: Server, settings: &Settings) -> Result<(), StartError> {
    let address = settings.address;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Io { doing: format!("cannot listen at {address}"), source })?;
    let at = listener.local_addr().unwrap_or(address);
    let ended = CancellationToken::new();
    let app = router(server, settings, &ended);
    tracing::info!(%at, path = PATH, stateless = settings.stateless, authorised = settings.issuer.is_some(), "listening");
    let grace = settings.grace;
    let stopping = ended.clone();
    let (told, telling) = tokio::sync::oneshot::channel();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
        told_to_end().await;
        tracing::info!(seconds = grace.as_secs(), "ending: requests in flight have a while");
        let _ = told.send(());
    });
    tokio::select! {
        served = async { serving.await } => {
            ended.cancel();
            served.map_err(|source| StartError::Io { doing: "serving failed".to_owned(), source })
        }
        () = async move {
            // Streams that clients keep open have no end of their own.
            if telling.await.is_ok() {
                tokio::time::sleep(grace).await;
                stopping.cancel();
                tokio::time::sleep(Duration::from_millis(500)).await;
            } else {
                std::future::pending().await
            }
        } => Ok(()),
    }
}

/// Everything that is served.
pub fn router(server: Server, settings: &Settings, ended: &CancellationToken) -> Router {
    let mut config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(!settings.stateless)
        .with_json_response(settings.stateless)
        .with_cancellation_token(ended.clone())
        .with_max_request_body_bytes(settings.max_request_bytes)
        .with_allowed_hosts(settings.hosts.clone())
        .with_allowed_origins(settings.origins.clone());
    if settings.origins.is_empty() {
        config = config.enforce_origin_validation();
    }
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(IDLE);
    sessions.session_config.completed_cache_ttl = RESUMABLE;
    let serving = server.clone();
    let service = StreamableHttpService::new(move || Ok(serving.clone()), Arc::new(sessions), config);
    let longest = settings.max_request_bytes;
    let mut protected = Router::new()
        .route_service(PATH, service)
        .layer(middleware::from_fn(move |request, next| only_messages(request, next, longest)));
    let mut open = Router::new()
        .route("/healthz", get(async || axum::Json(json!({ "status": "ok" }))))
        .route("/readyz", get(ready).with_state(server));
    if let Some(issuer) = &settings.issuer {
        protected = protected.layer(middleware::from_fn_with_state(Arc::clone(issuer), bearer::check));
        for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
            let issuer = Arc::clone(issuer);
            open = open.route(path, get(move || std::future::ready(axum::Json(issuer.metadata()))));
        }
    }
    let places = Arc::new(AtomicUsize::new(0));
    protected.layer(middleware::from_fn_with_state(places, shed)).merge(open).layer(middleware::from_fn(trace::request))
}

/// Whether bundles can be reached.
async fn ready(State(server): State<Server>) -> Response {
    match server.reaches_store().await {
        Ok(Some(bundles)) => axum::Json(json!({ "status": "ok", "bundles": bundles })).into_response(),
        Ok(None) => axum::Json(json!({ "status": "ok" })).into_response(),
        Err(failure) => {
            let status = json!({ "status": "unavailable", "code": failure.code });
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(status)).into_response()
        }
    }
}

/// Answers what is no message with the protocol's code.
async fn only_messages(request: Request, next: Next, longest: usize) -> Response {
    let json = |request: &Request| {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    };
    if request.method() != Method::POST || !json(&request) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, longest).await else {
        let error = error(Value::Null, -32600, &format!("a message may have {longest} bytes"));
        return (StatusCode::PAYLOAD_TOO_LARGE, axum::Json(error)).into_response();
    };
    match wrong(&body) {
        Some(error) => (StatusCode::BAD_REQUEST, axum::Json(error)).into_response(),
        None => next.run(Request::from_parts(head, Body::from(body))).await,
    }
}

/// Refuses a request too many, before anything is read of it.
async fn shed(State(places): State<Arc<AtomicUsize>>, request: Request, next: Next) -> Response {
    struct Place(Arc<AtomicUsize>);
    impl Drop for Place {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let taken = places.fetch_add(1, Ordering::Relaxed);
    let _place = Place(places);
    if taken >= REQUESTS {
        let error = json!({ "jsonrpc": "2.0", "id": null, "error": {
            "code": -32000, "message": "the server has as many requests as it can take; wait some seconds and ask again" } });
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "2")], axum::Json(error)).into_response();
    }
    next.run(request).await
}

/// Ends when the process is interrupted or told to terminate.
pub(crate) async fn told_to_end() {
    let interrupted = async {
        // Without the handler the default of the system ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
