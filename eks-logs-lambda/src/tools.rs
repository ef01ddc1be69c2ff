//! The tool handler: what AgentCore Gateway calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use eks_logs_core::Store;
use eks_logs_tools::{Bundles, Call, Code, Context, Failure, Tool, tool};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::account;
use crate::deadline::Until;
use crate::fit::{self, Cursor};
use crate::invocation::{Asked, Invocation, asked};
use crate::metrics::Metrics;
use crate::runtime::{Failed, Handler};
use crate::settings::Settings;

/// How long before the function's end nothing more is read of a bundle: what was found has to be added up and sent.
const READ_UNTIL: Duration = Duration::from_millis(2500);
/// How long before the function's end a call is given up.
const ANSWER_UNTIL: Duration = Duration::from_millis(700);
/// Answers that are made anew with smaller pages at the most.
const ROUNDS: usize = 8;

/// Answers the tools of the registry.
#[derive(Debug)]
pub struct Tools {
    context: Context,
}

/// An answer as it goes over the wire, and what is told of it.
struct Told {
    body: Bytes,
    status: u16,
    code: Option<Code>,
    /// Files that the deadline left out.
    left_out: u64,
}

/// When what has to be over.
#[derive(Clone, Copy)]
struct Times {
    read_until: Instant,
    answer_until: Instant,
}

impl Times {
    /// Where the function has little time, the margins shrink with it.
    fn of(left: Duration) -> Self {
        let now = Instant::now();
        let before = |margin: Duration| now + left.saturating_sub(margin.min(left / 4));
        Self { read_until: before(READ_UNTIL), answer_until: before(ANSWER_UNTIL) }
    }
}

impl Tools {
    /// Makes what the tools work with. Nothing is asked of AWS yet.
    pub async fn new(settings: &Settings) -> Self {
        Self { context: account::context(settings).await.0 }
    }

    async fn told(&self, invocation: &Invocation) -> (Option<&'static Tool>, Told) {
        let times = Times::of(invocation.time_left());
        let Asked { tool: name, arguments } = match asked(invocation.client.as_deref(), &invocation.event) {
            Ok(asked) => asked,
            Err(failure) => return (None, refused(&failure, 0)),
        };
        let tool = match tool(&name) {
            Ok(tool) => tool,
            Err(failure) => return (None, refused(&failure, 0)),
        };
        let left_out = Arc::new(AtomicU64::new(0));
        let context = self.until(times.read_until, &left_out);
        // A task of its own: work that does not yield must not keep the answer back that says so.
        let running = tokio::spawn(async move { answer(tool, &context, arguments).await });
        let stop = running.abort_handle();
        let outcome = tokio::time::timeout_at(times.answer_until, running).await;
        let left_out = left_out.load(Ordering::Relaxed);
        let failure = match outcome {
            Ok(Ok(Ok(answer))) => return (Some(tool), finished(answer, left_out)),
            // No file was read, which is no fault of the bundle.
            Ok(Ok(Err(failure))) if failure.code == Code::Unreadable && left_out > 0 => too_late(&name),
            Ok(Ok(Err(failure))) => failure,
            Ok(Err(_)) => Failure::new(Code::Internal, "internal error: the call did not end well", "report this"),
            Err(_) => {
                stop.abort();
                too_late(&name)
            }
        };
        (Some(tool), refused(&failure, left_out))
    }

    /// The context, with bundles that are read until the time is nearly over.
    fn until(&self, at: Instant, left_out: &Arc<AtomicU64>) -> Context {
        let mut context = self.context.clone();
        if let Bundles::Store(store) = &context.bundles {
            let store = Until::new(Arc::clone(store), at, Arc::clone(left_out));
            context.bundles = Bundles::Store(Arc::new(store) as Arc<dyn Store>);
        }
        context
    }
}

fn too_late(tool: &str) -> Failure {
    Failure::new(
        Code::Stopped,
        format!("{tool}: no answer within the function's time, and nothing of it to tell"),
        "ask for less (one node, a window of time, one severity), or give the function more time",
    )
}

/// Calls a tool, and again for less while the answer is larger than Lambda carries.
async fn answer(tool: &Tool, context: &Context, mut arguments: Map<String, Value>) -> Result<Value, Failure> {
    let name = tool.about.name;
    let paged = fit::has_pages(name);
    let cursor = match arguments.remove(fit::CURSOR) {
        Some(Value::String(text)) if !paged => Some(Cursor::read(&text)?),
        None | Some(Value::Null) => None,
        // The tool says itself that it does not know the argument.
        Some(other) => {
            arguments.insert(fit::CURSOR.to_owned(), other);
            None
        }
    };
    for _ in 0..ROUNDS {
        let answer = tool.call(context, Value::Object(arguments.clone()), Call::default()).await?;
        let bytes = wire_cost(&answer);
        if bytes <= fit::LIMIT && cursor.is_none() {
            return Ok(answer);
        }
        match fit::smaller(name, &arguments, &answer, bytes) {
            Some(less) => arguments = less,
            None if name == "read" => return Err(fit::line_too_long(&answer)),
            None => return fit::part(answer, cursor, fit::LIMIT, wire_cost),
        }
    }
    Err(Failure::new(
        Code::TooLarge,
        format!("{name}: no page of the answer is small enough for Lambda"),
        "ask for less: one severity, a window of time, one file",
    ))
}

/// Bytes that a value takes within the answer's `body`, which is JSON in a JSON string.
fn wire_cost(value: &Value) -> usize {
    let text = value.to_string();
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

fn finished(mut answer: Value, left_out: u64) -> Told {
    if let (Value::Object(fields), true) = (&mut answer, left_out > 0) {
        let partial = json!({
            "filesLeftOut": left_out,
            "reason": "the function's time was nearly over: these files were not read, or not to their end; the coverage names them",
            "suggestion": "wait until the bundle is indexed (status), ask for less, or give the function more time",
        });
        fields.insert("partial".to_owned(), partial);
    }
    let code = None;
    Told { body: wrapped(200, &answer), status: 200, code, left_out }
}

fn refused(failure: &Failure, left_out: u64) -> Told {
    let status = failure.code.http_status();
    let body = serde_json::to_value(failure).unwrap_or(Value::Null);
    Told { body: wrapped(status, &body), status, code: Some(failure.code), left_out }
}

fn wrapped(status: u16, body: &Value) -> Bytes {
    json!({ "statusCode": status, "body": body.to_string() }).to_string().into()
}

#[async_trait]
impl Handler for Tools {
    async fn handle(&self, invocation: Invocation) -> Result<Bytes, Failed> {
        let began = Instant::now();
        let (tool, told) = self.told(&invocation).await;
        let milliseconds = began.elapsed().as_secs_f64() * 1000.0;
        let name = tool.map_or("unknown", |tool| tool.about.name);
        let code = told.code.and_then(|code| Some(serde_json::to_value(code).ok()?.as_str()?.to_owned()));
        // What a caller did wrong is no error of ours.
        let failed = f64::from(u8::from(told.status >= 500));
        let refused = f64::from(u8::from((400..500).contains(&told.status)));
        tracing::info!(
            requestId = invocation.id,
            tool = name,
            status = told.status,
            code,
            milliseconds = milliseconds.round(),
            bytes = told.body.len(),
            filesLeftOut = told.left_out,
            "answered"
        );
        Metrics {
            dimensions: vec![("FunctionName", invocation.function.to_string()), ("Tool", name.to_owned())],
            metrics: vec![
                ("Calls", "Count", 1.0),
                ("Failed", "Count", failed),
                ("Refused", "Count", refused),
                ("Duration", "Milliseconds", milliseconds),
                ("AnswerBytes", "Bytes", told.body.len() as f64),
                ("Partial", "Count", f64::from(u8::from(told.left_out > 0))),
            ],
            fields: vec![("requestId", json!(invocation.id))],
        }
        .tell();
        Ok(told.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_what_goes_over_the_wire() {
        let body = json!({ "line": "a \"quoted\" \\ word\n\t\u{1}é", "n": 5 });
        let whole = wrapped(200, &body);
        let empty = json!({ "statusCode": 200, "body": "" }).to_string();
        assert_eq!(whole.len() - empty.len(), wire_cost(&body));
    }

    #[test]
    fn little_time_has_small_margins() {
        let times = Times::of(Duration::from_secs(1));
        let left = times.read_until.saturating_duration_since(Instant::now());
        assert!(left > Duration::from_millis(500), "{left:?}");
        assert!(times.read_until <= times.answer_until);
        let over = Times::of(Duration::ZERO);
        assert!(over.answer_until <= Instant::now());
    }
}
