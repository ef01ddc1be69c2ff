//! Workflows as prompts: `data/prompts.toml` says which, `prompts/NAME.md` lays the steps out.

use std::sync::OnceLock;

use eks_logs_tools::{Code, Failure};
use minijinja::Environment;
use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};
use serde::Deserialize;
use serde_json::Value;

use crate::offer::Offer;
use crate::text::{quote, template};

/// The steps of each prompt.
const STEPS: [(&str, &str); 5] = [
    ("incident", include_str!("../prompts/incident.md")),
    ("cluster_triage", include_str!("../prompts/cluster_triage.md")),
    ("compare_nodes", include_str!("../prompts/compare_nodes.md")),
    ("network_deep_dive", include_str!("../prompts/network_deep_dive.md")),
    ("write_report", include_str!("../prompts/write_report.md")),
];
/// Bytes of one argument.
const ARGUMENT: usize = 2000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    prompt: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    title: String,
    description: String,
    #[serde(default)]
    argument: Vec<Argument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Argument {
    name: String,
    description: String,
    #[serde(default)]
    required: bool,
}

fn table() -> &'static [Row] {
    static TABLE: OnceLock<Vec<Row>> = OnceLock::new();
    // A file that does not parse fails the test `every_prompt_can_be_laid_out`.
    TABLE.get_or_init(|| {
        let table: Option<Table> = toml::from_str(include_str!("../data/prompts.toml")).ok();
        table.map(|table| table.prompt).unwrap_or_default()
    })
}

/// The steps, ready to be filled in.
fn steps() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = template::environment();
        for (name, steps) in STEPS {
            // One that does not parse fails the test `every_prompt_can_be_laid_out`.
            let _ = environment.add_template(name, steps);
        }
        environment
    })
}

fn row(name: &str) -> Result<&'static Row, Failure> {
    table().iter().find(|row| row.name == name).ok_or_else(|| {
        let names: Vec<&str> = table().iter().map(|row| row.name.as_str()).collect();
        let error = format!("no prompt {}", quote::line(name, 80));
        Failure::new(Code::BadArgument, error, format!("there are {}", names.join(", ")))
    })
}

/// The names of a prompt's arguments; none for a prompt that there is not.
pub(crate) fn arguments(name: &str) -> Vec<&'static str> {
    let row = table().iter().find(|row| row.name == name);
    row.into_iter().flat_map(|row| &row.argument).map(|argument| argument.name.as_str()).collect()
}

/// All prompts.
pub(crate) fn list() -> Vec<Prompt> {
    let argument = |argument: &Argument| {
        PromptArgument::new(&argument.name).with_description(&argument.description).with_required(argument.required)
    };
    let prompt = |row: &Row| {
        let arguments = row.argument.iter().map(argument).collect();
        Prompt::new(&row.name, Some(&row.description), Some(arguments)).with_title(&row.title)
    };
    table().iter().map(prompt).collect()
}

/// A prompt with its arguments filled in. Steps whose tool is not offered are left out.
pub(crate) fn get(offer: &Offer, name: &str, arguments: &JsonObject) -> Result<GetPromptResult, Failure> {
    let row = row(name)?;
    let mut given = serde_json::Map::new();
    for (name, value) in arguments {
        if !row.argument.iter().any(|argument| argument.name == *name) {
            let known: Vec<&str> = row.argument.iter().map(|argument| argument.name.as_str()).collect();
            let error = format!("{}: no argument {}", row.name, quote::line(name, 80));
            return Err(Failure::new(Code::BadArgument, error, format!("it takes {}", known.join(", "))));
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        given.insert(name.clone(), Value::from(quote::line(&text, ARGUMENT)));
    }
    let missing = row.argument.iter().find(|argument| {
        argument.required && given.get(&argument.name).and_then(Value::as_str).is_none_or(str::is_empty)
    });
    if let Some(missing) = missing {
        let error = format!("{}: {} is missing", row.name, missing.name);
        return Err(Failure::new(Code::BadArgument, error, missing.description.clone()));
    }
    let tools: Vec<&str> = offer.listed().iter().map(|tool| tool.name.as_ref()).collect();
    given.insert("tools".to_owned(), Value::from(tools));
    let text = template::render(steps(), &row.name, &Value::Object(given))
        .map_err(|why| Failure::new(Code::Internal, format!("{}: {why}", row.name), "report this"))?;
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).with_description(&row.description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prompt_can_be_laid_out() {
        let table: Table = toml::from_str(include_str!("../data/prompts.toml")).unwrap();
        assert_eq!(table.prompt.len(), STEPS.len());
        for offered in ["all", "triage"] {
            let offer = Offer::new(offered, false, false).unwrap();
            for row in &table.prompt {
                let arguments =
                    row.argument.iter().map(|argument| (argument.name.clone(), "i-0a1b2c3d4e5f60718".into())).collect();
                let prompt = get(&offer, &row.name, &arguments).unwrap();
                let text = serde_json::to_value(&prompt).unwrap()["messages"][0]["content"]["text"].to_string();
                assert!(text.contains("i-0a1b2c3d4e5f60718") && text.contains("F-0"), "{}: {text}", row.name);
                for tool in eks_logs_tools::tools().iter().map(|tool| tool.about.name) {
                    let named = text.contains(&format!("`{tool}`"));
                    assert!(!named || offer.tool(tool).is_some(), "{}: names {tool}, which is not offered", row.name);
                }
            }
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_said() {
        let offer = Offer::new("all", false, false).unwrap();
        let ask = |name: &str, arguments: Value| get(&offer, name, arguments.as_object().unwrap()).unwrap_err();
        assert!(ask("incident", serde_json::json!({})).error.contains("instanceId is missing"));
        assert!(ask("incident", serde_json::json!({ "node": "x" })).error.contains("no argument node"));
        assert!(ask("poem", serde_json::json!({})).details.suggestion.contains("incident"));
    }
}
