//! kubelet's configuration: kubelet/config.json and the drop-ins of kubelet/config.json.d (nodeadm), kubelet/kubelet-config.json (AL2).
//! kubelet merges drop-ins in the order of their names, as JSON Merge Patch (RFC 7396) does: mappings key by key, lists as a whole.

use std::collections::BTreeMap;

use super::document::{self, Node, Value};
use super::{Parsed, Span};

/// What a setting is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// One value, as text without quotes.
    One(String),
    /// A list of values.
    Many(Vec<String>),
}

/// A setting and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cited {
    /// Which of the merged files it is from.
    pub file: usize,
    /// Where it stands there.
    pub span: Span,
    /// The setting.
    pub setting: Setting,
}

/// Settings by their path, its parts joined by `/`: `maxPods`, `evictionHard/memory.available`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeletConfig {
    settings: BTreeMap<String, Cited>,
}

impl KubeletConfig {
    /// Merges files in the order in which kubelet reads them.
    pub fn merged<'a>(files: impl IntoIterator<Item = &'a Node>) -> Self {
        let mut merged = Self::default();
        for (file, node) in files.into_iter().enumerate() {
            merged.patch(file, "", node);
        }
        merged
    }

    fn patch(&mut self, file: usize, path: &str, node: &Node) {
        if let Value::Map(map) = &node.value {
            self.settings.remove(path);
            for (key, node) in map {
                let below = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
                self.patch(file, &below, node);
            }
            return;
        }
        let below = format!("{path}/");
        self.settings.retain(|known, _| known != path && !known.starts_with(&below));
        let setting = match &node.value {
            Value::Scalar(text) if text == "null" => return,
            Value::Scalar(text) => Setting::One(text.clone()),
            Value::List(items) => {
                Setting::Many(items.iter().map(|item| item.scalar().unwrap_or("...").to_owned()).collect())
            }
            Value::Map(_) => return,
        };
        self.settings.insert(path.to_owned(), Cited { file, span: node.span, setting });
    }

    /// True when no file said anything.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// A setting.
    pub fn get(&self, path: &str) -> Option<&Cited> {
        self.settings.get(path)
    }

    /// The text of a setting that is one value.
    pub fn one(&self, path: &str) -> Option<(&Cited, &str)> {
        self.get(path).and_then(|cited| match &cited.setting {
            Setting::One(text) => Some((cited, text.as_str())),
            Setting::Many(_) => None,
        })
    }

    /// The values of a setting that is a list.
    pub fn many(&self, path: &str) -> Option<(&Cited, &[String])> {
        self.get(path).and_then(|cited| match &cited.setting {
            Setting::Many(items) => Some((cited, items.as_slice())),
            Setting::One(_) => None,
        })
    }

    /// The settings of a mapping, by key.
    pub fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a Cited)> {
        self.settings
            .iter()
            .filter_map(move |(known, cited)| Some((known.strip_prefix(path)?.strip_prefix('/')?, cited)))
    }
}

/// Reads one file; none when it is empty.
pub fn parse(file: &[u8]) -> Parsed<Option<Node>> {
    let mut parsed = document::parse(file);
    if let Some(node) = parsed.value.take_if(|node| !matches!(node.value, Value::Map(_))) {
        parsed.problem(node.span, "not a mapping of settings");
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(text: &str) -> Node {
        parse(text.as_bytes()).value.unwrap()
    }

    #[test]
    fn drop_ins_are_merged_as_kubelet_does() {
        let base = node(
            r#"{"maxPods": 29, "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%"}, "clusterDNS": ["10.100.0.10"], "providerID": "aws:///x"}"#,
        );
        let text = r#"{"maxPods": 110, "evictionHard": {"memory.available": "200Mi"}, "clusterDNS": ["169.254.20.10", "10.100.0.10"], "providerID": null}"#;
        let (first, last) = (node(text), node("maxPods: 58\n"));
        let merged = KubeletConfig::merged([&base, &first, &last]);
        let (cited, pods) = merged.one("maxPods").unwrap();
        assert_eq!((pods, cited.file, cited.span.line), ("58", 2, 1));
        let memory = merged.one("evictionHard/memory.available").unwrap();
        assert_eq!((memory.1, memory.0.file), ("200Mi", 1));
        assert_eq!(&text[memory.0.span.start as usize..memory.0.span.end as usize], r#""memory.available": "200Mi""#);
        assert_eq!(
            merged.below("evictionHard").map(|(key, _)| key).collect::<Vec<_>>(),
            ["memory.available", "nodefs.available"]
        );
        assert_eq!(merged.many("clusterDNS").unwrap().1.len(), 2);
        assert!(merged.get("providerID").is_none() && merged.one("evictionHard").is_none());
    }

    #[test]
    fn a_list_is_no_configuration() {
        assert_eq!(parse(b"[1]").problem_count, 1);
        assert_eq!(parse(b"\n"), Parsed::new(None));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(settings in proptest::collection::btree_map("[a-z]{1,9}", "[a-zA-Z0-9%]{1,9}[A-Z%]", 0..6), reserved in proptest::collection::btree_map("[a-z.]{1,9}", "[0-9]{1,4}Mi", 1..4)) {
            let printed = serde_json::json!({"A": settings, "kubeReserved": reserved}).to_string();
            let merged = KubeletConfig::merged([&node(&printed)]);
            let back: BTreeMap<_, _> = merged.below("kubeReserved").map(|(key, _)| (key.to_owned(), merged.one(&format!("kubeReserved/{key}")).unwrap().1.to_owned())).collect();
            prop_assert_eq!(back, reserved);
            prop_assert_eq!(merged.below("A").count(), settings.len());
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some(node) = parse(&file).value {
                KubeletConfig::merged([&node]);
            }
        }
    }
}
