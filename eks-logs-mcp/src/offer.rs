//! Which tools of the registry are offered, and how they look on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use eks_logs_tools::{Code, Effect, Failure, Needs, Tool, tools};
use rmcp::model::{JsonObject, Tool as WireTool, ToolAnnotations};
use serde_json::{Value, json};

use crate::answer::fit;
use crate::extras::Extras;

/// The argument that asks for a further part of an answer. It is the server's own; no tool sees it.
pub(crate) const CURSOR: &str = "cursor";

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
    let output = if whole_schemas { output(tool) } else { outline(&output(tool)) };
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
    WireTool::new(about.name, about.description, Arc::new(input(tool)))
        .with_title(about.title)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(annotations)
}

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    }
}

/// The tool's arguments, with the defaults that hold here, and the cursor.
fn input(tool: &Tool) -> JsonObject {
    let mut schema = object(tool.input_schema());
    let extra = Extras::builtin().of(tool.about.name);
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    for (name, value) in &extra.defaults {
        if let Some(argument) = properties.get_mut(name).and_then(Value::as_object_mut) {
            argument.insert("default".to_owned(), value.clone());
        }
    }
    if let Some(properties) = properties.as_object_mut() {
        properties.insert(
            CURSOR.to_owned(),
            json!({
                "type": "string",
                "description": "For a further part of a large answer: answerPart.nextCursor of the last part, beside the same arguments.",
            }),
        );
    }
    schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    schema
}

/// Takes the descriptions inside a field out: the list of tools goes into a context window, and names below the first level speak for
/// themselves. A property of that name stays.
fn without_words(schema: &mut Value, inside: bool) {
    match schema {
        Value::Object(fields) => {
            if inside && fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(|field| without_words(field, true));
        }
        Value::Array(parts) => parts.iter_mut().for_each(|part| without_words(part, true)),
        _ => {}
    }
}

/// The tool's answer, or a failure: what is required depends on `success`.
fn output(tool: &Tool) -> JsonObject {
    let mut schema = object(tool.output_schema());
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|field| without_words(field, false));
    }
    let required = schema.remove("required").unwrap_or_else(|| json!([]));
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert(fit::FIELD.to_owned(), fit::schema());
    }
    let answer = json!({ "properties": { "success": { "const": true } }, "required": required });
    let failure = json!({
        "properties": {
            "success": { "const": false },
            "error": { "type": "string", "description": "What failed." },
            "code": { "type": "string", "description": "What kind of failure: bad_argument, not_found, denied, busy, ..." },
            "details": { "type": "object", "properties": { "suggestion": { "type": "string", "description": "What to do." } } },
        },
        "required": ["success", "error", "code", "details"],
    });
    schema.insert("anyOf".to_owned(), json!([answer, failure]));
    schema
}

/// The first level of an answer's schema: names and types of its fields, and what the lists and objects hold. The whole schemas of the
/// compact tools take more of a context window than an incident's answers do.
fn outline(whole: &JsonObject) -> JsonObject {
    let mut properties = JsonObject::new();
    let failure =
        json!({ "error": { "type": "string" }, "code": { "type": "string" }, "details": { "type": "object" } });
    for fields in [whole.get("properties"), Some(&failure)] {
        for (name, field) in fields.and_then(Value::as_object).into_iter().flatten() {
            let kinds = kinds(field, whole, 0);
            let mut told = JsonObject::new();
            if let (Some(text), true) =
                (field.get("description"), kinds.iter().any(|kind| matches!(*kind, "array" | "object")))
            {
                told.insert("description".to_owned(), text.clone());
            }
            match kinds.as_slice() {
                [] => {}
                [kind] => drop(told.insert("type".to_owned(), json!(kind))),
                several => drop(told.insert("type".to_owned(), json!(several))),
            }
            properties.entry(name.clone()).or_insert(Value::Object(told));
        }
    }
    object(json!({ "type": "object", "properties": properties, "required": ["success"] }))
}

/// The types that a schema lets through; none where it does not say.
fn kinds<'a>(schema: &'a Value, whole: &'a JsonObject, depth: usize) -> Vec<&'a str> {
    let named = |reference: &str| whole.get("$defs")?.get(reference.strip_prefix("#/$defs/")?);
    let mut found = match (schema.get("type"), schema.get("$ref").and_then(Value::as_str)) {
        (Some(Value::String(kind)), _) => vec![kind.as_str()],
        (Some(Value::Array(several)), _) => several.iter().filter_map(Value::as_str).collect(),
        (_, Some(reference)) if depth < 8 => {
            named(reference).map(|schema| kinds(schema, whole, depth + 1)).unwrap_or_default()
        }
        _ => {
            let any = ["anyOf", "oneOf"].iter().find_map(|name| schema.get(*name)).and_then(Value::as_array);
            let each: Vec<Vec<&str>> = any.into_iter().flatten().map(|one| kinds(one, whole, depth + 1)).collect();
            // One of which nothing is said may be anything.
            if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() }
        }
    };
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
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
