//! Checks of the node's network: CNI, routes, packet filters, interfaces.

mod introspection;

use super::Check;

/// The checks, by the id of their rule.
pub(super) const CHECKS: &[(&str, Check)] = &[("cni/introspection-empty", introspection::empty)];
