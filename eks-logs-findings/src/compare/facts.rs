//! Facts: settings and versions of a node, typed by section and key. Filled from the state files whose form is known; a check or parser
//! that knows a state better adds its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use bytes::Bytes;
use eks_logs_core::{Located, StoreExt, StorePath};
use serde::Deserialize;
use serde_json::Value;

use crate::finding::Scan;

/// The largest file that facts are read from, in bytes: settings are small.
const LARGEST: u64 = 8 << 20;
/// The longest value that is kept, in bytes.
const LONGEST: usize = 300;
/// How deep settings nest at most.
const DEEPEST: usize = 12;

/// What a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactKey {
    /// What it belongs to: `kubelet`, `sysctl`, `package`, ...
    pub section: String,
    /// The setting; nested ones with dots.
    pub key: String,
}

/// One setting or version, and the file that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its value as printed.
    pub value: String,
    /// The file, relative to the bundle's root.
    pub file: String,
}

/// All that is known of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    facts: BTreeMap<FactKey, Fact>,
    sections: BTreeSet<String>,
}

impl Facts {
    /// Adds a fact. Of two values of one key the first stays.
    pub fn insert(&mut self, section: &str, key: &str, value: &str, file: &str) {
        self.sections.insert(section.to_owned());
        let mut value = value.to_owned();
        if value.len() > LONGEST {
            let mut end = LONGEST;
            while !value.is_char_boundary(end) {
                end -= 1;
            }
            value.truncate(end);
            value.push('\u{2026}');
        }
        let key = FactKey { section: section.to_owned(), key: key.to_owned() };
        self.facts.entry(key).or_insert_with(|| Fact { value, file: file.to_owned() });
    }

    /// Notes that a section's file was read, whatever it held.
    pub fn collected(&mut self, section: &str) {
        self.sections.insert(section.to_owned());
    }

    /// Whether the section's file was collected.
    pub fn has_section(&self, section: &str) -> bool {
        self.sections.contains(section)
    }

    /// One fact.
    pub fn get(&self, key: &FactKey) -> Option<&Fact> {
        self.facts.get(key)
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &FactKey> {
        self.facts.keys()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    file: Vec<FileRow>,
    volatile: BTreeMap<String, Vec<String>>,
    environment: Environment,
    packages: Packages,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    source: String,
    section: String,
    form: Form,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Json,
    Toml,
    Assignments,
    Packages,
    Uname,
    Environment,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Environment {
    prefixes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Packages {
    names: Vec<String>,
}

fn data() -> Option<&'static Data> {
    static DATA: OnceLock<Option<Data>> = OnceLock::new();
    // A file that does not parse fails the test `the_data_is_sound`.
    DATA.get_or_init(|| toml::from_str(include_str!("../../data/facts.toml")).ok()).as_ref()
}

/// The facts of a bundle, from the state files that the scan has seen.
///
/// # Errors
/// The store's, if a file that the scan has seen cannot be read.
pub async fn facts(bundle: &Located, scan: &Scan) -> Result<Facts, eks_logs_core::Error> {
    let mut facts = Facts::default();
    let Some(data) = data() else { return Ok(facts) };
    for file in &scan.files {
        let Some(row) = data.file.iter().find(|row| row.source == file.source.name()) else { continue };
        if file.bytes == 0 || file.bytes > LARGEST {
            continue;
        }
        let content = content(bundle, &file.file).await?;
        facts.collected(&row.section);
        let text = String::from_utf8_lossy(&content);
        let mut add = |key: &str, value: &str| {
            if !is_volatile(data, &row.section, key) {
                facts.insert(&row.section, key, value, &file.file);
            }
        };
        match row.form {
            Form::Json => json(&text, &mut add),
            Form::Toml => from_toml(&text, &mut add),
            Form::Assignments => assignments(&text, &mut add),
            Form::Packages => packages(&text, &data.packages.names, &mut add),
            Form::Uname => uname(&text, &mut add),
            Form::Environment => environment(&text, &data.environment.prefixes, &mut add),
        }
    }
    Ok(facts)
}

/// The content of a file of the bundle. An archive may have a directory of its own around the bundle, which the scan leaves out.
async fn content(bundle: &Located, file: &str) -> Result<Bytes, eks_logs_core::Error> {
    let below = |path: &str| match bundle.root.is_root() {
        true => StorePath::parse(path),
        false => StorePath::parse(&format!("{}/{path}", bundle.root)),
    };
    let path = below(file)?;
    match bundle.store.get_all(&path).await {
        Err(eks_logs_core::Error::NotFound { .. }) => {}
        answered => return answered,
    }
    let all = bundle.store.list_all(&bundle.root).await?;
    let inner = |path: &StorePath| {
        let path = path.below(&bundle.root).unwrap_or_else(|| path.clone());
        path.split_first().1 == Some(file)
    };
    match all.into_iter().find(|object| inner(&object.path)) {
        Some(object) => bundle.store.get_all(&object.path).await,
        None => Err(eks_logs_core::Error::NotFound { path: path.to_string() }),
    }
}

fn is_volatile(data: &Data, section: &str, key: &str) -> bool {
    data.volatile.get(section).into_iter().flatten().any(|entry| matches(entry, key))
}

/// An entry is a name, or has one `*` that stands for anything.
fn matches(entry: &str, key: &str) -> bool {
    match entry.split_once('*') {
        Some((front, back)) => key.len() >= front.len() + back.len() && key.starts_with(front) && key.ends_with(back),
        None => entry == key,
    }
}

fn json(text: &str, add: &mut impl FnMut(&str, &str)) {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        flatten("", &value, 0, add);
    }
}

fn from_toml(text: &str, add: &mut impl FnMut(&str, &str)) {
    if let Ok(table) = toml::from_str::<Value>(text) {
        flatten("", &table, 0, add);
    }
}

fn flatten(prefix: &str, value: &Value, depth: usize, add: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(fields) if depth < DEEPEST => {
            for (name, inner) in fields {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&key, inner, depth + 1, add);
            }
        }
        Value::String(text) => add(prefix, text),
        Value::Null => {}
        other => add(prefix, &other.to_string()),
    }
}

/// `key = value`, as sysctl prints.
fn assignments(text: &str, add: &mut impl FnMut(&str, &str)) {
    for line in text.lines() {
        if let Some((key, value)) = line.split_once(" = ") {
            add(key.trim(), value.trim());
        }
    }
}

/// `Linux host release version machine`
fn uname(text: &str, add: &mut impl FnMut(&str, &str)) {
    let Some(line) = text.lines().find(|line| line.starts_with("Linux ")) else { return };
    let words: Vec<&str> = line.split_whitespace().collect();
    if let Some(release) = words.get(2) {
        add("release", release);
    }
    let machine = words.iter().rev().find(|word| matches!(**word, "x86_64" | "aarch64"));
    if let Some(machine) = machine {
        add("machine", machine);
    }
}

/// `name-version-release.arch`, as rpm prints; `ii  name  version  arch  description`, as dpkg does.
fn packages(text: &str, names: &[String], add: &mut impl FnMut(&str, &str)) {
    let wanted = |name: &str| names.iter().any(|entry| matches(entry, name));
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (name, version) = match (words.next(), words.next(), words.next()) {
            (Some("ii" | "hi"), Some(name), Some(version)) => (name.split(':').next().unwrap_or(name), version),
            (Some(package), None, None) => {
                // Neither version nor release hold a dash; the name may.
                let mut parts = package.rsplitn(3, '-');
                let (Some(release), Some(version), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
                    continue;
                };
                (name, &package[package.len() - release.len() - version.len() - 1..])
            }
            _ => continue,
        };
        if wanted(name) {
            add(name, version);
        }
    }
}

/// `"NAME=value"` in the environments of containers, as containerd and docker print them.
fn environment(text: &str, prefixes: &[String], add: &mut impl FnMut(&str, &str)) {
    for line in text.lines() {
        let line = line.trim().trim_end_matches(',');
        let Some(inner) = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { continue };
        let Some((name, value)) = inner.split_once('=') else { continue };
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if is_name && prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())) {
            add(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use eks_logs_core::Layout;
    use proptest::prelude::*;

    use super::*;

    type Form = fn(&str, &mut dyn FnMut(&str, &str));

    fn read(form: Form, text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        form(text, &mut |key: &str, value: &str| found.push((key.to_owned(), value.to_owned())));
        found
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_data_is_sound() {
        let data = data().unwrap();
        for row in &data.file {
            assert!(Layout::builtin().source(&row.source).is_some(), "{}", row.source);
        }
    }

    #[test]
    fn forms_are_read() {
        let names = |text: &str, mut add: &mut dyn FnMut(&str, &str)| {
            packages(text, &["containerd".to_owned(), "kernel*".to_owned()], &mut add);
        };
        assert_eq!(
            read(
                names,
                "containerd-2.1.4-1.amzn2023.x86_64\nbash-5.2-1.x86_64\nii  containerd  1.7.2-0ubuntu1  amd64  daemon\nkernel-tools-6.1.1-2.x86_64\n"
            ),
            pairs(&[
                ("containerd", "2.1.4-1.amzn2023.x86_64"),
                ("containerd", "1.7.2-0ubuntu1"),
                ("kernel-tools", "6.1.1-2.x86_64")
            ])
        );
        assert_eq!(
            read(|text, mut add| json(text, &mut add), r#"{"maxPods":110,"a":{"b":"c"},"n":null}"#),
            pairs(&[("a.b", "c"), ("maxPods", "110")])
        );
        assert_eq!(
            read(|text, mut add| from_toml(text, &mut add), "version = 2\n[plugins.x]\ny = [1]"),
            pairs(&[("plugins.x.y", "[1]"), ("version", "2")])
        );
        assert_eq!(
            read(|text, mut add| assignments(text, &mut add), "vm.swappiness = 60\nsysctl: denied"),
            pairs(&[("vm.swappiness", "60")])
        );
        assert_eq!(
            read(
                |text, mut add| uname(text, &mut add),
                "Linux ip-10-0-0-1 6.1.1-2.amzn2023.x86_64 #1 SMP x86_64 GNU/Linux"
            ),
            pairs(&[("release", "6.1.1-2.amzn2023.x86_64"), ("machine", "x86_64")])
        );
        let env = |text: &str, mut add: &mut dyn FnMut(&str, &str)| environment(text, &["WARM_".to_owned()], &mut add);
        assert_eq!(read(env, "  \"WARM_ENI_TARGET=1\",\n  \"TOKEN=secret\"\n"), pairs(&[("WARM_ENI_TARGET", "1")]));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(?s).{0,200}") {
            let mut add = |_: &str, _: &str| {};
            json(&text, &mut add);
            from_toml(&text, &mut add);
            assignments(&text, &mut add);
            packages(&text, &["*".to_owned()], &mut add);
            uname(&text, &mut add);
            environment(&text, &["".to_owned()], &mut add);
        }
    }
}
