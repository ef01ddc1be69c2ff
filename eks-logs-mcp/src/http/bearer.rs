//! Bearer tokens of an OpenID Connect issuer, and the metadata of a protected resource (RFC 6750, RFC 9068, RFC 9728).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::keys::{KeyError, Keys};

/// Signatures that are taken. None with a shared secret: whoever could check it could forge it.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 60;
/// The longest token.
const LONGEST: usize = 16 << 10;

/// What a token must be.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    /// Clients whose tokens name no audience.
    pub(crate) clients: Vec<String>,
    pub(crate) scope: String,
}

/// Whose tokens are taken.
#[derive(Debug)]
pub struct Issuer {
    expected: Expected,
    /// The URL under which clients reach the server.
    resource: String,
    keys: Keys,
}

/// One text or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Several {
    One(String),
    Many(Vec<String>),
}

impl Several {
    fn holds(&self, wanted: &str) -> bool {
        match self {
            Self::One(text) => text == wanted,
            Self::Many(texts) => texts.iter().any(|text| text == wanted),
        }
    }

    fn words(&self) -> Vec<&str> {
        match self {
            Self::One(text) => text.split_ascii_whitespace().collect(),
            Self::Many(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    aud: Option<Several>,
    scope: Option<Several>,
    scp: Option<Several>,
    client_id: Option<String>,
    token_use: Option<String>,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// No token.
    Missing,
    /// Not one of ours; the text is safe to tell.
    Invalid(&'static str),
    /// A good one that allows too little.
    Scope,
    /// The issuer does not answer: nobody can tell.
    Unavailable,
}

impl Issuer {
    pub(crate) fn new(expected: Expected, resource: String, keys: Keys) -> Self {
        Self { expected, resource, keys }
    }

    /// The metadata of this protected resource.
    pub(crate) fn metadata(&self) -> Value {
        json!({
            "resource": self.resource,
            "authorization_servers": [self.expected.issuer],
            "scopes_supported": [self.expected.scope],
            "bearer_methods_supported": ["header"],
            "resource_name": "eks-logs",
        })
    }

    /// Where the metadata is.
    fn metadata_url(&self) -> String {
        match reqwest::Url::parse(&self.resource) {
            Ok(url) => {
                let path = url.path().trim_end_matches('/').to_owned();
                let mut url = url;
                url.set_path(&format!(
                    "/.well-known/oauth-protected-resource{}",
                    if path == super::PATH { super::PATH } else { "" }
                ));
                url.to_string()
            }
            Err(_) => self.resource.clone(),
        }
    }

    async fn accepts(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return Err(Refused::Missing) };
        let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Refused::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::Missing);
        }
        let token = token.trim();
        if token.len() > LONGEST {
            return Err(Refused::Invalid("the token is too long"));
        }
        let head = decode_header(token).map_err(|_| Refused::Invalid("the token is no JWT"))?;
        if !ALGORITHMS.contains(&head.alg) {
            return Err(Refused::Invalid("the token's signature is of a kind that is not taken"));
        }
        let key = self.keys.key(head.kid.as_deref()).await.map_err(|why| match why {
            KeyError::Unknown => Refused::Invalid("the token is signed with a key that the issuer does not have"),
            KeyError::Unreachable(_) => Refused::Unavailable,
        })?;
        let key = DecodingKey::from_jwk(&key).map_err(|_| Refused::Invalid("the token's key cannot be used"))?;
        let mut validation = Validation::new(head.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        // Looked at below: tokens of some issuers name a client in its place.
        validation.validate_aud = false;
        validation.set_issuer(&[&self.expected.issuer]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        let claims = decode::<Claims>(token, &key, &validation).map_err(|why| {
            use jsonwebtoken::errors::ErrorKind;
            Refused::Invalid(match why.kind() {
                ErrorKind::ExpiredSignature => "the token has expired",
                ErrorKind::ImmatureSignature => "the token is not valid yet",
                ErrorKind::InvalidIssuer => "the token is of another issuer",
                ErrorKind::InvalidSignature => "the token's signature is wrong",
                _ => "the token is not valid",
            })
        })?;
        self.claims(&claims.claims)
    }

    fn claims(&self, claims: &Claims) -> Result<(), Refused> {
        let for_us = match (&claims.aud, &claims.client_id) {
            (Some(audience), _) => audience.holds(&self.expected.audience),
            (None, Some(client)) => self.expected.clients.contains(client),
            (None, None) => false,
        };
        if !for_us {
            return Err(Refused::Invalid("the token is for another audience"));
        }
        if claims.token_use.as_deref().is_some_and(|kind| kind != "access") {
            return Err(Refused::Invalid("the token is no access token"));
        }
        let scopes = [&claims.scope, &claims.scp];
        let granted = scopes.into_iter().flatten().any(|scope| scope.words().contains(&self.expected.scope.as_str()));
        if granted { Ok(()) } else { Err(Refused::Scope) }
    }

    fn refusal(&self, why: &Refused) -> Response {
        let metadata = self.metadata_url();
        let scope = &self.expected.scope;
        let (status, challenge, said) = match why {
            Refused::Missing => (StatusCode::UNAUTHORIZED, format!("scope=\"{scope}\""), "a bearer token is needed"),
            Refused::Invalid(said) => (
                StatusCode::UNAUTHORIZED,
                format!("error=\"invalid_token\", error_description=\"{said}\", scope=\"{scope}\""),
                *said,
            ),
            Refused::Scope => (
                StatusCode::FORBIDDEN,
                format!("error=\"insufficient_scope\", scope=\"{scope}\""),
                "the token does not have the scope that is needed",
            ),
            Refused::Unavailable => {
                let said = json!({ "error": "temporarily_unavailable", "error_description": "the issuer's keys cannot be fetched" });
                return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "5")], axum::Json(said)).into_response();
            }
        };
        let challenge = format!("Bearer resource_metadata=\"{metadata}\", {challenge}");
        let body = axum::Json(
            json!({ "error": if status == StatusCode::FORBIDDEN { "insufficient_scope" } else { "invalid_token" },
                                      "error_description": said }),
        );
        (status, [(header::WWW_AUTHENTICATE, challenge)], body).into_response()
    }
}

/// Lets a request with a good token through; the token goes no further.
pub(super) async fn check(State(issuer): State<Arc<Issuer>>, mut request: Request, next: Next) -> Response {
    match issuer.accepts(request.headers()).await {
        Ok(()) => {
            request.headers_mut().remove(header::AUTHORIZATION);
            next.run(request).await
        }
        Err(why) => {
            tracing::info!(?why, "refused");
            issuer.refusal(&why)
        }
    }
}
