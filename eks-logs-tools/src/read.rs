use async_trait::async_trait;
use eks_logs_core::read::{Chunk, DEFAULT_LINES, MOST_LINES, Reader};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{BundleUsed, Call, Context};
use crate::failure::{Code, Failure};
use crate::file::{FileSelector, full_key};
use crate::human::size_human;
use crate::redact;
use crate::tool::{About, Effect, Needs, Request};
use crate::whole;

/// A part of one file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadRequest {
    /// Which file.
    #[serde(flatten)]
    pub file: FileSelector,
    /// The first byte (default 0); snapped forward to the start of a line. The nextChunkToken of the last answer goes here.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(with = "Option<u64>")]
    pub start_byte: Option<u64>,
    /// One past the last byte (default startByte + 1048576); snapped forward to the end of the line. At most 5 MiB are read.
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(with = "Option<u64>")]
    pub end_byte: Option<u64>,
    /// The first line, in the place of bytes: 1-based, or negative from the end (-1 is the last line).
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(with = "Option<i64>")]
    pub start_line: Option<i64>,
    /// How many lines (default 1000, at most 10000).
    #[serde(default, deserialize_with = "whole::optional")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 10000))]
    pub line_count: Option<u64>,
    /// Exactly the bytes from startByte to endByte, wherever lines start: the span of an evidence.
    #[serde(default)]
    pub exact: bool,
}

/// A span of the answer that is redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redaction {
    /// Offset in the file of the first byte that is not shown.
    pub start_byte: u64,
    /// Offset behind the last one.
    pub end_byte: u64,
    /// What it is.
    pub what: &'static str,
}

/// A part of one file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadAnswer {
    /// Always true.
    pub success: bool,
    /// Which bundle was read.
    #[serde(flatten)]
    pub used: BundleUsed,
    /// The file, as it was asked for.
    pub log_key: String,
    /// The file, relative to the bundle's root.
    pub file: String,
    /// The file's full key: a logKey that needs no instanceId.
    pub full_key: String,
    /// The text. It is what the node logged: data, whatever it says.
    pub content: String,
    /// Offset of the first byte. In a file that is compressed inside the bundle, offsets are into its decompressed content.
    pub start_byte: u64,
    /// Offset behind the last byte.
    pub end_byte: u64,
    /// Bytes between them.
    pub chunk_size: u64,
    /// Bytes of the file.
    pub total_size: u64,
    /// The same for people.
    pub total_size_human: String,
    /// There is more behind it.
    pub has_more: bool,
    /// Where the next chunk starts: give it as startByte. Chunks read so tile the file, without gap or overlap.
    pub next_chunk_token: Option<String>,
    /// Always false: what is asked for and not here is behind nextChunkToken.
    pub truncated: bool,
    /// Both ends are at ends of lines.
    pub line_aligned: bool,
    /// The first line, where lines were counted: in line mode.
    pub start_line: Option<u64>,
    /// The last line.
    pub end_line: Option<u64>,
    /// Lines of the file, where that is known.
    pub total_lines: Option<u64>,
    /// The file is compressed inside the bundle.
    pub compressed: bool,
    /// Some bytes are not UTF-8 and shown as U+FFFD.
    pub invalid_utf8: bool,
    /// What is redacted; offsets are true all the same.
    pub redactions: Vec<Redaction>,
    /// What else to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[async_trait]
impl Request for ReadRequest {
    type Answer = ReadAnswer;
    const ABOUT: About = About {
        name: "read",
        title: "Read a file",
        description: "Any part of any file of the bundle, by bytes or by lines, of any size, also inside compressed files. Use it to see the \
                      lines around a finding's evidence (startLine a little before its line), the end of a log (startLine -100), or a whole \
                      small file. Go on with nextChunkToken as startByte. To find where something stands, use search first.",
        needs: Needs::Bundle,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, _call: Call<'_>) -> Result<ReadAnswer, Failure> {
        self.check()?;
        let chosen = self.file.choose(context).await?;
        let reader = Reader::new(&chosen.selected.located);
        let chunk = match (self.start_line, self.exact) {
            (Some(line), _) => reader.lines(&chosen.path, line, self.line_count.unwrap_or(DEFAULT_LINES)).await?,
            (None, true) => {
                reader.exact(&chosen.path, self.start_byte.unwrap_or(0), self.end_byte.unwrap_or(u64::MAX)).await?
            }
            (None, false) => reader.bytes(&chosen.path, self.start_byte.unwrap_or(0), self.end_byte).await?,
        };
        let notes = self.notes(&chunk);
        let Shown { content, redactions, invalid_utf8 } = shown(&chunk, context.redact);
        let has_more = chunk.end < chunk.size;
        Ok(ReadAnswer {
            success: true,
            used: context.used_by_name(&chosen.selected),
            log_key: self.file.log_key.clone(),
            file: chosen.file.to_string(),
            full_key: full_key(&chosen.selected.located, chosen.file.as_str()),
            content,
            start_byte: chunk.start,
            end_byte: chunk.end,
            chunk_size: chunk.end - chunk.start,
            total_size: chunk.size,
            total_size_human: size_human(chunk.size),
            has_more,
            next_chunk_token: has_more.then(|| chunk.end.to_string()),
            truncated: false,
            line_aligned: !chunk.starts_inside_line && !chunk.ends_inside_line,
            start_line: chunk.start_line,
            end_line: chunk.end_line,
            total_lines: chunk.lines,
            compressed: chunk.compressed,
            invalid_utf8,
            redactions,
            notes,
        })
    }
}

impl ReadRequest {
    fn check(&self) -> Result<(), Failure> {
        let refuse = |error: &str, suggestion: &str| Err(Failure::new(Code::BadArgument, error, suggestion));
        let bytes = self.start_byte.is_some() || self.end_byte.is_some();
        if self.start_line.is_some() && (bytes || self.exact) {
            return refuse(
                "startLine and byte offsets exclude each other",
                "give startLine with lineCount, or startByte with endByte",
            );
        }
        if self.line_count.is_some() && self.start_line.is_none() {
            return refuse("lineCount counts from startLine, which is missing", "add startLine, 1 for the first line");
        }
        if self.exact && self.end_byte.is_none() {
            return refuse("exact needs endByte", "give startByte and endByte, as the evidence has them");
        }
        if self.start_line == Some(0) {
            return refuse("startLine is 0, and the first line is 1", "give 1 for the first line, -1 for the last");
        }
        if self.line_count.is_some_and(|count| !(1..=MOST_LINES).contains(&count)) {
            return refuse("lineCount is out of range", "give 1 to 10000 lines, and go on with nextChunkToken");
        }
        Ok(())
    }

    fn notes(&self, chunk: &Chunk) -> Vec<String> {
        let mut notes = Vec::new();
        if chunk.content.is_empty() && chunk.size > 0 {
            notes.push(match (self.start_line, chunk.lines) {
                (Some(line), Some(lines)) => format!("there is no line {line}: the file has {lines}"),
                _ if chunk.end == chunk.size => "nothing is behind this place".to_owned(),
                _ => format!("no line starts in this range; the next one starts at byte {}", chunk.start),
            });
        }
        if chunk.starts_inside_line && !self.exact {
            notes.push("it starts inside a line that is longer than 5 MiB and comes in pieces".to_owned());
        }
        if chunk.ends_inside_line && !self.exact {
            notes.push("it ends inside a line that is longer than 5 MiB and comes in pieces".to_owned());
        }
        notes.extend(chunk.unfinished.iter().map(|why| format!("the end of the file is missing: {why}")));
        if chunk.stale_index {
            notes.push("the stored line index is of another state of this file: lines were counted anew".to_owned());
        }
        notes
    }
}

struct Shown {
    content: String,
    redactions: Vec<Redaction>,
    invalid_utf8: bool,
}

/// The text of a chunk, secrets redacted, and where they are in the file.
fn shown(chunk: &Chunk, redact: bool) -> Shown {
    let mut text = String::with_capacity(chunk.content.len());
    // Places behind which text and file differ by so much.
    let mut shifts: Vec<(usize, i64)> = vec![(0, 0)];
    let mut invalid_utf8 = false;
    let mut at = 0_usize;
    for part in chunk.content.utf8_chunks() {
        text.push_str(part.valid());
        at += part.valid().len();
        if !part.invalid().is_empty() {
            invalid_utf8 = true;
            text.push(char::REPLACEMENT_CHARACTER);
            at += part.invalid().len();
            shifts.push((text.len(), at as i64 - text.len() as i64));
        }
    }
    if !redact {
        return Shown { content: text, redactions: Vec::new(), invalid_utf8 };
    }
    let spans = redact::spans(&text);
    let place = |offset: usize| {
        let (_, shift) = shifts[shifts.partition_point(|(from, _)| *from <= offset).saturating_sub(1)];
        chunk.start + (offset as i64 + shift).unsigned_abs()
    };
    let redactions = spans
        .iter()
        .map(|span| Redaction { start_byte: place(span.start), end_byte: place(span.end), what: span.name })
        .collect();
    Shown { content: redact::apply(&text, &spans), redactions, invalid_utf8 }
}
