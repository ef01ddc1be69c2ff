//! The clients of others, where they are installed: `bash eks-logs-mcp/tests/clients/run.sh SERVER install`, which needs PyPI and npm.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

#[test]
fn clients_of_others() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = here.join("../target/clients/installed.json");
    // CI runs them in a section of its own.
    if !installed.exists() || std::env::var_os("CI").is_some() {
        eprintln!(
            "skipped: the conformance suite, MCP Inspector, the Python and TypeScript clients (tests/clients/run.sh installs them)"
        );
        return;
    }
    let run = Command::new("bash")
        .arg(here.join("tests/clients/run.sh"))
        .arg(env!("CARGO_BIN_EXE_eks-logs-mcp"))
        .output()
        .expect("bash");
    let said = [run.stdout, run.stderr].concat();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// What the registry of servers is told is what there is.
#[test]
fn the_registry_is_told_the_truth() {
    let told: serde_json::Value = serde_json::from_str(include_str!("../../server.json")).expect("server.json is JSON");
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    let image = told["packages"][0]["identifier"].as_str().unwrap();
    assert!(image.ends_with(concat!(":", env!("CARGO_PKG_VERSION"))), "{image}");
    assert!(told["description"].as_str().unwrap().len() <= 100);
    let label = format!("LABEL io.modelcontextprotocol.server.name={}\n", told["name"]);
    assert!(include_str!("../../Dockerfile").contains(&label), "the image says whose it is: {label}");
}
