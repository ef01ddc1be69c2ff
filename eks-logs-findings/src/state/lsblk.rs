//! `lsblk` (util-linux): block devices as a tree, with where they are mounted.

use super::words::{Columns, Words, cell, complaint, size, text};
use super::{Lines, Parsed, Span};

/// One block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where it stands.
    pub span: Span,
    /// Its name, without the branches in front.
    pub name: String,
    /// True for a partition, a logical volume or whatever else stands below another device.
    pub child: bool,
    /// Its size, rounded as printed.
    pub bytes: Option<u64>,
    /// Whether the device itself is read-only.
    pub read_only: bool,
    /// `disk`, `part`, `lvm`, `raid0`, `loop`, `rom`.
    pub kind: String,
    /// Where it is mounted; `[SWAP]` for swap.
    pub targets: Vec<String>,
}

/// Characters of the branches, in UTF-8 and in ASCII terminals.
fn is_branch(letter: char) -> bool {
    matches!(letter, '├' | '└' | '─' | '│' | '|' | '`' | '-' | ' ')
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Vec<Device>> {
    let mut parsed = Parsed::new(Vec::<Device>::new());
    let mut columns: Option<Columns> = None;
    for (span, line) in Lines::new(file) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if line.starts_with(b"NAME ") {
            columns = Some(Columns::header(line));
            continue;
        }
        let printed = text(line);
        let device = printed.trim_start_matches(is_branch);
        // A further place of the device above, on a line of its own.
        if let Some(above) = parsed.value.last_mut().filter(|_| device.starts_with('/') && !device.contains(' ')) {
            above.targets.push(device.trim_end().to_owned());
            continue;
        }
        // The mount point is the last column and may be empty: a word in its place keeps the rows equally long.
        let mut padded = device.trim_end().to_owned();
        if let Some(columns) = &columns {
            if Words::new(padded.as_bytes()).count() < columns.len() {
                padded.push_str(" -");
            }
            let mut cells = Vec::new();
            if columns.row(padded.as_bytes(), &mut cells) {
                let of = |name: &str| cell(&cells, columns.index(name));
                if let (Some(name), Some(kind), Some(read_only)) = (of("NAME"), of("TYPE"), of("RO")) {
                    let target = text(of("MOUNTPOINTS").or(of("MOUNTPOINT")).unwrap_or_default().trim_ascii());
                    parsed.value.push(Device {
                        span,
                        name: text(name),
                        child: printed.len() > device.len(),
                        bytes: of("SIZE").and_then(size),
                        read_only: read_only == b"1",
                        kind: text(kind),
                        targets: if target == "-" { Vec::new() } else { vec![target] },
                    });
                    continue;
                }
            }
        }
        parsed.problem(span, complaint(line).unwrap_or("not a row of lsblk"));
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(devices in proptest::collection::vec(
            ("[a-z][a-z0-9]{1,10}", any::<bool>(), 1..900u64, any::<bool>(), proptest::collection::vec("/[a-z/]{0,12}", 0..3)), 0..6,
        )) {
            let mut printed = String::from("NAME          MAJ:MIN RM SIZE RO TYPE MOUNTPOINTS\n");
            let mut wanted = Vec::new();
            for (name, child, gigabytes, read_only, targets) in devices {
                let branch = if child { "├─" } else { "" };
                let first = targets.first().map_or("", String::as_str);
                printed += &format!("{branch}{name}  259:1    0 {gigabytes:>3}G  {} {} {first}\n", u8::from(read_only), "disk");
                for further in targets.iter().skip(1) {
                    printed += &format!("{:40}{further}\n", "│ ");
                }
                wanted.push(Device { span: Span::default(), name, child, bytes: Some(gigabytes << 30), read_only, kind: "disk".into(), targets });
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.into_iter().map(|device| Device { span: Span::default(), ..device }).collect();
            prop_assert_eq!(back, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&file);
            parse(&[b"NAME MAJ:MIN RM SIZE RO TYPE MOUNTPOINT\n", &file[..]].concat());
        }
    }
}
