//! What holds for every tool of the registry, and how a store of many bundles is read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use eks_logs_tools::{Bundles, Call, Code, Context, Failure, Needs, tool, tools};
use futures_lite::future::block_on;
use serde_json::{Value, json};

const FAULT: &str = "[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n";

fn bundle(store: &Path, name: &str, content: &str) {
    let directory = store.join(name).join("extracted/kernel");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("dmesg.current"), content).unwrap();
}

/// Two bundles of one node and one of another.
fn store() -> tempfile::TempDir {
    let store = tempfile::tempdir().unwrap();
    bundle(store.path(), "eks_i-0123456789abcdef0_2026-11-20_0312-UTC_0.7.9", FAULT);
    bundle(store.path(), "eks_i-0123456789abcdef0_2026-11-21_0312-UTC_0.7.9", "[ 1.000000] quiet\n");
    bundle(store.path(), "eks_i-0fedcba9876543210_2026-11-20_0500-UTC_0.7.9", FAULT);
    store
}

fn call(store: &Path, name: &str, arguments: Value) -> Result<Value, Failure> {
    let context = Context::new(Bundles::Directory(store.to_owned()));
    block_on(tool(name).unwrap().call(&context, arguments, Call::default()))
}

#[test]
fn names_and_schemas_suit_every_wire() {
    let mut names = BTreeSet::new();
    for tool in tools() {
        let name = tool.about.name;
        assert!(names.insert(name), "{name} twice");
        assert!(name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(tool.about.description.len() > 80, "{name}: a model needs more than that");
        let (input, output) = (tool.input_schema(), tool.output_schema());
        assert_eq!((&input["type"], &output["type"]), (&json!("object"), &json!("object")), "{name}");
        for (field, schema) in input["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{name}: {field} has no description");
        }
        let text = format!("{input}{output}");
        assert!(!text.contains("\"$ref\""), "{name}: some clients follow no references");
        assert!(!text.contains("int64\"") && !text.contains("\"double\""), "{name}: validators warn of such formats");
        if tool.about.needs == Needs::Bundle {
            assert_eq!(input["properties"]["instanceId"]["type"], "string", "{name}");
        }
    }
}

#[test]
fn the_newest_bundle_is_read_unless_another_is_named() {
    let store = store();
    let newest = call(store.path(), "errors", json!({ "instanceId": "i-0123456789abcdef0" })).unwrap();
    assert_eq!(newest["bundleId"], "i-0123456789abcdef0_2026-11-21_0312-UTC_0.7.9");
    assert_eq!((&newest["bundlesOfInstance"], &newest["totalFindings"]), (&json!(2), &json!(0)));
    for arguments in [
        json!({ "bundleId": "i-0123456789abcdef0_2026-11-20_0312-UTC_0.7.9" }),
        json!({ "instanceId": "i-0123456789abcdef0", "executionId": "2026-11-20_0312-UTC_0.7.9" }),
    ] {
        let older = call(store.path(), "errors", arguments).unwrap();
        assert_eq!(older["findings"][0]["pattern"], "Connection tracking table is full");
    }
}

#[test]
fn what_cannot_be_answered_says_why_and_what_to_do() {
    let store = store();
    for (name, arguments, code, words) in [
        ("errors", json!({}), Code::BadArgument, ["instanceId is missing", "newest bundle"]),
        ("errors", json!({ "instanceId": "i-123" }), Code::BadArgument, ["i-123", "correct"]),
        (
            "errors",
            json!({ "instanceId": "i-0123456789abcdef1" }),
            Code::NotFound,
            ["no bundle of i-0123456789abcdef1", "there are"],
        ),
        (
            "errors",
            json!({ "instanceId": "i-0123456789abcdef0", "pageSize": "many" }),
            Code::BadArgument,
            ["errors:", "schema"],
        ),
        (
            "errors",
            json!({ "instanceid": "i-0123456789abcdef0" }),
            Code::BadArgument,
            ["no argument", "did you mean instanceId?"],
        ),
        ("triage", json!([1]), Code::BadArgument, ["JSON object", "by name"]),
        ("rules", json!({ "area": "weather" }), Code::NotFound, ["weather", "kernel"]),
    ] {
        let failure = call(store.path(), name, arguments.clone()).unwrap_err();
        assert_eq!(failure.code, code, "{arguments}: {failure}");
        assert!(failure.error.contains(words[0]), "{failure}");
        assert!(failure.details.suggestion.contains(words[1]), "{:?}", failure.details);
    }
    assert_eq!(tool("traige").unwrap_err().code, Code::NotFound);
}

#[test]
fn the_age_is_told_where_there_is_a_clock() {
    let store = store();
    let mut context = Context::new(Bundles::Directory(store.path().to_owned()));
    context.clock = Some(std::sync::Arc::new("2026-11-20T05:01:00Z".parse::<jiff::Timestamp>().unwrap()));
    let arguments = json!({ "instanceId": "i-0fedcba9876543210" });
    let answer = block_on(tool("triage").unwrap().call(&context, arguments, Call::default())).unwrap();
    assert_eq!(answer["bundleAgeSeconds"], 60);
}

#[test]
fn a_window_leaves_out_what_lies_outside_and_says_so() {
    let store = tempfile::tempdir().unwrap();
    let line = "[Fri Nov 20 02:00:00 2026] nf_conntrack: nf_conntrack: table full, dropping packet\n";
    bundle(store.path(), "eks_i-0123456789abcdef0_2026-11-20_0312-UTC_0.7.9", line);
    let ask = |time: &str| {
        call(store.path(), "triage", json!({ "instanceId": "i-0123456789abcdef0", "incident_time": time })).unwrap()
    };
    let inside = ask("2026-11-20T02:04:00Z");
    assert_eq!((inside["findings"].as_array().unwrap().len(), &inside["window"]["findingsOutside"]), (1, &json!(0)));
    let outside = ask("2026-11-20T02:06:00Z");
    assert_eq!((outside["findings"].as_array().unwrap().len(), &outside["window"]["findingsOutside"]), (0, &json!(1)));
}
