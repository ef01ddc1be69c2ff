//! Processes: dead ones, stuck ones, too many of them.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{Read, needed};
use crate::Severity;
use crate::checks::thresholds;
use crate::checks::{Fault, Outcome, State};
use crate::state::ps::Process;
use crate::state::threads::Threads;

fn table(state: &State) -> Result<&Read<Vec<Process>>, Outcome> {
    needed(&state.node.ps, "system/ps.txt", "which processes ran", Vec::is_empty)
}

/// Many dead processes that their parents do not reap.
pub(super) fn zombies(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = table(state)?;
    let dead: Vec<&Process> = read.value().iter().filter(|process| process.zombie()).collect();
    let count = dead.len() as f64;
    if count < thresholds::zombies() {
        return Ok(Vec::new());
    }
    let mut parents: BTreeMap<u32, u64> = BTreeMap::new();
    for parent in dead.iter().filter_map(|process| process.parent) {
        *parents.entry(parent).or_default() += 1;
    }
    let worst = parents.iter().max_by_key(|(pid, count)| (**count, std::cmp::Reverse(**pid)));
    let parent = worst.and_then(|(pid, count)| Some((read.value().iter().find(|process| process.pid == *pid)?, count)));
    let severity =
        (count >= thresholds::zombies_critical()).then(|| (Severity::High, "each takes a process id".to_owned()));
    let mut cites: Vec<_> = parent.iter().map(|(parent, _)| read.cite(parent.span)).collect();
    cites.extend(dead.iter().map(|process| read.cite(process.span)));
    Ok(vec![Fault {
        severity,
        count: dead.len() as u64,
        detail: format!(
            "{} processes are dead and not reaped{}",
            dead.len(),
            parent.map_or_else(String::new, |(parent, count)| format!(
                "; {count} of them are children of {} (pid {})",
                parent.program(),
                parent.pid
            ))
        ),
        entities: parent.iter().map(|(parent, _)| parent.program().to_owned()).collect(),
        cites,
        ..Fault::default()
    }])
}

/// Processes in a wait that no signal ends.
pub(super) fn uninterruptible(state: &State) -> Result<Vec<Fault>, Outcome> {
    /// A wait of one of these holds up pods.
    const HOLDS_UP: [&str; 9] = [
        "kubelet",
        "containerd",
        "dockerd",
        "runc",
        "containerd-shim-runc-v2",
        "mount",
        "umount",
        "mount.nfs4",
        "systemd",
    ];
    let read = table(state)?;
    if read.value().iter().all(|process| process.state.is_none()) {
        return Err(Outcome::Unknown(format!(
            "{} has no column of states: whether processes hang is not known",
            read.path
        )));
    }
    let waiting: Vec<&Process> = read.value().iter().filter(|process| process.uninterruptible()).collect();
    let of_node: Vec<&str> =
        waiting.iter().map(|process| process.program()).filter(|program| HOLDS_UP.contains(program)).collect();
    let many = waiting.len() as f64 >= thresholds::uninterruptible();
    if !many && of_node.is_empty() {
        return Ok(Vec::new());
    }
    let programs: BTreeSet<&str> = waiting.iter().map(|process| process.program()).collect();
    let severity = (many && !of_node.is_empty())
        .then(|| (Severity::High, format!("{} is among them: pods cannot be started or stopped", of_node.join(", "))));
    Ok(vec![Fault {
        severity,
        count: waiting.len() as u64,
        detail: format!(
            "{} processes wait uninterruptibly at once: {}",
            waiting.len(),
            programs.iter().copied().take(8).collect::<Vec<_>>().join(", ")
        ),
        entities: programs.iter().map(|program| (*program).to_owned()).collect(),
        cites: waiting.iter().map(|process| read.cite(process.span)).collect(),
        ..Fault::default()
    }])
}

/// Tasks against the smaller of the kernel's limits.
pub(super) fn threads_near_limit(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let threads =
        needed(&node.threads, "system/ps-threads.txt", "how many tasks there are", |threads| threads.total == 0)?;
    let limits = ["kernel.pid_max", "kernel.threads-max"];
    let sysctl = needed(&node.sysctl, "sysctls/sysctl_all.txt", "how many tasks the kernel allows", |sysctl| {
        limits.iter().all(|limit| sysctl.number(limit).is_none())
    })?;
    let limit =
        limits.iter().filter_map(|name| Some((sysctl.value().number(name).filter(|most| *most > 0)?, *name))).min();
    let mut faults = Vec::new();
    if let Some((most, name)) = limit {
        let total = threads.value().total;
        let share = total as f64 * 100.0 / most as f64;
        if share >= thresholds::tasks_high_percent() {
            let severity = (share >= thresholds::tasks_critical_percent())
                .then(|| (Severity::Critical, "no new process can be started soon".to_owned()));
            let mut largest: Vec<_> = threads.value().processes.iter().collect();
            largest.sort_by_key(|process| (std::cmp::Reverse(process.threads), process.pid));
            let mut cites: Vec<_> =
                sysctl.value().get(name).map(|setting| sysctl.cite(setting.span)).into_iter().collect();
            cites.extend(largest.iter().take(3).map(|process| threads.cite(process.span)));
            let worst = largest.first().map_or_else(String::new, |process| {
                let program = process.command.split_whitespace().next().unwrap_or_default();
                format!("; {program} (pid {}) has {}", process.pid, process.threads)
            });
            faults.push(Fault {
                severity,
                count: total,
                detail: format!("{total} tasks of at most {most} ({name}, the smaller limit): {share:.0} %{worst}"),
                cites,
                ..Fault::default()
            });
        }
    }
    faults.extend(pods_near_limit(state, threads));
    Ok(faults)
}

/// Pods, each the tree below its shim, against kubelet's podPidsLimit.
fn pods_near_limit(state: &State, threads: &Read<Threads>) -> Vec<Fault> {
    let Some((setting, most)) = state.node.kubelet.one("pod-max-pids", "podPidsLimit") else { return Vec::new() };
    let Some(most) = most.parse::<i64>().ok().filter(|most| *most > 0) else { return Vec::new() };
    let processes = &threads.value().processes;
    let parents: BTreeMap<u32, u32> =
        processes.iter().filter_map(|process| Some((process.pid, process.parent?))).collect();
    let is_shim =
        |command: &str| command.split_whitespace().next().is_some_and(|program| program.contains("containerd-shim"));
    let shims: BTreeMap<u32, usize> = processes
        .iter()
        .enumerate()
        .filter(|(_, process)| is_shim(&process.command))
        .map(|(at, process)| (process.pid, at))
        .collect();
    let mut pods: BTreeMap<u32, u64> = BTreeMap::new();
    for process in processes {
        let mut up = process.pid;
        // A tree is less deep than it has processes; a damaged table may hold a circle.
        for _ in 0..64 {
            let Some(parent) = parents.get(&up) else { break };
            up = *parent;
            if shims.contains_key(&up) {
                *pods.entry(up).or_default() += process.threads;
                break;
            }
        }
    }
    let near = pods
        .into_iter()
        .filter(|(_, tasks)| *tasks as f64 * 100.0 / most as f64 >= thresholds::tasks_critical_percent());
    near.filter_map(|(shim, tasks)| {
        let process = processes.get(*shims.get(&shim)?)?;
        let id = process.command.split_whitespace().skip_while(|word| *word != "-id").nth(1).unwrap_or("?");
        Some(Fault {
            subject: format!("pod of sandbox {id}"),
            severity: Some((
                Severity::Medium,
                "the pod is about to be refused new processes; other pods are not".to_owned(),
            )),
            count: tasks,
            detail: format!("{tasks} tasks below the shim with pid {shim}, of at most {most} (podPidsLimit)"),
            cites: vec![threads.cite(process.span), setting.clone()],
            ..Fault::default()
        })
    })
    .collect()
}

/// kernel.pid_max as small as on an old desktop.
pub(super) fn pid_max_low(state: &State) -> Result<Vec<Fault>, Outcome> {
    let node = &state.node;
    let sysctl = needed(&node.sysctl, "sysctls/sysctl_all.txt", "the largest process id", |sysctl| {
        sysctl.get("kernel.pid_max").is_none()
    })?;
    let (Some(setting), Some(most)) = (sysctl.value().get("kernel.pid_max"), sysctl.value().number("kernel.pid_max"))
    else {
        return Ok(Vec::new());
    };
    let cpus = node.procstat.as_ref().map_or(0, |read| read.value().cpus);
    let pods = node.kubelet.one("max-pods", "maxPods").and_then(|(_, pods)| pods.parse::<u32>().ok()).unwrap_or(0);
    if most > 32_768 || (cpus < 32 && pods <= 100) {
        return Ok(Vec::new());
    }
    Ok(vec![Fault {
        count: 1,
        detail: format!("kernel.pid_max is {most} on a node of {cpus} CPUs and up to {pods} pods"),
        cites: vec![sysctl.cite(setting.span)],
        ..Fault::default()
    }])
}

/// Open files against the kernel's limit.
pub(super) fn open_files(state: &State) -> Result<Vec<Fault>, Outcome> {
    let sysctl = needed(&state.node.sysctl, "sysctls/sysctl_all.txt", "how many files are open", |sysctl| {
        sysctl.get("fs.file-nr").is_none()
    })?;
    let Some(setting) = sysctl.value().get("fs.file-nr") else { return Ok(Vec::new()) };
    let numbers: Vec<f64> = setting.value.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [open, _, most] = numbers[..] else {
        return Err(Outcome::Unknown(format!("{}: fs.file-nr is not three numbers", sysctl.path)));
    };
    let share = open * 100.0 / most;
    if share < thresholds::open_files_high_percent() {
        return Ok(Vec::new());
    }
    let severity = (share >= thresholds::open_files_critical_percent())
        .then(|| (Severity::Critical, "no file can be opened any more soon".to_owned()));
    Ok(vec![Fault {
        severity,
        count: 1,
        detail: format!("{open} files are open of at most {most}: {share:.0} %"),
        cites: vec![sysctl.cite(setting.span)],
        ..Fault::default()
    }])
}

/// Processes with more than a thousand environment variables.
pub(super) fn environments(state: &State) -> Result<Vec<Fault>, Outcome> {
    let unknown = "which processes have large environments";
    let read = needed(&state.node.environments, "system/large_environments.txt", unknown, |_| false)?;
    let mut rows: Vec<_> = read.value().iter().collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.variables), row.pid));
    let Some(worst) = rows.first() else { return Ok(Vec::new()) };
    let process = state.node.ps.as_ref().and_then(|read| read.value().iter().find(|process| process.pid == worst.pid));
    Ok(vec![Fault {
        count: rows.len() as u64,
        detail: format!(
            "{} processes have more than 1000 environment variables; {} (pid {}) has {}",
            rows.len(),
            process.map_or("one", Process::program),
            worst.pid,
            worst.variables
        ),
        entities: process.map(|process| process.program().to_owned()).into_iter().collect(),
        cites: rows.iter().map(|row| read.cite(row.span)).collect(),
        ..Fault::default()
    }])
}

/// Minutes of the day, of `HH:MM`.
fn clock(start: &str) -> Option<i32> {
    let (hour, minute) = start.split_once(':')?;
    Some(hour.parse::<u8>().ok().map(i32::from)? * 60 + minute.parse::<u8>().ok().map(i32::from)?)
}

/// `runc init` stands between the making of a container and its start, for a part of a second.
pub(super) fn runc_init(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = table(state)?;
    let inits: Vec<&Process> = read
        .value()
        .iter()
        .filter(|process| process.program() == "runc" && process.command.split_whitespace().nth(1) == Some("init"))
        .collect();
    // The collector's own ps started when the table was made.
    let now = read
        .value()
        .iter()
        .rfind(|process| process.program() == "ps")
        .and_then(|process| clock(process.start.as_deref()?));
    let old = |process: &Process| match (process.start.as_deref(), now) {
        (Some(start), Some(now)) => match clock(start) {
            Some(at) => f64::from((now - at).rem_euclid(1440)) >= thresholds::runc_init_minutes(),
            // A date in the place of the time: it started on another day.
            None => true,
        },
        _ => false,
    };
    let stuck: Vec<&&Process> = inits.iter().filter(|process| old(process)).collect();
    if stuck.is_empty() && (inits.len() as f64) <= thresholds::runc_init() {
        return Ok(Vec::new());
    }
    let severity = (inits.len() as f64 > thresholds::runc_init())
        .then(|| (Severity::Critical, "containers do not start any more".to_owned()));
    Ok(vec![Fault {
        severity,
        count: inits.len() as u64,
        detail: format!(
            "{} runc init processes, {} of them older than {} minutes",
            inits.len(),
            stuck.len(),
            thresholds::runc_init_minutes()
        ),
        cites: inits.iter().map(|process| read.cite(process.span)).collect(),
        ..Fault::default()
    }])
}

/// More shims than tasks.
pub(super) fn shims_leaked(state: &State) -> Result<Vec<Fault>, Outcome> {
    let read = table(state)?;
    let tasks = needed(&state.node.tasks, "containerd/containerd-tasks.txt", "which containers run", Vec::is_empty)?;
    if tasks.parsed.problem_count > 0 {
        return Err(Outcome::Unknown(format!("{} is not whole: which containers run is not known", tasks.path)));
    }
    let shims: Vec<&Process> =
        read.value().iter().filter(|process| process.program().starts_with("containerd-shim")).collect();
    let known: BTreeSet<&str> = tasks.value().iter().map(|task| task.id.as_str()).collect();
    let id = |process: &Process| {
        process.command.split_whitespace().skip_while(|word| *word != "-id").nth(1).map(str::to_owned)
    };
    let leaked: Vec<&&Process> =
        shims.iter().filter(|process| id(process).is_some_and(|id| !known.contains(id.as_str()))).collect();
    if leaked.len() as f64 <= thresholds::leaked_shims() {
        return Ok(Vec::new());
    }
    Ok(vec![Fault {
        count: leaked.len() as u64,
        detail: format!(
            "{} of {} shims belong to no task of containerd's ({} tasks)",
            leaked.len(),
            shims.len(),
            known.len()
        ),
        cites: leaked.iter().map(|process| read.cite(process.span)).collect(),
        ..Fault::default()
    }])
}
