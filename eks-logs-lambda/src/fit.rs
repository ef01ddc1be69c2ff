//! Keeping answers below what Lambda carries: by asking for smaller pages, or by telling whole entries of long lists in further parts. JSON is
//! never cut, and no entry is left out.

use eks_logs_tools::{Code, Failure};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes that an answer may have, as it goes over the wire. Lambda's own limit is 6 MB, 6 291 556 bytes
/// (docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
pub const LIMIT: usize = 6_000_000;

/// The argument that asks for a further part of an answer.
pub const CURSOR: &str = "cursor";
/// The field of an answer that says which part it is.
pub const PART: &str = "answerPart";

/// Bytes of a list that stays where it is in every part.
const SMALL: usize = 4096;
/// Bytes of what a part says of itself.
const OWN: usize = 4096;

/// Tools that have pages of their own: the argument, what it is if nobody says.
const PAGES: [(&str, &str, u64); 4] = [
    ("errors", "pageSize", 50),
    ("validate", "pageSize", 500),
    ("history", "maxResults", 20),
    ("search", "maxResults", 100),
];

/// Whether a tool has pages of its own, so that it needs no parts.
pub fn has_pages(tool: &str) -> bool {
    tool == "read" || PAGES.iter().any(|(name, _, _)| *name == tool)
}

/// Arguments that ask for less, after an answer of `bytes`; `None` if there are none.
pub fn smaller(tool: &str, arguments: &Map<String, Value>, answer: &Value, bytes: usize) -> Option<Map<String, Value>> {
    let mut arguments = arguments.clone();
    // A little less than what should fit: pages differ.
    let share = |count: u64| -> u64 {
        let fits = u128::from(count) * (LIMIT as u128) * 9 / 10 / (bytes.max(1) as u128);
        u64::try_from(fits).unwrap_or(count).min(count / 2 + count % 2)
    };
    if tool == "read" {
        return less_of_a_file(arguments, answer, share);
    }
    let (_, argument, usual) = PAGES.iter().find(|(name, _, _)| *name == tool)?;
    let asked = arguments.get(*argument).and_then(Value::as_u64).unwrap_or(*usual);
    if asked <= 1 {
        return None;
    }
    arguments.insert((*argument).to_owned(), json!(share(asked).max(1)));
    Some(arguments)
}

/// A smaller piece of the file from the same place. Ends stay where lines end, or whoever goes on from there would lose the rest of one;
/// `None` for a single line that is too long, which [`line_too_long`] speaks of.
fn less_of_a_file(
    mut arguments: Map<String, Value>,
    answer: &Value,
    share: impl Fn(u64) -> u64,
) -> Option<Map<String, Value>> {
    if arguments.get("startLine").is_some_and(|line| !line.is_null()) {
        let lines = arguments.get("lineCount").and_then(Value::as_u64).unwrap_or(1000);
        if lines <= 1 {
            return None;
        }
        arguments.insert("lineCount".to_owned(), json!(share(lines).max(1)));
        return Some(arguments);
    }
    let (start, end) = (answer["startByte"].as_u64()?, answer["endByte"].as_u64()?);
    let length = end.checked_sub(start).filter(|length| *length > 1)?;
    let exact = arguments.get("exact").and_then(Value::as_bool) == Some(true);
    let asked = arguments.get("endByte").and_then(Value::as_u64).map_or(length, |asked| asked.saturating_sub(start));
    // It is much longer than what was asked for: the end of a line is far.
    if !exact && asked < length / 2 {
        return None;
    }
    arguments.insert("startByte".to_owned(), json!(start));
    arguments.insert("endByte".to_owned(), json!(start + share(length).max(1)));
    Some(arguments)
}

/// What is answered where one line of a file takes more than Lambda carries.
pub fn line_too_long(answer: &Value) -> Failure {
    let start = answer["startByte"].as_u64().unwrap_or(0);
    Failure::new(
        Code::TooLarge,
        format!("the line at byte {start} takes more than Lambda carries"),
        format!(
            "read it in pieces: exact true with startByte {start} and endByte {}, then on from nextChunkToken, with exact each time",
            start + 1_000_000
        ),
    )
}

/// A place in the lists of an answer, of use for the same answer only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    told: usize,
    of: u64,
}

impl Cursor {
    fn write(self) -> String {
        format!("{:x}-{:016x}", self.told, self.of)
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// `bad_argument` if it is none.
    pub fn read(text: &str) -> Result<Self, Failure> {
        let parts = text.split_once('-').and_then(|(told, of)| {
            Some(Self { told: usize::from_str_radix(told, 16).ok()?, of: u64::from_str_radix(of, 16).ok()? })
        });
        parts.ok_or_else(|| {
            Failure::new(
                Code::BadArgument,
                format!("cursor {text:?} is none"),
                "give answerPart.nextCursor of the last part as it stands, or leave cursor out for the first part",
            )
        })
    }
}

/// The part of an answer that a cursor asks for: whole entries of its lists, until `room` bytes are full. What is no list, and short lists, are in
/// every part. `cost` is what a value takes on the wire.
///
/// # Errors
/// `bad_argument` for a cursor of another answer, `too_large` if not even one entry fits.
pub fn part(
    mut answer: Value,
    cursor: Option<Cursor>,
    room: usize,
    cost: fn(&Value) -> usize,
) -> Result<Value, Failure> {
    let of = xxh3_64(answer.to_string().as_bytes());
    if cursor.is_some_and(|cursor| cursor.of != of) {
        return Err(Failure::new(
            Code::BadArgument,
            "the cursor is of another answer: other arguments, or the bundle has changed since",
            "ask again without cursor, with the same arguments for each part",
        ));
    }
    let told = cursor.map_or(0, |cursor| cursor.told);
    let mut lists = Vec::new();
    take(&mut answer, &mut Vec::new(), &mut lists, cost);
    let mut used = cost(&answer) + OWN;
    let (mut at, mut next, mut kept_any) = (0, None, false);
    let mut listed = Vec::new();
    for (path, entries) in lists {
        let total = entries.len();
        let mut kept = Vec::new();
        let mut from = None;
        for (number, entry) in entries.into_iter().enumerate() {
            at += 1;
            if at <= told || next.is_some() {
                continue;
            }
            let price = cost(&entry) + 1;
            if used + price > room {
                next = Some(Cursor { told: at - 1, of });
                continue;
            }
            used += price;
            kept_any = true;
            from.get_or_insert(number);
            kept.push(entry);
        }
        let from = from.unwrap_or(if next.is_none() { total } else { 0 });
        listed.push(json!({ "list": path.join("/"), "from": from, "to": from + kept.len(), "total": total }));
        put(&mut answer, &path, Value::Array(kept));
    }
    if next.is_some() && !kept_any || used > room {
        return Err(Failure::new(
            Code::TooLarge,
            format!("the answer takes more than the {room} bytes that Lambda carries"),
            "ask for less: one severity, a window of time, fewer nodes or findings at a time",
        ));
    }
    if let Value::Object(fields) = &mut answer {
        fields.insert(PART.to_owned(), json!({ "lists": listed, "nextCursor": next.map(Cursor::write) }));
    }
    Ok(answer)
}

type List = (Vec<String>, Vec<Value>);

/// Takes out the lists that are reached through objects alone, in the order of their names.
fn take(value: &mut Value, path: &mut Vec<String>, lists: &mut Vec<List>, cost: fn(&Value) -> usize) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                path.push(name.clone());
                take(field, path, lists, cost);
                path.pop();
            }
        }
        Value::Array(entries) if !entries.is_empty() && cost(&Value::Array(entries.clone())) > SMALL => {
            lists.push((path.clone(), std::mem::take(entries)));
        }
        _ => {}
    }
}

fn put(answer: &mut Value, path: &[String], content: Value) {
    let mut at = answer;
    for name in path {
        let Some(next) = at.get_mut(name) else { return };
        at = next;
    }
    *at = content;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(value: &Value) -> usize {
        value.to_string().len()
    }

    fn arguments(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn pages_shrink_until_one_is_left() {
        let mut asked = arguments(json!({ "severity": "high" }));
        let mut sizes = Vec::new();
        while let Some(next) = smaller("errors", &asked, &json!({}), LIMIT * 3) {
            sizes.push(next["pageSize"].as_u64().unwrap());
            assert_eq!(next["severity"], "high");
            asked = next;
        }
        assert_eq!(sizes, [15, 4, 1]);
        assert!(smaller("triage", &asked, &json!({}), LIMIT * 2).is_none());
    }

    #[test]
    fn a_file_is_read_in_smaller_pieces_from_the_same_place() {
        let answer = json!({ "startByte": 1000, "endByte": 5_001_000 });
        let less = |asked: Value| smaller("read", &arguments(asked), &answer, LIMIT * 2);
        let lines = less(json!({ "logKey": "a", "startLine": -500 })).unwrap();
        assert_eq!((lines["startLine"].as_i64(), lines["lineCount"].as_u64()), (Some(-500), Some(450)));
        let bytes = less(json!({ "logKey": "a", "startByte": 990, "endByte": 5_000_990 })).unwrap();
        assert_eq!((bytes["startByte"].as_u64(), bytes["endByte"].as_u64()), (Some(1000), Some(2_251_000)));
        assert!(bytes.get("exact").is_none(), "an end inside a line would lose its rest");
        // One line, which a smaller range brings again.
        assert!(less(json!({ "logKey": "a", "startLine": 7, "lineCount": 1 })).is_none());
        assert!(less(json!({ "logKey": "a", "startByte": 1000, "endByte": 1_251_000 })).is_none());
        assert!(less(json!({ "logKey": "a", "startByte": 1000, "endByte": 1_251_000, "exact": true })).is_some());
        assert!(line_too_long(&answer).details.suggestion.contains("startByte 1000 and endByte 1001000"));
    }

    #[test]
    fn parts_hold_every_entry_once_and_in_order() {
        let long: Vec<Value> = (0..500).map(|number| json!({ "number": number, "text": "x".repeat(100) })).collect();
        let answer = json!({ "a": { "list": long, "short": [1, 2] }, "b": long, "word": "w" });
        let (mut cursor, mut seen, mut parts) = (None, Vec::new(), 0);
        loop {
            let part = part(answer.clone(), cursor, 20_000, cost).unwrap();
            assert!(cost(&part) <= 20_000);
            assert_eq!((&part["word"], &part["a"]["short"]), (&json!("w"), &json!([1, 2])));
            for list in [&part["a"]["list"], &part["b"]] {
                seen.extend(list.as_array().unwrap().iter().map(|entry| entry["number"].as_u64().unwrap()));
            }
            parts += 1;
            match part[PART]["nextCursor"].as_str() {
                Some(next) => cursor = Some(Cursor::read(next).unwrap()),
                None => break,
            }
        }
        assert!(parts > 5);
        assert_eq!(seen, (0..500).chain(0..500).collect::<Vec<u64>>());
    }

    #[test]
    fn a_foreign_cursor_and_an_entry_without_room_are_refused() {
        let answer = json!({ "list": ["x".repeat(9000), "y".repeat(9000)] });
        let first = part(answer.clone(), None, 20_000, cost).unwrap();
        let cursor = Cursor::read(first[PART]["nextCursor"].as_str().unwrap()).unwrap();
        let other = json!({ "list": ["x".repeat(9000), "z".repeat(9000)] });
        assert_eq!(part(other, Some(cursor), 20_000, cost).unwrap_err().code, Code::BadArgument);
        assert_eq!(part(answer, None, 8000, cost).unwrap_err().code, Code::TooLarge);
        for bad in ["", "5", "x-y", "1-zz"] {
            assert_eq!(Cursor::read(bad).unwrap_err().code, Code::BadArgument, "{bad}");
        }
    }
}
