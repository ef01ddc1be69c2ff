//! EC2: machines, regions, network interfaces.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Instance as Machine, NetworkInterface as Card};
use eks_logs_core::inventory::{Instance, NetworkInterface};
use eks_logs_core::{Error, InstanceId, Region, Result};
use jiff::Timestamp;

use crate::error::{Asked, meaning};

/// States of machines that are still there.
const THERE: [&str; 4] = ["pending", "running", "stopping", "stopped"];
/// Rows of one page: EC2 gives no more.
const PAGE: i32 = 1000;

pub(super) async fn regions(client: &Client) -> Result<Vec<Region>> {
    let asked = Asked { path: "the account's regions", action: "ec2:DescribeRegions" };
    // Without `all-regions` only those that are enabled for the account.
    let got = client.describe_regions().send().await.map_err(|why| meaning(&asked, &why))?;
    let mut regions: Vec<Region> =
        got.regions().iter().filter_map(|region| Region::parse(region.region_name()?).ok()).collect();
    regions.sort();
    Ok(regions)
}

pub(super) async fn instance(client: &Client, id: &InstanceId, region: &Region) -> Result<Option<Instance>> {
    let asked = Asked { path: id.as_str(), action: "ec2:DescribeInstances" };
    match client.describe_instances().instance_ids(id.as_str()).send().await {
        Ok(got) => {
            let machines = got.reservations().iter().flat_map(|reservation| reservation.instances());
            Ok(machines.filter_map(|machine| convert(machine, region)).next())
        }
        Err(why) => match meaning(&asked, &why) {
            Error::NotFound { .. } => Ok(None),
            other => Err(other),
        },
    }
}

/// Machines with a tag, all pages.
pub(super) async fn tagged(client: &Client, name: &str, value: Option<&str>, region: &Region) -> Result<Vec<Instance>> {
    let asked = Asked { path: name, action: "ec2:DescribeInstances" };
    let tag = match value {
        Some(value) => Filter::builder().name(format!("tag:{name}")).values(value),
        None => Filter::builder().name("tag-key").values(name),
    };
    let states =
        THERE.iter().fold(Filter::builder().name("instance-state-name"), |filter, state| filter.values(*state));
    let call = client.describe_instances().filters(tag.build()).filters(states.build()).max_results(PAGE);
    let mut pages = call.into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(reservation) = pages.next().await {
        let reservation = reservation.map_err(|why| meaning(&asked, &why))?;
        found.extend(reservation.instances().iter().filter_map(|machine| convert(machine, region)));
    }
    Ok(found)
}

fn text(value: Option<&str>) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(str::to_owned)
}

fn convert(machine: &Machine, region: &Region) -> Option<Instance> {
    let tag = |tag: &aws_sdk_ec2::types::Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    Some(Instance {
        id: InstanceId::parse(machine.instance_id()?).ok()?,
        region: region.clone(),
        state: machine.state().and_then(|state| state.name()).map_or("unknown", |name| name.as_str()).to_owned(),
        instance_type: machine.instance_type().map(|kind| kind.as_str().to_owned()),
        availability_zone: machine.placement().and_then(|placement| text(placement.availability_zone())),
        launched_at: machine.launch_time().and_then(|at| Timestamp::from_second(at.secs()).ok()),
        private_ip: text(machine.private_ip_address()),
        private_dns: text(machine.private_dns_name()),
        image_id: text(machine.image_id()),
        platform: machine.platform().map(|platform| platform.as_str().to_owned()),
        tags: machine.tags().iter().filter_map(tag).collect::<BTreeMap<_, _>>(),
    })
}

pub(super) async fn network_interfaces(client: &Client, id: &InstanceId) -> Result<Vec<NetworkInterface>> {
    let asked = Asked { path: id.as_str(), action: "ec2:DescribeNetworkInterfaces" };
    let filter = Filter::builder().name("attachment.instance-id").values(id.as_str()).build();
    let mut pages =
        client.describe_network_interfaces().filters(filter).max_results(PAGE).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(card) = pages.next().await {
        found.push(interface(&card.map_err(|why| meaning(&asked, &why))?));
    }
    found.sort_by(|a, b| (a.device_index, &a.id).cmp(&(b.device_index, &b.id)));
    Ok(found)
}

fn interface(card: &Card) -> NetworkInterface {
    let mut addresses: Vec<_> = card.private_ip_addresses().iter().collect();
    addresses.sort_by_key(|address| !address.primary().unwrap_or(false));
    NetworkInterface {
        id: card.network_interface_id().unwrap_or_default().to_owned(),
        status: card.status().map_or("unknown", |status| status.as_str()).to_owned(),
        interface_type: card.interface_type().map(|kind| kind.as_str().to_owned()),
        device_index: card.attachment().and_then(|attachment| attachment.device_index()),
        mac: text(card.mac_address()),
        subnet: text(card.subnet_id()),
        private_ips: addresses.iter().filter_map(|address| text(address.private_ip_address())).collect(),
        prefixes: card.ipv4_prefixes().iter().filter_map(|prefix| text(prefix.ipv4_prefix())).collect(),
        security_groups: card.groups().iter().filter_map(|group| text(group.group_id())).collect(),
        source_dest_check: card.source_dest_check(),
    }
}
