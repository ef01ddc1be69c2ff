//! The tools of the template are those of the types, and no caller of the sample server has to change a call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eks_logs_lambda::gateway;
use serde_json::Value;

const BEGIN: &str = "                # begin\n";
const END: &str = "                # end\n";
const INDENT: usize = 16;

fn template() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/template.yaml")
}

/// Block YAML; strings as JSON, which YAML reads.
fn yaml(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(fields) => {
            for (number, (name, field)) in fields.iter().enumerate() {
                if number > 0 {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str(name);
                out.push(':');
                if field.is_object() && field.as_object().is_some_and(|fields| !fields.is_empty()) {
                    out.push('\n');
                    out.push_str(&" ".repeat(indent + 2));
                    yaml(field, indent + 2, out);
                } else {
                    out.push_str(&format!(" {field}\n"));
                }
            }
        }
        other => out.push_str(&format!("{other}\n")),
    }
}

fn generated() -> String {
    let mut out = String::new();
    for tool in gateway::definitions().as_array().unwrap() {
        out.push_str(&" ".repeat(INDENT));
        out.push_str("- ");
        yaml(tool, INDENT + 2, &mut out);
    }
    out
}

#[test]
fn the_template_has_the_tools_of_the_types() {
    let text = std::fs::read_to_string(template()).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the tools");
    let (there, after) = rest.split_once(END).expect("the end of the tools");
    let wanted = generated();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(template(), format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
        return;
    }
    assert!(there == wanted, "deploy/template.yaml: UPDATE_SCHEMA=1 cargo test -p eks-logs-lambda --test template");
}

/// What CloudFormation's SchemaDefinition knows, at every depth.
fn check(schema: &Value, at: &str) {
    let kinds = ["string", "number", "object", "array", "boolean", "integer"];
    assert!(kinds.contains(&schema["Type"].as_str().unwrap()), "{at}: {schema}");
    for name in schema.as_object().unwrap().keys() {
        assert!(["Type", "Properties", "Required", "Items", "Description"].contains(&name.as_str()), "{at}: {name}");
    }
    for (name, property) in schema["Properties"].as_object().into_iter().flatten() {
        check(property, &format!("{at}.{name}"));
    }
    if schema["Type"] == "array" {
        check(&schema["Items"], &format!("{at}[]"));
    }
}

#[test]
fn the_gateway_understands_every_schema() {
    for tool in gateway::definitions().as_array().unwrap() {
        let name = tool["Name"].as_str().unwrap();
        check(&tool["InputSchema"], name);
        for (argument, schema) in tool["InputSchema"]["Properties"].as_object().unwrap() {
            assert!(schema["Description"].as_str().is_some_and(|text| !text.is_empty()), "{name}.{argument}");
        }
    }
}

#[test]
fn the_sample_servers_schema_is_a_subset() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sample_server.json"));
    let sample: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let sample = sample["tools"].as_object().unwrap();
    assert_eq!(sample.len(), 15);
    let ours = gateway::definitions();
    let ours: BTreeMap<&str, &Value> =
        ours.as_array().unwrap().iter().map(|tool| (tool["Name"].as_str().unwrap(), &tool["InputSchema"])).collect();
    for (name, tool) in sample {
        let schema = ours.get(name.as_str()).unwrap_or_else(|| panic!("{name} is missing"));
        for (argument, kind) in tool["arguments"].as_object().unwrap() {
            assert_eq!(&schema["Properties"][argument]["Type"], kind, "{name}.{argument}");
        }
        // Whoever gave what the sample asked for has given all that we ask for.
        for required in schema["Required"].as_array().into_iter().flatten() {
            assert!(tool["required"].as_array().unwrap().contains(required), "{name} asks for {required}");
        }
    }
}
