//! Answers of ipamd's introspection endpoint that are one JSON object of names and values: `ipamd-env-settings.json`,
//! `networkutils-env-settings.json`, `eni-configs.json`, and the `pods.json` of old releases.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{Places, last, read};
use super::{Parsed, Span};

/// A setting as ipamd uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Where it stands, with its name.
    pub span: Span,
    /// Its value.
    pub value: Value,
}

impl Setting {
    /// Its value in the form of an environment variable: a text without quotes, anything else as JSON.
    pub fn text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Reads the settings, by name. The name of an ENIConfig alone (`"eu-west-1a"`, as new releases answer) is the setting `name`.
pub fn parse(text: &[u8]) -> Parsed<BTreeMap<Box<str>, Setting>> {
    let mut parsed = Parsed::new(BTreeMap::new());
    let places = Places::new(text);
    let Some(document) = last(&places, &mut parsed) else { return parsed };
    if let Ok(name) = serde_json::from_str::<String>(document.get()) {
        let setting = Setting { span: places.of(document.get()), value: Value::String(name) };
        parsed.value.insert("name".into(), setting);
        return parsed;
    }
    let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(document.get()) else {
        parsed.problem(places.of(document.get()), "expected an object of names and values");
        return parsed;
    };
    for (name, raw) in members {
        if let Some(value) = read(&places, &mut parsed, raw) {
            let span = places.member(&name, raw);
            parsed.value.insert(name.into(), Setting { span, value });
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = r#"{"AWS_VPC_CNI_NODE_PORT_SUPPORT":true,"AWS_VPC_ENI_MTU":9001,"AWS_VPC_K8S_CNI_EXTERNALSNAT":false,"AWS_VPC_K8S_CNI_VETHPREFIX":"eni"}"#;

    #[test]
    fn settings_with_their_places() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let snat = &parsed.value["AWS_VPC_K8S_CNI_EXTERNALSNAT"];
        assert_eq!(snat.text(), "false");
        assert_eq!(&NODE[snat.span.start as usize..snat.span.end as usize], "\"AWS_VPC_K8S_CNI_EXTERNALSNAT\":false");
        assert_eq!(parsed.value["AWS_VPC_K8S_CNI_VETHPREFIX"].text(), "eni");
        assert_eq!(parse(b"\"eu-west-1a\"\n").value["name"].text(), "eu-west-1a");
        assert_eq!(parse(b"404 page not found\n").problem_count, 1);
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(made in prop::collection::btree_map("[A-Z_]{1,9}", prop_oneof![any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from), "[ -~]{0,9}".prop_map(Value::from)], 0..8)) {
            let text = serde_json::to_string(&made).unwrap();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: BTreeMap<_, _> = parsed.value.into_iter().map(|(name, setting)| (name.to_string(), setting.value)).collect();
            prop_assert_eq!(read, made);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
