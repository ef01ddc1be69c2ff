use proptest::prelude::*;

use super::super::damage::{damaged, problems_stand_in};
use super::*;

const NODE: &str = r#"{"0":{"TotalIPs":17,"AssignedIPs":1,"ENIs":{
"eni-0a1b2c3d4e5f60718":{"ID":"eni-0a1b2c3d4e5f60718","IsPrimary":false,"IsTrunk":true,"IsEFA":false,"DeviceNumber":1,
 "AvailableIPv4Cidrs":{
  "10.70.8.16/28":{"Cidr":{"IP":"10.70.8.16","Mask":"////8A=="},"IPAddresses":{"10.70.8.17":{"Address":"10.70.8.17",
    "IPAMKey":{"networkName":"aws-cni","containerID":"","ifName":""},
    "IPAMMetadata":{"k8sPodNamespace":"shop","k8sPodName":"cart-0"},
    "AssignedTime":"2026-11-22T07:00:00Z","UnassignedTime":"0001-01-01T00:00:00Z"}},"IsPrefix":true,"AddressFamily":"4"},
  "10.70.9.9/32":{"IPAddresses":{"10.70.9.9":{"Address":"10.70.9.9","IPAMKey":{"networkName":"","containerID":"","ifName":""},
    "UnassignedTime":"2026-11-22T06:59:50Z"}},"IsPrefix":false}},
 "IPv6Cidrs":null,"RouteTableID":2}}}}"#;

#[test]
fn a_pool_with_a_prefix() {
    let parsed = parse(NODE.as_bytes());
    assert_eq!(parsed.problems, []);
    let card = &parsed.value[0];
    assert_eq!((card.number, card.total, card.assigned), (0, 17, 1));
    let eni = &card.enis[0];
    assert_eq!((eni.trunk, eni.device, eni.route_table), (true, 1, Some(2)));
    let pods: Vec<_> = eni.assigned().collect();
    assert_eq!(pods.len(), 1, "a key without the container's id still says that a pod has the address");
    assert_eq!(pods[0].pod.as_deref(), Some("shop/cart-0"));
    assert_eq!(pods[0].unassigned_at, None);
    assert!(eni.cidrs[0].is_prefix && !eni.cidrs[1].addresses[0].assigned);
    let place = &NODE[pods[0].span.start as usize..pods[0].span.end as usize];
    assert!(place.starts_with("{\"Address\":\"10.70.8.17\"") && place.ends_with('}'));
    assert_eq!(&NODE[eni.span.start as usize..eni.span.end as usize], "\"eni-0a1b2c3d4e5f60718\"");
}

#[test]
fn the_oldest_form() {
    let text = r#"{"TotalIPs":2,"AssignedIPs":1,"ENIIPPools":{"eni-1":{"AssignedIPv4Addresses":1,"ID":"eni-1","IsPrimary":true,
        "DeviceNumber":0,"IPv4Addresses":{"10.0.0.7":{"Address":"10.0.0.7","Assigned":true,"UnassignedTime":"0001-01-01T00:00:00Z"},
        "10.0.0.8":{"Address":"10.0.0.8","Assigned":false,"UnassignedTime":"0001-01-01T00:00:00Z"}}}}}"#;
    let parsed = parse(text.as_bytes());
    assert_eq!(parsed.problems, []);
    let eni = &parsed.value[0].enis[0];
    assert!(eni.primary);
    assert_eq!((eni.cidrs.len(), eni.assigned().count()), (2, 1));
}

#[test]
fn the_last_whole_document_counts() {
    let older = &NODE[..NODE.find("AssignedTime").unwrap()];
    let parsed = parse((older.to_owned() + NODE).as_bytes());
    assert_eq!((parsed.value.len(), parsed.problem_count), (1, 1));
    let parsed = parse(b"");
    assert_eq!((parsed.value.len(), parsed.problem_count), (0, 0));
}

fn made() -> impl Strategy<Value = Vec<Card>> {
    let address = (any::<IpAddr>(), any::<bool>(), prop::option::of(1..9_999_999_999_i64));
    let cidr = (any::<bool>(), prop::collection::btree_map(any::<IpAddr>(), address, 0..3));
    let eni = (
        any::<[bool; 3]>(),
        0..9i64,
        prop::option::of(1..300u32),
        prop::collection::btree_map(any::<IpAddr>(), cidr, 0..3),
    );
    let card = (any::<u32>(), any::<u32>(), prop::collection::btree_map("eni-[0-9a-f]{4}", eni, 0..3));
    prop::collection::vec(card, 1..3).prop_map(|cards| {
        let cards = cards.into_iter().enumerate().map(|(number, (total, assigned, enis))| Card {
            number: number as u32,
            span: Span::default(),
            total: total.into(),
            assigned: assigned.into(),
            enis: enis
                .into_iter()
                .map(|(id, ([primary, trunk, excluded], device, route_table, cidrs))| Eni {
                    span: Span::default(),
                    id: id.into(),
                    primary,
                    trunk,
                    device,
                    excluded,
                    route_table,
                    cidrs: cidrs
                        .into_iter()
                        .map(|(ip, (is_prefix, addresses))| Cidr {
                            span: Span::default(),
                            network: ip.into(),
                            is_prefix,
                            addresses: addresses
                                .into_values()
                                .map(|(ip, assigned, at)| PoolAddress {
                                    span: Span::default(),
                                    ip,
                                    assigned,
                                    pod: assigned.then(|| "shop/cart-0".into()),
                                    container: if assigned { "4711".into() } else { "".into() },
                                    assigned_at: at.and_then(|at| Timestamp::from_second(at).ok()),
                                    unassigned_at: None,
                                })
                                .collect(),
                        })
                        .collect(),
                })
                .collect(),
        });
        cards.collect()
    })
}

fn print(cards: &[Card]) -> String {
    let time =
        |time: Option<Timestamp>| time.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |time| time.to_string());
    let address = |address: &PoolAddress| {
        let (network, interface) = if address.assigned { ("aws-cni", "eth0") } else { ("", "") };
        let metadata = if address.pod.is_some() {
            serde_json::json!({"k8sPodNamespace": "shop", "k8sPodName": "cart-0"})
        } else {
            serde_json::json!({})
        };
        serde_json::json!({"Address": address.ip, "IPAMKey": {"networkName": network, "containerID": &*address.container, "ifName": interface},
            "IPAMMetadata": metadata, "AssignedTime": time(address.assigned_at), "UnassignedTime": time(address.unassigned_at)})
    };
    let cidr = |cidr: &Cidr| {
        let addresses: serde_json::Map<_, _> =
            cidr.addresses.iter().enumerate().map(|(at, x)| (format!("{at:03}"), address(x))).collect();
        serde_json::json!({"IPAddresses": addresses, "IsPrefix": cidr.is_prefix, "AddressFamily": ""})
    };
    let eni = |eni: &Eni| {
        let of = |six: bool| -> serde_json::Map<_, _> {
            eni.cidrs
                .iter()
                .filter(|x| x.network.addr().is_ipv6() == six)
                .map(|x| (x.network.to_string(), cidr(x)))
                .collect()
        };
        serde_json::json!({"ID": &*eni.id, "IsPrimary": eni.primary, "IsTrunk": eni.trunk, "IsExcludedForPodIPs": eni.excluded,
            "DeviceNumber": eni.device, "AvailableIPv4Cidrs": of(false), "IPv6Cidrs": of(true), "RouteTableID": eni.route_table.unwrap_or(0)})
    };
    let card = |card: &Card| {
        let enis: serde_json::Map<_, _> = card.enis.iter().map(|x| (x.id.to_string(), eni(x))).collect();
        serde_json::json!({"TotalIPs": card.total, "AssignedIPs": card.assigned, "ENIs": enis})
    };
    let cards: serde_json::Map<_, _> = cards.iter().map(|x| (x.number.to_string(), card(x))).collect();
    serde_json::Value::from(cards).to_string()
}

fn without_places(mut cards: Vec<Card>) -> Vec<Card> {
    for card in &mut cards {
        card.span = Span::default();
        for eni in &mut card.enis {
            eni.span = Span::default();
            for cidr in &mut eni.cidrs {
                cidr.span = Span::default();
                cidr.addresses.iter_mut().for_each(|address| address.span = Span::default());
            }
            eni.cidrs.sort_by_key(|cidr| cidr.network.to_string());
        }
    }
    cards
}

proptest! {
    #[test]
    fn what_was_printed_is_read_back(cards in made()) {
        let parsed = parse(print(&cards).as_bytes());
        prop_assert_eq!(&parsed.problems, &[]);
        prop_assert_eq!(without_places(parsed.value), without_places(cards));
    }

    #[test]
    fn any_bytes_are_survived(text in damaged(NODE)) {
        problems_stand_in(&parse(&text), &text);
    }
}
