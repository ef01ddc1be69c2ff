//! `ipamd/enis.json`: the VPC CNI's pool of addresses (`/v1/enis` of its introspection endpoint).
//!
//! The form changed: releases up to 1.6 have `ENIIPPools` with a flag `Assigned`, later ones `ENIs` with `AvailableIPv4Cidrs` and an
//! `IPAMKey`, those since 1.20 one such object for each network card. The newest leave out the container id, so an address is taken to
//! be assigned when any part of its key is there.

use core::net::IpAddr;
use std::collections::BTreeMap;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{Places, last, read};
use super::{Parsed, Span};

/// The pool of one network card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// The card; 0 on instances that have one.
    pub number: u32,
    /// Where its total stands.
    pub span: Span,
    /// Addresses that it has, as ipamd counts them; of a prefix all.
    pub total: u64,
    /// Addresses that pods have.
    pub assigned: u64,
    /// Its interfaces, by id.
    pub enis: Vec<Eni>,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Eni {
    /// Where its id stands.
    pub span: Span,
    /// `eni-...`
    pub id: Box<str>,
    /// Whether it is the node's first.
    pub primary: bool,
    /// Whether branch interfaces hang on it.
    pub trunk: bool,
    /// Its place on the instance.
    pub device: i64,
    /// Whether pods get no address from it.
    pub excluded: bool,
    /// Its routing table on the node, where ipamd tells.
    pub route_table: Option<u32>,
    /// Its addresses and prefixes, v4 and v6.
    pub cidrs: Vec<Cidr>,
}

/// An address or a prefix of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Where it stands.
    pub span: Span,
    /// A single address, a /28 or a /80.
    pub network: IpNet,
    /// Whether it is a prefix.
    pub is_prefix: bool,
    /// Its addresses that were ever given out.
    pub addresses: Vec<PoolAddress>,
}

/// An address that was given out at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolAddress {
    /// Where it stands.
    pub span: Span,
    /// The address.
    pub ip: IpAddr,
    /// Whether a pod has it now.
    pub assigned: bool,
    /// Namespace and name of the pod, where known.
    pub pod: Option<Box<str>>,
    /// The container, where known.
    pub container: Box<str>,
    /// When it was given out last.
    pub assigned_at: Option<Timestamp>,
    /// When it was given back last.
    pub unassigned_at: Option<Timestamp>,
}

impl Eni {
    /// Addresses that pods have.
    pub fn assigned(&self) -> impl Iterator<Item = &PoolAddress> {
        self.cidrs.iter().flat_map(|cidr| &cidr.addresses).filter(|address| address.assigned)
    }
}

#[derive(Deserialize)]
struct CardFile<'a> {
    #[serde(rename = "TotalIPs", borrow)]
    total: Option<&'a RawValue>,
    #[serde(rename = "AssignedIPs", default)]
    assigned: u64,
    #[serde(rename = "ENIs", alias = "ENIIPPools", borrow)]
    enis: Option<BTreeMap<String, &'a RawValue>>,
}

#[derive(Deserialize)]
struct EniFile<'a> {
    #[serde(rename = "IsPrimary", default)]
    primary: bool,
    #[serde(rename = "IsTrunk", default)]
    trunk: bool,
    #[serde(rename = "IsExcludedForPodIPs", default)]
    excluded: bool,
    #[serde(rename = "DeviceNumber", default)]
    device: i64,
    #[serde(rename = "RouteTableID")]
    route_table: Option<u32>,
    #[serde(rename = "AvailableIPv4Cidrs", borrow)]
    four: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(rename = "IPv6Cidrs", borrow)]
    six: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(rename = "IPv4Addresses", borrow)]
    old: Option<BTreeMap<String, &'a RawValue>>,
}

#[derive(Deserialize)]
struct CidrFile<'a> {
    #[serde(rename = "IPAddresses", borrow)]
    addresses: Option<BTreeMap<String, &'a RawValue>>,
    #[serde(rename = "IsPrefix", default)]
    is_prefix: bool,
}

#[derive(Deserialize)]
struct AddressFile {
    #[serde(rename = "Address")]
    ip: IpAddr,
    #[serde(rename = "Assigned", default)]
    assigned: bool,
    #[serde(rename = "IPAMKey", default)]
    key: KeyFile,
    #[serde(rename = "IPAMMetadata", default)]
    metadata: MetadataFile,
    #[serde(rename = "AssignedTime")]
    assigned_at: Option<String>,
    #[serde(rename = "UnassignedTime")]
    unassigned_at: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyFile {
    #[serde(rename = "networkName")]
    network: String,
    #[serde(rename = "containerID")]
    container: String,
    #[serde(rename = "ifName")]
    interface: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct MetadataFile {
    #[serde(rename = "k8sPodNamespace")]
    namespace: String,
    #[serde(rename = "k8sPodName")]
    name: String,
}

impl MetadataFile {
    /// `namespace/name`
    pub(super) fn pod(&self) -> Option<Box<str>> {
        (!self.name.is_empty()).then(|| format!("{}/{}", self.namespace, self.name).into())
    }
}

/// A time; Go prints one that was never set as the year 1.
fn time(text: Option<String>) -> Option<Timestamp> {
    text?.parse().ok().filter(|time: &Timestamp| time.as_second() > 0)
}

/// Reads the pool, one entry for each network card.
pub fn parse(text: &[u8]) -> Parsed<Vec<Card>> {
    let mut parsed = Parsed::new(Vec::new());
    let places = Places::new(text);
    let Some(document) = last(&places, &mut parsed) else { return parsed };
    let Ok(top) = serde_json::from_str::<BTreeMap<String, &RawValue>>(document.get()) else {
        parsed.problem(places.of(document.get()), "expected an object");
        return parsed;
    };
    if ["TotalIPs", "ENIs", "ENIIPPools"].iter().any(|name| top.contains_key(*name)) {
        card(&places, &mut parsed, 0, document);
        return parsed;
    }
    for (number, raw) in top {
        match number.parse() {
            Ok(number) => card(&places, &mut parsed, number, raw),
            Err(_) => parsed.problem(places.name(&number, raw), "expected the number of a network card"),
        }
    }
    parsed
}

fn card(places: &Places<'_>, parsed: &mut Parsed<Vec<Card>>, number: u32, raw: &RawValue) {
    let file: CardFile<'_> = match serde_json::from_str(raw.get()) {
        Ok(file) => file,
        Err(why) => return parsed.problem(places.of(raw.get()), format!("unexpected JSON: {why}")),
    };
    let total = file.total.and_then(|total| total.get().parse().ok());
    let span = file.total.map_or_else(Span::default, |total| places.member("TotalIPs", total));
    let mut card = Card { number, span, total: total.unwrap_or_default(), assigned: file.assigned, enis: Vec::new() };
    for (id, raw) in file.enis.unwrap_or_default() {
        match serde_json::from_str::<EniFile<'_>>(raw.get()) {
            Ok(file) => card.enis.push(eni(places, parsed, id, raw, file)),
            Err(why) => parsed.problem(places.name(&id, raw), format!("unexpected JSON: {why}")),
        }
    }
    parsed.value.push(card);
}

fn eni(places: &Places<'_>, parsed: &mut Parsed<Vec<Card>>, id: String, raw: &RawValue, file: EniFile<'_>) -> Eni {
    let mut cidrs = Vec::new();
    for (name, raw) in file.four.into_iter().flatten().chain(file.six.into_iter().flatten()) {
        let span = places.name(&name, raw);
        let (Ok(network), Ok(cidr)) = (name.parse(), serde_json::from_str::<CidrFile<'_>>(raw.get())) else {
            parsed.problem(span, "expected an address with its length, and what became of it");
            continue;
        };
        let given = cidr.addresses.unwrap_or_default().into_values();
        let addresses = given.filter_map(|raw| address(places, parsed, raw)).collect();
        cidrs.push(Cidr { span, network, is_prefix: cidr.is_prefix, addresses });
    }
    for (name, raw) in file.old.into_iter().flatten() {
        if let Some(address) = address(places, parsed, raw) {
            let span = places.name(&name, raw);
            cidrs.push(Cidr { span, network: address.ip.into(), is_prefix: false, addresses: vec![address] });
        }
    }
    Eni {
        span: places.name(&id, raw),
        id: id.into(),
        primary: file.primary,
        trunk: file.trunk,
        device: file.device,
        excluded: file.excluded,
        route_table: file.route_table.filter(|table| *table > 0),
        cidrs,
    }
}

fn address(places: &Places<'_>, parsed: &mut Parsed<Vec<Card>>, raw: &RawValue) -> Option<PoolAddress> {
    let file: AddressFile = read(places, parsed, raw)?;
    let key = &file.key;
    let has_key = !key.network.is_empty() || !key.container.is_empty() || !key.interface.is_empty();
    Some(PoolAddress {
        span: places.of(raw.get()),
        ip: file.ip,
        assigned: file.assigned || has_key,
        pod: file.metadata.pod(),
        container: file.key.container.into(),
        assigned_at: time(file.assigned_at),
        unassigned_at: time(file.unassigned_at),
    })
}

#[cfg(test)]
#[path = "enis_tests.rs"]
mod tests;
