//! Tasks: calls that outlive their request, for clients that follow them (`io.modelcontextprotocol/tasks`).
//!
//! The id of a task says what it is about, so that any server of the same store can answer for it, also after a restart: a scan is begun
//! again (the same bundle gives the same answer), a collection is asked for by the tool that follows it. What is kept here are results
//! that nobody has fetched yet, and what runs.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eks_logs_tools::{Code, Context, Effect, Failure, stop_collections};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolResponse, CallToolResult, CreateTaskResult, DetailedTask, ErrorData, GetTaskResult, JsonObject,
    ProtocolVersion, Task, TaskPayload, TaskStatus,
};
use rmcp::service::RequestContext;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::answer::fit;
use crate::call::Watch;
use crate::extras::{Extras, Following};
use crate::server::{Shared, failed, refused, success};

/// How long a result is kept; asked for later, a scan runs again.
const KEPT: Duration = Duration::from_secs(600);
/// Results that are kept.
const MOST: usize = 64;
/// Bytes of an id: less than the headers of a request may take on their way.
const LONGEST_ID: usize = 4096;
/// Bytes that an id may unfold to.
const LONGEST_CONTENT: u64 = 1 << 20;
/// How often a client should ask.
const POLL: u64 = 1000;
/// How often it should ask about a collection, which takes minutes.
const POLL_COLLECTION: u64 = 15_000;

/// What a task is about, inside its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum About {
    /// A call that reads: it can be made again.
    Call { tool: String, arguments: Map<String, Value> },
    /// Work that a call has started and another tool follows.
    Work { tool: String, id: String, answer: Map<String, Value> },
}

#[derive(Debug)]
enum State {
    Running(Arc<Watch>),
    Done(Box<CallToolResult>),
    Cancelled,
}

#[derive(Debug)]
struct Entry {
    state: State,
    created: Timestamp,
    updated: Timestamp,
    touched: Instant,
}

/// The tasks that this server knows of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
}

/// Whether the client of a request follows tasks. Clients of earlier protocol versions name the extension and then do not follow.
pub(crate) fn follows(context: &RequestContext<RoleServer>) -> bool {
    let modern =
        context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
    modern && context.client_capabilities().is_some_and(|capabilities| capabilities.supports_tasks())
}

/// `None` for what is too large for an id: over HTTP it stands in a header.
fn write_id(about: &About) -> Option<String> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
    serde_json::to_writer(&mut packed, about).ok()?;
    let content = packed.finish().ok()?;
    let id = format!("{}.{}", uuid::Uuid::new_v4().simple(), URL_SAFE_NO_PAD.encode(content));
    (id.len() <= LONGEST_ID).then_some(id)
}

fn read_id(id: &str) -> Option<About> {
    let (nonce, content) = id.split_once('.').filter(|_| id.len() <= LONGEST_ID)?;
    let plain = nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
    let content = URL_SAFE_NO_PAD.decode(content).ok().filter(|_| plain)?;
    serde_json::from_reader(DeflateDecoder::new(content.as_slice()).take(LONGEST_CONTENT)).ok()
}

fn unknown() -> ErrorData {
    ErrorData::invalid_params("no such task", None)
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| matches!(entry.state, State::Running(_)) || entry.touched.elapsed() < KEPT);
        while entries.len() > MOST {
            let done = entries.iter().filter(|(_, entry)| !matches!(entry.state, State::Running(_)));
            let Some(oldest) = done.min_by_key(|(_, entry)| entry.touched).map(|(id, _)| id.clone()) else { break };
            entries.remove(&oldest);
        }
        entries
    }

    /// The id under which a call can become a task: one that can be made again, with arguments that an id can hold.
    pub(crate) fn id_of_call(shared: &Shared, tool: &str, arguments: &Map<String, Value>) -> Option<String> {
        let repeats = shared.offer.tool(tool).is_some_and(|tool| tool.about.effect == Effect::Reads);
        let about = || About::Call { tool: tool.to_owned(), arguments: arguments.clone() };
        if repeats { write_id(&about()) } else { None }
    }

    /// Makes a task of a call that runs already.
    pub(crate) fn adopt(&self, id: String, watch: Arc<Watch>, call: JoinHandle<CallToolResult>) -> CreateTaskResult {
        self.keep(id.clone(), watch, call);
        CreateTaskResult::new(self.task(&id, POLL))
    }

    /// Follows a call until it is done.
    fn keep(&self, id: String, watch: Arc<Watch>, call: JoinHandle<CallToolResult>) {
        let now = Timestamp::now();
        let entry = Entry { state: State::Running(watch), created: now, updated: now, touched: Instant::now() };
        self.lock().insert(id.clone(), entry);
        let tasks = self.clone();
        tokio::spawn(async move {
            let done = call.await;
            if let Some(entry) = tasks.lock().get_mut(&id) {
                (entry.updated, entry.touched) = (Timestamp::now(), Instant::now());
                if matches!(entry.state, State::Running(_)) {
                    entry.state = done.map_or(State::Cancelled, |result| State::Done(Box::new(result)));
                }
            }
        });
    }

    /// The answer of a call, or a task where it has started work that goes on and the client follows tasks. An answer that no id can hold
    /// stays an answer: it says itself how its work is followed.
    pub(crate) fn or_follow(&self, shared: &Shared, tool: &str, result: CallToolResult) -> CallToolResponse {
        let following = Extras::builtin().of(tool).task.as_ref();
        let following =
            following.filter(|following| result.is_error != Some(true) && shared.offer.tool(&following.tool).is_some());
        let answer = result.structured_content.as_ref().and_then(Value::as_object);
        let id = following.zip(answer).and_then(|(following, answer)| {
            let id = answer.get(&following.id)?.as_str()?.to_owned();
            let in_parts = answer.contains_key(fit::FIELD);
            let ended = answer.get("dryRun").and_then(Value::as_bool) == Some(true);
            if ended || in_parts {
                return None;
            }
            write_id(&About::Work { tool: tool.to_owned(), id, answer: answer.clone() })
        });
        match id {
            Some(id) => CallToolResponse::Task(CreateTaskResult::new(self.task(&id, POLL_COLLECTION))),
            None => CallToolResponse::Complete(result),
        }
    }

    /// The seed of a task, or what is known of it.
    fn task(&self, id: &str, poll: u64) -> Task {
        let (created, updated, message) = match self.lock().get(id) {
            Some(entry) => (
                entry.created,
                entry.updated,
                match &entry.state {
                    State::Running(watch) => Some(progress(watch)),
                    _ => None,
                },
            ),
            None => (Timestamp::now(), Timestamp::now(), None),
        };
        let task =
            Task::new(id, TaskStatus::Working, created.to_string(), updated.to_string()).with_poll_interval_ms(poll);
        match message {
            Some(message) => task.with_status_message(message),
            None => task,
        }
    }

    /// How far a task is, and its result.
    pub(crate) async fn get(&self, shared: &Arc<Shared>, id: &str) -> Result<GetTaskResult, ErrorData> {
        let known = self.lock().get(id).map(|entry| match &entry.state {
            State::Running(_) => TaskPayload::Working,
            State::Cancelled => TaskPayload::Cancelled,
            State::Done(result) => completed(result),
        });
        let payload = match (known, read_id(id)) {
            (Some(payload), _) => payload,
            (None, None) => return Err(unknown()),
            (None, Some(About::Call { tool, arguments })) => {
                self.begin_again(shared, id, tool, arguments)?;
                TaskPayload::Working
            }
            (None, Some(About::Work { tool, id, answer })) => ask(shared, &tool, &id, answer).await?,
        };
        Ok(GetTaskResult::new(DetailedTask::new(self.task(id, POLL), payload)))
    }

    /// A call of which this server knows nothing: it was another's, or ours before a restart.
    fn begin_again(
        &self,
        shared: &Arc<Shared>,
        id: &str,
        tool: String,
        arguments: Map<String, Value>,
    ) -> Result<(), ErrorData> {
        let reads = shared.offer.tool(&tool).is_some_and(|tool| tool.about.effect == Effect::Reads);
        if !reads {
            return Err(unknown());
        }
        let watch: Arc<Watch> = Arc::default();
        let (shared, running) = (Arc::clone(shared), Arc::clone(&watch));
        let call = tokio::spawn(async move { shared.answer(&tool, arguments, running).await });
        self.keep(id.to_owned(), watch, call);
        Ok(())
    }

    /// Stops a task. A collection is stopped on its node if this task's call began it; one that it joined goes on, and so does the task.
    pub(crate) async fn cancel(&self, shared: &Arc<Shared>, id: &str) -> Result<(), ErrorData> {
        if let Some(About::Work { tool, id, answer }) = read_id(id) {
            followed(shared, &tool)?;
            if answer.get("idempotent").and_then(Value::as_bool) == Some(true) {
                return Ok(());
            }
            let stop = move |context: &Context| Handle::current().block_on(stop_collections(context, &id));
            return shared.runner.run(Arc::default(), stop).await.map_err(refused);
        }
        self.stop(id)
    }

    fn stop(&self, id: &str) -> Result<(), ErrorData> {
        let mut entries = self.lock();
        match entries.get_mut(id) {
            Some(entry) => {
                if let State::Running(watch) = &entry.state {
                    watch.stop();
                    (entry.state, entry.updated, entry.touched) = (State::Cancelled, Timestamp::now(), Instant::now());
                }
                Ok(())
            }
            None if read_id(id).is_some() => {
                let now = Timestamp::now();
                entries.insert(
                    id.to_owned(),
                    Entry { state: State::Cancelled, created: now, updated: now, touched: Instant::now() },
                );
                Ok(())
            }
            None => Err(unknown()),
        }
    }
}

fn progress(watch: &Watch) -> String {
    match watch.progress() {
        (0, _) => "begun".to_owned(),
        (done, 0) => format!("{done} bytes read"),
        (done, total) => format!("{done} of {total} bytes read"),
    }
}

fn completed(result: &CallToolResult) -> TaskPayload {
    match serde_json::to_value(result) {
        Ok(Value::Object(result)) => TaskPayload::Completed { result },
        _ => TaskPayload::Failed { error: error("the result cannot be told") },
    }
}

fn error(message: &str) -> JsonObject {
    let mut error = JsonObject::new();
    error.insert("code".to_owned(), json!(-32603));
    error.insert("message".to_owned(), json!(message));
    error
}

/// How the work of a tool is followed, where the tool is offered.
fn followed(shared: &Shared, tool: &str) -> Result<&'static Following, ErrorData> {
    let offered = shared.offer.tool(tool).is_some();
    Extras::builtin().of(tool).task.as_ref().filter(|_| offered).ok_or_else(unknown)
}

/// Asks the tool that follows how far the work is.
async fn ask(
    shared: &Arc<Shared>,
    tool: &str,
    id: &str,
    mut answer: Map<String, Value>,
) -> Result<TaskPayload, ErrorData> {
    let Following { tool: follower, id: argument } = followed(shared, tool)?;
    let arguments = Map::from_iter([(argument.clone(), Value::from(id))]);
    let asked = shared.answer(follower, arguments, Arc::default()).await;
    let state = asked.structured_content.unwrap_or_default();
    if asked.is_error == Some(true) {
        return Ok(TaskPayload::Failed {
            error: error(state["error"].as_str().unwrap_or("the work cannot be followed")),
        });
    }
    match state["task"]["state"].as_str() {
        Some("cancelled") => Ok(TaskPayload::Cancelled),
        Some("failed") => Ok(completed(&failed(&ended_badly(id, &state)))),
        Some("completed") => {
            if let Some(status) = answer.get_mut("status") {
                *status = "completed".into();
            }
            for told_again in ["task", "nextStep"] {
                answer.insert(told_again.to_owned(), state[told_again].clone());
            }
            Ok(completed(&success(tool, Value::Object(answer), shared.options.answer_tokens)))
        }
        _ => Ok(TaskPayload::Working),
    }
}

/// Work that came to nothing: why, and what to do.
fn ended_badly(id: &str, state: &Value) -> Failure {
    let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let error = format!("{id}: {}", of(&state["task"]["message"]));
    let mut failure = Failure::new(Code::NotCollectable, error, of(&state["nextStep"]));
    let fixes = state["failure"]["fix"].as_array().into_iter().flatten().map(of);
    let members = state["executions"].as_array().into_iter().flatten();
    let causes = members.map(|member| match (&member["failure"]["cause"], &member["error"]) {
        (Value::String(cause), _) | (_, Value::String(cause)) => format!("{}: {cause}", of(&member["instanceId"])),
        _ => format!("{}: {}", of(&member["instanceId"]), of(&member["status"])),
    });
    failure.details.all = fixes.chain(causes).collect();
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_it_is_about() {
        let about = About::Call { tool: "triage".to_owned(), arguments: Map::from_iter([("a".to_owned(), json!(1))]) };
        let id = write_id(&about).unwrap();
        assert_eq!(read_id(&id), Some(about.clone()));
        assert_ne!(id, write_id(&about).unwrap(), "two tasks are two");
        for bad in ["", "x", "abc.def", &id[1..], &id[..id.len() - 3]] {
            assert_eq!(read_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_no_header_can_hold_is_no_task() {
        let noise: String = (0..20_000).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
        let arguments = Map::from_iter([("report".to_owned(), json!(noise))]);
        assert_eq!(write_id(&About::Call { tool: "verify".to_owned(), arguments }), None);
        // Much that is alike packs well, and must not unfold without end.
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
        let blanks = vec![b' '; 2 * LONGEST_CONTENT as usize];
        std::io::Write::write_all(&mut packed, &blanks).unwrap();
        std::io::Write::write_all(&mut packed, b"{\"call\":{\"tool\":\"a\",\"arguments\":{}}}").unwrap();
        let bomb = format!("{}.{}", "0".repeat(32), URL_SAFE_NO_PAD.encode(packed.finish().unwrap()));
        assert!(bomb.len() < LONGEST_ID);
        assert_eq!(read_id(&bomb), None);
    }
}
