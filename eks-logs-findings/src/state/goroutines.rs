//! containerd/containerd.PID.stacks.log: what each goroutine does, as the Go runtime prints it on SIGUSR1.

use std::collections::BTreeMap;

use super::words::text;
use super::{Lines, Parsed, Span};

/// Goroutines in the same wait at the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The first of them.
    pub span: Span,
    /// What they wait for: `chan receive`, `semacquire`, `IO wait`, `syscall`, `sync.Mutex.Lock`.
    pub state: String,
    /// The function in which they do, without arguments.
    pub frame: String,
    /// How many.
    pub count: u64,
    /// How many of them for a minute or more.
    pub long: u64,
    /// The longest wait, in minutes.
    pub minutes: u64,
}

/// Different groups that are kept.
const MOST: usize = 4096;

/// `goroutine 12 [chan receive, 5 minutes, locked to thread]:`: the state and the minutes.
fn head(line: &str) -> Option<(&str, u64)> {
    let inner = line.strip_prefix("goroutine ")?.split_once(" [")?.1.strip_suffix("]:")?;
    let mut parts = inner.split(", ");
    let state = parts.next()?;
    let minutes = parts.find_map(|part| part.strip_suffix(" minutes")?.parse().ok()).unwrap_or(0);
    Some((state, minutes))
}

/// Reads the file; groups in the order of state and frame.
pub fn parse(file: &[u8]) -> Parsed<Vec<Waiting>> {
    let mut groups: BTreeMap<(String, String), Waiting> = BTreeMap::new();
    let mut parsed = Parsed::new(Vec::new());
    let mut open: Option<(Span, String, u64)> = None;
    for (span, line) in Lines::new(file) {
        let line = text(line);
        if let Some((state, minutes)) = head(&line) {
            open = Some((span, state.to_owned(), minutes));
        } else if let Some((head, state, minutes)) = open.take_if(|_| !line.is_empty()) {
            let frame = line.rfind('(').map_or(line.as_str(), |at| &line[..at]).to_owned();
            let key = (state.clone(), frame.clone());
            if groups.len() >= MOST && !groups.contains_key(&key) {
                parsed.problem(head, "more different places than are kept");
                continue;
            }
            let group =
                groups.entry(key).or_insert(Waiting { span: head, state, frame, count: 0, long: 0, minutes: 0 });
            group.count += 1;
            group.long += u64::from(minutes > 0);
            group.minutes = group.minutes.max(minutes);
        }
    }
    if groups.is_empty() && !file.trim_ascii().is_empty() {
        parsed.problem(Lines::new(file).next().map_or_else(Span::default, |(span, _)| span), "no goroutine in it");
    }
    parsed.value = groups.into_values().collect();
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(groups in proptest::collection::btree_map(("(chan receive|select|syscall)", "[a-z]{1,8}/[a-z]{1,8}\\.[A-Za-z]{1,8}"), proptest::collection::vec(0..999u64, 1..5), 0..4)) {
            let mut printed = String::new();
            let mut wanted = Vec::new();
            for ((state, frame), minutes) in groups {
                for minutes in &minutes {
                    let wait = if *minutes > 0 { format!(", {minutes} minutes") } else { String::new() };
                    printed += &format!("goroutine 1 [{state}{wait}]:\n{frame}(0xc0004b2f00, {{0x1, 0x2}})\n\t/go/src/x.go:12 +0x1d\n\n");
                }
                let long = minutes.iter().filter(|minutes| **minutes > 0).count() as u64;
                let longest = minutes.iter().copied().max().unwrap();
                wanted.push(Waiting { span: Span::default(), state, frame, count: minutes.len() as u64, long, minutes: longest });
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.into_iter().map(|group| Waiting { span: Span::default(), ..group }).collect();
            prop_assert_eq!(back, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in "(goroutine 1 \\[)?[ -~\n]{0,120}") {
            parse(file.as_bytes());
        }
    }
}
