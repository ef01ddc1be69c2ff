use std::sync::{Arc, OnceLock};

use regex::bytes::{Regex, RegexBuilder};

/// The most memory that one compiled pattern may take, in bytes.
const SIZE_LIMIT: usize = 2 << 20;

/// A regular expression over bytes, compiled at first use: a scan touches few of the catalogue's patterns.
///
/// Linear time in the length of the line whatever the pattern; no look-around, no back-references. ASCII classes, `.` is any byte but
/// a newline.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Arc<str>,
    compiled: Arc<OnceLock<Option<Regex>>>,
}

impl Pattern {
    /// Compiles now; the error is the engine's, with the place in the pattern.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        let compiled = compile(text)?;
        Ok(Self { text: text.into(), compiled: Arc::new(OnceLock::from(Some(compiled))) })
    }

    /// Trusts a pattern that the tests have compiled.
    pub(super) fn embedded(text: &str) -> Self {
        Self { text: text.into(), compiled: Arc::new(OnceLock::new()) }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The compiled pattern. `None` for an embedded pattern that does not compile, which the catalogue's tests exclude.
    pub fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| compile(&self.text).ok()).as_ref()
    }

    /// True if it matches anywhere in the message.
    pub fn is_match(&self, message: &[u8]) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(message))
    }
}

fn compile(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).size_limit(SIZE_LIMIT).build()
}
