//! In which region something is: where the caller says; else where the default region knows it; else wherever it is found first.

use std::time::Duration;

use eks_logs_core::inventory::{Cluster, Instance};
use eks_logs_core::{Error, InstanceId, Inventory, Region, Result};
use futures_lite::future;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::Account;
use crate::failure::{Code, Failure};

/// For all regions together.
const IN_ALL: Duration = Duration::from_secs(20);

/// Where a node is, and what EC2 says of it there.
pub(super) async fn of_node(
    account: &Account<'_>,
    node: &InstanceId,
    explicit: Option<&str>,
) -> Result<(Region, Option<Instance>), Failure> {
    let explicit = explicit.map(Region::parse).transpose()?;
    let Some(inventory) = account.inventory else {
        return Ok((explicit.unwrap_or_else(|| account.collector.default_region()), None));
    };
    let what = node.to_string();
    let (region, instance) = search(account, inventory, explicit, &what, |region: Region| {
        Box::pin(async move { inventory.instance(node, &region).await })
    })
    .await?;
    Ok((region, Some(instance)))
}

/// Where a cluster is.
pub(super) async fn of_cluster(
    account: &Account<'_>,
    inventory: &dyn Inventory,
    name: &str,
    explicit: Option<&str>,
) -> Result<Cluster, Failure> {
    let explicit = explicit.map(Region::parse).transpose()?;
    let what = format!("cluster {name}");
    let (_, cluster) = search(account, inventory, explicit, &what, |region: Region| {
        Box::pin(async move {
            match inventory.cluster(name, &region).await {
                Ok(cluster) => Ok(Some(cluster)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(why) => Err(why),
            }
        })
    })
    .await?;
    Ok(cluster)
}

/// Asks region after region, those beyond the default one at the same time; what is still asked when one has answered is dropped.
async fn search<'a, T: Send>(
    account: &Account<'_>,
    inventory: &dyn Inventory,
    explicit: Option<Region>,
    what: &str,
    ask: impl Fn(Region) -> BoxFuture<'a, Result<Option<T>>> + Send + Sync,
) -> Result<(Region, T), Failure> {
    if let Some(region) = explicit {
        let found = ask(region.clone()).await?;
        return found.map(|found| (region.clone(), found)).ok_or_else(|| {
            Failure::new(
                Code::NotFound,
                format!("{what} is not in {region}"),
                "check the id, or leave the region out: all enabled regions are asked then",
            )
        });
    }
    let looking = async {
        let default = inventory.default_region();
        let mut refused = Vec::new();
        match ask(default.clone()).await {
            Ok(Some(found)) => return Ok((default, found)),
            Ok(None) => {}
            // Credentials that one region does not accept, none will.
            Err(why @ Error::Credentials { .. }) => return Err(why.into()),
            Err(why) => refused.push((default.clone(), why)),
        }
        let others = match inventory.regions().await {
            Ok(all) => all.into_iter().filter(|region| *region != default).collect(),
            Err(why) => {
                refused.push((default.clone(), why));
                Vec::new()
            }
        };
        let searched = others.len() + 1;
        let mut asked: FuturesUnordered<_> = others
            .into_iter()
            .map(|region| {
                let answer = ask(region.clone());
                async move { (region, answer.await) }
            })
            .collect();
        while let Some((region, answer)) = asked.next().await {
            match answer {
                Ok(Some(found)) => return Ok((region, found)),
                Ok(None) => {}
                Err(why) => refused.push((region, why)),
            }
        }
        Err(nowhere(what, searched, refused))
    };
    let late = async {
        account.timer.sleep(IN_ALL).await;
        Err(Failure::new(
            Code::StoreUnavailable,
            format!("{what} was not found within {} seconds, and not all regions have answered", IN_ALL.as_secs()),
            "name the region",
        ))
    };
    future::or(looking, late).await
}

/// Not found is only said of where somebody has looked.
fn nowhere(what: &str, searched: usize, mut refused: Vec<(Region, Error)>) -> Failure {
    refused.sort_by(|a, b| a.0.cmp(&b.0));
    let all: Vec<String> = refused.iter().map(|(region, why)| format!("{region}: {why}")).collect();
    let mut failure = if refused.is_empty() {
        let regions = if searched == 1 { "1 region".to_owned() } else { format!("all {searched} enabled regions") };
        Failure::new(
            Code::NotFound,
            format!("{what} is nowhere: {regions} looked through"),
            "check the id, and that the credentials are those of its account",
        )
    } else {
        let first = &refused[0];
        let mut failure = Failure::from(clone(&first.1));
        failure.error =
            format!("{what} is not found, and {} regions could not be asked; {}: {}", refused.len(), first.0, first.1);
        failure
    };
    failure.details.all = all;
    failure
}

/// The same by meaning: errors are not cloneable, for what they may hold.
fn clone(why: &Error) -> Error {
    let text = why.to_string();
    match why {
        Error::AccessDenied { path, action, .. } => {
            Error::AccessDenied { path: path.clone(), action: action.clone(), detail: text }
        }
        Error::Throttled { path, .. } => Error::Throttled { path: path.clone(), detail: text },
        Error::Credentials { path, .. } => Error::Credentials { path: path.clone(), detail: text },
        Error::Rejected { path, code, .. } => Error::Rejected { path: path.clone(), code: code.clone(), detail: text },
        _ => Error::Unavailable { path: String::new(), detail: text },
    }
}
