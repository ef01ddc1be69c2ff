//! A Go program that dies: what it says, and the stacks that follow. Forms: go src/runtime/{panic,print,signal_unix,traceback}.go.

use memchr::memrchr;

use super::{Fields, GO_STARTS, Step, between, set};

/// Where in a dump the next line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// In front of the first stack.
    #[default]
    Head,
    /// In the first stack: its own frame is looked for.
    First,
    /// The next line names the place of the own frame.
    Place,
    /// Behind it.
    Rest,
}

/// Functions that every crash passes through: they do not tell where it came from.
const MACHINERY: [&[u8]; 7] = [
    b"runtime.",
    b"panic(",
    b"runtime/",
    b"created by ",
    b"k8s.io/apimachinery/pkg/util/runtime.",
    b"testing.",
    b"internal/",
];

pub(super) fn begins(message: &[u8]) -> bool {
    GO_STARTS.iter().any(|start| message.starts_with(start.as_bytes()))
}

pub(super) fn read(fields: &mut Fields, state: &mut State, message: &[u8]) -> Step {
    if message.starts_with(b"[signal ") {
        set(fields, "signal", between(message, b"[signal ", b"]").unwrap_or_default());
        return Step::Member;
    }
    if message.starts_with(b"goroutine ") && memchr::memmem::find(message, b" [").is_some() {
        set(fields, "goroutine", between(message, b"", b":").unwrap_or_default());
        *state = if *state == State::Head { State::First } else { State::Rest };
        return Step::Member;
    }
    if let Some(start) = GO_STARTS.iter().find(|start| message.starts_with(start.as_bytes())) {
        // Of one crash a signal and a fatal error may both be told, but nothing twice.
        if *state != State::Head || fields.get("message").is_some_and(|told| told.starts_with(start)) {
            return Step::Over;
        }
        set(fields, "message", message);
        return Step::Member;
    }
    match *state {
        State::First => {
            let machinery = MACHINERY.iter().any(|known| message.starts_with(known));
            let call = memrchr(b'(', message).filter(|_| message.ends_with(b")"));
            if let Some(call) = call.filter(|_| !machinery && !message.starts_with(b"\t")) {
                set(fields, "frame", &message[..call]);
                *state = State::Place;
            }
        }
        State::Place => {
            let place = message.trim_ascii().split(|byte| *byte == b' ').next().unwrap_or_default();
            set(fields, "place", memrchr(b'/', place).map_or(place, |slash| &place[slash + 1..]));
            *state = State::Rest;
        }
        State::Head | State::Rest => {}
    }
    Step::Member
}
