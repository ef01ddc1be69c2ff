//! Redaction: tokens, keys and credentials do not leave the tools. What counts as one is data: `data/secrets.toml`.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
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
    needs: Vec<String>,
    regex: String,
}

struct Secret {
    row: Row,
    /// Compiled when a text first holds what it needs: most never do.
    regex: OnceLock<Option<Regex>>,
}

impl Secret {
    fn regex(&self) -> Option<&Regex> {
        // One that does not compile fails the test `every_row_compiles`.
        self.regex.get_or_init(|| Regex::new(&self.row.regex).ok()).as_ref()
    }
}

struct Secrets {
    all: Vec<Secret>,
    /// Everything that one of them needs; `None` if that cannot be looked for, and then all of them are.
    needs: Option<AhoCorasick>,
    /// Whose need each of those is: a place in `all`.
    whose: Vec<usize>,
}

impl Secrets {
    fn read() -> Self {
        let table: Option<Table> = toml::from_str(include_str!("../data/secrets.toml")).ok();
        let rows = table.map(|table| table.secret).unwrap_or_default();
        let all: Vec<_> = rows.into_iter().map(|row| Secret { row, regex: OnceLock::new() }).collect();
        let needs = all.iter().flat_map(|secret| &secret.row.needs);
        let needs = AhoCorasick::builder().ascii_case_insensitive(true).build(needs).ok();
        let whose = all.iter().enumerate().flat_map(|(at, secret)| secret.row.needs.iter().map(move |_| at)).collect();
        Self { all, needs, whose }
    }

    /// Those that a text may hold, in the order of the table.
    fn possible(&self, text: &str) -> impl Iterator<Item = &Secret> {
        let mut possible = vec![self.needs.is_none(); self.all.len()];
        for found in self.needs.iter().flat_map(|needs| needs.find_overlapping_iter(text)) {
            possible[self.whose[found.pattern().as_usize()]] = true;
        }
        self.all.iter().zip(possible).filter_map(|(secret, possible)| possible.then_some(secret))
    }
}

fn secrets() -> &'static Secrets {
    static SECRETS: OnceLock<Secrets> = OnceLock::new();
    SECRETS.get_or_init(Secrets::read)
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
    spans_of(text, secrets().possible(text))
}

fn spans_of(text: &str, secrets: impl Iterator<Item = &'static Secret>) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    for secret in secrets {
        let Some(regex) = secret.regex().filter(|regex| regex.is_match(text)) else { continue };
        for captures in regex.captures_iter(text) {
            // What was redacted before stays as it is.
            let fresh = captures.name("secret").filter(|found| !found.as_str().starts_with("[REDACTED"));
            found.extend(fresh.map(|found| Span { start: found.start(), end: found.end(), name: &secret.row.name }));
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
        assert_eq!(secrets().all.len(), table.secret.len());
        assert!(secrets().needs.is_some());
        for secret in &secrets().all {
            assert!(
                secret.regex().unwrap().capture_names().flatten().any(|name| name == "secret"),
                "{}",
                secret.row.name
            );
            assert!(!secret.row.needs.is_empty(), "{}", secret.row.name);
        }
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

    /// Texts that each expression matches, and damaged ones, in both cases.
    fn texts() -> impl Strategy<Value = String> {
        let rows = secrets().all.iter().map(|secret| {
            // What stands for any character makes texts of any script, which say no more here; nor do edges of words.
            let plain = secret.row.regex.replace(r"\b", "").replace("(?P<secret>", "(?:").replace(r"\s", " ");
            proptest::string::string_regex(&plain).unwrap().boxed()
        });
        let row = proptest::strategy::Union::new(rows);
        (row, 0..4_u8, any::<prop::sample::Index>()).prop_map(|(text, change, at)| match change {
            0 => text.to_ascii_uppercase(),
            1 => text.to_ascii_lowercase(),
            2 => text.chars().skip(at.index(text.chars().count().max(1))).collect(),
            _ => format!("{text} - {text}"),
        })
    }

    proptest! {
        /// A text in which nothing stands that a secret needs holds none.
        #[test]
        fn what_is_not_asked_would_not_match(text in texts()) {
            prop_assert_eq!(spans(&text), spans_of(&text, secrets().all.iter()));
        }

        #[test]
        fn redacting_twice_changes_nothing(text in "(AKIA[A-Z0-9]{16}|password=[a-z]{8}|bearer [a-z]{20}|[ -~]{0,20}){0,6}") {
            let once = redacted(&text);
            prop_assert_eq!(redacted(&once), once);
        }
    }
}
