//! Names of nodes and of collections.

use std::fmt;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Serialize;

use crate::error::{Error, Result};

/// An EC2 instance (`i-` and 8 or 17 hex digits) or a hybrid node (`mi-` and 17).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct InstanceId(String);

impl InstanceId {
    /// Accepts an id of the right form.
    pub fn parse(text: &str) -> Result<Self> {
        let hex = |rest: &str, lengths: &[usize]| {
            lengths.contains(&rest.len()) && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let valid = match text.split_once('-') {
            Some(("i", rest)) => hex(rest, &[8, 17]),
            Some(("mi", rest)) => hex(rest, &[17]),
            _ => false,
        };
        if valid {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::InvalidId {
            value: text.to_owned(),
            kind: "instance id",
            expected: "i- and 8 or 17 hex digits, or mi- and 17 hex digits for a hybrid node",
        })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl InstanceId {
    /// True for a node outside of EC2.
    pub fn is_hybrid(&self) -> bool {
        self.0.starts_with("mi-")
    }

    /// How the names of all bundles of this node begin.
    pub fn bundle_prefix(&self) -> String {
        format!("eks_{self}_")
    }
}

/// An AWS region, in any partition: `eu-central-1`, `us-gov-west-1`, `us-iso-east-1`, `eusc-de-east-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Region(String);

impl Region {
    /// Accepts a name of the right form. Whether there is such a region, only AWS knows: new ones appear.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        let valid = match parts.split_last() {
            Some((number, words)) => {
                (2..=4).contains(&words.len())
                    && words.iter().all(word)
                    && words[0].len() <= 5
                    && text.len() <= 32
                    && (1..=2).contains(&number.len())
                    && number.bytes().all(|byte| byte.is_ascii_digit())
            }
            None => false,
        };
        if valid {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::InvalidId {
            value: text.to_owned(),
            kind: "region",
            expected: "lower case words and a number, such as eu-central-1 or us-gov-west-1",
        })
    }

    /// The region as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of one run of the collection document: a UUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ExecutionId(String);

impl ExecutionId {
    /// Accepts an id of the right form.
    pub fn parse(text: &str) -> Result<Self> {
        let groups: Vec<usize> = text.split('-').map(str::len).collect();
        let hex = text.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9' | b'a'..=b'f'));
        if groups == [8, 4, 4, 4, 12] && hex {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::InvalidId {
            value: text.to_owned(),
            kind: "execution id",
            expected: "a UUID in lower case, as collect answered it (8-4-4-4-12 hex digits)",
        })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the name of an archive or of its directory tells about the collection.
///
/// `eks_<instance>_<yyyy-mm-dd_HHMM-UTC>_<script version>` is the script's own name, `eks_<instance>_<execution id>` the runbook's;
/// the instance is empty where the node had no IMDS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionName {
    /// The node, when the name has it.
    pub instance: Option<InstanceId>,
    /// What stands behind the instance: a time or an execution id.
    pub collection: String,
    /// When the collection ran (UTC, to the minute), when the name says so.
    pub collected_at: Option<Timestamp>,
}

/// Endings that an archive's name may have.
pub const ARCHIVE_SUFFIXES: [&str; 4] = [".tar.gz", ".tgz", ".tar", ".zip"];

impl CollectionName {
    /// Reads a file or directory name; `None` if it is not a collection's.
    pub fn parse(name: &str) -> Option<Self> {
        let stem = ARCHIVE_SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let (instance, collection) = stem.strip_prefix("eks_")?.split_once('_')?;
        let instance = if instance.is_empty() { None } else { Some(InstanceId::parse(instance).ok()?) };
        if collection.is_empty() {
            return None;
        }
        Some(Self { instance, collected_at: collection_time(collection), collection: collection.to_owned() })
    }
}

impl CollectionName {
    /// The id of the bundle: instance and collection; the collection alone where the name has no instance.
    pub fn bundle_id(&self) -> String {
        match &self.instance {
            Some(instance) => format!("{instance}_{}", self.collection),
            None => self.collection.clone(),
        }
    }
}

/// `2026-03-20_0715-UTC...` (Linux script) or `20261122T0700011234Z` (Windows script).
fn collection_time(text: &str) -> Option<Timestamp> {
    let digits = |range: std::ops::Range<usize>| text.get(range)?.parse::<i16>().ok();
    let bytes = text.as_bytes();
    let at = if bytes.get(4) == Some(&b'-') && text.get(15..19) == Some("-UTC") {
        civil::DateTime::new(
            digits(0..4)?,
            digits(5..7)? as i8,
            digits(8..10)? as i8,
            digits(11..13)? as i8,
            digits(13..15)? as i8,
            0,
            0,
        )
    } else if bytes.get(8) == Some(&b'T') && text.ends_with('Z') {
        civil::DateTime::new(
            digits(0..4)?,
            digits(4..6)? as i8,
            digits(6..8)? as i8,
            digits(9..11)? as i8,
            digits(11..13)? as i8,
            digits(13..15)? as i8,
            0,
        )
    } else {
        return None;
    };
    at.ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_ids_have_a_fixed_form() {
        for good in ["i-0123abcd", "i-0123456789abcdef0", "mi-0123456789abcdef0"] {
            assert_eq!(InstanceId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "i-", "i-0123ABCD", "i-012345678", "mi-0123abcd", "i-0123abcd/..", "i-0123abcé"] {
            assert!(InstanceId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn regions_of_every_partition_and_nothing_else() {
        for good in [
            "us-east-1",
            "eu-central-2",
            "us-gov-west-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eusc-de-east-1",
            "mx-central-1",
        ] {
            assert_eq!(Region::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "us-east",
            "us-east-",
            "US-EAST-1",
            "us-east-1a",
            "us-east-123",
            "us--1",
            "../us-east-1",
            "us-east-1.evil.example",
            "useast1",
        ] {
            assert!(Region::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn execution_ids_are_uuids() {
        assert!(ExecutionId::parse("11111111-2222-3333-4444-55555555aaaa").is_ok());
        for bad in [
            "",
            "11111111-2222-3333-4444-5555",
            "11111111-2222-3333-4444-55555555AAAA",
            "11111111/2222-3333-4444-55555555aaaa",
        ] {
            assert!(ExecutionId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_of_all_three_collectors() {
        let script = CollectionName::parse("eks_i-0123456789abcdef0_2026-03-20_0715-UTC_0.7.9.tar.gz").unwrap();
        assert_eq!(script.collection, "2026-03-20_0715-UTC_0.7.9");
        assert_eq!(script.collected_at.unwrap().to_string(), "2026-03-20T07:15:00Z");
        let runbook = CollectionName::parse("eks_i-0123456789abcdef0_11111111-2222-3333-4444-555555555555").unwrap();
        assert_eq!(runbook.collected_at, None);
        let windows = CollectionName::parse("eks_i-0123456789abcdef0_20261122T0700011234Z.zip").unwrap();
        assert_eq!(windows.collected_at.unwrap().to_string(), "2026-11-22T07:00:01Z");
        let hybrid = CollectionName::parse("eks__2026-03-20_0715-UTC_0.7.9.tar.gz").unwrap();
        assert_eq!(hybrid.instance, None);
        assert_eq!(CollectionName::parse("eks_notes_2026"), None);
        assert_eq!(CollectionName::parse("backup.tar.gz"), None);
    }
}
