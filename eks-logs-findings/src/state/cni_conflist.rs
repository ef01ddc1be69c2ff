//! CNI configuration of `/etc/cni/net.d`: a list of plugins (`.conflist`) or one plugin (`.conf`).

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::json::{Places, last, read};
use super::{Parsed, Span};

/// A network and its plugins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CniConfig {
    /// The network's name: `aws-cni`, `cilium` ...
    pub name: Option<Box<str>>,
    /// The plugins in the order in which they are called.
    pub plugins: Vec<Plugin>,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// Where it stands.
    pub span: Span,
    /// The program: `aws-cni`, `portmap`, `egress-cni` ...
    pub kind: Box<str>,
    /// All that it is told.
    pub settings: Map<String, Value>,
}

impl CniConfig {
    /// The plugin of that program.
    pub fn plugin(&self, kind: &str) -> Option<&Plugin> {
        self.plugins.iter().find(|plugin| &*plugin.kind == kind)
    }
}

#[derive(serde::Deserialize)]
struct ListFile<'a> {
    name: Option<String>,
    #[serde(borrow)]
    plugins: Option<Vec<&'a RawValue>>,
}

/// Reads one file.
pub fn parse(text: &[u8]) -> Parsed<CniConfig> {
    let mut parsed = Parsed::new(CniConfig::default());
    let places = Places::new(text);
    let Some(document) = last(&places, &mut parsed) else { return parsed };
    let list: ListFile<'_> = match serde_json::from_str(document.get()) {
        Ok(list) => list,
        Err(why) => {
            parsed.problem(places.of(document.get()), format!("unexpected JSON: {why}"));
            return parsed;
        }
    };
    parsed.value.name = list.name.map(Into::into);
    for raw in list.plugins.unwrap_or_else(|| vec![document]) {
        let Some(settings) = read::<Map<String, Value>, _>(&places, &mut parsed, raw) else { continue };
        match settings.get("type").and_then(Value::as_str) {
            Some(kind) => {
                let plugin = Plugin { span: places.of(raw.get()), kind: kind.into(), settings };
                parsed.value.plugins.push(plugin);
            }
            None => parsed.problem(places.of(raw.get()), "a plugin without a type"),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = r#"{
  "cniVersion": "0.4.0",
  "name": "aws-cni",
  "plugins": [
    {"name": "aws-cni", "type": "aws-cni", "vethPrefix": "eni", "mtu": "9001", "podSGEnforcingMode": "strict"},
    {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}
  ]
}"#;

    #[test]
    fn a_list_and_a_single_plugin() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let config = parsed.value;
        assert_eq!(config.name.as_deref(), Some("aws-cni"));
        let aws = config.plugin("aws-cni").unwrap();
        assert_eq!((aws.settings["mtu"].as_str(), aws.span.line), (Some("9001"), 5));
        assert_eq!(config.plugins.len(), 2);
        let single = parse(br#"{"cniVersion":"0.3.1","name":"cilium","type":"cilium-cni"}"#).value;
        assert_eq!(single.plugins.len(), 1);
        assert_eq!(parse(b"apiVersion: v1\nkind: Config\n").problem_count, 2);
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(name in "[a-z-]{1,9}", kinds in prop::collection::vec("[a-z-]{1,9}", 0..5)) {
            let plugins: Vec<_> = kinds.iter().map(|kind| serde_json::json!({"type": kind, "mtu": 9001})).collect();
            let text = serde_json::to_string_pretty(&serde_json::json!({"cniVersion": "0.4.0", "name": name, "plugins": plugins})).unwrap();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            prop_assert_eq!(parsed.value.name.as_deref(), Some(name.as_str()));
            prop_assert_eq!(parsed.value.plugins.iter().map(|plugin| plugin.kind.to_string()).collect::<Vec<_>>(), kinds);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
