//! system/allprocstat.txt: /proc/PID/stat of every process (proc(5)).

use super::words::{Words, complaint, number, text};
use super::{Lines, Parsed, Span};

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Where it stands.
    pub span: Span,
    /// Its id.
    pub pid: u32,
    /// Its name, at most fifteen bytes.
    pub comm: String,
    /// The state's letter.
    pub state: u8,
    /// Its parent.
    pub parent: u32,
    /// How many threads it has.
    pub threads: u64,
    /// When it started, in ticks since boot (a hundred make a second).
    pub started: u64,
    /// Time spent waiting for block I/O, in ticks; always 0 where the kernel does not account for delays.
    pub io_delay: Option<u64>,
}

/// The name stands in parentheses and may hold blanks and parentheses: it ends at the last one of the line.
fn process(span: Span, line: &[u8]) -> Option<ProcessStat> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = memchr::memrchr(b')', line)?;
    let comm = line.get(open + 1..close)?;
    let fields: Vec<&[u8]> = Words::new(&line[close + 1..]).collect();
    let field = |number: usize| fields.get(number - 3).copied();
    Some(ProcessStat {
        span,
        pid: number(line[..open].trim_ascii())?,
        comm: text(comm),
        state: *field(3)?.first()?,
        parent: number(field(4)?)?,
        threads: number(field(20)?)?,
        started: number(field(22)?)?,
        io_delay: field(42).and_then(number),
    })
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Vec<ProcessStat>> {
    let mut parsed = Parsed::new(Vec::new());
    for (span, line) in Lines::new(file) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match process(span, line) {
            Some(process) => parsed.value.push(process),
            None => parsed.problem(span, complaint(line).unwrap_or("not a line of /proc/PID/stat")),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(rows in proptest::collection::vec((1..4_194_304u32, "[a-z() :/0-9]{1,15}", "[RSDZTI]", any::<u32>(), any::<u64>(), any::<u64>(), any::<u64>()), 0..8)) {
            let mut printed = String::new();
            let mut wanted = Vec::new();
            for (pid, comm, state, parent, threads, started, io_delay) in rows {
                printed += &format!("{pid} ({comm}) {state} {parent} 1 1 0 -1 4194560 1511 0 1190 0 1 1 0 0 20 0 {threads} 0 {started} 179453952 2701 18446744073709551615 1 1 0 0 0 0 0 4096 16963 0 0 0 17 1 0 0 {io_delay} 0 0 0 0 0 0 0 0 0 0\n");
                wanted.push(ProcessStat { span: Span::default(), pid, comm, state: state.as_bytes()[0], parent, threads, started, io_delay: Some(io_delay) });
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.into_iter().map(|row| ProcessStat { span: Span::default(), ..row }).collect();
            prop_assert_eq!(back, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in "[0-9() a-zR\n]{0,200}") {
            parse(file.as_bytes());
        }
    }

    #[test]
    fn a_process_that_went_away_is_no_row() {
        let parsed = parse("cat: /proc/811/stat: No such file or directory\n12 (a".as_bytes());
        assert_eq!((parsed.value.len(), parsed.problem_count), (0, 2));
    }
}
