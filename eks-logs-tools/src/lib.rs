//! The tools, typed once for every adapter: a request in, an answer or a [`Failure`] out, both serialisable.
//!
//! A tool is a [`Request`] type: its fields are the arguments, [`Request::answer`] answers them in a [`Context`], [`Request::ABOUT`] says what
//! it is for. [`tools`] is the registry: names, JSON Schemas made from the types, and a call by name for adapters that speak JSON.
//! To add a tool: a module with a request and an answer, and a row in the registry; every adapter has it then.
//!
//! Adapters (CLI, MCP, Lambda) hold no analysis: they turn arguments into requests and print answers. Text that leaves the tools has
//! its secrets redacted by span ([`redact`]).
//!
//! ```
//! use eks_logs_tools::{Bundles, Call, Context, Code, tool};
//! # futures_lite::future::block_on(async {
//! let context = Context::new(Bundles::Directory(".".into()));
//! let answer = tool("rules")?.call(&context, serde_json::json!({ "id": "network/conntrack-table-full" }), Call::default()).await?;
//! assert_eq!(answer["rule"]["severity"], "critical");
//! let failure = tool("errors")?.call(&context, serde_json::json!({ "pagesize": 5 }), Call::default()).await.unwrap_err();
//! assert_eq!((failure.code, failure.details.suggestion.as_str()), (Code::BadArgument, "did you mean pageSize?"));
//! # Ok::<(), eks_logs_tools::Failure>(())
//! # }).unwrap();
//! ```

pub mod redact;
pub mod sample;

mod artifact;
mod aws;
mod baseline;
mod compare;
mod context;
mod correlate;
mod diagnostics;
mod errors;
mod failure;
mod file;
mod human;
mod index;
mod ingest;
mod open;
mod page;
mod read;
mod rules;
mod scans;
mod search;
mod summarize;
mod tool;
mod triage;
mod validate;
mod verify;
mod whole;
mod window;

pub use eks_logs_findings::Stop;

pub use artifact::{ArtifactAnswer, ArtifactRequest};
pub use aws::Task;
pub use aws::batch::BatchExecution;
pub use aws::batch_collect::{
    BatchCollectAnswer, BatchCollectRequest, BucketView, NodeFilter, NotCollectable, Representative, Strategy,
};
pub use aws::batch_status::{BatchMember, BatchStatusAnswer, BatchStatusRequest, BatchSummary};
pub use aws::cluster_health::{
    ClusterHealthAnswer, ClusterHealthRequest, ClusterView, HealthSummary, IssueView, NodeView, NodegroupView,
    UnhealthyNode,
};
pub use aws::collect::{CollectAnswer, CollectRequest};
pub use aws::doctor::{Check, CheckStatus, DoctorAnswer, DoctorRequest, examine};
pub use aws::fleet::FleetGap;
pub use aws::history::{Collection, Filters, HistoryAnswer, HistoryRequest, RegionGap};
pub use aws::status::{AutomationStatus, Cause, StatusAnswer, StatusRequest, StepDetail};
pub use aws::stop::stop_collections;
pub use baseline::{BaselineAction, BaselineAnswer, BaselineRequest, learn};
pub use compare::{CompareAnswer, CompareFields, CompareRequest, ConfigDiff, compare_bundles};
pub use context::{AccountPorts, BundleUsed, Bundles, Call, Context, Selected, Selector};
pub use correlate::{
    ChainStep, CorrelateAnswer, CorrelateRequest, TemporalCluster, ThingCluster, TimeRange, TimelineEvent,
};
pub use diagnostics::{
    Confidence, DiagnosedIssue, DiagnosticsAnswer, IssuesSummary, NetworkDiagnosticsRequest, NodeDiagnosticsRequest,
};
pub use errors::{
    CoverageReport, ErrorFinding, ErrorsAnswer, ErrorsRequest, ResponseFormat, SeverityCounts, SeverityFilter,
};
pub use failure::{Code, Details, Failure};
pub use file::FileSelector;
pub use index::{IndexAnswer, index_bundle};
pub use ingest::{IngestAnswer, ingest_archive};
pub use open::open_local;
pub use read::{ReadAnswer, ReadRequest, Redaction};
pub use rules::{
    CheckAnswer, Overlap, RuleAnswer, RuleLine, RulesAnswer, RulesRequest, check_rules, describe_rule, list_rules,
    load_rules, rule_patterns,
};
pub use scans::{ScanLimits, Scans};
pub use search::{Around, FileResult, Match, NotSearched, SearchAnswer, SearchCoverage, SearchRequest, StoppedAt};
pub use summarize::{ArtifactLink, BundleStatus, CitedLine, PodNodeTriage, SummarizeAnswer, SummarizeRequest};
pub use tool::{About, Effect, Needs, Request, Tool, tool, tools};
pub use triage::{Quoted, TriageAnswer, TriageRequest};
pub use validate::{ManifestFile, Mismatch, NodeReport, Presence, SourceReport, ValidateAnswer, ValidateRequest};
pub use verify::{LONGEST_REPORT, VerifyAnswer, VerifyRequest};
pub use window::{TimeArguments, Window, WindowUsed};
