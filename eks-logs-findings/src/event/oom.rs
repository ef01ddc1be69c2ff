//! The OOM killer's report. Forms: linux mm/oom_kill.c, mm/memcontrol.c, before and after 4.19 (which joined the limit and the victim in
//! one `oom-kill:` line) and 5.0 (which joined `Kill process` and `Killed process`).

use super::{Fields, Step, between, digits, set};

/// `Memory cgroup out of memory: ` or `Out of memory: `, and what stands behind.
fn out_of_memory(message: &[u8]) -> Option<&[u8]> {
    let rest = message.strip_prefix(b"Memory cgroup out").or_else(|| message.strip_prefix(b"Out"))?;
    let rest = rest.strip_prefix(b" of memory")?;
    rest.strip_prefix(b" (oom_kill_allocating_task)").unwrap_or(rest).strip_prefix(b": ")
}

/// The line names the victim: what stands behind `process `.
fn victim(message: &[u8]) -> Option<&[u8]> {
    let verdict = out_of_memory(message).unwrap_or(message);
    verdict.strip_prefix(b"Killed process ").or_else(|| {
        let verdict = out_of_memory(message)?;
        verdict.strip_prefix(b"Kill process ").or_else(|| verdict.strip_prefix(b"Killing process "))
    })
}

fn invoker(message: &[u8]) -> Option<&[u8]> {
    let end = memchr::memmem::find(message, b" invoked oom-killer: ")?;
    Some(&message[..end])
}

pub(super) fn begins(message: &[u8]) -> bool {
    invoker(message).is_some() || message.starts_with(b"oom-kill:constraint=") || victim(message).is_some()
}

pub(super) fn read(fields: &mut Fields, message: &[u8]) -> Step {
    if let Some(invoker) = invoker(message) {
        if !fields.is_empty() {
            return Step::Over;
        }
        set(fields, "invoker", invoker);
        return Step::Member;
    }
    if message.starts_with(b"oom-kill:constraint=") {
        // A report whose beginning was lost: the next one starts here.
        if fields.contains_key("victim") || fields.contains_key("constraint") {
            return Step::Over;
        }
        let mut field = |name, key: &[u8]| {
            if let Some(value) = between(message, key, b",") {
                set(fields, name, value);
            }
        };
        field("constraint", b"constraint=");
        field("limitedCgroup", b"oom_memcg=");
        field("victimCgroup", b"task_memcg=");
        field("victim", b",task=");
        field("victimPid", b",pid=");
        pod(fields);
        return Step::Member;
    }
    if let Some(victim) = victim(message) {
        let pid = digits(victim);
        let other = |told: &String| told.as_bytes() != pid;
        if fields.get("victimPid").is_some_and(other) && !fields.contains_key("group") {
            // Before 5.0 the verdict is one line and the kill another; a child may die in the victim's place.
            let verdict = fields.get("verdict").is_some_and(|verdict| verdict == "sacrifice child");
            if !verdict || fields.contains_key("totalVmKb") || !message.starts_with(b"Killed process ") {
                return Step::Over;
            }
            fields.remove("victim");
            fields.remove("victimPid");
        }
        if message.ends_with(b"or sacrifice child") {
            set(fields, "verdict", b"sacrifice child");
        }
        set(fields, "victimPid", pid);
        set(fields, "victim", between(victim, b"(", b")").unwrap_or_default());
        let constraint: &[u8] = match out_of_memory(message) {
            Some(_) if message.starts_with(b"Memory cgroup") => b"CONSTRAINT_MEMCG",
            Some(_) => b"CONSTRAINT_NONE",
            None => b"",
        };
        set(fields, "constraint", constraint);
        for (name, key) in [
            ("totalVmKb", b"total-vm:".as_slice()),
            ("anonRssKb", b"anon-rss:"),
            ("fileRssKb", b"file-rss:"),
            ("oomScoreAdj", b"oom_score_adj:"),
        ] {
            if let Some(value) = between(victim, key, b"k, ") {
                set(fields, name, value);
            }
        }
        return Step::Member;
    }
    if let Some(rest) = message.strip_prefix(b"Task in ") {
        let Some(victim) = between(rest, b"", b" ") else { return Step::Foreign };
        let Some(limited) = between(rest, b" killed as a result of limit of ", b" ") else { return Step::Foreign };
        set(fields, "victimCgroup", victim);
        set(fields, "limitedCgroup", limited);
        set(fields, "constraint", b"CONSTRAINT_MEMCG");
        pod(fields);
        return Step::Member;
    }
    if message.starts_with(b"memory: usage ") {
        for (name, key) in [("usageKb", b"usage ".as_slice()), ("limitKb", b"limit ")] {
            if let Some(value) = between(message, key, b"k,") {
                set(fields, name, value);
            }
        }
        return Step::Member;
    }
    if message.starts_with(b"Tasks in ") && message.ends_with(b"memory.oom.group set") {
        set(fields, "group", b"memory.oom.group");
        return Step::Member;
    }
    if let Some(reaped) = message.strip_prefix(b"oom_reaper: ") {
        let pid = between(reaped, b"process ", b" ").or_else(|| between(reaped, b"pid:", b" "));
        let same = fields.get("victimPid").map(String::as_bytes) == pid;
        return if same { Step::Member } else { Step::Foreign };
    }
    Step::Foreign
}

/// Pod and container from the path of a cgroup, in the forms of both of kubelet's cgroup drivers.
fn pod(fields: &mut Fields) {
    for path in ["victimCgroup", "limitedCgroup"] {
        let Some(path) = fields.get(path).cloned() else { continue };
        for part in path.split('/') {
            let stem = part.strip_suffix(".slice").or_else(|| part.strip_suffix(".scope")).unwrap_or(part);
            let last = stem.rsplit('-').next().unwrap_or_default();
            let uid = stem.strip_prefix("pod").or_else(|| last.strip_prefix("pod"));
            if let Some(uid) = uid.filter(|uid| uid.len() >= 8 && path.contains("kubepods")) {
                set(fields, "podUid", uid.replace('_', "-").as_bytes());
            }
            if last.len() == 64 && last.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                set(fields, "containerId", last.as_bytes());
            }
        }
    }
}
