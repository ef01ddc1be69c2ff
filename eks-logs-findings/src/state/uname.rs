//! kernel/uname.txt: `uname -a`.

use super::words::{Words, complaint, text};
use super::{Lines, Parsed, Span};

/// The kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uname {
    /// Where it stands.
    pub span: Span,
    /// `Linux`.
    pub system: String,
    /// The node's name.
    pub host: String,
    /// The release, such as `6.12.40-64.114.amzn2023.x86_64`.
    pub release: String,
    /// The rest: build, architecture.
    pub build: String,
}

/// Reads the file; none when no line is one of uname.
pub fn parse(file: &[u8]) -> Parsed<Option<Uname>> {
    let mut parsed = Parsed::new(None);
    for (span, line) in Lines::new(file) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let mut words = Words::new(line);
        match (words.next(), words.next(), words.next()) {
            (Some(system @ b"Linux"), Some(host), Some(release)) => {
                let build = text(words.rest().trim_ascii());
                parsed.value =
                    Some(Uname { span, system: text(system), host: text(host), release: text(release), build });
            }
            _ => parsed.problem(span, complaint(line).unwrap_or("not what uname prints")),
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
        fn what_is_printed_is_parsed_back(host in "[a-z0-9.-]{1,30}", release in "[0-9][a-z0-9._-]{0,30}", build in "(#[a-zA-Z0-9:_ ]{1,40}[a-z])?") {
            let printed = format!("Linux {host} {release} {build}\n");
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let uname = parsed.value.unwrap();
            prop_assert_eq!(uname.clone(), Uname { span: uname.span, system: "Linux".into(), host, release, build });
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse(&file);
        }
    }
}
