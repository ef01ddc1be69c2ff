//! Checks of the node itself: disks, memory, processes, configuration, versions.

mod components;
mod containerd;
mod disks;
mod figures;
mod files;
mod known_bad;
mod kubelet;
mod kubelet_settings;
mod processes;
mod reboots;
mod resources;
mod services;
mod sysctls;

pub(crate) use files::NodeFiles;
pub(crate) use kubelet_settings::KubeletSettings;

use super::{Check, Fault, Outcome, State};

/// The outcome of a check that found faults or could not look.
fn settle(found: Result<Vec<Fault>, Outcome>) -> Outcome {
    found.map_or_else(|outcome| outcome, Outcome::of)
}

/// The checks, by the id of their rule.
pub(super) const CHECKS: &[(&str, Check)] = &[
    ("bootstrap/boot-slow", |state: &State| settle(services::boot_slow(state))),
    ("bootstrap/kubeconfig-cluster-name-wrong", |state| settle(kubelet::cluster_name_wrong(state))),
    ("bootstrap/security-agent-present", |state| settle(services::agents(state))),
    ("gpu/nvidia-runtime-absent", |state| settle(containerd::nvidia_runtime_absent(state))),
    ("kernel/cpu-steal-high", |state| settle(resources::steal_high(state))),
    ("kernel/sysctl-differs", |state| settle(sysctls::baseline_differs(state))),
    ("kernel/tainted", |state| settle(sysctls::tainted(state))),
    ("kubelet/arguments-wrong", |state| settle(kubelet::arguments_wrong(state))),
    ("kubelet/cgroup-drivers-differ", |state| settle(kubelet::cgroup_drivers_differ(state))),
    ("kubelet/cluster-dns-unset", |state| settle(kubelet::cluster_dns(state))),
    ("kubelet/eviction-memory-off", |state| settle(kubelet::eviction_memory_off(state))),
    ("kubelet/max-pods-reached", |state| settle(kubelet::max_pods_reached(state))),
    ("kubelet/reserved-missing", |state| settle(kubelet::reserved_missing(state))),
    ("lifecycle/boots-many", |state| settle(reboots::many(state))),
    ("lifecycle/known-bad-version", |state| settle(known_bad::found(state))),
    ("lifecycle/reboot-unclean", |state| settle(reboots::unclean(state))),
    ("lifecycle/unit-failed", |state| settle(services::failed(state))),
    ("memory/available-low", |state| settle(resources::memory_low(state))),
    ("memory/hugepages-large", |state| settle(resources::hugepages_large(state))),
    ("memory/pressure-high", |state| settle(resources::pressure_high(state))),
    ("process/cpu-throttled", |state| settle(resources::throttled(state))),
    ("process/environment-large", |state| settle(processes::environments(state))),
    ("process/inotify-watches-low", |state| settle(sysctls::inotify_low(state))),
    ("process/io-delay-long", |state| settle(resources::io_delay(state))),
    ("process/load-high", |state| settle(resources::load_high(state))),
    ("process/open-files-near-limit", |state| settle(processes::open_files(state))),
    ("process/pid-max-low", |state| settle(processes::pid_max_low(state))),
    ("process/runc-init-hung", |state| settle(processes::runc_init(state))),
    ("process/shims-leaked", |state| settle(processes::shims_leaked(state))),
    ("process/threads-near-limit", |state| settle(processes::threads_near_limit(state))),
    ("process/uninterruptible-many", |state| settle(processes::uninterruptible(state))),
    ("process/zombies-many", |state| settle(processes::zombies(state))),
    ("runtime/containerd-port-taken", |state| settle(containerd::port_taken(state))),
    ("runtime/containers-dead-many", |state| settle(containerd::dead_containers(state))),
    ("runtime/goroutines-blocked", |state| settle(containerd::goroutines_blocked(state))),
    ("runtime/plugin-failed", |state| settle(containerd::plugins_failed(state))),
    ("runtime/registry-mirrors-old", |state| settle(containerd::registry_mirrors(state))),
    ("runtime/sandbox-image-absent", |state| settle(containerd::sandbox_image(state))),
    ("storage/container-layer-large", |state| settle(disks::layers_large(state))),
    ("storage/filesystem-full", |state| settle(disks::full(state))),
    ("storage/inodes-full", |state| settle(disks::inodes_full(state))),
    ("storage/instance-store-unmounted", |state| settle(disks::instance_store_unmounted(state))),
    ("storage/mounted-read-only", |state| settle(disks::read_only(state))),
    ("storage/mounts-many", |state| settle(disks::mounts_many(state))),
    ("storage/volume-full", |state| settle(disks::volumes_full(state))),
    ("storage/xfs-fragmented", |state| settle(disks::xfs_fragmented(state))),
    ("time/sync-not-running", |state| settle(services::time_not_kept(state))),
    ("volume/efs-tunnel-defunct", |state| settle(disks::efs_tunnels(state))),
];
