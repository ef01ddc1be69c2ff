//! How HTTP is served, checked before anything listens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::bearer::{Expected, Issuer};
use super::keys::Keys;
use crate::args::Args;
use crate::start::StartError;

/// How HTTP is served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Without sessions.
    pub stateless: bool,
    /// Names that requests may be for.
    pub hosts: Vec<String>,
    /// Web origins that may call.
    pub origins: Vec<String>,
    /// The largest body, in bytes.
    pub max_request_bytes: usize,
    /// How long requests in flight may take when the server is stopped.
    pub grace: Duration,
    /// Who may call; `None` for everybody, which is for loopback alone.
    pub issuer: Option<Arc<Issuer>>,
}

fn usage<T>(text: String) -> Result<T, StartError> {
    Err(StartError::Usage(text))
}

/// `https`, or `http` to this machine itself.
fn is_safe(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    let loopback = match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        None => false,
    };
    plain && (url.scheme() == "https" || (url.scheme() == "http" && loopback))
}

impl Settings {
    /// What the command line says.
    ///
    /// # Errors
    /// What is not safe: an address that others reach without tokens, an issuer without TLS.
    pub fn new(address: SocketAddr, args: &Args) -> Result<Self, StartError> {
        let http = &args.http;
        let issuer = match (&http.oidc_issuer, &http.oidc_audience, &http.public_url) {
            (Some(issuer), Some(audience), Some(public)) => {
                for (option, url) in [("--oidc-issuer", issuer), ("--public-url", public)] {
                    if !is_safe(url) {
                        return usage(format!("{option} {url}: give an https URL without query and credentials"));
                    }
                }
                let expected = Expected {
                    issuer: issuer.clone(),
                    audience: audience.clone(),
                    clients: http.oidc_client_id.clone(),
                    scope: http.oidc_scope.clone(),
                };
                Some(Arc::new(Issuer::new(expected, public.clone(), Keys::of(issuer)?)))
            }
            _ => None,
        };
        if issuer.is_none() && !address.ip().is_loopback() {
            return usage(format!(
                "--http {address}: others reach this address, and nothing asks who they are. Listen on 127.0.0.1, or give \
                 --oidc-issuer, --oidc-audience and --public-url"
            ));
        }
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        hosts.extend(http.allow_host.iter().cloned());
        let public = http.public_url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
        hosts.extend(public.and_then(|url| url.host_str().map(str::to_owned)));
        if let Some(bad) = http.allow_origin.iter().find(|origin| !origin.contains("://") || origin.contains('*')) {
            return usage(format!(
                "--allow-origin {bad}: give scheme, host and port, such as https://app.example.com:443"
            ));
        }
        let mut origins = http.allow_origin.clone();
        if address.ip().is_loopback() && issuer.is_none() {
            // Pages of this machine, such as an inspector's; a page from elsewhere has its own origin, whatever name it gives us.
            origins.extend(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"].map(str::to_owned));
        }
        Ok(Self {
            address,
            // A session belongs to whoever began it; with tokens each request says who it is.
            stateless: http.stateless || issuer.is_some(),
            hosts,
            origins,
            max_request_bytes: args.limits.max_request_kib as usize * 1024,
            grace: Duration::from_secs(http.grace_seconds.into()),
            issuer,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn settings(args: &[&str]) -> Result<Settings, StartError> {
        let args = ["eks-logs-mcp", "--store", "."].iter().chain(args);
        let args = Args::try_parse_from(args).map_err(|why| StartError::Usage(why.to_string()))?;
        Settings::new(args.http.http.unwrap(), &args)
    }

    #[test]
    fn a_public_address_needs_an_issuer() {
        let oidc = [
            "--oidc-issuer",
            "https://i.example.com",
            "--oidc-audience",
            "a",
            "--public-url",
            "https://x.example.com/mcp",
        ];
        let refused = settings(&["--http", "0.0.0.0:8080"]).unwrap_err();
        assert!(refused.to_string().contains("--oidc-issuer") && refused.exit_status() == 2);
        assert!(settings(&["--http", "127.0.0.1:0"]).is_ok());
        let public = settings(&[&["--http", "0.0.0.0:8080"], &oidc[..]].concat()).unwrap();
        assert!(public.stateless && public.issuer.is_some());
        assert!(public.hosts.contains(&"x.example.com".to_owned()));
    }

    #[test]
    fn an_issuer_has_tls_unless_it_is_this_machine() {
        for (url, safe) in [
            ("https://issuer.example.com/pool", true),
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000", true),
            ("http://issuer.example.com", false),
            ("https://issuer.example.com?x=1", false),
            ("https://user:secret@issuer.example.com", false),
            ("issuer.example.com", false),
        ] {
            assert_eq!(is_safe(url), safe, "{url}");
        }
        assert!(settings(&["--http", "127.0.0.1:0", "--allow-origin", "*"]).is_err());
    }
}
