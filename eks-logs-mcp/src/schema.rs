//! Schemas as `tools/list` tells them: what a model reads of arguments and answers.

use eks_logs_tools::Tool;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use crate::answer::fit;
use crate::extras::Extras;

/// The argument that asks for a further part of an answer. It is the server's own; no tool sees it.
pub(crate) const CURSOR: &str = "cursor";

fn object(schema: Value) -> JsonObject {
    match schema {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    }
}

/// The tool's arguments, with the defaults that hold here, and the cursor.
pub(crate) fn input(tool: &Tool) -> JsonObject {
    let mut schema = object(tool.input_schema());
    let extra = Extras::builtin().of(tool.about.name);
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    for (name, value) in &extra.defaults {
        if let Some(argument) = properties.get_mut(name).and_then(Value::as_object_mut) {
            argument.insert("default".to_owned(), value.clone());
        }
    }
    if let Some(properties) = properties.as_object_mut() {
        for (name, argument) in properties.iter_mut() {
            plain(argument);
            if let (Some(example), Some(argument)) = (Extras::builtin().examples.get(name), argument.as_object_mut()) {
                argument.entry("examples").or_insert_with(|| json!([example]));
            }
        }
        properties.insert(
            CURSOR.to_owned(),
            json!({
                "type": "string",
                "description": "answerPart.nextCursor of the last part, beside the same arguments: for the next one.",
            }),
        );
    }
    schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    schema
}

/// An argument in the words that every client understands: an enum for a choice of constants, one type where null only says that it may be
/// left out, no default that is none.
fn plain(argument: &mut Value) {
    let Some(fields) = argument.as_object_mut() else { return };
    if fields.get("default").is_some_and(Value::is_null) {
        fields.remove("default");
    }
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    let choices: Option<Vec<(Value, String)>> = fields.get("oneOf").and_then(Value::as_array).and_then(|all| {
        all.iter()
            .map(|one| {
                let said = one.get("description").and_then(Value::as_str).unwrap_or_default();
                Some((one.get("const")?.clone(), said.trim_end_matches('.').to_owned()))
            })
            .collect()
    });
    if let Some(choices) = choices {
        fields.remove("oneOf");
        let said: Vec<String> = choices
            .iter()
            .map(|(value, said)| match (value.as_str().unwrap_or_default(), said.as_str()) {
                (value, "") => value.to_owned(),
                (value, said) => format!("{value}: {said}"),
            })
            .collect();
        let before = fields.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        fields.insert("description".to_owned(), format!("{before} {}.", said.join("; ")).trim().into());
        fields.insert("type".to_owned(), "string".into());
        fields.insert("enum".to_owned(), choices.into_iter().map(|(value, _)| value).collect());
    }
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
pub(crate) fn output(tool: &Tool) -> JsonObject {
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
pub(crate) fn outline(whole: &JsonObject) -> JsonObject {
    let mut properties = JsonObject::new();
    let part = json!({
        fit::FIELD: { "type": "object", "description": "Only of an answer in parts: nextCursor has the next one." },
    });
    let failure =
        json!({ "error": { "type": "string" }, "code": { "type": "string" }, "details": { "type": "object" } });
    for fields in [Some(&part), whole.get("properties"), Some(&failure)] {
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

    #[test]
    fn a_choice_is_an_enum_and_nothing_is_null() {
        let mut choice = json!({ "description": "Which.", "default": "all", "oneOf": [
            { "const": "all", "description": "All.", "type": "string" }, { "const": "some", "type": "string" }] });
        plain(&mut choice);
        let expected = json!({ "type": "string", "enum": ["all", "some"], "default": "all", "description": "Which. all: All; some." });
        assert_eq!(choice, expected);
        let mut number = json!({ "type": ["integer", "null"], "default": null, "minimum": 1 });
        plain(&mut number);
        assert_eq!(number, json!({ "type": "integer", "minimum": 1 }));
    }

    #[test]
    fn arguments_are_plain_and_have_examples() {
        for tool in eks_logs_tools::tools() {
            let schema = Value::Object(input(tool));
            for (name, argument) in schema["properties"].as_object().unwrap() {
                let at = format!("{}: {name}: {argument}", tool.about.name);
                let typed = argument["type"].is_string() || argument["anyOf"].is_array();
                assert!(typed && argument["description"].is_string(), "{at}");
                assert!(argument.get("oneOf").is_none() && argument.get("default") != Some(&Value::Null), "{at}");
                let validator = jsonschema::validator_for(argument).unwrap();
                let examples = argument["examples"].as_array().into_iter().flatten();
                for given in examples.chain(argument.get("default")) {
                    assert!(validator.is_valid(given), "{at}: {given}");
                }
            }
        }
    }

    #[test]
    fn an_outline_lets_through_what_the_whole_does() {
        let whole =
            object(json!({ "type": "object", "$defs": { "Word": { "type": "string", "enum": ["a"] } }, "properties": {
            "plain": { "type": "integer", "description": "Gone." },
            "named": { "$ref": "#/$defs/Word" },
            "maybe": { "anyOf": [{ "$ref": "#/$defs/Word" }, { "type": "null" }] },
            "any": {},
            "list": { "type": "array", "description": "Kept.", "items": { "type": "string" } } } }));
        let outline = Value::Object(outline(&whole));
        let of = |name: &str| outline["properties"][name].clone();
        assert_eq!(of("plain"), json!({ "type": "integer" }));
        assert_eq!(of("named"), json!({ "type": "string" }));
        assert_eq!(of("maybe"), json!({ "type": ["null", "string"] }));
        assert_eq!(of("any"), json!({}));
        assert_eq!(of("list"), json!({ "type": "array", "description": "Kept." }));
    }
}
