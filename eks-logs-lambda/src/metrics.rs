//! Metrics in CloudWatch's embedded format: a line of JSON that Lambda's log group turns into metrics
//! (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).

use std::io::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "EksLogs";

/// One line of metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Names and values by which they are told apart, the wider ones first; few, and none that a caller chooses.
    pub(crate) dimensions: Vec<(&'static str, String)>,
    /// Name, unit, value.
    pub(crate) metrics: Vec<(&'static str, &'static str, f64)>,
    /// What stands beside them in the log, and is no metric.
    pub(crate) fields: Vec<(&'static str, Value)>,
}

impl Metrics {
    fn line(&self, at: Timestamp) -> Value {
        let mut line = Map::new();
        let names: Vec<&str> = self.dimensions.iter().map(|(name, _)| *name).collect();
        // By the first alone as well: an alarm wants the sum, whatever tool it was.
        let sets: Vec<&[&str]> = (1..=names.len()).map(|count| &names[..count]).collect();
        let metrics: Vec<Value> =
            self.metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
        let told = json!({ "Namespace": NAMESPACE, "Dimensions": sets, "Metrics": metrics });
        line.insert("_aws".to_owned(), json!({ "Timestamp": at.as_millisecond(), "CloudWatchMetrics": [told] }));
        for (name, value) in &self.dimensions {
            line.insert((*name).to_owned(), json!(value));
        }
        for (name, _, value) in &self.metrics {
            line.insert((*name).to_owned(), json!(value));
        }
        for (name, value) in &self.fields {
            line.insert((*name).to_owned(), value.clone());
        }
        Value::Object(line)
    }

    /// Writes the line to stdout.
    pub(crate) fn tell(&self) {
        let mut line = self.line(Timestamp::now()).to_string();
        line.push('\n');
        // A log that cannot be written must not fail a call.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_and_dimension_has_its_value() {
        let metrics = Metrics {
            dimensions: vec![("FunctionName", "tools".to_owned()), ("Tool", "errors".to_owned())],
            metrics: vec![("Calls", "Count", 1.0), ("Duration", "Milliseconds", 12.5)],
            fields: vec![("requestId", json!("r-1"))],
        };
        let line = metrics.line(Timestamp::from_millisecond(1_700_000_000_123).unwrap());
        let told = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_123_i64);
        assert_eq!(told["Dimensions"], json!([["FunctionName"], ["FunctionName", "Tool"]]));
        for metric in told["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_f64(), "{metric}");
        }
        for dimension in told["Dimensions"][1].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
    }
}
