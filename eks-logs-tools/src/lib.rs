//! The tools, typed once for every adapter: a request in, an answer or a [`Failure`] out, both serialisable.
//!
//! | tool | what it answers |
//! |---|---|
//! | [`triage`] | what is wrong with the node, worst first, with evidence, candidate causes and what is not known |
//! | [`errors`] | the findings, filtered and in pages |
//! | [`validate`] | what the bundle holds and what it lacks |
//! | [`list_rules`], [`describe_rule`] | what is looked for, and why |
//!
//! Adapters (CLI, MCP, Lambda) hold no analysis: they turn arguments into requests and print answers. Text that leaves the tools has
//! its secrets redacted by span ([`redact`]).

pub mod redact;

mod errors;
mod failure;
mod open;
mod rules;
mod triage;
mod validate;

pub use errors::{
    CoverageReport, ErrorFinding, ErrorsAnswer, ErrorsRequest, ResponseFormat, SeverityCounts, SeverityFilter, errors,
};
pub use failure::{Code, Details, Failure};
pub use open::{Options, open_local};
pub use rules::{
    CheckAnswer, Overlap, RuleAnswer, RuleLine, RulesAnswer, check_rules, describe_rule, list_rules, load_rules,
    rule_patterns,
};
pub use triage::{TriageAnswer, triage};
pub use validate::{ManifestFile, Presence, SourceReport, ValidateAnswer, validate};
