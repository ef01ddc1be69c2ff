//! `data/thresholds.toml`: from which figure on a state is worth telling.

use std::sync::OnceLock;

use serde::Deserialize;

/// One figure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::checks) struct Threshold {
    value: f64,
    /// Kept for the test that every figure has one.
    #[cfg_attr(not(test), allow(dead_code))]
    source: String,
}

macro_rules! thresholds {
    ($($name:ident),* $(,)?) => {
        /// All figures.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            $($name: Threshold,)*
        }

        $(
            /// The figure of that name in `data/thresholds.toml`.
            pub(in crate::checks) fn $name() -> f64 {
                table().$name.value
            }
        )*

        #[cfg(test)]
        fn sources() -> Vec<&'static str> {
            vec![$(table().$name.source.as_str(),)*]
        }
    };
}

thresholds!(
    filesystem_full_percent,
    filesystem_critical_percent,
    eviction_nodefs_available_percent,
    eviction_nodefs_inodes_percent,
    eviction_memory_bytes,
    inodes_full_percent,
    volume_full_percent,
    mounts,
    container_layer_bytes,
    container_layer_disk_percent,
    xfs_average_free_extent_blocks,
    memory_available_percent,
    pressure_full_percent,
    hugepages_memory_percent,
    cpu_steal_percent,
    cpu_steal_since_boot_percent,
    load_per_cpu,
    cpu_throttled_percent,
    cpu_throttled_periods,
    io_delay_uptime_percent,
    tasks_high_percent,
    tasks_critical_percent,
    open_files_high_percent,
    open_files_critical_percent,
    zombies,
    zombies_critical,
    uninterruptible,
    runc_init,
    runc_init_minutes,
    leaked_shims,
    dead_containers,
    blocked_goroutines,
    boots_in_a_day,
    boot_minutes,
    allowance_bandwidth_packets,
    allowance_rate_packets,
    allowance_one_in_packets,
    tracked_connections_left,
    receive_drops_one_in_packets,
    filter_rules,
    same_rule,
    conntrack_failed,
    conntrack_invalid,
    conntrack_least,
    conntrack_full_percent,
    conntrack_brimful_percent,
    unanswered_syn,
    unanswered_flows,
    sockets_close_wait,
);

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        // The file is part of the crate and a test reads it: what does not parse never ships.
        #[allow(clippy::expect_used)]
        toml::from_str(include_str!("../../data/thresholds.toml")).expect("data/thresholds.toml is sound")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_source() {
        assert!(sources().into_iter().all(|source| source.len() > 6));
        assert!(filesystem_full_percent() < filesystem_critical_percent());
    }
}
