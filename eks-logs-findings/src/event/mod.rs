//! Events of several lines: an OOM report, a kernel trace, a crash of a Go program are one happening each, printed line by line.
//!
//! An [`Assembly`] is begun by a line that starts such an event and is fed the lines that follow, one by one. It says of each whether it
//! belongs to the event, and keeps the few fields that tell what happened. Its memory does not grow with the event.

mod go;
mod kernel;
mod oom;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::line::stamp::SECOND;
use crate::line::{Line, Stamp};

/// The longest value of a field, in bytes.
const LONGEST: usize = 200;
/// How long an event may take to be printed: a report goes over a serial console line by line.
const LASTS: i64 = 10 * SECOND;

/// What kind of event of several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The kernel's OOM killer: who asked for memory, whose limit it was, who was killed.
    OutOfMemory,
    /// The kernel's report of a fault in a thread: oops, `BUG:`, lockup, stall, warning.
    KernelTrace,
    /// A Go program that ended with a panic, a fatal error or a signal.
    GoCrash,
}

/// What a line is to an event that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It belongs to the event.
    Member,
    /// It stands in between.
    Foreign,
    /// It belongs to the event, which ends with it.
    Last,
    /// The event ended before it.
    Over,
}

pub(crate) type Fields = BTreeMap<&'static str, String>;

/// An event while it is read.
#[derive(Clone, Debug)]
pub(crate) struct Assembly {
    pub(crate) kind: EventKind,
    /// The program with its process id, where lines print one: lines of others are not of this event.
    writer: Vec<u8>,
    begun: Stamp,
    lines: u32,
    pub(crate) fields: Fields,
    go: go::State,
    kernel: kernel::State,
}

/// What a line is made of, as events need it.
pub(crate) struct Text<'a> {
    /// Behind prefix and klog header.
    pub(crate) message: &'a [u8],
    /// `program[pid]`.
    writer: &'a [u8],
    stamp: Stamp,
    /// The component's own header stands in front of the message, or the message is a record of its own.
    headed: bool,
}

impl<'a> Text<'a> {
    pub(crate) fn new(line: &'a [u8], parsed: &Line) -> Self {
        let message = &line[parsed.message..];
        let writer = parsed.program.clone().filter(|_| !parsed.kernel);
        let writer = writer.map_or(&line[..0], |program| &line[program.start..parsed.event]);
        let headed = parsed.message > parsed.event || message.starts_with(b"time=\"") || message.first() == Some(&b'{');
        Self {
            message: if parsed.kernel { behind_brackets(message) } else { message },
            writer,
            stamp: parsed.stamp,
            headed,
        }
    }
}

/// What lines that begin an event, or are the first that is left of one, hold.
pub(crate) const KERNEL_STARTS: [&str; 16] = [
    " invoked oom-killer: ",
    "oom-kill:constraint=",
    "ut of memory: Kill",
    "Killed process ",
    "BUG: unable to handle ",
    "BUG: kernel NULL pointer",
    "kernel BUG at ",
    "Oops: ",
    "Internal error: ",
    "Unable to handle kernel ",
    "general protection fault",
    "BUG: soft lockup",
    "hard LOCKUP",
    "WARNING: CPU: ",
    "INFO: rcu_",
    "blocked for more than",
];
/// The same of Go programs.
pub(crate) const GO_STARTS: [&str; 5] =
    ["panic: ", "fatal error: ", "SIGABRT: abort", "SIGSEGV: segmentation violation", "unexpected fault address "];

/// The kind of event that a line begins.
pub(crate) fn begins(text: &Text<'_>, kernel: bool) -> Option<EventKind> {
    if !kernel {
        return (!text.headed && go::begins(text.message)).then_some(EventKind::GoCrash);
    }
    if oom::begins(text.message) {
        return Some(EventKind::OutOfMemory);
    }
    kernel::begins(text.message).then_some(EventKind::KernelTrace)
}

impl Assembly {
    /// Begins with the event's first line.
    pub(crate) fn begin(kind: EventKind, text: &Text<'_>) -> Self {
        let mut begun = Self {
            kind,
            writer: text.writer.to_vec(),
            begun: text.stamp,
            lines: 0,
            fields: Fields::new(),
            go: go::State::default(),
            kernel: kernel::State::default(),
        };
        begun.feed(text);
        begun
    }

    /// Reads the next line of the file.
    pub(crate) fn feed(&mut self, text: &Text<'_>) -> Step {
        self.lines += 1;
        let most = match self.kind {
            // The table of processes has a line for each.
            EventKind::OutOfMemory => 40_000,
            EventKind::KernelTrace | EventKind::GoCrash => 500,
        };
        if self.lines > most || passed(self.begun, text.stamp) > LASTS {
            return Step::Over;
        }
        if text.writer != self.writer {
            return Step::Foreign;
        }
        match self.kind {
            EventKind::OutOfMemory => oom::read(&mut self.fields, text.message),
            EventKind::KernelTrace => kernel::read(&mut self.fields, &mut self.kernel, text.message),
            EventKind::GoCrash if text.headed => Step::Over,
            EventKind::GoCrash => go::read(&mut self.fields, &mut self.go, text.message),
        }
    }
}

/// Microseconds from one stamp to another of the same kind, either way round.
fn passed(from: Stamp, to: Stamp) -> i64 {
    match (from, to) {
        (Stamp::Instant(from), Stamp::Instant(to))
        | (Stamp::Local(from), Stamp::Local(to))
        | (Stamp::Yearless(from), Stamp::Yearless(to))
        | (Stamp::Uptime(from), Stamp::Uptime(to)) => (to - from).saturating_abs(),
        _ => 0,
    }
}

/// A kernel message behind what `printk` puts in brackets (`[    T7] `, a second time).
fn behind_brackets(mut message: &[u8]) -> &[u8] {
    while message.first() == Some(&b'[') {
        let Some(end) = message.iter().take(40).position(|byte| *byte == b']') else { break };
        message = message[end + 1..].trim_ascii_start();
    }
    message
}

/// Sets a field that is not set yet.
fn set(fields: &mut Fields, name: &'static str, value: &[u8]) {
    let value = &value[..value.len().min(LONGEST)];
    let printed = || String::from_utf8_lossy(value).chars().filter(|c| !c.is_control()).collect();
    if !value.is_empty() {
        fields.entry(name).or_insert_with(printed);
    }
}

/// The text between a phrase and the first of the given bytes behind it, or the end.
fn between<'a>(text: &'a [u8], phrase: &[u8], stops: &[u8]) -> Option<&'a [u8]> {
    let rest = &text[memchr::memmem::find(text, phrase)? + phrase.len()..];
    Some(&rest[..rest.iter().position(|byte| stops.contains(byte)).unwrap_or(rest.len())])
}

fn digits(text: &[u8]) -> &[u8] {
    &text[..text.iter().take_while(|byte| byte.is_ascii_digit()).count()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::line;

    const LINES: [&str; 12] = [
        "[   10.000001] java invoked oom-killer: gfp_mask=0xcc0, order=0",
        "[   10.000002] oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/kubepods/pod0a1b2c3d,task_memcg=/kubepods/pod0a1b2c3d/x,task=java,pid=7,uid=0",
        "[   10.000003] Memory cgroup out of memory: Killed process 7 (java) total-vm:1kB, anon-rss:1kB",
        "[   10.000004] Task in /a killed as a result of limit of /b",
        "[   10.000005] watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [kworker/3:1:77]",
        "[   10.000006] CPU: 3 PID: 77 Comm: kworker/3:1 Tainted: G OE 6.1 #1",
        "[   10.000007] RIP: 0010:f+0x1/0x2",
        "[   10.000008] ---[ end trace 0 ]---",
        "Nov 20 02:00:00 h kubelet[31]: panic: no",
        "Nov 20 02:00:00 h kubelet[31]: goroutine 1 [running]:",
        "Nov 20 02:00:00 h kubelet[31]: main.main()",
        "Nov 20 02:00:00 h kubelet[31]: \t/x/main.go:1 +0x1",
    ];

    fn fed(assembly: &mut Assembly, text: &str) -> Step {
        assembly.feed(&Text::new(text.as_bytes(), &line::parse(text.as_bytes())))
    }

    fn begun(text: &str) -> Assembly {
        let parsed = line::parse(text.as_bytes());
        let text = Text::new(text.as_bytes(), &parsed);
        Assembly::begin(begins(&text, parsed.kernel).unwrap(), &text)
    }

    #[test]
    fn reports_of_two_processors_are_two() {
        let mut first = begun(LINES[4]);
        assert_eq!(fed(&mut first, LINES[5]), Step::Member);
        assert_eq!(
            fed(&mut first, "[   10.000009] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [runc:78]"),
            Step::Over
        );
    }

    #[test]
    fn what_others_write_is_not_of_a_crash() {
        let mut crash = begun(LINES[8]);
        assert_eq!(fed(&mut crash, "Nov 20 02:00:00 h containerd[30]: goroutine 7 [running]:"), Step::Foreign);
        assert_eq!(fed(&mut crash, LINES[9]), Step::Member);
        assert_eq!(
            fed(&mut crash, "Nov 20 02:00:01 h kubelet[31]: I1120 02:00:01.000001      31 a.go:1] \"Started\""),
            Step::Over
        );
    }

    proptest! {
        /// Whatever is fed: no panic, and fields that stay small.
        #[test]
        fn no_lines_break_an_assembly(picks in proptest::collection::vec((0_usize..LINES.len(), any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
            let mut open: Option<Assembly> = None;
            for (pick, at, byte) in picks {
                let mut damaged = LINES[pick].as_bytes().to_vec();
                let at = at.index(damaged.len());
                damaged[at] = byte;
                let parsed = line::parse(&damaged);
                let text = Text::new(&damaged, &parsed);
                let over = open.as_mut().is_none_or(|open| open.feed(&text) == Step::Over);
                if over {
                    open = begins(&text, parsed.kernel).map(|kind| Assembly::begin(kind, &text));
                }
                for value in open.iter().flat_map(|open| open.fields.values()) {
                    prop_assert!(value.len() <= 3 * LONGEST);
                }
            }
        }
    }
}
