//! The node's own state: which file is read by which parser.

use super::kubelet_settings::KubeletSettings;
use crate::checks::{Cite, Outcome, StateFile, StateFiles};
use crate::state::{
    Parsed, Span, containerd_config, containerd_version, cpu_throttling, ctr, df, docker_info, fstab, goroutines,
    inodes, io_throttling, kubeconfig, large_environments, lsblk, mounts, netstat, packages, pod_local_storage,
    pressure, process_stat, procstat, ps, reboots, selinux, services, sysctl, systemd_analyze, threads, top, uname,
    xfs,
};

/// What one file says.
#[derive(Clone, Debug)]
pub(crate) struct Read<T> {
    /// Its path.
    pub(crate) path: String,
    /// Whether it holds anything but white space.
    pub(crate) blank: bool,
    /// Whether its end is missing.
    pub(crate) cut: bool,
    /// What it says and what of it could not be read.
    pub(crate) parsed: Parsed<T>,
}

impl<T: Default + PartialEq> Read<T> {
    fn state(&self) -> ReadState<'_> {
        ReadState {
            path: &self.path,
            blank: self.blank,
            cut: self.cut,
            nothing: self.parsed.value == T::default(),
            problems: self.parsed.problem_count,
            first: self.parsed.problems.first().map(ToString::to_string),
        }
    }
}

impl<T> Read<T> {
    fn of(file: &StateFile, parse: impl Fn(&[u8]) -> Parsed<T>) -> Self {
        let blank = file.content.trim_ascii().is_empty();
        let mut parsed = parse(&file.content);
        if let Some(cut) = &file.cut {
            parsed.problem(Span::default(), cut.clone());
        }
        Self { path: file.path.clone(), blank, cut: file.cut.is_some(), parsed }
    }

    /// A place in it.
    pub(crate) fn cite(&self, span: Span) -> Cite {
        Cite { file: self.path.clone(), span, text: None }
    }

    /// What it says.
    pub(crate) fn value(&self) -> &T {
        &self.parsed.value
    }
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadState<'a> {
    pub(crate) path: &'a str,
    pub(crate) blank: bool,
    pub(crate) cut: bool,
    /// Nothing in it could be read.
    pub(crate) nothing: bool,
    pub(crate) problems: u64,
    pub(crate) first: Option<String>,
}

/// A file that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LookedFor<'a> {
    pub(crate) usual: &'static str,
    pub(crate) read: Option<ReadState<'a>>,
}

/// A file that a check cannot do without.
///
/// # Errors
/// The file is absent or blank, or nothing in it could be read: what that leaves unknown.
pub(crate) fn needed<'a, T>(
    read: &'a Option<Read<T>>,
    path: &str,
    unknown: &str,
    says_nothing: impl Fn(&T) -> bool,
) -> Result<&'a Read<T>, Outcome> {
    let Some(read) = read else {
        return Err(Outcome::Unknown(format!("{path} is not in the bundle: {unknown} is not known")));
    };
    if read.blank {
        return Err(Outcome::Unknown(format!("{} is empty: {unknown} is not known", read.path)));
    }
    if says_nothing(read.value()) {
        let why = read.parsed.problems.first().map_or_else(|| "it holds no such data".to_owned(), ToString::to_string);
        return Err(Outcome::Unknown(format!("{} ({why}): {unknown} is not known", read.path)));
    }
    Ok(read)
}

macro_rules! node_files {
    ($($name:ident: $type:ty = [$($path:literal),+] $parse:expr;)*) => {
        /// The node's files, each parsed; none where the bundle lacks it.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct NodeFiles {
            $(pub(crate) $name: Option<Read<$type>>,)*
            /// containerd's goroutines, by dump.
            pub(crate) goroutines: Vec<Read<Vec<goroutines::Waiting>>>,
            /// kubelet's settings from all their files.
            pub(crate) kubelet: KubeletSettings,
        }

        impl NodeFiles {
            pub(crate) fn of(files: &StateFiles) -> Self {
                let mut node = Self {
                    $($name: [$($path),+].iter().find_map(|path| files.get(path)).map(|file| Read::of(file, $parse)),)*
                    goroutines: files
                        .iter()
                        .filter(|file| file.source.name() == "goroutine-dump")
                        .map(|file| Read::of(file, goroutines::parse))
                        .collect(),
                    kubelet: KubeletSettings::default(),
                };
                node.kubelet = KubeletSettings::of(files, node.ps.as_ref());
                node
            }

            /// Every file that was looked for: its usual path, and what became of it.
            pub(crate) fn looked_for(&self) -> Vec<LookedFor<'_>> {
                vec![$(LookedFor {
                    usual: [$($path),+][0],
                    read: self.$name.as_ref().map(|read| read.state()),
                },)*]
            }
        }
    };
}

node_files! {
    mounts: mounts::Mounts = ["storage/mounts.txt", "proc-mounts"] mounts::parse;
    df: Vec<df::Filesystem> = ["df"] df::parse;
    inodes: Vec<df::Filesystem> = ["storage/inodes.txt", "df-inodes"] inodes::parse;
    lsblk: Vec<lsblk::Device> = ["storage/lsblk.txt"] lsblk::parse;
    fstab: Vec<fstab::Entry> = ["storage/fstab.txt"] fstab::parse;
    xfs: Vec<xfs::Xfs> = ["storage/xfs.txt"] xfs::parse;
    layers: Vec<pod_local_storage::Layer> = ["storage/pod_local_storage.txt"] pod_local_storage::parse;
    top: top::Top = ["system/top.txt"] top::parse;
    ps: Vec<ps::Process> = ["system/ps.txt"] ps::parse;
    threads: threads::Threads = ["system/ps-threads.txt"] threads::parse;
    procstat: procstat::ProcStat = ["system/procstat.txt"] procstat::parse;
    process_stats: Vec<process_stat::ProcessStat> = ["system/allprocstat.txt"] process_stat::parse;
    environments: Vec<large_environments::LargeEnvironment> = ["system/large_environments.txt"] large_environments::parse;
    cpu_throttling: cpu_throttling::CpuThrottling = ["system/cpu_throttling.txt"] cpu_throttling::parse;
    io_delays: Vec<io_throttling::IoDelay> = ["system/io_throttling.txt"] io_throttling::parse;
    pressure_cpu: pressure::Pressure = ["system/pressure_cpu.txt"] pressure::parse;
    pressure_memory: pressure::Pressure = ["system/pressure_memory.txt"] pressure::parse;
    pressure_io: pressure::Pressure = ["system/pressure_io.txt"] pressure::parse;
    services: services::Services = ["system/services.txt"] services::parse;
    reboots: reboots::Reboots = ["system/last_reboot.txt"] reboots::parse;
    boot: systemd_analyze::Startup = ["system/systemd-analyze.svg", "systemd-analyze-plot.svg"] systemd_analyze::parse;
    packages: packages::Packages = ["system/pkglist.txt"] packages::parse;
    uname: Option<uname::Uname> = ["kernel/uname.txt"] uname::parse;
    selinux: Option<(Span, selinux::Mode)> = ["system/selinux.txt"] selinux::parse;
    kubeconfig: Option<kubeconfig::Kubeconfig> = ["kubelet/kubeconfig.yaml", "system/kubelet/kubeconfig"] kubeconfig::parse;
    containerd_config: Option<containerd_config::ContainerdConfig> =
        ["containerd/containerd-config.txt", "containerd-config", "system/containerd/containerd-config.txt"] containerd_config::parse;
    containerd_version: containerd_version::ContainerdVersion =
        ["containerd/containerd-version.txt", "system/containerd/containerd-version.txt"] containerd_version::parse;
    containers: Vec<ctr::Container> =
        ["containerd/containerd-containers.txt", "system/containerd/containerd-containers.txt"] ctr::parse_containers;
    tasks: Vec<ctr::Task> = ["containerd/containerd-tasks.txt", "system/containerd/containerd-tasks.txt"] ctr::parse_tasks;
    images: Vec<ctr::Image> = ["containerd/containerd-images.txt", "system/containerd/containerd-images.txt"] ctr::parse_images;
    plugins: Vec<ctr::Plugin> = ["containerd/containerd-plugins.txt", "system/containerd/containerd-plugins.txt"] ctr::parse_plugins;
    docker_info: docker_info::DockerInfo = ["docker/docker-info.txt"] docker_info::parse;
    sockets: Vec<netstat::Socket> = ["system/netstat.txt"] netstat::parse;
    sysctl: sysctl::Sysctl = ["sysctls/sysctl_all.txt"] sysctl::parse;
}

impl NodeFiles {
    /// df's rows and the file that has them: with the mount table, or alone.
    pub(crate) fn filesystems(&self) -> Result<(&str, &[df::Filesystem]), Outcome> {
        if let Some(df) = self.df.as_ref().filter(|df| !df.value().is_empty()) {
            return Ok((&df.path, df.value()));
        }
        let unknown = "how full the node's disks are";
        let read = needed(&self.mounts, "storage/mounts.txt", unknown, |mounts| mounts.filesystems.is_empty())?;
        Ok((&read.path, &read.value().filesystems))
    }

    /// The mount table.
    pub(crate) fn mount_table(&self) -> Result<&Read<mounts::Mounts>, Outcome> {
        needed(&self.mounts, "storage/mounts.txt", "what is mounted", |mounts| mounts.mounts.is_empty())
    }

    /// Whether the root is an image that nothing can be written to by design (Bottlerocket).
    pub(crate) fn immutable_root(&self, files: &StateFiles) -> bool {
        files.get("os-release").is_some_and(|file| memchr::memmem::find(&file.content, b"bottlerocket").is_some())
            || files.get("bottlerocket/application-inventory.json").is_some()
            || self.mounts.as_ref().and_then(|mounts| mounts.value().at("/")).is_some_and(|root| {
                matches!(root.fs_type.as_str(), "erofs" | "squashfs") || root.device.starts_with("/dev/dm-")
            })
    }
}
