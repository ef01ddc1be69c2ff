//! The keys with which an issuer signs: fetched from where its discovery document says, kept for a while.

use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::start::StartError;

/// How long keys are good without a look at the issuer.
const FRESH: Duration = Duration::from_secs(600);
/// How long they are good while the issuer does not answer.
const STALE: Duration = Duration::from_secs(3600);
/// A token with an unknown key makes us look no more often than that.
const LOOK: Duration = Duration::from_secs(10);
/// The largest document of an issuer.
const LARGEST: usize = 1 << 20;

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Debug)]
struct Kept {
    set: JwkSet,
    fetched: Instant,
    looked: Instant,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) struct Keys {
    issuer: String,
    client: reqwest::Client,
    kept: Mutex<Option<Kept>>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the issuer has no such key")]
    Unknown,
    #[error("the issuer does not answer: {0}")]
    Unreachable(String),
}

impl Keys {
    pub(crate) fn of(issuer: &str) -> Result<Self, StartError> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            // A redirect could lead to keys of somebody else.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("eks-logs-mcp/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|why| StartError::Usage(format!("cannot make requests to the issuer: {why}")))?;
        Ok(Self { issuer: issuer.to_owned(), client, kept: Mutex::new(None) })
    }

    /// The key of this id; fetched when it is not known or too old.
    pub(crate) async fn key(&self, id: Option<&str>) -> Result<Jwk, KeyError> {
        // One at a time fetches; the others find what it brought.
        let mut kept = self.kept.lock().await;
        let pick = |kept: &Kept| match id {
            Some(id) => kept.set.find(id).cloned(),
            None if kept.set.keys.len() == 1 => kept.set.keys.first().cloned(),
            None => None,
        };
        let found = kept.as_ref().and_then(pick);
        let fresh = kept.as_ref().is_some_and(|kept| kept.fetched.elapsed() < FRESH);
        let looked = kept.as_ref().is_some_and(|kept| kept.looked.elapsed() < LOOK);
        match (found, fresh, looked) {
            (Some(key), true, _) => return Ok(key),
            (None, _, true) => return Err(KeyError::Unknown),
            (Some(key), false, true) => return Ok(key),
            _ => {}
        }
        match self.fetch().await {
            Ok(set) => {
                let now = Instant::now();
                let new = Kept { set, fetched: now, looked: now };
                let found = pick(&new);
                *kept = Some(new);
                found.ok_or(KeyError::Unknown)
            }
            Err(why) => {
                tracing::warn!(issuer = self.issuer, why, "keys cannot be fetched");
                let Some(old) = kept.as_mut() else { return Err(KeyError::Unreachable(why)) };
                old.looked = Instant::now();
                let still_good = old.fetched.elapsed() < STALE;
                pick(old).filter(|_| still_good).ok_or(KeyError::Unreachable(why))
            }
        }
    }

    async fn fetch(&self) -> Result<JwkSet, String> {
        let base = self.issuer.trim_end_matches('/');
        let discovery: Discovery = self.document(&format!("{base}/.well-known/openid-configuration")).await?;
        if discovery.issuer != self.issuer {
            return Err("its discovery document is of another issuer".to_owned());
        }
        let safe = |url: &str| url.starts_with("https://") || self.issuer.starts_with("http://");
        if !safe(&discovery.jwks_uri) {
            return Err("its keys are not served over TLS".to_owned());
        }
        self.document(&discovery.jwks_uri).await
    }

    async fn document<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let told = |why: reqwest::Error| why.without_url().to_string();
        let mut response =
            self.client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(told)?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(told)? {
            body.extend_from_slice(&piece);
            if body.len() > LARGEST {
                return Err("its document is larger than a mebibyte".to_owned());
            }
        }
        serde_json::from_slice(&body).map_err(|why| format!("its document cannot be read: {why}"))
    }
}
