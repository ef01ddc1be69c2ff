//! Making an answer fit a context window: whole entries of its lists go onto further parts, JSON is never cut.

use eks_logs_tools::Failure;
use serde::Serialize;
use serde_json::{Value, json};

use super::brief;
use super::cursor::{Cursor, bound_to};
use super::like::{Collapsed, collapse};
use super::tokens::estimate;

/// The field of an answer that says which part of it this is.
pub(crate) const FIELD: &str = "answerPart";
/// A text of so many bytes or more is told line by line.
const LONG_TEXT: usize = 2048;
/// Bytes of one string that are told where an answer is too large.
const LONG_STRING: usize = 1024;
/// An entry that takes more than this share of the budget has its like lines collapsed.
const LARGE_ENTRY: usize = 8;
/// A list of so many tokens or less stays where it is: some have a fixed length.
const SMALL: usize = 48;
/// Tokens of what a part says of itself.
const OWN: usize = 250;
/// Lists inside entries of which it is told what was left out.
const TOLD_COLLAPSED: usize = 20;

/// A part of an answer, and the whole one where it is small enough.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) value: Value,
    /// What is not in it; `None` for the whole answer.
    pub(crate) left: Option<Left>,
}

/// Which lists of an answer matter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order<'a> {
    /// Those that come first, in this order; names may be the beginning of a path.
    pub(crate) first: &'a [String],
    /// Those whose entries may be told in brief, so that more of them fit.
    pub(crate) brief: &'a [String],
}

/// What a part leaves for others.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Left {
    /// Tokens that this part takes, about.
    pub(crate) tokens: usize,
    /// Tokens that a part may take.
    pub(crate) budget: usize,
    /// The lists that are told in parts: which of their entries this part holds.
    pub(crate) lists: Vec<Listed>,
    /// Lists inside entries of which like lines are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) collapsed: Vec<Value>,
    /// Objects that are left of each list inside an entry, where entries are told in brief.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inner_entries: Option<usize>,
    /// Strings that are shortened.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) shortened: usize,
    /// Where the next part begins.
    pub(crate) next_cursor: Option<String>,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// Entries `from` to before `to` of `total`.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) list: String,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) total: usize,
}

/// A list of an answer that can be told in parts.
pub(crate) struct List {
    /// Names from the root of the answer.
    pub(crate) path: Vec<String>,
    pub(crate) entries: Vec<Value>,
    /// Lines of a text, which are put together again.
    pub(crate) text: bool,
}

impl List {
    pub(crate) fn name(&self) -> String {
        self.path.join("/")
    }
}

/// The part of an answer that a cursor asks for.
///
/// `order` says which of its lists matter; `asked` is what the answer answers, to which cursors are bound.
pub(crate) fn fit(
    mut answer: Value,
    order: Order<'_>,
    budget: usize,
    asked: &str,
    cursor: Option<Cursor>,
) -> Result<Part, Failure> {
    let whole = answer.to_string();
    if cursor.is_none() && estimate(&whole) <= budget {
        return Ok(Part { value: answer, left: None });
    }
    let mut found = take_lists(&mut answer, order.first);
    let content: Vec<String> = found.iter().map(|list| Value::from(list.entries.clone()).to_string()).collect();
    let content: Vec<&str> = std::iter::once(asked).chain(content.iter().map(String::as_str)).collect();
    let bound_to = bound_to(&content);
    let told = match cursor {
        Some(cursor) => {
            cursor.belongs_to(bound_to)?;
            usize::try_from(cursor.told).unwrap_or(usize::MAX)
        }
        None => 0,
    };
    let mut left = Left {
        tokens: 0,
        budget,
        lists: Vec::new(),
        collapsed: Vec::new(),
        inner_entries: None,
        shortened: 0,
        next_cursor: None,
    };
    shorten(&mut answer, &mut left.shortened);
    let mut used = estimate(&answer.to_string()) + OWN;
    left.inner_entries = brief::shorten(&mut found, order.brief, budget.saturating_sub(used));
    let (mut at, mut full, mut any) = (0, false, false);
    for list in found {
        let (name, total, text) = (list.name(), list.entries.len(), list.text);
        let (mut from, mut kept) = (None, Vec::new());
        for (number, mut entry) in list.entries.into_iter().enumerate() {
            at += 1;
            if at <= told || full {
                continue;
            }
            let mut collapsed = Vec::new();
            let mut shortened = 0;
            let mut cost = estimate(&entry.to_string());
            if !text && cost > budget / LARGE_ENTRY {
                collapse(&mut entry, &format!("{name}/{number}"), &mut collapsed);
                shorten(&mut entry, &mut shortened);
                cost = estimate(&entry.to_string());
            }
            // One entry at least, or the parts would never end.
            if any && used + cost > budget {
                full = true;
                at -= 1;
                left.next_cursor = Some(Cursor { told: at as u64, bound_to }.write());
                continue;
            }
            any = true;
            used += cost;
            left.shortened += shortened;
            left.collapsed.extend(collapsed.iter().map(told_collapsed));
            from.get_or_insert(number);
            kept.push(entry);
        }
        let from = from.unwrap_or(if at <= told { total } else { 0 });
        if total > 0 {
            left.lists.push(Listed { list: name, from, to: from + kept.len(), total });
        }
        put(&mut answer, &list.path, if text { joined(kept) } else { Value::Array(kept) });
    }
    left.collapsed.truncate(TOLD_COLLAPSED);
    left.tokens = used;
    Ok(Part { value: answer, left: Some(left) })
}

fn told_collapsed(collapsed: &Collapsed) -> Value {
    let forms: Vec<Value> =
        collapsed.forms.iter().take(4).map(|(form, count)| json!({ "form": form, "count": count })).collect();
    json!({ "list": collapsed.list, "told": collapsed.told, "total": collapsed.total, "forms": forms })
}

/// Takes the lists out of an answer: those that are reached through objects alone, and long texts as lists of lines.
fn take_lists(answer: &mut Value, first: &[String]) -> Vec<List> {
    let mut found = Vec::new();
    take(answer, &mut Vec::new(), &mut found);
    let rank = |list: &List| {
        let name = list.name();
        let named = |wanted: &String| {
            name == *wanted || name.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        first.iter().position(named).unwrap_or(first.len())
    };
    found.sort_by_cached_key(|list| (rank(list), list.name()));
    found
}

fn take(value: &mut Value, path: &mut Vec<String>, found: &mut Vec<List>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                path.push(name.clone());
                take(field, path, found);
                path.pop();
            }
        }
        Value::Array(entries) if estimate(&Value::from(entries.as_slice()).to_string()) > SMALL => {
            found.push(List { path: path.clone(), entries: std::mem::take(entries), text: false });
        }
        Value::String(text) if text.len() >= LONG_TEXT && text.contains('\n') => {
            let entries = text.split_inclusive('\n').flat_map(pieces).map(Value::from).collect();
            text.clear();
            found.push(List { path: path.clone(), entries, text: true });
        }
        _ => {}
    }
}

/// A line in pieces that fit any part.
fn pieces(mut line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while line.len() > LONG_TEXT {
        let (piece, rest) = line.split_at(line.floor_char_boundary(LONG_TEXT));
        pieces.push(piece);
        line = rest;
    }
    pieces.push(line);
    pieces
}

fn put(answer: &mut Value, path: &[String], content: Value) {
    let mut at = answer;
    for name in path {
        let Some(next) = at.get_mut(name) else { return };
        at = next;
    }
    *at = content;
}

fn joined(lines: Vec<Value>) -> Value {
    lines.iter().filter_map(Value::as_str).collect::<String>().into()
}

/// Shortens strings that are very long; their beginning stays, and how much is missing is said in place.
fn shorten(value: &mut Value, count: &mut usize) {
    match value {
        Value::String(text) if text.len() > LONG_STRING + 100 => {
            let end = text.floor_char_boundary(LONG_STRING);
            let missing = text.len() - end;
            text.truncate(end);
            text.push_str(&format!("… [{missing} bytes more]"));
            *count += 1;
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| shorten(entry, count)),
        Value::Object(fields) => fields.values_mut().for_each(|field| shorten(field, count)),
        _ => {}
    }
}

/// The schema of [`Left`], as a field of an answer.
pub(crate) fn schema() -> Value {
    let count = json!({ "type": "integer", "minimum": 0 });
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "description": "Only where the answer is too large for one part: which part this is. Call again with the same arguments and \
                        cursor = nextCursor for the next one.",
        "properties": {
            "tokens": count, "budget": count, "shortened": count, "innerEntries": count,
            "lists": { "type": "array", "items": {
                "type": "object", "required": ["list", "from", "to", "total"],
                "properties": { "list": text, "from": count, "to": count, "total": count } } },
            "collapsed": { "type": "array", "items": {
                "type": "object", "required": ["list", "told", "total"],
                "properties": { "list": text, "told": count, "total": count, "forms": { "type": "array", "items": {
                    "type": "object", "properties": { "form": text, "count": count } } } } } },
            "nextCursor": { "type": ["string", "null"] },
        },
        "required": ["tokens", "budget", "lists", "nextCursor"],
    })
}

impl Part {
    /// The part as it goes over the wire, with what it leaves for others.
    pub(crate) fn into_value(self) -> Value {
        let mut value = self.value;
        if let (Value::Object(fields), Some(left)) = (&mut value, self.left) {
            fields.insert(FIELD.to_owned(), serde_json::to_value(left).unwrap_or(Value::Null));
        }
        value
    }
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
