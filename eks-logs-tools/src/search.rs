use async_trait::async_trait;
use eks_logs_core::Located;
use eks_logs_core::search::{
    FileMatches, LogTypes, MOST_MATCHES, Query, SearchOptions, SearchResult, Skipped, Stopped, search,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{BundleUsed, Call, Context, Selector};
use crate::errors::ResponseFormat;
use crate::failure::{Code, Failure};
use crate::file::full_key;
use crate::redact;
use crate::tool::{About, Effect, Needs, Request};
use crate::whole;

/// The most lines of context.
const MOST_CONTEXT: u64 = 10;
/// Lines of context in the detailed format.
const DETAILED_CONTEXT: u64 = 3;

/// What is searched for, and where.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct SearchRequest {
    /// Which bundle.
    #[serde(flatten)]
    pub bundle: Selector,
    /// A regex over lines, at most 500 characters; upper and lower case are the same. Linear time: no look-around, no back-references.
    pub query: String,
    /// Only files of these log types, a comma list: kubelet, containerd, networking, ipamd, dmesg, kernel, messages, system, storage,
    /// pods, coredns, nodeadm, gpu, ... or the name of a source. Default: every file.
    #[serde(default, rename = "logTypes")]
    pub log_types: Option<String>,
    /// Matches of each file that are shown (default 100, at most 500); all are counted.
    #[serde(default, rename = "maxResults", deserialize_with = "whole::optional")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 500))]
    pub max_results: Option<u64>,
    /// Concise: the lines. Detailed: with three lines before and after each.
    #[serde(default)]
    pub response_format: ResponseFormat,
    /// Lines before and after each match, 0 to 10.
    #[serde(default, rename = "contextLines", deserialize_with = "whole::optional")]
    #[schemars(with = "Option<u64>", range(min = 0, max = 10))]
    pub context_lines: Option<u64>,
    /// Upper and lower case differ.
    #[serde(default, rename = "caseSensitive")]
    pub case_sensitive: bool,
}

/// Lines around a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Around {
    /// Before it, in order.
    pub before: Vec<String>,
    /// After it, in order.
    pub after: Vec<String>,
}

/// A line that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// 1-based.
    pub line_number: u64,
    /// The line, or 2 KiB of it around the match.
    pub line: String,
    /// Lines around it, if they were asked for.
    pub context: Around,
    /// Offset of the first byte of `line` in the file.
    pub start_byte: u64,
    /// Offset behind its last byte.
    pub end_byte: u64,
    /// The line is longer than what is shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
}

/// The matches of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileResult {
    /// `S-001`: the same for the same bundle and query.
    #[serde(rename = "finding_id")]
    pub finding_id: String,
    /// The file, relative to the bundle's root.
    pub file: String,
    /// The file's full key: the logKey of read.
    pub full_key: String,
    /// Lines that match: all of them.
    pub match_count: u64,
    /// The first of them.
    pub matches: Vec<Match>,
    /// Not all of them are shown.
    pub matches_truncated: bool,
}

/// A file that was not searched, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotSearched {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Where a search was stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoppedAt {
    /// The file that was being searched.
    pub file: Option<String>,
    /// Bytes of it that were searched.
    pub bytes: u64,
    /// Files that were not reached; `null` in an archive, where what comes behind is not known.
    pub not_reached: Option<Vec<String>>,
}

/// What the matches speak for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchCoverage {
    /// Every file that was asked for was searched to its end.
    pub search_complete: bool,
    /// Bytes that were searched, after decompression.
    pub bytes_searched: u64,
    /// Files that the log types left out.
    pub files_left_out: u64,
    /// What was not searched, or not to its end.
    pub skipped: Vec<NotSearched>,
    /// UTF-16 files, searched as bytes: a word in them is not found.
    pub utf16: Vec<String>,
    /// Files with lines longer than 4 MiB, searched in pieces that overlap by 4 KiB.
    pub overlong_lines: Vec<String>,
    /// Where the search was stopped, if it was: counts are then lower bounds.
    pub stopped: Option<StoppedAt>,
}

/// What a search found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchAnswer {
    /// Always true.
    pub success: bool,
    /// Which bundle was searched.
    #[serde(flatten)]
    pub used: BundleUsed,
    /// The query.
    pub query: String,
    /// Log types that it was limited to.
    pub log_types: Vec<String>,
    /// Files that were searched to their end.
    pub files_searched: u64,
    /// Files with matches.
    pub files_with_matches: usize,
    /// Lines that match, in all files: exact, also where not all are shown.
    pub total_matches: u64,
    /// Files with matches, by path.
    pub results: Vec<FileResult>,
    /// Some matches are not shown, or the search was stopped.
    pub truncated: bool,
    /// What the matches speak for.
    #[serde(rename = "coverage_report")]
    pub coverage_report: SearchCoverage,
    /// Secrets that are redacted in what is shown.
    pub redactions: usize,
    /// What the answer means where that is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
}

#[async_trait]
impl Request for SearchRequest {
    type Answer = SearchAnswer;
    const ABOUT: About = About {
        name: "search",
        title: "Search all files",
        description: "Finds a regex in every file of the bundle, of any size, with exact counts, line numbers and byte offsets. Use it for what \
                      no finding tells: a pod, an address, an error text. Go on with read around a match (logKey = fullKey, startLine a little \
                      before lineNumber). No match means: not in the files that coverage_report says were searched.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, call: Call<'_>) -> Result<SearchAnswer, Failure> {
        let query = Query::new(&self.query, self.case_sensitive)?;
        let mut options = SearchOptions::default();
        options.max_matches = match self.max_results {
            None => 100,
            Some(most) if (1..=MOST_MATCHES as u64).contains(&most) => most as usize,
            Some(most) => {
                let error = format!("maxResults {most} is out of range");
                return Err(Failure::new(
                    Code::BadArgument,
                    error,
                    "give 1 to 500; matches are counted beyond it all the same",
                ));
            }
        };
        let detailed = if self.response_format == ResponseFormat::Detailed { DETAILED_CONTEXT } else { 0 };
        options.context = match self.context_lines.unwrap_or(detailed) {
            lines @ 0..=MOST_CONTEXT => lines as usize,
            lines => {
                let error = format!("contextLines {lines} is out of range");
                return Err(Failure::new(Code::BadArgument, error, "give 0 to 10, and read more lines with read"));
            }
        };
        options.log_types = LogTypes::parse(self.log_types.as_deref().unwrap_or_default()).map_err(|why| {
            let suggestion = match why.close.first() {
                Some(close) => format!("did you mean {close}?"),
                None => format!("there are {}", LogTypes::names().into_iter().collect::<Vec<_>>().join(", ")),
            };
            Failure::new(Code::BadArgument, format!("logTypes: {why}"), suggestion)
        })?;
        options.threads = context.threads;
        options.stop = call.stop;
        options.progress = call.progress;
        let selected = context.select(&self.bundle).await?;
        let found = search(&selected.located, &query, &options).await?;
        let log_types = options.log_types.as_ref().map(|types| types.as_names().to_vec()).unwrap_or_default();
        let mut answer = told(found, query.as_str(), log_types, &selected.located, context.used_by_name(&selected));
        if context.redact {
            for line in answer.results.iter_mut().flat_map(|file| &mut file.matches) {
                answer.redactions += redact::count_in_place(&mut line.line);
                for around in line.context.before.iter_mut().chain(&mut line.context.after) {
                    answer.redactions += redact::count_in_place(around);
                }
            }
        }
        Ok(answer)
    }
}

fn told(found: SearchResult, query: &str, log_types: Vec<String>, bundle: &Located, used: BundleUsed) -> SearchAnswer {
    let SearchResult {
        files,
        total,
        files_searched,
        files_left_out,
        bytes_searched,
        skipped,
        utf16,
        overlong,
        cut,
        stopped,
    } = found;
    let complete = stopped.is_none() && skipped.is_empty() && utf16.is_empty();
    let caveat = match (&stopped, total) {
        (Some(_), _) => Some(
            "the search was stopped before its end: what it did not reach is not known, counts are lower bounds"
                .to_owned(),
        ),
        (None, 0) if complete => {
            Some(format!("looked for, and absent, in {bytes_searched} bytes of {files_searched} files"))
        }
        (None, 0) => Some("no match in what was searched; what was not is in coverage_report".to_owned()),
        _ => None,
    };
    SearchAnswer {
        success: true,
        used,
        query: query.to_owned(),
        log_types,
        files_searched,
        files_with_matches: files.len(),
        total_matches: total,
        truncated: cut || stopped.is_some(),
        results: files.into_iter().map(|file| file_result(bundle, file)).collect(),
        coverage_report: SearchCoverage {
            search_complete: complete,
            bytes_searched,
            files_left_out,
            skipped: skipped.into_iter().map(|Skipped { file, reason }| NotSearched { file, reason }).collect(),
            utf16,
            overlong_lines: overlong,
            stopped: stopped.map(|Stopped { file, bytes, not_reached }| StoppedAt { file, bytes, not_reached }),
        },
        redactions: 0,
        caveat,
    }
}

fn file_result(bundle: &Located, found: FileMatches) -> FileResult {
    FileResult {
        finding_id: found.id,
        full_key: full_key(bundle, &found.file),
        file: found.file,
        match_count: found.count,
        matches_truncated: (found.matches.len() as u64) < found.count,
        matches: found
            .matches
            .into_iter()
            .map(|line| Match {
                line_number: line.line,
                line: line.text,
                context: Around { before: line.before, after: line.after },
                start_byte: line.start_byte,
                end_byte: line.end_byte,
                shortened: line.shortened,
            })
            .collect(),
    }
}
