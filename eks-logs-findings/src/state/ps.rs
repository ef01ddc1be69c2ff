//! Process tables of ps (procps): system/ps.txt (`ps fauxwww --headers`) and what other versions of the collector print. The header,
//! which is repeated on every page, names the columns.

use super::words::{Columns, cell, complaint, number, text};
use super::{Lines, Parsed, Span};

/// One process.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Where it stands.
    pub span: Span,
    /// Its id.
    pub pid: u32,
    /// Its parent, where the table tells it: as a column, or by the tree.
    pub parent: Option<u32>,
    /// Its owner, where the table has a column.
    pub user: Option<String>,
    /// The state letters: `D` waits uninterruptibly, `Z` is dead and not reaped.
    pub state: Option<String>,
    /// When it started, as printed: `HH:MM` of the same day, `MonDD`, or a year.
    pub start: Option<String>,
    /// CPU time in seconds.
    pub cpu_seconds: Option<u64>,
    /// Resident memory in KiB.
    pub resident: Option<u64>,
    /// The command line, without the tree's branches. It may hold secrets.
    pub command: String,
}

impl Process {
    /// Dead, but its parent has not asked for its status.
    pub fn zombie(&self) -> bool {
        self.state.as_deref().is_some_and(|state| state.starts_with('Z')) || self.command.ends_with("<defunct>")
    }

    /// In a wait that no signal ends.
    pub fn uninterruptible(&self) -> bool {
        self.state.as_deref().is_some_and(|state| state.starts_with('D'))
    }

    /// The program: the last part of the command's path, the name of a kernel thread.
    pub fn program(&self) -> &str {
        let command = self.command.trim_start_matches('[');
        let first = command.split([' ', ']']).next().unwrap_or(command);
        let first = first.strip_suffix(':').unwrap_or(first);
        // Kernel threads hold slashes in their names (kworker/0:1).
        if self.command.starts_with('[') {
            first.split('/').next().unwrap_or(first)
        } else {
            first.rsplit('/').next().unwrap_or(first)
        }
    }
}

/// True for the line that names the columns of ps.
pub(super) fn is_header(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    (line.ends_with(b"COMMAND") || line.ends_with(b"CMD"))
        && line.split(u8::is_ascii_whitespace).any(|word| word == b"PID")
}

/// The depth in the tree of `ps f`, and the command without the branches.
fn depth(command: &[u8]) -> (usize, &[u8]) {
    let mut rest = command;
    let mut depth = 0;
    while let Some(branch) = rest.get(..4) {
        if branch == b" \\_ " {
            return (depth + 1, &rest[4..]);
        }
        if branch != b"    " && branch != b" |  " {
            break;
        }
        rest = &rest[4..];
        depth += 1;
    }
    (0, command)
}

/// `[[DD-]HH:]MM:SS`, and `MMM:SS` of `ps u`.
fn cpu_seconds(word: &[u8]) -> Option<u64> {
    let word = std::str::from_utf8(word).ok()?;
    let (days, time) = word.split_once('-').map_or(Some((0, word)), |(days, time)| Some((days.parse().ok()?, time)))?;
    let mut seconds: u64 = 0;
    for part in time.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(u64::from(part.parse::<u32>().ok()?))?;
    }
    seconds.checked_add(u64::from(days as u32) * 86400)
}

fn process<'a>(span: Span, columns: &Columns, cells: &[&'a [u8]]) -> Option<(usize, Process, &'a [u8])> {
    let of = |name: &str| cell(cells, columns.index(name));
    let (depth, command) = depth(of("COMMAND").or(of("CMD"))?);
    let process = Process {
        span,
        pid: number(of("PID")?)?,
        parent: of("PPID").and_then(number),
        user: of("USER").or(of("UID")).map(text),
        state: of("STAT").or(of("S")).map(text),
        start: of("START").or(of("STIME")).map(text),
        cpu_seconds: of("TIME").and_then(cpu_seconds),
        resident: of("RSS").and_then(number),
        command: text(command.trim_ascii()),
    };
    Some((depth, process, command))
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Vec<Process>> {
    let mut parsed = Parsed::new(Vec::<Process>::new());
    let mut columns: Option<Columns> = None;
    let mut cells = Vec::new();
    // The ids of the processes above, by depth.
    let mut above: Vec<u32> = Vec::new();
    for (span, line) in Lines::new(file) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if is_header(line) {
            columns = Some(Columns::header(line));
            continue;
        }
        let row = columns
            .as_ref()
            .filter(|columns| columns.row(line, &mut cells))
            .and_then(|columns| process(span, columns, &cells));
        match row {
            Some((depth, mut process, _)) => {
                if process.parent.is_none() && depth > 0 {
                    process.parent = above.get(depth - 1).copied();
                }
                above.truncate(depth);
                above.push(process.pid);
                parsed.value.push(process);
            }
            None => parsed.problem(span, complaint(line).unwrap_or("not a row of ps")),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n";

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(rows in proptest::collection::vec(
            (1..4_194_304u32, "[a-z0-9+]{1,8}", "[RSDZT][sl<N+]{0,2}", "(Nov18|07:31|2025)", 0..9999u64, 0..59u64, 0..99_999u64, "[a-z/\\[][a-z0-9/: =-]{0,20}[a-z>]", 0..4usize), 0..12,
        )) {
            let mut printed = String::from(HEADER);
            let mut wanted = Vec::new();
            let mut above: Vec<u32> = Vec::new();
            for (at, (pid, user, state, start, minutes, seconds, resident, command, depth)) in rows.into_iter().enumerate() {
                let depth = depth.min(above.len());
                let branches = if depth == 0 { String::new() } else { " |  ".repeat(depth - 1) + " \\_ " };
                printed += &format!("{user:<8} {pid:>7}  0.1  0.1 175248 {resident:>5} ?        {state:<4} {start:>5} {minutes:>3}:{seconds:02} {branches}{command}\n");
                if at % 3 == 2 {
                    printed += HEADER;
                }
                let parent = depth.checked_sub(1).and_then(|up| above.get(up).copied());
                above.truncate(depth);
                above.push(pid);
                wanted.push(Process {
                    span: Span::default(), pid, parent, user: Some(user), state: Some(state), start: Some(start),
                    cpu_seconds: Some(minutes * 60 + seconds), resident: Some(resident), command,
                });
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.into_iter().map(|row| Process { span: Span::default(), ..row }).collect();
            prop_assert_eq!(back, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in "[ -~\n]{0,200}") {
            parse(file.as_bytes());
            parse([HEADER, &file].concat().as_bytes());
        }
    }

    #[test]
    fn other_tables_of_ps() {
        let short = parse(b"    PID TTY      STAT   TIME COMMAND\n2570663 ?        Zs     0:00 [stunnel5] <defunct>\n");
        assert!(short.value[0].zombie() && short.value[0].program() == "stunnel5");
        let full = parse(b"UID          PID    PPID  C STIME TTY          TIME CMD\nroot       26991    3781  0 Jan16 ?        1-02:03:04 /usr/bin/stunnel5 /var/run/efs/x\n");
        let process = &full.value[0];
        assert_eq!((process.parent, process.cpu_seconds, process.program()), (Some(3781), Some(93_784), "stunnel5"));
        let thread = parse(
            [HEADER, "root          18  0.0  0.0      0     0 ?        D    Nov18   0:00  \\_ [kworker/0:1+events]\n"]
                .concat()
                .as_bytes(),
        );
        assert!(thread.value[0].uninterruptible() && thread.value[0].program() == "kworker");
    }

    #[test]
    fn what_is_no_row_is_told() {
        let parsed = parse([HEADER, "error: garbage\nroot 1 0.1"].concat().as_bytes());
        assert_eq!((parsed.value.len(), parsed.problem_count, parsed.problems[0].span.line), (0, 2, 2));
    }
}
