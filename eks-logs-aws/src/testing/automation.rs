//! The state of the fake: documents, nodes, executions. Shapes and error names are those of SSM's API reference.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

/// An error as JSON 1.1 services answer it.
pub(super) struct Refused(pub(super) u16, pub(super) &'static str, pub(super) String);

/// What the fake knows of a node. One that it does not know is online and collects without trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeNode {
    /// Online, ConnectionLost, Inactive; empty for a node that SSM has never heard of.
    pub ping: String,
    /// When it was last heard of, seconds since 1970.
    pub last_ping: i64,
    /// Such as Amazon Linux.
    pub platform: String,
    /// The cluster's ARN in the tag of a hybrid activation.
    pub cluster_arn: Option<String>,
    /// The step that fails, and what is said of it.
    pub fails: Option<(String, String)>,
    /// Its starts are not answered: they do not take effect, or, with `true`, they do.
    pub hangs: Option<bool>,
}

impl Default for FakeNode {
    fn default() -> Self {
        Self {
            ping: "Online".to_owned(),
            last_ping: 1_795_000_000,
            platform: "Amazon Linux".to_owned(),
            cluster_arn: None,
            fails: None,
            hangs: None,
        }
    }
}

/// The steps of the document: what AWS documents of AWSSupport-CollectEKSInstanceLogs, under names of our own.
pub(super) const STEPS: [(&str, &str); 4] = [
    ("assertOperatingSystem", "aws:assertAwsResourceProperty"),
    ("collectLogs", "aws:runCommand"),
    ("checkLogDestination", "aws:branch"),
    ("uploadLogs", "aws:runCommand"),
];

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) region: String,
    pub(super) document: String,
    pub(super) node: String,
    pub(super) bucket: String,
    pub(super) token: Option<String>,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// The step at work; the number of steps when all are done.
    pub(super) step: usize,
    pub(super) state: &'static str,
    pub(super) message: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Automation {
    /// Newest last.
    pub(super) runs: Vec<Run>,
    pub(super) nodes: BTreeMap<String, FakeNode>,
    /// Regions in which the document is; empty for all.
    pub(super) document_regions: Vec<String>,
    pub(super) documents: Vec<String>,
    pub(super) number: u64,
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

fn text<'a>(request: &'a Value, name: &str) -> Option<&'a str> {
    request[name].as_str()
}

fn page(request: &Value, found: Vec<Value>, name: &str, most: usize) -> Value {
    let start = text(request, "NextToken").and_then(|token| token.parse().ok()).unwrap_or(0_usize);
    let size = request["MaxResults"].as_u64().map_or(most, |size| usize::try_from(size).unwrap_or(most));
    let end = (start + size).min(found.len());
    let mut answer = json!({ name: found.get(start..end).unwrap_or_default() });
    if end < found.len() {
        answer["NextToken"] = json!(end.to_string());
    }
    answer
}

impl Automation {
    fn has_document(&self, name: &str, region: &str) -> bool {
        let known = self.documents.iter().any(|known| known == name);
        known && (self.document_regions.is_empty() || self.document_regions.iter().any(|there| there == region))
    }

    pub(super) fn call(&mut self, operation: &str, request: &Value, region: &str) -> Option<Result<Value, Refused>> {
        Some(match operation {
            "DescribeDocument" => self.describe_document(request, region),
            "DescribeInstanceInformation" => self.information(request),
            "GetAutomationExecution" => self.get(request, region),
            "DescribeAutomationExecutions" => Ok(self.list(request, region)),
            "DescribeAutomationStepExecutions" => self.steps(request, region),
            "StopAutomationExecution" => self.stop(request, region),
            _ => return None,
        })
    }

    fn describe_document(&self, request: &Value, region: &str) -> Result<Value, Refused> {
        let name = text(request, "Name").unwrap_or_default();
        if !self.has_document(name, region) {
            return Err(Refused(400, "InvalidDocument", format!("Document with name {name} does not exist.")));
        }
        Ok(json!({ "Document": {
            "Name": name, "Status": "Active", "DocumentType": "Automation", "Owner": "Amazon", "DocumentVersion": "1",
        } }))
    }

    fn information(&self, request: &Value) -> Result<Value, Refused> {
        if let Some(size) = request["MaxResults"].as_u64()
            && !(5..=50).contains(&size)
        {
            return Err(Refused(400, "ValidationException", format!("MaxResults {size} is not between 5 and 50")));
        }
        let (mut asked, mut cluster) = (None, None);
        for filter in request["Filters"].as_array().into_iter().flatten() {
            let values: Vec<String> = filter["Values"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            match text(filter, "Key") {
                Some("InstanceIds") if values.len() > 50 => {
                    return Err(Refused(400, "ValidationException", "more than 50 values in a filter".to_owned()));
                }
                Some("InstanceIds") => asked = Some(values),
                Some("tag:EKSClusterARN") => cluster = values.into_iter().next(),
                other => return Err(Refused(400, "InvalidFilterKey", format!("no filter {other:?}"))),
            }
        }
        let row = |id: &str, node: &FakeNode| {
            json!({
                "InstanceId": id, "PingStatus": node.ping, "LastPingDateTime": node.last_ping, "AgentVersion": "3.3.1611.0",
                "PlatformType": "Linux", "PlatformName": node.platform, "PlatformVersion": "2023",
                "ResourceType": if id.starts_with("mi-") { "ManagedInstance" } else { "EC2Instance" },
                "IPAddress": "10.0.0.1", "ComputerName": format!("{id}.internal"),
            })
        };
        let found = match (asked, cluster) {
            (Some(ids), _) => {
                let known = |id: &String| match self.nodes.get(id) {
                    Some(node) if node.ping.is_empty() => None,
                    Some(node) => Some(row(id, node)),
                    // A hybrid node must have been registered.
                    None if id.starts_with("mi-") => None,
                    None => Some(row(id, &FakeNode::default())),
                };
                ids.iter().filter_map(known).collect()
            }
            (None, Some(arn)) => {
                let of_cluster = |(_, node): &(&String, &FakeNode)| node.cluster_arn.as_ref() == Some(&arn);
                self.nodes.iter().filter(of_cluster).map(|(id, node)| row(id, node)).collect()
            }
            (None, None) => self.nodes.iter().map(|(id, node)| row(id, node)).collect(),
        };
        Ok(page(request, found, "InstanceInformationList", 50))
    }

    /// Registers a run, or finds the one of the same token.
    pub(super) fn start(&mut self, request: &Value, region: &str, now: Timestamp) -> Result<(Run, bool), Refused> {
        let document = text(request, "DocumentName").unwrap_or_default().to_owned();
        if !self.has_document(&document, region) {
            let said = format!("Automation definition {document} does not exist.");
            return Err(Refused(400, "AutomationDefinitionNotFoundException", said));
        }
        let parameter = |name: &str| request["Parameters"][name][0].as_str().unwrap_or_default().to_owned();
        let (node, bucket) = (parameter("EKSInstanceId"), parameter("LogDestination"));
        if node.is_empty() {
            let said = "the required parameter EKSInstanceId is missing".to_owned();
            return Err(Refused(400, "InvalidAutomationExecutionParametersException", said));
        }
        let token = text(request, "ClientToken").map(str::to_owned);
        if let Some(there) = self.runs.iter().find(|run| token.is_some() && run.token == token) {
            if (&there.node, there.region.as_str()) != (&node, region) {
                return Err(Refused(400, "IdempotentParameterMismatch", "another request used this token".to_owned()));
            }
            return Ok((there.clone(), false));
        }
        self.number += 1;
        let run = Run {
            id: format!("{:08x}-0000-4000-8000-{:012x}", std::process::id(), self.number),
            region: region.to_owned(),
            document,
            node,
            bucket,
            token,
            started: now,
            ended: None,
            step: 0,
            state: "InProgress",
            message: None,
        };
        self.runs.push(run.clone());
        Ok((run, true))
    }

    pub(super) fn run(&mut self, id: &str) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.id == id)
    }

    fn find(&self, request: &Value, region: &str) -> Result<&Run, Refused> {
        let id = text(request, "AutomationExecutionId").unwrap_or_default();
        self.runs.iter().find(|run| run.id == id && run.region == region).ok_or_else(|| {
            Refused(400, "AutomationExecutionNotFoundException", format!("Automation execution {id} was not found."))
        })
    }

    fn get(&self, request: &Value, region: &str) -> Result<Value, Refused> {
        let run = self.find(request, region)?;
        let mut execution = run.summary();
        execution["Parameters"] = json!({ "EKSInstanceId": [run.node], "LogDestination": [run.bucket] });
        execution["StepExecutions"] = json!(run.steps());
        execution["StepExecutionsTruncated"] = json!(false);
        Ok(json!({ "AutomationExecution": execution }))
    }

    fn steps(&self, request: &Value, region: &str) -> Result<Value, Refused> {
        let run = self.find(request, region)?;
        Ok(page(request, run.steps(), "StepExecutions", 50))
    }

    fn list(&self, request: &Value, region: &str) -> Value {
        let mut found: Vec<&Run> = self.runs.iter().rev().filter(|run| run.region == region).collect();
        for filter in request["Filters"].as_array().into_iter().flatten() {
            let values: Vec<&str> =
                filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let first = values.first().copied().unwrap_or_default();
            match text(filter, "Key") {
                Some("DocumentNamePrefix") => {
                    found.retain(|run| values.iter().any(|prefix| run.document.starts_with(prefix)));
                }
                Some("ExecutionStatus") => found.retain(|run| values.contains(&run.state)),
                Some("StartTimeAfter") => {
                    if let Ok(after) = first.parse::<Timestamp>() {
                        found.retain(|run| run.started >= after);
                    }
                }
                _ => {}
            }
        }
        page(request, found.into_iter().map(Run::summary).collect(), "AutomationExecutionMetadataList", 50)
    }

    fn stop(&mut self, request: &Value, region: &str) -> Result<Value, Refused> {
        let id = self.find(request, region)?.id.clone();
        if let Some(run) = self.run(&id)
            && run.ended.is_none()
        {
            (run.state, run.ended) = ("Cancelled", Some(Timestamp::now()));
        }
        Ok(json!({}))
    }
}

impl Run {
    fn summary(&self) -> Value {
        let mut summary = json!({
            "AutomationExecutionId": self.id,
            "DocumentName": self.document,
            "DocumentVersion": "1",
            "AutomationExecutionStatus": self.state,
            "ExecutionStartTime": seconds(self.started),
            "ExecutedBy": "arn:aws:sts::123456789012:assumed-role/operator/session",
            "Mode": "Auto",
            "Outputs": {},
        });
        if let Some(ended) = self.ended {
            summary["ExecutionEndTime"] = json!(seconds(ended));
        }
        if let Some(message) = &self.message {
            summary["FailureMessage"] = json!(message);
        }
        summary
    }

    fn steps(&self) -> Vec<Value> {
        let state = |number: usize| match number.cmp(&self.step) {
            std::cmp::Ordering::Less => "Success",
            std::cmp::Ordering::Equal => self.state,
            std::cmp::Ordering::Greater => "Pending",
        };
        let step = |(number, (name, action)): (usize, &(&str, &str))| {
            let mut step = json!({ "StepName": name, "Action": action, "StepStatus": state(number), "StepExecutionId": format!("{}-{number}", self.id) });
            if number <= self.step {
                step["ExecutionStartTime"] = json!(seconds(self.started));
            }
            if number == self.step
                && let Some(message) = &self.message
            {
                step["FailureMessage"] = json!(message);
            }
            step
        };
        STEPS.iter().enumerate().map(step).collect()
    }
}

/// How long a step takes when nobody says otherwise.
pub(super) const STEP: Duration = Duration::from_secs(2);
