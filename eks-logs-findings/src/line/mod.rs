//! Lines: which program wrote one, when, and where its message begins.
//!
//! The form is told from the line itself, never from its path: the collector script and the node monitoring agent write different
//! forms under the same names, and one file can hold several.

pub mod quoted;
pub mod stamp;

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;
use memchr::memmem;

pub use stamp::Stamp;

/// A line taken apart. Offsets are into the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was written, as printed; the finest of the times it prints.
    pub stamp: Stamp,
    /// The time of the outer prefix alone: with a component's own time behind it, the two tell the node's zone.
    pub outer: Stamp,
    /// The program's name, in journals and syslog.
    pub program: Option<Range<usize>>,
    /// Where the message starts: behind outer prefix and klog header.
    pub message: usize,
    /// Where the text starts behind the outer prefix, klog header included: equal wherever the event is printed again.
    pub event: usize,
    /// The kernel's own form (dmesg).
    pub kernel: bool,
}

/// The longest program name, host name or klog place that is looked for, in bytes.
const TOKEN: usize = 128;

/// Takes a line apart; never fails: a line without a known prefix is all message.
pub fn parse(line: &[u8]) -> Line {
    let mut parsed = outer(line);
    inner(line, &mut parsed);
    parsed
}

/// A line without what is no text of it: terminal colours (`ESC [ ... m`), and the zero bytes that a file system leaves in front of the line
/// that was being written when power was lost.
pub fn clean(line: &[u8]) -> Cow<'_, [u8]> {
    let text = &line[line.iter().take_while(|byte| **byte == 0).count()..];
    let Some(first) = memchr(0x1b, text) else { return Cow::Borrowed(text) };
    let mut clean = text[..first].to_vec();
    let mut at = first;
    while let Some(byte) = text.get(at) {
        match colour(&text[at..]) {
            Some(length) => at += length,
            None => {
                clean.push(*byte);
                at += 1;
            }
        }
    }
    Cow::Owned(clean)
}

/// The length of a sequence that sets colours (ECMA-48, select graphic rendition) at the start of a text.
fn colour(text: &[u8]) -> Option<usize> {
    let parameters = text.strip_prefix(b"\x1b[")?;
    let length =
        parameters.iter().take(32).take_while(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':')).count();
    (parameters.get(length) == Some(&b'm')).then_some(length + 3)
}

fn plain(stamp: Stamp, message: usize) -> Line {
    Line { stamp, outer: stamp, program: None, message, event: message, kernel: false }
}

fn outer(line: &[u8]) -> Line {
    let parsed = match line.first() {
        Some(b'[') => {
            stamp::dmesg(line).map(|(stamp, length)| Line { kernel: true, ..plain(stamp, skip_blank(line, length)) })
        }
        Some(b'A'..=b'Z') => stamp::syslog(line).and_then(|(stamp, length)| host_and_program(line, stamp, length)),
        Some(b'c') if line.starts_with(b"curling ") => probe(line),
        Some(b'0'..=b'9') => stamp::iso(line).map(|(stamp, length)| behind_iso(line, stamp, length)),
        _ => None,
    };
    parsed.unwrap_or_else(|| plain(Stamp::None, 0))
}

/// The collector's own `curling https://... (1 of 5) 2026-11-22T07:00:00.123UTC`.
fn probe(line: &[u8]) -> Option<Line> {
    let time = line.len().checked_sub(26)?;
    let (stamp, length) = stamp::iso(&line[time..])?;
    match stamp {
        Stamp::Local(at) if line[time + length..] == *b"UTC" => Some(plain(Stamp::Instant(at), 0)),
        _ => None,
    }
}

/// ` host program[pid]: message`
fn host_and_program(line: &[u8], stamp: Stamp, length: usize) -> Option<Line> {
    let host = skip_blank(line, length);
    let host_end = host + memchr(b' ', window(line, host))?;
    program(line, stamp, host_end + 1)
}

/// `program[pid]: message`
fn program(line: &[u8], stamp: Stamp, start: usize) -> Option<Line> {
    let text = window(line, start);
    let name = text.iter().position(|byte| matches!(byte, b'[' | b':' | b' ')).filter(|length| *length > 0)?;
    let colon = match text[name] {
        b':' => name,
        b'[' => name + memchr(b']', &text[name..])? + 1,
        _ => return None,
    };
    (text.get(colon) == Some(&b':')).then_some(())?;
    let mut message = start + colon + 1;
    if line.get(message) == Some(&b' ') {
        message += 1;
    }
    let mut parsed = Line { program: Some(start..start + name), ..plain(stamp, message) };
    // Some syslogs keep the kernel's uptime inside the line.
    if &line[start..start + name] == b"kernel" {
        parsed.kernel = true;
        if let Some((_, length)) = stamp::dmesg(&line[message..]) {
            parsed.message = skip_blank(line, message + length);
            parsed.event = parsed.message;
        }
    }
    Some(parsed)
}

fn behind_iso(line: &[u8], stamp: Stamp, length: usize) -> Line {
    let rest = &line[length..];
    // CRI: ` stdout F message`
    let stream = rest.starts_with(b" stdout ") || rest.starts_with(b" stderr ");
    if stream && matches!(rest.get(8), Some(b'F' | b'P')) && rest.get(9) == Some(&b' ') {
        return plain(stamp, length + 10);
    }
    // cloud-init: ` - util.py[DEBUG]: message`
    if rest.starts_with(b" - ")
        && let Some(end) = memmem::find(window(line, length), b"]: ")
    {
        // cloud-init prints UTC.
        let utc = if let Stamp::Local(at) = stamp { Stamp::Instant(at) } else { stamp };
        return plain(utc, length + end + 3);
    }
    // ipamd before zap: ` [INFO] message`
    if rest.starts_with(b" [") {
        return plain(stamp, length + 1);
    }
    let start = skip_blank(line, length);
    // journald's short-iso names the host, a snap's log does not.
    host_and_program(line, stamp, length).or_else(|| program(line, stamp, start)).unwrap_or_else(|| plain(stamp, start))
}

/// What the component itself prints behind the collector's prefix: klog's header, or a finer time.
fn inner(line: &[u8], parsed: &mut Line) {
    let text = &line[parsed.message.min(line.len())..];
    let finer = match text.first() {
        Some(b'I' | b'W' | b'E' | b'F') => {
            let Some((stamp, length)) = stamp::klog(text) else { return };
            parsed.message += klog_header(text, length);
            Some(stamp)
        }
        Some(b't') if text.starts_with(b"time=\"") => stamp::iso(&text[6..]).map(|(stamp, _)| stamp),
        Some(b'{') => json_time(text),
        _ => None,
    };
    parsed.stamp = match (parsed.stamp, finer) {
        (_, None | Some(Stamp::None)) => return,
        (Stamp::None, Some(finer)) => finer,
        // A stamp quoted from elsewhere is not this line's.
        (Stamp::Yearless(outer), Some(finer @ Stamp::Yearless(inner))) if (outer - inner).abs() < stamp::DAY => finer,
        (Stamp::Yearless(_) | Stamp::Local(_), Some(finer @ Stamp::Instant(_))) => finer,
        _ => return,
    };
}

/// The length of ` 1234 file.go:12] ` and what stands before it; a header that is damaged ends behind the process id.
fn klog_header(text: &[u8], stamp: usize) -> usize {
    let pid = skip_blank(text, stamp);
    let digits = text[pid..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let place = skip_blank(text, pid + digits);
    match window(text, place).iter().position(|byte| matches!(byte, b']' | b' ')) {
        Some(end) if text[place + end] == b']' => skip_blank(text, place + end + 1),
        _ => place,
    }
}

/// The time of a JSON log line: zap's `ts`, logrus' `time`.
fn json_time(text: &[u8]) -> Option<Stamp> {
    let head = &text[..text.len().min(256)];
    let value = |key: &[u8]| memmem::find(head, key).map(|at| &text[at + key.len()..]);
    if let Some(value) = value(b"\"ts\":") {
        return match value.first()? {
            b'"' => stamp::iso(&value[1..]).map(|(stamp, _)| stamp),
            _ => stamp::epoch(value),
        };
    }
    // logrus sorts its keys: `time` stands behind a message of any length.
    let at = memmem::rfind(text, b"\"time\":\"")?;
    stamp::iso(&text[at + 8..]).map(|(stamp, _)| stamp)
}

fn skip_blank(line: &[u8], from: usize) -> usize {
    let from = from.min(line.len());
    from + line[from..].iter().take_while(|byte| **byte == b' ').count()
}

fn window(line: &[u8], from: usize) -> &[u8] {
    let from = from.min(line.len());
    &line[from..line.len().min(from + TOKEN)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(line: &str, program: Option<&str>, message: &str) -> Line {
        let parsed = parse(line.as_bytes());
        assert_eq!(parsed.program.clone().map(|range| &line[range]), program, "{line}");
        assert_eq!(&line[parsed.message..], message, "{line}");
        parsed
    }

    #[test]
    fn the_forms_of_a_bundle() {
        // Forms as eks-log-collector.sh, the node monitoring agent, kubelet, containerd and VPC CNI print them; identifiers ours.
        check("Nov 22 07:00:01 ip-10-0-0-1 systemd[1]: Started x.", Some("systemd"), "Started x.");
        check("Nov 22 07:00:01 ip-10-0-0-1 kernel: nvme nvme0: x", Some("kernel"), "nvme nvme0: x");
        check("Nov 22 07:00:01 ip-10-0-0-1 kernel: [ 12.345678] x", Some("kernel"), "x");
        let line = check(
            "Nov 22 07:00:01 ip-10-0-0-1 kubelet[31]: E1122 07:00:00.999999      31 kubelet.go:12] \"Oh\" err=\"no\"",
            Some("kubelet"),
            "\"Oh\" err=\"no\"",
        );
        assert!(matches!(line.stamp, Stamp::Yearless(at) if at % stamp::SECOND == 999_999));
        check(
            "Nov 22 07:00:01 h kubelet[31]: I1122 07:00:01.5 31 csi plugin.go:880 Failed",
            Some("kubelet"),
            "csi plugin.go:880 Failed",
        );
        let line = check(
            "Nov 22 07:00:01 h containerd[30]: time=\"2026-11-22T08:00:01.5+01:00\" level=info msg=x",
            Some("containerd"),
            "time=\"2026-11-22T08:00:01.5+01:00\" level=info msg=x",
        );
        assert_eq!(line.stamp, stamp::iso(b"2026-11-22T07:00:01.5Z").unwrap().0);
        check("2026-11-22T07:00:01.123456+0000 host kubelet[3]: I1122 07:00:01.1 3 a.go:1] m", Some("kubelet"), "m");
        check("2026-11-22T07:00:01Z kubelet-eks.daemon[9]: m", Some("kubelet-eks.daemon"), "m");
        check("2026-11-22T07:00:01.123456789Z stderr F W1122 07:00:01.1 1 a.go:1] m", None, "m");
        check("2018-11-14T13:58:34Z [ERROR] Failed to attach", None, "[ERROR] Failed to attach");
        check("2026-11-22 07:00:01,123 - util.py[DEBUG]: Running", None, "Running");
        check("[ 12.345678] oom", None, "oom");
        check("[Sun Nov 22 07:00:01 2026] oom", None, "oom");
        check("               NVRM: fallen off", None, "               NVRM: fallen off");
        check("-- No entries --", None, "-- No entries --");
        let probe = "curling https://x.gr7.eu-west-1.eks.amazonaws.com (1 of 5) 2026-11-22T07:00:00.123UTC";
        assert_eq!(check(probe, None, probe).stamp, stamp::iso(b"2026-11-22T07:00:00.123Z").unwrap().0);
        let line = check(
            "{\"level\":\"error\",\"ts\":\"2026-11-22T07:00:01.123Z\",\"msg\":\"x\"}",
            None,
            "{\"level\":\"error\",\"ts\":\"2026-11-22T07:00:01.123Z\",\"msg\":\"x\"}",
        );
        assert!(matches!(line.stamp, Stamp::Instant(_)));
    }

    #[test]
    fn colours_and_zero_bytes_are_no_text() {
        let clean = |line: &str| String::from_utf8(clean(line.as_bytes()).into_owned()).unwrap();
        assert_eq!(clean("\x1b[32m[    0.5] \x1b[0m\x1b[33musb\x1b[0m: \x1b[1;38:5:1mx"), "[    0.5] usb: x");
        assert_eq!(clean("\0\0\0Nov 22 07:00:01 h p: x"), "Nov 22 07:00:01 h p: x");
        for same in ["no colour", "\x1b]0;title\x07", "\x1b[", "\x1b[12", "\x1b[12K", "a\0b", ""] {
            assert_eq!(clean(same), same);
        }
    }

    proptest! {
        #[test]
        fn cleaning_leaves_plain_lines_alone_and_is_done_at_once(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let cleaned = clean(&line).into_owned();
            prop_assert!(cleaned.len() <= line.len());
            if !line.contains(&0x1b) && line.first() != Some(&0) {
                prop_assert_eq!(cleaned, line);
            }
        }

        #[test]
        fn offsets_stay_inside(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let parsed = parse(&line);
            prop_assert!(parsed.message <= line.len() && parsed.event <= parsed.message);
            if let Some(program) = parsed.program {
                prop_assert!(program.start < program.end && program.end <= parsed.message);
            }
        }

        #[test]
        fn a_known_prefix_hides_no_message(message in "[a-z][ -~]{0,80}") {
            prop_assume!(!message.starts_with("time="));
            for prefix in ["Nov 22 07:00:01 h p[1]: ", "[ 12.345678] ", "2026-11-22T07:00:01Z stdout F ", "E1122 07:00:01.5 1 f.go:1] "] {
                let line = format!("{prefix}{message}");
                prop_assert_eq!(&line[parse(line.as_bytes()).message..], message.as_str());
            }
        }
    }
}
