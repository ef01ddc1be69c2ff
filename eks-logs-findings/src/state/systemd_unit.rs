//! systemd's unit files as `systemd-analyze cat-config` and `systemctl cat` print them: the file and its drop-ins one behind another, each
//! headed by a comment with its path. Here: `.link`, `.network`, `.netdev` and `networkd.conf`.

use super::{Lines, Parsed, Span};

/// Assignments in the order in which systemd reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// The files that were read, where their paths are told.
    pub paths: Vec<Box<str>>,
    /// All assignments.
    pub assignments: Vec<Assignment>,
}

/// `Key=value` in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its line; of a continued one the first.
    pub span: Span,
    /// Its section: `Match`, `Link`, `Network`.
    pub section: Box<str>,
    /// Its name.
    pub key: Box<str>,
    /// Its value; lines that were continued are joined with a blank.
    pub value: Box<str>,
}

impl Unit {
    /// The assignment that counts for a setting with one value: the last.
    pub fn last(&self, section: &str, key: &str) -> Option<&Assignment> {
        self.assignments.iter().rfind(|one| &*one.section == section && &*one.key == key)
    }

    /// All assignments of a setting.
    pub fn all<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a Assignment> {
        self.assignments.iter().filter(move |one| &*one.section == section && &*one.key == key)
    }
}

/// Reads a file with its drop-ins.
pub fn parse(text: &[u8]) -> Parsed<Unit> {
    let mut parsed = Parsed::new(Unit::default());
    let mut section: Option<Box<str>> = None;
    let mut continued = false;
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            let path = line[1..].trim();
            if path.starts_with('/') && !path.contains(' ') {
                parsed.value.paths.push(path.into());
                (section, continued) = (None, false);
            }
            continue;
        }
        let (line, more) = line.strip_suffix('\\').map_or((line, false), |line| (line.trim_end(), true));
        if continued && let Some(last) = parsed.value.assignments.last_mut() {
            last.value = format!("{} {line}", last.value).trim().into();
            continued = more;
            continue;
        }
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = Some(name.into());
            continue;
        }
        match (line.split_once('='), &section) {
            (Some((key, value)), Some(section)) => {
                continued = more;
                let (key, value) = (key.trim().into(), value.trim().into());
                parsed.value.assignments.push(Assignment { span, section: section.clone(), key, value });
            }
            (Some(_), None) => parsed.problem(span, "an assignment before the first section"),
            (None, _) => parsed.problem(span, "expected `[Section]` or `Key=value`"),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const LINK: &str = "\
# /usr/lib/systemd/network/99-default.link
#  SPDX-License-Identifier: LGPL-2.1-or-later
[Match]
OriginalName=*

[Link]
NamePolicy=keep kernel database \\
   onboard slot path
MACAddressPolicy=persistent

# /etc/systemd/network/99-default.link.d/99-no-policy.conf
[Link]
MACAddressPolicy=none
";

    #[test]
    fn drop_ins_have_the_last_word() {
        let parsed = parse(LINK.as_bytes());
        assert_eq!(parsed.problems, []);
        let unit = parsed.value;
        assert_eq!(unit.paths.len(), 2);
        assert_eq!(
            unit.last("Link", "MACAddressPolicy").map(|last| (&*last.value, last.span.line)),
            Some(("none", 13))
        );
        assert_eq!(unit.all("Link", "MACAddressPolicy").count(), 2);
        assert_eq!(
            unit.last("Link", "NamePolicy").map(|last| &*last.value),
            Some("keep kernel database onboard slot path")
        );
        assert_eq!(unit.last("Match", "MACAddressPolicy"), None);
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(made in prop::collection::vec(("[A-Z][a-z]{1,6}", "[A-Z][A-Za-z]{1,9}", "([a-z0-9*]{1,5}( [a-z]{1,4})?)?"), 0..8)) {
            let text: String = made.iter().map(|(section, key, value)| format!("[{section}]\n{key}={value}\n\n")).collect();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.assignments.iter().map(|a| (a.section.to_string(), a.key.to_string(), a.value.to_string())).collect();
            prop_assert_eq!(read, made);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(LINK)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
