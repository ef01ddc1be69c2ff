//! system/selinux.txt: a title and, indented, what `getenforce` says.

use super::{Lines, Parsed, Span};

/// The mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Denials are enforced.
    Enforcing,
    /// Denials are only logged.
    Permissive,
    /// Off.
    Disabled,
    /// The node has no SELinux tools.
    NotInstalled,
}

/// Reads the file; none for an empty one.
pub fn parse(file: &[u8]) -> Parsed<Option<(Span, Mode)>> {
    let mut parsed = Parsed::new(None);
    for (span, line) in Lines::new(file) {
        let mode = match line.trim_ascii() {
            b"" | b"SELinux mode:" => continue,
            b"Enforcing" => Mode::Enforcing,
            b"Permissive" => Mode::Permissive,
            b"Disabled" => Mode::Disabled,
            b"Not installed" => Mode::NotInstalled,
            _ => {
                parsed.problem(span, "not a mode of SELinux");
                continue;
            }
        };
        parsed.value = Some((span, mode));
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_mode_is_known() {
        for (word, mode) in [
            ("Enforcing", Mode::Enforcing),
            ("Permissive", Mode::Permissive),
            ("Disabled", Mode::Disabled),
            ("Not installed", Mode::NotInstalled),
        ] {
            let parsed = parse(format!("SELinux mode:\n\t {word}\n").as_bytes());
            assert_eq!((parsed.value.unwrap().1, parsed.problem_count), (mode, 0));
        }
        assert_eq!(parse(b"SELinux mode:\n\t getenforce failed\n").problem_count, 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse(&file);
        }
    }
}
