//! Bearer tokens, against an issuer of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;
use clap::Parser as _;
use eks_logs_mcp::{Args, Options, Server, context, http};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Issuing {
    keys_fetched: AtomicUsize,
    down: AtomicBool,
}

struct Setup {
    issuer: String,
    url: String,
    issuing: Arc<Issuing>,
    key: EncodingKey,
    _store: tempfile::TempDir,
}

/// A new key.
fn key() -> EncodingKey {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    EncodingKey::from_ec_der(made.as_ref())
}

async fn listen(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{at}")
}

async fn setup() -> Setup {
    let (issuing, key): (Arc<Issuing>, _) = (Arc::default(), key());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let discovery = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
    let mut public = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap()).unwrap();
    public["kid"] = "k1".into();
    let app = Router::new()
        .route("/.well-known/openid-configuration", get(move || std::future::ready(axum::Json(discovery))))
        .route(
            "/keys",
            get(async |State((issuing, public)): State<(Arc<Issuing>, Value)>| {
                issuing.keys_fetched.fetch_add(1, Ordering::Relaxed);
                if issuing.down.load(Ordering::Relaxed) {
                    return StatusCode::BAD_GATEWAY.into_response();
                }
                axum::Json(json!({ "keys": [public] })).into_response()
            }),
        )
        .with_state((Arc::clone(&issuing), public));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let store = crate::support::store();
    let given = [
        "eks-logs-mcp",
        "--http",
        "127.0.0.1:0",
        "--oidc-issuer",
        &issuer,
        "--oidc-audience",
        "eks-logs",
        "--oidc-client-id",
        "machine",
        "--public-url",
        "https://logs.example.com/mcp",
        "--store",
    ];
    let args = Args::parse_from(given.into_iter().map(Into::into).chain([store.path().as_os_str().to_owned()]));
    let settings = http::Settings::new(args.http.http.unwrap(), &args).unwrap();
    let server = Server::making(context(&args).await.unwrap(), Options::default()).unwrap();
    let url = listen(http::router(server, &settings, &CancellationToken::new())).await;
    Setup { issuer, url, issuing, key, _store: store }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

impl Setup {
    fn claims(&self) -> Value {
        json!({ "iss": self.issuer, "aud": "eks-logs", "sub": "agent", "exp": now() + 600, "scope": "openid gateway:read" })
    }

    fn token(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k1".to_owned());
        encode(&header, claims, &self.key).unwrap()
    }

    async fn ask(&self, authorization: Option<&str>) -> (u16, String, String) {
        let mut request = reqwest::Client::new()
            .post(format!("{}/mcp", self.url))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string());
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let answer = request.send().await.unwrap();
        let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), challenge.unwrap_or_default(), answer.text().await.unwrap())
    }

    async fn with(&self, token: &str) -> (u16, String) {
        let (status, challenge, _) = self.ask(Some(&format!("Bearer {token}"))).await;
        (status, challenge)
    }
}

#[tokio::test]
async fn a_good_token_is_let_through_and_keys_are_kept() {
    let setup = setup().await;
    for (name, value) in [("aud", json!(["x", "eks-logs"])), ("scope", json!("gateway:read"))] {
        let mut claims = setup.claims();
        claims[name] = value;
        assert_eq!(setup.with(&setup.token(&claims)).await.0, 200, "{claims}");
    }
    let mut machine = setup.claims();
    machine.as_object_mut().unwrap().remove("aud");
    machine["client_id"] = "machine".into();
    assert_eq!(setup.with(&setup.token(&machine)).await.0, 200, "a client of ours, in a token without an audience");
    let mut scp = setup.claims();
    scp.as_object_mut().unwrap().remove("scope");
    scp["scp"] = json!(["gateway:read"]);
    assert_eq!(setup.with(&setup.token(&scp)).await.0, 200);
    setup.issuing.down.store(true, Ordering::Relaxed);
    assert_eq!(setup.with(&setup.token(&setup.claims())).await.0, 200, "known keys are good while the issuer is down");
    assert_eq!(setup.issuing.keys_fetched.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn any_other_token_is_refused() {
    let setup = setup().await;
    let (status, challenge, _) = setup.ask(None).await;
    assert_eq!(status, 401);
    assert!(
        challenge.contains("resource_metadata=\"https://logs.example.com/.well-known/oauth-protected-resource/mcp\""),
        "{challenge}"
    );
    for (name, value, status, word) in [
        ("iss", json!("https://other.example.com"), 401, "another issuer"),
        ("aud", json!("other"), 401, "another audience"),
        ("aud", json!(["other"]), 401, "another audience"),
        ("exp", json!(now() - 600), 401, "expired"),
        ("nbf", json!(now() + 600), 401, "not valid yet"),
        ("token_use", json!("id"), 401, "no access token"),
        ("scope", json!("gateway:reader gateway"), 403, "insufficient_scope"),
    ] {
        let mut claims = setup.claims();
        claims[name] = value;
        let (got, challenge) = setup.with(&setup.token(&claims)).await;
        assert_eq!(got, status, "{claims}: {challenge}");
        assert!(challenge.contains(word), "{claims}: {challenge}");
    }
    for missing in ["exp", "iss", "aud", "scope"] {
        let mut claims = setup.claims();
        claims.as_object_mut().unwrap().remove(missing);
        assert!(matches!(setup.with(&setup.token(&claims)).await.0, 401 | 403), "without {missing}");
    }
    let good = setup.token(&setup.claims());
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("k1".to_owned());
    let forged = encode(&header, &setup.claims(), &key()).unwrap();
    let mut shared = Header::new(Algorithm::HS256);
    shared.kid = Some("k1".to_owned());
    let shared = encode(&shared, &setup.claims(), &EncodingKey::from_secret(b"secret")).unwrap();
    header.kid = Some("k2".to_owned());
    let unknown = encode(&header, &setup.claims(), &setup.key).unwrap();
    let body = good.split('.').nth(1).unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.{body}.");
    for (token, why) in [
        (forged.as_str(), "another key"),
        (shared.as_str(), "a shared secret"),
        (unknown.as_str(), "an unknown key"),
        (unsigned.as_str(), "no signature"),
        (&good[..good.len() - 4], "cut"),
        ("", "empty"),
        ("x.y.z", "nonsense"),
    ] {
        assert_eq!(setup.with(token).await.0, 401, "{why}");
    }
    for value in [format!("Basic {good}"), good.clone(), format!("Bearer {}", "x".repeat(20_000))] {
        assert_eq!(setup.ask(Some(&value)).await.0, 401);
    }
    assert_eq!(setup.with(&good).await.0, 200);
}

#[tokio::test]
async fn without_the_issuer_nobody_can_tell() {
    let setup = setup().await;
    setup.issuing.down.store(true, Ordering::Relaxed);
    assert_eq!(setup.with(&setup.token(&setup.claims())).await.0, 503);
}

#[tokio::test]
async fn the_metadata_needs_no_token() {
    let setup = setup().await;
    for path in ["", "/mcp"] {
        let url = format!("{}/.well-known/oauth-protected-resource{path}", setup.url);
        let metadata: Value = serde_json::from_str(&reqwest::get(url).await.unwrap().text().await.unwrap()).unwrap();
        assert_eq!(metadata["resource"], "https://logs.example.com/mcp");
        assert_eq!(metadata["authorization_servers"], json!([setup.issuer]));
        assert_eq!(metadata["scopes_supported"], json!(["gateway:read"]));
    }
    assert_eq!(reqwest::get(format!("{}/healthz", setup.url)).await.unwrap().status(), 200);
}
