//! Whether a file of the node's state says anything at all: the third state between "fine" and "broken" is "no data".

use super::{Lines, Span};

/// What a tool that could not do its work left in its file instead of its output. Each is the whole of the first line that is not blank,
/// or its beginning or end; in the words of the collector, the shell, curl, Go's HTTP server and the tools themselves.
const EXCUSES: &[(&str, &str)] = &[
    ("", " not installed"),
    ("", ": command not found"),
    ("", ": No such file or directory"),
    ("404 page not found", ""),
    ("Not Found", ""),
    ("Internal Server Error", ""),
    ("Ignoring IPAM introspection", ""),
    ("Ignoring Prometheus Metrics", ""),
    ("timeout: failed to run command", ""),
    ("curl: (", ""),
    ("No CPU Throttling Found", ""),
    ("Can't initialize ipvs: ", ""),
    ("Failed to get network interfaces: ", ""),
    ("======== Unable to find KUBECONFIG", ""),
    ("{\"AvailableCommands\":", ""),
];

/// What a file is before anything of its format is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing but white space: the tool printed nothing, or never ran.
    Empty,
    /// The tool says that it is not there or could not answer.
    Unavailable {
        /// Its words.
        reason: String,
        /// Where they stand.
        span: Span,
    },
    /// Something that a parser can look at.
    Present,
}

impl Content {
    /// Looks at the first line that says something.
    pub fn of(text: &[u8]) -> Self {
        let Some((span, line)) = Lines::new(text).find(|(_, line)| !line.trim_ascii().is_empty()) else {
            return Self::Empty;
        };
        // Output has more than one line, an excuse is short.
        let line = String::from_utf8_lossy(&line[..line.len().min(512)]);
        let said = line.trim();
        if EXCUSES.iter().any(|(start, end)| said.starts_with(start) && said.ends_with(end)) {
            return Self::Unavailable { reason: said.to_owned(), span };
        }
        Self::Present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_data_is_neither_fine_nor_broken() {
        assert_eq!(Content::of(b""), Content::Empty);
        assert_eq!(Content::of(b" \n\n\t\r\n"), Content::Empty);
        for said in ["ipset not installed", "404 page not found", "bash: conntrack: command not found"] {
            let text = format!("\n{said}\n");
            let span = Span { start: 1, end: 1 + said.len() as u64, line: 2 };
            assert_eq!(Content::of(text.as_bytes()), Content::Unavailable { reason: said.to_owned(), span });
        }
        assert_eq!(Content::of(b"0:\tfrom all lookup local\n"), Content::Present);
    }
}
