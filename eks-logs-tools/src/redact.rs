//! Redaction: tokens, keys and credentials do not leave the tools. What counts as one is data: `data/secrets.toml`.

use std::sync::OnceLock;

use regex::Regex;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    secret: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    regex: String,
}

struct Secret {
    name: String,
    regex: Regex,
}

fn secrets() -> &'static [Secret] {
    static SECRETS: OnceLock<Vec<Secret>> = OnceLock::new();
    SECRETS.get_or_init(|| {
        // A row that does not compile fails the test `every_row_compiles`.
        let table: Option<Table> = toml::from_str(include_str!("../data/secrets.toml")).ok();
        let rows = table.map(|table| table.secret).unwrap_or_default();
        rows.into_iter()
            .filter_map(|row| Some(Secret { regex: Regex::new(&row.regex).ok()?, name: row.name }))
            .collect()
    })
}

/// A secret in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of its first byte.
    pub start: usize,
    /// Offset behind its last byte.
    pub end: usize,
    /// What it is.
    pub name: &'static str,
}

/// Every secret in a text, in order; spans do not overlap.
pub fn spans(text: &str) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    for secret in secrets() {
        if !secret.regex.is_match(text) {
            continue;
        }
        for captures in secret.regex.captures_iter(text) {
            // What was redacted before stays as it is.
            let fresh = captures.name("secret").filter(|found| !found.as_str().starts_with("[REDACTED"));
            found.extend(fresh.map(|found| Span { start: found.start(), end: found.end(), name: &secret.name }));
        }
    }
    // What several patterns take for a secret has the name of the first.
    found.sort_by_key(|span| span.start);
    let mut apart: Vec<Span> = Vec::with_capacity(found.len());
    for span in found {
        match apart.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => apart.push(span),
        }
    }
    apart
}

/// Replaces these spans by `[REDACTED <what it was>]`.
pub fn apply(text: &str, spans: &[Span]) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut from = 0;
    for span in spans {
        redacted.push_str(&text[from..span.start]);
        redacted.push_str("[REDACTED ");
        redacted.push_str(span.name);
        redacted.push(']');
        from = span.end;
    }
    redacted.push_str(&text[from..]);
    redacted
}

/// Replaces every secret in a text by `[REDACTED <what it was>]` and tells how many there were.
pub fn count_in_place(text: &mut String) -> usize {
    let found = spans(text);
    if !found.is_empty() {
        *text = apply(text, &found);
    }
    found.len()
}

/// Replaces every secret in a text by `[REDACTED <what it was>]`.
pub fn in_place(text: &mut String) {
    count_in_place(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redacted(text: &str) -> String {
        let mut text = text.to_owned();
        in_place(&mut text);
        text
    }

    #[test]
    fn every_row_compiles() {
        let table: Table = toml::from_str(include_str!("../data/secrets.toml")).unwrap();
        assert_eq!(secrets().len(), table.secret.len());
        assert!(secrets().iter().all(|secret| secret.regex.capture_names().flatten().any(|name| name == "secret")));
    }

    #[test]
    fn secrets_go_and_what_stands_around_them_stays() {
        for (text, want) in [
            ("key AKIAIOSFODNN7EXAMPLE used", "key [REDACTED aws access key id] used"),
            (
                "GET https://b.s3.amazonaws.com/k?X-Amz-Signature=abcdef0123&x=1",
                "GET https://b.s3.amazonaws.com/k?X-Amz-Signature=[REDACTED presigned url parameter]&x=1",
            ),
            ("Authorization: Bearer abcdefghijklmnop123", "Authorization: Bearer [REDACTED authorization header]"),
            ("err=\"password=hunter22, retry\"", "err=\"password=[REDACTED password], retry\""),
            ("postgres://app:s3cr3t@db:5432/x", "postgres://app:[REDACTED url password]@db:5432/x"),
        ] {
            assert_eq!(redacted(text), want);
        }
    }

    #[test]
    fn a_key_over_several_lines_goes_as_a_whole() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEowIBAAKCAQEA0\nabc+/=\n-----END RSA PRIVATE KEY-----";
        assert_eq!(redacted(&format!("a: |\n{key}\nnext: line")), "a: |\n[REDACTED private key]\nnext: line");
        let one_line = key.replace('\n', "\\n");
        assert_eq!(redacted(&format!("{{\"k\":\"{one_line}\"}}\nnext")), "{\"k\":\"[REDACTED private key]\"}\nnext");
        let found = spans(key);
        assert_eq!((found.len(), found[0].start, found[0].end), (1, 0, key.len()));
    }

    #[test]
    fn what_only_sounds_like_a_secret_stays() {
        for text in [
            "failed to fetch token: context deadline exceeded",
            "error validating authorization token has expired",
            "authorization failed: no basic auth credentials",
            "pull access denied, repository does not exist or may require authorization: server message",
            "kube-api-access-x2x4k secretName=\"default-token\"",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    proptest! {
        #[test]
        fn redacting_twice_changes_nothing(text in "(AKIA[A-Z0-9]{16}|password=[a-z]{8}|bearer [a-z]{20}|[ -~]{0,20}){0,6}") {
            let once = redacted(&text);
            prop_assert_eq!(redacted(&once), once);
        }
    }
}
