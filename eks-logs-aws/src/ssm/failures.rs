//! From what SSM says of a failed step to a cause and a fix, by the table in `data/failures.toml`.

use std::sync::OnceLock;

use eks_logs_core::collection::{Diagnosis, Step};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

const TABLE: &str = include_str!("../../data/failures.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    failure: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    #[serde(rename = "match")]
    pattern: String,
    step: Option<String>,
    cause: String,
    fix: Vec<String>,
    #[serde(rename = "source")]
    _source: String,
}

struct Known {
    pattern: Regex,
    step: Option<Regex>,
    row: Row,
}

fn load(text: &str) -> Result<Vec<Known>, String> {
    let table: Table = toml::from_str(text).map_err(|why| why.to_string())?;
    let compile =
        |pattern: &str| RegexBuilder::new(pattern).case_insensitive(true).build().map_err(|why| why.to_string());
    let known = |row: Row| {
        let step = row.step.as_deref().map(compile).transpose()?;
        Ok(Known { pattern: compile(&row.pattern)?, step, row })
    };
    table.failure.into_iter().map(known).collect()
}

fn table() -> &'static [Known] {
    static LOADED: OnceLock<Vec<Known>> = OnceLock::new();
    // A test loads the table: it is not empty for being broken.
    LOADED.get_or_init(|| load(TABLE).unwrap_or_default())
}

/// What the failure of an execution means.
pub(super) fn diagnose(message: Option<&str>, steps: &[Step]) -> Diagnosis {
    let failed = steps.iter().find(|step| matches!(step.word.as_str(), "Failed" | "TimedOut" | "Cancelled"));
    let said = [
        message,
        failed.and_then(|step| step.failure_message.as_deref()),
        failed.map(|step| step.word.as_str()).filter(|word| *word == "TimedOut"),
    ];
    let said = said.into_iter().flatten().collect::<Vec<_>>().join("\n");
    let step = failed.map(|step| step.name.clone());
    let place =
        failed.map(|step| format!("{} {}", step.name, step.action.as_deref().unwrap_or_default())).unwrap_or_default();
    let fits = |known: &&Known| {
        known.step.as_ref().is_none_or(|step| !place.is_empty() && step.is_match(&place))
            && known.pattern.is_match(&said)
    };
    match table().iter().find(fits) {
        Some(Known { row, .. }) => {
            Diagnosis { id: row.id.clone(), cause: row.cause.clone(), fix: row.fix.clone(), step }
        }
        None => Diagnosis {
            id: "unknown".to_owned(),
            cause: "The run failed, and no known cause fits what SSM says of it.".to_owned(),
            fix: vec!["read the failed step in the Systems Manager console (Automation, this execution)".to_owned()],
            step,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(step: &str, message: &str) -> String {
        let step = Step {
            name: step.to_owned(),
            action: Some("aws:runCommand".to_owned()),
            word: "Failed".to_owned(),
            started_at: None,
            ended_at: None,
            failure_message: Some(message.to_owned()),
        };
        diagnose(Some("Step fails when it is Poll Action Status"), &[step]).id
    }

    #[test]
    fn the_table_loads() {
        assert!(load(TABLE).unwrap().len() > 10);
    }

    #[test]
    fn messages_have_their_causes() {
        for (step, message, id) in [
            (
                "uploadLogs",
                "upload failed: ./a.tar.gz to s3://logs/a.tar.gz An error occurred (AccessDenied) when calling the PutObject operation: Access Denied",
                "s3-access-denied",
            ),
            (
                "uploadLogs",
                "An error occurred (AccessDenied) when calling the PutObject operation: User: arn:aws:sts::1:assumed-role/node/i-1 is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:x",
                "kms-access-denied",
            ),
            (
                "uploadLogs",
                "Could not connect to the endpoint URL: \"https://logs.s3.eu-central-1.amazonaws.com/\"",
                "no-route-to-s3",
            ),
            ("uploadLogs", "An error occurred (NoSuchBucket) when calling the PutObject operation", "bucket-missing"),
            ("uploadLogs", "sh: aws: command not found", "no-aws-cli"),
            ("uploadLogs", "fatal error: Unable to locate credentials", "no-node-credentials"),
            (
                "collectLogs",
                "InvalidInstanceId: Instances [[i-0123abcd]] not in a valid state for account 123456789012",
                "agent-offline",
            ),
            ("collectLogs", "Failed to run: /dev/nvme0n1p1 has less than 1464MB free", "disk-full"),
            ("collectLogs", "Execution timed out after 600 seconds", "timed-out"),
            ("collectLogs", "The defined assume role is unable to be assumed.", "assume-role"),
            ("assertOperatingSystem", "Expected values [Linux], got [Windows]", "not-linux"),
            ("collectLogs", "something nobody has seen", "unknown"),
        ] {
            assert_eq!(of(step, message), id, "{message}");
        }
    }
}
