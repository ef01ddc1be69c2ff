//! system/large_environments.txt: processes with more than a thousand environment variables, as the collector counts them.

use super::words::{Words, complaint, number};
use super::{Lines, Parsed, Span};

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeEnvironment {
    /// Where it stands.
    pub span: Span,
    /// Its id.
    pub pid: u32,
    /// Its variables.
    pub variables: u64,
}

/// Reads the file: a header, then processes.
pub fn parse(file: &[u8]) -> Parsed<Vec<LargeEnvironment>> {
    let mut parsed = Parsed::new(Vec::new());
    for (span, line) in Lines::new(file) {
        let words: Vec<&[u8]> = Words::new(line).collect();
        match words[..] {
            [] | [b"PID", b"Count"] => {}
            [pid, variables] if number::<u32>(pid).is_some() && number::<u64>(variables).is_some() => {
                let (pid, variables) = (number(pid).unwrap_or(0), number(variables).unwrap_or(0));
                parsed.value.push(LargeEnvironment { span, pid, variables });
            }
            _ => parsed.problem(span, complaint(line).unwrap_or("not a process id and a count")),
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
        fn what_is_printed_is_parsed_back(rows in proptest::collection::vec((any::<u32>(), any::<u64>()), 0..8)) {
            let mut printed = String::from("PID\tCount\n");
            for (pid, variables) in &rows {
                printed += &format!("{pid}\t{variables}\n");
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.into_iter().map(|row| (row.pid, row.variables)).collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_bytes_are_survived(file in "[ -~\n\t]{0,100}") {
            parse(file.as_bytes());
        }
    }
}
