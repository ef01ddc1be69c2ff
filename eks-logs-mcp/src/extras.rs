//! What the server adds to the tools of the registry, as data: `data/tools.toml`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use crate::answer::fit::Order;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extras {
    /// Sets of tools, and what each is for.
    pub(crate) profiles: BTreeMap<String, String>,
    /// What an argument may look like, by its name in every tool.
    pub(crate) examples: BTreeMap<String, Value>,
    tools: BTreeMap<String, Extra>,
}

/// What is added to one tool.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Extra {
    pub(crate) profiles: Vec<String>,
    pub(crate) lists: Vec<String>,
    pub(crate) brief: Vec<String>,
    pub(crate) defaults: BTreeMap<String, Value>,
    pub(crate) defaults_beside: BTreeMap<String, BTreeMap<String, Value>>,
    pub(crate) span: Option<Span>,
    pub(crate) task: Option<Following>,
}

/// Arguments that bound bytes of text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    pub(crate) start: String,
    pub(crate) end: String,
    /// The argument that bounds it otherwise.
    pub(crate) unless: String,
}

/// How work that a tool started is followed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Following {
    /// The tool that tells how far it is.
    pub(crate) tool: String,
    /// The field that names the work: in the answer that started it, and as the argument of the tool that follows it.
    pub(crate) id: String,
}

impl Extra {
    /// How the lists of its answer are told.
    pub(crate) fn order(&self) -> Order<'_> {
        Order { first: &self.lists, brief: &self.brief }
    }
}

impl Extras {
    pub(crate) fn builtin() -> &'static Self {
        static EXTRAS: OnceLock<Extras> = OnceLock::new();
        // A file that does not parse fails the test `the_data_is_sound`.
        EXTRAS.get_or_init(|| toml::from_str(include_str!("../data/tools.toml")).unwrap_or_default())
    }

    /// What is added to a tool; nothing where it has no row.
    pub(crate) fn of(&self, tool: &str) -> &Extra {
        static NOTHING: OnceLock<Extra> = OnceLock::new();
        self.tools.get(tool).unwrap_or_else(|| NOTHING.get_or_init(Extra::default))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_sound() {
        let extras: Extras = toml::from_str(include_str!("../data/tools.toml")).unwrap();
        for (tool, extra) in &extras.tools {
            for profile in &extra.profiles {
                assert!(extras.profiles.contains_key(profile), "{tool}: no profile {profile}");
            }
            if let Some(following) = &extra.task {
                assert!(extras.tools.contains_key(&following.tool), "{tool}: no tool {}", following.tool);
            }
        }
        let fifteen = extras.tools.values().filter(|extra| extra.profiles.iter().any(|name| name == "fifteen"));
        assert_eq!(fifteen.count(), 15);
    }
}
