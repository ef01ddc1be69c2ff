//! The SSM agents of nodes.

use std::collections::BTreeMap;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{InstanceInformation, InstanceInformationStringFilter};
use eks_logs_core::inventory::Agent;
use eks_logs_core::{Error, InstanceId, Result};
use jiff::Timestamp;

use crate::error::{Asked, meaning};

/// Ids in one request; SSM takes no more.
const CHUNK: usize = 50;
/// Requests at a time: SSM allows some tens a second for the whole account.
const AT_A_TIME: usize = 6;

/// A time as SSM gives it.
pub(crate) fn time(at: Option<&aws_sdk_ssm::primitives::DateTime>) -> Option<Timestamp> {
    let at = at?;
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

fn agent(of: &InstanceInformation) -> Agent {
    Agent {
        ping: of.ping_status().map_or("unknown", |status| status.as_str()).to_owned(),
        last_ping: time(of.last_ping_date_time()),
        version: of.agent_version().map(str::to_owned),
        platform_name: of.platform_name().map(str::to_owned),
        platform_type: of.platform_type().map(|kind| kind.as_str().to_owned()),
    }
}

async fn all(client: &Client, key: &str, values: Vec<String>, about: &str) -> Result<Vec<InstanceInformation>> {
    let filter = InstanceInformationStringFilter::builder().key(key).set_values(Some(values)).build();
    let filter = filter.map_err(|why| Error::Rejected {
        path: about.to_owned(),
        code: "filter".to_owned(),
        detail: why.to_string(),
    })?;
    let mut found = Vec::new();
    let mut pages =
        client.describe_instance_information().filters(filter).max_results(50).into_paginator().items().send();
    while let Some(row) = pages.next().await {
        let asked = Asked { path: about, action: "ssm:DescribeInstanceInformation" };
        found.push(row.map_err(|why| meaning(&asked, &why))?);
    }
    Ok(found)
}

/// The agents of these nodes, fifty to a request.
pub(crate) async fn of(client: &Client, nodes: &[InstanceId]) -> Result<BTreeMap<InstanceId, Agent>> {
    let mut found = BTreeMap::new();
    let mut chunks = nodes.chunks(CHUNK);
    let mut running = tokio::task::JoinSet::new();
    loop {
        while running.len() < AT_A_TIME
            && let Some(chunk) = chunks.next()
        {
            let ids: Vec<String> = chunk.iter().map(ToString::to_string).collect();
            let client = client.clone();
            running.spawn(async move {
                let about = ids.first().cloned().unwrap_or_default();
                all(&client, "InstanceIds", ids, &about).await
            });
        }
        let Some(rows) = running.join_next().await else { return Ok(found) };
        let rows = rows.map_err(|why| Error::Unavailable { path: "SSM".to_owned(), detail: why.to_string() })??;
        for row in rows {
            if let Some(id) = row.instance_id().and_then(|id| InstanceId::parse(id).ok()) {
                found.insert(id, agent(&row));
            }
        }
    }
}

/// The hybrid nodes that were activated for a cluster: their activation carries its ARN as a tag
/// (docs.aws.amazon.com/eks/latest/userguide/hybrid-nodes-creds.html).
#[cfg(feature = "inventory")]
pub(crate) async fn hybrid(client: &Client, cluster_arn: &str) -> Result<Vec<(InstanceId, InstanceInformation)>> {
    let rows = all(client, "tag:EKSClusterARN", vec![cluster_arn.to_owned()], cluster_arn).await?;
    let known = |row: InstanceInformation| Some((InstanceId::parse(row.instance_id()?).ok()?, row));
    Ok(rows.into_iter().filter_map(known).filter(|(id, _)| id.is_hybrid()).collect())
}
