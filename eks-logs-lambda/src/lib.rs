//! eks-logs as AWS Lambda functions.
//!
//! `eks-logs-lambda-tools` answers the calls of an AgentCore Gateway target: the tool's name stands in the client context, the arguments are
//! the event, the answer is `{statusCode, body}` ([`Tools`]). `eks-logs-lambda-ingest` takes what S3 says of new objects, directly, through
//! SQS or through EventBridge, and makes bundles of archives ([`Ingest`]). Both are a [`Handler`] that [`serve`] feeds from Lambda's Runtime
//! API; they turn events into requests of `eks-logs-tools` and hold no analysis.
//!
//! What they tell about themselves goes to stdout as JSON, one object a line: what was called, how it ended, how long it took, and metrics
//! in CloudWatch's embedded format. Never what logs say, and never arguments.

pub mod fit;
pub mod gateway;

mod account;
mod deadline;
mod events;
mod ingest;
mod invocation;
mod metrics;
mod runtime;
mod settings;
mod telemetry;
mod tools;

pub use events::{Arrival, Batch, Message, Unknown};
pub use ingest::Ingest;
pub use invocation::{Asked, Invocation, asked};
pub use runtime::{Failed, Handler, RuntimeError, serve};
pub use settings::{Settings, SettingsError};
pub use telemetry::start as start_telemetry;
pub use tools::Tools;
