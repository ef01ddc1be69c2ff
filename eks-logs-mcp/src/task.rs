//! Tasks: calls that outlive their request, for clients that follow them (`io.modelcontextprotocol/tasks`).
//!
//! The id of a task says what it is about, so that any server of the same store can answer for it, also after a restart: a scan is begun
//! again (the same bundle gives the same answer), a collection is asked for by the tool that follows it. What is kept here are results
//! that nobody has fetched yet, and what runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eks_logs_tools::Effect;
use jiff::Timestamp;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolResponse, CallToolResult, CreateTaskResult, DetailedTask, ErrorData, GetTaskResult, JsonObject,
    ProtocolVersion, Task, TaskPayload, TaskStatus,
};
use rmcp::service::RequestContext;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::call::Watch;
use crate::extras::{Extras, Following};
use crate::server::Shared;

/// How long a result is kept; asked for later, a scan runs again.
const KEPT: Duration = Duration::from_secs(600);
/// Results that are kept.
const MOST: usize = 64;
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

fn write_id(about: &About) -> String {
    let content = serde_json::to_vec(about).unwrap_or_default();
    format!("{}.{}", uuid::Uuid::new_v4().simple(), URL_SAFE_NO_PAD.encode(content))
}

fn read_id(id: &str) -> Option<About> {
    let (nonce, content) = id.split_once('.')?;
    let plain = nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
    let content = URL_SAFE_NO_PAD.decode(content).ok().filter(|_| plain)?;
    serde_json::from_slice(&content).ok()
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

    /// Makes a task of a call that runs already.
    pub(crate) fn adopt(
        &self,
        tool: &str,
        arguments: &Map<String, Value>,
        watch: Arc<Watch>,
        call: JoinHandle<CallToolResult>,
    ) -> CreateTaskResult {
        let id = write_id(&About::Call { tool: tool.to_owned(), arguments: arguments.clone() });
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

    /// The answer of a call, or a task where it has started work that goes on and the client follows tasks.
    pub(crate) fn or_follow(&self, tool: &str, result: CallToolResult, follows: bool) -> CallToolResponse {
        let following = Extras::builtin().of(tool).task.as_ref().filter(|_| follows && result.is_error != Some(true));
        let answer = result.structured_content.as_ref().and_then(Value::as_object);
        let work = following.zip(answer).and_then(|(following, answer)| {
            let id = answer.get(&following.id)?.as_str()?.to_owned();
            let ended = answer.get("dryRun").and_then(Value::as_bool) == Some(true);
            (!ended).then(|| About::Work { tool: tool.to_owned(), id, answer: brief(answer) })
        });
        match work {
            Some(about) => CallToolResponse::Task(CreateTaskResult::new(self.task(&write_id(&about), POLL_COLLECTION))),
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

    /// Stops a task. What a collection has started on a node goes on; the task is not followed any more.
    pub(crate) fn cancel(&self, id: &str) -> Result<(), ErrorData> {
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

/// What of an answer goes into an id: all but long lists, which the tool that follows tells again.
fn brief(answer: &Map<String, Value>) -> Map<String, Value> {
    let short = |value: &Value| value.to_string().len() <= 2048;
    answer.iter().filter(|(_, value)| short(value)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Asks the tool that follows how far the work is.
async fn ask(
    shared: &Arc<Shared>,
    tool: &str,
    id: &str,
    mut answer: Map<String, Value>,
) -> Result<TaskPayload, ErrorData> {
    let Some(Following { tool: follower, id: argument }) = Extras::builtin().of(tool).task.as_ref() else {
        return Err(unknown());
    };
    let arguments = Map::from_iter([(argument.clone(), Value::from(id))]);
    let asked = shared.answer(follower, arguments, Arc::default()).await;
    let state = asked.structured_content.unwrap_or_default();
    if asked.is_error == Some(true) {
        return Ok(TaskPayload::Failed {
            error: error(state["error"].as_str().unwrap_or("the work cannot be followed")),
        });
    }
    let word = state["task"]["state"].as_str().or_else(|| (state["allComplete"] == true).then_some("completed"));
    match word {
        Some("cancelled") => Ok(TaskPayload::Cancelled),
        Some(word @ ("completed" | "failed")) => {
            answer.insert("status".to_owned(), word.into());
            if state["task"].is_object() {
                answer.insert("task".to_owned(), state["task"].clone());
            }
            let mut result = CallToolResult::structured(Value::Object(answer));
            result.is_error = Some(false);
            Ok(completed(&result))
        }
        _ => Ok(TaskPayload::Working),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_it_is_about() {
        let about = About::Call { tool: "triage".to_owned(), arguments: Map::from_iter([("a".to_owned(), json!(1))]) };
        let id = write_id(&about);
        assert_eq!(read_id(&id), Some(about.clone()));
        assert_ne!(id, write_id(&about), "two tasks are two");
        for bad in ["", "x", "abc.def", &id[1..], &id[..id.len() - 3]] {
            assert_eq!(read_id(bad), None, "{bad}");
        }
    }
}
