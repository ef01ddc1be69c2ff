//! What the server answers to each request of the protocol. Nothing is worked out here.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use eks_logs_tools::{Code, Context, Failure, Needs};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CompleteRequestParams, CompleteResult,
    ContentBlock, CustomRequest, CustomResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse,
    GetTaskParams, GetTaskResult, Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, MetaObject, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, Tool as WireTool,
    UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Map, Value, json};

use crate::answer::cursor::Cursor;
use crate::answer::fit::fit;
use crate::call::{Lazy, Runner, StopOnDrop, Watch};
use crate::extras::Extras;
use crate::offer::Offer;
use crate::schema::CURSOR;
use crate::task::Tasks;
use crate::{completion, prompt, resource, text};

/// How often a client hears how far its call is.
const PROGRESS: Duration = Duration::from_millis(500);
/// Protocol versions that are spoken, oldest first.
const VERSIONS: &[ProtocolVersion] =
    &[ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

/// Methods that are answered.
const METHODS: [&str; 12] = [
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
];

/// What a server may spend and what it offers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// A profile, or names of tools with commas between them.
    pub tools: String,
    /// Hides what needs an AWS account.
    pub offline: bool,
    /// Tells the schemas of answers to their last level, not the first one only.
    pub whole_schemas: bool,
    /// An AWS account is at hand.
    pub account: bool,
    /// Tokens (estimated) of one answer.
    pub answer_tokens: usize,
    /// Calls at the same time.
    pub calls: usize,
    /// How long a call may take.
    pub longest_call: Duration,
    /// After how long a call becomes a task, where the client follows tasks.
    pub task_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tools: "compact".to_owned(),
            offline: false,
            whole_schemas: false,
            account: false,
            answer_tokens: 10_000,
            calls: 256,
            longest_call: Duration::from_secs(300),
            task_after: Duration::from_secs(5),
        }
    }
}

/// The server. Clones share everything.
#[derive(Clone, Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) runner: Runner,
    pub(crate) offer: Offer,
    pub(crate) options: Options,
    pub(crate) tasks: Tasks,
}

impl Server {
    /// A server of these tools in this context.
    ///
    /// # Errors
    /// `bad_argument` for a profile or a tool that there is not.
    pub fn new(context: Context, options: Options) -> Result<Self, Failure> {
        Self::making(|| context, options)
    }

    /// The same, with the context made when it is first needed.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn making(context: impl FnOnce() -> Context + Send + 'static, options: Options) -> Result<Self, Failure> {
        let offer = Offer::new(&options.tools, options.offline, options.whole_schemas)?;
        let context: Lazy = Arc::new(LazyLock::new(Box::new(context)));
        let runner = Runner::new(context, options.calls, options.longest_call);
        Ok(Self { shared: Arc::new(Shared { runner, offer, options, tasks: Tasks::default() }) })
    }
}

impl Server {
    /// How many bundles the store holds, where that can be told at once; what is in its way otherwise.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn reaches_store(&self) -> Result<Option<usize>, Failure> {
        let count = |context: &Context| futures_lite::future::block_on(crate::bundles::count(context));
        self.shared.runner.run(Arc::default(), count).await
    }
}

impl Shared {
    /// Answers a call of a tool: bounded, with a text.
    pub(crate) async fn answer(
        &self,
        name: &str,
        mut arguments: Map<String, Value>,
        watch: Arc<Watch>,
    ) -> CallToolResult {
        let started = std::time::Instant::now();
        let answered = self.attempt(name, &mut arguments, watch).await;
        let code = answered.as_ref().err().map(|failure| failure.code);
        let result = match answered {
            Ok(answer) => answer,
            Err(failure) => failed(&failure),
        };
        tracing::info!(tool = name, ?code, milliseconds = started.elapsed().as_millis() as u64, "called");
        result
    }

    async fn attempt(
        &self,
        name: &str,
        arguments: &mut Map<String, Value>,
        watch: Arc<Watch>,
    ) -> Result<CallToolResult, Failure> {
        let unknown = || Failure::new(Code::NotFound, format!("no tool {name:?}"), "list the tools");
        let tool = self.offer.tool(name).ok_or_else(unknown)?;
        if tool.about.needs == Needs::Aws && !self.options.account {
            return Err(Failure::new(
                Code::NeedsAws,
                format!("{name} needs an AWS account, and this server was started for bundles in a directory"),
                "work with the bundles that there are (list resources), or start the server with --store s3://BUCKET",
            ));
        }
        let cursor = match arguments.remove(CURSOR) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(Cursor::read(&text)?),
            Some(other) => {
                return Err(Failure::new(Code::BadArgument, format!("cursor: {other} is no text"), "see the schema"));
            }
        };
        self.fill_in(name, arguments);
        let arguments = Value::Object(std::mem::take(arguments));
        let asked = format!("{name} {arguments}");
        let budget = self.options.answer_tokens;
        let order = Extras::builtin().of(name).order();
        let name = name.to_owned();
        // Fitting walks the whole answer: not on the threads that serve everybody.
        let fitted = move |answer| {
            let part = fit(answer, order, budget, &asked, cursor)?;
            Ok(success(&name, part.into_value(), budget))
        };
        self.runner.call_then(tool, arguments, watch, fitted).await
    }

    /// The defaults that hold here, where an argument is not given.
    fn fill_in(&self, name: &str, arguments: &mut Map<String, Value>) {
        let extra = Extras::builtin().of(name);
        if let Some(span) = extra.span.as_ref().filter(|span| !arguments.contains_key(&span.unless)) {
            // Two bytes of dense log make a token: what is asked for fits one part.
            let most = self.options.answer_tokens as u64 * 2;
            let number = |name: &String| arguments.get(name).map(|value| value.as_u64());
            // What is no number is the tool's to refuse.
            if let (None | Some(Some(_)), None | Some(Some(_))) = (number(&span.start), number(&span.end)) {
                let start = number(&span.start).flatten().unwrap_or(0);
                let end = number(&span.end).flatten().unwrap_or(u64::MAX);
                arguments.insert(span.end.clone(), json!(end.min(start.saturating_add(most))));
            }
        }
        let beside = extra.defaults_beside.iter().filter(|(name, _)| arguments.contains_key(*name));
        let defaults: Vec<_> = beside.flat_map(|(_, defaults)| defaults).chain(&extra.defaults).collect();
        for (argument, value) in defaults {
            arguments.entry(argument.clone()).or_insert_with(|| value.clone());
        }
    }

    /// Tells the client how far its call is, while it waits.
    async fn report(&self, watch: &Watch, context: &RequestContext<RoleServer>) {
        let Some(token) = context.meta.get_progress_token() else { return std::future::pending().await };
        let mut told = 0;
        loop {
            tokio::time::sleep(PROGRESS).await;
            let (done, total) = watch.progress();
            if done > told {
                told = done;
                let mut progress =
                    ProgressNotificationParam::new(token.clone(), done as f64).with_message("bytes read");
                if total > 0 {
                    progress = progress.with_total(total as f64);
                }
                if context.peer.notify_progress(progress).await.is_err() {
                    return std::future::pending().await;
                }
            }
        }
    }
}

/// An answer on the wire.
pub(crate) fn success(tool: &str, answer: Value, budget: usize) -> CallToolResult {
    let told = text::of(tool, &answer, budget);
    let suspicious = text::quote::instruction_like(&answer);
    let mut result = CallToolResult::success(vec![ContentBlock::text(told)]);
    result.structured_content = Some(answer);
    if suspicious.strings > 0 {
        let mut meta = MetaObject::new();
        meta.0.insert(
            "eks-logs/instructionLike".to_owned(),
            json!({ "strings": suspicious.strings, "forms": suspicious.forms }),
        );
        result.meta = Some(meta);
    }
    result
}

/// A failure on the wire: something that the model can read and act on.
pub(crate) fn failed(failure: &Failure) -> CallToolResult {
    let code = serde_json::to_value(failure.code).unwrap_or_default();
    let text = format!(
        "{} ({})\nWhat to do: {}",
        text::quote::line(&failure.error, 2000),
        code.as_str().unwrap_or("failure"),
        text::quote::line(&failure.details.suggestion, 2000)
    );
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = serde_json::to_value(failure).ok();
    result
}

/// A failure where the protocol has errors only.
pub(crate) fn refused(failure: Failure) -> ErrorData {
    let data = serde_json::to_value(&failure).ok();
    match failure.code {
        Code::BadArgument => ErrorData::invalid_params(failure.error, data),
        Code::NotFound | Code::Unreadable | Code::Denied => ErrorData::resource_not_found(failure.error, data),
        _ => ErrorData::internal_error(failure.error, data),
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .enable_completions()
            .enable_tasks()
            .build();
        let implementation = Implementation::new("eks-logs-mcp", env!("CARGO_PKG_VERSION"))
            .with_title("EKS node logs")
            .with_description(
                "What is wrong with an EKS worker node, from its log bundle, with the lines that prove it",
            );
        ServerConfig::new(capabilities)
            .with_server_info(implementation)
            .with_instructions(include_str!("../prompts/instructions.txt"))
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(VERSIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // All tools are on one page: a cursor is of another list.
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params("no such cursor: all tools are on the first page", None));
        }
        Ok(ListToolsResult::with_all_items(self.shared.offer.listed().to_vec()).with_ttl_ms(3_600_000))
    }

    fn get_tool(&self, name: &str) -> Option<WireTool> {
        self.shared.offer.wire(name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if self.shared.offer.tool(&request.name).is_none() {
            return Err(ErrorData::invalid_params(
                format!("Unknown tool: {}", text::quote::line(&request.name, 80)),
                None,
            ));
        }
        let follows = crate::task::follows(&context);
        let watch: Arc<Watch> = Arc::default();
        let stop = StopOnDrop::new(&watch);
        let arguments = request.arguments.unwrap_or_default();
        let (shared, name) = (Arc::clone(&self.shared), request.name.to_string());
        // A call that starts something ends soon, and what it has started is the task: only that outlives this server.
        let id = if follows { Tasks::id_of_call(&self.shared, &request.name, &arguments) } else { None };
        let running = Arc::clone(&watch);
        let mut call = tokio::spawn(async move { shared.answer(&name, arguments, running).await });
        let later = async {
            match id {
                Some(id) => {
                    tokio::time::sleep(self.shared.options.task_after).await;
                    id
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            answer = &mut call => match answer {
                Ok(answer) if follows => Ok(self.shared.tasks.or_follow(&self.shared, &request.name, answer)),
                Ok(answer) => Ok(CallToolResponse::Complete(answer)),
                Err(_) => Err(ErrorData::internal_error("the call was lost", None)),
            },
            () = self.shared.report(&watch, &context) => Err(ErrorData::internal_error("the call was lost", None)),
            () = context.ct.cancelled() => {
                watch.stop();
                Err(ErrorData::internal_error("cancelled", None))
            }
            id = later => {
                let task = self.shared.tasks.adopt(id, Arc::clone(&watch), call);
                // The task goes on when this request has been answered.
                stop.let_go();
                Ok(CallToolResponse::Task(task))
            }
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        while_wanted(&context, async |watch| resource::list(&self.shared, cursor, watch).await).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resource::templates(&self.shared.offer)).with_ttl_ms(3_600_000))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = while_wanted(&context, async |watch| resource::read(&self.shared, &request.uri, watch).await).await;
        let read = read.map_err(|mut error| {
            if let Some(Value::Object(data)) = &mut error.data {
                data.insert("uri".to_owned(), request.uri.as_str().into());
            }
            error
        })?;
        Ok(ReadResourceResponse::Complete(read))
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompt::list()).with_ttl_ms(3_600_000))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        Ok(GetPromptResponse::Complete(prompt::get(&self.shared.offer, &request.name, &arguments).map_err(refused)?))
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        while_wanted(&context, async |watch| completion::complete(&self.shared, request, watch).await).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = text::quote::line(&request.method, 80);
        // A method that we do have comes here when its parameters are not of its form.
        if METHODS.contains(&request.method.as_str()) {
            return Err(ErrorData::invalid_params(
                format!("{method}: the parameters are not of the form that it takes"),
                None,
            ));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.shared.tasks.get(&self.shared, &request.task_id).await
    }

    async fn update_task(&self, request: UpdateTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        // No task of ours asks its client for anything.
        self.shared.tasks.get(&self.shared, &request.task_id).await.map(drop)
    }

    async fn cancel_task(&self, request: CancelTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.shared.tasks.cancel(&self.shared, &request.task_id).await
    }
}

/// Does what a request asks for, until it is done or the request is cancelled.
async fn while_wanted<T>(
    context: &RequestContext<RoleServer>,
    work: impl AsyncFnOnce(Arc<Watch>) -> Result<T, Failure>,
) -> Result<T, ErrorData> {
    let watch: Arc<Watch> = Arc::default();
    let _stop = StopOnDrop::new(&watch);
    tokio::select! {
        done = work(watch) => done.map_err(refused),
        () = context.ct.cancelled() => Err(ErrorData::internal_error("cancelled", None)),
    }
}
