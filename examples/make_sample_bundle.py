#!/usr/bin/env python3
"""Write a sample EKS node log bundle, as eks-log-collector.sh 0.7.9 makes it on Amazon Linux 2023.

  python3 make_sample_bundle.py [OUT]

The incident (2026-11-20, UTC; the node booted on 2026-11-18 at 21:00 and was healthy for 29 hours):
the batch job analytics/etl-worker starts at 02:15. It has no limits, its Java heap grows, and it spools into a memory-backed emptyDir, which stays when
the process is killed. 02:21 kubelet evicts one of its two pods; 02:24 and 02:31 the kernel runs out of memory (CONSTRAINT_NONE) and kills java.
The second time the reaper cannot free it, so that 02:31:09 the next victim is aws-k8s-agent, whose DaemonSet was installed without a priority class
(oom_score_adj 999). While ipamd is away the CNI plugin is refused on 127.0.0.1:50051 and pods get no sandbox; probes fail over the node; PLEG stalls
and the node is NotReady from 02:36 to 02:42. The job's retry does the same again from 02:49, and the node is NotReady from 02:56 until the collection
at 03:12.

The pod default/test-error-reporter is bait: it quotes faults of others. Its log directory stands in for a collector with a wider pod glob.
Same bytes on every run. Everything is invented. Text without a simulation is in sample_lines.py, the writing of logs in sample_node.py, the state dumps
in sample_state.py.
"""
import datetime as dt
import gzip
import io
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True  # this folder holds sources and the archive only

import sample_lines as text
import sample_state
from sample_node import BOOT, BOOT_EPOCH, Node, Pod, after, at, iso, node_event, quoted

JOB_START = dt.datetime(2026, 11, 20, 2, 15, 2)
COLLECTED = dt.datetime(2026, 11, 20, 3, 12, 5)
NAME = f"eks_{text.INSTANCE}_2026-11-20_0312-UTC_0.7.9.tar.gz"
JOB_MINUTES = 29919015  # CronJobs name their jobs by the minute since the epoch


def boot_and_run(node):
    """From boot to the night of the incident: boot noise, then healthy traffic. Returns the pods by their first container."""
    for uptime, message in text.BOOT_DMESG:
        node.kernel(after(BOOT, uptime), message)
    for t, program, message in ((24, "systemd[1]", "Starting containerd.service - containerd container runtime..."), (25, "containerd[1866]", 'time="2026-11-18T21:00:29.113022418Z" level=info msg="starting containerd" revision=75cb2b7193e4e490e9fbdc236c0e811ccaba3376 version=2.1.4'),
                                (25, "containerd[1866]", 'time="2026-11-18T21:00:29.140417701Z" level=info msg="skip loading plugin" error="aufs is not supported (modprobe aufs failed: exit status 1): skip plugin" id=io.containerd.snapshotter.v1.aufs type=io.containerd.snapshotter.v1'),
                                (26, "containerd[1866]", 'time="2026-11-18T21:00:30.022417118Z" level=error msg="failed to load cni during init, please check CRI plugin status before setting up network for pods" error="cni config load failed: no network config found in /etc/cni/net.d: cni plugin not initialized: failed to load cni config"'),
                                (26, "containerd[1866]", 'time="2026-11-18T21:00:30.061178021Z" level=info msg="containerd successfully booted in 0.948102s"'), (26, "systemd[1]", "Started containerd.service - containerd container runtime.")):
        node.journal("containerd/containerd-log.txt", after(BOOT, t), program, message)
    start = after(BOOT, 30.118402)
    node.journal("kubelet/kubelet.log", start, "systemd[1]", "Starting kubelet.service - Kubernetes Kubelet...")
    node.journal("kubelet/kubelet.log", start, "systemd[1]", "Started kubelet.service - Kubernetes Kubelet.")
    for offset, severity, message in text.KUBELET_BOOT:
        node.kubelet(after(start, 1 + offset + node.jitter(0, 0.009)), severity, message)
    for second in range(4, 45, 5):  # until aws-node has written its configuration
        node.kubelet(after(start, second + node.jitter()), "E", text.CNI_NOT_READY)
    node.start_ipamd(after(start, 38))
    node.kubelet(after(start, 46), "I", node_event("NodeReady"))
    node.kubelet(after(start, 46.01), "I", 'kubelet_node_status.go:501] "Fast updating node status as it just became ready"')
    pods = {}
    for number, row in enumerate(text.PODS):
        pod = pods[row[2][0]] = Pod(node, *row)
        node.start_pod(after(start, (4 if pod.host_network else 48) + 2.5 * number), pod, pull=pod.containers)

    t = after(BOOT, 600)
    while t < at("02:20:00"):  # a small CronJob every quarter of an hour
        minute = JOB_MINUTES + int((t - at("02:15:00")).total_seconds() // 60)
        job = Pod(node, "reports", f"metrics-rollup-{minute}-{node.suffix()}", ("rollup",), interface=node.random.randrange(2))
        node.start_pod(t, job, pull=("rollup",) if node.random.random() < 0.2 else ())
        node.stop_pod(after(t, node.random.uniform(18, 55)), job)
        t = after(t, 900)
    in_use = [(BOOT, 6), (JOB_START, 8), (at("02:21:52"), 7), (at("02:42:03"), 6), (at("02:42:36"), 8), (at("02:47:24"), 10), (at("02:49:58"), 9)]
    t, minutes = after(BOOT, 130), 0
    while t < COLLECTED:  # ipamd looks at its pool every minute, unless it has been killed
        if not any(at(wave.kill_agent) < t < after(at(wave.ipamd_back), 4) for wave in WAVES):
            node.ipamd(t, "debug", "ipamd/ipamd.go:765", f"IP stats for Network Card 0 - total IPs: 18, assigned IPs: {next(count for since, count in reversed(in_use) if since <= t)}, cooldown IPs: 0")
            if minutes % 2 == 0:
                node.ipamd(after(t, 0.01), "debug", "ipamd/ipamd.go:728", f"Reconciling ENI/IP pool info because time since last 1m0.{node.random.randrange(10**8):09d}s > 1m0s")
                for number in (0, 1):
                    node.ipamd(after(t, 0.05 + number / 50), "debug", "awsutils/awsutils.go:704", f"Found ENI: {text.ENI[number]}, MAC {text.MAC[number]}, device {number}")
                node.ipamd(after(t, 0.1), "debug", "ipamd/ipamd.go:1387", "Successfully Reconciled ENI/IP pool")
        if minutes % 7 == 0 and t < at("02:20:00"):
            pod = node.random.choice(list(pods.values()))
            node.kubelet(t, "I", f'kubelet_getters.go:264] "Pod status updated" pod="{pod.key}" status="Running"')
        t, minutes = after(t, 60 + node.jitter()), minutes + 1
    node.containerd(COLLECTED, "info", "=== BEGIN goroutine stack dump ===\ngoroutine 71 [running]:\nmain.dumpStacks(0x1)\n\tgithub.com/containerd/containerd/v2/cmd/containerd/command/main_unix.go:96 +0x9a\n\ngoroutine 1 [chan receive, 1812 minutes]:\n=== END goroutine stack dump ===")
    return pods


class Wave(NamedTuple):
    """One run of the job into the wall. Times as text, processes by id."""

    evict: str
    kill_job: str
    kill_job_again: str
    kill_agent: str
    ipamd_back: str
    last_relist: str
    unhealthy: str
    healthy: str
    pids: tuple[int, int, int]  # java, java after its restart, aws-k8s-agent
    scratch: int  # pages in the memory-backed emptyDir


WAVES = (Wave("02:21:47.301822", "02:24:18.402117", "02:31:05.118204", "02:31:09.260713", "02:33:26", "02:33:30", "02:36:31.2", "02:41:52", (41877, 46120, 2977), 412_000),
         Wave("02:49:55.120448", "02:50:18.740331", "02:51:04.031882", "02:51:12.911406", "02:53:25", "02:53:02", "02:56:03.6", "03:12:05", (52033, 53871, 46702), 602_000))


def leak(node, pods):
    """The incident. Returns the pod of the job that still runs when the logs are collected, and its process: (pid, pages)."""
    worker = (lambda suffix: Pod(node, "analytics", f"etl-worker-{JOB_MINUTES}-{suffix}", ("worker",), interface=1))
    new_pods = (lambda minutes, suffix, other: [Pod(node, "reports", f"nightly-digest-{JOB_MINUTES + minutes}-{suffix}", ("digest",)), Pod(node, "shop", f"checkout-66f7b5d9c8-{other}", ("cart",), interface=1, score=968)])
    first, second, refused = worker("7hq4t"), worker("m2x9d"), f"analytics/etl-worker-{JOB_MINUTES}-pk7vd"
    waiting = new_pods(15, "9xk2v", "tq7wn")
    start_job(node, JOB_START, first, second)
    run_wave(node, pods, WAVES[0], 0, first, second, waiting)
    node.kubelet(at("02:22:41.7"), "I", f'kubelet.go:2537] "SyncLoop ADD" source="api" pods=["{refused}"]')
    node.kubelet(at("02:22:41.702"), "I", f'eviction_manager.go:171] "Failed to admit pod to node" pod="{refused}" nodeCondition=["MemoryPressure"]')

    # A partial recovery: the stalled pod goes at last, its tmpfs with it, and the pods that waited start.
    node.evict(at("02:41:56.210554"), first, [first, pods["reporter"], pods["cart"]], transition=False)
    node.stop_pod(at("02:41:59.4"), first, 137)
    node.kubelet(at("02:42:03.4"), "I", node_event("NodeReady"))
    node.kubelet(at("02:42:03.41"), "I", 'kubelet_node_status.go:501] "Fast updating node status as it just became ready"')
    for number, pod in enumerate(waiting):
        pod.new_sandbox(node)
        node.start_sandbox(at(f"02:42:{31 + 4 * number}"), pod)
    node.kubelet(at("02:47:08.1"), "I", node_event("NodeHasSufficientMemory"))

    third, fourth = worker("xw5zk"), worker("n8r2c")
    start_job(node, at("02:47:21.4"), third, fourth)
    pages = run_wave(node, pods, WAVES[1], 1, third, fourth, new_pods(30, "c6fnt", "zl9kp"))
    return third, (WAVES[1].pids[1], pages)


def start_job(node, t, *workers):
    for number, pod in enumerate(workers):
        node.start_pod(after(t, 1.4 * number), pod, pull=("worker",))


def run_wave(node, pods, wave, restart, worker, evicted, waiting):
    """Eviction, the kernel's three kills, aws-node away, the stall. Returns the pages that the job's process holds at the last."""
    ranked = [evicted, worker, pods["reporter"], pods["cart"]]
    node.evict(at(wave.evict), evicted, ranked)
    node.stop_pod(after(at(wave.evict), 2.6), evicted, 137)
    agent = (wave.pids[2], 0, 331_870, 17_610, 310, 999, "aws-k8s-agent", "Sl", pods["aws-node"].cgroup("aws-node"))
    by_name = {row[6]: row for row in text.PROCESSES}

    def java(pid, scratch):
        pages = node.job_pages(scratch, agent)
        return pid, 1000, pages + 1_540_000, pages, 180, 1000, "java", "Dsl", worker.cgroup("worker")

    job = java(wave.pids[0], wave.scratch)
    node.out_of_memory(at(wave.kill_job), job, job, [job, agent], wave.scratch)
    node.exit_container(after(at(wave.kill_job), 1), worker, "worker", 137)
    worker.ids["worker"] = node.hex(64)
    node.start_container(after(at(wave.kill_job), 4), worker, "worker", 1)
    # The restarted process cannot be reaped (it waits for its memory map's lock), so that the kernel passes it over: the next victim is the agent.
    job = java(wave.pids[1], wave.scratch + 2_100)
    node.out_of_memory(at(wave.kill_job_again), by_name["systemd-journal"], job, [job, agent], wave.scratch + 2_100, reaped=False)
    job = java(wave.pids[1], wave.scratch + 2_300)
    node.out_of_memory(at(wave.kill_agent), by_name["otelcol-contrib"], agent, [job, agent], wave.scratch + 2_300)
    lose_aws_node(node, pods, at(wave.kill_agent), at(wave.ipamd_back), restart, waiting)
    stall(node, pods, at(wave.kill_job_again), at(wave.unhealthy), restart)
    node.not_ready(at(wave.unhealthy), at(wave.healthy), at(wave.last_relist))
    return job[3]


def lose_aws_node(node, pods, killed, back, restart, waiting):
    """aws-k8s-agent is gone from `killed` until `back`: the container ends, new pods are refused, ipamd starts again."""
    aws_node = pods["aws-node"]
    node.container(aws_node, "aws-node", after(killed, 0.2), f'time="{iso(killed)[:19]}Z" level=error msg="Failed to wait for IPAM daemon to complete" error="signal: killed"', restart=restart)
    node.exit_container(after(killed, 0.9), aws_node, "aws-node", 1)
    t = after(killed, 6)
    while t < back:
        for pod in waiting:
            node.refuse_sandbox(after(t, node.random.random() * 3), pod)
        node.probe_failed(after(t, 4), aws_node, "aws-node", "Readiness", "<", ('\ttimeout: failed to connect service ":50051" within 5s', " >"))
        t = after(t, 13 + node.random.random() * 2)
    aws_node.ids["aws-node"] = node.hex(64)
    node.start_container(after(back, -6), aws_node, "aws-node", restart + 1)
    node.start_ipamd(back)
    aws_node_log(node, aws_node, after(back, -1), restart + 1)


def aws_node_log(node, pod, t, restart):
    for offset, stream, message in ((0, "stdout", "Installed /host/opt/cni/bin/aws-cni"), (0.1, "stdout", "Installed /host/opt/cni/bin/egress-cni"), (0.3, "stderr", 'level=info msg="Starting IPAM daemon... "'), (0.4, "stderr", 'level=info msg="Checking for IPAM connectivity... "'),
                                    (1.4, "stderr", 'level=info msg="Retrying waiting for IPAM-D"'), (5.2, "stderr", 'level=info msg="Copying config file... "'), (5.3, "stderr", 'level=info msg="Successfully copied CNI plugin binary and config file."')):
        stamp = "" if stream == "stdout" else f'time="{iso(after(t, offset))[:19]}Z" '
        node.container(pod, "aws-node", after(t, offset), stamp + message, stream, restart)


def stall(node, pods, since, until, turn):
    """The node thrashes between two times: probes time out over all pods, DNS and the API server answer late."""
    endpoints = (("coredns", "Liveness", 8080, "/health"), ("coredns", "Readiness", 8181, "/ready"), ("ebs-plugin", "Liveness", 9808, "/healthz"), ("catalog", "Liveness", 8080, "/healthz"), ("cart", "Liveness", 8080, "/healthz"),
                 ("otel-collector", "Liveness", 13133, "/"), ("eks-pod-identity-agent", "Liveness", 2703, "/healthz"))
    t = after(since, -20)
    while t < until:
        container, probe, port, path = node.random.choice(endpoints)
        pod = pods[container]
        host = pod.ip or "127.0.0.1"
        node.probe_failed(t, pod, container, probe, quoted(f'Get "http://{host}:{port}{path}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'))
        t = after(t, node.random.uniform(1.5, 9))
    for number in range(3 + 4 * turn):
        node.kubelet(after(until, -70 + 17 * number), "E", f'controller.go:195] "Failed to update lease" err="Put \\"{text.API}/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{text.HOST}?timeout=10s\\": context deadline exceeded"')
        coredns = pods["coredns"]
        node.container(coredns, "coredns", after(until, -60 + 13 * number), f"[ERROR] plugin/errors: 2 sqs.us-west-2.amazonaws.com. A: read udp {coredns.ip}:{41000 + 317 * number}->10.64.0.2:53: i/o timeout", "stdout")
    node.container(pods["kube-proxy"], "kube-proxy", after(until, -30), f'W{after(until, -30):%m%d %H:%M:%S}.118402       1 reflector.go:561] "Watch ended with error" reflector="k8s.io/client-go/informers/factory.go:160" type="*v1.EndpointSlice" err="http2: client connection lost"')


def pod_logs(node, pods):
    """What the containers themselves print."""
    aws_node_log(node, pods["aws-node"], after(BOOT, 67), 0)
    say = (lambda pod, container, t, message, stream="stderr": node.container(pods[pod], container, t, message, stream))
    pods["aws-node"].ids["aws-vpc-cni-init"] = node.hex(64)
    for number, message in enumerate(("Copying CNI plugin binaries ...", "Copied all CNI plugin binaries to /host/opt/cni/bin", f"Found primaryMAC {text.MAC[0]}", "Found primaryIF ens5", "CNI init container done")):
        say("aws-node", "aws-vpc-cni-init", after(BOOT, 58 + number / 10), f'time="2026-11-18T21:01:02Z" level=info msg="{message}"')
    klog = (lambda t, rest, severity="I": f"{severity}{t:%m%d %H:%M:%S}.{t.microsecond:06d}       1 {rest}")
    for offset, rest in enumerate(('server_linux.go:145] "Using iptables Proxier"', 'conntrack.go:60] "Setting nf_conntrack_max" nfConntrackMax=131072', 'server.go:508] "Version info" version="v1.33.3-eks-ace6451"', 'shared_informer.go:357] "Caches are synced" controller="endpoint slice config"')):
        say("kube-proxy", "kube-proxy", after(BOOT, 40 + offset), klog(after(BOOT, 40 + offset), rest))
    for offset, message in enumerate((".:53", f"[INFO] plugin/reload: Running configuration SHA512 = {node.hex(128)}", "CoreDNS-1.12.1", "linux/amd64, go1.24.4, 707c7c1")):
        say("coredns", "coredns", after(BOOT, 88 + offset / 9), message, "stdout")
    for container, rest in (("ebs-plugin", 'driver.go:70] "Driver Information" Driver="ebs.csi.aws.com" Version="v1.47.0"'), ("ebs-plugin", f'metadata.go:48] "Retrieved metadata from IMDS" instanceId="{text.INSTANCE}" availabilityZone="us-west-2b"'),
                            ("node-driver-registrar", 'main.go:150] "Version" version="v2.14.0"'), ("node-driver-registrar", 'main.go:110] "Received NotifyRegistrationStatus call" status="&RegistrationStatus{PluginRegistered:true,Error:,}"'),
                            ("liveness-probe", 'main.go:211] "ServeMux listening" address="0.0.0.0:9808"')):
        t = after(BOOT, 92 + node.jitter())
        say("ebs-plugin", container, t, klog(t, rest))
    say("aws-node", "aws-eks-nodeagent", after(BOOT, 60), '{"level":"info","ts":"2026-11-18T21:01:04.118Z","caller":"runtime/asm_amd64.s:1700","msg":"version v1.2.4-eksbuild.1"}', "stdout")
    t, turn = after(BOOT, 400), 0
    while t < at("03:10:00"):
        name = node.random.choice(("catalog.shop.svc.cluster.local", "sqs.us-west-2.amazonaws.com", "cart.shop.svc.cluster.local", "reports.example.com"))
        client = f"{pods['catalog'].ip}:{node.random.randrange(32768, 60999)} - {node.random.randrange(65536)}"
        say("coredns", "coredns", t, f'[INFO] {client} "A IN {name}. udp 61 false 1232" NOERROR qr,aa,rd 120 0.000{node.random.randrange(100, 999)}s', "stdout")
        if turn % 3 == 0:
            say("coredns", "coredns", after(t, 0.002), f'[INFO] {client} "AAAA IN {name}.shop.svc.cluster.local. udp 79 false 512" NXDOMAIN qr,aa,rd 172 0.000{node.random.randrange(100, 999)}s', "stdout")
        if turn % 4 == 1:
            say("kube-proxy", "kube-proxy", t, klog(t, 'proxier.go:822] "Syncing iptables rules" ipFamily="IPv4"'))
            node.zap("network-policy-agent.log", t, "debug", "events/events.go:193", f"Flow Info: Src IP: {pods['catalog'].ip} Src Port: {node.random.randrange(32768, 60999)} Dest IP: {pods['cart'].ip} Dest Port: 8080 Proto: TCP Verdict: ACCEPT")
        if turn % 5 == 2:
            stamp = iso(t)[:19] + "Z"
            say("eks-pod-identity-agent", "eks-pod-identity-agent", t, f'{{"client-addr":"{pods["catalog"].ip}:{node.random.randrange(32768, 60999)}","cluster-name":"{text.CLUSTER}","level":"info","msg":"Calling EKS Auth to fetch credentials","time":"{stamp}"}}')
            say("eks-pod-identity-agent", "eks-pod-identity-agent", after(t, 0.3), f'{{"cluster-name":"{text.CLUSTER}","fetched_role_arn":"arn:aws:sts::{text.ACCOUNT}:assumed-role/orchard-catalog/eks-orchard-ba-catalog","level":"info","msg":"Successfully fetched credentials from EKS Auth","request_time_ms":{node.random.randrange(20, 180)},"time":"{stamp}"}}')
        once, rest = divmod(turn, 60)
        line = text.APP_ONCE[once] if rest == 40 and once < len(text.APP_ONCE) else text.APP_LINES[turn % 2]
        say("reporter", "reporter", after(t, 1), line % iso(t) if "%s" in line else line, "stdout")
        t, turn = after(t, 260 + 80 * node.random.random()), turn + 1
    node.zap("ebpf-sdk.log", after(BOOT, 66), "info", "ebpf-sdk/maps.go:98", "Set RLIMIT_MEMLOCK to unlimited")


def dmesg(records, human):
    out = []
    for t, message in sorted(records, key=lambda record: record[0]):
        stamp = f"[{t:%a %b} {t.day:2d} {t:%H:%M:%S %Y}] " if human else f"[{(t - BOOT).total_seconds():12.6f}] "
        out.append(stamp + message.replace("\n", "\n" + " " * len(stamp)) + "\n")
    return "".join(out)


def build():
    """All files of the bundle: path to bytes."""
    node = Node(seed=20261120)
    pods = boot_and_run(node)
    pods |= {container: pod for pod in list(pods.values()) for container in pod.containers}
    pod_logs(node, pods)
    worker, hog = leak(node, pods)
    files = sample_state.files(node, pods, worker, hog)
    for path, lines in node.logs.items():
        lines.sort(key=lambda line: line[0])
        files[path] = "".join(line + "\n" for t, line in lines if t <= COLLECTED)
    for path, cid in node.container_ids.items():  # the same bytes again under the name of /var/log/containers
        _, pod, container, _ = path.split("/")
        namespace, name, _ = pod.split("_")
        files[f"var_log/{name}_{namespace}_{container}-{cid}.log"] = files[path]
    files["kernel/dmesg.current"] = dmesg(node.kernel_log, human=False)
    files["kernel/dmesg.human.current"] = dmesg(node.kernel_log, human=True)
    return {path: content.encode("utf-8", "surrogateescape") for path, content in files.items()}


def pack(files):
    """A reproducible tar.gz with the collector's member names."""
    folders = {""} | set(sample_state.FOLDERS) | {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0) as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folders | set(files)):
            member = tarfile.TarInfo(f"./{path}")
            member.mtime, member.uid, member.gid, member.uname, member.gname = BOOT_EPOCH + 108_740, 0, 0, "root", "root"
            if path in folders:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            else:
                member.mode, member.size = 0o644, len(files[path])
                tar.addfile(member, io.BytesIO(files[path]))
    return packed.getvalue()


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name(NAME)
    files = build()
    out.write_bytes(pack(files))
    print(f"{out}: {out.stat().st_size // 1000} kB, {len(files)} files, {sum(map(len, files.values())) // 1000} kB unpacked", file=sys.stderr)


if __name__ == "__main__":
    main()
