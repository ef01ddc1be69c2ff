//! Memory and CPU at the time of collection, and since boot.

use super::files::{Read, needed};
use super::kubelet_settings::threshold;
use crate::Severity;
use crate::checks::thresholds;
use crate::checks::{Fault, Outcome, State};
use crate::state::{pressure::Pressure, procstat::ProcStat};

fn cpus(state: &State) -> Option<(&Read<ProcStat>, u32)> {
    let read = state.node.procstat.as_ref()?;
    (read.value().cpus > 0).then(|| (read, read.value().cpus))
}

/// Little memory left.
pub(super) fn memory_low(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let read = needed(&node.top, "system/top.txt", "how much memory was free", |top| {
        top.memory.is_none_or(|(_, memory)| memory.available.is_none() || memory.total == 0)
    })?;
    let Some((span, memory)) = read.value().memory else { return Ok(Vec::new()) };
    let (total, available) = (memory.total as f64 * 1024.0, memory.available.unwrap_or(0) as f64 * 1024.0);
    let evicts = node
        .kubelet
        .of_map("eviction-hard", "evictionHard", "memory.available")
        .and_then(|(_, text)| threshold(&text, total))
        .unwrap_or_else(thresholds::eviction_memory_bytes);
    let percent = available * 100.0 / total;
    if percent >= thresholds::memory_available_percent() && available >= evicts {
        return Ok(Vec::new());
    }
    let severity = (available < evicts)
        .then(|| (Severity::High, "less is available than kubelet's eviction threshold: it evicts pods".to_owned()));
    let mut largest: Vec<_> = read.value().processes.iter().collect();
    largest.sort_by_key(|process| (std::cmp::Reverse(process.resident), process.pid));
    let mib = |bytes: f64| (bytes / 1_048_576.0).round();
    let swap = read.value().swap.map(|(span, _)| span);
    Ok(vec![Fault {
        severity,
        count: 1,
        detail: format!(
            "{} of {} MiB are available ({percent:.1} %); kubelet evicts pods below {} MiB{}",
            mib(available),
            mib(total),
            mib(evicts),
            largest.first().map_or_else(String::new, |process| {
                format!("; most is held by {} (pid {}): {} MiB", process.command, process.pid, process.resident / 1024)
            })
        ),
        entities: largest.iter().take(1).map(|process| process.command.clone()).collect(),
        cites: std::iter::once(span)
            .chain(swap)
            .chain(largest.iter().take(3).map(|process| process.span))
            .map(|span| read.cite(span))
            .collect(),
        ..Fault::default()
    }])
}

/// Tasks that could not go on for want of memory, CPU or I/O.
pub(super) fn pressure_high(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let files: [(&str, &Option<Read<Pressure>>); 3] =
        [("memory", &node.pressure_memory), ("io", &node.pressure_io), ("cpu", &node.pressure_cpu)];
    if files.iter().all(|(_, read)| read.is_none()) {
        return Err(Outcome::Unknown(
            "system/pressure_*.txt are not in the bundle (only the node monitoring agent writes them): how long tasks waited for memory and I/O is not known".to_owned(),
        ));
    }
    let mut faults = Vec::new();
    for (resource, read) in files {
        let Some(read) = read else { continue };
        // The kernel tells no `full` for the CPU of a whole machine that means anything.
        let Some(stall) = read.value().full.filter(|_| resource != "cpu") else { continue };
        let [_, minute, _] = stall.averages;
        if minute > thresholds::pressure_full_percent() {
            faults.push(Fault {
                subject: resource.to_owned(),
                count: 1,
                detail: format!("for {minute} % of the last minute no task could go on for want of {resource}"),
                cites: vec![read.cite(stall.span)],
                ..Fault::default()
            });
        }
    }
    Ok(faults)
}

/// Huge pages take memory that pods cannot get.
pub(super) fn hugepages_large(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let sysctl = needed(&node.sysctl, "sysctls/sysctl_all.txt", "how many huge pages are reserved", |sysctl| {
        sysctl.get("vm.nr_hugepages").is_none()
    })?;
    let top = needed(&node.top, "system/top.txt", "how much memory the node has", |top| top.memory.is_none())?;
    let (Some(setting), Some(pages)) =
        (sysctl.value().get("vm.nr_hugepages"), sysctl.value().number("vm.nr_hugepages"))
    else {
        return Ok(Vec::new());
    };
    let Some((span, memory)) = top.value().memory.filter(|(_, memory)| memory.total > 0) else { return Ok(Vec::new()) };
    let share = pages as f64 * 2048.0 * 100.0 / memory.total as f64;
    if share <= thresholds::hugepages_memory_percent() {
        return Ok(Vec::new());
    }
    Ok(vec![Fault {
        count: 1,
        detail: format!("{pages} huge pages of 2 MiB hold {share:.0} % of the memory"),
        cites: vec![sysctl.cite(setting.span), top.cite(span)],
        ..Fault::default()
    }])
}

/// The hypervisor gives the CPUs to someone else.
pub(super) fn steal_high(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let now = node.top.as_ref().and_then(|read| read.value().cpu.map(|(span, cpu)| (read.cite(span), cpu.steal)));
    let since_boot =
        node.procstat.as_ref().and_then(|read| Some((read.cite(read.value().span), read.value().steal_percent()?)));
    if now.is_none() && since_boot.is_none() {
        return Err(Outcome::Unknown(
            "neither system/top.txt nor system/procstat.txt tells it: how much CPU time was stolen is not known"
                .to_owned(),
        ));
    }
    let told = [
        (now, thresholds::cpu_steal_percent(), "in the sample of top"),
        (since_boot, thresholds::cpu_steal_since_boot_percent(), "since boot"),
    ];
    let mut fault = Fault { count: 1, ..Fault::default() };
    for (told, most, when) in told {
        if let Some((cite, percent)) = told.filter(|(_, percent)| *percent > most) {
            if !fault.detail.is_empty() {
                fault.detail.push_str("; ");
            }
            fault.detail.push_str(&format!("{percent:.1} % of CPU time was stolen {when} (more than {most} %)"));
            fault.cites.push(cite);
        }
    }
    Ok(if fault.cites.is_empty() { Vec::new() } else { vec![fault] })
}

/// More tasks want to run, or wait for the disk, than the CPUs can serve.
pub(super) fn load_high(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = needed(&state.node.top, "system/top.txt", "the load", |top| top.load.is_none())?;
    let Some((procstat, cpus)) = cpus(state) else {
        return Err(Outcome::Unknown(
            "system/procstat.txt does not tell the number of CPUs: the load cannot be judged".to_owned(),
        ));
    };
    let Some((span, [one, five, fifteen])) = read.value().load else { return Ok(Vec::new()) };
    // A burst of a minute is no load.
    let steady = one.min(five) / f64::from(cpus);
    if steady <= thresholds::load_per_cpu() {
        return Ok(Vec::new());
    }
    let blocked = procstat.value().blocked;
    let mut cites = vec![read.cite(span)];
    cites.extend(blocked.map(|(span, _)| procstat.cite(span)));
    Ok(vec![Fault {
        count: 1,
        detail: format!(
            "load averages {one}, {five} and {fifteen} on {cpus} CPUs: {steady:.1} tasks for each{}",
            blocked.map_or_else(String::new, |(_, tasks)| format!("; {tasks} tasks wait for I/O"))
        ),
        cites,
        ..Fault::default()
    }])
}

/// Cgroups that are held back by their CPU limit much of the time.
pub(super) fn throttled(state: &State) -> Result<Vec<Fault>, Outcome> {
    let Some(read) = &state.node.cpu_throttling else {
        return Err(Outcome::Unknown(
            "system/cpu_throttling.txt is not in the bundle: which cgroups were held back is not known".to_owned(),
        ));
    };
    let value = read.value();
    if value.cgroups.is_empty() && !value.none_found {
        return Err(Outcome::Unknown(format!("{} names no cgroup: which ones were held back is not known", read.path)));
    }
    let mut worst: Vec<_> = value
        .cgroups
        .iter()
        .filter_map(|cgroup| {
            let (span, throttled) = cgroup.throttled?;
            let share = throttled as f64 * 100.0 / cgroup.periods as f64;
            let much = cgroup.periods as f64 >= thresholds::cpu_throttled_periods()
                && share >= thresholds::cpu_throttled_percent();
            much.then_some((cgroup, span, throttled, share))
        })
        .collect();
    worst.sort_by(|a, b| b.3.total_cmp(&a.3).then_with(|| a.0.path.cmp(&b.0.path)));
    let Some((first, _, throttled, share)) = worst.first() else { return Ok(Vec::new()) };
    Ok(vec![Fault {
        count: worst.len() as u64,
        detail: format!(
            "{} cgroups were held back in at least {} % of their periods; most of all {}: in {throttled} of {} ({share:.0} %), {} s in all",
            worst.len(),
            thresholds::cpu_throttled_percent(),
            first.path,
            first.periods,
            first.throttled_us / 1_000_000
        ),
        cites: worst.iter().flat_map(|(cgroup, span, ..)| [read.cite(cgroup.span), read.cite(*span)]).collect(),
        ..Fault::default()
    }])
}

/// Processes that spent much of their life waiting for the disk.
pub(super) fn io_delay(state: &State) -> Result<Vec<Fault>, Outcome> {
    const NODE_PROCESSES: [&str; 5] = ["kubelet", "containerd", "dockerd", "aws-k8s-agent", "kube-proxy"];
    let stats = needed(
        &state.node.process_stats,
        "system/allprocstat.txt",
        "how long processes waited for I/O",
        Vec::is_empty,
    )?;
    if stats.value().iter().all(|process| process.io_delay.unwrap_or(0) == 0) {
        return Err(Outcome::Unknown(
            "every delay is 0: the kernel does not account for them (kernel.task_delayacct), so how long processes waited for I/O is not known"
                .to_owned(),
        ));
    }
    let uptime =
        state.node.top.as_ref().and_then(|read| read.value().uptime).map(|(_, seconds)| seconds as f64 * 100.0);
    let Some(uptime) = uptime else {
        return Err(Outcome::Unknown("system/top.txt does not tell the uptime: delays cannot be judged".to_owned()));
    };
    let mut worst: Vec<_> = stats
        .value()
        .iter()
        .filter_map(|process| {
            let lived = (uptime - process.started as f64).max(1.0);
            // Threads wait at the same time: a share of all their lives together.
            let share = process.io_delay? as f64 * 100.0 / (lived * process.threads.max(1) as f64);
            (share > thresholds::io_delay_uptime_percent() && lived > 60_000.0).then_some((process, share))
        })
        .collect();
    worst.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.pid.cmp(&b.0.pid)));
    let Some((first, share)) = worst.first() else { return Ok(Vec::new()) };
    let of_node = worst.iter().find(|(process, _)| NODE_PROCESSES.contains(&process.comm.as_str()));
    Ok(vec![Fault {
        severity: of_node.map(|(process, _)| (Severity::Medium, format!("{} itself waits for the disk", process.comm))),
        count: worst.len() as u64,
        detail: format!(
            "{} processes waited for block I/O for more than {} % of their life; most of all {} (pid {}): {share:.0} %",
            worst.len(),
            thresholds::io_delay_uptime_percent(),
            first.comm,
            first.pid
        ),
        entities: worst.iter().map(|(process, _)| process.comm.clone()).collect(),
        cites: worst.iter().map(|(process, _)| stats.cite(process.span)).collect(),
        ..Fault::default()
    }])
}
