//! containerd/containerd-version.txt: `ctr version`.

use super::words::{Words, complaint, text};
use super::{Lines, Parsed, Span};

/// A version and its line.
pub type Cited = (Span, String);

/// Both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerdVersion {
    /// The version of the tool.
    pub client: Option<Cited>,
    /// The version of the daemon; none when it did not answer.
    pub server: Option<Cited>,
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<ContainerdVersion> {
    let mut parsed = Parsed::new(ContainerdVersion::default());
    let mut of_server = None;
    for (span, line) in Lines::new(file) {
        let mut words = Words::new(line);
        match (words.next(), of_server) {
            (None, _) => {}
            (Some(b"Client:"), _) => of_server = Some(false),
            (Some(b"Server:"), _) => of_server = Some(true),
            (Some(b"Version:"), Some(of_server)) => {
                let version = words.next().map(|version| (span, text(version)));
                if of_server {
                    parsed.value.server = version;
                } else {
                    parsed.value.client = version;
                }
            }
            (Some(b"Revision:" | b"UUID:" | b"Go" | b"Deprecations:" | b"WARNING:"), Some(_)) => {}
            _ => parsed.problem(span, complaint(line).unwrap_or("not a line of ctr version")),
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
        fn what_is_printed_is_parsed_back(client in "v?[0-9]\\.[0-9]{1,2}\\.[0-9]{1,2}(\\+unknown)?", server in proptest::option::of("v?[0-9]\\.[0-9]{1,2}\\.[0-9]{1,2}")) {
            let mut printed = format!("Client:\n  Version:  {client}\n  Revision: 75cb2b71\n  Go version: go1.24.5\n\n");
            if let Some(server) = &server {
                printed += &format!("Server:\n  Version:  {server}\n  Revision: 75cb2b71\n  UUID: 1-2\n");
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            prop_assert_eq!(parsed.value.client.unwrap().1, client);
            prop_assert_eq!(parsed.value.server.map(|(_, version)| version), server);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse(&file);
        }
    }

    #[test]
    fn a_daemon_that_does_not_answer() {
        let parsed = parse(b"Client:\n  Version:  1.7.20\n\nctr: failed to dial \"/run/containerd/containerd.sock\": context deadline exceeded\n");
        assert_eq!((parsed.value.server, parsed.problems[0].what.as_str()), (None, "the daemon did not answer"));
    }
}
