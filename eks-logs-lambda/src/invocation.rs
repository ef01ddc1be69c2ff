//! What an invocation asks for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use eks_logs_tools::{Code, Failure};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The field of a client context that holds a tool's name, and what stands between the target's name and the tool's
/// (docs.aws.amazon.com/bedrock-agentcore/latest/devguide/gateway-add-target-lambda.html).
const TOOL_NAME: &str = "bedrockAgentCoreToolName";
const BEHIND_TARGET: &str = "___";

/// One invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Its request id.
    pub id: String,
    /// When the function is ended.
    pub deadline: SystemTime,
    /// The function's name.
    pub function: Arc<str>,
    /// The client context as it came, if one came.
    pub client: Option<Vec<u8>>,
    /// The event.
    pub event: Bytes,
}

impl Invocation {
    /// How long the function may still run.
    pub fn time_left(&self) -> Duration {
        self.deadline.duration_since(SystemTime::from(Timestamp::now())).unwrap_or_default()
    }
}

/// A tool and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
}

/// What a client context and an event ask for.
///
/// AgentCore Gateway names the tool in the client context and gives the arguments as the event. Without a client context, an event
/// `{"tool": NAME, "arguments": {...}}` asks the same, for whoever invokes the function by hand.
///
/// # Errors
/// `bad_argument`, with what is missing.
pub fn asked(client: Option<&[u8]>, event: &[u8]) -> Result<Asked, Failure> {
    let bad = |error: String, suggestion: &str| Failure::new(Code::BadArgument, error, suggestion);
    let event: Value = serde_json::from_slice(event)
        .map_err(|why| bad(format!("the event is no JSON: {why}"), "give the tool's arguments as a JSON object"))?;
    // A JSON null and an empty header say as little as none.
    let client = client.filter(|client| !matches!(client.trim_ascii(), b"" | b"null"));
    let Some(client) = client else { return by_hand(event) };
    let client: Value = serde_json::from_slice(client).map_err(|why| {
        bad(
            format!("the client context is no JSON: {why}"),
            "call through an AgentCore Gateway target, or give {\"custom\": {\"bedrockAgentCoreToolName\": NAME}}",
        )
    })?;
    let Some(name) = client["custom"][TOOL_NAME].as_str().filter(|name| !name.is_empty()) else {
        return Err(bad(
            format!("the client context names no tool: custom.{TOOL_NAME} is not there"),
            "call through an AgentCore Gateway target, or give {\"custom\": {\"bedrockAgentCoreToolName\": NAME}}",
        ));
    };
    let tool = name.rsplit_once(BEHIND_TARGET).map_or(name, |(_, tool)| tool).to_owned();
    match event {
        Value::Object(arguments) => Ok(Asked { tool, arguments }),
        Value::Null => Ok(Asked { tool, arguments: Map::new() }),
        _ => Err(bad(format!("{tool}: the event is no JSON object"), "give the arguments by name")),
    }
}

fn by_hand(event: Value) -> Result<Asked, Failure> {
    let how = "call through an AgentCore Gateway target, which names the tool in the client context, or invoke with \
               {\"tool\": NAME, \"arguments\": {...}}";
    let Value::Object(mut event) = event else {
        return Err(Failure::new(Code::BadArgument, "there is no client context, and the event is no object", how));
    };
    let (tool, arguments) = (event.remove("tool"), event.remove("arguments"));
    match (tool, arguments, event.is_empty()) {
        (Some(Value::String(tool)), Some(Value::Object(arguments)), true) => Ok(Asked { tool, arguments }),
        (Some(Value::String(tool)), None | Some(Value::Null), true) => Ok(Asked { tool, arguments: Map::new() }),
        _ => Err(Failure::new(Code::BadArgument, "there is no client context, and the event names no tool", how)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(client: Option<&str>, event: &Value) -> Result<Asked, Failure> {
        asked(client.map(str::as_bytes), event.to_string().as_bytes())
    }

    #[test]
    fn the_target_is_no_part_of_the_name() {
        for name in ["NodeLog___errors", "a___b___errors", "errors"] {
            let client = json!({ "custom": { TOOL_NAME: name }, "client": null, "env": { "n": 5 } }).to_string();
            let asked = ask(Some(&client), &json!({ "instanceId": "i-0123456789abcdef0" })).unwrap();
            assert_eq!((asked.tool.as_str(), asked.arguments.len()), ("errors", 1), "{name}");
        }
    }

    #[test]
    fn a_call_by_hand_names_the_tool_in_the_event() {
        for client in [None, Some(""), Some("null"), Some(" null ")] {
            let asked = ask(client, &json!({ "tool": "rules", "arguments": { "area": "network" } })).unwrap();
            assert_eq!((asked.tool.as_str(), asked.arguments.len()), ("rules", 1));
            assert_eq!(ask(client, &json!({ "tool": "rules" })).unwrap().arguments.len(), 0);
            for bad in [json!({ "instanceId": "i" }), json!([]), json!({ "tool": 1 }), json!({ "tool": "a", "b": 1 })] {
                assert_eq!(ask(client, &bad).unwrap_err().code, Code::BadArgument, "{bad}");
            }
        }
    }

    #[test]
    fn what_names_no_tool_says_so() {
        for client in
            ["{", "[]", "5", "\"x\"", "{}", r#"{"custom":null}"#, r#"{"custom":{"bedrockAgentCoreToolName":5}}"#]
        {
            let failure = ask(Some(client), &json!({})).unwrap_err();
            assert_eq!(failure.code, Code::BadArgument, "{client}");
            assert!(failure.error.contains("client context"), "{client}: {failure}");
        }
        assert!(asked(Some(b"\xff\xfe"), b"{}").is_err());
        assert!(asked(None, b"not json").is_err());
    }
}
