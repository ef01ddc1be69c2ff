//! system/io_throttling.txt: how long each process waited for block I/O. The collector cuts /proc/PID/stat at single blanks: where a
//! name holds one, the third number is another field, so the delay of such a process is unknown here.

use super::words::{Words, complaint, number, text};
use super::{Lines, Parsed, Span};

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoDelay {
    /// Where it stands.
    pub span: Span,
    /// Its id.
    pub pid: u32,
    /// Its name; only its first word where it holds a blank.
    pub comm: String,
    /// Hundredths of a second since it started; none where the row shows another field.
    pub delay: Option<u64>,
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Vec<IoDelay>> {
    let mut parsed = Parsed::new(Vec::new());
    for (span, line) in Lines::new(file) {
        if line.trim_ascii().is_empty() || line.starts_with(b"PID Name") {
            continue;
        }
        let words: Vec<&[u8]> = Words::new(line).collect();
        let row = match words[..] {
            [pid, name, delay] => number(pid).zip(name.strip_prefix(b"(")).zip(number::<u64>(delay)),
            _ => None,
        };
        match row {
            Some(((pid, name), delay)) => {
                let whole = name.strip_suffix(b")");
                parsed.value.push(IoDelay {
                    span,
                    pid,
                    comm: text(whole.unwrap_or(name)),
                    delay: whole.map(|_| delay),
                });
            }
            None => parsed.problem(span, complaint(line).unwrap_or("not a process and its delay")),
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
        fn what_is_printed_is_parsed_back(rows in proptest::collection::vec((any::<u32>(), "[a-z:/0-9-]{1,15}", any::<u64>()), 0..8)) {
            let mut printed = String::from("PID Name Block IO Delay (centisconds)\n");
            for (pid, comm, delay) in &rows {
                printed += &format!("{pid} ({comm}) {delay}\n");
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.into_iter().map(|row| (row.pid, row.comm, row.delay.unwrap())).collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_bytes_are_survived(file in "[ -~\n]{0,100}") {
            parse(file.as_bytes());
        }
    }

    #[test]
    fn a_name_with_a_blank_leaves_the_delay_unknown() {
        let parsed = parse(b"PID Name Block IO Delay (centisconds)\n77 (tmux: 17\n78 (java) 4711\n");
        assert_eq!((parsed.value[0].delay, parsed.value[1].delay), (None, Some(4711)));
    }
}
