//! What `ctr container info` (one object each, one behind another) and `docker inspect` (an array each) say of aws-node's containers: the
//! environment that configures the CNI. Stopped containers are listed too.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{Places, documents};
use super::{Parsed, Span};

/// A container and its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Where its first variable stands.
    pub span: Span,
    /// Its id.
    pub id: Box<str>,
    /// Its name in the pod: `aws-node`, `aws-vpc-cni-init`, `aws-eks-nodeagent`; empty where no label tells.
    pub name: Box<str>,
    /// Its image.
    pub image: Box<str>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its environment, in order.
    pub environment: Vec<Variable>,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Where it stands.
    pub span: Span,
    /// Its name.
    pub name: Box<str>,
    /// Its value.
    pub value: Box<str>,
}

impl Container {
    /// A variable; the last of that name counts.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.environment.iter().rev().find(|variable| &*variable.name == name)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File<'a> {
    #[serde(rename = "ID", alias = "Id")]
    id: String,
    #[serde(rename = "Labels")]
    labels: Option<std::collections::BTreeMap<String, String>>,
    #[serde(rename = "Image")]
    image: String,
    #[serde(rename = "CreatedAt", alias = "Created")]
    created: String,
    #[serde(rename = "Spec", borrow)]
    spec: SpecFile<'a>,
    #[serde(rename = "Config", borrow)]
    config: ConfigFile<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecFile<'a> {
    #[serde(borrow)]
    process: ProcessFile<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ProcessFile<'a> {
    #[serde(borrow)]
    env: Vec<&'a RawValue>,
}

/// Docker's part.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigFile<'a> {
    #[serde(rename = "Env", borrow)]
    env: Vec<&'a RawValue>,
    #[serde(rename = "Labels")]
    labels: Option<std::collections::BTreeMap<String, String>>,
    #[serde(rename = "Image")]
    image: String,
}

/// Reads the containers.
pub fn parse(text: &[u8]) -> Parsed<Vec<Container>> {
    let mut parsed = Parsed::new(Vec::<Container>::new());
    let places = Places::new(text);
    for document in documents(&places, &mut parsed) {
        let inspected = serde_json::from_str::<Vec<&RawValue>>(document.get()).unwrap_or_else(|_| vec![document]);
        for raw in inspected {
            match serde_json::from_str::<File<'_>>(raw.get()) {
                // The collector writes with `>`, but an id that comes twice is still one container: the last.
                Ok(file) => {
                    let container = container(&places, raw, file);
                    parsed.value.retain(|known| known.id != container.id || container.id.is_empty());
                    parsed.value.push(container);
                }
                Err(why) => parsed.problem(places.of(raw.get()), format!("not a container: {why}")),
            }
        }
    }
    parsed
}

fn container(places: &Places<'_>, raw: &RawValue, file: File<'_>) -> Container {
    let labels = file.labels.or(file.config.labels).unwrap_or_default();
    let env = if file.spec.process.env.is_empty() { file.config.env } else { file.spec.process.env };
    let variables = env.into_iter().filter_map(|raw| {
        let text: String = serde_json::from_str(raw.get()).ok()?;
        let (name, value) = text.split_once('=')?;
        Some(Variable { span: places.of(raw.get()), name: name.into(), value: value.into() })
    });
    let environment: Vec<_> = variables.collect();
    let image = if file.config.image.is_empty() { file.image } else { file.config.image };
    Container {
        span: environment.first().map_or_else(|| places.of(raw.get()), |first| first.span),
        id: file.id.into(),
        name: labels.get("io.kubernetes.container.name").map(String::as_str).unwrap_or_default().into(),
        image: image.into(),
        created: file.created.parse().ok(),
        environment,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = r#"{
    "ID": "4711aa",
    "Labels": {"io.kubernetes.container.name": "aws-node"},
    "Image": "602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.18.1",
    "CreatedAt": "2026-11-22T06:00:00.123456789Z",
    "Spec": {"ociVersion": "1.1.0", "process": {"env": ["PATH=/usr/bin", "WARM_ENI_TARGET=1", "ENABLE_POD_ENI=true", "WARM_ENI_TARGET=2"]}}
}
ctr: container "4712bb": not found
"#;

    const DOCKER: &str = r#"[{"Id": "9", "Created": "2021-03-04T05:06:07Z", "Image": "sha256:1", "Config": {"Env": ["AWS_VPC_ENI_MTU=9001"],
 "Image": "amazon-k8s-cni", "Labels": {"io.kubernetes.container.name": "aws-node"}}}]"#;

    #[test]
    fn environments_of_both_runtimes() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problem_count, 1, "the tool's complaint is not JSON");
        let node = &parsed.value[0];
        let warm = node.variable("WARM_ENI_TARGET").unwrap();
        assert_eq!((&*node.name, &*warm.value, warm.span.line), ("aws-node", "2", 6));
        assert_eq!(&NODE[warm.span.start as usize..warm.span.end as usize], "\"WARM_ENI_TARGET=2\"");
        let docker = parse(DOCKER.as_bytes()).value;
        assert_eq!(
            (&*docker[0].image, docker[0].variable("AWS_VPC_ENI_MTU").map(|v| &*v.value)),
            ("amazon-k8s-cni", Some("9001"))
        );
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(made in prop::collection::btree_map("[0-9a-f]{4}", prop::collection::vec(("[A-Z_]{1,8}", "[ -~]{0,8}"), 0..5), 0..4)) {
            let mut text = String::new();
            for (id, env) in &made {
                let env: Vec<_> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let container = serde_json::json!({"ID": id, "Labels": {}, "Spec": {"process": {"env": env}}});
                text += &(serde_json::to_string_pretty(&container).unwrap() + "\n");
            }
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: std::collections::BTreeMap<_, _> = parsed.value.into_iter().map(|c| (c.id.to_string(), c.environment.into_iter().map(|v| (v.name.to_string(), v.value.to_string())).collect::<Vec<_>>())).collect();
            prop_assert_eq!(read, made);
        }

        #[test]
        fn any_bytes_are_survived(text in prop_oneof![damaged(NODE), damaged(DOCKER)]) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
