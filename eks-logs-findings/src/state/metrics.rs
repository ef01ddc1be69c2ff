//! Prometheus' text format: `ipamd/metrics.json`, which is no JSON.

use std::collections::BTreeMap;

use super::{Lines, Parsed, Span};

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its line.
    pub span: Span,
    /// The metric.
    pub name: Box<str>,
    /// Its labels.
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// Its value.
    pub value: f64,
}

/// The samples, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// The samples.
    pub samples: Vec<Sample>,
}

impl Metrics {
    /// The samples of one metric.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| &*sample.name == name)
    }

    /// The sum over a metric's labels; `None` where there is no sample.
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.of(name).map(|sample| sample.value).reduce(|sum, value| sum + value)
    }
}

/// Reads the samples.
pub fn parse(text: &[u8]) -> Parsed<Metrics> {
    let mut parsed = Parsed::new(Metrics::default());
    for (span, line) in Lines::new(text) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match std::str::from_utf8(line).ok().and_then(|line| sample(span, line)) {
            Some(sample) => parsed.value.samples.push(sample),
            None => parsed.problem(span, "expected `METRIC{label=\"value\"} NUMBER`"),
        }
    }
    parsed
}

fn sample(span: Span, line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label.into(), value.into());
            rest = after;
        }
    }
    let metric = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    if name.is_empty() || !name.bytes().all(metric) {
        return None;
    }
    // A time stamp may follow the value.
    let value = rest.split_ascii_whitespace().next()?;
    Some(Sample { span, name: name.into(), labels, value: value.parse().ok()? })
}

/// A label's value up to its closing quote, unescaped, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = "\
# HELP awscni_eni_allocated The number of ENIs allocated
# TYPE awscni_eni_allocated gauge
awscni_eni_allocated 3
awscni_assigned_ip_per_eni{eni=\"eni-1\"} 4
awscni_assigned_ip_per_eni{eni=\"eni-2\",} 1.5e+01 1790000000000
awscni_aws_api_error_count{api=\"AssignPrivateIpAddresses\",error=\"a \\\"quoted\\\" one\"} 2
go_gc_duration_seconds{quantile=\"1\"} NaN
";

    #[test]
    fn samples_with_labels() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let metrics = parsed.value;
        assert_eq!(metrics.sum("awscni_eni_allocated"), Some(3.0));
        assert_eq!(metrics.sum("awscni_assigned_ip_per_eni"), Some(19.0));
        let error = metrics.of("awscni_aws_api_error_count").next().unwrap();
        assert_eq!((&*error.labels["error"], error.span.line), ("a \"quoted\" one", 6));
        assert_eq!(metrics.sum("awscni_eni_max"), None);
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(samples in prop::collection::vec(("[a-z_]{1,12}", prop::collection::btree_map("[a-z]{1,6}", "[ -~\n]{0,8}", 0..3), -1e9f64..1e9), 0..8)) {
            let mut text = String::new();
            for (name, labels, value) in &samples {
                let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
                let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                text += &format!("{name}{labels} {value}\n");
            }
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.samples.into_iter().map(|s| (s.name.to_string(), s.labels.into_iter().map(|(l, v)| (l.to_string(), v.to_string())).collect::<BTreeMap<_, _>>(), s.value)).collect();
            prop_assert_eq!(read, samples);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
