//! The server as its clients see it: over stdio, over HTTP, with tokens, on a bucket, with logs that try to speak to the model that reads them.

mod bucket;
mod clients;
mod cloud;
mod collections;
mod hostile;
mod http;
mod stdio;
mod support;
mod tasks;
mod tokens;
