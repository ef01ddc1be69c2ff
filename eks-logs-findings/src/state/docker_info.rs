//! docker/docker-info.txt: `docker info`, keys and values, those of a section indented.

use super::words::{complaint, text};
use super::{Lines, Parsed, Span};

/// What matters of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerInfo {
    /// Keys and values, in order, without indentation.
    pub entries: Vec<(Span, String, String)>,
}

impl DockerInfo {
    /// The first value of a key.
    pub fn value(&self, key: &str) -> Option<(Span, &str)> {
        self.entries.iter().find(|(_, known, _)| known == key).map(|(span, _, value)| (*span, value.as_str()))
    }
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<DockerInfo> {
    let mut parsed = Parsed::new(DockerInfo::default());
    for (span, line) in Lines::new(file) {
        let line = text(line.trim_ascii());
        if line.is_empty() || line.starts_with("WARNING:") {
        } else if let Some(what) = complaint(line.as_bytes()) {
            parsed.problem(span, what);
        } else if line.starts_with("Cannot connect to the Docker daemon") || line.starts_with("ERROR:") {
            parsed.problem(span, "the daemon did not answer");
        } else if let Some((key, value)) = line.split_once(':') {
            parsed.value.entries.push((span, key.to_owned(), value.trim().to_owned()));
        } else {
            parsed.problem(span, "not a key and a value of docker info");
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
        fn what_is_printed_is_parsed_back(entries in proptest::collection::vec(("[A-Z][a-z ]{0,12}[a-z]", "[a-z0-9./]{0,12}"), 0..8)) {
            let mut printed = String::from("Server:\n");
            for (key, value) in &entries {
                printed += &format!(" {key}: {value}\n");
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.entries.into_iter().skip(1).map(|(_, key, value)| (key, value)).collect();
            prop_assert_eq!(back, entries);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse(&file);
        }
    }

    #[test]
    fn the_driver_and_a_silent_daemon() {
        let parsed =
            parse(b"Server:\n Containers: 40\n  Running: 38\n Storage Driver: overlay2\n Cgroup Driver: systemd\n");
        assert_eq!(parsed.value.value("Cgroup Driver").map(|(span, value)| (span.line, value)), Some((5, "systemd")));
        assert_eq!(
            parse(
                b"Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n"
            )
            .problem_count,
            1
        );
    }
}
