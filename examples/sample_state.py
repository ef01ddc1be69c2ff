"""The state dumps of the sample bundle: what the collector's commands print at 03:12, from the pods that run then.

Used by make_sample_bundle.py.
"""
import base64
import hashlib
import json

import sample_lines as text
from sample_node import BOOT, BOOT_EPOCH, MANAGED, PAGE, after, iso

FOLDERS = ["gpu", "modinfo", "docker", "containerd", "cni", "ipamd", "kubelet", "networking/systemd-network"]
SERVICES = [("default/kubernetes:https", "172.20.0.1", "tcp", 443, None), ("kube-system/kube-dns:dns", "172.20.0.10", "udp", 53, "coredns"),
            ("kube-system/kube-dns:dns-tcp", "172.20.0.10", "tcp", 53, "coredns"), ("kube-system/kube-dns:metrics", "172.20.0.10", "tcp", 9153, "coredns"),
            ("shop/catalog:http", "172.20.61.7", "tcp", 80, "catalog"), ("shop/cart:http", "172.20.118.40", "tcp", 80, "cart")]


def pretty(value):
    return json.dumps(value, indent=2) + "\n"


def files(node, pods, worker, hog):
    """Path to text. `worker` is the job's pod, `hog` the (pid, pages) of its process."""
    shell = [pod for pod in node.pods if pod.ip]  # pods with an address of their own
    out = {}
    out |= system(pods, worker, hog)
    out |= storage(worker, node)
    out |= networking(node, pods, shell)
    out |= ipamd(shell)
    out |= runtime(node)
    out |= configuration()
    return out


def system(pods, worker, hog):
    sandbox = {"aws-node": pods["aws-node"].sandbox}
    leader = (hog[0], 1000, hog[1] + 1_540_000, hog[1], 180, 1000, "java", "Dsl", "java -Xmx6g -jar /app/etl-worker.jar --spool=/scratch")
    agent = (58204, 0, 331_870, 17_610, 310, 999, "aws-k8s-agent", "Sl", "./aws-k8s-agent")
    rows = sorted(text.PROCESSES + [leader, agent], key=lambda row: row[0])
    rows = [row[:8] + (row[8].replace("%(aws-node)s", sandbox["aws-node"]),) for row in rows]
    total = MANAGED * PAGE
    share = {row[0]: (row[3] + row[4]) * PAGE * 100 / total for row in rows}
    busy = {hog[0]: 96.4, 1866: 21.8, 2113: 17.3}
    top = ["top - 03:12:06 up 1 day,  6:12,  0 users,  load average: 41.22, 38.90, 29.47", f"Tasks: {len(rows) + 96:3d} total,   4 running, {len(rows) + 91} sleeping,   0 stopped,   1 zombie",
           "%Cpu(s):  7.1 us, 61.9 sy,  0.0 ni,  0.0 id, 30.2 wa,  0.3 hi,  0.5 si,  0.0 st", "MiB Mem :   7664.2 total,     71.8 free,   7411.9 used,    180.5 buff/cache", "MiB Swap:      0.0 total,      0.0 free,      0.0 used.     58.1 avail Mem", "",
           "    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND"]
    top += [f"{pid:7d} {'root' if uid == 0 else uid:<8} {20:3d} {0:3d} {vm * PAGE:7d} {(rss + mapped) * PAGE:6d} {mapped * PAGE:6d} {state[0]} {busy.get(pid, 0.0):5.1f} {share[pid]:5.1f} {pid % 7:3d}:{pid % 60:02d}.{pid % 97:02d} {name}"
            for pid, uid, vm, rss, mapped, _, name, state, _ in sorted(rows, key=lambda row: -busy.get(row[0], 0))]
    ps = ["USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND"]
    ps += [f"{'root' if uid == 0 else uid:<8} {pid:7d} {busy.get(pid, 0.1):4.1f} {share[pid]:4.1f} {vm * PAGE:6d} {(rss + mapped) * PAGE:5d} ?        {state:<4} {'02:50' if pid > 50000 else 'Nov18'} {pid % 60:3d}:{pid % 59:02d} {command}"
           for pid, uid, vm, rss, mapped, _, _, state, command in rows]
    ps.append("root       61207  0.0  0.0      0     0 ?        Z    03:11   0:00  \\_ [runc] <defunct>")
    threads = ["UID          PID    SPID    PPID  C    SZ   RSS PSR STIME TTY          TIME CMD"]
    threads += [f"{'root' if row[1] == 0 else row[1]:<8} {row[0]:7d} {row[0] + thread:7d} {1:7d}  0 {row[2]:5d} {(row[3] + row[4]) * PAGE:5d} {thread % 2:3d} {'02:50' if row[0] > 50000 else 'Nov18'} ?        00:00:{thread % 60:02d} {row[8].split(' ')[0]}"
                for row in rows for thread in range({"java": 46, "kubelet": 18, "containerd": 16}.get(row[6], 4))]
    stat = [f"{pid} ({name}) {state[0]} 1 {pid} {pid} 0 -1 4194560 {rss} 0 {mapped} 0 {pid % 991} {pid % 313} 0 0 20 0 9 0 {max(pid - 1000, 0) * 3} {vm * 4096} {rss + mapped} 18446744073709551615 1 1 0 0 0 0 0 4096 16963 0 0 0 17 {pid % 2} 0 0 {pid % 17} 0 0 0 0 0 0 0 0 0 0"
            for pid, _, vm, rss, mapped, _, name, state, _ in rows]
    cpu = "4117202 1204 3310984 13204417 912204 0 18422 0 0 0"
    proc = [f"cpu  {cpu}", "cpu0 2058601 602 1655492 6602208 456102 0 9211 0 0 0", "cpu1 2058601 602 1655492 6602209 456102 0 9211 0 0 0", "intr 1804428817 0 9 0 0", "ctxt 2911840217",
            f"btime {BOOT_EPOCH}", "processes 61244", "procs_running 4", "procs_blocked 11", "softirq 402118890 0 81140022 12 60117420 0 0 8 120044172 0 140817256"]
    units = [f"  {unit:<28} loaded active {state:<7} {description}" for unit, state, description in (line.split("|") for line in text.SERVICES.split("\n"))]
    units = ["  UNIT                         LOAD   ACTIVE SUB     DESCRIPTION"] + units + ["● kdump.service                loaded failed failed  Crash recovery kernel arming", "", "LOAD   = Reflects whether the unit definition was properly loaded.", f"{len(units) + 1} loaded units listed."]
    cgroup = f"/sys/fs/cgroup{worker.cgroup('worker')}"
    return {path: "\n".join(lines) + "\n" for path, lines in {
        "system/top.txt": top, "system/ps.txt": ps, "system/ps-threads.txt": threads, "system/allprocstat.txt": stat, "system/procstat.txt": proc, "system/services.txt": units,
        "system/pkglist.txt": text.PACKAGES.split(), "system/instance-id.txt": [text.INSTANCE], "system/region.txt": ["us-west-2"], "system/availability-zone.txt": ["us-west-2b"],
        "system/script-params.txt": ["ignore_introspection: false", "ignore_metrics: false"], "system/selinux.txt": ["SELinux mode:", "\t Permissive"], "system/large_environments.txt": ["PID\tCount"],
        "system/netstat.txt": ["timeout: failed to run command ‘netstat’: No such file or directory"], "system/io_throttling.txt": ["PID Name Block IO Delay (centisconds)"],
        "system/cpu_throttling.txt": [f"{cgroup.rsplit('/', 1)[0]}/cpu.stat", "usage_usec 1502211874", "nr_periods 0", "nr_throttled 3", "throttled_usec 20117", f"{hog[0]} ?        Dsl   12:40 java", ""],
        "system/last_reboot.txt": [f"reboot   system boot  {text.KERNEL[:16]} Wed Nov 18 21:00   still running", "", "wtmp begins Wed Nov 18 21:00:11 2026"],
        "system/systemd-analyze.svg": ['<?xml version="1.0" encoding="UTF-8"?>', '<svg width="1200px" height="120px" version="1.1" xmlns="http://www.w3.org/2000/svg">', "<text x=\"20\" y=\"50\">Amazon Linux 2023 " + text.HOST + " (Linux " + text.KERNEL + ") x86-64 kvm</text>",
                                       '<text x="20" y="30">Startup finished in 1.402s (kernel) + 1.511s (initrd) + 29.871s (userspace) = 32.784s</text>', "</svg>"],
        "kernel/uname.txt": [f"Linux {text.HOST} {text.KERNEL} #1 SMP PREEMPT_DYNAMIC Tue Aug 12 05:24:04 UTC 2026 x86_64 x86_64 x86_64 GNU/Linux"],
        "modinfo/ip_vs": ["nf_conntrack          217088  6 xt_conntrack,nf_nat,xt_nat,nf_conntrack_netlink,xt_connmark,xt_MASQUERADE"]}.items()} | {"modinfo/lustre": ""}


def storage(worker, node):
    sandboxes = [pod.sandbox for pod in node.pods]
    overlay = "\n".join(f"shm on /run/containerd/io.containerd.grpc.v1.cri/sandboxes/{sandbox}/shm type tmpfs (rw,nosuid,nodev,noexec,relatime,seclabel,size=65536k)" for sandbox in sandboxes)
    overlay_df = "\n".join(f"overlay            80G   11G   70G  14% /run/containerd/io.containerd.runtime.v2.task/k8s.io/{sandbox}/rootfs" for sandbox in sandboxes)
    inodes = ["Filesystem         Inodes  IUsed    IFree IUse% Mounted on", "devtmpfs           976041    301   975740    1% /dev", "/dev/nvme0n1p1   41942512 181204 41761308    1% /", "tmpfs              819200    911   818289    1% /run"]
    local = [f"{size}\t/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/{number}/fs" for number, size in ((31, "8.0K"), (44, "1.2M"), (52, "412K"), (97, "24K"))]
    return {"storage/mounts.txt": text.MOUNTS % {"etl": worker.uid, "overlay": overlay, "overlay_df": overlay_df}, "storage/inodes.txt": "\n".join(inodes) + "\n", "storage/lsblk.txt": text.LSBLK, "storage/xfs.txt": text.XFS,
            "storage/fstab.txt": "#\nUUID=5f1c2a90-7d3e-4b1f-9f6b-2a8e64c1d07b     /           xfs    defaults,noatime  1   1\nUUID=7B66-6A1C        /boot/efi       vfat    defaults,noatime,uid=0,gid=0,umask=0077,shortname=winnt,x-systemd.automount 0 2\n",
            "storage/pod_local_storage.txt": "\n".join(local) + "\n"}


def chain_name(kind, of):
    """As kube-proxy names its chains."""
    return f"KUBE-{kind}-{base64.b32encode(hashlib.sha256(of.encode()).digest()).decode()[:16]}"


def rules(pods):
    """The tables: (table, chain, target, matches as iptables-save prints them, the same as iptables --list prints them)."""
    comment = (lambda value: (f'-m comment --comment "{value}"', f"/* {value} */"))
    found = []

    def add(table, chain, target, save="", shown="", note=None, source="0.0.0.0/0", target_ip="0.0.0.0/0", protocol="all", first=""):
        parts = ([first] if first else []) + ([f"-s {source}"] if source != "0.0.0.0/0" else []) + ([f"-d {target_ip}"] if target_ip != "0.0.0.0/0" else []) + ([f"-p {protocol}"] if protocol != "all" else [])
        words = comment(note) if note else ("", "")
        found.append((table, chain, target, " ".join(parts + [word for word in (words[0], save) if word]), protocol, source, target_ip, " ".join(word for word in (words[1], shown) if word)))

    for chain in ("INPUT", "FORWARD", "OUTPUT"):
        add("filter", chain, "KUBE-PROXY-FIREWALL", "-m conntrack --ctstate NEW", "ctstate NEW", "kubernetes load balancer firewall")
        add("filter", chain, "KUBE-SERVICES" if chain != "INPUT" else "KUBE-NODEPORTS", note="kubernetes service portals" if chain != "INPUT" else "kubernetes health check service ports")
    add("filter", "INPUT", "KUBE-FIREWALL")
    add("filter", "FORWARD", "KUBE-FORWARD", note="kubernetes forwarding rules")
    add("filter", "KUBE-FIREWALL", "DROP", "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT", "! ctstate RELATED,ESTABLISHED,DNAT", "block incoming localnet connections", target_ip="127.0.0.0/8", first="! -s 127.0.0.0/8")
    add("filter", "KUBE-FORWARD", "DROP", "-m conntrack --ctstate INVALID", "ctstate INVALID")
    add("filter", "KUBE-FORWARD", "ACCEPT", "-m mark --mark 0x4000/0x4000", "mark match 0x4000/0x4000", "kubernetes forwarding rules")
    add("nat", "PREROUTING", "KUBE-SERVICES", note="kubernetes service portals")
    add("nat", "PREROUTING", "AWS-CONNMARK-CHAIN-0", note="AWS, outbound connections", first="-i eni+")
    add("nat", "PREROUTING", "CONNMARK", "--restore-mark --nfmask 0x80 --ctmask 0x80", "CONNMARK restore mask 0x80", "AWS, CONNMARK")
    add("nat", "OUTPUT", "KUBE-SERVICES", note="kubernetes service portals")
    add("nat", "POSTROUTING", "KUBE-POSTROUTING", note="kubernetes postrouting rules")
    add("nat", "POSTROUTING", "AWS-SNAT-CHAIN-0", note="AWS SNAT CHAIN")
    add("nat", "AWS-CONNMARK-CHAIN-0", "RETURN", note="AWS CONNMARK CHAIN, VPC CIDR", target_ip="10.64.0.0/16")
    add("nat", "AWS-CONNMARK-CHAIN-0", "CONNMARK", "--set-xmark 0x80/0x80", "CONNMARK or 0x80", "AWS, CONNMARK")
    add("nat", "AWS-SNAT-CHAIN-0", "RETURN", note="AWS SNAT CHAIN", target_ip="10.64.0.0/16")
    add("nat", "AWS-SNAT-CHAIN-0", "SNAT", f"-m addrtype ! --dst-type LOCAL --to-source {text.NODE_IP} --random-fully", f"ADDRTYPE match dst-type !LOCAL to:{text.NODE_IP} random-fully", "AWS, SNAT", first="! -o vlan+")
    add("nat", "KUBE-MARK-MASQ", "MARK", "--set-xmark 0x4000/0x4000", "MARK or 0x4000")
    add("nat", "KUBE-POSTROUTING", "RETURN", "-m mark ! --mark 0x4000/0x4000", "mark match ! 0x4000/0x4000")
    add("nat", "KUBE-POSTROUTING", "MARK", "--set-xmark 0x4000/0x0", "MARK xor 0x4000")
    add("nat", "KUBE-POSTROUTING", "MASQUERADE", "--random-fully", "random-fully", "kubernetes service traffic requiring SNAT")
    for name, cluster_ip, protocol, port, container in SERVICES:
        service = chain_name("SVC", name + protocol)
        endpoints = [f"{ip}:443" for ip in text.API_IPS] if container is None else [f"{pods[container].ip}:{port if port in (53, 9153) else 8080}"]
        add("nat", "KUBE-SERVICES", service, f"-m {protocol} --dport {port}", f"{protocol} dpt:{port}", f"{name} cluster IP", target_ip=f"{cluster_ip}/32", protocol=protocol)
        for turn, endpoint in enumerate(endpoints):
            last = turn == len(endpoints) - 1
            separate = chain_name("SEP", name + protocol + endpoint)
            add("nat", service, separate, "" if last else "-m statistic --mode random --probability 0.50000000000", "" if last else "statistic mode random probability 0.50000000000", f"{name} -> {endpoint}")
            add("nat", separate, "KUBE-MARK-MASQ", note=name, source=f"{endpoint.split(':')[0]}/32")
            add("nat", separate, "DNAT", f"-m {protocol} --to-destination {endpoint}", f"{protocol} to:{endpoint}", name, protocol=protocol)
    add("nat", "KUBE-SERVICES", "KUBE-NODEPORTS", "-m addrtype --dst-type LOCAL", "ADDRTYPE match dst-type LOCAL", "kubernetes service nodeports; NOTE: this must be the last rule in this chain")
    return found


def tables(found, ipv6=False):
    """iptables-save, and iptables --list per table, from the same rules."""
    builtin = {"mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT"), "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")}
    name, saved, out = "ip6tables" if ipv6 else "iptables", [], {}
    for table, chains in builtin.items():
        mine = [rule for rule in found if rule[0] == table]
        own = sorted(({rule[1] for rule in mine} | {rule[2] for rule in mine if "-" in rule[2]} | {"KUBE-KUBELET-CANARY", "KUBE-PROXY-CANARY"}) - set(chains))
        mine.sort(key=lambda rule: [*chains, *own].index(rule[1]))
        saved += ["# Generated by " + name + "-save v1.8.8 (nf_tables) on Fri Nov 20 03:12:11 2026", f"*{table}", *(f":{chain} ACCEPT [{411 * len(chain)}:{30177 * len(chain)}]" for chain in chains), *(f":{chain} - [0:0]" for chain in own)]
        for _, chain, target, save, *_ in mine:
            head, tail = save, ""
            for option in ("--to-source", "--to-destination", "--set-xmark", "--restore-mark", "--random-fully"):  # options of the target follow it
                at = save.find(option)
                if at >= 0:
                    head, tail = save[:at].strip(), " " + save[at:]
                    break
            saved.append(" ".join(word for word in (f"-A {chain}", head, f"-j {target}") if word) + tail)
        saved += ["COMMIT", "# Completed on Fri Nov 20 03:12:11 2026"]
        listed, count = [], 0
        for chain in (*chains, *own):
            references = sum(rule[2] == chain for rule in mine)
            listed += [f"Chain {chain} ({'policy ACCEPT 4117 packets, 3017K bytes' if chain in chains else f'{references} references'})", " pkts bytes target     prot opt in     out     source               destination"]
            for _, _, target, save, protocol, source, target_ip, shown in (rule for rule in mine if rule[1] == chain):
                count += 1
                inside = "eni+" if "-i eni+" in save else "*"
                listed.append(f"{37 * count:5d} {2 * count:4d}K {target:<10} {protocol:<4} --  {inside:<6} *       {source:<20} {target_ip:<20} {shown}")
            listed.append("")
        out[f"networking/{name}-{table}.txt"] = "\n".join(listed[:-1]) + f"\n=======\nTotal Number of Rules: {count}\n"
    out[f"networking/{name}.txt"] = out[f"networking/{name}-filter.txt"]
    out[f"networking/{name}-save.txt"] = "\n".join(saved) + "\n"
    return out


def networking(node, pods, shell):
    gateway, resolver = "10.64.32.1", "10.64.0.2"
    rule = ["0:\tfrom all lookup local"] + [f"512:\tfrom all to {pod.ip} lookup main" for pod in shell] + ["1024:\tfrom all fwmark 0x80/0x80 lookup main"]
    rule += [f"1536:\tfrom {pod.ip} lookup 2" for pod in shell if pod.interface == 1] + ["32766:\tfrom all lookup main", "32767:\tfrom all lookup default"]
    route = [f"default via {gateway} dev ens6 table 2", f"{gateway} dev ens6 table 2 scope link", f"default via {gateway} dev ens5 proto dhcp src {text.NODE_IP} metric 512", f"{resolver} via {gateway} dev ens5 proto dhcp src {text.NODE_IP} metric 512",
             f"10.64.32.0/20 dev ens5 proto kernel scope link src {text.NODE_IP} metric 512", f"{gateway} dev ens5 proto dhcp scope link src {text.NODE_IP} metric 512", *(f"{pod.ip} dev {pod.veth} scope link" for pod in sorted(shell, key=lambda pod: pod.ip)),
             f"local {text.NODE_IP} dev ens5 table local proto kernel scope host src {text.NODE_IP}", "local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1"]
    conntrack = ["*** Output of conntrack -S *** ", *(f"cpu={cpu}   \tfound=0 invalid={211 + cpu} insert=0 insert_failed=0 drop=0 early_drop=0 error=0 search_restart={17 + cpu} " for cpu in (0, 1)), "*** Output of conntrack -L ***"]
    conntrack += [f"tcp      6 {86399 - 7 * port} ESTABLISHED src={text.NODE_IP} dst={text.API_IPS[port % 2]} sport={41000 + 3 * port} dport=443 src={text.API_IPS[port % 2]} dst={text.NODE_IP} sport=443 dport={41000 + 3 * port} [ASSURED] mark=0 use=1" for port in range(20)]
    ethtool = []
    for device, scale in (("ens5", 41), ("ens6", 3)):
        ethtool += [f"Interface {device}", "NIC statistics:", "     tx_timeout: 0", "     interface_up: 1", "     interface_down: 0", *(f"     {counter}_allowance_exceeded: 0" for counter in ("bw_in", "bw_out", "pps", "conntrack", "linklocal")), "     conntrack_allowance_available: 132812",
                    *(f"     queue_{queue}_{way}_{what}: {scale * base * (queue + 1)}" for queue in (0, 1) for way in ("tx", "rx") for what, base in (("cnt", 31007), ("bytes", 9120034)))]
    ethtool += [line for pod in shell for line in (f"Interface {pod.veth}", "NIC statistics:", "     peer_ifindex: 3")] + ["Interface lo", "no stats available"]
    curl = []
    for attempt in range(1, 6):
        curl += [f"curling {text.API} ({attempt} of 5) 2026-11-20T03:12:{12 + attempt}.4{attempt}7UTC", "", "", f"* Connected to {text.API[8:]} ({text.API_IPS[0]}) port 443", "* SSL connection using TLSv1.3 / TLS_AES_128_GCM_SHA256", "> GET /livez?verbose HTTP/2", "< HTTP/2 200 ",
                 "< content-type: text/plain; charset=utf-8", "[+]ping ok", "[+]log ok", "[+]etcd ok", "[+]poststarthook/start-apiserver-admission-initializer ok", "livez check passed"]
    ping = (lambda name, address: f"PING {name} ({address}) 56(84) bytes of data.\n\n--- {name} ping statistics ---\n10 packets transmitted, 0 received, 100% packet loss, time 1874ms\n\n")
    six = ["0:\tfrom all lookup local", "32766:\tfrom all lookup main"]
    lines = {"iprule": rule, "iproute": route, "ip6rule": six, "ip6route": ["fe80::/64 dev ens5 proto kernel metric 256 pref medium", "local ::1 dev lo table local proto kernel metric 0 pref medium"], "conntrack": conntrack,
             "conntrack6": ["*** Output of conntrack -S *** ", "*** Output of conntrack -L ***"], "ethtool": ethtool, "curl_api_server": curl, "ipvsadm": ["ipvsadm not installed"], "ipset": ["ipset not installed"],
             "configure-multicard-interfaces": ["-- No entries --"], "ebpf-data": ["*** EBPF loaded data ***", "None"], "ebpf-maps-data": ["*** EBPF Maps Data for Map ID 12 ***", "None"], "ebpf-cp-maps-data": ["*** EBPF Maps Data for Map ID 12 ***", "None"]}
    out = {f"networking/{name}.txt": "\n".join(value) + "\n" for name, value in lines.items()}
    out |= tables(rules(pods)) | tables([], ipv6=True)
    out |= {"networking/ping_amazon.com.txt": ping("amazon.com", "198.51.100.14"), "networking/ping_public.ecr.aws.txt": ping("public.ecr.aws", "203.0.113.71"),
            "networking/resolv.conf": f"search us-west-2.compute.internal\nnameserver {resolver}\noptions timeout:2 attempts:5\n",
            "networking/systemd-network/99-default.link": "# /usr/lib/systemd/network/99-default.link\n[Match]\nOriginalName=*\n\n[Link]\nNamePolicy=keep kernel database onboard slot path\nAlternativeNamesPolicy=database onboard slot path\nMACAddressPolicy=none\n"}
    return out | {f"networking/systemd-network/70-{device}.network": text.NETWORKD % {"dev": device, "mac": text.MAC[number]} for number, device in enumerate(("ens5", "ens6"))}


def ipamd(shell):
    by_ip, zero = {pod.ip: pod for pod in shell}, "0001-01-01T00:00:00Z"
    enis = {}
    for number, eni in enumerate(text.ENI):
        cidrs = {}
        for ip in sorted(text.POOL[number]):
            pod = by_ip.get(ip)
            key = {"networkName": "aws-cni" if pod else "", "containerID": pod.sandbox if pod else "", "ifName": "eth0" if pod else ""}
            metadata = {"k8sPodNamespace": pod.namespace, "k8sPodName": pod.name, "interfacesCount": 1} if pod else {}
            address = {"Address": ip, "IPAMKey": key, "IPAMMetadata": metadata, "AssignedTime": iso(pod.started, 9) if pod else zero, "UnassignedTime": zero}
            cidrs[f"{ip}/32"] = {"Cidr": {"IP": ip, "Mask": "/////w=="}, "IPAddresses": {ip: address}, "IsPrefix": False, "AddressFamily": ""}
        enis[eni] = {"ID": eni, "IsPrimary": number == 0, "IsTrunk": False, "IsEFA": False, "DeviceNumber": number, "AvailableIPv4Cidrs": cidrs, "IPv6Cidrs": {}, "RouteTableID": 254 if number == 0 else 2}
    assigned = {f"aws-cni/{pod.sandbox}/eth0": {"containerID": pod.sandbox, "ifName": "eth0", "networkName": "aws-cni", "IP": pod.ip, "DeviceNumber": pod.interface} for pod in shell}
    checkpoint = [{"networkName": "aws-cni", "containerID": pod.sandbox, "ifName": "eth0", "ipv4": pod.ip, "allocationTimestamp": int((BOOT_EPOCH + (pod.started - BOOT).total_seconds()) * 10**6) * 1000,
                   "metadata": {"k8sPodNamespace": pod.namespace, "k8sPodName": pod.name, "interfacesCount": 1}} for pod in shell]
    metrics = [("awscni_assigned_ip_addresses", "gauge", len(shell)), ("awscni_total_ip_addresses", "gauge", 18), ("awscni_eni_allocated", "gauge", 2), ("awscni_eni_max", "gauge", 3), ("awscni_ip_max", "gauge", 27),
               ("awscni_add_ip_req_count", "counter", 2), ("awscni_ipamd_action_inprogress", "gauge", 0), ("process_start_time_seconds", "gauge", 1795143204.1), ("go_goroutines", "gauge", 44)]
    return {"ipamd/enis.json": pretty({"0": {"TotalIPs": 18, "AssignedIPs": len(shell), "ENIs": enis}}), "ipamd/pods.json": pretty(assigned), "ipamd/eni-configs.json": pretty({}),
            "ipamd/ipamd-env-settings.json": pretty(text.IPAMD_ENV), "ipamd/networkutils-env-settings.json": pretty(text.NETWORK_ENV),
            "ipamd/ipam.json": json.dumps({"version": "vpc-cni-ipam/1", "allocations": checkpoint}, separators=(",", ":")) + "\n",
            "ipamd/metrics.json": "".join(f"# HELP {name} {name.replace('_', ' ')}\n# TYPE {name} {kind}\n{name} {value}\n" for name, kind, value in metrics)}


def runtime(node):
    containers = [(container, pod.ids[container], pod) for pod in node.pods for container in pod.containers] + [("pause", pod.sandbox, pod) for pod in node.pods]
    images = sorted(set(text.IMAGES.values()))
    plugins = ("io.containerd.content.v1|content|ok", "io.containerd.snapshotter.v1|aufs|skip", "io.containerd.snapshotter.v1|btrfs|skip", "io.containerd.snapshotter.v1|overlayfs|ok", "io.containerd.snapshotter.v1|zfs|skip", "io.containerd.cri.v1|images|ok", "io.containerd.cri.v1|runtime|ok", "io.containerd.grpc.v1|cri|ok")
    environment = [{"ID": cid, "Labels": {"io.kubernetes.container.name": "aws-node", "io.kubernetes.pod.name": pod.name}, "Image": text.IMAGES["aws-node"], "CreatedAt": "2026-11-20T02:53:19.318402Z", "UpdatedAt": "2026-11-20T02:53:19.318402Z",
                    "Spec": {"process": {"args": ["/app/aws-vpc-cni"], "env": [f"{key}={value}" for key, value in (text.IPAMD_ENV | text.NETWORK_ENV).items()]}}} for container, cid, pod in containers if container == "aws-node"]
    goroutines = "goroutine 71 [running]:\nmain.dumpStacks(0x1)\n\ngoroutine 1 [chan receive, 1812 minutes]:\ngithub.com/containerd/containerd/v2/cmd/containerd/command.App.func1(0xc0004b2f00)\n"
    lines = {"containers": ["CONTAINER    IMAGE    RUNTIME"] + [f"{cid}    {text.IMAGES[name]}    io.containerd.runc.v2" for name, cid, _ in containers], "tasks": ["TASK    PID    STATUS"] + [f"{cid}    {2400 + 37 * number}    RUNNING" for number, (_, cid, _) in enumerate(containers)],
             "images": ["REF TYPE DIGEST SIZE PLATFORMS LABELS"] + [f"{image} application/vnd.docker.distribution.manifest.v2+json sha256:{node.hex(64)} {31.4 + 7 * number:.1f} MiB linux/amd64 io.cri-containerd.image=managed" for number, image in enumerate(images)],
             "namespaces": ["NAME   LABELS", "k8s.io"], "plugins": ["TYPE                            ID           PLATFORMS      STATUS"] + [f"{kind:<31} {name:<12} linux/amd64    {state}" for kind, name, state in (line.split("|") for line in plugins)],
             "version": ["Client:", "  Version:  2.1.4", "  Revision: 75cb2b7193e4e490e9fbdc236c0e811ccaba3376", "  Go version: go1.24.5", "", "Server:", "  Version:  2.1.4"]}
    out = {f"containerd/containerd-{name}.txt": "\n".join(value) + "\n" for name, value in lines.items()}
    return out | {"containerd/containerd-config.txt": text.CONTAINERD_CONFIG, "containerd/containerd.1866.stacks.log": goroutines, "docker/docker.log": "-- No entries --\n", "sandbox-image/sandbox-image-log.txt": "-- No entries --\n",
                  "cni/10-aws.conflist": pretty(text.CNI_CONFLIST), "cni/cni-configuration-variables-containerd.json": "".join(pretty(entry) for entry in environment)}


def configuration():
    journal = (lambda unit, rows: "".join(f"{after(BOOT, second):%b %d %H:%M:%S} {text.HOST} {unit}: {message}\n" for second, message in rows))
    init = [(18, 'info init/init.go:55 Loading configuration.. {"configSource": ["imds://user-data", "file:///etc/eks/nodeadm.d/"]}'), (19, 'info init/init.go:76 Fetching kubelet version.. {"kubelet version": "' + text.KUBELET + '"}')]
    stages = [("init-local", 8), ("init", 11), ("modules-config", 17), ("modules-final", 19)]
    cloud = "".join(f"{after(BOOT, second):%Y-%m-%d %H:%M:%S},{117 + second} - {module}[DEBUG]: {message}\n" for stage, second in stages for module, message in (
        ("main.py", f"Cloud-init v. 22.2.2 running '{stage}' at Wed, 18 Nov 2026 21:00:{4 + second:02d} +0000. Up {second}.12 seconds."), ("util.py", "Reading from /proc/uptime (quiet=False)"), ("handlers.py", f"finish: {stage}: SUCCESS: ran with no failures")))
    return {"kubelet/config.json": pretty(text.KUBELET_CONFIG), "kubelet/config.json.d/40-nodeadm.conf": pretty(text.KUBELET_DROPIN), "kubelet/kubelet_service.txt": text.KUBELET_SERVICE, "kubelet/kubeconfig.yaml": text.KUBECONFIG,
            "kubelet/svc.log": "NAME         TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE\nkubernetes   ClusterIP   172.20.0.1   <none>        443/TCP   411d\n", "sysctls/sysctl_all.txt": "\n".join(text.SYSCTL.replace("\n", "|").split("|")) + "\n",
            "nodeadm/nodeadm-config.log": journal("nodeadm[1612]", init), "nodeadm/nodeadm-boot-hook.log": "-- No entries --\n", "nodeadm/nodeadm-run.log": journal("nodeadm[1833]", init + [(24, 'info init/init.go:114 Ensuring daemon is running.. {"name": "containerd"}'), (31, 'info init/init.go:118 Daemon is running {"name": "kubelet"}')]),
            **{f"nodeadm/udev-net-manager_{device}.log": journal("udev-net-manager[1431]", [(second, f"Managing interface {device} with systemd-networkd defaults")]) for device, second in (("ens5", 6), ("ens6", 72))},
            "var_log/cloud-init.log": cloud, "var_log/cloud-init-output.log": "Cloud-init v. 22.2.2 finished at Wed, 18 Nov 2026 21:00:23 +0000. Datasource DataSourceEc2.  Up 19.44 seconds\n"}
