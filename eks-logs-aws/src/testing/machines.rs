//! Clusters with thousands of machines, answered as EC2 and EKS answer: in pages. An emulator that makes them one by one takes minutes.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// A cluster that the fake knows.
#[derive(Clone, Debug)]
pub struct FakeCluster {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub region: String,
    /// Its managed nodegroups.
    pub groups: Vec<FakeGroup>,
}

/// A managed nodegroup, whose machines all run.
#[derive(Clone, Debug)]
pub struct FakeGroup {
    /// Its name.
    pub name: String,
    /// Such as m5.large.
    pub instance_type: String,
    /// How many machines it has.
    pub nodes: usize,
}

/// An answer of the fake for another service.
pub(super) enum Answer {
    Json(Value),
    Xml(u16, String),
}

#[derive(Debug)]
struct Machine {
    id: String,
    kind: String,
    zone: String,
    number: usize,
    tags: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Machines {
    clusters: BTreeMap<String, FakeCluster>,
    /// By region, in the order in which they were made.
    machines: BTreeMap<String, Vec<Machine>>,
    made: usize,
}

/// Filters of one question: names, with the values of which one must fit.
type Filters = Vec<(String, Vec<String>)>;

/// Rows of one page, if nothing is said, and at the most.
const PAGE: usize = 1000;
/// Names of nodegroups on one page.
const GROUPS: usize = 100;

impl Machines {
    pub(super) fn add(&mut self, cluster: FakeCluster) -> Vec<String> {
        let mut ids = Vec::new();
        let there = self.machines.entry(cluster.region.clone()).or_default();
        for group in &cluster.groups {
            for _ in 0..group.nodes {
                self.made += 1;
                let id = format!("i-{:017x}", 0xfa_0000_0000 + self.made);
                let zone = ["a", "b", "c"][self.made % 3];
                ids.push(id.clone());
                there.push(Machine {
                    id,
                    kind: group.instance_type.clone(),
                    zone: format!("{}{zone}", cluster.region),
                    number: self.made,
                    tags: vec![
                        ("eks:cluster-name".to_owned(), cluster.name.clone()),
                        ("eks:nodegroup-name".to_owned(), group.name.clone()),
                        (format!("kubernetes.io/cluster/{}", cluster.name), "owned".to_owned()),
                    ],
                });
            }
        }
        self.clusters.insert(cluster.name.clone(), cluster);
        ids
    }

    /// What is answered to a request, if it is about a cluster or a region with machines of the fake.
    pub(super) fn answer(&self, line: &str, body: &[u8], region: &str, url: &str) -> Option<Answer> {
        let mut words = line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        if method == "GET" && target.starts_with("/clusters/") {
            return self.eks(target, region, url).map(Answer::Json);
        }
        let machines = self.machines.get(region)?;
        let asked = parameters(body);
        let of = |name: &str| asked.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str());
        (of("Action") == Some("DescribeInstances")).then(|| describe(machines, &asked))
    }

    fn eks(&self, target: &str, region: &str, url: &str) -> Option<Value> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut parts = path.trim_start_matches("/clusters/").split('/');
        let cluster = self.clusters.get(parts.next()?).filter(|cluster| cluster.region == region)?;
        let name = &cluster.name;
        match (parts.next(), parts.next()) {
            (None, _) => Some(json!({ "cluster": {
                "name": name, "status": "ACTIVE", "version": "1.33", "platformVersion": "eks.9", "endpoint": url,
                "arn": format!("arn:aws:eks:{region}:123456789012:cluster/{name}"),
            } })),
            (Some("node-groups"), None) => {
                let names: Vec<&str> = cluster.groups.iter().map(|group| group.name.as_str()).collect();
                let asked = parameters(query.as_bytes());
                let token = asked.iter().find(|(name, _)| name == "nextToken").and_then(|(_, at)| at.parse().ok());
                let (shown, next) = page(&names, token, GROUPS);
                Some(json!({ "nodegroups": shown, "nextToken": next }))
            }
            (Some("node-groups"), Some(group)) => {
                let group = cluster.groups.iter().find(|there| there.name == group)?;
                Some(json!({ "nodegroup": {
                    "nodegroupName": group.name, "clusterName": name, "status": "ACTIVE", "version": "1.33",
                    "instanceTypes": [group.instance_type],
                    "scalingConfig": { "minSize": 0, "maxSize": group.nodes, "desiredSize": group.nodes },
                } }))
            }
            _ => None,
        }
    }
}

/// The parameters of a question in the query protocol.
fn parameters(body: &[u8]) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    String::from_utf8_lossy(body)
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn filters(asked: &[(String, String)]) -> Filters {
    let mut found: BTreeMap<&str, (String, Vec<String>)> = BTreeMap::new();
    for (name, value) in asked {
        let Some((number, of)) = name.strip_prefix("Filter.").and_then(|rest| rest.split_once('.')) else { continue };
        let filter = found.entry(number).or_default();
        if of == "Name" {
            filter.0.clone_from(value);
        } else {
            filter.1.push(value.clone());
        }
    }
    found.into_values().collect()
}

fn fits(machine: &Machine, filters: &Filters) -> Result<bool, String> {
    for (name, values) in filters {
        let fits = match name.strip_prefix("tag:") {
            Some(tag) => machine.tags.iter().any(|(name, value)| name == tag && values.contains(value)),
            None if name == "tag-key" => machine.tags.iter().any(|(name, _)| values.contains(name)),
            None if name == "instance-state-name" => values.iter().any(|value| value == "running"),
            None => return Err(format!("The filter '{name}' is invalid")),
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

fn page<T: Clone>(found: &[T], start: Option<usize>, size: usize) -> (Vec<T>, Option<String>) {
    let start = start.unwrap_or(0).min(found.len());
    let end = (start + size).min(found.len());
    (found[start..end].to_vec(), (end < found.len()).then(|| end.to_string()))
}

fn refused(code: &str, message: &str) -> Answer {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Errors><Error><Code>{code}</Code><Message>{message}</Message>\
         </Error></Errors><RequestID>fake</RequestID></Response>"
    );
    Answer::Xml(400, text)
}

fn describe(machines: &[Machine], asked: &[(String, String)]) -> Answer {
    let of = |name: &str| asked.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str());
    let ids: Vec<&str> =
        asked.iter().filter(|(name, _)| name.starts_with("InstanceId.")).map(|(_, id)| id.as_str()).collect();
    if let Some(unknown) = ids.iter().find(|id| !machines.iter().any(|machine| machine.id == **id)) {
        return refused("InvalidInstanceID.NotFound", &format!("The instance ID '{unknown}' does not exist"));
    }
    let size = of("MaxResults").and_then(|size| size.parse().ok());
    if size.is_some_and(|size| !(5..=PAGE).contains(&size)) {
        return refused("InvalidParameterValue", "MaxResults is not between 5 and 1000");
    }
    let filters = filters(asked);
    let mut found = Vec::new();
    for machine in machines {
        match fits(machine, &filters) {
            Err(said) => return refused("InvalidParameterValue", &said),
            Ok(fits) if fits && (ids.is_empty() || ids.contains(&machine.id.as_str())) => found.push(machine),
            Ok(_) => {}
        }
    }
    let (shown, next) = page(&found, of("NextToken").and_then(|at| at.parse().ok()), size.unwrap_or(PAGE));
    let items: String = shown.into_iter().map(item).collect();
    let next = next.map_or(String::new(), |next| format!("<nextToken>{next}</nextToken>"));
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>fake</requestId><reservationSet>{items}</reservationSet>{next}</DescribeInstancesResponse>"
    );
    Answer::Xml(200, text)
}

/// A machine in a reservation of its own.
fn item(machine: &Machine) -> String {
    let Machine { id, kind, zone, number, tags } = machine;
    let address = format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
    let tags: String =
        tags.iter().map(|(name, value)| format!("<item><key>{name}</key><value>{value}</value></item>")).collect();
    // Some are older than others: an hour apart.
    let (day, hour) = (number / 24 % 28 + 1, number % 24);
    format!(
        "<item><reservationId>r-{number:017x}</reservationId><ownerId>123456789012</ownerId><instancesSet><item>\
         <instanceId>{id}</instanceId><imageId>ami-0123456789abcdef0</imageId><instanceType>{kind}</instanceType>\
         <instanceState><code>16</code><name>running</name></instanceState>\
         <launchTime>2026-10-{day:02}T{hour:02}:00:00.000Z</launchTime>\
         <placement><availabilityZone>{zone}</availabilityZone></placement>\
         <privateIpAddress>{address}</privateIpAddress><privateDnsName>{id}.internal</privateDnsName>\
         <tagSet>{tags}</tagSet></item></instancesSet></item>"
    )
}
