//! A window of time that an answer is about.

use eks_logs_findings::Finding;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::{Code, Failure};

/// How far a window reaches to either side of an incident.
const AROUND: SignedDuration = SignedDuration::from_mins(5);

/// Which time is asked about. Part of the arguments of the analysis tools; without it, the whole bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct TimeArguments {
    /// When it happened (RFC 3339, such as 2026-11-20T03:00:00Z): five minutes before to five minutes after.
    #[serde(default)]
    pub incident_time: Option<String>,
    /// Only from here on (RFC 3339).
    #[serde(default)]
    pub start_time: Option<String>,
    /// Only up to here (RFC 3339).
    #[serde(default)]
    pub end_time: Option<String>,
}

/// The window that an answer used, and what it left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowUsed {
    /// Its beginning, UTC; `null` for the whole bundle.
    pub start: Option<Timestamp>,
    /// Its end, UTC.
    pub end: Option<Timestamp>,
    /// Findings that are not answered because they lie outside.
    pub findings_outside: usize,
    /// Findings that have no certain time: they are answered, whatever the window.
    pub findings_without_time: usize,
}

/// From when to when; open ends are the bundle's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub start: Option<Timestamp>,
    /// The last moment.
    pub end: Option<Timestamp>,
}

impl TimeArguments {
    /// The window that is meant.
    ///
    /// # Errors
    /// `bad_argument` for a time that is none, an end before its start, or an incident beside a start or end.
    pub fn window(&self) -> Result<Window, Failure> {
        let read = |name: &str, text: &Option<String>| {
            text.as_ref().map(|text| {
                text.parse::<Timestamp>().map_err(|_| {
                    let error = format!("{name}: {text:?} is not a time");
                    Failure::new(Code::BadArgument, error, "give RFC 3339 with a zone, such as 2026-11-20T03:00:00Z")
                })
            })
        };
        let incident = read("incident_time", &self.incident_time).transpose()?;
        let start = read("start_time", &self.start_time).transpose()?;
        let end = read("end_time", &self.end_time).transpose()?;
        let refuse = |error: &str, suggestion: &str| Err(Failure::new(Code::BadArgument, error, suggestion));
        match (incident, start, end) {
            (Some(at), None, None) => {
                Ok(Window { start: at.checked_sub(AROUND).ok(), end: at.checked_add(AROUND).ok() })
            }
            (Some(_), ..) => refuse(
                "incident_time stands beside start_time or end_time",
                "give incident_time alone (five minutes to either side), or start_time and end_time",
            ),
            (None, Some(start), Some(end)) if end < start => refuse("end_time is before start_time", "swap them"),
            (None, start, end) => Ok(Window { start, end }),
        }
    }
}

impl Window {
    /// True for the whole bundle.
    pub fn is_open(&self) -> bool {
        self.start.is_none() && self.end.is_none()
    }

    /// Whether something that went on from `first` to `last` reaches into the window.
    pub fn holds(&self, first: Timestamp, last: Timestamp) -> bool {
        self.start.is_none_or(|start| last >= start) && self.end.is_none_or(|end| first <= end)
    }

    /// Leaves the findings that reach into the window, and those that have no time.
    pub fn apply(&self, findings: &mut Vec<Finding>) -> WindowUsed {
        let all = findings.len();
        findings.retain(|finding| match (finding.first_seen, finding.last_seen) {
            (Some(first), Some(last)) => self.holds(first, last),
            _ => true,
        });
        WindowUsed {
            start: self.start,
            end: self.end,
            findings_outside: all - findings.len(),
            findings_without_time: findings.iter().filter(|finding| finding.first_seen.is_none()).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(incident: Option<&str>, start: Option<&str>, end: Option<&str>) -> TimeArguments {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        TimeArguments { incident_time: owned(incident), start_time: owned(start), end_time: owned(end) }
    }

    #[test]
    fn an_incident_is_ten_minutes() {
        let window = arguments(Some("2026-11-20T03:00:00+01:00"), None, None).window().unwrap();
        assert_eq!(window.start.unwrap().to_string(), "2026-11-20T01:55:00Z");
        assert_eq!(window.end.unwrap().to_string(), "2026-11-20T02:05:00Z");
        assert!(arguments(None, None, None).window().unwrap().is_open());
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for (bad, word) in [
            (arguments(Some("yesterday"), None, None), "yesterday"),
            (arguments(None, Some("2026-11-20T03:00:00"), None), "not a time"),
            (arguments(None, Some("2026-11-20T03:00:00Z"), Some("2026-11-20T02:00:00Z")), "before"),
            (arguments(Some("2026-11-20T03:00:00Z"), Some("2026-11-20T03:00:00Z"), None), "beside"),
        ] {
            let failure = bad.window().unwrap_err();
            assert_eq!(failure.code, Code::BadArgument);
            assert!(failure.error.contains(word), "{failure}");
        }
    }

    #[test]
    fn a_span_that_touches_the_window_is_in_it() {
        let window = arguments(None, Some("2026-11-20T03:00:00Z"), Some("2026-11-20T04:00:00Z")).window().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(window.holds(at("2026-11-20T01:00:00Z"), at("2026-11-20T03:00:00Z")));
        assert!(!window.holds(at("2026-11-20T01:00:00Z"), at("2026-11-20T02:59:59Z")));
        assert!(window.holds(at("2026-11-20T04:00:00Z"), at("2026-11-20T09:00:00Z")));
    }
}
