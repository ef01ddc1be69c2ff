//! Figures of the node's own sections. Where the bundle does not tell one, it is `null`, never 0.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::node_sections::files_of;
use super::{Figures, SectionFile};
use crate::rule::Section;

/// A number with two decimals, such as a load average or a percentage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hundredths(i64);

impl Hundredths {
    /// The nearest such number; 0 for what is no number.
    pub fn of(value: f64) -> Self {
        Self((value * 100.0).round() as i64)
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0 as f64 / 100.0
    }
}

impl Serialize for Hundredths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.value())
    }
}

impl<'de> Deserialize<'de> for Hundredths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self::of)
    }
}

impl JsonSchema for Hundredths {
    fn schema_name() -> Cow<'static, str> {
        "Hundredths".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        f64::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A file that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeFile {
    /// The path that it has in the bundles of most collectors.
    pub usual: String,
    /// What became of it, under the path that it has here.
    #[serde(flatten)]
    pub file: SectionFile,
}

/// The figures of all sections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct NodeFigures {
    /// The files that were looked for, and what became of them.
    pub files: Vec<NodeFile>,
    pub storage: StorageFigures,
    pub memory: MemoryFigures,
    pub cpu: CpuFigures,
    pub processes: ProcessesFigures,
    pub services: ServicesFigures,
    pub kubelet: KubeletFigures,
    pub containerd: ContainerdFigures,
    pub versions: VersionsFigures,
    pub sysctl: SysctlFigures,
    pub reboots: RebootsFigures,
    pub time: TimeFigures,
    pub gpu: GpuFigures,
}

impl NodeFigures {
    pub(super) fn figures(&self, section: Section) -> Figures {
        match section {
            Section::Memory => Figures::Memory(self.memory.clone()),
            Section::Cpu => Figures::Cpu(self.cpu.clone()),
            Section::Processes => Figures::Processes(self.processes.clone()),
            Section::Services => Figures::Services(self.services.clone()),
            Section::Kubelet => Figures::Kubelet(self.kubelet.clone()),
            Section::Containerd => Figures::Containerd(self.containerd.clone()),
            Section::Versions => Figures::Versions(self.versions.clone()),
            Section::Sysctl => Figures::Sysctl(self.sysctl.clone()),
            Section::Reboots => Figures::Reboots(self.reboots.clone()),
            Section::Time => Figures::Time(self.time.clone()),
            Section::Gpu => Figures::Gpu(self.gpu.clone()),
            _ => Figures::Storage(self.storage.clone()),
        }
    }

    /// The files of a section.
    pub(super) fn section_files(&self, section: Section) -> Vec<SectionFile> {
        files_of(section)
            .filter_map(|usual| self.files.iter().find(|file| file.usual == usual))
            .map(|file| file.file.clone())
            .collect()
    }
}

/// Disks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageFigures {
    /// File systems of the node itself.
    pub filesystems: Vec<FilesystemFigures>,
    /// Mounts in all.
    pub mounts: Option<u64>,
    /// Of these, layers of containers.
    pub overlay_mounts: Option<u64>,
    /// Network file systems: what is mounted where.
    pub network_mounts: BTreeMap<String, String>,
    /// Disks and partitions.
    pub devices: Vec<DeviceFigures>,
    /// Blocks per free extent, by XFS.
    pub xfs_average_free_extent: BTreeMap<String, Hundredths>,
    /// The largest writable layers of containers, in bytes.
    pub largest_layers: BTreeMap<String, u64>,
}

/// One file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesystemFigures {
    /// Where it is mounted.
    pub mount: String,
    /// Its device.
    pub device: String,
    /// How full it is, in percent.
    pub used_percent: Option<u8>,
    /// Its size in bytes, rounded as printed.
    pub total_bytes: Option<u64>,
    /// What is left, in bytes, rounded as printed.
    pub available_bytes: Option<u64>,
    /// Used inodes, in percent.
    pub inodes_used_percent: Option<u8>,
    /// Whether it is mounted read-only.
    pub read_only: Option<bool>,
}

/// A disk or a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceFigures {
    /// Its name.
    pub name: String,
    /// `disk`, `part`, `raid0` ...
    pub kind: String,
    /// Its size in bytes, rounded as printed.
    pub bytes: Option<u64>,
    /// Where it is mounted.
    pub mounts: Vec<String>,
}

/// Memory, in KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryFigures {
    /// In all.
    pub total_kib: Option<u64>,
    /// What new processes can get.
    pub available_kib: Option<u64>,
    /// Caches and buffers.
    pub cache_kib: Option<u64>,
    /// Swap.
    pub swap_kib: Option<u64>,
    /// Reserved huge pages.
    pub huge_pages: Option<i64>,
    /// The processes that hold most.
    pub largest: Vec<ProcessFigures>,
    /// Percent of the last minute in which no task could go on, by resource.
    pub full_pressure: BTreeMap<String, Hundredths>,
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessFigures {
    /// Its id.
    pub pid: u32,
    /// Its program.
    pub program: String,
    /// The figure by which it was chosen: KiB, percent or threads.
    pub figure: Hundredths,
}

/// Runnable tasks, on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadFigures {
    /// Over the last minute.
    pub one_minute: Hundredths,
    /// Over the last five.
    pub five_minutes: Hundredths,
    /// Over the last fifteen.
    pub fifteen_minutes: Hundredths,
}

/// A limit and what sets it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitFigures {
    /// What sets it.
    pub name: String,
    /// The limit.
    pub limit: i64,
}

/// CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CpuFigures {
    /// CPUs that are online.
    pub cpus: Option<u32>,
    /// Load averages over one, five and fifteen minutes.
    pub load: Option<LoadFigures>,
    /// Percent of time by use: `user`, `system`, `ioWait`, `steal`, `idle`.
    pub percent: BTreeMap<String, Hundredths>,
    /// Percent of time stolen since boot.
    pub steal_since_boot_percent: Option<Hundredths>,
    /// Tasks that wait for I/O.
    pub blocked_tasks: Option<u64>,
    /// Cgroups that were ever held back by their limit.
    pub throttled_cgroups: Option<u64>,
    /// The processes that used most, in percent of one CPU since their start.
    pub largest: Vec<ProcessFigures>,
}

/// Processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessesFigures {
    /// Processes.
    pub processes: Option<u64>,
    /// Dead and not reaped.
    pub zombies: Option<u64>,
    /// In a wait that no signal ends.
    pub uninterruptible: Option<u64>,
    /// Threads of all processes.
    pub threads: Option<u64>,
    /// The smaller limit of process ids, and its name.
    pub task_limit: Option<LimitFigures>,
    /// The processes with most threads.
    pub most_threads: Vec<ProcessFigures>,
    /// Open files.
    pub open_files: Option<u64>,
    /// How many files may be open.
    pub open_files_limit: Option<u64>,
    /// Shims: pods that containerd has started.
    pub shims: Option<u64>,
    /// Processes with more than a thousand environment variables.
    pub large_environments: Option<u64>,
}

/// Units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServicesFigures {
    /// Units of the table.
    pub units: Option<u64>,
    /// Units in the state failed.
    pub failed: Vec<String>,
    /// The state of units that the node needs, by name.
    pub vital: BTreeMap<String, String>,
    /// The mode of SELinux.
    pub selinux: Option<String>,
}

/// kubelet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeletFigures {
    /// Configuration files, in the order in which they are merged.
    pub config_files: Vec<String>,
    /// Pods that it takes.
    pub max_pods: Option<u32>,
    /// The resolvers that pods get.
    pub cluster_dns: Vec<String>,
    /// How it makes cgroups.
    pub cgroup_driver: Option<String>,
    /// Thresholds of eviction, by signal.
    pub eviction_hard: BTreeMap<String, String>,
    /// What is reserved for kubelet and the runtime.
    pub kube_reserved: BTreeMap<String, String>,
    /// What is reserved for the system.
    pub system_reserved: BTreeMap<String, String>,
    /// Tasks that one pod may have.
    pub pod_pids_limit: Option<i64>,
    /// The API server.
    pub server: Option<String>,
    /// The cluster for which it asks a token.
    pub cluster: Option<String>,
    /// The node's IP, where a flag sets it.
    pub node_ip: Option<String>,
    /// Variables of its command line whose values are in no file of the bundle.
    pub unresolved_arguments: Vec<String>,
}

/// containerd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerdFigures {
    /// Its version.
    pub version: Option<String>,
    /// Whether the daemon answered the collector.
    pub answered: Option<bool>,
    /// The image of sandboxes.
    pub sandbox_image: Option<String>,
    /// The snapshotter.
    pub snapshotter: Option<String>,
    /// The runtime of pods that name none.
    pub default_runtime: Option<String>,
    /// Runtimes, and whether systemd makes their cgroups.
    pub runtimes: BTreeMap<String, Option<bool>>,
    /// Where registries are configured.
    pub registry_config_path: Option<String>,
    /// Containers that are kept.
    pub containers: Option<u64>,
    /// Tasks that run.
    pub running_tasks: Option<u64>,
    /// References to images.
    pub images: Option<u64>,
    /// Plugins in the state error.
    pub plugins_with_errors: Vec<String>,
}

/// Versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionsFigures {
    /// Versions by component; more than one where several run.
    pub components: BTreeMap<String, Vec<String>>,
    /// Installed packages.
    pub packages: Option<u64>,
}

/// Kernel parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SysctlFigures {
    /// Parameters of the dump.
    pub parameters: Option<u64>,
    /// Those that EKS sets or that limit a node.
    pub values: BTreeMap<String, String>,
}

/// Boots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RebootsFigures {
    /// Seconds since boot, when it was collected.
    pub uptime_seconds: Option<u64>,
    /// Boots that wtmp knows, the newest first: when (in the node's zone), and for how many minutes.
    pub boots: Vec<BootFigures>,
    /// Seconds that the boot took.
    pub boot_took_seconds: Option<Hundredths>,
}

/// One boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BootFigures {
    /// `2026-11-18 21:00`, or without a year.
    pub began: String,
    /// The kernel, cut to sixteen characters.
    pub kernel: String,
    /// Minutes; `null` for the one that runs and for those whose end is not recorded.
    pub minutes: Option<u64>,
}

/// Time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeFigures {
    /// Units that keep the clock, and their state.
    pub units: BTreeMap<String, String>,
    /// When the node booted, in seconds since the epoch.
    pub booted_at: Option<i64>,
}

/// GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpuFigures {
    /// Packages of NVIDIA's and Neuron's, with their versions.
    pub packages: BTreeMap<String, String>,
    /// Whether containerd has a runtime of NVIDIA's.
    pub nvidia_runtime: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_decimals_are_kept_as_a_number() {
        assert_eq!(serde_json::to_string(&[Hundredths::of(41.224), Hundredths::of(3.0)]).unwrap(), "[41.22,3.0]");
        assert_eq!(Hundredths::of(f64::NAN), Hundredths::default());
    }
}
