//! Names that are the program's own (kinds of gaps, fields of events), read back from a stored index.
//!
//! They are few, and everywhere else they are text of the program. What is read back is kept once for each name, up to a limit that no
//! index of ours reaches: beyond it the index is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Names of all indexes that a process reads.
const MOST: usize = 512;
/// Bytes of a name.
const LONGEST: usize = 40;

fn known<E: Error>(name: &str) -> Result<&'static str, E> {
    static KNOWN: OnceLock<Mutex<BTreeSet<&'static str>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(name) {
        return Ok(known);
    }
    let plain = name.len() <= LONGEST && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !plain || known.len() == MOST {
        return Err(E::custom(format!("unknown name {name:?}")));
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    known.insert(name);
    Ok(name)
}

pub(crate) fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    known(&String::deserialize(deserializer)?)
}

pub(crate) fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<&'static str, String>, D::Error> {
    let read: BTreeMap<String, String> = BTreeMap::deserialize(deserializer)?;
    read.into_iter().map(|(name, value)| Ok((known(&name)?, value))).collect()
}
