//! What is a JSON-RPC message, and the error of what is none: the protocol library drops it over stdio, and over HTTP answers without a code.

use serde_json::{Value, json};

/// The error of bytes that are no message.
pub(crate) fn wrong(line: &[u8]) -> Option<Value> {
    // An editor's mark at the beginning is no part of it.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let message: Value = match serde_json::from_slice(line) {
        Ok(message) => message,
        Err(why) => return Some(error(Value::Null, -32700, &format!("this is no JSON: {why}"))),
    };
    let id = message.get("id");
    let is_message = message["jsonrpc"] == "2.0"
        // Only who could not read the id answers without one.
        && id.is_none_or(|id| id.is_string() || id.is_number() || (id.is_null() && message.get("error").is_some()))
        && (message["method"].is_string() || message.get("result").is_some() || message.get("error").is_some());
    if is_message {
        return None;
    }
    let id = id.filter(|id| id.is_string() || id.is_number()).cloned().unwrap_or_default();
    Some(error(id, -32600, "this is no JSON-RPC 2.0 message (a batch is none either)"))
}

/// An error as an answer.
pub(crate) fn error(id: Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> Option<i64> {
        wrong(line.as_bytes())?["error"]["code"].as_i64()
    }

    #[test]
    fn what_is_no_message_has_a_code() {
        for line in ["{", "nonsense", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"", "\u{1b}[2J"] {
            assert_eq!(code(line), Some(-32700), "{line}");
        }
        for line in
            ["[]", "5", "{}", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", "{\"jsonrpc\":\"2.0\",\"id\":1}"]
        {
            assert_eq!(code(line), Some(-32600), "{line}");
        }
        for line in [
            "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
        ] {
            assert_eq!(code(line), Some(-32600), "{line}");
        }
        for line in
            ["{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"]
        {
            assert_eq!(code(line), None, "{line}");
        }
    }
}
