//! Line templates. `{pod}`, `{ns}`, `{uid}`, `{cid}`, `{n}`, `{d}` and `{iso}` are filled in. Forms as kubelet 1.33, containerd 2, systemd
//! 252, VPC CNI 1.20 and Linux 6.12 print them; identifiers are ours.

use std::fmt::Write as _;

use fastrand::Rng;
use jiff::{Timestamp, tz};

const HOST: &str = "ip-10-3-7-45.eu-west-1.compute.internal";
const PODS: [&str; 7] = [
    "checkout-6d5f7c9b8-x2x4k",
    "search-58c7d4b5f9-q8mzn",
    "mailer-0",
    "test-error-reporter-7f9c6d4b7-lk2vd",
    "coredns-5d78c9869d-gtr8z",
    "aws-node-7hq2p",
    "default-backend-0",
];
const NAMESPACES: [&str; 5] = ["default", "kube-system", "shop", "test-env", "timeout-demo"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Component {
    Kubelet,
    Containerd,
    Messages,
    Ipamd,
    Kernel,
}

pub(crate) struct Fault {
    pub(crate) component: Component,
    pub(crate) rule: &'static str,
    pub(crate) line: &'static str,
}

impl Component {
    pub(crate) const ALL: [Self; 5] = [Self::Kubelet, Self::Containerd, Self::Messages, Self::Ipamd, Self::Kernel];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet/kubelet.log",
            Self::Containerd => "containerd/containerd-log.txt",
            Self::Messages => "var_log/messages",
            Self::Ipamd => "var_log/aws-routed-eni/ipamd.log",
            Self::Kernel => "kernel/dmesg.current",
        }
    }

    /// Its part of a bundle's bytes.
    pub(crate) fn share(self) -> f64 {
        match self {
            Self::Kubelet => 0.45,
            Self::Containerd => 0.25,
            Self::Messages => 0.15,
            Self::Ipamd => 0.13,
            Self::Kernel => 0.02,
        }
    }

    /// Lines that no finding of medium or above may hold, whatever words stand in them.
    pub(crate) fn healthy(self) -> &'static [&'static str] {
        match self {
            Self::Kubelet => &[
                r#"I|kubelet.go:2437] "SyncLoop ADD" source="api" pods=["{ns}/{pod}"]"#,
                r#"I|kubelet.go:2469] "SyncLoop (PLEG): event for pod" pod="{ns}/{pod}" event={"ID":"{uid}","Type":"ContainerStarted","Data":"{cid}"}"#,
                r#"I|reconciler_common.go:251] "operationExecutor.VerifyControllerAttachedVolume started for volume \"kube-api-access\" (UniqueName: \"kubernetes.io/projected/{uid}-kube-api-access\") pod \"{pod}\" (UID: \"{uid}\") " pod="{ns}/{pod}""#,
                r#"I|operation_generator.go:614] "MountVolume.SetUp succeeded for volume \"kube-api-access\" (UniqueName: \"kubernetes.io/projected/{uid}-kube-api-access\") pod \"{pod}\" (UID: \"{uid}\") " pod="{ns}/{pod}""#,
                r#"I|pod_startup_latency_tracker.go:104] "Observed pod startup duration" pod="{ns}/{pod}" podStartSLOduration=1.{n}"#,
                r#"I|status_manager.go:895] "Failed to get status for pod" podUID="{uid}" pod="{ns}/{pod}" err="pods \"{pod}\" not found""#,
                r#"E|log.go:32] "ContainerStatus from runtime service failed" err="rpc error: code = NotFound desc = an error occurred when try to find container \"{cid}\": not found" containerID="{cid}""#,
                r#"I|kubelet_volumes.go:163] "Cleaned up orphaned pod volumes dir" podUID="{uid}" path="/var/lib/kubelet/pods/{uid}/volumes""#,
            ],
            Self::Containerd => &[
                r#"level=info msg="StopPodSandbox for \"{cid}\"""#,
                r#"level=info msg="TearDown network for sandbox \"{cid}\" successfully""#,
                r#"level=info msg="CreateContainer within sandbox \"{cid}\" for container &ContainerMetadata{Name:app,Attempt:0,}""#,
                r#"level=info msg="StartContainer for \"{cid}\" returns successfully""#,
                r#"level=info msg="shim disconnected" id={cid} namespace=k8s.io"#,
                r#"level=warning msg="cleaning up after shim disconnected" id={cid} namespace=k8s.io"#,
            ],
            Self::Messages => &[
                "systemd[1]: Started cri-containerd-{cid}.scope - libcontainer container {cid}.",
                "systemd[1]: cri-containerd-{cid}.scope: Deactivated successfully.",
                "systemd[1]: run-containerd-runc-k8s.io-{cid}-runc.mount: Deactivated successfully.",
                "dhclient[2201]: XMT: Solicit on ens5, interval {n}ms.",
                "amazon-ssm-agent[1801]: {iso} INFO [MessageService] no error, polling again in 30 s (timeout 20 s)",
            ],
            Self::Ipamd => &[
                r#"{"level":"debug","ts":"{iso}","caller":"ipamd/ipamd.go:702","msg":"Reconciling ENI/IP pool info because time since last {n}s > 1m0s"}"#,
                r#"{"level":"debug","ts":"{iso}","caller":"ipamd/ipamd.go:1353","msg":"IP pool stats: Total IPs/Prefixes = 29/0, AssignedIPs/CooldownIPs: {d}/0, c.maxIPsPerENI = 29"}"#,
                r#"{"level":"info","ts":"{iso}","caller":"rpc/rpc.pb.go:863","msg":"Received AddNetwork for NS /var/run/netns/cni-{uid}, Sandbox {cid}, ifname eth0"}"#,
                r#"{"level":"debug","ts":"{iso}","caller":"ipamd/ipamd.go:1063","msg":"ENI eni-0b1c2d3e4f5061728 cannot be deleted because it is primary"}"#,
            ],
            Self::Kernel => {
                &["eth0: renamed from veth{d}", "IPv6: ADDRCONF(NETDEV_CHANGE): eni{n}: link becomes ready"]
            }
        }
    }

    /// Writes one line with its prefix.
    pub(crate) fn line(self, out: &mut String, at: Timestamp, template: &str, rng: &mut Rng) {
        let civil = tz::Offset::UTC.to_datetime(at);
        let short = civil.strftime("%b %e %H:%M:%S");
        let written = match self {
            Self::Kubelet => {
                let (level, rest) = template.split_once('|').unwrap_or(("I", template));
                let _ = write!(
                    out,
                    "{short} {HOST} kubelet[2874]: {level}{}    2874 ",
                    civil.strftime("%m%d %H:%M:%S.%6f")
                );
                rest
            }
            Self::Containerd => {
                let _ = write!(out, "{short} {HOST} containerd[1967]: time=\"{at}\" ");
                template
            }
            Self::Messages => {
                let _ = write!(out, "{short} {HOST} ");
                template
            }
            Self::Ipamd => template,
            Self::Kernel => {
                let _ = write!(out, "[{:12.6}] ", (at.as_microsecond() % 1_000_000_000_000) as f64 / 1e6);
                template
            }
        };
        fill(out, written, at, rng);
    }
}

fn fill(out: &mut String, template: &str, at: Timestamp, rng: &mut Rng) {
    let hex = format!("{:032x}", rng.u128(..));
    let mut parts = template.split('{');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let filled = part.split_once('}').and_then(|(name, rest)| {
            let _ = match name {
                "pod" => write!(out, "{}", PODS[rng.usize(..PODS.len())]),
                "ns" => write!(out, "{}", NAMESPACES[rng.usize(..NAMESPACES.len())]),
                "uid" => write!(out, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]),
                "cid" => write!(out, "{hex}{}", hex.chars().rev().collect::<String>()),
                "n" => write!(out, "{}", rng.u32(10..99_999)),
                "d" => write!(out, "{}", rng.u32(2..250)),
                "iso" => write!(out, "{}", at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ")),
                _ => return None,
            };
            Some(rest)
        });
        match filled {
            Some(rest) => out.push_str(rest),
            None => {
                out.push('{');
                out.push_str(part);
            }
        }
    }
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        component: Component::Kernel,
        rule: "network/conntrack-table-full",
        line: "nf_conntrack: nf_conntrack: table full, dropping packet",
    },
    Fault {
        component: Component::Kernel,
        rule: "memory/container-oom-killed",
        line: "Memory cgroup out of memory: Killed process {n} (java) total-vm:8712340kB, anon-rss:4193020kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:8848kB oom_score_adj:984",
    },
    Fault {
        component: Component::Kernel,
        rule: "kernel/soft-lockup",
        line: "watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [kworker/3:1:{n}]",
    },
    Fault {
        component: Component::Kernel,
        rule: "storage/nvme-io-timeout",
        line: "nvme nvme1: I/O {d} QID 2 timeout, aborting",
    },
    Fault {
        component: Component::Kubelet,
        rule: "kubelet/pleg-unhealthy",
        line: r#"E|kubelet.go:2448] "Skipping pod synchronization" err="PLEG is not healthy: pleg was last seen active 3m12.{n}s ago; threshold is 3m0s""#,
    },
    Fault {
        component: Component::Kubelet,
        rule: "kubelet/probe-failed",
        line: r#"I|prober.go:107] "Probe failed" probeType="Liveness" pod="{ns}/{pod}" podUID="{uid}" containerName="app" probeResult="failure" output="Get \"http://10.0.12.{d}:8080/healthz\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)""#,
    },
    Fault {
        component: Component::Kubelet,
        rule: "cni/network-not-ready",
        line: r#"E|kubelet.go:3117] "Container runtime network not ready" networkReady="NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized""#,
    },
    Fault {
        component: Component::Kubelet,
        rule: "volume/volumes-not-mounted",
        line: r#"E|kubelet.go:1983] "Unable to attach or mount volumes for pod; skipping pod" err="unmounted volumes=[data], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition" pod="{ns}/{pod}""#,
    },
    Fault {
        component: Component::Containerd,
        rule: "cni/no-ip-available",
        line: r#"level=error msg="RunPodSandbox for &PodSandboxMetadata{Name:{pod},Uid:{uid},Namespace:{ns},Attempt:0,} failed, error" error="failed to setup network for sandbox \"{cid}\": plugin type=\"aws-cni\" name=\"aws-cni\" failed (add): add cmd: failed to assign an IP address to container""#,
    },
    Fault {
        component: Component::Messages,
        rule: "kubelet/service-failed",
        line: "systemd[1]: kubelet.service: Main process exited, code=exited, status=1/FAILURE",
    },
    Fault {
        component: Component::Messages,
        rule: "storage/no-space-left",
        line: r#"containerd[1967]: time="{iso}" level=error msg="failed to write" error="write /var/lib/containerd/io.containerd.content.v1.content/ingest/{uid}/data: no space left on device""#,
    },
    Fault {
        component: Component::Ipamd,
        rule: "cni/subnet-out-of-ips",
        line: r#"{"level":"error","ts":"{iso}","caller":"ipamd/ipamd.go:905","msg":"Failed to increase pool size due to insufficient IP addresses: InsufficientFreeAddressesInSubnet: The specified subnet does not have enough free addresses to satisfy the request."}"#,
    },
];

/// State files, so that the bundle is one.
pub(crate) const STATE: &[(&str, &str)] = &[
    ("system/instance-id.txt", "i-0b1c2d3e4f5061728\n"),
    ("system/region.txt", "eu-west-1\n"),
    ("system/procstat.txt", "cpu  10 0 10 100 0 0 0 0 0 0\nbtime 1795116000\nprocesses 4242\n"),
    (
        "networking/resolv.conf",
        "search eu-west-1.compute.internal\nnameserver 10.3.0.2\noptions timeout:2 attempts:5\n",
    ),
];
