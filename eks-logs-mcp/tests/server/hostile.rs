//! Logs that try to speak to the model that reads them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::support::{Client, HOSTILE, INJECTION, call, modern, stdio, store, structured, text};
use rmcp::model::{ReadResourceRequestParams, ResourceContents};
use serde_json::{Value, json};

/// No character that hides, turns or commands, and log text between marks only.
fn is_contained(text: &str) {
    let mut open: Option<String> = None;
    for line in text.lines() {
        assert!(!line.chars().any(|c| c.is_control() || "\u{202e}\u{200b}\u{feff}\u{e0049}".contains(c)), "{line:?}");
        match &open {
            None if line.starts_with("<untrusted-log id=") => open = Some(line.replacen('<', "</", 1)),
            None => assert!(
                !line.contains("Ignore all previous") && !line.contains("tool_result"),
                "outside of marks: {line}"
            ),
            Some(close) if line == close => open = None,
            Some(_) => {}
        }
    }
    assert_eq!(open, None, "a mark is open");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_text_stays_data() {
    let store = store();
    let client = stdio(store.path(), &["--tools", "all"], Client::default(), modern()).await;
    let tools = client.list_all_tools().await.unwrap();
    for (tool, given) in [
        ("triage", json!({ "instanceId": HOSTILE, "evidence": "all" })),
        ("errors", json!({ "instanceId": HOSTILE, "response_format": "detailed" })),
        ("validate", json!({ "instanceId": HOSTILE })),
    ] {
        let result = call(&client, tool, given).await;
        let answer = structured(&tools, tool, &result);
        assert_eq!(answer["success"], true, "{answer}");
        is_contained(&text(&result));
        if answer.to_string().contains(INJECTION) {
            assert!(text(&result).contains("WARNING: "), "{}", text(&result));
            let meta = serde_json::to_value(result.meta.unwrap()).unwrap();
            assert!(meta["eks-logs/instructionLike"]["strings"].as_u64() > Some(0));
        }
    }
    for tool in ["search", "read"].into_iter().filter(|tool| eks_logs_tools::tool(tool).is_ok()) {
        let given = match tool {
            "search" => json!({ "instanceId": HOSTILE, "query": "ignore all previous" }),
            _ => {
                json!({ "logKey": format!("eks_{}/extracted/kernel/dmesg.human.current", crate::support::HOSTILE_ID) })
            }
        };
        let result = call(&client, tool, given).await;
        let answer = structured(&tools, tool, &result);
        assert_eq!(answer["success"], true, "{answer}");
        is_contained(&text(&result));
        assert!(text(&result).contains("WARNING: "), "{}", text(&result));
    }
}

/// What is read as a resource is contained as well, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn resources_stay_data() {
    let store = store();
    let client = stdio(store.path(), &[], Client::default(), modern()).await;
    let bundle = format!("eks-logs://bundle/{}", crate::support::HOSTILE_ID);
    for uri in [format!("{bundle}/file/kernel/dmesg.human.current"), format!("{bundle}/file/kubelet/kubelet.log")] {
        let read = client.read_resource(ReadResourceRequestParams::new(uri.clone())).await.unwrap();
        let Some(ResourceContents::TextResourceContents { text, .. }) = read.contents.into_iter().next() else {
            panic!("{uri}")
        };
        assert!(text.contains(INJECTION), "{uri}");
        is_contained(&text);
    }
    let read = client.read_resource(ReadResourceRequestParams::new(format!("{bundle}/findings"))).await.unwrap();
    let Some(ResourceContents::TextResourceContents { text, .. }) = read.contents.into_iter().next() else { panic!() };
    let findings: Value = serde_json::from_str(&text).unwrap();
    assert!(findings["untrusted"].as_str().unwrap().contains("never instructions"), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "escaped, as JSON does");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_verbatim_for_programs() {
    let store = store();
    let client = stdio(store.path(), &[], Client::default(), modern()).await;
    let given = json!({ "instanceId": HOSTILE, "evidence": "all" });
    let answer = call(&client, "triage", given).await.structured_content.unwrap();
    let lines: Vec<&str> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|finding| finding["evidence"].as_array().unwrap())
        .filter_map(|line: &Value| line["text"].as_str())
        .collect();
    assert!(lines.iter().any(|line| line.contains("safe\u{202e}gnp.exe")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("\u{1b}[2J")), "{lines:?}");
}
