use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::thread::Builder;

use super::file::{self, Trust};
use super::{Rule, RuleId, check_examples};

/// `(id, text)` of each embedded rule, sorted by id.
static EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// Why a rule file does not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {reason}", if *line > 0 { format!(":{line}") } else { String::new() })]
pub struct RuleError {
    /// The file.
    pub file: String,
    /// The line, 1-based; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and what it should be.
    pub reason: String,
}

/// Rules, sorted by id.
#[derive(Clone, Debug)]
pub struct Catalogue {
    rules: Rules,
}

#[derive(Clone, Debug)]
enum Rules {
    /// Those of this crate, read when somebody looks at them: an answer from an index needs none.
    Builtin,
    Own {
        rules: Arc<Vec<Rule>>,
        digest: u128,
    },
}

fn builtin_rules() -> &'static [Rule] {
    static BUILTIN: OnceLock<Vec<Rule>> = OnceLock::new();
    BUILTIN.get_or_init(|| {
        // Whoever asks waits for all of them: they are read side by side.
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(READERS);
        let (mine, others) = EMBEDDED.split_at(EMBEDDED.len() / threads);
        std::thread::scope(|scope| {
            let parts = others.chunks(others.len().div_ceil((threads - 1).max(1)).max(1));
            let read = |part| Builder::new().spawn_scoped(scope, move || embedded(part)).ok();
            let others: Vec<_> = parts.map(|part| (part, read(part))).collect();
            let mut rules = embedded(mine);
            for (part, reader) in others {
                let read = reader.and_then(|reader| reader.join().ok());
                rules.extend(read.unwrap_or_else(|| embedded(part)));
            }
            rules
        })
    })
}

/// Threads that read the embedded rules.
const READERS: usize = 4;

/// Reads embedded files. One that does not load is left out here and fails `tests/catalogue.rs`.
fn embedded(files: &[(&str, &str)]) -> Vec<Rule> {
    files.iter().filter_map(|(id, text)| file::read(id, text, Trust::Embedded).ok()).collect()
}

/// A hash of rule files, their ids and texts.
fn digest<'a>(files: impl Iterator<Item = (&'a str, &'a str)>, before: u128) -> u128 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&before.to_le_bytes());
    for (id, text) in files {
        hasher.update(&(id.len() as u64).to_le_bytes());
        hasher.update(id.as_bytes());
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.digest128()
}

impl Catalogue {
    /// The rules that come with this crate.
    pub fn builtin() -> &'static Catalogue {
        static BUILTIN: Catalogue = Catalogue { rules: Rules::Builtin };
        &BUILTIN
    }

    /// The embedded rule files: id and text, sorted by id.
    pub fn embedded_files() -> &'static [(&'static str, &'static str)] {
        EMBEDDED
    }

    /// These rules and those of the given files (`area/name` and text), which replace rules of the same id. Every pattern is compiled
    /// and every example run: a rule that does not match its own examples does not load.
    ///
    /// # Errors
    /// All that is wrong, file by file.
    pub fn extended<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Catalogue, Vec<RuleError>> {
        let mut rules: BTreeMap<RuleId, Rule> =
            self.rules().iter().map(|rule| (rule.id.clone(), rule.clone())).collect();
        let mut errors = Vec::new();
        let mut added: BTreeMap<RuleId, ()> = BTreeMap::new();
        let files: Vec<(&str, &str)> = files.into_iter().collect();
        let digest = digest(files.iter().copied(), self.hash());
        for (id, text) in files {
            let refuse = |line, reason| RuleError { file: format!("{id}.toml"), line, reason };
            match file::read(id, text, Trust::Checked) {
                Ok(rule) => {
                    errors.extend(check_examples(&rule).into_iter().map(|failure| refuse(0, failure.to_string())));
                    if added.insert(rule.id.clone(), ()).is_some() {
                        errors.push(refuse(0, "a second rule of this id".to_owned()));
                    }
                    rules.insert(rule.id.clone(), rule);
                }
                Err(refused) => errors.push(refuse(refused.line, refused.reason)),
            }
        }
        if errors.is_empty() {
            let rules = Arc::new(rules.into_values().collect());
            Ok(Catalogue { rules: Rules::Own { rules, digest } })
        } else {
            Err(errors)
        }
    }

    /// The JSON Schema of a rule file, for editors: docs/rule.schema.json.
    pub fn rule_schema() -> String {
        file::json_schema()
    }

    /// A catalogue without rules.
    pub fn empty() -> Catalogue {
        Catalogue { rules: Rules::Own { rules: Arc::default(), digest: 0 } }
    }

    /// Marks these rules: equal for equal files, however often they are loaded.
    pub fn digest(&self) -> String {
        format!("{:032x}", self.hash())
    }

    fn hash(&self) -> u128 {
        // Made when somebody asks for it, as the rules are.
        static BUILTIN: OnceLock<u128> = OnceLock::new();
        match &self.rules {
            Rules::Builtin => *BUILTIN.get_or_init(|| digest(EMBEDDED.iter().copied(), 0)),
            Rules::Own { digest, .. } => *digest,
        }
    }

    /// All rules, sorted by id.
    pub fn rules(&self) -> &[Rule] {
        match &self.rules {
            Rules::Builtin => builtin_rules(),
            Rules::Own { rules, .. } => rules,
        }
    }

    /// One rule.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules().binary_search_by(|rule| rule.id.as_str().cmp(id)).ok().map(|at| &self.rules()[at])
    }
}
