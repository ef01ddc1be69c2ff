//! `curl_api_server.txt`: five tries of `curl -v API-SERVER/livez?verbose`, and the node monitoring agent's `get_api_server.txt`.

use jiff::Timestamp;

use super::{Lines, Parsed, Span};

/// One try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Try {
    /// Its heading.
    pub span: Span,
    /// What was asked.
    pub url: Box<str>,
    /// When, UTC.
    pub at: Option<Timestamp>,
    /// Whether a TCP connection was made.
    pub connected: bool,
    /// Whether TLS was agreed on.
    pub secured: bool,
    /// The answer's HTTP status.
    pub status: Option<u16>,
    /// Checks of the server that passed.
    pub passed: u32,
    /// Checks that failed, and where they stand.
    pub failed: Vec<(Span, Box<str>)>,
    /// curl's last words: its number and what went wrong.
    pub error: Option<ProbeError>,
}

/// Why curl gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeError {
    /// Its line.
    pub span: Span,
    /// curl's exit status: 6 no such name, 7 refused, 28 timed out, 35 and 60 TLS.
    pub code: u16,
    /// In its words.
    pub what: Box<str>,
}

impl Try {
    /// Whether the server answered at all; 401 and 403 come from a server that does not know the caller.
    pub fn answered(&self) -> bool {
        self.status.is_some() || self.passed > 0 || !self.failed.is_empty()
    }
}

/// Reads the tries. The collector appends to what an aborted run left: from the last first try on they count.
pub fn parse(text: &[u8]) -> Parsed<Vec<Try>> {
    let mut parsed = Parsed::new(Vec::<Try>::new());
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        // The progress meter overwrites itself: what stands behind its last carriage return is the line.
        let line = line.rsplit('\r').next().unwrap_or(line).trim_end();
        if let Some(rest) = line.strip_prefix("curling ") {
            let (try_, first) = heading(span, rest);
            if first && !parsed.value.is_empty() {
                parsed.value.clear();
                parsed.problem(span, "an aborted collection left its tries above; those from here on count");
            }
            parsed.value.push(try_);
        } else if let Some(url) = line.strip_prefix("sending GET request to ") {
            parsed.value.push(Try { span, url: url.into(), ..Try::default() });
        } else if let Some(current) = parsed.value.last_mut() {
            detail(current, span, line);
        } else if !line.is_empty() {
            parsed.problem(span, "expected the heading of a try first");
        }
    }
    parsed
}

/// `https://4711.gr7.eu-west-1.eks.amazonaws.com (1 of 5) 2026-11-22T07:00:00.123UTC`
fn heading(span: Span, rest: &str) -> (Try, bool) {
    let (url, rest) = rest.split_once(" (").unwrap_or((rest, ""));
    let (number, time) = rest.split_once(") ").unwrap_or((rest, ""));
    let at = time.strip_suffix("UTC").and_then(|time| format!("{time}Z").parse().ok());
    (Try { span, url: url.into(), at, ..Try::default() }, number.starts_with("1 of "))
}

fn detail(current: &mut Try, span: Span, line: &str) {
    if line.starts_with("* Connected to ") || line.starts_with("* Established connection to ") {
        current.connected = true;
    } else if line.starts_with("* SSL connection using ") {
        (current.connected, current.secured) = (true, true);
    } else if let Some(status) = line.strip_prefix("< HTTP/") {
        current.status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    } else if let Some(name) = line.strip_prefix("[+]") {
        current.passed += u32::from(name.ends_with(" ok"));
    } else if let Some(name) = line.strip_prefix("[-]") {
        current.failed.push((span, name.into()));
    } else if let Some((code, what)) = line.strip_prefix("curl: (").and_then(|rest| rest.split_once(") "))
        && let Ok(code) = code.parse()
    {
        current.error = Some(ProbeError { span, code, what: what.into() });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = "\
curling https://4711.gr7.eu-west-1.eks.amazonaws.com (1 of 5) 2026-11-22T07:00:00.123UTC


  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current
\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0*   Trying 10.70.1.1:443...
* Connected to 4711.gr7.eu-west-1.eks.amazonaws.com (10.70.1.1) port 443
* SSL connection using TLSv1.3 / TLS_AES_128_GCM_SHA256
> GET /livez?verbose HTTP/2
< HTTP/2 200 
[+]ping ok
[-]etcd failed: reason withheld
livez check failed
curling https://4711.gr7.eu-west-1.eks.amazonaws.com (2 of 5) 2026-11-22T07:00:01.500UTC


curl: (28) Connection timed out after 3001 milliseconds
";

    #[test]
    fn tries_and_how_they_ended() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let [first, second] = &parsed.value[..] else { panic!("two tries") };
        assert!(first.connected && first.secured && first.answered());
        assert_eq!((first.status, first.passed, first.failed.len()), (Some(200), 1, 1));
        assert_eq!(first.at.map(|at| at.to_string()).as_deref(), Some("2026-11-22T07:00:00.123Z"));
        assert!(!second.answered());
        let error = second.error.as_ref().unwrap();
        assert_eq!(
            (error.code, &*error.what, error.span.line),
            (28, "Connection timed out after 3001 milliseconds", 16)
        );
    }

    #[test]
    fn the_last_run_and_the_other_collector() {
        let parsed = parse((NODE.to_owned() + NODE).as_bytes());
        assert_eq!((parsed.value.len(), parsed.problem_count), (2, 1));
        let other = parse(b"sending GET request to https://x/livez?verbose\n[+]ping ok\nlivez check passed\n").value;
        assert!(other[0].answered());
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(tries in prop::collection::vec((0..4_000_000_000i64, prop::option::of(100..600u16), 0..9u32, prop::option::of((1..99u16, "[a-z ]{1,9}[a-z]"))), 1..6)) {
            let mut text = String::new();
            for (number, (at, status, passed, error)) in tries.iter().enumerate() {
                let time = Timestamp::from_second(*at).unwrap().to_string();
                text += &format!("curling https://x ({} of 9) {}UTC\n\n\n", number + 1, time.trim_end_matches('Z'));
                text += &status.map(|status| format!("< HTTP/1.1 {status} Word\n")).unwrap_or_default();
                text.extend((0..*passed).map(|n| format!("[+]check-{n} ok\n")));
                text += &error.as_ref().map(|(code, what)| format!("curl: ({code}) {what}\n")).unwrap_or_default();
            }
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.iter().map(|t| (t.at.unwrap().as_second(), t.status, t.passed, t.error.as_ref().map(|e| (e.code, e.what.to_string())))).collect();
            prop_assert_eq!(read, tries);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
