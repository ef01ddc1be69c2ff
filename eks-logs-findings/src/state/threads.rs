//! system/ps-threads.txt: `ps -eTF --headers`, one row for each thread.

use super::ps::is_header;
use super::words::{Columns, cell, complaint, number, text};
use super::{Lines, Parsed, Span};

/// The threads of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessThreads {
    /// The row of its first thread.
    pub span: Span,
    /// The process.
    pub pid: u32,
    /// Its parent.
    pub parent: Option<u32>,
    /// How many rows it has.
    pub threads: u64,
    /// Its command line. It may hold secrets.
    pub command: String,
}

/// All threads of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Threads {
    /// Rows in all: tasks, each of which takes a process id of the kernel's.
    pub total: u64,
    /// By process, in the order of their first rows.
    pub processes: Vec<ProcessThreads>,
}

/// Reads the file; memory grows with processes, not with threads.
pub fn parse(file: &[u8]) -> Parsed<Threads> {
    let mut parsed = Parsed::new(Threads::default());
    let mut columns: Option<Columns> = None;
    let mut cells = Vec::new();
    for (span, line) in Lines::new(file) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if is_header(line) {
            columns = Some(Columns::header(line));
            continue;
        }
        let row = columns.as_ref().filter(|columns| columns.row(line, &mut cells)).and_then(|columns| {
            let of = |name: &str| cell(&cells, columns.index(name));
            of("SPID").or(of("LWP")).and_then(number::<u32>)?;
            Some((number::<u32>(of("PID")?)?, of("PPID").and_then(number), of("CMD").or(of("COMMAND"))?))
        });
        let threads = &mut parsed.value;
        match row {
            Some((pid, parent, command)) => {
                threads.total += 1;
                match threads.processes.last_mut() {
                    Some(last) if last.pid == pid => last.threads += 1,
                    _ => threads.processes.push(ProcessThreads {
                        span,
                        pid,
                        parent,
                        threads: 1,
                        command: text(command.trim_ascii()),
                    }),
                }
            }
            None => parsed.problem(span, complaint(line).unwrap_or("not a row of ps -eTF")),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "UID          PID    SPID    PPID  C    SZ   RSS PSR STIME TTY          TIME CMD\n";

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(processes in proptest::collection::vec((1..9999u32, 1..5u64, "[a-z/][a-z0-9/ =-]{0,20}[a-z]"), 0..8)) {
            let mut printed = String::from(HEADER);
            let mut wanted = Threads::default();
            for (at, (parent, threads, command)) in processes.into_iter().enumerate() {
                let pid = at as u32 + 1;
                for thread in 0..threads {
                    printed += &format!("root     {pid:>7} {:>7} {parent:>7}  0 43812 10804   0 Nov18 ?        00:00:00 {command}\n", u64::from(pid) + thread);
                }
                printed += HEADER;
                wanted.total += threads;
                wanted.processes.push(ProcessThreads { span: Span::default(), pid, parent: Some(parent), threads, command });
            }
            let mut parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            parsed.value.processes.iter_mut().for_each(|process| process.span = Span::default());
            prop_assert_eq!(parsed.value, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in "[ -~\n]{0,200}") {
            parse([HEADER, &file].concat().as_bytes());
        }
    }

    #[test]
    fn a_cut_file_says_so() {
        let parsed =
            parse([HEADER, "root 1 1 0 0 43812 10804 0 Nov18 ? 00:00:00 init\nroot  1  2"].concat().as_bytes());
        assert_eq!((parsed.value.total, parsed.problem_count), (1, 1));
    }
}
