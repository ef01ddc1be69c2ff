//! A report taken apart: lines into sentences, with what is quoted told from what is said.

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// The line of the report, 1-based.
    pub(super) line: usize,
    /// What is said, with quotations replaced by blanks of the same length.
    pub(super) said: String,
    /// Quotations, with their offsets in `said`.
    pub(super) quoted: Vec<(usize, String)>,
}

/// Fences whose content is run, not quoted.
const SHELLS: [&str; 8] = ["sh", "bash", "shell", "console", "zsh", "yaml", "toml", "json"];
/// Words with which a command begins.
const COMMANDS: [&str; 40] = [
    "kubectl",
    "aws",
    "sudo",
    "journalctl",
    "systemctl",
    "grep",
    "zgrep",
    "rg",
    "dmesg",
    "eks-logs",
    "cat",
    "crictl",
    "ctr",
    "nodeadm",
    "curl",
    "ip",
    "iptables",
    "sysctl",
    "tail",
    "head",
    "less",
    "nerdctl",
    "docker",
    "eksctl",
    "helm",
    "df",
    "du",
    "lsblk",
    "nvme",
    "conntrack",
    "ethtool",
    "networkctl",
    "chronyc",
    "nslookup",
    "dig",
    "free",
    "ps",
    "top",
    "awk",
    "sed",
];
/// The shortest code span that is taken for a quotation, in characters; shorter ones are names.
const SHORTEST: usize = 12;

pub(super) fn sentences(report: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut fence: Option<bool> = None;
    for (number, line) in report.lines().enumerate() {
        let number = number + 1;
        let trimmed = line.trim();
        if let Some(rest) = trimmed.strip_prefix("```") {
            fence = match fence {
                Some(_) => None,
                None => Some(!SHELLS.contains(&rest.trim().to_ascii_lowercase().as_str())),
            };
            continue;
        }
        match fence {
            Some(true) if is_quotation(trimmed, false) => {
                found.push(Sentence { line: number, said: String::new(), quoted: vec![(0, trimmed.to_owned())] });
                continue;
            }
            Some(_) => continue,
            None => {}
        }
        if let Some(quoted) = trimmed.strip_prefix("> ") {
            let quoted = quoted.trim().trim_matches('`');
            if is_quotation(quoted, false) {
                found.push(Sentence { line: number, said: String::new(), quoted: vec![(0, quoted.to_owned())] });
                continue;
            }
        }
        found.extend(parted(number, line));
    }
    found
}

/// Whether quoted words are taken for words of the bundle. Code spans also hold names and commands.
fn is_quotation(text: &str, code: bool) -> bool {
    let is_command = is_command(text);
    let words = text.split_whitespace().count();
    let long = text.chars().count() >= if code { SHORTEST } else { 8 };
    // A log record without blanks is no name either.
    let record = text.len() >= 20 && text.contains(['"', '{', '=', '[', '(']);
    long && !is_command && (!code || words >= 2 || record)
}

/// Whether this is something to run. Some programs are also the first word of what the kernel says of them: `nvme nvme1: I/O ...`.
fn is_command(text: &str) -> bool {
    let mut words = text.trim_start_matches("$ ").split_whitespace();
    words.next().is_some_and(|first| COMMANDS.contains(&first)) && !words.next().is_some_and(|next| next.ends_with(':'))
}

/// Cuts quotations out of a line and the rest into sentences.
fn parted(number: usize, line: &str) -> Vec<Sentence> {
    let mut said = String::with_capacity(line.len());
    let mut quoted: Vec<(usize, String)> = Vec::new();
    let mut rest = line;
    while let Some(opening) = rest.find(['`', '"', '\u{201c}']) {
        let open = rest[opening..].chars().next().unwrap_or('"');
        let after = &rest[opening + open.len_utf8()..];
        let (ends, code) = match open {
            '`' => ("`", true),
            '"' => ("\"", false),
            _ => ("\u{201d}", false),
        };
        // Code spans may be delimited by several backticks, so that they can hold some.
        let ticks = if code { 1 + after.bytes().take_while(|byte| *byte == b'`').count() } else { 1 };
        let delimiter = if code { "`".repeat(ticks) } else { ends.to_owned() };
        let start = opening + open.len_utf8() + (ticks - 1);
        let closing = closing(&rest[start..], &delimiter, code);
        let Some(length) = closing else {
            said.push_str(&rest[..start]);
            rest = &rest[start..];
            continue;
        };
        said.push_str(&rest[..opening]);
        let text = &rest[start..start + length];
        let whole = start + length + delimiter.len() - opening;
        if is_quotation(text.trim(), code) {
            quoted.push((said.len(), text.trim().to_owned()));
            said.extend(std::iter::repeat_n(' ', whole));
        } else if code && is_command(text) {
            // A command names things that it looks for, not things that are there.
            said.extend(std::iter::repeat_n(' ', whole));
        } else {
            said.extend(std::iter::repeat_n(' ', start - opening));
            said.push_str(text);
            said.extend(std::iter::repeat_n(' ', delimiter.len()));
        }
        rest = &rest[start + length + delimiter.len()..];
    }
    said.push_str(rest);
    cut(number, &said, &quoted)
}

/// Where a quotation ends. Log lines hold quotes themselves: the last one before a break ends it.
fn closing(text: &str, delimiter: &str, code: bool) -> Option<usize> {
    if code {
        return text.find(delimiter);
    }
    if delimiter != "\"" {
        return text.find(delimiter);
    }
    let mut ends = None;
    for (at, _) in text.match_indices('"') {
        if text[..at].ends_with('\\') {
            continue;
        }
        let after = text[at + 1..].chars().next();
        let before = text[..at].chars().next_back();
        let closes =
            after.is_none_or(|c| c.is_whitespace() || ".,;:)]!?|".contains(c)) && before.is_some_and(|c| c != '=');
        if closes {
            ends = Some(at);
            break;
        }
    }
    ends.or_else(|| text.find('"'))
}

/// Cuts a line into sentences at full stops and semicolons that are followed by a blank.
fn cut(number: usize, said: &str, quoted: &[(usize, String)]) -> Vec<Sentence> {
    let bytes = said.as_bytes();
    let mut starts = vec![0];
    for at in 1..bytes.len().saturating_sub(1) {
        let ends = matches!(bytes[at], b'.' | b';' | b'!' | b'?') && bytes[at + 1] == b' ';
        let initial = at >= 3 && matches!(&bytes[at - 3..=at], b"e.g." | b"i.e.");
        if ends && !initial && !inside_number(bytes, at) {
            starts.push(at + 1);
        }
    }
    starts.push(said.len());
    let mut found = Vec::new();
    for pair in starts.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let inner: Vec<(usize, String)> = quoted
            .iter()
            .filter(|(at, _)| (from..to.max(from + 1)).contains(at) || (*at == to && to == said.len()))
            .map(|(at, text)| (at - from, text.clone()))
            .collect();
        let text = &said[from..to];
        if !text.trim().is_empty() || !inner.is_empty() {
            found.push(Sentence { line: number, said: text.to_owned(), quoted: inner });
        }
    }
    found
}

fn inside_number(bytes: &[u8], at: usize) -> bool {
    // `1. First` numbers an item.
    bytes[..at].iter().all(|byte| byte.is_ascii_digit() || *byte == b' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(report: &str) -> Vec<String> {
        sentences(report).into_iter().flat_map(|sentence| sentence.quoted).map(|(_, text)| text).collect()
    }

    #[test]
    fn quotations_are_told_from_names_and_commands() {
        assert_eq!(
            quoted("The log says `table full, dropping packet` (see `kubelet.log`), run `kubectl get nodes -o wide`."),
            ["table full, dropping packet"]
        );
        assert_eq!(quoted(r#"It says "connection refused by peer" and "ok"."#), ["connection refused by peer"]);
        assert_eq!(
            quoted(
                "```\n[ 1.0] nf_conntrack: table full\n```\n```bash\nkubectl get pods\n```\n> x509: certificate has expired"
            ),
            ["[ 1.0] nf_conntrack: table full", "x509: certificate has expired"]
        );
        assert_eq!(
            quoted(r#"Kubelet printed `"Unable to register node" err="Unauthorized"` twice."#),
            [r#""Unable to register node" err="Unauthorized""#]
        );
    }

    #[test]
    fn sentences_end_at_full_stops_but_not_in_numbers() {
        let said: Vec<String> = sentences("1. F-001 happened 3.5 times. F-002 did not; F-003 did")
            .into_iter()
            .map(|sentence| sentence.said.trim().to_owned())
            .collect();
        assert_eq!(said, ["1. F-001 happened 3.5 times.", "F-002 did not;", "F-003 did"]);
    }

    proptest! {
        #[test]
        fn any_report_is_taken_apart(report in "(?s)[`\"a. ;\u{201c}\u{201d}é\n>]{0,60}") {
            let lines = report.lines().count();
            for sentence in sentences(&report) {
                prop_assert!((1..=lines).contains(&sentence.line));
                for (at, _) in &sentence.quoted {
                    prop_assert!(*at <= sentence.said.len());
                }
            }
        }
    }
}
