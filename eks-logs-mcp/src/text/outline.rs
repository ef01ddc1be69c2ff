//! Any answer as a plain outline.

use std::fmt::Write as _;

use serde_json::Value;

use super::quote::line;
use crate::answer::fit::FIELD;

/// Bytes of one string.
const STRING: usize = 400;

/// An answer as indented lines: `name: value`, lists with a dash before each entry. What is null or empty is left out.
pub(crate) fn outline(value: &Value) -> String {
    let mut out = String::new();
    if let Value::Object(fields) = value {
        for (name, field) in fields.iter().filter(|(name, _)| !matches!(name.as_str(), "success" | FIELD)) {
            entry(&mut out, name, field, 0);
        }
    } else {
        inside(&mut out, value, 0);
    }
    out
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(line(text, STRING)),
        Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

fn entry(out: &mut String, name: &str, value: &Value, depth: usize) {
    if is_empty(value) {
        return;
    }
    let indent = "  ".repeat(depth);
    let name = line(name, STRING);
    match (scalar(value), value) {
        (Some(scalar), _) => {
            let _ = writeln!(out, "{indent}{name}: {scalar}");
        }
        (None, Value::Array(entries)) if entries.iter().all(|entry| scalar(entry).is_some()) => {
            let all: Vec<String> = entries.iter().filter_map(scalar).collect();
            let _ = writeln!(out, "{indent}{name}: {}", all.join(", "));
        }
        _ => {
            let _ = writeln!(out, "{indent}{name}:");
            inside(out, value, depth + 1);
        }
    }
}

fn inside(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| entry(out, name, field, depth)),
        Value::Array(entries) => {
            for one in entries {
                let mut inner = String::new();
                match scalar(one) {
                    Some(scalar) => {
                        let _ = writeln!(inner, "{scalar}");
                    }
                    None => inside(&mut inner, one, 0),
                }
                let indent = "  ".repeat(depth);
                for (at, text) in inner.lines().enumerate() {
                    let dash = if at == 0 { "- " } else { "  " };
                    let _ = writeln!(out, "{indent}{dash}{text}");
                }
            }
        }
        other => {
            let _ = writeln!(out, "{}{}", "  ".repeat(depth), scalar(other).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_there_stands_in_it() {
        let value = json!({
            "success": true, "count": 2, "none": null, "names": ["a", "b"],
            "rules": [{ "id": "x/y", "why": "z" }, { "id": "u/v" }], "inner": { "deep": [[1, 2], [3]] },
        });
        let want = "count: 2\n\
                    inner:\n  deep:\n    - - 1\n      - 2\n    - - 3\n\
                    names: a, b\n\
                    rules:\n  - id: x/y\n    why: z\n  - id: u/v\n";
        assert_eq!(outline(&value), want);
    }
}
