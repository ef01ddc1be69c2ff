use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The component a line speaks for (`kubelet`, `kernel`, `ipamd`, ...): an index into the [`super::Layout`]'s table of names.
///
/// Names are the data's (`data/layout.toml`, `data/programs.toml`), so a new component needs no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    pub(super) index: u16,
    pub(super) name: &'static str,
}

impl Source {
    /// The source's name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The source's number: dense from 0, below [`super::Layout::sources`]`().len()`.
    pub fn index(self) -> usize {
        self.index.into()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Source {
    /// By its name; a name that the layout does not know is an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        super::Layout::builtin().source(&name).ok_or_else(|| D::Error::custom(format!("unknown source {name:?}")))
    }
}
