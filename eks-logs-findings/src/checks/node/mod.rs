//! Checks of the node itself: disks, memory, processes, configuration, versions.

use super::Check;

/// The checks, by the id of their rule.
pub(super) const CHECKS: &[(&str, Check)] = &[];
