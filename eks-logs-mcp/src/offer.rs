//! Which tools of the registry are offered, and how they look on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use eks_logs_tools::{Code, Effect, Failure, Needs, Tool, tools};
use rmcp::model::{Tool as WireTool, ToolAnnotations};

use crate::extras::Extras;
use crate::schema;

/// The tools that a server offers, by name.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    tools: BTreeMap<&'static str, (&'static Tool, WireTool)>,
    /// As they are listed.
    listed: Vec<WireTool>,
}

impl Offer {
    /// The tools of a profile, or those that are named; `offline` leaves out what needs an account, `whole_schemas` tells the schemas of
    /// answers to their last level.
    ///
    /// # Errors
    /// `bad_argument` for a profile or a tool that there is not.
    pub(crate) fn new(wanted: &str, offline: bool, whole_schemas: bool) -> Result<Self, Failure> {
        let extras = Extras::builtin();
        let names: Vec<&str> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let is_profile = |name: &str| matches!(name, "all" | "analysis") || extras.profiles.contains_key(name);
        if let Some(unknown) =
            names.iter().find(|name| !is_profile(name) && !tools().iter().any(|tool| tool.about.name == **name))
        {
            let profiles: Vec<&str> = extras.profiles.keys().map(String::as_str).collect();
            let tools: Vec<&str> = tools().iter().map(|tool| tool.about.name).collect();
            return Err(Failure::new(
                Code::BadArgument,
                format!("--tools: no profile and no tool {unknown:?}"),
                format!("profiles: {}, analysis, all; tools: {}", profiles.join(", "), tools.join(", ")),
            ));
        }
        let takes = |tool: &Tool| {
            let about = &tool.about;
            let profiles = &extras.of(about.name).profiles;
            let named = names.iter().any(|name| match *name {
                "all" => true,
                "analysis" => about.needs != Needs::Aws,
                name => name == about.name || profiles.iter().any(|profile| profile == name),
            });
            named && !(offline && about.needs == Needs::Aws)
        };
        let taken: Vec<&'static Tool> = tools().iter().filter(|tool| takes(tool)).collect();
        if taken.is_empty() {
            return Err(Failure::new(
                Code::BadArgument,
                format!("--tools {wanted}: no tool is left"),
                "name a profile or a tool that needs no account, or leave --offline out",
            ));
        }
        let listed: Vec<WireTool> = taken.iter().map(|tool| wire(tool, whole_schemas)).collect();
        let tools = taken.iter().zip(&listed).map(|(tool, wire)| (tool.about.name, (*tool, wire.clone()))).collect();
        Ok(Self { tools, listed })
    }

    pub(crate) fn tool(&self, name: &str) -> Option<&'static Tool> {
        self.tools.get(name).map(|(tool, _)| *tool)
    }

    pub(crate) fn wire(&self, name: &str) -> Option<&WireTool> {
        self.tools.get(name).map(|(_, wire)| wire)
    }

    pub(crate) fn listed(&self) -> &[WireTool] {
        &self.listed
    }
}

/// A tool as `tools/list` tells it.
fn wire(tool: &Tool, whole_schemas: bool) -> WireTool {
    let about = &tool.about;
    let output = if whole_schemas { schema::output(tool) } else { schema::outline(&schema::output(tool)) };
    let (reads, destroys, once) = match about.effect {
        Effect::Reads => (true, false, true),
        Effect::AddsOnce => (false, false, true),
        Effect::Adds => (false, false, false),
        Effect::Removes => (false, true, false),
    };
    let annotations = ToolAnnotations::with_title(about.title)
        .read_only(reads)
        .destructive(destroys)
        .idempotent(once)
        .open_world(about.needs == Needs::Aws);
    WireTool::new(about.name, about.description, Arc::new(schema::input(tool)))
        .with_title(about.title)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(annotations)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::answer::tokens::estimate;

    #[test]
    fn a_list_of_tools_leaves_room_for_answers() {
        for (profile, most) in [("compact", 12_500), ("fifteen", 14_000), ("all", 18_500)] {
            let listed = serde_json::to_string(Offer::new(profile, false, false).unwrap().listed()).unwrap();
            let tokens = estimate(&listed);
            assert!(tokens < most, "{profile}: {} bytes, about {tokens} tokens", listed.len());
        }
    }

    #[test]
    fn every_tool_has_a_form_that_clients_take() {
        for offer in [false, true].map(|whole| Offer::new("all", false, whole).unwrap()) {
            takes_form(&offer);
        }
    }

    fn takes_form(offer: &Offer) {
        assert_eq!(offer.listed().len(), tools().len());
        for tool in offer.listed() {
            let (input, output) = (&tool.input_schema, tool.output_schema.as_ref().unwrap());
            assert_eq!((&input["type"], &output["type"]), (&json!("object"), &json!("object")));
            jsonschema::meta::validate(&Value::Object((**input).clone())).unwrap();
            jsonschema::meta::validate(&Value::Object((**output).clone())).unwrap();
            for forbidden in ["anyOf", "oneOf", "allOf"] {
                assert!(
                    input.get(forbidden).is_none(),
                    "{}: some model interfaces refuse {forbidden} there",
                    tool.name
                );
            }
            assert!(tool.name.len() + "mcp__eks-logs__".len() <= 64, "{}", tool.name);
            let annotations = tool.annotations.as_ref().unwrap();
            assert!(annotations.read_only_hint.is_some() && annotations.open_world_hint.is_some());
        }
    }

    #[test]
    fn profiles_and_names() {
        let names = |wanted: &str| -> Vec<String> {
            Offer::new(wanted, true, false).unwrap().listed().iter().map(|tool| tool.name.to_string()).collect()
        };
        assert_eq!(names("triage, rules"), ["triage", "rules"]);
        assert!(names("compact").len() < names("all").len());
        assert!(names("fifteen").len() <= 15);
        let unknown = Offer::new("compakt", false, false).unwrap_err();
        assert!(unknown.error.contains("compakt") && unknown.details.suggestion.contains("compact"), "{unknown:?}");
    }
}
