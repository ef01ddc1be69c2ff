//! EKS: clusters and managed nodegroups.

use aws_sdk_eks::Client;
use aws_sdk_eks::types::Nodegroup as Group;
use eks_logs_core::inventory::{Cluster, Issue, Nodegroup};
use eks_logs_core::{Error, Region, Result};

use crate::error::{Asked, meaning};

/// Nodegroups that are described at a time.
const AT_A_TIME: usize = 6;

pub(super) async fn cluster(client: &Client, name: &str, region: &Region) -> Result<Cluster> {
    let path = format!("cluster {name} in {region}");
    let asked = Asked { path: &path, action: "eks:DescribeCluster" };
    let got = client.describe_cluster().name(name).send().await.map_err(|why| meaning(&asked, &why))?;
    let Some(of) = got.cluster() else { return Err(Error::NotFound { path }) };
    let authority = of.certificate_authority().and_then(|authority| authority.data());
    let issue = |issue: &aws_sdk_eks::types::ClusterIssue| Issue {
        code: issue.code().map_or("unknown", |code| code.as_str()).to_owned(),
        message: issue.message().unwrap_or_default().to_owned(),
        resources: issue.resource_ids().to_vec(),
    };
    Ok(Cluster {
        name: name.to_owned(),
        arn: of.arn().map(str::to_owned),
        region: region.clone(),
        version: of.version().map(str::to_owned),
        status: of.status().map_or("unknown", |status| status.as_str()).to_owned(),
        platform_version: of.platform_version().map(str::to_owned),
        endpoint: of.endpoint().map(str::to_owned),
        certificate_authority: authority.and_then(|data| aws_smithy_types::base64::decode(data).ok()),
        issues: of.health().map(|health| health.issues().iter().map(issue).collect()).unwrap_or_default(),
    })
}

pub(super) async fn nodegroups(client: &Client, cluster: &str) -> Result<Vec<Nodegroup>> {
    let path = format!("nodegroups of {cluster}");
    let listing = Asked { path: &path, action: "eks:ListNodegroups" };
    let mut pages = client.list_nodegroups().cluster_name(cluster).into_paginator().items().send();
    let mut names = Vec::new();
    while let Some(name) = pages.next().await {
        names.push(name.map_err(|why| meaning(&listing, &why))?);
    }
    let (mut names, mut running, mut found) = (names.into_iter(), tokio::task::JoinSet::new(), Vec::new());
    loop {
        while running.len() < AT_A_TIME
            && let Some(name) = names.next()
        {
            let call = client.describe_nodegroup().cluster_name(cluster).nodegroup_name(&name);
            running.spawn(async move {
                let asked = Asked { path: &name, action: "eks:DescribeNodegroup" };
                let got = call.send().await.map_err(|why| meaning(&asked, &why))?;
                Ok::<_, Error>(got.nodegroup().map(|group| convert(&name, group)))
            });
        }
        let Some(group) = running.join_next().await else { break };
        let group = group.map_err(|why| Error::Unavailable { path: path.clone(), detail: why.to_string() })?;
        match group {
            Ok(group) => found.extend(group),
            // Deleted since it was listed.
            Err(Error::NotFound { .. }) => {}
            Err(why) => return Err(why),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn convert(name: &str, group: &Group) -> Nodegroup {
    let issue = |issue: &aws_sdk_eks::types::Issue| Issue {
        code: issue.code().map_or("unknown", |code| code.as_str()).to_owned(),
        message: issue.message().unwrap_or_default().to_owned(),
        resources: issue.resource_ids().to_vec(),
    };
    Nodegroup {
        name: name.to_owned(),
        status: group.status().map_or("unknown", |status| status.as_str()).to_owned(),
        version: group.version().map(str::to_owned),
        release_version: group.release_version().map(str::to_owned),
        ami_type: group.ami_type().map(|kind| kind.as_str().to_owned()),
        capacity_type: group.capacity_type().map(|kind| kind.as_str().to_owned()),
        instance_types: group.instance_types().to_vec(),
        desired: group.scaling_config().and_then(|scaling| scaling.desired_size()),
        issues: group.health().map(|health| health.issues().iter().map(issue).collect()).unwrap_or_default(),
    }
}
