//! The node's own state, through the public API: sections with their figures, what is not known, and healthy nodes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write as _;
use std::path::Path;

use eks_logs_core::{LocalStore, Located, MemoryStore, StorePath};
use eks_logs_findings::diagnostics::{FileState, NODE_SECTIONS, SectionReport, node};
use eks_logs_findings::{Catalogue, CheckOutcome, Scan, ScanOptions, Severity, scan};
use futures_lite::future::block_on;

fn scanned(bundle: &Located) -> Scan {
    block_on(scan(bundle, Catalogue::builtin(), ScanOptions::default().with_threads(0), None)).unwrap()
}

fn bundle(files: &[(&str, &str)]) -> Scan {
    let store = MemoryStore::new();
    for (path, content) in files {
        store.insert(StorePath::parse(path).unwrap(), content.as_bytes().to_vec());
    }
    scanned(&Located::in_store(store))
}

fn section(scan: &Scan, name: &str) -> SectionReport {
    node(scan, &[]).into_iter().find(|report| report.section == name).unwrap()
}

const UNAME: &str = "Linux ip-10-64-37-112.us-west-2.compute.internal 6.12.40-64.114.amzn2023.x86_64 #1 SMP PREEMPT_DYNAMIC Tue Aug 12 05:24:04 UTC 2026 x86_64 x86_64 x86_64 GNU/Linux\n";
const MOUNTS: &str = "proc on /proc type proc (rw,nosuid,nodev,noexec,relatime)\n/dev/nvme0n1p1 on / type xfs (rw,noatime,seclabel,attr2,inode64,noquota)\noverlay on /run/containerd/io.containerd.runtime.v2.task/k8s.io/d4ae6af5/rootfs type overlay (rw,relatime,lowerdir=/a,upperdir=/b)\n\nFilesystem        Size  Used Avail Use% Mounted on\ndevtmpfs          4.0M     0  4.0M   0% /dev\n/dev/nvme0n1p1     80G   11G   70G  14% /\noverlay            80G   11G   70G  14% /run/containerd/io.containerd.runtime.v2.task/k8s.io/d4ae6af5/rootfs\n";
const TOP: &str = "top - 03:12:06 up 1 day,  6:12,  0 users,  load average: 0.41, 0.38, 0.29\nTasks: 122 total,   1 running, 121 sleeping,   0 stopped,   0 zombie\n%Cpu(s):  7.1 us,  3.9 sy,  0.0 ni, 88.0 id,  0.2 wa,  0.3 hi,  0.5 si,  0.0 st\nMiB Mem :   7664.2 total,   3000.8 free,   2411.9 used,   2180.5 buff/cache\nMiB Swap:      0.0 total,      0.0 free,      0.0 used.   5200.1 avail Mem\n\n    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND\n   2113 root      20   0 1995288  77320  11680 S  17.3   1.0   6:13.76 kubelet\n";
const PS: &str = "USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\nroot           1  0.1  0.1 175248 10804 ?        Ss   Nov18   1:01 /usr/lib/systemd/systemd --switched-root --system\nroot        1866  1.8  0.6 2048132 44904 ?       Ssl  Nov18   6:37 /usr/bin/containerd\nroot        2113  2.3  1.0 1995288 77320 ?       Ssl  Nov18  13:48 /usr/bin/kubelet --config=/etc/kubernetes/kubelet/config.json --config-dir=/etc/kubernetes/kubelet/config.json.d --node-ip=10.64.37.112 --v=2\nroot        2390  0.1  0.1 1239552  9280 ?       Sl   Nov18  50:30 /usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id d4ae6af5 -address /run/containerd/containerd.sock\n65535       2422  0.1  0.0    996    16 ?        Ss   Nov18  22:03  \\_ /pause\nroot        9900  0.0  0.0   8856  2040 ?        R    03:12   0:00 ps fauxwww --headers\n";
const THREADS: &str = "UID          PID    SPID    PPID  C    SZ   RSS PSR STIME TTY          TIME CMD\nroot           1       1       0  0 43812 10804   0 Nov18 ?        00:00:00 /usr/lib/systemd/systemd\nroot        1866    1866       1  0 12418  5080   0 Nov18 ?        00:00:00 /usr/bin/containerd\nroot        1866    1867       1  0 12418  5080   1 Nov18 ?        00:00:01 /usr/bin/containerd\n";
const STAT: &str = "cpu  411720 12 33098 1320441 9122 0 1842 0 0 0\ncpu0 205860 6 16549 660220 4561 0 921 0 0 0\ncpu1 205860 6 16549 660221 4561 0 921 0 0 0\nbtime 1795035604\nprocesses 61244\nprocs_running 1\nprocs_blocked 0\n";
const SYSCTL: &str = "fs.file-nr = 2912\t0\t9223372036854775807\nfs.inotify.max_user_instances = 8192\nfs.inotify.max_user_watches = 524288\nkernel.panic = 10\nkernel.panic_on_oops = 1\nkernel.pid_max = 4194304\nkernel.tainted = 0\nkernel.threads-max = 61168\nvm.max_map_count = 524288\nvm.nr_hugepages = 0\nvm.overcommit_memory = 1\nvm.panic_on_oom = 0\n";
const CONTAINERD: &str = "version = 3\nroot = '/var/lib/containerd'\n[plugins]\n  [plugins.'io.containerd.cri.v1.images']\n    snapshotter = 'overlayfs'\n    [plugins.'io.containerd.cri.v1.images'.pinned_images]\n      sandbox = 'localhost/kubernetes/pause'\n    [plugins.'io.containerd.cri.v1.images'.registry]\n      config_path = '/etc/containerd/certs.d'\n  [plugins.'io.containerd.cri.v1.runtime'.containerd]\n    default_runtime_name = 'runc'\n    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n      runtime_type = 'io.containerd.runc.v2'\n      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n        SystemdCgroup = true\n";
const SERVICES: &str = "  UNIT                LOAD   ACTIVE SUB     DESCRIPTION\n  chronyd.service     loaded active running NTP client/server\n  containerd.service  loaded active running containerd container runtime\n  kubelet.service     loaded active running Kubernetes Kubelet\n\n3 loaded units listed.\n";

/// A node at which nothing is wrong, with every file that the checks of the node read.
fn healthy() -> Vec<(&'static str, &'static str)> {
    vec![
        ("kernel/uname.txt", UNAME),
        ("system/instance-id.txt", "i-0a1b2c3d4e5f60718\n"),
        ("system/script-params.txt", "ignore_introspection: false\n"),
        ("storage/mounts.txt", MOUNTS),
        (
            "storage/inodes.txt",
            "Filesystem        Inodes  IUsed    IFree IUse% Mounted on\n/dev/nvme0n1p1  41942512 181204 41761308    1% /\n",
        ),
        (
            "storage/lsblk.txt",
            "NAME          MAJ:MIN RM SIZE RO TYPE MOUNTPOINTS\nnvme0n1       259:0    0  80G  0 disk\n└─nvme0n1p1   259:1    0  80G  0 part /\n",
        ),
        ("storage/fstab.txt", "UUID=5f1c2a90 / xfs defaults,noatime 1 1\n"),
        (
            "storage/xfs.txt",
            "meta-data=/dev/nvme0n1p1         isize=512    agcount=41, agsize=524159 blks\n   from      to extents  blocks    pct\n   4096  524159      44 18301222  99.82\n",
        ),
        (
            "storage/pod_local_storage.txt",
            "8.0K\t/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/31/fs\n",
        ),
        ("system/top.txt", TOP),
        ("system/ps.txt", PS),
        ("system/ps-threads.txt", THREADS),
        ("system/procstat.txt", STAT),
        (
            "system/allprocstat.txt",
            "1 (systemd) S 1 1 1 0 -1 4194560 1511 0 1190 0 1 1 0 0 20 0 1 0 0 179453952 2701 18446744073709551615 1 1 0 0 0 0 0 4096 16963 0 0 0 17 1 0 0 12 0 0 0 0 0 0 0 0 0 0\n",
        ),
        ("system/large_environments.txt", "PID\tCount\n"),
        ("system/cpu_throttling.txt", "No CPU Throttling Found\n"),
        ("system/services.txt", SERVICES),
        ("system/selinux.txt", "SELinux mode:\n\t Permissive\n"),
        (
            "system/last_reboot.txt",
            "reboot   system boot  6.12.40-64.114.a Wed Nov 18 21:00   still running\n\nwtmp begins Wed Nov 18 21:00:11 2026\n",
        ),
        (
            "system/systemd-analyze.svg",
            "<svg>\n<text>Startup finished in 1.402s (kernel) + 29.871s (userspace) = 31.273s</text>\n</svg>\n",
        ),
        ("system/pkglist.txt", "runc-1.3.1-1.amzn2023.0.1.x86_64\nchrony-4.3-1.amzn2023.0.5.x86_64\n"),
        ("sysctls/sysctl_all.txt", SYSCTL),
        (
            "kubelet/config.json",
            "{\"kind\":\"KubeletConfiguration\",\"cgroupDriver\":\"systemd\",\"protectKernelDefaults\":true}\n",
        ),
        (
            "kubelet/config.json.d/40-nodeadm.conf",
            "{\"clusterDNS\":[\"172.20.0.10\"],\"maxPods\":29,\"evictionHard\":{\"memory.available\":\"100Mi\",\"nodefs.available\":\"10%\",\"nodefs.inodesFree\":\"5%\"},\"kubeReserved\":{\"cpu\":\"70m\",\"memory\":\"574Mi\"}}\n",
        ),
        (
            "kubelet/kubelet_service.txt",
            "# /etc/systemd/system/kubelet.service\n[Service]\nEnvironmentFile=/etc/eks/kubelet/environment\nExecStart=/usr/bin/kubelet $NODEADM_KUBELET_ARGS\n",
        ),
        (
            "kubelet/kubeconfig.yaml",
            "apiVersion: v1\nkind: Config\nclusters:\n- name: kubernetes\n  cluster:\n    server: https://5D0E7C1A.gr7.us-west-2.eks.amazonaws.com\nusers:\n- name: kubelet\n  user:\n    exec:\n      command: aws\n      args: [eks, get-token, --cluster-name, orchard-batch, --region, us-west-2]\n",
        ),
        ("containerd/containerd-config.txt", CONTAINERD),
        (
            "containerd/containerd-version.txt",
            "Client:\n  Version:  2.1.4\n  Revision: 75cb2b71\n  Go version: go1.24.5\n\nServer:\n  Version:  2.1.4\n  Revision: 75cb2b71\n",
        ),
        (
            "containerd/containerd-containers.txt",
            "CONTAINER    IMAGE    RUNTIME\nd4ae6af5    localhost/kubernetes/pause    io.containerd.runc.v2\n",
        ),
        ("containerd/containerd-tasks.txt", "TASK    PID    STATUS\nd4ae6af5    2422    RUNNING\n"),
        (
            "containerd/containerd-images.txt",
            "REF TYPE DIGEST SIZE PLATFORMS LABELS\nlocalhost/kubernetes/pause:latest application/vnd.oci.image.index.v1+json sha256:af7abf50 300.0 KiB linux/amd64 io.cri-containerd.pinned=pinned\n",
        ),
        (
            "containerd/containerd-plugins.txt",
            "TYPE                            ID           PLATFORMS      STATUS\nio.containerd.snapshotter.v1    zfs          linux/amd64    skip\nio.containerd.snapshotter.v1    overlayfs    linux/amd64    ok\nio.containerd.grpc.v1           cri          linux/amd64    ok\n",
        ),
        (
            "containerd/containerd.1866.stacks.log",
            "goroutine 1 [chan receive, 1812 minutes]:\ngithub.com/containerd/containerd/v2/cmd/containerd/command.App.func1(0xc0004b2f00)\n",
        ),
    ]
}

#[test]
fn a_healthy_node_raises_nothing_and_its_checks_had_all_that_they_need() {
    let scan = bundle(&healthy());
    let its = scan.checks.iter().filter(|check| NODE_SECTIONS.contains(&check.section));
    // What the bundles of this collector never tell, or only with a GPU or the older netstat.
    let without = ["memory/pressure-high", "gpu/nvidia-runtime-absent", "runtime/containerd-port-taken"];
    for check in its.filter(|check| !without.contains(&check.rule.as_str())) {
        assert_eq!(check.outcome, CheckOutcome::Passed, "{}: {:?}", check.rule, check.why);
    }
    let loud: Vec<_> = scan.findings.iter().filter(|finding| finding.severity <= Severity::Medium).collect();
    assert!(loud.is_empty(), "{loud:#?}");
    assert_eq!(scan.platform.os.as_deref(), Some("amazon-linux-2023"));
    assert!(!scan.gaps.iter().any(|gap| gap.file.as_deref() == Some("var_log/messages")), "{:?}", scan.gaps);
}

#[test]
fn sections_tell_figures_of_the_files_that_they_name() {
    let scan = bundle(&healthy());
    let value = |name: &str| serde_json::to_value(section(&scan, name)).unwrap();
    let storage = value("storage");
    assert_eq!(storage["figures"]["storage"]["filesystems"][0]["usedPercent"], 14);
    assert_eq!(storage["figures"]["storage"]["filesystems"][0]["inodesUsedPercent"], 1);
    assert_eq!(value("cpu")["figures"]["cpu"]["load"]["oneMinute"], 0.41);
    assert_eq!(value("memory")["figures"]["memory"]["availableKib"], 5_324_902);
    let kubelet = value("kubelet");
    assert_eq!(kubelet["figures"]["kubelet"]["maxPods"], 29);
    assert_eq!(kubelet["figures"]["kubelet"]["cluster"], "orchard-batch");
    assert_eq!(kubelet["figures"]["kubelet"]["nodeIp"], "10.64.37.112");
    assert_eq!(value("containerd")["figures"]["containerd"]["runtimes"]["runc"], true);
    assert_eq!(value("versions")["figures"]["versions"]["components"]["containerd"][0], "2.1.4");
    assert_eq!(value("processes")["figures"]["processes"]["threads"], 3);
    for report in node(&scan, &[]).iter().filter(|report| report.section != "gpu") {
        assert!(
            report.files.iter().any(|file| file.state == FileState::Read),
            "{}: {:?}",
            report.section,
            report.files
        );
    }
}

#[test]
fn a_section_without_its_files_says_so_and_never_that_all_is_well() {
    let scan = bundle(&[("system/instance-id.txt", "i-0123456789abcdef0\n")]);
    let reports = node(&scan, &[]);
    assert_eq!(reports.len(), NODE_SECTIONS.len());
    for report in &reports {
        assert!(!report.unknown.is_empty(), "{} says nothing of what is missing", report.section);
        assert!(report.passed.is_empty(), "{} passed without files: {:?}", report.section, report.passed);
        assert!(report.issues.is_empty(), "{}: {:?}", report.section, report.issues);
    }
}

#[test]
fn a_file_in_an_unknown_format_is_a_gap_with_its_first_bad_line() {
    let mut files = healthy();
    files.retain(|(path, _)| *path != "system/ps.txt");
    files.push(("system/ps.txt", "\nBusyBox v1.36 multi-call binary.\nUsage: ps\n"));
    let scan = bundle(&files);
    let gap = scan.gaps.iter().find(|gap| gap.file.as_deref() == Some("system/ps.txt")).expect("no gap");
    assert!(gap.detail.contains("line 2"), "{gap:?}");
    let processes = section(&scan, "processes");
    let file = processes.files.iter().find(|file| file.file == "system/ps.txt").unwrap();
    assert_eq!((file.state, file.problems), (FileState::Unreadable, 2));
    assert!(
        processes.unknown.iter().any(|what| what.contains("system/ps.txt cannot be read")),
        "{:?}",
        processes.unknown
    );
    let zombies = scan.checks.iter().find(|check| check.rule.as_str() == "process/zombies-many").unwrap();
    assert_eq!(zombies.outcome, CheckOutcome::Unknown);
}

#[test]
fn what_another_platform_never_has_is_no_gap() {
    let logdog = bundle(&[
        ("os-release", "NAME=Bottlerocket\nID=bottlerocket\n"),
        ("journalctl.log", "Nov 20 03:12:06.123456 host systemd[1]: Started kubelet.\n"),
        ("df", "Filesystem      Size  Used Avail Use% Mounted on\n/dev/nvme1n1p1   80G   79G  1.0G  99% /local\n"),
        ("proc-mounts", "/dev/dm-0 / erofs ro,relatime 0 0\n/dev/nvme1n1p1 /local ext4 rw,noatime 0 0\n"),
        ("containerd-config", CONTAINERD),
    ]);
    assert_eq!(logdog.platform.collector.as_deref(), Some("bottlerocket-logdog"));
    assert!(!logdog.gaps.iter().any(|gap| gap.kind == "missing"), "{:?}", logdog.gaps);
    assert!(logdog.gaps.iter().any(|gap| gap.kind == "platform"), "{:?}", logdog.gaps);
    let storage = section(&logdog, "storage");
    assert!(storage.issues.iter().any(|issue| issue.rule == "storage/filesystem-full"), "{:?}", storage.issues);
    assert!(!logdog.findings.iter().any(|finding| finding.rule.as_str() == "storage/mounted-read-only"));
    assert_eq!(
        serde_json::to_value(section(&logdog, "containerd")).unwrap()["figures"]["containerd"]["snapshotter"],
        "overlayfs"
    );
}

#[test]
fn healthy_incidents_raise_nothing_from_the_nodes_state() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/incidents");
    let Ok(cases) = fs::read_dir(&root) else {
        let _ = writeln!(std::io::stderr(), "skipped: labelled incidents: {} is absent", root.display());
        return;
    };
    for case in cases.map(|case| case.unwrap().path()) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        if !case.join("bundle").is_dir() || !name.starts_with('n') {
            continue;
        }
        let scan = scanned(&Located::in_store(LocalStore::open(case.join("bundle")).unwrap()));
        let of_state = |rule: &str| {
            scan.checks.iter().any(|check| check.rule.as_str() == rule && NODE_SECTIONS.contains(&check.section))
        };
        for finding in &scan.findings {
            let loud = finding.severity <= Severity::Medium && of_state(finding.rule.as_str());
            assert!(!loud, "{name}: {finding:#?}");
        }
    }
}
