//! The node's figures, from its parsed files.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::disks;
use super::files::{NodeFiles, Read, ReadState};
use super::services;
use crate::diagnostics::{
    BootFigures, ContainerdFigures, CpuFigures, DeviceFigures, FileState, FilesystemFigures, GpuFigures, Hundredths,
    KubeletFigures, LimitFigures, LoadFigures, MemoryFigures, NodeFigures, NodeFile, ProcessFigures, ProcessesFigures,
    RebootsFigures, SectionFile, ServicesFigures, StorageFigures, SysctlFigures, TimeFigures, VersionsFigures,
};
use crate::state::kubelet_config::Setting;
use crate::state::reboots::{Boot, End};
use crate::state::top::Process;

/// How many processes, layers and boots a figure lists.
const TOLD: usize = 5;
/// Parameters that EKS sets or that limit a node.
const PARAMETERS: &[&str] = &[
    "fs.file-max",
    "fs.file-nr",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.pid_max",
    "kernel.tainted",
    "kernel.threads-max",
    "net.ipv4.ip_local_reserved_ports",
    "vm.max_map_count",
    "vm.nr_hugepages",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "vm.swappiness",
];

/// A file that holds something.
fn told<T>(read: &Option<Read<T>>) -> Option<&T> {
    read.as_ref().filter(|read| !read.blank).map(Read::value)
}

/// How many items a list file has; none where it could not be read as one.
fn count<T>(read: &Option<Read<Vec<T>>>, wanted: impl Fn(&T) -> bool) -> Option<u64> {
    let list = told(read).filter(|list| !list.is_empty())?;
    Some(list.iter().filter(|item| wanted(item)).count() as u64)
}

fn largest(processes: &[Process], figure: impl Fn(&Process) -> Hundredths) -> Vec<ProcessFigures> {
    let mut all: Vec<ProcessFigures> = processes
        .iter()
        .map(|process| ProcessFigures { pid: process.pid, program: process.command.clone(), figure: figure(process) })
        .collect();
    all.sort_by_key(|process| (Reverse(process.figure), process.pid));
    all.truncate(TOLD);
    all
}

/// What became of a file, as the sections tell it.
fn state_of(usual: &'static str, read: Option<ReadState<'_>>) -> NodeFile {
    let Some(read) = read else {
        let file = SectionFile { file: usual.to_owned(), state: FileState::Absent, detail: None, problems: 0 };
        return NodeFile { usual: usual.to_owned(), file };
    };
    let state = match (read.cut, read.blank, read.problems, read.nothing) {
        (true, ..) => FileState::Cut,
        (_, true, ..) => FileState::Empty,
        (_, _, 0, _) => FileState::Read,
        (_, _, _, true) => FileState::Unreadable,
        _ => FileState::Partly,
    };
    let file = SectionFile { file: read.path.to_owned(), state, detail: read.first, problems: read.problems };
    NodeFile { usual: usual.to_owned(), file }
}

impl NodeFiles {
    /// The figures of all sections.
    pub(crate) fn figures(&self) -> NodeFigures {
        NodeFigures {
            files: self.file_states(),
            storage: self.storage(),
            memory: self.memory(),
            cpu: self.cpu(),
            processes: self.processes(),
            services: self.services_figures(),
            kubelet: self.kubelet_figures(),
            containerd: self.containerd(),
            versions: self.versions(),
            sysctl: self.sysctl_figures(),
            reboots: self.reboots_figures(),
            time: self.time(),
            gpu: self.gpu(),
        }
    }

    fn file_states(&self) -> Vec<NodeFile> {
        let mut files: Vec<NodeFile> =
            self.looked_for().into_iter().map(|file| state_of(file.usual, file.read)).collect();
        let kubelet = &self.kubelet;
        let (state, detail) = match (kubelet.unread.first(), kubelet.config_files.first()) {
            (Some(why), Some(_)) => (FileState::Partly, Some(why.clone())),
            (Some(why), None) => (FileState::Unreadable, Some(why.clone())),
            (None, Some(_)) => (FileState::Read, None),
            (None, None) => (FileState::Absent, None),
        };
        let path = kubelet.config_files.first().map_or("kubelet/config.json", String::as_str);
        files.push(NodeFile {
            usual: "kubelet/config.json".to_owned(),
            file: SectionFile { file: path.to_owned(), state, detail, problems: kubelet.unread.len() as u64 },
        });
        let unit = kubelet.flags.iter().find(|(path, _)| path.starts_with("kubelet/"));
        let (path, state) =
            unit.map_or(("kubelet/kubelet_service.txt", FileState::Absent), |(path, _)| (path, FileState::Read));
        files.push(NodeFile {
            usual: "kubelet/kubelet_service.txt".to_owned(),
            file: SectionFile { file: path.to_owned(), state, detail: None, problems: 0 },
        });
        files
    }

    fn storage(&self) -> StorageFigures {
        let rows = self.filesystems().map(|(_, rows)| rows).unwrap_or_default();
        let inodes = told(&self.inodes).map(Vec::as_slice).unwrap_or_default();
        let mounts = told(&self.mounts).filter(|mounts| !mounts.mounts.is_empty());
        let filesystems = disks::own(rows).map(|row| FilesystemFigures {
            mount: row.target.clone(),
            device: row.device.clone(),
            used_percent: row.percent,
            total_bytes: row.total,
            available_bytes: row.available,
            inodes_used_percent: inodes.iter().find(|inode| inode.target == row.target).and_then(|inode| inode.percent),
            read_only: mounts.and_then(|mounts| mounts.at(&row.target)).map(|mount| mount.read_only()),
        });
        let network = mounts.into_iter().flat_map(|mounts| &mounts.mounts);
        let network = network.filter(|mount| {
            mount.fs_type.starts_with("nfs") || matches!(mount.fs_type.as_str(), "lustre" | "cifs" | "fuse.mount-s3")
        });
        let mut layers: Vec<_> = told(&self.layers).into_iter().flatten().collect();
        layers.sort_by_key(|layer| (Reverse(layer.bytes), &layer.path));
        StorageFigures {
            filesystems: filesystems.collect(),
            mounts: mounts.map(|mounts| mounts.mounts.len() as u64),
            overlay_mounts: mounts
                .map(|mounts| mounts.mounts.iter().filter(|mount| mount.fs_type == "overlay").count() as u64),
            network_mounts: network.map(|mount| (mount.target.clone(), mount.device.clone())).collect(),
            devices: told(&self.lsblk)
                .into_iter()
                .flatten()
                .map(|device| DeviceFigures {
                    name: device.name.clone(),
                    kind: device.kind.clone(),
                    bytes: device.bytes,
                    mounts: device.targets.clone(),
                })
                .collect(),
            xfs_average_free_extent: told(&self.xfs)
                .into_iter()
                .flatten()
                .filter_map(|xfs| Some((xfs.device.clone(), Hundredths::of(xfs.average_free()?))))
                .collect(),
            largest_layers: layers.into_iter().take(TOLD).map(|layer| (layer.path.clone(), layer.bytes)).collect(),
        }
    }

    fn memory(&self) -> MemoryFigures {
        let top = told(&self.top);
        let memory = top.and_then(|top| top.memory).map(|(_, memory)| memory);
        let pressure = [("memory", &self.pressure_memory), ("io", &self.pressure_io)];
        let full = pressure.into_iter().filter_map(|(resource, read)| {
            let [_, minute, _] = told(read)?.full?.averages;
            Some((resource.to_owned(), Hundredths::of(minute)))
        });
        MemoryFigures {
            total_kib: memory.map(|memory| memory.total),
            available_kib: memory.and_then(|memory| memory.available),
            cache_kib: memory.map(|memory| memory.cache),
            swap_kib: top.and_then(|top| top.swap).map(|(_, swap)| swap.total),
            huge_pages: told(&self.sysctl).and_then(|sysctl| sysctl.number("vm.nr_hugepages")),
            largest: top
                .map(|top| largest(&top.processes, |process| Hundredths::of(process.resident as f64)))
                .unwrap_or_default(),
            full_pressure: full.collect(),
        }
    }

    fn cpu(&self) -> CpuFigures {
        let (top, procstat) = (told(&self.top), told(&self.procstat));
        let percent = top.and_then(|top| top.cpu).map(|(_, cpu)| {
            [
                ("user", cpu.user),
                ("system", cpu.system),
                ("ioWait", cpu.io_wait),
                ("steal", cpu.steal),
                ("idle", cpu.idle),
            ]
        });
        let throttled = told(&self.cpu_throttling).filter(|file| file.none_found || !file.cgroups.is_empty());
        CpuFigures {
            cpus: procstat.map(|stat| stat.cpus).filter(|cpus| *cpus > 0),
            load: top.and_then(|top| top.load).map(|(_, load)| {
                let [one_minute, five_minutes, fifteen_minutes] = load.map(Hundredths::of);
                LoadFigures { one_minute, five_minutes, fifteen_minutes }
            }),
            percent: percent
                .into_iter()
                .flatten()
                .map(|(use_, percent)| (use_.to_owned(), Hundredths::of(percent)))
                .collect(),
            steal_since_boot_percent: procstat.and_then(|stat| stat.steal_percent()).map(Hundredths::of),
            blocked_tasks: procstat.and_then(|stat| stat.blocked).map(|(_, tasks)| tasks),
            throttled_cgroups: throttled.map(|file| file.cgroups.len() as u64),
            largest: top.map(|top| largest(&top.processes, |process| Hundredths::of(process.cpu))).unwrap_or_default(),
        }
    }

    fn processes(&self) -> ProcessesFigures {
        let threads = told(&self.threads).filter(|threads| threads.total > 0);
        let sysctl = told(&self.sysctl);
        let limit = sysctl.and_then(|sysctl| {
            let limits = ["kernel.pid_max", "kernel.threads-max"].into_iter();
            limits
                .filter_map(|name| Some((sysctl.number(name)?, name)))
                .min()
                .map(|(most, name)| (name.to_owned(), most))
        });
        let files: Vec<u64> = sysctl
            .and_then(|sysctl| sysctl.get("fs.file-nr"))
            .map(|setting| setting.value.split_whitespace().filter_map(|word| word.parse().ok()).collect())
            .unwrap_or_default();
        let mut most: Vec<ProcessFigures> = threads
            .into_iter()
            .flat_map(|threads| &threads.processes)
            .map(|process| ProcessFigures {
                pid: process.pid,
                program: process.command.split_whitespace().next().unwrap_or_default().to_owned(),
                figure: Hundredths::of(process.threads as f64),
            })
            .collect();
        most.sort_by_key(|process| (Reverse(process.figure), process.pid));
        most.truncate(TOLD);
        ProcessesFigures {
            processes: count(&self.ps, |_| true),
            zombies: count(&self.ps, |process| process.zombie()),
            uninterruptible: count(&self.ps, |process| process.uninterruptible()),
            threads: threads.map(|threads| threads.total),
            task_limit: limit.map(|(name, limit)| LimitFigures { name, limit }),
            most_threads: most,
            open_files: files.first().copied(),
            open_files_limit: files.get(2).copied(),
            shims: count(&self.ps, |process| process.program().starts_with("containerd-shim")),
            large_environments: told(&self.environments).map(|rows| rows.len() as u64),
        }
    }

    fn services_figures(&self) -> ServicesFigures {
        let services = told(&self.services).filter(|services| !services.units.is_empty());
        let units = || services.into_iter().flat_map(|services| &services.units);
        let state =
            |unit: &crate::state::services::Unit| (unit.name.clone(), format!("{} ({})", unit.active, unit.sub));
        ServicesFigures {
            units: services.map(|services| services.units.len() as u64),
            failed: units().filter(|unit| unit.active == "failed").map(|unit| unit.name.clone()).collect(),
            vital: units().filter(|unit| services::is_vital(&unit.name)).map(state).collect(),
            selinux: told(&self.selinux).and_then(|mode| mode.as_ref().map(|(_, mode)| format!("{mode:?}"))),
        }
    }

    fn kubelet_figures(&self) -> KubeletFigures {
        let kubelet = &self.kubelet;
        let one = |flag: &str, path: &str| kubelet.one(flag, path).map(|(_, value)| value.to_owned());
        let map = |path: &str| -> BTreeMap<String, String> {
            let entries = kubelet.config.below(path);
            entries
                .filter_map(|(key, cited)| match &cited.setting {
                    Setting::One(value) => Some((key.to_owned(), value.clone())),
                    Setting::Many(_) => None,
                })
                .collect()
        };
        let config = told(&self.kubeconfig).and_then(|config| config.as_ref());
        let dns = kubelet.flag("cluster-dns").and_then(|(_, flag)| flag.value.clone());
        let dns = dns.map(|servers| servers.split(',').map(str::to_owned).collect());
        KubeletFigures {
            config_files: kubelet.config_files.clone(),
            max_pods: one("max-pods", "maxPods").and_then(|pods| pods.parse().ok()),
            cluster_dns: dns
                .or_else(|| kubelet.config.many("clusterDNS").map(|(_, servers)| servers.to_vec()))
                .unwrap_or_default(),
            cgroup_driver: one("cgroup-driver", "cgroupDriver"),
            eviction_hard: map("evictionHard"),
            kube_reserved: map("kubeReserved"),
            system_reserved: map("systemReserved"),
            pod_pids_limit: one("pod-max-pids", "podPidsLimit").and_then(|limit| limit.parse().ok()),
            server: config.and_then(|config| config.server.as_ref()).map(|(_, server)| server.clone()),
            cluster: config.and_then(|config| config.cluster_name()).map(|(_, name)| name.clone()),
            node_ip: kubelet.flag("node-ip").and_then(|(_, flag)| flag.value.clone()),
            unresolved_arguments: kubelet.flags.iter().flat_map(|(_, flags)| flags.unresolved.clone()).collect(),
        }
    }

    fn containerd(&self) -> ContainerdFigures {
        let version = told(&self.containerd_version);
        let config = told(&self.containerd_config).and_then(|config| config.as_ref());
        let text = |cited: &Option<(crate::state::Span, String)>| cited.as_ref().map(|(_, text)| text.clone());
        let plugins = told(&self.plugins).into_iter().flatten().filter(|plugin| plugin.status == "error");
        ContainerdFigures {
            version: version
                .and_then(|version| version.server.as_ref().or(version.client.as_ref()))
                .map(|(_, version)| version.clone()),
            answered: version.filter(|version| version.client.is_some()).map(|version| version.server.is_some()),
            sandbox_image: config.and_then(|config| text(&config.sandbox_image)),
            snapshotter: config.and_then(|config| text(&config.snapshotter)),
            default_runtime: config.and_then(|config| text(&config.default_runtime)),
            runtimes: config
                .into_iter()
                .flat_map(|config| &config.runtimes)
                .map(|runtime| (runtime.name.clone(), runtime.systemd_cgroup.map(|(_, systemd)| systemd)))
                .collect(),
            registry_config_path: config.and_then(|config| text(&config.registry_config_path)),
            containers: count(&self.containers, |_| true),
            running_tasks: count(&self.tasks, |task| task.status == "RUNNING"),
            images: count(&self.images, |_| true),
            plugins_with_errors: plugins.map(|plugin| format!("{}.{}", plugin.kind, plugin.id)).collect(),
        }
    }

    fn versions(&self) -> VersionsFigures {
        let mut components: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for component in self.components() {
            components.entry(component.name.to_owned()).or_default().push(component.version);
        }
        let packages = told(&self.packages).filter(|list| !list.packages.is_empty());
        VersionsFigures { components, packages: packages.map(|list| list.packages.len() as u64) }
    }

    fn sysctl_figures(&self) -> SysctlFigures {
        let sysctl = told(&self.sysctl).filter(|sysctl| !sysctl.is_empty());
        let value = |name: &&str| Some(((*name).to_owned(), sysctl?.get(name)?.value.to_string()));
        SysctlFigures {
            parameters: sysctl.map(|sysctl| sysctl.len() as u64),
            values: PARAMETERS.iter().filter_map(value).collect(),
        }
    }

    fn reboots_figures(&self) -> RebootsFigures {
        let began = |boot: &Boot| {
            let year = boot.year.map_or_else(String::new, |year| format!("{year}-"));
            format!("{year}{:02}-{:02} {:02}:{:02}", boot.month, boot.day, boot.hour, boot.minute)
        };
        let boots = told(&self.reboots).into_iter().flat_map(|reboots| &reboots.boots).take(TOLD * 4);
        RebootsFigures {
            uptime_seconds: told(&self.top).and_then(|top| top.uptime).map(|(_, seconds)| seconds),
            boots: boots
                .map(|boot| BootFigures {
                    began: began(boot),
                    kernel: boot.kernel.clone(),
                    minutes: if let End::After(minutes) = boot.end { Some(minutes) } else { None },
                })
                .collect(),
            boot_took_seconds: told(&self.boot)
                .and_then(|boot| boot.seconds)
                .map(|(_, seconds)| Hundredths::of(seconds)),
        }
    }

    fn time(&self) -> TimeFigures {
        let units = told(&self.services).into_iter().flat_map(|services| &services.units);
        TimeFigures {
            units: units
                .filter(|unit| services::keeps_time(&unit.name))
                .map(|unit| (unit.name.clone(), format!("{} ({})", unit.active, unit.sub)))
                .collect(),
            booted_at: told(&self.procstat).and_then(|stat| stat.boot).map(|(_, at)| at),
        }
    }

    fn gpu(&self) -> GpuFigures {
        let of_gpu = |name: &str| {
            ["nvidia", "kmod-nvidia", "libnvidia", "aws-neuron"].iter().any(|start| name.starts_with(start))
        };
        let packages = told(&self.packages).into_iter().flat_map(|list| &list.packages);
        let config = told(&self.containerd_config).and_then(|config| config.as_ref());
        GpuFigures {
            packages: packages
                .filter(|package| of_gpu(&package.name))
                .map(|package| (package.name.clone(), package.version.clone()))
                .collect(),
            nvidia_runtime: config
                .filter(|config| !config.runtimes.is_empty())
                .map(|config| config.runtimes.iter().any(|runtime| runtime.name.contains("nvidia"))),
        }
    }
}
