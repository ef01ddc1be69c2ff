//! What a fault is about, and the form of it that is equal across pods, nodes and bundles.

use std::sync::OnceLock;

use regex::bytes::Captures;
use regex::{Regex, Replacer};

/// The longest value that a subject keeps, in bytes.
const LONGEST: usize = 200;

/// `name=value name=value`, for the captures that took part in the match. Control characters are dropped.
pub(crate) fn printed(names: &[String], captures: &Captures<'_>) -> String {
    let mut printed = String::new();
    for name in names {
        let Some(value) = captures.name(name) else { continue };
        let value = &value.as_bytes()[..value.len().min(LONGEST)];
        if !printed.is_empty() {
            printed.push(' ');
        }
        printed.push_str(name);
        printed.push('=');
        printed.extend(String::from_utf8_lossy(value).chars().filter(|c| !c.is_control()));
    }
    printed
}

/// The same with volatile parts masked: UIDs, container and sandbox ids, addresses, replica-set hashes, long numbers.
pub(crate) fn masked(printed: &str) -> String {
    static MASKS: OnceLock<Vec<(Regex, Mask)>> = OnceLock::new();
    let masks = MASKS.get_or_init(|| {
        // Order matters: a UID is made of what the later masks look for.
        let table = [
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", Mask("<uid>")),
            (r"\b(?:eni|i|vol|subnet|sg|fs|fsap|vpc|snap)-[0-9a-f]{8,17}\b", Mask("<aws-id>")),
            (r"\b[0-9a-f]{12,64}\b", Mask("<id>")),
            (r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]+)?\b", Mask("<ip>")),
            // <deployment>-<replica set>-<pod>, <daemon set>-<pod>: Kubernetes draws these from 27 characters without vowels.
            (r"\b(?P<keep>pod=[^ ]*?)-[bcdfghjklmnpqrstvwxz0-9]{8,10}-[bcdfghjklmnpqrstvwxz0-9]{5}\b", Mask("-*")),
            (r"\b(?P<keep>pod=[^ ]*?)-[bcdfghjklmnpqrstvwxz0-9]{5}\b", Mask("-*")),
            (r"\b[0-9]{5,}\b", Mask("<n>")),
        ];
        table.into_iter().filter_map(|(pattern, mask)| Some((Regex::new(pattern).ok()?, mask))).collect()
    });
    let mut text = printed.to_owned();
    for (pattern, mask) in masks {
        if pattern.is_match(&text) {
            text = pattern.replace_all(&text, mask.by_ref()).into_owned();
        }
    }
    text
}

/// Replaces a match, except for what its capture `keep` holds.
#[derive(Clone, Copy)]
struct Mask(&'static str);

impl Replacer for Mask {
    fn replace_append(&mut self, captures: &regex::Captures<'_>, to: &mut String) {
        if let Some(kept) = captures.name("keep") {
            to.push_str(kept.as_str());
        }
        to.push_str(self.0);
    }
}

impl Mask {
    fn by_ref(&self) -> Mask {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn what_differs_between_pods_of_one_kind_is_masked() {
        for (printed, want) in [
            ("pod=payments/web-6d5f7c9b8-x2x4k", "pod=payments/web-*"),
            ("pod=kube-system/aws-node-7hq2p", "pod=kube-system/aws-node-*"),
            ("pod=default/cache-0", "pod=default/cache-0"),
            ("device=nvme1n1p1", "device=nvme1n1p1"),
            ("volume=vol-0123456789abcdef0", "volume=<aws-id>"),
            ("eni=eni-0a1b2c3d4e5f60718 endpoint=10.0.12.7:443", "eni=<aws-id> endpoint=<ip>"),
            ("pod=default/x uid=0363f3c1-ad9f-735c-e266-4c45bae016d8", "pod=default/x uid=<uid>"),
            ("process=java", "process=java"),
        ] {
            assert_eq!(masked(printed), want);
        }
    }

    #[test]
    fn masking_twice_changes_nothing() {
        let once = masked("pod=a/web-6d5f7c9b8-x2x4k id=0123456789abcdef0123456789abcdef n=123456 ip=10.1.2.3");
        assert_eq!(masked(&once), once);
    }
}
