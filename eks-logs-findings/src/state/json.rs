//! JSON with places: documents one behind another, text between them, documents that were cut.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Parsed, Span};

/// A text and where its lines begin.
pub(super) struct Places<'a> {
    text: &'a [u8],
    newlines: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, newlines: memchr::memchr_iter(b'\n', text).collect() }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let line = self.newlines.partition_point(|newline| *newline < start) as u64 + 1;
        Span { start: start as u64, end: end as u64, line }
    }

    /// Where a part of the text stands; the whole text for anything else.
    pub(super) fn of(&self, part: &str) -> Span {
        let start = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        let start = start.filter(|start| start + part.len() <= self.text.len());
        start.map_or_else(|| self.span(0, self.text.len()), |start| self.span(start, start + part.len()))
    }

    /// Where a member of an object stands, with its name: `"NAME": value`.
    pub(super) fn member(&self, name: &str, value: &RawValue) -> Span {
        let place = self.of(value.get());
        let quoted = format!("\"{name}\"");
        // The name stands right before its value, with nothing but a colon and white space between.
        let before = &self.text[..place.start as usize];
        let between = before.iter().rev().take_while(|byte| byte.is_ascii_whitespace() || **byte == b':').count();
        let end = before.len() - between;
        let start = end.saturating_sub(quoted.len());
        if &before[start..end] == quoted.as_bytes() { self.span(start, place.end as usize) } else { place }
    }

    /// Where the name of a member stands.
    pub(super) fn name(&self, name: &str, value: &RawValue) -> Span {
        let member = self.member(name, value);
        self.span(member.start as usize, (member.start as usize + name.len() + 2).min(member.end as usize))
    }
}

/// The documents of a text, in order; what is none of them is a problem.
pub(super) fn documents<'a, T>(places: &Places<'a>, parsed: &mut Parsed<T>) -> Vec<&'a RawValue> {
    let text = places.text;
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].iter().position(|byte| !byte.is_ascii_whitespace()).map(|skip| at + skip) {
        let line_end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |length| start + length);
        if !matches!(text[start], b'{' | b'[' | b'"') {
            parsed.problem(places.span(start, line_end), "text that is not JSON");
            at = line_end;
            continue;
        }
        let mut stream = serde_json::Deserializer::from_slice(&text[start..]).into_iter::<&RawValue>();
        match stream.next() {
            Some(Ok(document)) => {
                found.push(document);
                at = start + stream.byte_offset();
            }
            Some(Err(why)) => {
                let kind = if why.is_eof() { "a JSON document that was cut" } else { "JSON that cannot be read" };
                parsed.problem(places.span(start, line_end), format!("{kind}: {why}"));
                at = resume(text, start, &why).unwrap_or(text.len());
            }
            None => break,
        }
    }
    found
}

/// Where the next document may start after one that broke off: an aborted collection leaves half of one, and the next is appended.
fn resume(text: &[u8], start: usize, why: &serde_json::Error) -> Option<usize> {
    let broke = (1..why.line()).try_fold(start, |at, _| Some(at + memchr::memchr(b'\n', &text[at..])? + 1))?;
    let broke = (broke + why.column()).min(text.len());
    let opened = memchr::memrchr2(b'{', b'[', &text[start + 1..broke.max(start + 1)]).map(|skip| start + 1 + skip);
    let whole = |at: &usize| {
        let mut stream = serde_json::Deserializer::from_slice(&text[*at..]).into_iter::<&RawValue>();
        stream.next().is_some_and(|document| document.is_ok())
            && text[*at + stream.byte_offset()..].iter().all(u8::is_ascii_whitespace)
    };
    let next_line = || memchr::memchr(b'\n', &text[start..]).map(|length| start + length + 1);
    // Inside a document any bracket opens something; only one that carries to the end of the file is the next document.
    opened.filter(|_| !why.is_eof()).filter(whole).or_else(|| {
        let mut at = next_line()?;
        while !matches!(text.get(at), None | Some(b'{' | b'[')) {
            at += memchr::memchr(b'\n', &text[at..])? + 1;
        }
        Some(at)
    })
}

/// The last document: what an aborted collection left before it does not count.
pub(super) fn last<'a, T>(places: &Places<'a>, parsed: &mut Parsed<T>) -> Option<&'a RawValue> {
    let documents = documents(places, parsed);
    if let [.., _, last] = documents.as_slice() {
        parsed.problem(places.of(last.get()), "an aborted collection left its document above; this one counts");
    }
    documents.last().copied()
}

/// A value of a known shape; `None` with a problem if it has another.
pub(super) fn read<V: DeserializeOwned, T>(places: &Places<'_>, parsed: &mut Parsed<T>, raw: &RawValue) -> Option<V> {
    match serde_json::from_str(raw.get()) {
        Ok(value) => Some(value),
        Err(why) => {
            parsed.problem(places.of(raw.get()), format!("unexpected JSON: {why}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, u64) {
        let mut parsed = Parsed::new(());
        let places = Places::new(text.as_bytes());
        let found = documents(&places, &mut parsed);
        (found.iter().map(|document| document.get().to_owned()).collect(), parsed.problem_count)
    }

    #[test]
    fn documents_between_other_text() {
        assert_eq!(read(""), (vec![], 0));
        assert_eq!(read("{\"a\":1}{\"a\":2}\n[3]"), (vec!["{\"a\":1}".into(), "{\"a\":2}".into(), "[3]".into()], 0));
        assert_eq!(read("ctr: not found\n{\"a\":\n1}\nWARN\n"), (vec!["{\"a\":\n1}".into()], 2));
    }

    #[test]
    fn half_a_document_before_a_whole_one() {
        assert_eq!(read("{\"a\":{\"b\":1,\"co{\"a\":{\"b\":2}}"), (vec!["{\"a\":{\"b\":2}}".into()], 1));
        assert_eq!(read("{\n \"a\": {\n  \"b\n{\n \"a\": 2\n}\n"), (vec!["{\n \"a\": 2\n}".into()], 1));
        assert_eq!(read("{\"a\":{\"b\":1"), (vec![], 1));
    }

    #[test]
    fn places_of_members() {
        let text = "{\n \"a\" : {\"b\": [1]}}";
        let places = Places::new(text.as_bytes());
        let outer: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap();
        let member = places.member("a", outer["a"]);
        assert_eq!((&text[member.start as usize..member.end as usize], member.line), ("\"a\" : {\"b\": [1]}", 2));
        let name = places.name("a", outer["a"]);
        assert_eq!(&text[name.start as usize..name.end as usize], "\"a\"");
    }
}
