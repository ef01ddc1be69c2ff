//! The registry: every tool under its name, with the schemas of its arguments and its answer.

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::context::{Call, Context};
use crate::failure::{Code, Failure};

/// What a tool is, for people and models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name on every wire.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it is for, when not, and what to call next; written for a model.
    pub description: &'static str,
    /// What it works on.
    pub needs: Needs,
    /// Whether it changes anything.
    pub effect: Effect,
}

/// What a tool works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing but what is built in.
    Nothing,
    /// A bundle, wherever it is.
    Bundle,
    /// Several bundles of one store.
    Bundles,
    /// An AWS account.
    Aws,
}

/// Whether a tool changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It adds something; the same call twice adds it once.
    AddsOnce,
    /// It adds something each time.
    Adds,
    /// It may take something away.
    Removes,
}

/// The arguments of a tool, which know how to answer.
#[async_trait]
pub trait Request: DeserializeOwned + JsonSchema + Send + Sync + Sized + 'static {
    /// What it answers.
    type Answer: Serialize + JsonSchema + Send;
    /// The tool.
    const ABOUT: About;

    /// Answers.
    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<Self::Answer, Failure>;
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;

/// One tool of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// What it is.
    pub about: About,
    input: fn() -> Value,
    output: fn() -> Value,
    run: for<'a> fn(&'a Context, Value, Call<'a>) -> Answering<'a>,
}

impl Tool {
    /// The tool of a request type.
    pub const fn of<R: Request>() -> Self {
        Self { about: R::ABOUT, input: arguments::<R>, output: answer::<R::Answer>, run: run::<R> }
    }

    /// The JSON Schema of its arguments.
    pub fn input_schema(&self) -> Value {
        (self.input)()
    }

    /// The JSON Schema of its answer, when it succeeds.
    pub fn output_schema(&self) -> Value {
        (self.output)()
    }

    /// Calls it with arguments as they came over a wire.
    ///
    /// # Errors
    /// `bad_argument` for arguments that the schema does not allow; whatever the tool itself fails with.
    pub async fn call(&self, context: &Context, arguments: Value, call: Call<'_>) -> Result<Value, Failure> {
        (self.run)(context, self.known(arguments)?, call).await
    }

    /// The arguments, if the tool knows them all. A model that misspells one must hear it, not get an answer to another question.
    fn known(&self, arguments: Value) -> Result<Value, Failure> {
        let given = match arguments {
            Value::Null => Map::new(),
            Value::Object(given) => given,
            other => {
                let error = format!("{}: arguments are a JSON object, not {other}", self.about.name);
                return Err(Failure::new(Code::BadArgument, error, "give the arguments by name"));
            }
        };
        let schema = self.input_schema();
        let names: Vec<&str> =
            schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let Some(unknown) = given.keys().find(|name| !names.contains(&name.as_str())) else {
            return Ok(Value::Object(given));
        };
        let close = names.iter().max_by(|a, b| {
            strsim::jaro_winkler(a, unknown).total_cmp(&strsim::jaro_winkler(b, unknown)).then_with(|| b.cmp(a))
        });
        let suggestion = match close {
            Some(close) if strsim::jaro_winkler(close, unknown) > 0.8 => format!("did you mean {close}?"),
            _ => format!("it takes {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }),
        };
        Err(Failure::new(Code::BadArgument, format!("{}: no argument {unknown:?}", self.about.name), suggestion))
    }
}

/// The schema of what is read.
fn arguments<T: JsonSchema>() -> Value {
    schema::<T>(SchemaSettings::draft2020_12())
}

/// The schema of what is written: a field that is left out when it is empty is not required.
fn answer<T: JsonSchema>() -> Value {
    schema::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// The schema of a type, all in one piece: some clients follow no references.
fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let generator = settings.with(|settings| settings.inline_subschemas = true).into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
    }
    without_widths(&mut schema);
    schema
}

/// Takes out how wide numbers are in memory, which is no format that JSON Schema knows: validators warn of it.
fn without_widths(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_width = |format: &str| {
                let number = format.trim_start_matches("uint").trim_start_matches("int");
                matches!(format, "float" | "double")
                    || (number.len() < format.len() && number.bytes().all(|byte| byte.is_ascii_digit()))
            };
            if fields.get("format").and_then(Value::as_str).is_some_and(is_width) {
                fields.remove("format");
            }
            fields.values_mut().for_each(without_widths);
        }
        Value::Array(parts) => parts.iter_mut().for_each(without_widths),
        _ => {}
    }
}

fn run<'a, R: Request>(context: &'a Context, arguments: Value, call: Call<'a>) -> Answering<'a> {
    Box::pin(async move {
        let request: R = serde_path_to_error::deserialize(arguments).map_err(|why| {
            let at = why.path().to_string();
            let named = if at == "." { String::new() } else { format!("{at}: ") };
            let error = format!("{}: {named}{}", R::ABOUT.name, why.into_inner());
            Failure::new(Code::BadArgument, error, "see the tool's input schema for types and limits")
        })?;
        let answer = request.answer(context, call).await?;
        serde_json::to_value(answer).map_err(|why| Failure::new(Code::Internal, why.to_string(), "report this"))
    })
}

/// All tools, in the order in which they are listed.
pub fn tools() -> &'static [Tool] {
    static TOOLS: &[Tool] = &[
        Tool::of::<crate::TriageRequest>(),
        Tool::of::<crate::ErrorsRequest>(),
        Tool::of::<crate::CorrelateRequest>(),
        Tool::of::<crate::SummarizeRequest>(),
        Tool::of::<crate::VerifyRequest>(),
        Tool::of::<crate::CompareRequest>(),
        Tool::of::<crate::BaselineRequest>(),
        Tool::of::<crate::NetworkDiagnosticsRequest>(),
        Tool::of::<crate::NodeDiagnosticsRequest>(),
        Tool::of::<crate::ValidateRequest>(),
        Tool::of::<crate::ReadRequest>(),
        Tool::of::<crate::SearchRequest>(),
        Tool::of::<crate::ArtifactRequest>(),
        Tool::of::<crate::RulesRequest>(),
        Tool::of::<crate::CollectRequest>(),
        Tool::of::<crate::StatusRequest>(),
        Tool::of::<crate::HistoryRequest>(),
        Tool::of::<crate::ClusterHealthRequest>(),
        Tool::of::<crate::BatchCollectRequest>(),
        Tool::of::<crate::BatchStatusRequest>(),
    ];
    TOOLS
}

/// A tool by its name.
///
/// # Errors
/// `not_found`, with the names that there are.
pub fn tool(name: &str) -> Result<&'static Tool, Failure> {
    tools().iter().find(|tool| tool.about.name == name).ok_or_else(|| {
        let names: Vec<&str> = tools().iter().map(|tool| tool.about.name).collect();
        Failure::new(Code::NotFound, format!("no tool {name:?}"), format!("there are {}", names.join(", ")))
    })
}
