//! Documents in JSON or YAML as trees whose values know where they stand.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser};
use serde_json::value::RawValue;

use super::{Lines, Parsed, Span};

/// Deeper values are not told.
const DEEPEST: usize = 32;
/// More values than any configuration has: the rest is not read.
const MOST: usize = 100_000;

/// A value and its place: in JSON from its key on, in YAML the line in which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string, number, boolean or null, as text without quotes.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping; of a key that stands twice the last value counts.
    Map(BTreeMap<String, Node>),
}

impl Node {
    /// The value below a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| match &node.value {
            Value::Map(map) => map.get(*key),
            _ => None,
        })
    }

    /// The text of a scalar.
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn list(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping, by key.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Node)> {
        match &self.value {
            Value::Map(map) => Some(map.iter().map(|(key, node)| (key.as_str(), node))),
            _ => None,
        }
        .into_iter()
        .flatten()
    }
}

/// The lines of a text, to find the one of an offset.
struct Places {
    spans: Vec<Span>,
}

impl Places {
    fn new(text: &[u8]) -> Self {
        Self { spans: Lines::new(text).map(|(span, _)| span).collect() }
    }

    fn between(&self, start: usize, end: usize) -> Span {
        let (start, end) = (start as u64, end as u64);
        let line = self.spans.partition_point(|span| span.start <= start) as u64;
        Span { start, end, line }
    }

    fn line(&self, line: usize) -> Span {
        self.spans.get(line.saturating_sub(1)).or(self.spans.last()).copied().unwrap_or_default()
    }
}

/// Reads a file in JSON, or else in YAML; none when it is empty or neither.
pub fn parse(file: &[u8]) -> Parsed<Option<Node>> {
    let mut parsed = Parsed::new(None);
    let places = Places::new(file);
    let Ok(text) = std::str::from_utf8(file) else {
        parsed.problem(places.line(1), "not UTF-8");
        return parsed;
    };
    if text.trim_start().is_empty() {
        return parsed;
    }
    let wrong = match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => {
            let mut budget = MOST;
            parsed.value = json(raw, text, &places, DEEPEST, &mut budget, false);
            return parsed;
        }
        Err(wrong) => wrong,
    };
    // A text that begins as JSON is not YAML by intention: the place where JSON ends tells more.
    if text.trim_start().starts_with(['{', '[']) {
        parsed.problem(places.line(wrong.line()), format!("not JSON: {wrong}"));
        return parsed;
    }
    match yaml(text, &places) {
        Ok(node) => parsed.value = node,
        Err((line, what)) => parsed.problem(places.line(line), what),
    }
    parsed
}

/// Where the key of a value begins, that is, the quote before the colon before it.
fn key_start(text: &str, value: usize) -> Option<usize> {
    let bytes = text.as_bytes().get(..value)?;
    let colon = bytes.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let inner = colon.strip_suffix(b"\"")?;
    let mut end = inner.len();
    loop {
        let quote = memchr::memrchr(b'"', inner.get(..end)?)?;
        let escapes = inner[..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
        if escapes % 2 == 0 {
            return Some(quote);
        }
        end = quote;
    }
}

fn json(raw: &RawValue, text: &str, places: &Places, depth: usize, budget: &mut usize, keyed: bool) -> Option<Node> {
    *budget = budget.checked_sub(1)?;
    let depth = depth.checked_sub(1)?;
    let source = raw.get();
    let start = (source.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let from = if keyed { key_start(text, start).unwrap_or(start) } else { start };
    let span = places.between(from, start + source.len());
    let value = match source.as_bytes().first()? {
        b'{' => {
            let map: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(source).ok()?;
            let nodes = map
                .into_iter()
                .filter_map(|(key, raw)| Some((key.into_owned(), json(raw, text, places, depth, budget, true)?)));
            Value::Map(nodes.collect())
        }
        b'[' => {
            let list: Vec<&RawValue> = serde_json::from_str(source).ok()?;
            Value::List(list.into_iter().filter_map(|raw| json(raw, text, places, depth, budget, false)).collect())
        }
        b'"' => Value::Scalar(serde_json::from_str(source).ok()?),
        _ => Value::Scalar(source.to_owned()),
    };
    Some(Node { span, value })
}

/// A collection that is not closed yet.
enum Open {
    List(Span, Vec<Node>),
    Map(Span, BTreeMap<String, Node>, Option<String>),
}

/// Reads the first YAML document. Aliases are not followed: they stand as text.
fn yaml(text: &str, places: &Places) -> Result<Option<Node>, (usize, String)> {
    let mut open: Vec<Open> = Vec::new();
    let mut budget = MOST;
    for event in Parser::new_from_str(text) {
        let (event, at) = event.map_err(|wrong| (wrong.marker().line(), format!("not YAML: {}", wrong.info())))?;
        let line = at.start.line();
        budget = budget.checked_sub(1).ok_or((line, "more values than a configuration has".to_owned()))?;
        let node = match event {
            Event::Scalar(text, ..) => Node { span: places.line(line), value: Value::Scalar(text.into_owned()) },
            Event::Alias(_) => Node { span: places.line(line), value: Value::Scalar("*".to_owned()) },
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEEPEST => {
                return Err((line, "deeper than a configuration goes".to_owned()));
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(places.line(line), Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(places.line(line), BTreeMap::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(span, items)) => Node { span, value: Value::List(items) },
                Some(Open::Map(span, map, _)) => Node { span, value: Value::Map(map) },
                None => continue,
            },
            Event::DocumentEnd => return Ok(None),
            _ => continue,
        };
        match open.last_mut() {
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, map, key)) => match key.take() {
                None => *key = Some(node.scalar().unwrap_or_default().to_owned()),
                Some(name) => drop(map.insert(name, node)),
            },
            None => return Ok(Some(node)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tree as serde_json has it, to print it from.
    fn tree() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            "[ -~]{0,12}".prop_map(serde_json::Value::from),
            any::<i32>().prop_map(serde_json::Value::from),
            any::<bool>().prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                proptest::collection::btree_map("[a-z\"\\\\ .:]{1,8}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn same(node: &Node, wanted: &serde_json::Value) -> bool {
        match (&node.value, wanted) {
            (Value::Map(map), serde_json::Value::Object(object)) => {
                map.len() == object.len()
                    && map.iter().all(|(key, node)| object.get(key).is_some_and(|wanted| same(node, wanted)))
            }
            (Value::List(items), serde_json::Value::Array(array)) => {
                items.len() == array.len() && items.iter().zip(array).all(|(node, wanted)| same(node, wanted))
            }
            (Value::Scalar(text), serde_json::Value::String(wanted)) => text == wanted,
            (Value::Scalar(text), wanted) => {
                serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value == *wanted)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn json_is_parsed_back(wanted in tree(), pretty in any::<bool>()) {
            let printed = if pretty { serde_json::to_string_pretty(&wanted) } else { serde_json::to_string(&wanted) }.unwrap();
            let node = parse(printed.as_bytes()).value.unwrap();
            prop_assert!(same(&node, &wanted), "{:?}", node);
            for (key, node) in node.entries() {
                let cited = &printed[node.span.start as usize..node.span.end as usize];
                prop_assert!(cited.starts_with(&serde_json::to_string(key).unwrap()), "{}", cited);
            }
        }

        #[test]
        fn yaml_is_parsed_back(entries in proptest::collection::btree_map("[a-z][a-z-]{0,8}", ("[ -~]{0,12}", proptest::collection::vec("[a-z0-9/.-]{1,8}", 0..3)), 1..5)) {
            let mut printed = String::new();
            for (key, (word, items)) in &entries {
                printed += &format!("{key}:\n  word: {}\n  items:{}\n", serde_json::to_string(word).unwrap(), if items.is_empty() { " []" } else { "" });
                for item in items {
                    printed += &format!("  - \"{item}\"\n");
                }
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0, "{:?}", parsed.problems);
            let node = parsed.value.unwrap();
            for (key, (word, items)) in &entries {
                prop_assert_eq!(node.at(&[key, "word"]).and_then(Node::scalar), Some(word.as_str()));
                let list = node.at(&[key, "items"]).unwrap().list();
                prop_assert_eq!(list.len(), items.len());
                for (node, item) in list.iter().zip(items) {
                    let cited = &printed[node.span.start as usize..node.span.end as usize];
                    prop_assert_eq!(cited, format!("  - \"{item}\""));
                }
            }
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100), text in "[{}\\[\\]a-z:,\"&*!|> \n-]{0,100}") {
            parse(&file);
            parse(text.as_bytes());
        }
    }

    #[test]
    fn depth_and_width_are_bounded() {
        assert!(parse("[".repeat(200_000).as_bytes()).value.is_none());
        assert!(parse(("- ".repeat(5_000) + "a").as_bytes()).value.is_none());
        let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        assert_eq!(parse(bomb.as_bytes()).value.unwrap().at(&["c"]).unwrap().list()[0].scalar(), Some("*"));
    }

    #[test]
    fn what_is_neither_is_told_with_its_line() {
        let parsed = parse(b"{\n  \"maxPods\": 29,\n  \"clusterDNS\": [\n");
        assert_eq!((parsed.value, parsed.problems[0].span.line), (None, 3));
        assert_eq!(parse(b"").problem_count, 0);
    }
}
