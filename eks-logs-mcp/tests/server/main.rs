//! The server as its clients see it: over stdio, over HTTP, with tokens, with logs that try to speak to the model that reads them.

mod clients;
mod hostile;
mod http;
mod stdio;
mod support;
mod tasks;
mod tokens;
