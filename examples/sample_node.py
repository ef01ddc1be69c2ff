"""The node of the sample bundle: the logs while they are written, a pod's life over all of them, and what goes wrong.

Used by make_sample_bundle.py.
"""
import datetime as dt
import hashlib
import json
import random
from collections import defaultdict

import sample_lines as text

BOOT = dt.datetime(2026, 11, 18, 21, 0, 4)
BOOT_EPOCH = 1795035604
ROUTED_ENI = "var_log/aws-routed-eni/"
REFUSED = 'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:50051: connect: connection refused"'
PAGE = 4  # kB
# Pages: what the kernel has, what it has left when it gives up (just below the zones' min), and what no process holds.
MANAGED, FREE, SLAB, PAGE_TABLES, UNACCOUNTED = 1_962_023, 20_032, 48_210, 21_400, 22_000


def at(clock, day=20):
    """A time of the incident's night, from "HH:MM:SS[.ffffff]"."""
    whole, _, fraction = clock.partition(".")
    return dt.datetime.strptime(f"2026-11-{day} {whole}", "%Y-%m-%d %H:%M:%S") + dt.timedelta(microseconds=int(fraction.ljust(6, "0") or 0))


def after(t, seconds):
    return t + dt.timedelta(seconds=seconds)


def iso(t, digits=3):
    return f"{t:%Y-%m-%dT%H:%M:%S}.{t.microsecond:06d}000"[:20 + digits] + "Z"


def node_event(name):
    return f'kubelet_node_status.go:736] "Recording event message for node" node="{text.HOST}" event="{name}"'


def quoted(value):
    return json.dumps(value, ensure_ascii=False)


class Pod:
    def __init__(self, node, namespace, name, containers, host_network=False, interface=0, score=1000):
        self.namespace, self.name, self.containers, self.host_network, self.interface, self.score = namespace, name, containers, host_network, interface, score
        self.uid = node.uid()
        self.netns = f"/var/run/netns/cni-{node.uid()}"
        self.veth = "eni" + hashlib.sha1(f"{namespace}.{name}".encode()).hexdigest()[:11]
        self.ip = self.started = None
        self.new_sandbox(node)

    def new_sandbox(self, node):
        self.sandbox = node.hex(64)
        self.ids = {container: node.hex(64) for container in self.containers}

    @property
    def key(self):
        return f"{self.namespace}/{self.name}"

    @property
    def metadata(self):
        return f"&PodSandboxMetadata{{Name:{self.name},Uid:{self.uid},Namespace:{self.namespace},Attempt:0,}}"

    def cgroup(self, container):
        qos = "besteffort" if self.score == 1000 else "burstable"
        pod = f"kubepods-{qos}-pod{self.uid.replace('-', '_')}.slice"
        return f"/kubepods.slice/kubepods-{qos}.slice/{pod}/cri-containerd-{self.ids[container]}.scope"


class Node:
    """The node's logs while they are written: each line with its time, sorted at the end."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.logs = defaultdict(list)
        self.kernel_log = []
        self.container_ids = {}  # of each container log
        self.pods, self.free = [], [list(addresses) for addresses in text.POOL]

    def hex(self, digits):
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"

    def uid(self):
        return "-".join(self.hex(n) for n in (8, 4, 4, 4, 12))

    def suffix(self):
        return "".join(self.random.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))

    def jitter(self, low=0.002, high=0.09):
        return self.random.uniform(low, high)

    # One method per log: they know the form of its lines.
    def journal(self, path, t, program, message):
        self.logs[path].append((t, f"{t:%b %d %H:%M:%S} {text.HOST} {program}: {message}"))

    def kubelet(self, t, severity, message, *more):
        self.journal("kubelet/kubelet.log", t, "kubelet[2113]", f"{severity}{t:%m%d %H:%M:%S}.{t.microsecond:06d}    2113 {message}")
        for line in more:  # a multi-line value: journald makes a record of each line
            self.journal("kubelet/kubelet.log", t, "kubelet[2113]", line)

    def containerd(self, t, level, message, fields=""):
        stamp = iso(t, 6)[:-1] + f"{self.random.randrange(1000):03d}Z"
        self.journal("containerd/containerd-log.txt", t, "containerd[1866]", f'time="{stamp}" level={level} msg={quoted(message)}{fields}')

    def zap(self, log, t, level, caller, message):
        self.logs[ROUTED_ENI + log].append((t, f'{{"level":"{level}","ts":"{iso(t)}","caller":"{caller}","msg":{quoted(message)}}}'))

    def ipamd(self, t, level, caller, message):
        self.zap("ipamd.log", t, level, caller, message)

    def plugin(self, t, level, line, message):
        self.zap("plugin.log", t, level, line, message)

    def kernel(self, t, message):
        self.kernel_log.append((t, message))

    def container(self, pod, container, t, message, stream="stderr", restart=0):
        path = f"var_log/{pod.namespace}_{pod.name}_{pod.uid}/{container}/{restart}.log"
        t = after(t, self.jitter())
        stamp = iso(t, 6)[:-1] + f"{self.random.randrange(1000):03d}Z"
        self.logs[path].append((t, f"{stamp} {stream} F {message}"))
        self.container_ids.setdefault(path, pod.ids[container])

    # A pod's life, over all logs.
    def start_pod(self, t, pod, pull=()):
        kind = f'\\"kube-api-access-{self.suffix()}\\" (UniqueName: \\"kubernetes.io/projected/{pod.uid}-kube-api-access\\") pod \\"{pod.name}\\" (UID: \\"{pod.uid}\\") '
        self.kubelet(t, "I", f'kubelet.go:2537] "SyncLoop ADD" source="api" pods=["{pod.key}"]')
        for source in ('reconciler_common.go:251] "operationExecutor.VerifyControllerAttachedVolume started', 'reconciler_common.go:224] "operationExecutor.MountVolume started', 'operation_generator.go:614] "MountVolume.SetUp succeeded'):
            t = after(t, self.jitter())
            self.kubelet(t, "I", f'{source} for volume {kind}" pod="{pod.key}"')
        self.start_sandbox(t, pod, pull)

    def start_sandbox(self, t, pod, pull=()):
        t = after(t, 0.2 + self.jitter())
        self.kubelet(t, "I", f'util.go:30] "No sandbox for pod can be found. Need to start a new one" pod="{pod.key}"')
        self.containerd(after(t, 0.01), "info", f"RunPodSandbox for {pod.metadata}")
        if not pod.host_network:
            t = self.add_network(after(t, 0.06), pod)
        t = after(t, 0.08 + self.jitter())
        self.containerd(t, "info", f"connecting to shim {pod.sandbox}", f' address="unix:///run/containerd/s/{self.hex(64)}" namespace=k8s.io protocol=ttrpc version=3')
        t = after(t, 0.12 + self.jitter())
        self.containerd(t, "info", f'RunPodSandbox for {pod.metadata} returns sandbox id "{pod.sandbox}"')
        for container in pod.containers:
            t = self.start_container(after(t, 0.1), pod, container, 0, container in pull)
        pod.started = t
        self.kubelet(after(t, 0.6), "I", f'kubelet.go:2569] "SyncLoop (PLEG): event for pod" pod="{pod.key}" event={{"ID":"{pod.uid}","Type":"ContainerStarted","Data":"{pod.sandbox}"}}')
        took = f"{1.2 + self.jitter():.9f}"
        self.kubelet(after(t, 1.3), "I", f'pod_startup_latency_tracker.go:104] "Observed pod startup duration" pod="{pod.key}" podStartSLOduration={took} podStartE2EDuration="{took}s" podCreationTimestamp="{t:%Y-%m-%d %H:%M:%S} +0000 UTC"')
        if pod not in self.pods:
            self.pods.append(pod)

    def start_container(self, t, pod, container, attempt, pull=False):
        image, meta = text.IMAGES[container], f"ContainerMetadata{{Name:{container},Attempt:{attempt},}}"
        if pull:
            self.containerd(t, "info", f'PullImage "{image}"')
            t = after(t, 2.1 + self.jitter())
            self.containerd(t, "info", f"stop pulling image {image}: active requests=0, bytes read={self.random.randrange(20, 90) * 1000003}")
            self.containerd(after(t, 0.2), "info", f'PullImage "{image}" returns image reference "sha256:{self.hex(64)}"')
        t = after(t, 0.3 + self.jitter())
        self.containerd(t, "info", f'CreateContainer within sandbox "{pod.sandbox}" for container &{meta}')
        self.containerd(after(t, 0.05), "info", f'CreateContainer within sandbox "{pod.sandbox}" for &{meta} returns container id "{pod.ids[container]}"')
        self.containerd(after(t, 0.06), "info", f'StartContainer for "{pod.ids[container]}"')
        self.containerd(after(t, 0.2), "info", f'StartContainer for "{pod.ids[container]}" returns successfully')
        self.kubelet(after(t, 0.9), "I", f'kubelet.go:2569] "SyncLoop (PLEG): event for pod" pod="{pod.key}" event={{"ID":"{pod.uid}","Type":"ContainerStarted","Data":"{pod.ids[container]}"}}')
        return after(t, 0.2)

    def arguments(self, pod):
        return f"K8S_POD_NAME={pod.name};K8S_POD_INFRA_CONTAINER_ID={pod.sandbox};K8S_POD_UID={pod.uid};IgnoreUnknown=1;K8S_POD_NAMESPACE={pod.namespace}"

    def add_network(self, t, pod):
        pod.ip = self.free[pod.interface].pop(self.random.randrange(len(self.free[pod.interface])))
        table = 254 if pod.interface == 0 else 2
        self.plugin(t, "info", "routed-eni-cni-plugin/cni.go:140", f"Received CNI add request: ContainerID({pod.sandbox}) Netns({pod.netns}) IfName(eth0) Args({self.arguments(pod)}) Path(/opt/cni/bin)")
        self.ipamd(after(t, 0.004), "info", "rpc/rpc.pb.go:863", f"Received AddNetwork for NS {pod.netns}, Sandbox {pod.sandbox}, ifname eth0")
        self.ipamd(after(t, 0.004), "debug", "datastore/data_store.go:673", f"AssignPodIPv4Address: IP address pool stats: total 18, assigned {18 - sum(map(len, self.free)) - 1}")
        self.ipamd(after(t, 0.005), "info", "datastore/data_store.go:744", f"assignPodIPAddressUnsafe: Assign IP {pod.ip} to sandbox aws-cni/{pod.sandbox}/eth0")
        self.ipamd(after(t, 0.006), "info", "rpc/rpc.pb.go:863", f"Send AddNetworkReply: IPv4Addr: {pod.ip}, IPv6Addr: , DeviceNumber: {pod.interface}, err: <nil>")
        self.plugin(after(t, 0.008), "info", "routed-eni-cni-plugin/cni.go:140", f'Received add network response from ipamd for container {pod.sandbox} interface eth0: Success:true IPAllocationMetadata:{{IPv4Addr:"{pod.ip}" RouteTableId:{table}}} VPCv4CIDRs:"10.64.0.0/16"')
        self.plugin(after(t, 0.009), "debug", "routed-eni-cni-plugin/cni.go:279", f"SetupPodNetwork: hostVethName={pod.veth}, contVethName=eth0, netnsPath={pod.netns}, ipAddr={pod.ip}/32, routeTableNumber={table}, mtu=9001")
        self.plugin(after(t, 0.04), "debug", "driver/driver.go:286", f"Successfully setup container route, containerAddr={pod.ip}/32, hostVeth={pod.veth}, rtTable=main")
        self.kernel(after(t, 0.03), f"IPv6: ADDRCONF(NETDEV_CHANGE): {pod.veth}: link becomes ready")
        return after(t, 0.05)

    def exit_container(self, t, pod, container, code=0):
        cid, exited = pod.ids[container], int((t - BOOT).total_seconds()) + BOOT_EPOCH
        status = f"  exit_status:{code}" if code else ""
        self.containerd(t, "info", f'received container exit event container_id:"{cid}"  id:"{cid}"  pid:{self.random.randrange(9000, 60000)}{status}  exited_at:{{seconds:{exited}  nanos:{t.microsecond * 1000 + 417}}}')
        for message in ("shim disconnected", "cleaning up after shim disconnected", "cleaning up dead shim"):
            self.containerd(after(t, 0.05), "info", message, f" id={cid} namespace=k8s.io")
        self.kubelet(after(t, 0.8), "I", f'kubelet.go:2569] "SyncLoop (PLEG): event for pod" pod="{pod.key}" event={{"ID":"{pod.uid}","Type":"ContainerDied","Data":"{cid}"}}')

    def stop_pod(self, t, pod, code=0):
        for container in pod.containers:
            self.exit_container(t, pod, container, code)
        t = after(t, 1.2 + self.jitter())
        self.containerd(t, "info", f'StopPodSandbox for "{pod.sandbox}"')
        self.plugin(after(t, 0.02), "info", "routed-eni-cni-plugin/cni.go:374", f"Received CNI del request: ContainerID({pod.sandbox}) Netns({pod.netns}) IfName(eth0) Args({self.arguments(pod)}) Path(/opt/cni/bin)")
        self.ipamd(after(t, 0.024), "info", "rpc/rpc.pb.go:881", f"Received DelNetwork for Sandbox {pod.sandbox}")
        self.ipamd(after(t, 0.025), "info", "ipamd/rpc_handler.go:311", f"UnassignPodIPAddress: sandbox aws-cni/{pod.sandbox}/eth0's ipAddr {pod.ip}, DeviceNumber {pod.interface}")
        self.ipamd(after(t, 0.026), "info", "rpc/rpc.pb.go:881", f"Send DelNetworkReply: IPv4Addr: {pod.ip}, IPv6Addr: , DeviceNumber: {pod.interface}, err: <nil>")
        self.containerd(after(t, 0.1), "info", f'TearDown network for sandbox "{pod.sandbox}" successfully')
        self.containerd(after(t, 0.1), "info", f'StopPodSandbox for "{pod.sandbox}" returns successfully')
        volume = f"kubernetes.io/projected/{pod.uid}-kube-api-access"
        self.kubelet(after(t, 0.5), "I", f'reconciler_common.go:162] "operationExecutor.UnmountVolume started for volume \\"kube-api-access\\" (UniqueName: \\"{volume}\\") pod \\"{pod.uid}\\" (UID: \\"{pod.uid}\\") "')
        self.kubelet(after(t, 0.52), "I", f'operation_generator.go:781] UnmountVolume.TearDown succeeded for volume "{volume}" (OuterVolumeSpecName: "kube-api-access") pod "{pod.uid}" (UID: "{pod.uid}"). InnerVolumeSpecName "kube-api-access". PluginName "kubernetes.io/projected", VolumeGIDValue ""')
        self.kubelet(after(t, 0.6), "I", f'reconciler_common.go:299] "Volume detached for volume \\"kube-api-access\\" (UniqueName: \\"{volume}\\") on node \\"{text.HOST}\\" DevicePath \\"\\""')
        self.kubelet(after(t, 2), "I", f'kubelet.go:2553] "SyncLoop DELETE" source="api" pods=["{pod.key}"]')
        self.kubelet(after(t, 2.1), "I", f'kubelet.go:2547] "SyncLoop REMOVE" source="api" pods=["{pod.key}"]')
        if self.random.random() < 0.3:
            self.kubelet(after(t, 2.2), "I", f'status_manager.go:895] "Failed to get status for pod" podUID="{pod.uid}" pod="{pod.key}" err="pods \\"{pod.name}\\" not found"')
        self.kubelet(after(t, 3.3), "I", f'kubelet_volumes.go:163] "Cleaned up orphaned pod volumes dir" podUID="{pod.uid}" path="/var/lib/kubelet/pods/{pod.uid}/volumes"')
        late = after(t, 40 + 10 * self.random.random())
        for container in pod.containers:
            self.kubelet(late, "I", f'scope.go:117] "RemoveContainer" containerID="{pod.ids[container]}"')
            self.containerd(after(late, 0.01), "info", f'RemoveContainer for "{pod.ids[container]}" returns successfully')
        self.containerd(after(late, 0.3), "info", f'RemovePodSandbox "{pod.sandbox}" returns successfully')
        self.free[pod.interface].append(pod.ip)
        self.pods.remove(pod)

    # What goes wrong.
    def refuse_sandbox(self, t, pod):
        """ipamd does not answer: one attempt to start the pod fails in the plugin, in containerd and in kubelet."""
        pod.new_sandbox(self)
        inner = f"add cmd: Error received from AddNetwork gRPC call: {REFUSED}"
        error = f'failed to setup network for sandbox "{pod.sandbox}": plugin type="aws-cni" name="aws-cni" failed (add): {inner}'
        remote = f"rpc error: code = Unknown desc = {error}"
        where = f'pod="{pod.key}"'
        self.containerd(t, "info", f"RunPodSandbox for {pod.metadata}")
        self.plugin(after(t, 0.05), "info", "routed-eni-cni-plugin/cni.go:140", f"Received CNI add request: ContainerID({pod.sandbox}) Netns({pod.netns}) IfName(eth0) Args({self.arguments(pod)}) Path(/opt/cni/bin)")
        self.plugin(after(t, 0.06), "error", "routed-eni-cni-plugin/cni.go:140", f"Error received from AddNetwork gRPC call for containerID {pod.sandbox}: {REFUSED}")
        self.containerd(after(t, 0.3), "error", f"RunPodSandbox for {pod.metadata} failed, error", f" error={quoted(error)}")
        self.kubelet(after(t, 0.31), "E", f'log.go:32] "RunPodSandbox from runtime service failed" err={quoted(remote)}')
        self.kubelet(after(t, 0.311), "E", f'kuberuntime_sandbox.go:70] "Failed to create sandbox for pod" err={quoted(remote)} {where}')
        self.kubelet(after(t, 0.312), "E", f'kuberuntime_manager.go:1237] "CreatePodSandbox for pod failed" err={quoted(remote)} {where}')
        full = f'{pod.name}_{pod.namespace}({pod.uid})'
        wrapped = f'failed to "CreatePodSandbox" for "{full}" with CreatePodSandboxError: {quoted("Failed to create sandbox for pod " + quoted(full) + ": " + remote)}'
        self.kubelet(after(t, 0.313), "E", f'pod_workers.go:1301] "Error syncing pod, skipping" err={quoted(wrapped)} {where} podUID="{pod.uid}"')

    def probe_failed(self, t, pod, container, probe, output, more=()):
        self.kubelet(t, "I", f'prober.go:107] "Probe failed" probeType="{probe}" pod="{pod.key}" podUID="{pod.uid}" containerName="{container}" probeResult="failure" output={output}', *more)

    def evict(self, t, victim, ranked, transition=True):
        for offset, message in ((0, 'eviction_manager.go:376] "Eviction manager: attempting to reclaim" resourceName="memory"'), (0.002, 'container_gc.go:86] "Attempting to delete unused containers"'),
                                (0.3, 'eviction_manager.go:387] "Eviction manager: must evict pod(s) to reclaim" resourceName="memory"'),
                                (0.301, f'eviction_manager.go:405] "Eviction manager: pods ranked for eviction" pods=[{",".join(quoted(p.key) for p in ranked)}]'),
                                (0.4, f'kuberuntime_container.go:809] "Killing container with a grace period" pod="{victim.key}" podUID="{victim.uid}" containerName="worker" containerID="containerd://{victim.ids["worker"]}" gracePeriod=1'),
                                (3.1, f'eviction_manager.go:598] "Eviction manager: pod is evicted successfully" pod="{victim.key}"')):
            self.kubelet(after(t, offset), "I", message)
        if transition:
            self.kubelet(after(t, 3.2), "I", node_event("NodeHasInsufficientMemory"))

    def not_ready(self, since, until, last_active):
        """PLEG has not relisted since `last_active`: kubelet skips its work every five seconds, and the node is NotReady."""
        self.kubelet(after(since, 3.6), "I", node_event("NodeNotReady"))
        stamp, ago = iso(since)[:19] + "Z", (since - last_active).total_seconds()
        self.kubelet(after(since, 3.7), "I", f'setters.go:602] "Node became not ready" node="{text.HOST}" condition={{"type":"Ready","status":"False","lastHeartbeatTime":"{stamp}","lastTransitionTime":"{stamp}","reason":"KubeletNotReady","message":"PLEG is not healthy: pleg was last seen active {self.duration(ago)} ago; threshold is 3m0s"}}')
        t, turn = since, 0
        while t < until:
            self.kubelet(t, "E", f'kubelet.go:2460] "Skipping pod synchronization" err="PLEG is not healthy: pleg was last seen active {self.duration((t - last_active).total_seconds())} ago; threshold is 3m0s"')
            if turn % 11 == 3:
                self.kubelet(after(t, 1.1), "E", 'log.go:32] "ListPodSandbox with filter from runtime service failed" err="rpc error: code = DeadlineExceeded desc = context deadline exceeded" filter="nil"')
                self.kubelet(after(t, 1.2), "E", 'kuberuntime_sandbox.go:305] "Failed to list pod sandboxes" err="rpc error: code = DeadlineExceeded desc = context deadline exceeded"')
                self.kubelet(after(t, 1.3), "E", 'generic.go:256] "GenericPLEG: Unable to retrieve pods" err="rpc error: code = DeadlineExceeded desc = context deadline exceeded"')
            if turn % 17 == 9:
                self.kubelet(after(t, 2.2), "E", f'kubelet.go:2605] "Housekeeping took longer than expected" expected="1s" actual="{6 + self.random.random() * 9:.3f}s"')
            t, turn = after(t, 5.0 + self.jitter(0.0002, 0.002)), turn + 1

    def duration(self, seconds):
        return f"{int(seconds // 60)}m{seconds % 60 + self.random.randrange(1, 1000) / 1e9:.9f}s"

    @staticmethod
    def job_pages(scratch, agent):
        """How much the job's process holds when nothing is left: all pages but those of the others, with `scratch` pages of its own in tmpfs."""
        others = sum(row[3] for row in text.PROCESSES) + agent[3]
        return MANAGED - FREE - others - scratch - SLAB - PAGE_TABLES - UNACCOUNTED

    def out_of_memory(self, t, invoker, victim, more, scratch, reaped=True):
        """The kernel's whole report. `invoker` and `victim` are process rows, `more` the rows to add to the node's own, `scratch` the job's pages in tmpfs."""
        clock = [t]

        def say(message):
            clock[0] += dt.timedelta(microseconds=self.random.randrange(3, 40))
            self.kernel(clock[0], message)

        rows = sorted(text.PROCESSES + more, key=lambda row: row[0])
        anon, file = sum(row[3] for row in rows), 1100
        say(f"{invoker[6]} invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj={invoker[5]}")
        say(f"CPU: 1 UID: {invoker[1]} PID: {invoker[0]} Comm: {invoker[6]} Not tainted {text.KERNEL} #1")
        for message in ("Hardware name: Amazon EC2 m5.large/, BIOS 1.0 10/16/2017", "Call Trace:", " <TASK>", *(f" {frame}" for frame in text.OOM_STACK), "RIP: 0033:0x7f3c9a41b2d0", "Code: Unable to access opcode bytes at 0x7f3c9a41b2a6.",
                        "RSP: 002b:00007f3c6d7fa8c8 EFLAGS: 00010206", " </TASK>", "Mem-Info:"):
            say(message)
        say(f"active_anon:{anon + scratch - 18211} inactive_anon:18211 isolated_anon:0\n active_file:{file - 310} inactive_file:310 isolated_file:0\n unevictable:2210 dirty:0 writeback:0\n slab_reclaimable:14110 slab_unreclaimable:{SLAB - 14110}\n"
            f" mapped:3122 shmem:{scratch} pagetables:{PAGE_TABLES}\n sec_pagetables:0 bounce:0\n kernel_misc_reclaimable:0\n free:{FREE} free_pcp:214 free_cma:0")
        say(f"Node 0 active_anon:{(anon + scratch - 18211) * PAGE}kB inactive_anon:{18211 * PAGE}kB active_file:{(file - 310) * PAGE}kB inactive_file:{310 * PAGE}kB unevictable:8840kB isolated(anon):0kB isolated(file):0kB mapped:12488kB dirty:0kB writeback:0kB shmem:{scratch * PAGE}kB shmem_thp:0kB writeback_tmp:0kB kernel_stack:7424kB pagetables:{PAGE_TABLES * PAGE}kB sec_pagetables:0kB all_unreclaimable? yes")
        for zone, reserve, present, managed, free, low in (("DMA", "0 2914 7648 7648 7648", 15988, 13312, 13312, 112), ("DMA32", "0 0 4733 4733 4733", 3129336, 2984180, 25712, 25860), ("Normal", "0 0 0 0 0", 4974592, 4850600, 41104, 41612)):
            say(f"Node 0 {zone} free:{free}kB boost:0kB min:{low}kB low:{low * 5 // 4}kB high:{low * 3 // 2}kB reserved_highatomic:0KB free_highatomic:0KB active_file:0kB inactive_file:0kB unevictable:0kB writepending:0kB present:{present}kB managed:{managed}kB mlocked:0kB bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB")
            say(f"lowmem_reserve[]: {reserve}")
        say(f"{file + scratch} total pagecache pages")
        for message in ("0 pages in swap cache", "Free swap  = 0kB", "Total swap = 0kB", "2048006 pages RAM", "0 pages HighMem/MovableOnly", "85983 pages reserved", "0 pages hwpoisoned", "Tasks state (memory values in pages):"):
            say(message)
        say("[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name")
        for pid, uid, vm, rss, mapped, score, name, _, _ in rows:
            say(f"[{pid:7d}] {uid:5d} {pid:5d} {vm:8d} {rss + mapped:8d} {rss:8d} {mapped:8d} {0:9d} {(vm // 60 + 12) * 4096:8d} {0:8d}         {score:5d} {name}")
        pid, uid, vm, rss, mapped, score, name, _, scope = victim
        say(f"oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset={scope.rsplit('/', 1)[1]},mems_allowed=0,global_oom,task_memcg={scope},task={name},pid={pid},uid={uid}")
        say(f"Out of memory: Killed process {pid} ({name}) total-vm:{vm * PAGE}kB, anon-rss:{rss * PAGE}kB, file-rss:{mapped * PAGE}kB, shmem-rss:0kB, UID:{uid} pgtables:{(vm // 60 + 12) * PAGE}kB oom_score_adj:{score}")
        clock[0] = after(clock[0], 0.4 if reaped else 1.02)
        say(f"oom_reaper: reaped process {pid} ({name}), now anon-rss:0kB, file-rss:{mapped * PAGE}kB, shmem-rss:0kB" if reaped else f"oom_reaper: unable to reap pid:{pid} ({name})")
        self.kubelet(after(clock[0], 0.05), "I", 'oom_watcher_linux.go:79] "Got sys oom event" event=' + json.dumps({"Pid": pid, "ProcessName": name, "TimeOfDeath": iso(t, 6), "ContainerName": "/", "VictimContainerName": scope, "Constraint": "CONSTRAINT_NONE"}, separators=(",", ":")))
        self.containerd(after(clock[0], 0.1), "info", f'TaskOOM event container_id:"{scope.rsplit("cri-containerd-", 1)[1][:64]}"')

    def start_ipamd(self, t):
        for offset, level, caller, message in text.IPAMD_START:
            self.ipamd(after(t, offset + self.jitter()), level, caller, message)
