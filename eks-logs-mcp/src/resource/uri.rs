//! The addresses of resources: `eks-logs://bundle/ID`, `.../findings`, `.../findings/F-001`, `.../file/PATH?start=0&end=1000`.

use std::fmt;

use eks_logs_tools::{Code, Failure};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const PREFIX: &str = "eks-logs://bundle/";
/// What stays as it is in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What an address means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Bundle { id: String },
    Findings { id: String },
    Finding { id: String, finding: String },
    File { id: String, path: String, start: Option<u64>, end: Option<u64> },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: &str| utf8_percent_encode(text, PART).to_string();
        match self {
            Self::Bundle { id } => write!(f, "{PREFIX}{}", part(id)),
            Self::Findings { id } => write!(f, "{PREFIX}{}/findings", part(id)),
            Self::Finding { id, finding } => write!(f, "{PREFIX}{}/findings/{}", part(id), part(finding)),
            Self::File { id, path, start, end } => {
                let path: Vec<String> = path.split('/').map(part).collect();
                write!(f, "{PREFIX}{}/file/{}", part(id), path.join("/"))?;
                match (start, end) {
                    (None, None) => Ok(()),
                    (Some(start), None) => write!(f, "?start={start}"),
                    (None, Some(end)) => write!(f, "?end={end}"),
                    (Some(start), Some(end)) => write!(f, "?start={start}&end={end}"),
                }
            }
        }
    }
}

impl Address {
    pub(crate) fn parse(uri: &str) -> Result<Self, Failure> {
        Self::read(uri).ok_or_else(|| {
            Failure::new(
                Code::NotFound,
                format!("no resource {}", crate::text::quote::line(uri, 200)),
                "list the resources; addresses are eks-logs://bundle/ID, .../findings/F-001, .../file/PATH?start=0&end=1000",
            )
        })
    }

    fn read(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix(PREFIX)?;
        if rest.contains('#') {
            return None;
        }
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let mut parts = path.splitn(3, '/');
        let id = decoded(parts.next()?)?;
        if id.is_empty() {
            return None;
        }
        match (parts.next(), parts.next(), query) {
            (None, None, None) => Some(Self::Bundle { id }),
            (Some("findings"), None, None) => Some(Self::Findings { id }),
            (Some("findings"), Some(finding), None) if !finding.is_empty() && !finding.contains('/') => {
                Some(Self::Finding { id, finding: decoded(finding)? })
            }
            (Some("file"), Some(path), query) if !path.is_empty() => {
                let (mut start, mut end) = (None, None);
                for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
                    match pair.split_once('=')? {
                        ("start", value) => start = Some(value.parse().ok()?),
                        ("end", value) => end = Some(value.parse().ok()?),
                        _ => return None,
                    }
                }
                Some(Self::File { id, path: decoded(path)?, start, end })
            }
            _ => None,
        }
    }
}

fn decoded(part: &str) -> Option<String> {
    Some(percent_decode_str(part).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "file:///etc/passwd",
            "eks-logs://bundle/",
            "eks-logs://bundle/b/",
            "eks-logs://bundle/b/findings/",
            "eks-logs://bundle/b/findings/F-001/x",
            "eks-logs://bundle/b/file/",
            "eks-logs://bundle/b/file/a?start=-1",
            "eks-logs://bundle/b/file/a?from=1",
            "eks-logs://bundle/b?x=1",
            "eks-logs://bundle/b/file/%ff",
            "eks-logs://bundle/b/file/a#b",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            id in "[^/]{1,20}", path in "[a-z]{1,8}(/[^/]{1,10}){0,3}",
            start in proptest::option::of(any::<u64>()), end in proptest::option::of(any::<u64>()),
        ) {
            for address in [
                Address::Bundle { id: id.clone() },
                Address::Findings { id: id.clone() },
                Address::Finding { id: id.clone(), finding: "F-001".to_owned() },
                Address::File { id: id.clone(), path: path.clone(), start, end },
            ] {
                prop_assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
            }
        }
    }
}
