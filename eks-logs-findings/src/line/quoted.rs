//! What a component only quotes: the answer of a workload's probe, the command that a workload asked to run, a status that it sends. The
//! words in there are somebody else's, or were said elsewhere already: a phrase inside them is no statement of the component.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem;

/// What stands in front of a status that kubelet sends. Looked for in most messages that a rule asks about.
static PATCH: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"failed to patch status "));

/// The parts of a message that quote, in order. The forms are kubelet's (pkg/kubelet/prober, client-go's event recorder, cri-client,
/// kubelet_node_status.go), in klog's structured, older plain and JSON form.
pub fn spans(message: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut value = |from: usize, key: &[u8]| found.extend(value_of(message, from, key));
    if let Some(head) = probe(message) {
        match head {
            Probe::Structured(from) => {
                value(from, b" output=\"");
                value(from, b" err=\"");
            }
            Probe::Json => {
                value(0, b"\"output\":\"");
                value(0, b"\"err\":\"");
            }
            Probe::Plain(from) => found.push(from..message.len()),
        }
    } else if is_unhealthy_event(message) {
        match memmem::find(message, b" message=\"") {
            Some(at) => value(at, b" message=\""),
            None => found.extend(behind(message, b"reason: 'Unhealthy' ")),
        }
    } else if message.starts_with(b"\"ExecSync ") {
        found.extend(behind(message, b" cmd=["));
    } else if let Some(from) = PATCH.find(message) {
        // The status as JSON, in one or two layers of quotes; what follows is the error.
        let from = from + PATCH.needle().len();
        let end = memmem::rfind(&message[from..], b" for node ").map_or(message.len(), |at| from + at);
        found.push(from..end);
    }
    found.sort_by_key(|span| span.start);
    found
}

/// Whether the lines below a message continue a value that it quotes (klog writes a value of several lines as `output=<`, the lines with a
/// tab in front of them, ` >`).
pub fn opens(message: &[u8]) -> bool {
    let open = message
        .strip_suffix(b"<")
        .is_some_and(|text| text.ends_with(b" output=") || text.ends_with(b" message=") || text.ends_with(b" err="));
    open && (probe(message).is_some() || is_unhealthy_event(message))
}

/// Whether a message may continue the value of a line above.
pub fn continues(message: &[u8]) -> bool {
    message.first() == Some(&b'\t')
}

/// How a line reports the result of a probe.
enum Probe {
    /// `"Probe failed" probeType=...`: where the values start.
    Structured(usize),
    /// klog as JSON.
    Json,
    /// `Readiness probe for "..." failed (failure): ...`: where the answer starts.
    Plain(usize),
}

fn probe(message: &[u8]) -> Option<Probe> {
    for head in [b"\"Probe failed\"".as_slice(), b"\"Probe errored\""] {
        if message.starts_with(head) {
            return Some(Probe::Structured(head.len()));
        }
    }
    if message.first() == Some(&b'{') {
        let told = |text: &[u8]| memmem::find(message, text).is_some();
        return (told(b"\"msg\":\"Probe failed\"") || told(b"\"msg\":\"Probe errored\"")).then_some(Probe::Json);
    }
    let kinds = [b"Liveness".as_slice(), b"Readiness", b"Startup"];
    let rest = kinds.iter().find_map(|kind| message.strip_prefix(*kind))?.strip_prefix(b" probe for \"")?;
    let name = memmem::find(rest, b"\" ")? + 2;
    let answer = memmem::find(&rest[name..], b": ")? + 2;
    Some(Probe::Plain(message.len() - rest.len() + name + answer))
}

fn is_unhealthy_event(message: &[u8]) -> bool {
    (message.starts_with(b"\"Event occurred\"") && memmem::find(message, b" reason=\"Unhealthy\"").is_some())
        || (message.starts_with(b"Event(") && memmem::find(message, b"reason: 'Unhealthy'").is_some())
}

/// What stands behind a phrase.
fn behind(message: &[u8], phrase: &[u8]) -> Option<Range<usize>> {
    memmem::find(message, phrase).map(|at| at + phrase.len()..message.len())
}

/// The value behind a key that ends in a quotation mark, up to the next mark that is not escaped.
fn value_of(message: &[u8], from: usize, key: &[u8]) -> Option<Range<usize>> {
    let start = from + memmem::find(&message[from..], key)? + key.len();
    let mut at = start;
    while let Some(byte) = message.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => break,
            _ => at += 1,
        }
    }
    Some(start..at.min(message.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(message: &str, want: &[&str]) {
        let told: Vec<&str> = spans(message.as_bytes()).into_iter().map(|span| &message[span]).collect();
        assert_eq!(told, want, "{message}");
    }

    #[test]
    fn a_probes_answer_is_quoted_and_what_stands_around_it_is_not() {
        check(
            r#""Probe failed" probeType="Readiness" pod="shop/api-0" probeResult="failure" output="said \"no such host\" again" extra="x""#,
            &[r#"said \"no such host\" again"#],
        );
        check(
            r#""Probe errored" err="rpc error: code = Unknown" probeType="Liveness" pod="a/b""#,
            &["rpc error: code = Unknown"],
        );
        check(
            r#"Liveness probe for "api-0_shop(7b2d):app" failed (failure): Get http://10.0.0.1:80/: dial tcp: refused"#,
            &["Get http://10.0.0.1:80/: dial tcp: refused"],
        );
        check(
            r#""Event occurred" object="shop/api-0" kind="Pod" type="Warning" reason="Unhealthy" message="Readiness probe failed: Unauthorized""#,
            &["Readiness probe failed: Unauthorized"],
        );
        check(
            r#"Event(v1.ObjectReference{Kind:"Pod"}): type: 'Warning' reason: 'Unhealthy' Readiness probe failed: HTTP 500"#,
            &["Readiness probe failed: HTTP 500"],
        );
        check(r#"{"ts":1,"msg":"Probe failed","probeType":"Readiness","output":"a \"b\" c","v":1}"#, &[r#"a \"b\" c"#]);
        check(r#""Event occurred" object="a/b" kind="Pod" reason="FailedMount" message="MountVolume failed""#, &[]);
        check(r#""Probe failed" output="cut"#, &["cut"]);
        check(r#""Probe failed" output="cut\"#, &[r"cut\"]);
    }

    #[test]
    fn a_command_and_a_status_are_quoted() {
        check(
            r#""ExecSync cmd from runtime service failed" err="rpc error: x" containerID="7d" cmd=["grep","no space left"]"#,
            &[r#""grep","no space left"]"#],
        );
        check(
            r#""Error updating node status, will retry" err="failed to patch status \"{\\\"message\\\":\\\"PLEG is not healthy\\\"}\" for node \"n\": Patch: i/o timeout""#,
            &[r#"\"{\\\"message\\\":\\\"PLEG is not healthy\\\"}\""#],
        );
    }

    #[test]
    fn a_value_of_several_lines_is_opened_by_its_head() {
        assert!(opens(br#""Probe failed" probeType="Liveness" pod="a/b" probeResult="failure" output=<"#));
        assert!(!opens(br#""Failed to sync" err=<"#), "the component's own error");
        assert!(continues(b"\tno such host") && !continues(b" >"));
    }

    proptest! {
        #[test]
        fn spans_stay_inside(message in proptest::collection::vec(any::<u8>(), 0..200), head in 0_usize..6) {
            let heads = ["", "\"Probe failed\" output=\"", "Liveness probe for \"a\" x: ", "\"Event occurred\" reason=\"Unhealthy\" message=\"", "\"ExecSync x cmd=[", "failed to patch status "];
            let text = [heads[head].as_bytes(), &message].concat();
            for span in spans(&text) {
                prop_assert!(span.start <= span.end && span.end <= text.len());
            }
            opens(&text);
        }
    }
}
