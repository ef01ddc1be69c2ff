//! Events of several lines, what wraps what, what is only quoted, and what ends and comes back; through the public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use eks_logs_core::{Located, MemoryStore};
use eks_logs_findings::{Catalogue, EventKind, EvidenceLimit, Finding, Scan, ScanOptions, Severity, scan};
use futures_lite::future::block_on;
use support::{find, path, scanned};

const CONTAINER: &str = "8c4f1d0a9b7e6352a1f0c9d8e7b6a5948372615f4e3d2c1b0a9f8e7d6c5b4a39";

/// A report as kernels from 5.0 on print it. Sources of the form: mm/oom_kill.c, mm/memcontrol.c.
fn oom_report(second: u32, process: &str, pid: u32, tasks: usize) -> String {
    let at = |line: &str| format!("[{:>5}.000000] {line}\n", second);
    let cgroup = format!(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0363f3c1_ad9f_735c_e266_4c45bae016d8.slice/cri-containerd-{CONTAINER}.scope"
    );
    let mut report =
        at(&format!("{process} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=984"));
    report += &at("CPU: 1 PID: 4711 Comm: worker Not tainted 6.1.102 #1");
    report += &at("memory: usage 524288kB, limit 524288kB, failcnt 91");
    for task in 0..tasks {
        report += &at(&format!("[{task:>7}]     0 {task:>5}      245        1    28672        0          -998 pause"));
    }
    report += &at(&format!(
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=cri-containerd-{CONTAINER}.scope,mems_allowed=0,oom_memcg={cgroup},task_memcg={cgroup},task={process},pid={pid},uid=1000"
    ));
    report
        + &at(&format!(
            "Memory cgroup out of memory: Killed process {pid} ({process}) total-vm:8712340kB, anon-rss:519020kB, file-rss:120kB, shmem-rss:0kB, UID:1000 pgtables:8848kB oom_score_adj:984"
        ))
}

#[test]
fn an_oom_report_is_one_event_and_one_finding() {
    let report = oom_report(100, "java", 28_438, 3);
    let found = scanned(&format!("//- kernel/dmesg.current\n{report}"));
    let rules: Vec<&str> = found.findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["memory/container-oom-killed"], "the lines in front of the kill only wrap it");
    let finding = &found.findings[0];
    assert_eq!((finding.count, finding.severity), (1, Severity::High));
    let wrappers: Vec<&str> = finding.wrappers.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(wrappers, ["memory/oom-killer-invoked", "memory/pod-memory-limit-reached"]);
    let cited: Vec<(u64, bool)> = finding.evidence.iter().map(|line| (line.line, line.duplicate)).collect();
    assert_eq!(cited, [(8, false), (1, true), (3, true), (7, true)], "every telling line is cited, one is counted");
    let event = &finding.events[0];
    assert_eq!((event.kind, event.first_line, event.last_line), (EventKind::OutOfMemory, 1, 8));
    let field = |name: &str| event.fields.get(name).map(String::as_str);
    for (name, value) in [
        ("invoker", "java"),
        ("victim", "java"),
        ("victimPid", "28438"),
        ("constraint", "CONSTRAINT_MEMCG"),
        ("podUid", "0363f3c1-ad9f-735c-e266-4c45bae016d8"),
        ("containerId", CONTAINER),
        ("limitKb", "524288"),
        ("usageKb", "524288"),
        ("totalVmKb", "8712340"),
        ("anonRssKb", "519020"),
        ("oomScoreAdj", "984"),
    ] {
        assert_eq!(field(name), Some(value), "{name}");
    }
    assert!(finding.entities.contains(&"pod_uid=0363f3c1-ad9f-735c-e266-4c45bae016d8".to_owned()), "{finding:#?}");
    assert!(finding.entities.contains(&format!("container_id={CONTAINER}")));
}

#[test]
fn reports_one_after_the_other_are_told_apart() {
    let log = oom_report(100, "java", 28_438, 2) + &oom_report(101, "java", 28_977, 2);
    let finding = &scanned(&format!("//- kernel/dmesg.current\n{log}")).findings[0].clone();
    assert_eq!(finding.count, 2);
    let pids: Vec<&str> = finding.events.iter().map(|event| event.fields["victimPid"].as_str()).collect();
    assert_eq!(pids, ["28438", "28977"]);
}

#[test]
fn a_report_of_an_old_kernel_is_one_too_and_a_child_may_die_for_its_parent() {
    // Before 5.0; mm/oom_kill.c of 4.14.
    let found = scanned(
        "
//- kernel/dmesg.current
[  100.000001] java invoked oom-killer: gfp_mask=0x14000c0(GFP_KERNEL), nodemask=(null),  order=0, oom_score_adj=968
[  100.000002] Task in /kubepods/burstable/pod0363f3c1-ad9f-735c-e266-4c45bae016d8/8c4f1d0a9b7e6352a1f0c9d8e7b6a5948372615f4e3d2c1b0a9f8e7d6c5b4a39 killed as a result of limit of /kubepods/burstable/pod0363f3c1-ad9f-735c-e266-4c45bae016d8
[  100.000003] memory: usage 524288kB, limit 524288kB, failcnt 91
[  100.000004] Memory cgroup out of memory: Kill process 24572 (java) score 1999 or sacrifice child
[  100.000005] Killed process 28438 (java) total-vm:20255636kB, anon-rss:466160kB, file-rss:13684kB, shmem-rss:0kB
",
    );
    let rules: Vec<&str> = found.findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["memory/container-oom-killed"]);
    let event = &found.findings[0].events[0];
    assert_eq!(event.fields["victimPid"], "28438");
    assert_eq!(event.fields["podUid"], "0363f3c1-ad9f-735c-e266-4c45bae016d8");
    assert_eq!(event.fields["limitedCgroup"], "/kubepods/burstable/pod0363f3c1-ad9f-735c-e266-4c45bae016d8");
}

#[test]
fn a_beginning_without_an_end_stands_for_itself() {
    let found = scanned(
        "
//- kernel/dmesg.current
[  100.000000] java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=984
[  300.000000] Memory cgroup out of memory: Killed process 28438 (java) total-vm:8712340kB, anon-rss:519020kB, file-rss:120kB, shmem-rss:0kB, UID:1000 pgtables:8848kB oom_score_adj:984
",
    );
    assert_eq!(find(&found, "memory/oom-killer-invoked").count, 1, "minutes apart: another event");
    assert_eq!(find(&found, "memory/container-oom-killed").wrappers, []);
}

/// Wherever a report is cut into blocks, and on however many threads they are scanned, it is the same.
#[test]
fn an_event_goes_on_over_the_cut_of_a_block() {
    let padding = "[   50.000000] systemd[1]: Started a unit that is all right.\n";
    let mut told: Option<(Vec<Finding>, usize)> = None;
    for shift in (0..2_400).step_by(97) {
        let lines = ((1 << 20) - 2_000 + shift) / padding.len();
        let log = padding.repeat(lines) + &oom_report(100, "java", 28_438, 12) + &padding.repeat(40);
        for threads in [0, 2] {
            let store = MemoryStore::new();
            store.insert(path("kernel/dmesg.current"), log.clone());
            let options = ScanOptions::default().with_threads(threads).with_evidence(EvidenceLimit::All);
            let mut found =
                block_on(scan(&Located::in_store(store), Catalogue::builtin(), options, None)).unwrap().findings;
            assert_eq!(found.len(), 1, "{shift}: {:?}", found.iter().map(|finding| &finding.rule).collect::<Vec<_>>());
            // Places move with the padding; what is told does not.
            for finding in &mut found {
                finding.evidence.iter_mut().for_each(|line| {
                    line.line -= lines as u64;
                    line.start_byte -= (lines * padding.len()) as u64;
                    line.end_byte -= (lines * padding.len()) as u64;
                });
                finding.events.iter_mut().for_each(|event| {
                    event.first_line -= lines as u64;
                    event.last_line -= lines as u64;
                });
            }
            let (want, at) = told.get_or_insert_with(|| (found.clone(), shift));
            assert_eq!(want, &found, "padding {shift} and {at} differ");
        }
    }
}

#[test]
fn a_go_panic_is_one_event_with_its_own_frame() {
    let lines = [
        "panic: runtime error: invalid memory address or nil pointer dereference",
        "[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x1c2b3d4]",
        "",
        "goroutine 412 [running]:",
        "panic({0x1f2e3d, 0x4c5b6a})",
        "\t/usr/lib/go/src/runtime/panic.go:884 +0x212",
        "k8s.io/kubernetes/pkg/kubelet/cm/devicemanager.(*ManagerImpl).Allocate(0xc000a1b2c0, 0xc000d4e5f0)",
        "\t/go/src/k8s.io/kubernetes/pkg/kubelet/cm/devicemanager/manager.go:391 +0x1d",
        "created by k8s.io/kubernetes/pkg/kubelet.(*Kubelet).Run",
    ];
    let journal: String = lines.iter().map(|line| format!("Nov 20 02:00:00 h kubelet[31]: {line}\n")).collect();
    let found = scanned(&format!("//- kubelet/kubelet.log\n{journal}"));
    let finding = find(&found, "kubelet/panic");
    assert_eq!((finding.count, finding.evidence.len()), (1, 2), "{finding:#?}");
    let fields = &finding.events[0].fields;
    assert_eq!(fields["frame"], "k8s.io/kubernetes/pkg/kubelet/cm/devicemanager.(*ManagerImpl).Allocate");
    assert_eq!((fields["place"].as_str(), fields["goroutine"].as_str()), ("manager.go:391", "goroutine 412 [running]"));
    assert_eq!(fields["message"], lines[0]);
    assert_eq!(finding.events[0].last_line, 9);
}

#[test]
fn an_oops_is_one_event_with_its_place() {
    // arch/x86/mm/fault.c, arch/x86/kernel/dumpstack.c.
    let found = scanned(
        "
//- kernel/dmesg.current
[  100.000001] BUG: kernel NULL pointer dereference, address: 0000000000000018
[  100.000002] #PF: supervisor read access in kernel mode
[  100.000003] Oops: 0000 [#1] SMP PTI
[  100.000004] CPU: 3 PID: 2718 Comm: kworker/3:1 Tainted: G           OE     6.1.102 #1
[  100.000005] Hardware name: Amazon EC2 m5.large/, BIOS 1.0 10/16/2017
[  100.000006] RIP: 0010:ext4_writepages+0x1f/0x90
[  100.000007] Call Trace:
[  100.000008]  do_writepages+0x4b/0xe0
[  100.000009] ---[ end trace 0000000000000000 ]---
",
    );
    let finding = find(&found, "kernel/oops");
    assert_eq!((finding.count, finding.evidence.len()), (1, 2), "{finding:#?}");
    let fields = &finding.events[0].fields;
    assert_eq!(fields["instruction"], "ext4_writepages+0x1f/0x90");
    assert_eq!(
        (fields["process"].as_str(), fields["pid"].as_str(), fields["taint"].as_str()),
        ("kworker/3:1", "2718", "GOE")
    );
    assert_eq!(finding.events[0].last_line, 9);
}

fn rules(found: &Scan) -> Vec<(&str, Severity, u64)> {
    found.findings.iter().map(|finding| (finding.rule.as_str(), finding.severity, finding.count)).collect()
}

#[test]
fn a_sandbox_failure_is_told_by_its_deepest_cause() {
    let cause = r#"failed to setup network for sandbox \"0a1b2c3d4e5f\": plugin type=\"aws-cni\" name=\"aws-cni\" failed (add): add cmd: failed to assign an IP address to container"#;
    let found = scanned(&format!(
        "
//- containerd/containerd-log.txt
Nov 20 02:00:00 h containerd[30]: time=\"2026-11-20T02:00:00.000000001Z\" level=error msg=\"RunPodSandbox for &PodSandboxMetadata{{Name:web-0,Uid:9a1c,Namespace:shop,Attempt:0,}} failed, error\" error=\"{cause}\"
//- kubelet/kubelet.log
Nov 20 02:00:00 h kubelet[31]: E1120 02:00:00.000002      31 log.go:32] \"RunPodSandbox from runtime service failed\" err=\"rpc error: code = Unknown desc = {cause}\"
Nov 20 02:00:00 h kubelet[31]: E1120 02:00:00.000003      31 kuberuntime_sandbox.go:70] \"Failed to create sandbox for pod\" err=\"rpc error: code = Unknown desc = {cause}\" pod=\"shop/web-0\"
"
    ));
    assert_eq!(rules(&found), [("cni/no-ip-available", Severity::High, 3)]);
    let wrappers: Vec<&str> = found.findings[0].wrappers.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(wrappers, ["cni/sandbox-network-setup-failed", "runtime/sandbox-create-failed"]);
}

#[test]
fn a_wrapper_without_a_cause_stands_and_a_more_severe_one_is_not_lost() {
    let line = |cause: &str| {
        format!(
            "Nov 20 02:00:00 h kubelet[31]: E1120 02:00:00.000003      31 kuberuntime_sandbox.go:70] \"Failed to create sandbox for pod\" err=\"rpc error: code = Unknown desc = {cause}\" pod=\"shop/web-0\"\n"
        )
    };
    let found = scanned(&format!("//- kubelet/kubelet.log\n{}", line("something that nobody has seen")));
    assert_eq!(rules(&found), [("runtime/sandbox-create-failed", Severity::Medium, 1)]);
}

#[test]
fn what_a_probe_answers_is_no_word_of_kubelet() {
    let found = scanned(
        "
//- kubelet/kubelet.log
Nov 20 02:00:00 h kubelet[31]: I1120 02:00:00.000001      31 prober.go:107] \"Probe failed\" probeType=\"Readiness\" pod=\"shop/api-0\" podUID=\"7b2d\" containerName=\"app\" probeResult=\"failure\" output=<
Nov 20 02:00:00 h kubelet[31]: \tupstream says: PLEG is not healthy: pleg was last seen active 3m1.2s ago; threshold is 3m0s
Nov 20 02:00:00 h kubelet[31]:  >
Nov 20 02:01:00 h kubelet[31]: E1120 02:01:00.000001      31 kubelet.go:2460] \"Skipping pod synchronization\" err=\"PLEG is not healthy: pleg was last seen active 3m1.2s ago; threshold is 3m0s\"
",
    );
    let finding = find(&found, "kubelet/pleg-unhealthy");
    assert_eq!(finding.evidence.iter().map(|line| line.line).collect::<Vec<_>>(), [4], "kubelet's own words are heard");
}

#[test]
fn a_state_that_comes_and_goes_is_told_with_its_course() {
    let line = |time: &str, what: &str| format!("[Fri Nov 20 {time} 2026] nfs: server 10.0.12.9 {what}\n");
    let log = line("02:00:00", "not responding, still trying")
        + &line("02:00:01", "not responding, still trying")
        + &line("02:02:00", "OK")
        + &line("02:10:00", "not responding, still trying")
        + &line("02:10:30", "OK");
    let at = |log: &str| {
        let found = scanned(&format!("//- kernel/dmesg.human.current\n{log}"));
        let finding = find(&found, "storage/nfs-server-not-responding");
        let course = finding
            .course
            .as_ref()
            .map(|course| (course.flaps, course.ended, course.bad_seconds, course.last_bad_seconds));
        (finding.count, course)
    };
    assert_eq!(at(&log), (3, Some((1, true, Some(150), Some(30)))));
    assert_eq!(
        at(&(log.clone() + &line("02:20:00", "not responding, still trying"))),
        (4, Some((2, false, Some(150), Some(30))))
    );
    assert_eq!(at(&line("02:20:00", "not responding, still trying")), (1, None), "it never ended");
}
