//! The kernel's report of a thread in trouble. Forms: linux arch/x86/kernel/dumpstack.c, arch/arm64/kernel/traps.c, lib/dump_stack.c,
//! kernel/panic.c, kernel/watchdog.c, kernel/rcu/tree_stall.h, kernel/hung_task.c.

use memchr::memmem;

use super::{Fields, Step, between, digits, set};

/// Of the phrases below, those at the front are of an oops.
const OOPS: usize = 7;
const FIRST: [&[u8]; 13] = [
    b"BUG: unable to handle ",
    b"BUG: kernel NULL pointer",
    b"kernel BUG at ",
    b"Oops: ",
    b"Internal error: ",
    b"Unable to handle kernel ",
    b"general protection fault",
    b"BUG: soft lockup",
    b"watchdog: BUG: soft lockup",
    b"NMI watchdog: BUG: soft lockup",
    b"WARNING: CPU: ",
    b"rcu: INFO: rcu_",
    b"INFO: ",
];
/// Lines of a report behind its first, by how they begin.
const OTHERS: [&[u8]; 12] = [
    b"#PF: ",
    b"PGD ",
    b"Hardware name: ",
    b"Modules linked in:",
    b"Call Trace:",
    b"Call trace:",
    b"Code: ",
    b"RSP: ",
    b"CR2: ",
    b"invalid opcode: ",
    b"------------[ cut here ]",
    b"note: ",
];

pub(super) fn begins(message: &[u8]) -> bool {
    let first = FIRST.iter().any(|first| message.starts_with(first))
        || memmem::find(message, b"Watchdog detected hard LOCKUP").is_some();
    // `INFO: ` begins reports of hung tasks and stalls, and much else.
    let vague = message.starts_with(b"INFO: ") && !is_stall_or_hung(message);
    first && !vague
}

fn is_stall_or_hung(message: &[u8]) -> bool {
    memmem::find(message, b" stall").is_some() || memmem::find(message, b" blocked for more than ").is_some()
}

/// Which first lines a report has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State(u16);

pub(super) fn read(fields: &mut Fields, state: &mut State, message: &[u8]) -> Step {
    if begins(message) {
        // An oops has several first lines of its own, each once; other reports have one.
        let phrase = FIRST.iter().position(|first| message.starts_with(first)).unwrap_or(FIRST.len());
        let bit = 1 << phrase;
        let goes_on = phrase < OOPS && state.0 < 1 << OOPS && state.0 & bit == 0 && !fields.contains_key("instruction");
        if state.0 != 0 && !goes_on {
            return Step::Over;
        }
        state.0 |= bit;
        set(fields, "what", message);
        return Step::Member;
    }
    if let Some(place) = message.strip_prefix(b"RIP: ").or_else(|| message.strip_prefix(b"pc : ")) {
        let symbol = memmem::find(place, b":").map_or(place, |colon| &place[colon + 1..]);
        set(fields, "instruction", symbol.trim_ascii());
        return Step::Member;
    }
    if let Some(at) = memmem::find(message, b"PID: ").filter(|at| *at < 24) {
        set(fields, "pid", digits(&message[at + 5..]));
        if let Some(comm) = between(message, b" Comm: ", b"\0") {
            let taint = memmem::find(comm, b" Tainted: ").or_else(|| memmem::find(comm, b" Not tainted"));
            set(fields, "process", comm[..taint.unwrap_or(comm.len())].trim_ascii());
        }
        if let Some(taint) = between(message, b" Tainted: ", b"\0") {
            let letters = taint.split(|byte| *byte == b' ').take_while(|word| word.iter().all(u8::is_ascii_uppercase));
            set(fields, "taint", &letters.flatten().copied().collect::<Vec<u8>>());
        }
        return Step::Member;
    }
    if message.starts_with(b"---[ end trace") || message.starts_with(b"---[ end Kernel panic") {
        return Step::Last;
    }
    let other = OTHERS.iter().any(|other| message.starts_with(other));
    if other || message.starts_with(b"Fixing recursive fault") { Step::Member } else { Step::Foreign }
}
