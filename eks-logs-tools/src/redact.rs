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

/// Replaces every secret in a text by `[REDACTED <what it was>]`.
pub fn in_place(text: &mut String) {
    for secret in secrets() {
        if !secret.regex.is_match(text) {
            continue;
        }
        let mut redacted = String::with_capacity(text.len());
        let mut from = 0;
        for captures in secret.regex.captures_iter(text) {
            // What an earlier pattern has redacted stays as it is.
            let fresh = captures.name("secret").filter(|found| !found.as_str().starts_with("[REDACTED"));
            let Some(found) = fresh else { continue };
            redacted.push_str(&text[from..found.start()]);
            redacted.push_str("[REDACTED ");
            redacted.push_str(&secret.name);
            redacted.push(']');
            from = found.end();
        }
        redacted.push_str(&text[from..]);
        *text = redacted;
    }
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
