//! What S3 says of new objects, by the three ways on which it comes: directly, in the messages of an SQS queue, as EventBridge events.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// A new object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its bucket.
    pub bucket: String,
    /// Its key, as S3 knows it.
    pub key: String,
    /// When it arrived, if that is said.
    pub at: Option<Timestamp>,
}

/// What belongs together: one message of a queue, or one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// By which SQS knows it.
    pub id: Option<String>,
    /// What it says; or why it says nothing that can be understood.
    pub arrivals: Result<Vec<Arrival>, Unknown>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its messages.
    pub messages: Vec<Message>,
    /// They came through SQS, which wants to know which of them failed.
    pub of_queue: bool,
}

/// Something that is no news of S3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no event of S3: {0}")]
pub struct Unknown(pub String);

/// A batch of SQS (docs.aws.amazon.com/lambda/latest/dg/with-sqs.html).
#[derive(Debug, Deserialize)]
struct Queued {
    #[serde(rename = "Records")]
    records: Vec<QueuedMessage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueuedMessage {
    message_id: String,
    #[serde(default)]
    body: String,
}

/// A notification of S3 (docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
#[derive(Debug, Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_source: String,
    event_name: String,
    event_time: Option<Timestamp>,
    s3: Place,
}

#[derive(Debug, Deserialize)]
struct Place {
    bucket: Named,
    object: Keyed,
}

/// An event of EventBridge, and what it has of an object (docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Bridged {
    source: String,
    detail_type: String,
    time: Option<Timestamp>,
    detail: Value,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Keyed {
    key: String,
}

impl Batch {
    /// Reads an event.
    pub fn read(event: &[u8]) -> Self {
        let value: Value = match serde_json::from_slice(event) {
            Ok(value) => value,
            Err(why) => return Self::of_one(Err(Unknown(format!("no JSON: {why}")))),
        };
        if value["Records"][0]["eventSource"] != "aws:sqs" {
            return Self::of_one(arrivals(value));
        }
        let queued: Queued = match serde_json::from_value(value) {
            Ok(queued) => queued,
            Err(why) => return Self::of_one(Err(Unknown(format!("messages of SQS: {why}")))),
        };
        let messages = queued.records.into_iter().map(|message| {
            let said = serde_json::from_str(&message.body).map_err(|why| Unknown(format!("no JSON: {why}")));
            Message { id: Some(message.message_id), arrivals: said.and_then(arrivals) }
        });
        Self { messages: messages.collect(), of_queue: true }
    }

    fn of_one(arrivals: Result<Vec<Arrival>, Unknown>) -> Self {
        Self { messages: vec![Message { id: None, arrivals }], of_queue: false }
    }
}

fn arrivals(value: Value) -> Result<Vec<Arrival>, Unknown> {
    // What S3 sends once when a notification is set up.
    if value["Event"] == "s3:TestEvent" {
        return Ok(Vec::new());
    }
    if value.get("detail-type").is_some() {
        return from_eventbridge(value);
    }
    let notification: Notification = serde_json::from_value(value).map_err(|why| Unknown(why.to_string()))?;
    let mut arrivals = Vec::new();
    for record in notification.records {
        if record.event_source != "aws:s3" {
            return Err(Unknown(format!("a record of {}", record.event_source)));
        }
        if record.event_name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
            let key = decoded(&record.s3.object.key)?;
            arrivals.push(Arrival { bucket: record.s3.bucket.name, key, at: record.event_time });
        }
    }
    Ok(arrivals)
}

fn from_eventbridge(value: Value) -> Result<Vec<Arrival>, Unknown> {
    let event: Bridged = serde_json::from_value(value).map_err(|why| Unknown(why.to_string()))?;
    if event.source != "aws.s3" {
        return Err(Unknown(format!("an event of {}", event.source)));
    }
    if event.detail_type != "Object Created" {
        return Ok(Vec::new());
    }
    let of: Place = serde_json::from_value(event.detail).map_err(|why| Unknown(why.to_string()))?;
    // Unlike notifications, these hold keys as they are.
    Ok(vec![Arrival { bucket: of.bucket.name, key: of.object.key, at: event.time }])
}

/// A key of a notification: encoded as forms are (docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
fn decoded(key: &str) -> Result<String, Unknown> {
    let spaced = key.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
    decoded.map(Into::into).map_err(|_| Unknown(format!("the key {key} is not encoded UTF-8")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn notification(name: &str, key: &str) -> Value {
        json!({ "Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
            "eventTime": "2026-11-20T03:12:00.000Z", "eventName": name,
            "userIdentity": { "principalId": "AWS:X" }, "requestParameters": { "sourceIPAddress": "10.0.0.1" },
            "responseElements": { "x-amz-request-id": "R" },
            "s3": { "s3SchemaVersion": "1.0", "configurationId": "c", "bucket": { "name": "logs", "arn": "arn:aws:s3:::logs" },
                    "object": { "key": key, "size": 5, "eTag": "e", "sequencer": "0055" } } }] })
    }

    fn eventbridge(kind: &str, key: &str) -> Value {
        json!({ "version": "0", "id": "i", "detail-type": kind, "source": "aws.s3", "account": "1", "time": "2026-11-20T03:12:00Z",
                "region": "eu-central-1", "resources": [], "detail": { "version": "0", "bucket": { "name": "logs" },
                "object": { "key": key, "size": 5, "etag": "e", "sequencer": "0055" }, "reason": "PutObject" } })
    }

    fn read(value: &Value) -> Batch {
        Batch::read(value.to_string().as_bytes())
    }

    fn keys(batch: &Batch) -> Vec<String> {
        let arrivals = batch.messages.iter().flat_map(|message| message.arrivals.as_ref().unwrap());
        arrivals.map(|arrival| arrival.key.clone()).collect()
    }

    #[test]
    fn keys_of_notifications_are_decoded_and_those_of_eventbridge_are_not() {
        let batch = read(&notification("ObjectCreated:Put", "eks_i-0123abcd_a+b%2Bc%C3%A9.tar.gz"));
        assert_eq!(keys(&batch), ["eks_i-0123abcd_a b+cé.tar.gz"]);
        assert!(!batch.of_queue);
        let arrival = &batch.messages[0].arrivals.as_ref().unwrap()[0];
        assert_eq!(
            (arrival.bucket.as_str(), arrival.at.unwrap().to_string().as_str()),
            ("logs", "2026-11-20T03:12:00Z")
        );
        assert_eq!(keys(&read(&eventbridge("Object Created", "a+b%2Bc.tar.gz"))), ["a+b%2Bc.tar.gz"]);
        let bad = read(&notification("ObjectCreated:Put", "%ff.tar.gz"));
        assert!(bad.messages[0].arrivals.is_err());
    }

    #[test]
    fn a_queue_brings_either_form_and_each_message_speaks_for_itself() {
        let bodies = [
            notification("ObjectCreated:CompleteMultipartUpload", "one.tar.gz").to_string(),
            eventbridge("Object Created", "two.tar.gz").to_string(),
            json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "logs" }).to_string(),
            "nonsense".to_owned(),
        ];
        let message = |(number, body): (usize, &String)| {
            json!({ "messageId": format!("m{number}"), "receiptHandle": "r", "body": body, "attributes": {},
                    "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:1:q",
                    "awsRegion": "eu-central-1" })
        };
        let batch = read(&json!({ "Records": bodies.iter().enumerate().map(message).collect::<Vec<_>>() }));
        assert!(batch.of_queue);
        let told: Vec<_> = batch.messages.iter().map(|message| message.arrivals.as_ref().map(Vec::len).ok()).collect();
        assert_eq!(told, [Some(1), Some(1), Some(0), None]);
        assert_eq!(batch.messages[3].id.as_deref(), Some("m3"));
    }

    #[test]
    fn other_news_is_passed_over_and_what_is_none_is_an_error() {
        assert_eq!(keys(&read(&notification("ObjectRemoved:Delete", "a.tar.gz"))).len(), 0);
        assert_eq!(keys(&read(&eventbridge("Object Deleted", "a.tar.gz"))).len(), 0);
        for bad in [json!({}), json!([]), json!(null), json!({ "Records": [{ "eventSource": "aws:kinesis" }] })] {
            assert!(read(&bad).messages[0].arrivals.is_err(), "{bad}");
        }
        assert!(Batch::read(b"{").messages[0].arrivals.is_err());
    }
}
