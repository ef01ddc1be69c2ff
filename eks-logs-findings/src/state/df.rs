//! `df --human-readable` and `df --inodes` (GNU coreutils): how full each file system is.

use super::words::{Words, complaint, find, number, size, text};
use super::{Lines, Parsed, Span};

/// A row of df. Its counts are bytes in one table and inodes in the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// Where it stands.
    pub span: Span,
    /// The device, or the file system's type where there is none (`tmpfs`, `overlay`).
    pub device: String,
    /// How much there is; none where the file system has no such limit. Rounded as printed.
    pub total: Option<u64>,
    /// How much is used.
    pub used: Option<u64>,
    /// How much an unprivileged process can still get.
    pub available: Option<u64>,
    /// Used, in percent of used and available, rounded up by df.
    pub percent: Option<u8>,
    /// Where it is mounted.
    pub target: String,
}

/// True for the line that names df's columns.
pub(super) fn is_header(line: &[u8]) -> bool {
    line.starts_with(b"Filesystem ") && (find(line, b"Use%").is_some() || find(line, b"IUse%").is_some())
}

/// A row: device (that may hold blanks), three counts, a percentage, mount point (that may hold blanks too).
pub(super) fn row(span: Span, line: &[u8]) -> Option<Filesystem> {
    let count = |word: &[u8]| if word == b"-" { Some(None) } else { size(word).map(Some) };
    let mut words = Words::new(line);
    let mut before: Vec<&[u8]> = vec![words.next()?];
    loop {
        let word = words.next()?;
        let percent = match word {
            b"-" => Some(None),
            word => word.strip_suffix(b"%").and_then(number).map(Some),
        };
        if let (Some(percent), [device @ .., total, used, available]) = (percent, &before[..]) {
            let counts = (count(total), count(used), count(available));
            if let (false, (Some(total), Some(used), Some(available))) = (device.is_empty(), counts) {
                let target = text(words.rest().trim_ascii());
                let device = text(&device.join(&b' '));
                return (!target.is_empty()).then_some(Filesystem {
                    span,
                    device,
                    total,
                    used,
                    available,
                    percent,
                    target,
                });
            }
        }
        before.push(word);
    }
}

/// Reads one table; of several (what an aborted earlier run left stands first) the last that has rows.
pub fn parse(file: &[u8]) -> Parsed<Vec<Filesystem>> {
    let mut parsed = Parsed::new(Vec::new());
    let mut earlier: Vec<Filesystem> = Vec::new();
    let mut in_table = false;
    for (span, line) in Lines::new(file) {
        if is_header(line) {
            in_table = true;
            if !parsed.value.is_empty() {
                parsed.problem(span, "an earlier run's table stands in front of this one and is not counted");
                earlier = std::mem::take(&mut parsed.value);
            }
        } else if line.trim_ascii().is_empty() {
        } else if let Some(row) = row(span, line).filter(|_| in_table) {
            parsed.value.push(row);
        } else {
            parsed.problem(span, complaint(line).unwrap_or("not a row of df"));
        }
    }
    if parsed.value.is_empty() && !earlier.is_empty() {
        parsed.value = earlier;
        parsed.problem(Span::default(), "the last table has no rows: an earlier run's is shown");
    }
    parsed
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn print(rows: &[Filesystem]) -> String {
        let mut out = String::from("Filesystem         Inodes  IUsed    IFree IUse% Mounted on\n");
        let count = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        for row in rows {
            let percent = row.percent.map_or("-".to_owned(), |percent| format!("{percent}%"));
            out += &format!(
                "{:<18} {:>8} {:>6} {:>8} {:>4} {}\n",
                row.device,
                count(row.total),
                count(row.used),
                count(row.available),
                percent,
                row.target
            );
        }
        out
    }

    prop_compose! {
        pub(crate) fn row_of()(
            device in "[a-z/][a-z0-9/:.]{0,20}( [a-z]{1,5})?",
            total in proptest::option::of(0..u64::MAX / 2),
            used in proptest::option::of(0..1u64 << 50),
            available in proptest::option::of(0..1u64 << 50),
            percent in proptest::option::of(0..=100u8),
            target in "/[a-zA-Z0-9/_.~]{0,30}( [a-z]{1,5})?",
        ) -> Filesystem {
            Filesystem { span: Span::default(), device, total, used, available, percent, target }
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(rows in proptest::collection::vec(row_of(), 0..8)) {
            let parsed = parse(print(&rows).as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.into_iter().map(|row| Filesystem { span: Span::default(), ..row }).collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..200), tail in "Filesystem  IUse%\n[a-z0-9 %/-]{0,80}") {
            parse(&file);
            parse(tail.as_bytes());
        }
    }

    #[test]
    fn the_last_table_counts() {
        let run = |used: u8| {
            format!(
                "Filesystem      Inodes  IUsed   IFree IUse% Mounted on\n/dev/nvme0n1p1 41942512 181204 41761308 {used:>4}% /\n"
            )
        };
        let parsed = parse((run(91) + &run(1)).as_bytes());
        assert_eq!((parsed.value.len(), parsed.value[0].percent, parsed.problem_count), (1, Some(1), 1));
        let cut = parse((run(91) + "Filesystem      Inodes  IUsed   IFree IUse% Mounted on\n/dev/nv").as_bytes());
        assert_eq!((cut.value[0].percent, cut.problem_count), (Some(91), 3));
    }

    #[test]
    fn absent_tool_and_empty_file_differ() {
        assert_eq!(parse(b"").problem_count, 0);
        let said = parse(b"bash: df: command not found\n");
        assert_eq!((said.value.len(), said.problems[0].what.as_str()), (0, "the tool is not installed"));
    }
}
