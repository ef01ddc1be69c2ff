//! The eks-logs tools for agents, over the Model Context Protocol.
//!
//! [`Server`] answers the protocol's requests from the registry of `eks-logs-tools`; it holds no analysis. Tools carry their schemas, an
//! answer is structured content that the schema describes plus a short text; both are bounded, in parts where an answer is large. Bundles,
//! findings and files are resources, workflows are prompts. [`http`] serves it over streamable HTTP, with tokens of an OpenID Connect
//! issuer; the binary serves stdio too.

pub mod http;

mod answer;
mod args;
mod bundles;
mod call;
mod cloud;
mod completion;
mod extras;
mod message;
mod offer;
mod prompt;
mod resource;
mod schema;
mod server;
mod start;
mod stdio;
mod task;
mod telemetry;
mod text;

pub use args::{Account, Args, Http, Limits, LogFormat};
pub use server::{Options, Server};
pub use start::{StartError, context, run};
