//! `systemctl cat UNIT` (kubelet/kubelet_service.txt): a unit file and its drop-ins, each behind a comment with its path.

use super::words::{complaint, text};
use super::{Lines, Parsed, Span};

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Where it stands; a value that goes on over lines is one place.
    pub span: Span,
    /// The section, without brackets.
    pub section: String,
    /// The key.
    pub key: String,
    /// The value, continuation lines joined.
    pub value: String,
}

/// A unit with its drop-ins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFile {
    /// The paths of the files, in the order in which systemd reads them.
    pub paths: Vec<(Span, String)>,
    /// Assignments, in the same order.
    pub assignments: Vec<Assignment>,
}

impl UnitFile {
    /// The values of a key that are in effect: an empty assignment takes back all before it.
    pub fn values<'a>(&'a self, section: &str, key: &str) -> Vec<&'a Assignment> {
        let mut values = Vec::new();
        for assignment in self.assignments.iter().filter(|known| known.section == section && known.key == key) {
            if assignment.value.is_empty() {
                values.clear();
            } else {
                values.push(assignment);
            }
        }
        values
    }
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<UnitFile> {
    let mut parsed = Parsed::new(UnitFile::default());
    let mut section = String::new();
    let mut goes_on = false;
    for (span, line) in Lines::new(file) {
        let line = text(line.trim_ascii());
        let unit = &mut parsed.value;
        if goes_on && !line.starts_with(['#', ';']) {
            if let Some(last) = unit.assignments.last_mut() {
                goes_on = line.ends_with('\\');
                last.value.push(' ');
                last.value.push_str(line.trim_end_matches('\\').trim());
                last.span.end = span.end;
            }
        } else if let Some(comment) = line.strip_prefix('#') {
            let path = comment.trim();
            if path.starts_with('/') && !path.contains(' ') {
                unit.paths.push((span, path.to_owned()));
                section.clear();
            }
        } else if line.is_empty() || line.starts_with(';') {
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !section.is_empty()) {
            goes_on = value.ends_with('\\');
            let value = value.trim_end_matches('\\').trim().to_owned();
            unit.assignments.push(Assignment { span, section: section.clone(), key: key.trim().to_owned(), value });
        } else {
            let what = if line.starts_with("No files found for") {
                "systemd knows no such unit"
            } else {
                "not a line of a unit file"
            };
            parsed.problem(span, complaint(line.as_bytes()).unwrap_or(what));
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
        fn what_is_printed_is_parsed_back(files in proptest::collection::vec(("/[a-z/.-]{1,20}", proptest::collection::vec(("[A-Z][a-zA-Z]{1,9}", "[a-z$/][a-z0-9 =/$-]{0,20}[a-z]"), 0..5)), 0..4)) {
            let mut printed = String::new();
            let mut wanted = UnitFile::default();
            for (path, assignments) in files {
                printed += &format!("# {path}\n[Service]\n# a remark\n");
                wanted.paths.push((Span::default(), path));
                for (at, (key, value)) in assignments.into_iter().enumerate() {
                    let broken = value.replacen(' ', " \\\n    ", usize::from(at % 2 == 1));
                    printed += &format!("{key}={broken}\n");
                    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
                    wanted.assignments.push(Assignment { span: Span::default(), section: "Service".into(), key, value });
                }
                printed.push('\n');
            }
            let mut parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            parsed.value.paths.iter_mut().for_each(|(span, _)| *span = Span::default());
            for assignment in &mut parsed.value.assignments {
                assignment.span = Span::default();
                assignment.value = assignment.value.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            prop_assert_eq!(parsed.value, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse(&file);
            parse(&[b"[Service]\n", &file[..]].concat());
        }
    }

    #[test]
    fn an_empty_assignment_takes_back() {
        let parsed = parse(b"# /etc/systemd/system/kubelet.service\n[Service]\nExecStart=/usr/bin/kubelet --a \\\n  --b\n# /etc/systemd/system/kubelet.service.d/10-x.conf\n[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --c\n");
        let values = parsed.value.values("Service", "ExecStart");
        assert_eq!(values.iter().map(|one| one.value.as_str()).collect::<Vec<_>>(), ["/usr/bin/kubelet --c"]);
        assert_eq!(parsed.value.assignments[0].value, "/usr/bin/kubelet --a --b");
        assert_eq!(parse(b"No files found for kubelet.service.\n").problems[0].what, "systemd knows no such unit");
    }
}
