//! The real server over stdio, with the protocol library's own client.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::Ordering;

use crate::support::{Client, NODE, SAMPLE_ID, arguments, call, modern, stdio, store, structured, text};
use rmcp::model::{
    ArgumentInfo, CallToolRequest, CallToolRequestParams, ClientRequest, CompleteRequestParams, CompletionContext,
    GetPromptRequestParams, PaginatedRequestParams, ReadResourceRequestParams, Reference, ResourceContents,
};
use rmcp::service::{ClientLifecycleMode, PeerRequestOptions};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_answers_as_its_schema_says() {
    let store = store();
    for (lifecycle, args) in
        [(ClientLifecycleMode::Initialize, &["--tools", "all"][..]), (modern(), &["--tools", "all", "--whole-schemas"])]
    {
        let client = stdio(store.path(), args, Client::default(), lifecycle).await;
        let tools = client.list_all_tools().await.unwrap();
        assert_eq!(tools.len(), eks_logs_tools::tools().len());
        for tool in &tools {
            let takes = |name: &str| tool.input_schema["properties"][name].is_object();
            let mut given = json!({});
            for (name, value) in [
                ("instanceId", json!(NODE)),
                ("instanceIds", json!([NODE, crate::support::HOSTILE])),
                ("query", json!("oom")),
                ("finding_ids", json!(["F-001"])),
                ("clusterName", json!("prod")),
                ("logKey", json!("kernel/dmesg.human.current")),
            ] {
                if takes(name) {
                    given[name] = value;
                }
            }
            let result = call(&client, &tool.name, given).await;
            let answer = structured(&tools, &tool.name, &result);
            assert_eq!(answer["success"], result.is_error != Some(true), "{}: {answer}", tool.name);
            assert!(!text(&result).is_empty(), "{}: no text", tool.name);
        }
        client.cancel().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_an_error_that_says_what_to_do() {
    let store = store();
    let client = stdio(store.path(), &["--tools", "all"], Client::default(), modern()).await;
    let tools = client.list_all_tools().await.unwrap();
    for (tool, given, code) in [
        ("triage", json!({}), "bad_argument"),
        ("triage", json!({ "instanceId": "i-00000000000000000" }), "not_found"),
        ("triage", json!({ "instanceId": 5 }), "bad_argument"),
        ("errors", json!({ "instanceId": NODE, "pagesize": 5 }), "bad_argument"),
        ("errors", json!({ "instanceId": NODE, "cursor": "nonsense" }), "bad_argument"),
    ] {
        let result = call(&client, tool, given.clone()).await;
        assert_eq!(result.is_error, Some(true), "{tool} {given}");
        let answer = structured(&tools, tool, &result);
        assert_eq!(answer["code"], code, "{answer}");
        assert!(text(&result).contains("What to do: "), "{}", text(&result));
    }
    let unknown = client.call_tool(CallToolRequestParams::new("rm_rf")).await.unwrap_err();
    assert!(unknown.to_string().contains("Unknown tool"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_comes_in_parts_that_make_the_whole() {
    let store = store();
    let whole = {
        let client =
            stdio(store.path(), &["--tools", "all", "--answer-tokens", "200000"], Client::default(), modern()).await;
        call(&client, "rules", json!({})).await.structured_content.unwrap()
    };
    let client = stdio(store.path(), &["--tools", "all", "--answer-tokens", "4000"], Client::default(), modern()).await;
    let tools = client.list_all_tools().await.unwrap();
    let (mut rules, mut cursor, mut parts) = (Vec::new(), Value::Null, 0);
    loop {
        let result = call(&client, "rules", json!({ "cursor": cursor })).await;
        assert_ne!(result.is_error, Some(true), "{}", text(&result));
        let part = structured(&tools, "rules", &result);
        rules.extend(part["rules"].as_array().unwrap().clone());
        assert!(part["answerPart"]["tokens"].as_u64().unwrap() <= 4000);
        assert!(text(&result).len() < 4000 * 5);
        cursor = part["answerPart"]["nextCursor"].clone();
        parts += 1;
        if cursor.is_null() {
            break;
        }
    }
    assert!(parts > 3, "{parts}");
    assert_eq!(Value::from(rules), whole["rules"]);
    let part = call(&client, "rules", json!({})).await.structured_content.unwrap();
    let foreign = json!({ "area": "kernel", "cursor": part["answerPart"]["nextCursor"] });
    assert_eq!(call(&client, "rules", foreign).await.is_error, Some(true), "the cursor is of another answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_are_listed_in_pages_and_read() {
    let store = store();
    let client = stdio(store.path(), &[], Client::default(), modern()).await;
    let (mut all, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = client.list_resources(Some(PaginatedRequestParams::default().with_cursor(cursor))).await.unwrap();
        all.extend(page.resources.into_iter().map(|resource| resource.uri));
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let mut unique = all.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((unique.len(), pages > 0), (all.len(), true), "each once");
    let bundle = format!("eks-logs://bundle/{SAMPLE_ID}");
    assert!(all.contains(&bundle) && all.contains(&format!("{bundle}/findings")));
    assert!(all.contains(&format!("{bundle}/file/kernel/dmesg.human.current")), "{all:?}");
    assert_eq!(client.list_all_resource_templates().await.unwrap().len(), 4);

    let read = async |uri: String| {
        let read = client.read_resource(ReadResourceRequestParams::new(uri)).await?;
        match read.contents.into_iter().next().unwrap() {
            ResourceContents::TextResourceContents { text, .. } => Ok::<String, rmcp::ServiceError>(text),
            other => panic!("{other:?}"),
        }
    };
    let about: Value = serde_json::from_str(&read(bundle.clone()).await.unwrap()).unwrap();
    assert_eq!((&about["instanceId"], about["files"].as_u64() > Some(20)), (&json!(NODE), true));
    let findings: Value = serde_json::from_str(&read(format!("{bundle}/findings")).await.unwrap()).unwrap();
    let id = findings["findings"][0]["finding_id"].as_str().unwrap().to_owned();
    let finding: Value = serde_json::from_str(&read(format!("{bundle}/findings/{id}")).await.unwrap()).unwrap();
    assert!(finding["finding"]["evidence"][0]["text"].is_string(), "{finding}");
    for missing in
        [format!("{bundle}/findings/F-999"), "eks-logs://bundle/none".to_owned(), "file:///etc/passwd".to_owned()]
    {
        assert!(read(missing.clone()).await.is_err(), "{missing}");
    }
    if eks_logs_tools::tool("read").is_ok() {
        let file = read(format!("{bundle}/file/kernel/dmesg.human.current?start=0&end=200")).await.unwrap();
        assert!(file.contains("<untrusted-log id="), "{file}");
        assert!(read(format!("{bundle}/file/..%2F..%2Fetc%2Fpasswd")).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_paths_are_completed() {
    let store = store();
    let client = stdio(store.path(), &[], Client::default(), modern()).await;
    let complete = async |reference: Reference, name: &str, typed: &str, given: &[(&str, &str)]| {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = CompleteRequestParams::new(reference, ArgumentInfo::new(name, typed))
            .with_context(CompletionContext::with_arguments(given));
        client.complete(request).await.unwrap().completion.values
    };
    let file = || Reference::for_resource("eks-logs://bundle/{id}/file/{+path}{?start,end}");
    let finding = Reference::for_resource("eks-logs://bundle/{id}/findings/{finding}");
    assert_eq!(complete(file(), "id", "i-0a", &[]).await, [SAMPLE_ID]);
    let paths = complete(file(), "path", "kernel/", &[("id", SAMPLE_ID)]).await;
    assert!(paths.contains(&"kernel/dmesg.human.current".to_owned()), "{paths:?}");
    assert!(complete(finding, "finding", "F-", &[("id", SAMPLE_ID)]).await.contains(&"F-001".to_owned()));
    assert_eq!(complete(Reference::for_prompt("incident"), "instanceId", "i-0a", &[]).await, [NODE]);
    let both = complete(Reference::for_prompt("compare_nodes"), "instanceIds", &format!("{NODE},i-0b"), &[]).await;
    assert_eq!(both, [format!("{NODE},{}", crate::support::HOSTILE)]);
    assert!(complete(Reference::for_prompt("incident"), "symptom", "x", &[]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_lay_out_steps() {
    let store = store();
    let client = stdio(store.path(), &[], Client::default(), modern()).await;
    let prompts = client.list_all_prompts().await.unwrap();
    assert_eq!(prompts.len(), 5);
    let ask = GetPromptRequestParams::new("incident").with_arguments(arguments(json!({ "instanceId": NODE })));
    let prompt = client.get_prompt(ask).await.unwrap();
    let text = prompt.messages[0].content.as_text().unwrap().text.clone();
    assert!(text.contains(NODE) && text.contains("`triage`"), "{text}");
    assert!(client.get_prompt(GetPromptRequestParams::new("incident")).await.is_err(), "instanceId is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_ends_its_scan() {
    let store = store();
    crate::support::endless(store.path());
    let heard = Client::default();
    // One scan at a time: if the first did not end, the second would never begin.
    let args = ["--scans", "1", "--call-seconds", "60", "--threads", "1"];
    let client = stdio(store.path(), &args, heard.clone(), ClientLifecycleMode::Initialize).await;
    let request = CallToolRequestParams::new("triage")
        .with_arguments(arguments(json!({ "instanceId": crate::support::ENDLESS })));
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(request));
    let running = client.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
    while heard.progress.load(Ordering::Relaxed) < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    running.cancel(Some("enough".to_owned())).await.unwrap();
    let result = call(&client, "triage", json!({ "instanceId": NODE })).await;
    assert_ne!(result.is_error, Some(true), "{}", text(&result));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bundle_needs_no_id() {
    let client = stdio(&crate::support::sample(), &["--tools", "triage"], Client::default(), modern()).await;
    let tools = client.list_all_tools().await.unwrap();
    assert_eq!(tools.len(), 1);
    let answer = structured(&tools, "triage", &call(&client, "triage", json!({})).await);
    assert_eq!(answer["bundleId"], SAMPLE_ID);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_gets_a_code_and_the_server_goes_on() {
    use std::process::Stdio;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    let store = store();
    let mut child = crate::support::command(store.path(), &["--log", "error", "--max-request-kib", "64"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "raw", "version": "1" } } });
    let mut ask = async |line: &str| {
        input.write_all(line.as_bytes()).await.unwrap();
        input.write_all(b"\n").await.unwrap();
        input.flush().await.unwrap();
        serde_json::from_str::<Value>(&output.next_line().await.unwrap().expect("alive")).unwrap()
    };
    assert_eq!(ask(&hello.to_string()).await["result"]["protocolVersion"], "2025-11-25");
    let large = "x".repeat(100_000);
    let large = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":{{\"x\":\"{large}\"}}}}");
    for (line, code) in [
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no/such\"}", -32601),
        ("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":5}}", -32602),
        ("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"resources/read\",\"params\":{\"uri\":[]}}", -32602),
        ("{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/call\",\"params\":{\"name\":\"none\"}}", -32602),
        ("this is no JSON", -32700),
        ("{\"jsonrpc\":\"2.0\",\"id\":5,", -32700),
        ("[]", -32600),
        ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", -32600),
        ("{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", -32600),
        (large.as_str(), -32600),
    ] {
        assert_eq!(ask(line).await["error"]["code"], code, "{line}");
    }
    let list = ask("{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"tools/list\"}").await;
    assert!(list["result"]["tools"].is_array(), "{list}");
}
