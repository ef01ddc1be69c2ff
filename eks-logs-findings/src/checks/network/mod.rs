//! Checks of the node's network: CNI, routes, packet filters, interfaces.
//!
//! A file that is absent, empty, cut or an excerpt yields no verdict on what is missing from it. Checks of the VPC CNI do not apply where
//! another CNI gives pods their network.

pub(crate) mod facts;
mod figures;
mod firewall;
mod interfaces;
mod introspection;
mod kernel;
pub(crate) mod pool;
mod resolver;
mod routes;
mod services;
mod settings;
pub(crate) mod tracking;
pub(crate) mod view;

use super::Check;
use view::settle;

/// A row of [`CHECKS`] for a check that needs the network's files only.
macro_rules! check {
    ($id:literal, $function:path) => {
        ($id, |state| settle($function(state.network())))
    };
}

/// The checks, by the id of their rule.
pub(super) const CHECKS: &[(&str, Check)] = &[
    ("cni/introspection-empty", introspection::empty),
    ("cni/pool-addresses-leaked", |state| settle(pool::leaked(state))),
    check!("cni/pod-rule-missing", routes::pod_rule_missing),
    check!("cni/pod-rule-stale", routes::pod_rule_stale),
    check!("cni/pod-route-missing", routes::pod_route_missing),
    check!("cni/eni-table-without-default", routes::eni_table_without_default),
    check!("cni/secondary-eni-in-main-table", routes::secondary_eni_in_main),
    check!("cni/nm-cloud-setup-active", routes::nm_cloud_setup),
    check!("cni/address-pool-exhausted", pool::exhausted),
    ("cni/max-pods-above-addresses", |state| settle(pool::fewer_than_max_pods(state))),
    check!("cni/warm-target-zero", pool::never_warm),
    check!("cni/checkpoint-contradicts-itself", pool::books_disagree),
    check!("cni/addresses-taken-away", pool::force_removed),
    check!("cni/snat-chain-missing", services::snat_missing),
    check!("cni/early-demux-with-pod-eni", kernel::early_demux),
    check!("cni/foreign-config-first", kernel::foreign_config_first),
    check!("cni/settings-changed", settings::changed),
    check!("cni/external-snat", settings::external_snat),
    check!("cni/mtu-mismatch", interfaces::mtu_mismatch),
    check!("network/default-route-missing", routes::default_route_missing),
    check!("network/forward-policy-drop", firewall::forward_drop),
    check!("network/input-policy-drop", firewall::input_drop),
    check!("network/unowned-drop-rule", firewall::unowned_drop),
    check!("network/imds-blocked", firewall::imds_blocked),
    check!("network/iptables-two-back-ends", firewall::two_back_ends),
    check!("network/iptables-rules-many", firewall::many_rules),
    check!("network/iptables-rules-repeated", firewall::repeated_rules),
    check!("network/masquerade-not-random", firewall::masquerade_not_random),
    check!("network/conntrack-insert-failed", tracking::insert_failed),
    check!("network/conntrack-table-overrun", tracking::table_overrun),
    check!("network/conntrack-invalid-many", tracking::invalid_many),
    check!("network/conntrack-near-limit", tracking::near_limit),
    check!("network/conntrack-limit-low", tracking::limit_low),
    check!("network/connections-unanswered", tracking::unanswered),
    check!("network/sockets-not-closed", tracking::sockets_piling_up),
    check!("network/bandwidth-allowance-exceeded", interfaces::bandwidth),
    check!("network/packet-allowance-exceeded", interfaces::packet_rate),
    check!("network/connection-allowance-exceeded", interfaces::connections),
    check!("network/receive-ring-drops", interfaces::receive_drops),
    check!("network/interface-down", interfaces::down),
    check!("network/loopback-missing", interfaces::loopback_missing),
    check!("network/mac-address-policy-persistent", interfaces::mac_address_policy),
    check!("network/ip-forward-off", kernel::not_forwarding),
    check!("network/reverse-path-strict", kernel::strict_reverse_path),
    check!("network/bridge-not-filtered", kernel::bridge_not_filtered),
    check!("network-policy/strict-mode", settings::strict_policies),
    check!("network-policy/two-engines", kernel::two_policy_engines),
    check!("kube-proxy/service-rules-missing", services::rules_missing),
    check!("kube-proxy/needed-service-missing", services::needed_service_missing),
    check!("kube-proxy/services-without-endpoints", services::without_endpoints),
    check!("kube-proxy/masquerade-missing", services::masquerade_missing),
    check!("kube-proxy/kubelet-port-translated", firewall::kubelet_port_taken),
    check!("dns/nameserver-missing", resolver::no_nameserver),
    ("dns/stub-resolver-for-pods", |state| settle(resolver::stub_for_pods(state))),
    check!("dns/resolver-not-of-the-vpc", resolver::not_of_the_vpc),
    check!("dns/resolver-over-limits", resolver::over_limits),
    check!("dns/ping-name-unresolved", resolver::name_unresolved),
    ("dns/cluster-dns-unknown", |state| settle(services::cluster_dns_unknown(state))),
    check!("kubelet/api-probe-failed", resolver::api_unreachable),
];
