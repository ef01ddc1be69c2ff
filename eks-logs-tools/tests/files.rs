//! read, search, artifact, validate and the stored index, called as adapters call them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use eks_logs_core::{LocalStore, Located, MemoryStore, StorePath, bundle};
use eks_logs_tools::{Bundles, Call, Code, Context, Failure, index_bundle, tool};
use futures_lite::future::block_on;
use serde_json::{Value, json};

const NAME: &str = "eks_i-0123456789abcdef0_2026-11-20_0312-UTC_0.7.9";
const OTHER: &str = "eks_i-0123456789abcdef1_2026-11-20_0312-UTC_0.7.9";
const FAULT: &str = "[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n";

fn call(context: &Context, name: &str, arguments: Value) -> Result<Value, Failure> {
    block_on(tool(name).unwrap().call(context, arguments, Call::default()))
}

fn refused(context: &Context, name: &str, arguments: Value) -> (Code, String) {
    let failure = call(context, name, arguments.clone()).expect_err(&arguments.to_string());
    (failure.code, format!("{} / {}", failure.error, failure.details.suggestion))
}

fn one(files: &[(&str, &[u8])]) -> Context {
    let store = MemoryStore::new();
    for (name, content) in files {
        store.insert(StorePath::parse(name).unwrap(), content.to_vec());
    }
    Context::new(Bundles::One(Located::in_store(store)))
}

fn write(root: &Path, files: &[(&str, &[u8])]) {
    for (name, content) in files {
        let full = root.join(name);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, content).unwrap();
    }
}

#[test]
fn chunks_are_followed_by_their_tokens() {
    let text: String = (0..50_000).map(|n| format!("{n} grün\n")).collect();
    let context = one(&[("kubelet/kubelet.log", text.as_bytes())]);
    let (mut all, mut token, mut chunks) = (String::new(), json!(null), 0);
    loop {
        // As an agent of the sample server does it: the token, which is text, goes where a number is expected.
        let arguments = json!({ "logKey": "kubelet/kubelet.log", "startByte": token });
        let arguments =
            if token.is_null() { json!({ "logKey": "kubelet/kubelet.log", "endByte": 70_001 }) } else { arguments };
        let answer = call(&context, "read", arguments).unwrap();
        assert_eq!(answer["truncated"], false);
        assert_eq!(answer["lineAligned"], true);
        assert_eq!(answer["chunkSize"], answer["endByte"].as_u64().unwrap() - answer["startByte"].as_u64().unwrap());
        all.push_str(answer["content"].as_str().unwrap());
        chunks += 1;
        token = answer["nextChunkToken"].clone();
        assert_eq!(answer["hasMore"], !token.is_null());
        if token.is_null() {
            break;
        }
    }
    assert!(all == text && chunks >= 2);
    let last =
        call(&context, "read", json!({ "logKey": "kubelet/kubelet.log", "startLine": -2, "lineCount": 5 })).unwrap();
    assert_eq!(last["content"], "49998 grün\n49999 grün\n");
    assert_eq!(
        (&last["startLine"], &last["endLine"], &last["totalLines"]),
        (&json!(49_999), &json!(50_000), &json!(50_000))
    );
}

#[test]
fn wrong_arguments_are_told_how_to_be_right() {
    let context = one(&[("kubelet/kubelet.log", b"a\nb\n")]);
    let key = "kubelet/kubelet.log";
    for (arguments, word) in [
        (json!({}), "logKey"),
        (json!({ "logKey": key, "startByte": 99 }), "outside"),
        (json!({ "logKey": key, "startByte": 3, "endByte": 1 }), "outside"),
        (json!({ "logKey": key, "startByte": -1 }), "out of range"),
        (json!({ "logKey": key, "startByte": "soon" }), "not a whole number"),
        (json!({ "logKey": key, "startByte": 1.5 }), "not a whole number"),
        (json!({ "logKey": key, "startLine": 0 }), "the first line is 1"),
        (json!({ "logKey": key, "startLine": 1, "startByte": 0 }), "exclude each other"),
        (json!({ "logKey": key, "lineCount": 5 }), "add startLine"),
        (json!({ "logKey": key, "startLine": 1, "lineCount": 0 }), "1 to 10000"),
        (json!({ "logKey": key, "startLine": 1, "lineCount": 10_001 }), "1 to 10000"),
        (json!({ "logKey": key, "exact": true }), "give startByte and endByte"),
        (json!({ "logKey": key, "startbyte": 1 }), "did you mean startByte"),
    ] {
        let (code, text) = refused(&context, "read", arguments);
        assert_eq!(code, Code::BadArgument, "{text}");
        assert!(text.contains(word), "{word}: {text}");
    }
    for (arguments, word) in [
        (json!({}), "query"),
        (json!({ "query": "" }), "give a regex"),
        (json!({ "query": "a(b" }), "at character 2"),
        (json!({ "query": "(?=x)" }), "not supported, because"),
        (json!({ "query": r"(a)\1" }), "not supported, because"),
        (json!({ "query": "x".repeat(501) }), "500"),
        (json!({ "query": ".{1,500}{1,500}" }), "repetitions smaller"),
        (json!({ "query": "x", "logTypes": "kublet" }), "did you mean kubelet"),
        (json!({ "query": "x", "logTypes": "qqqq" }), "there are"),
        (json!({ "query": "x", "maxResults": 0 }), "1 to 500"),
        (json!({ "query": "x", "maxResults": 501 }), "1 to 500"),
        (json!({ "query": "x", "contextLines": 11 }), "0 to 10"),
    ] {
        let (code, text) = refused(&context, "search", arguments);
        assert_eq!(code, Code::BadArgument, "{text}");
        assert!(text.contains(word), "{word}: {text}");
    }
    for minutes in [0, 61] {
        let (code, text) = refused(&context, "artifact", json!({ "logKey": key, "expirationMinutes": minutes }));
        assert!(code == Code::BadArgument && text.contains("1 to 60"));
    }
    let (code, text) = refused(&context, "validate", json!({ "pageSize": 0 }));
    assert!(code == Code::BadArgument && text.contains("1 to 2000"));
    assert_eq!(refused(&context, "read", json!({ "logKey": "kubelet/none.log" })).0, Code::NotFound);
}

#[test]
fn keys_outside_are_denied_alike_whether_something_is_there_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let inside = format!("{NAME}/extracted/kubelet/kubelet.log");
    let other = format!("{OTHER}/extracted/kubelet/kubelet.log");
    write(
        directory.path(),
        &[
            (inside.as_str(), b"mine\n"),
            (other.as_str(), b"theirs\n"),
            ("idempotency/i-0123456789abcdef0/t.json", b"{}"),
            ("baselines/prod/patterns.json", b"{}"),
        ],
    );
    let many = Context::new(Bundles::Directory(directory.path().to_owned()));
    let single = Context::new(Bundles::One(block_on(bundle::open(&directory.path().join(NAME))).unwrap()));
    for name in ["read", "artifact"] {
        for key in [
            "../etc/passwd",
            "/etc/passwd",
            "kubelet/../../x",
            "%2e%2e/x",
            "..%2fx",
            "a%5cb",
            "a\\b",
            "a\0b",
            "idempotency/i-0123456789abcdef0/t.json",
            "idempotency/none.json",
            "baselines/prod/patterns.json",
            "batches/x/metadata.json",
            "execution-regions/x.json",
        ] {
            for context in [&many, &single] {
                let (code, text) = refused(context, name, json!({ "logKey": key }));
                assert_eq!(code, Code::Denied, "{key}: {text}");
                assert!(text.contains("not a key inside the bundle"), "{text}");
            }
        }
        // Another bundle than the one that is open.
        assert_eq!(refused(&single, name, json!({ "logKey": other })).0, Code::Denied);
    }
    for (context, arguments, want) in [
        (&many, json!({ "logKey": inside }), "mine\n"),
        (&many, json!({ "logKey": other }), "theirs\n"),
        (&many, json!({ "logKey": "kubelet/kubelet.log", "instanceId": "i-0123456789abcdef1" }), "theirs\n"),
        (&single, json!({ "logKey": inside }), "mine\n"),
        (&single, json!({ "logKey": "kubelet/kubelet.log" }), "mine\n"),
    ] {
        let answer = call(context, "read", arguments.clone()).unwrap();
        assert_eq!(answer["content"], want, "{arguments}");
        // What an answer calls the file can be asked for again.
        let again = call(context, "read", json!({ "logKey": answer["fullKey"] })).unwrap();
        assert_eq!(again["content"], want);
    }
    let (code, text) = refused(&many, "read", json!({ "logKey": "kubelet/kubelet.log" }));
    assert!(code == Code::BadArgument && text.contains("of which bundle"), "{text}");
}

#[test]
fn secrets_are_redacted_and_offsets_stay_true() {
    let text = b"first \xff line\nkey AKIAIOSFODNN7EXAMPLE used\nlast password=hunter22x\n";
    let context = one(&[("kubelet/kubelet.log", text)]);
    let answer = call(&context, "read", json!({ "logKey": "kubelet/kubelet.log" })).unwrap();
    assert_eq!(
        answer["content"],
        "first \u{fffd} line\nkey [REDACTED aws access key id] used\nlast password=[REDACTED password]\n"
    );
    assert_eq!(answer["invalidUtf8"], true);
    assert_eq!(answer["chunkSize"], text.len());
    let spans: Vec<&[u8]> = answer["redactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| &text[span["startByte"].as_u64().unwrap() as usize..span["endByte"].as_u64().unwrap() as usize])
        .collect();
    assert_eq!(spans, [b"AKIAIOSFODNN7EXAMPLE".as_slice(), b"hunter22x"]);
    let found = call(&context, "search", json!({ "query": "used", "response_format": "detailed" })).unwrap();
    let line = &found["results"][0]["matches"][0];
    assert_eq!(line["line"], "key [REDACTED aws access key id] used");
    assert_eq!(
        &text[line["startByte"].as_u64().unwrap() as usize..line["endByte"].as_u64().unwrap() as usize],
        b"key AKIAIOSFODNN7EXAMPLE used"
    );
    assert_eq!(line["context"]["after"][0], "last password=[REDACTED password]");
    assert_eq!(found["redactions"], 2);
    let mut open = context.clone();
    open.redact = false;
    let answer = call(&open, "read", json!({ "logKey": "kubelet/kubelet.log" })).unwrap();
    assert!(
        answer["content"].as_str().unwrap().contains("hunter22x")
            && answer["redactions"].as_array().unwrap().is_empty()
    );
}

#[test]
fn search_counts_all_and_says_what_it_speaks_for() {
    let many = "pod failed\n".repeat(700);
    let context = one(&[
        ("kubelet/kubelet.log", many.as_bytes()),
        ("kernel/dmesg.current", b"POD\n"),
        ("cni/10-aws.conflist", b"{}\n"),
    ]);
    let answer = call(&context, "search", json!({ "query": "pod", "maxResults": 3 })).unwrap();
    assert_eq!(
        (&answer["totalMatches"], &answer["filesWithMatches"], &answer["filesSearched"]),
        (&json!(701), &json!(2), &json!(3))
    );
    assert_eq!(answer["truncated"], true);
    let results = answer["results"].as_array().unwrap();
    let told: Vec<(&Value, &Value, &Value, usize)> = results
        .iter()
        .map(|file| {
            (&file["finding_id"], &file["file"], &file["matchCount"], file["matches"].as_array().unwrap().len())
        })
        .collect();
    assert_eq!(
        told,
        [
            (&json!("S-001"), &json!("kernel/dmesg.current"), &json!(1), 1),
            (&json!("S-002"), &json!("kubelet/kubelet.log"), &json!(700), 3)
        ]
    );
    let none = call(&context, "search", json!({ "query": "nowhere", "logTypes": "kubelet,dmesg" })).unwrap();
    assert_eq!(none["caveat"], "looked for, and absent, in 7704 bytes of 2 files");
    assert_eq!(none["coverage_report"]["filesLeftOut"], 1);
    let stop = || true;
    let stopped =
        block_on(tool("search").unwrap().call(&context, json!({ "query": "pod" }), Call::default().stopped_by(&stop)))
            .unwrap();
    assert_eq!(stopped["truncated"], true);
    assert_eq!(stopped["coverage_report"]["searchComplete"], false);
    assert_eq!(stopped["coverage_report"]["stopped"]["notReached"].as_array().unwrap().len(), 3);
    assert!(stopped["caveat"].as_str().unwrap().contains("lower bounds"));
}

#[test]
fn an_artifact_is_a_file_and_its_sum() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &[("kubelet/kubelet.log", b"a\n")]);
    let context = Context::new(Bundles::One(block_on(bundle::open(directory.path())).unwrap()));
    let answer = call(&context, "artifact", json!({ "logKey": "kubelet/kubelet.log" })).unwrap();
    assert!(answer["presignedUrl"].as_str().unwrap().starts_with("file:///"));
    assert!(answer["presignedUrl"].as_str().unwrap().ends_with("/kubelet/kubelet.log"));
    assert_eq!(answer["sha256"], "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7");
    assert_eq!((&answer["size"], &answer["expiresAt"]), (&json!(2), &json!(null)));
}

#[test]
fn an_index_serves_until_something_changes() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join(NAME).join("extracted");
    let large: String = (0..120_000).map(|n| format!("Nov 20 03:00:00 node kubelet[1]: line {n}\n")).collect();
    write(
        &root,
        &[
            ("kernel/dmesg.current", FAULT.as_bytes()),
            ("kubelet/kubelet.log", large.as_bytes()),
            ("system/ps.txt", b"x\n"),
        ],
    );
    let open = || Context::new(Bundles::One(block_on(bundle::open(&directory.path().join(NAME))).unwrap()));
    let context = open();
    let before = call(&context, "errors", json!({})).unwrap();
    assert_eq!((&before["cached"], &before["indexedAt"]), (&json!(false), &json!(null)));
    let located = block_on(context.select(&eks_logs_tools::Selector::default())).unwrap().located;
    let writer = LocalStore::open(directory.path().join(NAME)).unwrap();
    let at = "2026-11-20T04:00:00Z".parse().unwrap();
    let indexed = block_on(index_bundle(&writer, &located, &context, at, Call::default())).unwrap();
    assert_eq!((indexed.file_count, indexed.line_indexes), (3, 1));
    assert_eq!(indexed.written.last().unwrap(), "extracted/manifest.json", "last, so that whoever sees it sees all");

    let mut after = call(&open(), "errors", json!({})).unwrap();
    assert_eq!((&after["cached"], &after["indexedAt"]), (&json!(true), &json!("2026-11-20T04:00:00Z")));
    (after["cached"], after["indexedAt"]) = (json!(false), json!(null));
    assert_eq!(after, before, "the same answer");
    let line = call(&open(), "read", json!({ "logKey": "kubelet/kubelet.log", "startLine": 100_000, "lineCount": 1 }))
        .unwrap();
    assert_eq!(line["content"], "Nov 20 03:00:00 node kubelet[1]: line 99999\n");
    assert_eq!(line["totalLines"], 120_000, "the line index was used: without one, lines behind are not counted");
    let searched = call(&open(), "search", json!({ "query": "." })).unwrap();
    assert_eq!(searched["filesSearched"], 3, "records are no files of the bundle");

    let valid = call(&open(), "validate", json!({ "pageSize": 2 })).unwrap();
    assert_eq!(
        (&valid["hasFindingsIndex"], &valid["manifestVersion"], &valid["fileCount"]),
        (&json!(true), &json!(2), &json!(3))
    );
    assert_eq!(valid["mismatches"], json!([]));
    assert_eq!((valid["manifest"].as_array().unwrap().len(), &valid["hasMore"]), (2, &json!(true)));
    let rest = call(&open(), "validate", json!({ "pageSize": 2, "pageToken": valid["nextPageToken"] })).unwrap();
    assert_eq!((rest["manifest"][0]["key"].as_str(), &rest["hasMore"]), (Some("system/ps.txt"), &json!(false)));

    // The same size, other bytes: the sums tell. Another size: the index is stale.
    fs::write(root.join("system/ps.txt"), b"y\n").unwrap();
    fs::write(root.join("kernel/dmesg.current"), FAULT.repeat(2)).unwrap();
    let changed = call(&open(), "validate", json!({})).unwrap();
    let kinds: Vec<(&str, &str)> = changed["mismatches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].as_str().unwrap(), one["file"].as_str().unwrap()))
        .collect();
    assert_eq!(kinds, [("size", "kernel/dmesg.current"), ("checksum", "system/ps.txt")]);
    assert_eq!(changed["complete"], false);
    let rescanned = call(&open(), "errors", json!({})).unwrap();
    assert_eq!((&rescanned["cached"], &rescanned["findings"][0]["count"]), (&json!(false), &json!(2)));
    assert_eq!(refused(&open(), "validate", json!({ "pageToken": valid["nextPageToken"] })).0, Code::BadArgument);
}

/// Once indexed, no question reads the logs again: they could as well be gone.
#[test]
fn second_questions_read_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join(NAME).join("extracted");
    let fault = FAULT.repeat(700);
    let save = b"*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n";
    write(
        &root,
        &[
            ("kernel/dmesg.current", fault.as_bytes()),
            ("networking/iptables-save.txt", save),
            ("kubelet/kubelet.log", b"x\n"),
        ],
    );
    let open = || Context::new(Bundles::One(block_on(bundle::open(&directory.path().join(NAME))).unwrap()));
    let questions = || {
        let (context, asked) = (open(), json!({}));
        let found = call(&context, "errors", asked.clone()).unwrap()["findings"][0]["finding_id"].clone();
        let cited = json!({ "finding_ids": [found] });
        let some = [
            ("correlate", &asked),
            ("network_diagnostics", &asked),
            ("node_diagnostics", &asked),
            ("triage", &asked),
            ("summarize", &cited),
        ];
        let answer = |(tool, arguments): (&str, &Value)| {
            let mut answer = call(&context, tool, arguments.clone()).unwrap();
            let fields = answer.as_object_mut().unwrap();
            fields.remove("cached");
            fields.remove("indexedAt");
            assert!(fields.len() > 3, "{tool}");
            (tool.to_owned(), answer)
        };
        some.map(answer)
    };
    let before = questions();
    let located = block_on(open().select(&eks_logs_tools::Selector::default())).unwrap().located;
    let writer = LocalStore::open(directory.path().join(NAME)).unwrap();
    let at = "2026-11-20T04:00:00Z".parse().unwrap();
    block_on(index_bundle(&writer, &located, &open(), at, Call::default())).unwrap();
    // The same sizes, so that the index still speaks for them; nothing in them is a fault any more.
    write(
        &root,
        &[
            ("kernel/dmesg.current", &vec![b'.'; fault.len()]),
            ("networking/iptables-save.txt", &vec![b'.'; save.len()]),
        ],
    );
    for (before, after) in before.iter().zip(questions()) {
        assert!(*before == after, "{}: {} {}", before.0, before.1, after.1);
    }
}

#[test]
fn what_belongs_there_depends_on_the_node() {
    let of = |uname: &[u8]| {
        let context = one(&[("kernel/uname.txt", uname), ("kubelet/kubelet.log", b"x\n"), ("ipamd/enis.json", b"")]);
        call(&context, "validate", json!({})).unwrap()
    };
    let al2 = of(b"Linux node 5.10.1-1.amzn2.x86_64 #1 SMP\n");
    let al2023 = of(b"Linux node 6.1.1-1.amzn2023.x86_64 #1 SMP\n");
    let presence = |answer: &Value, file: &str| {
        let sources = answer["sources"].as_array().unwrap();
        sources.iter().find(|source| source["file"] == file).unwrap()["presence"].as_str().unwrap().to_owned()
    };
    assert_eq!((al2["node"]["os"].as_str(), al2023["node"]["os"].as_str()), (Some("al2"), Some("al2023")));
    assert_eq!(presence(&al2, "var_log/messages"), "absent");
    assert_eq!(presence(&al2023, "var_log/messages"), "normal-to-be-absent");
    assert_eq!(presence(&al2023, "nodeadm/nodeadm-run.log"), "absent");
    assert_eq!(presence(&al2023, "ipamd/enis.json"), "empty");
    let missing = al2["missingPatterns"].as_array().unwrap();
    assert!(missing.contains(&json!("var_log/messages")) && al2["complete"] == false);
    assert!(al2["warning"].as_str().unwrap().contains("var_log/messages"));
}
