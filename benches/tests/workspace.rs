//! What holds for the workspace as a whole: which crate may know which, and how long a file may be.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The arrows of docs/ARCHITECTURE.md: a crate, and which of our crates it may depend on.
const ARROWS: [(&str, &[&str]); 8] = [
    ("eks-logs-core", &[]),
    ("eks-logs-findings", &["eks-logs-core"]),
    ("eks-logs-tools", &["eks-logs-core", "eks-logs-findings"]),
    ("eks-logs-aws", &["eks-logs-core"]),
    ("eks-logs-cli", &["eks-logs-aws", "eks-logs-core", "eks-logs-findings", "eks-logs-tools"]),
    ("eks-logs-mcp", &["eks-logs-aws", "eks-logs-core", "eks-logs-findings", "eks-logs-tools"]),
    ("eks-logs-lambda", &["eks-logs-aws", "eks-logs-core", "eks-logs-tools"]),
    ("benches", &["eks-logs-core", "eks-logs-findings"]),
];

/// What a crate must never depend on, by the beginning of the name.
const NEVER: [(&str, &[&str]); 6] = [
    ("eks-logs-core", &["aws-", "rmcp", "lambda", "clap", "tokio"]),
    ("eks-logs-findings", &["aws-", "rmcp", "lambda", "clap", "tokio"]),
    ("eks-logs-tools", &["aws-", "rmcp", "lambda", "clap", "tokio"]),
    ("eks-logs-aws", &["rmcp", "lambda", "clap"]),
    ("eks-logs-mcp", &["aws-sdk", "aws-config", "lambda"]),
    ("eks-logs-lambda", &["rmcp", "clap"]),
];

/// Names in the given tables of a manifest.
fn dependencies(krate: &str, tables: &[&str]) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
    let mut table = String::new();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').to_owned();
        } else if tables.contains(&table.as_str()) {
            let name: String =
                line.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
            if !name.is_empty() {
                found.insert(name);
            }
        }
    }
    found
}

#[test]
fn arrows_point_one_way() {
    let ours: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    for (krate, allowed) in ARROWS {
        for dependency in dependencies(krate, &["dependencies", "build-dependencies"]) {
            if ours.contains_key(dependency.as_str()) {
                assert!(allowed.contains(&dependency.as_str()), "{krate} must not depend on {dependency}");
            }
        }
    }
    for (krate, never) in NEVER {
        for dependency in dependencies(krate, &["dependencies", "build-dependencies", "dev-dependencies"]) {
            assert!(!never.iter().any(|name| dependency.starts_with(name)), "{krate} must not know {dependency}");
        }
    }
}

#[test]
fn every_crate_of_the_workspace_has_its_arrows() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: BTreeSet<&str> = members.split('"').skip(1).step_by(2).collect();
    assert_eq!(members, ARROWS.iter().map(|(krate, _)| *krate).collect());
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for (krate, _) in ARROWS {
        assert!(map.contains(&format!("**{krate}**")), "docs/ARCHITECTURE.md does not describe {krate}");
    }
}

/// Rust files below a directory.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_do_one_thing() {
    let mut found = Vec::new();
    for (krate, _) in ARROWS {
        sources(&root().join(krate), &mut found);
    }
    assert!(found.len() > 30);
    for path in found {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

/// The findings crate analyses: what touches files, clocks or the environment stands elsewhere.
#[test]
fn analysis_opens_nothing() {
    let mut found = Vec::new();
    sources(&root().join("eks-logs-findings/src"), &mut found);
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in
            ["std::fs", "std::net", "std::env", "SystemTime", "Instant::now", "Timestamp::now", "println!", "eprintln!"]
        {
            assert!(!code.contains(word), "{} uses {word}", path.display());
        }
    }
}
