//! Names that are the program's own, read back from a stored index. One that is not known makes the index one of another version.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Kinds of gaps.
const KINDS: &[&str] = &[
    "cut",
    "skipped",
    "missing",
    "overlong-line",
    "encoding",
    "state",
    "time",
    "subjects",
    "events",
    "appended",
    "nested-archive",
    "unrecognised-errors",
    "unrecognised",
    "not-analysed",
];

/// Fields of events.
const FIELDS: &[&str] = &[
    "invoker",
    "victim",
    "victimPid",
    "constraint",
    "limitedCgroup",
    "victimCgroup",
    "podUid",
    "containerId",
    "limitKb",
    "usageKb",
    "totalVmKb",
    "anonRssKb",
    "fileRssKb",
    "oomScoreAdj",
    "group",
    "what",
    "instruction",
    "process",
    "pid",
    "taint",
    "message",
    "signal",
    "goroutine",
    "frame",
    "place",
];

fn known<E: Error>(names: &[&'static str], name: &str) -> Result<&'static str, E> {
    names.iter().find(|known| **known == name).copied().ok_or_else(|| E::custom(format!("unknown name {name:?}")))
}

pub(crate) fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    known(KINDS, &String::deserialize(deserializer)?)
}

pub(crate) fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<&'static str, String>, D::Error> {
    let read: BTreeMap<String, String> = BTreeMap::deserialize(deserializer)?;
    read.into_iter().map(|(name, value)| Ok((known(FIELDS, &name)?, value))).collect()
}
