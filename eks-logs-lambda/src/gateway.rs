//! The tools as an AgentCore Gateway target wants them: JSON Schema reduced to what its `SchemaDefinition` knows
//! (docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-bedrockagentcore-gatewaytarget-schemadefinition.html):
//! type, properties, required, items, description. What a type cannot say any more, such as the words that are allowed, its description does.
//!
//! Answers have no schema here: what the function returns is `{statusCode, body}`, with the answer as text.

use std::fmt::Write as _;

use eks_logs_tools::{Tool, tools};
use serde_json::{Map, Value, json};

use crate::fit;

/// The tools, in the order of the registry.
pub fn definitions() -> Value {
    Value::Array(tools().iter().map(definition).collect())
}

fn definition(tool: &Tool) -> Value {
    let mut schema = reduced(&tool.input_schema());
    if !fit::has_pages(tool.about.name)
        && let Some(properties) = schema.get_mut("Properties").and_then(Value::as_object_mut)
    {
        let description =
            "Only where an answer came in parts (answerPart): its nextCursor, with the same other arguments.";
        properties.insert(fit::CURSOR.to_owned(), json!({ "Type": "string", "Description": description }));
    }
    json!({ "Name": tool.about.name, "Description": tool.about.description, "InputSchema": schema })
}

/// A schema with what the gateway knows.
fn reduced(schema: &Value) -> Value {
    let (kind, of_kind) = kind(schema);
    let mut out = Map::new();
    out.insert("Type".to_owned(), json!(kind));
    let description = described(schema, of_kind);
    if !description.is_empty() {
        out.insert("Description".to_owned(), json!(description));
    }
    if let Some(properties) = of_kind["properties"].as_object() {
        let properties: Map<String, Value> =
            properties.iter().map(|(name, property)| (name.clone(), reduced(property))).collect();
        out.insert("Properties".to_owned(), Value::Object(properties));
    }
    if of_kind["items"].is_object() {
        out.insert("Items".to_owned(), reduced(&of_kind["items"]));
    }
    if let Some(required) = of_kind["required"].as_array().filter(|required| !required.is_empty()) {
        out.insert("Required".to_owned(), json!(required));
    }
    Value::Object(out)
}

/// The one type that the gateway is told, and the schema that has it: of several, the one that takes most.
fn kind(schema: &Value) -> (&str, &Value) {
    const WIDEST: [&str; 6] = ["object", "array", "string", "number", "integer", "boolean"];
    let alternatives = ["anyOf", "oneOf", "allOf"].into_iter().find_map(|name| schema[name].as_array());
    if let Some(alternatives) = alternatives {
        let mut of: Vec<(&str, &Value)> = alternatives.iter().map(kind).filter(|(kind, _)| *kind != "null").collect();
        of.sort_by_key(|(kind, _)| WIDEST.iter().position(|known| known == kind));
        return of.first().copied().unwrap_or(("string", schema));
    }
    let named: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    };
    let kind = WIDEST.into_iter().find(|known| named.contains(known));
    let words = schema["enum"].is_array() || schema["const"].is_string();
    (
        kind.unwrap_or(if named == ["null"] {
            "null"
        } else if words {
            "string"
        } else {
            "object"
        }),
        schema,
    )
}

/// The description, with what the type cannot say.
fn described(schema: &Value, of_kind: &Value) -> String {
    let text = schema["description"].as_str().or(of_kind["description"].as_str()).unwrap_or_default();
    let mut out = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words(schema);
    if !words.is_empty() && !words.iter().all(|word| out.contains(word)) {
        let numbers = schema["anyOf"].as_array().into_iter().flatten().any(|of| of["type"] == "integer");
        let _ = write!(out, " {}: {}.", if numbers { "A number, or" } else { "One of" }, words.join(", "));
    }
    let (from, to) = (&of_kind["minimum"], &of_kind["maximum"]);
    if let (Some(from), Some(to)) = (from.as_i64(), to.as_i64()) {
        let _ = write!(out, " From {from} to {to}.");
    }
    match &schema["default"] {
        Value::Null | Value::Array(_) | Value::Object(_) => {}
        Value::String(word) if !word.is_empty() => {
            let _ = write!(out, " Default: {word}.");
        }
        Value::String(_) => {}
        other => {
            let _ = write!(out, " Default: {other}.");
        }
    }
    out.trim().to_owned()
}

/// Words that are allowed, where only those are.
fn words(schema: &Value) -> Vec<&str> {
    let mut found: Vec<&str> = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    found.extend(schema["const"].as_str());
    for name in ["anyOf", "oneOf"] {
        found.extend(schema[name].as_array().into_iter().flatten().flat_map(words));
    }
    found
}
