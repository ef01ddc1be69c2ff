//! Which section of the node a file or a rule belongs to, and what is not known without the file.

use super::{FileState, NodeFigures};
use crate::platform::Platform;
use crate::rule::Section;

/// The sections of the node itself, in the order in which they are told.
pub const NODE_SECTIONS: &[Section] = &[
    Section::Storage,
    Section::Memory,
    Section::Cpu,
    Section::Processes,
    Section::Services,
    Section::Kubelet,
    Section::Containerd,
    Section::Versions,
    Section::Sysctl,
    Section::Reboots,
    Section::Time,
    Section::Gpu,
];

/// Files of the sections, and what is not known without each; what only some nodes or collectors have leaves nothing to ask for ("").
const FILES: &[(Section, &str, &str)] = &[
    (Section::Storage, "storage/mounts.txt", "what is mounted and how full it is"),
    (Section::Storage, "storage/inodes.txt", "how many inodes are used"),
    (Section::Storage, "storage/lsblk.txt", "which disks there are"),
    (Section::Storage, "storage/xfs.txt", "how XFS has its free space"),
    (Section::Storage, "storage/pod_local_storage.txt", "what containers write into their layers"),
    (Section::Storage, "storage/fstab.txt", ""),
    (Section::Storage, "df", ""),
    (Section::Memory, "system/top.txt", "how much memory is left and who holds it"),
    (Section::Memory, "system/pressure_memory.txt", ""),
    (Section::Memory, "system/pressure_io.txt", ""),
    (Section::Cpu, "system/top.txt", "the load and who causes it"),
    (Section::Cpu, "system/procstat.txt", "how many CPUs there are and what was stolen"),
    (Section::Cpu, "system/allprocstat.txt", "how long processes waited for the disk"),
    (Section::Cpu, "system/cpu_throttling.txt", "which cgroups are held back by their limit"),
    (Section::Cpu, "system/io_throttling.txt", ""),
    (Section::Cpu, "system/pressure_cpu.txt", ""),
    (Section::Processes, "system/ps.txt", "which processes run, hang or are dead"),
    (Section::Processes, "system/ps-threads.txt", "how many threads there are"),
    (Section::Processes, "system/large_environments.txt", "which processes have large environments"),
    (Section::Services, "system/services.txt", "which units run and which failed"),
    (Section::Services, "system/selinux.txt", ""),
    (Section::Kubelet, "kubelet/config.json", "how kubelet is configured"),
    (Section::Kubelet, "kubelet/kubelet_service.txt", "with which flags kubelet runs"),
    (Section::Kubelet, "kubelet/kubeconfig.yaml", "which API server and cluster kubelet asks"),
    (Section::Containerd, "containerd/containerd-config.txt", "how containerd is configured"),
    (Section::Containerd, "containerd/containerd-version.txt", "which containerd runs and whether it answers"),
    (Section::Containerd, "containerd/containerd-containers.txt", "which containers are kept"),
    (Section::Containerd, "containerd/containerd-tasks.txt", "which containers run"),
    (Section::Containerd, "containerd/containerd-images.txt", "which images are on the node"),
    (Section::Containerd, "containerd/containerd-plugins.txt", "which plugins of containerd work"),
    (Section::Containerd, "docker/docker-info.txt", ""),
    (Section::Versions, "kernel/uname.txt", "which kernel runs"),
    (Section::Versions, "system/pkglist.txt", "which packages are installed"),
    (Section::Sysctl, "sysctls/sysctl_all.txt", "the kernel's parameters"),
    (Section::Reboots, "system/last_reboot.txt", "when the node booted before"),
    (Section::Reboots, "system/systemd-analyze.svg", "how long the boot took"),
    (Section::Time, "system/services.txt", "whether the clock is kept"),
    (Section::Time, "system/procstat.txt", "when the node booted"),
    (Section::Gpu, "system/pkglist.txt", "whether the node is made for GPUs"),
];

/// The usual paths of a section's files.
pub(super) fn files_of(section: Section) -> impl Iterator<Item = &'static str> {
    FILES.iter().filter(move |(its, ..)| *its == section).map(|(_, path, _)| *path)
}

/// What is not known because of files that are absent or could not be read as a whole.
pub(super) fn left_unknown(section: Section, node: &NodeFigures, platform: &Platform) -> Vec<String> {
    let rows = FILES.iter().filter(|(its, ..)| *its == section);
    rows.filter_map(|(_, usual, what)| {
        let file = &node.files.iter().find(|file| file.usual == *usual)?.file;
        let why = match file.state {
            FileState::Read => return None,
            FileState::Absent | FileState::Empty if what.is_empty() => return None,
            FileState::Absent if platform.never_has(usual) => "is never in such a bundle",
            FileState::Absent => "is absent",
            FileState::Empty => "is empty",
            FileState::Unavailable => "holds no output",
            FileState::Unreadable => "cannot be read",
            FileState::Partly => "cannot be read as a whole",
            FileState::Cut => "was cut",
        };
        let what = if what.is_empty() { "what it would show" } else { what };
        Some(format!("{} {why}: {what} is not known for certain", file.file))
    })
    .collect()
}

/// The section of a rule that reads lines; the first row that matches wins, `*` at the end stands for anything.
const RULES: &[(&str, Section)] = &[
    ("storage/*", Section::Storage),
    ("volume/*", Section::Storage),
    ("memory/*", Section::Memory),
    ("kernel/soft-lockup", Section::Cpu),
    ("kernel/hard-lockup", Section::Cpu),
    ("kernel/rcu-stall", Section::Cpu),
    ("kernel/cpu-*", Section::Cpu),
    ("kernel/workqueue-*", Section::Cpu),
    ("kernel/task-hung", Section::Processes),
    ("kernel/node-task-hung", Section::Processes),
    ("process/*", Section::Processes),
    ("kernel/panic", Section::Reboots),
    ("lifecycle/node-unit-*", Section::Services),
    ("lifecycle/unit-*", Section::Services),
    ("lifecycle/system-daemon-failed", Section::Services),
    ("lifecycle/*", Section::Reboots),
    ("bootstrap/*", Section::Services),
    ("kubelet/*", Section::Kubelet),
    ("runtime/*", Section::Containerd),
    ("image/*", Section::Containerd),
    ("time/*", Section::Time),
    ("gpu/*", Section::Gpu),
];

pub(super) fn of_rule(id: &str) -> Option<Section> {
    let matches = |pattern: &str| pattern.strip_suffix('*').map_or(pattern == id, |start| id.starts_with(start));
    RULES.iter().find(|(pattern, _)| matches(pattern)).map(|(_, section)| *section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_files_and_rules_have_one_section() {
        for section in NODE_SECTIONS {
            assert!(files_of(*section).next().is_some(), "{section:?}");
        }
        assert_eq!(of_rule("lifecycle/unit-watchdog-timeout"), Some(Section::Services));
        assert_eq!(of_rule("lifecycle/spot-interruption"), Some(Section::Reboots));
        assert_eq!(of_rule("iam/access-denied"), None);
    }
}
