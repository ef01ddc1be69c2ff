//! What is searched for: a regex that runs in linear time, or an error that says how to write it.

use std::fmt;

use grep_matcher::{LineMatchKind, Matcher as _};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use regex_syntax::{ast, hir};

use super::needle::Needle;

/// The longest query, in characters.
pub const LONGEST_QUERY: usize = 500;
/// What a compiled query may take. The engine's time is (size of the query) x (size of the text): this bounds the first.
const COMPILED: usize = 4 << 20;
/// What the lazily built automaton may take, for each thread.
const CACHE: usize = 8 << 20;

/// A compiled query.
#[derive(Clone, Debug)]
pub struct Query {
    text: String,
    matcher: RegexMatcher,
    /// For files whose lines end with `\r\n`.
    crlf: RegexMatcher,
    /// What is looked for first.
    needle: Option<Needle>,
}

/// Why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct QueryError {
    /// What is wrong.
    pub message: String,
    /// Where: a character of the query, 0-based.
    pub position: Option<usize>,
    /// What helps.
    pub hint: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => {
                write!(f, "the query is not a valid regex: at character {}: {}", position + 1, self.message)
            }
            None => write!(f, "the query cannot be used: {}", self.message),
        }
    }
}

impl Query {
    /// Compiles a query. `^` and `$` stand for the ends of lines; in a file whose first line ends with `\r\n`, the `\r` is no part
    /// of a line.
    ///
    /// # Errors
    /// What is no regex, what needs more than linear time (look-around, back-references), what is too long or compiles to too much.
    pub fn new(text: &str, case_sensitive: bool) -> Result<Self, QueryError> {
        let refuse = |message: String, hint: &str| QueryError { message, position: None, hint: hint.to_owned() };
        if text.is_empty() {
            return Err(refuse("it is empty".to_owned(), "give a regex, such as oom or fail(ed|ure)"));
        }
        let length = text.chars().count();
        if length > LONGEST_QUERY {
            return Err(refuse(
                format!("it has {length} characters, and {LONGEST_QUERY} is the most"),
                "search for a shorter part of it, or run several searches",
            ));
        }
        let parsed =
            regex_syntax::ParserBuilder::new().utf8(false).case_insensitive(!case_sensitive).build().parse(text);
        let needle = match parsed {
            // With regard to case the regex's own search for a literal is as fast.
            Ok(query) => Needle::of(&query).filter(|_| !case_sensitive),
            Err(why) => return Err(syntax(text, &why)),
        };
        let mut builder = RegexMatcherBuilder::new();
        builder.case_insensitive(!case_sensitive).multi_line(true).line_terminator(Some(b'\n'));
        builder.size_limit(COMPILED).dfa_size_limit(CACHE);
        match builder.build(text) {
            Ok(matcher) => {
                // A query that asks for `\r` itself has to be taken literally.
                let crlf = builder.crlf(true).build(text).unwrap_or_else(|_| matcher.clone());
                Ok(Self { text: text.to_owned(), matcher, crlf, needle })
            }
            Err(why) if why.to_string().contains("size limit") => Err(refuse(
                format!("compiled, it takes more than {} KiB", COMPILED >> 10),
                "make the counted repetitions smaller ({1,500} inside {1,500} is 250 000 copies), or use * or + instead",
            )),
            Err(why) if why.to_string().contains("not allowed") => Err(refuse(
                "it asks for a line break, and lines are searched one by one".to_owned(),
                "search for one of the lines, and read around its matches",
            )),
            Err(why) => Err(refuse(why.to_string(), "write it in another way")),
        }
    }

    /// The query as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The query for files whose lines end with `\r\n`, or for others.
    pub(super) fn lines(&self, crlf: bool) -> Lines<'_> {
        Lines(if crlf { &self.crlf } else { &self.matcher }, self.needle.as_ref())
    }
}

/// A query over lines.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a>(&'a RegexMatcher, Option<&'a Needle>);

impl Lines<'_> {
    /// A place in or before the first line that matches, and whether that line surely does.
    pub(super) fn candidate(self, lines: &[u8]) -> Option<(usize, bool)> {
        if let Some(needle) = self.1 {
            return needle.find(lines).map(|at| (at, false));
        }
        // The matcher's error type is uninhabited.
        match self.0.find_candidate_line(lines).ok()?? {
            LineMatchKind::Confirmed(at) => Some((at, true)),
            LineMatchKind::Candidate(at) => Some((at, false)),
        }
    }

    pub(super) fn matches(self, line: &[u8]) -> bool {
        self.0.is_match(line).unwrap_or(false)
    }

    /// Where the first match behind `at` ends at the earliest.
    pub(super) fn earliest_end(self, text: &[u8], at: usize) -> Option<usize> {
        self.0.shortest_match_at(text, at).unwrap_or(None)
    }

    /// Where the first match starts.
    pub(super) fn first(self, line: &[u8]) -> Option<usize> {
        self.0.find(line).ok()?.map(|found| found.start())
    }
}

/// The reason for which a regex is refused, where, and what to write instead.
fn syntax(text: &str, why: &regex_syntax::Error) -> QueryError {
    let (message, offset, hint) = match why {
        regex_syntax::Error::Parse(why) => {
            let (message, hint) = of_ast(why.kind(), text.get(why.span().start.offset..).unwrap_or_default());
            (message, why.span().start.offset, hint)
        }
        regex_syntax::Error::Translate(why) => {
            (why.kind().to_string(), why.span().start.offset, of_hir(why.kind()).to_owned())
        }
        other => (other.to_string(), 0, "write it in another way".to_owned()),
    };
    let position = text.get(..offset).map_or(0, |before| before.chars().count());
    QueryError { message, position: Some(position), hint }
}

const LINEAR: &str = "because the search promises to end in time that is linear in the log";

fn of_ast(kind: &ast::ErrorKind, rest: &str) -> (String, String) {
    use ast::ErrorKind as Kind;
    let told = |hint: &str| (kind.to_string(), hint.to_owned());
    match kind {
        Kind::UnsupportedLookAround => (
            format!("look-around ((?=, (?!, (?<=, (?<!) is not supported, {LINEAR}"),
            "try without it: match the text around as well (`a.*b`), or search for the wider pattern and drop lines afterwards"
                .to_owned(),
        ),
        Kind::UnsupportedBackreference => (
            format!("back-references (\\1) are not supported, {LINEAR}"),
            "try to write the alternatives out, or search for the wider pattern and compare afterwards".to_owned(),
        ),
        Kind::GroupUnclosed | Kind::GroupUnopened => {
            told("a parenthesis has no partner; a literal one is written \\( or \\)")
        }
        Kind::ClassUnclosed | Kind::ClassRangeInvalid | Kind::ClassRangeLiteral | Kind::ClassEscapeInvalid => {
            told("[ begins a class such as [0-9]; a literal one is written \\[, and - stands at its end")
        }
        Kind::RepetitionMissing => told("nothing stands before it to be repeated; a literal *, + or ? is written \\*, \\+ or \\?"),
        Kind::RepetitionCountUnclosed
        | Kind::RepetitionCountInvalid
        | Kind::RepetitionCountDecimalEmpty
        | Kind::DecimalEmpty
        | Kind::DecimalInvalid => told("{ begins a counted repetition such as {2,5}; a literal one is written \\{"),
        Kind::EscapeUnrecognized if rest.starts_with("\\Z") => told("the end of a line is written $"),
        Kind::EscapeUnrecognized | Kind::EscapeUnexpectedEof | Kind::EscapeHexInvalid | Kind::EscapeHexEmpty => {
            told("a literal backslash is written \\\\; letters are not escaped")
        }
        Kind::FlagUnrecognized if rest.starts_with('>') || rest.starts_with("?>") => (
            format!("atomic groups ((?>) are not supported, {LINEAR}"),
            "try an ordinary group: without backtracking it finds the same lines or more".to_owned(),
        ),
        Kind::NestLimitExceeded(_) => told("nest fewer groups"),
        _ => told("a character that has a meaning of its own is written with a backslash before it"),
    }
}

fn of_hir(kind: &hir::ErrorKind) -> &'static str {
    match kind {
        hir::ErrorKind::UnicodePropertyNotFound | hir::ErrorKind::UnicodePropertyValueNotFound => {
            "classes are such as \\d, \\w, \\s or \\p{Greek}; a literal backslash is written \\\\"
        }
        _ => "write it in another way",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_refused_says_where_and_what_to_write() {
        for (query, position, word, hint) in [
            ("a(b", Some(1), "unclosed group", "\\("),
            ("über)", Some(4), "unopened group", "\\)"),
            ("*a", Some(0), "repetition operator", "\\*"),
            ("a[b", Some(1), "unclosed character class", "\\["),
            ("a{2", Some(1), "unclosed counted repetition", "\\{"),
            (r"a\q", Some(1), "unrecognized escape", "\\\\"),
            (r"foo\Z", Some(3), "unrecognized escape", "$"),
            ("foo(?=bar)", Some(3), "look-around", "try without it"),
            ("(?<!x)foo", Some(0), "look-around", "try without it"),
            (r"(a)\1", Some(3), "back-references", "try to write"),
            ("(?>a+)b", Some(2), "atomic groups", "ordinary group"),
            (r"\p{Klingon}", Some(0), "Unicode", "\\p{Greek}"),
            ("", None, "empty", "give a regex"),
            ("a\\nb", None, "line break", "one of the lines"),
            (".{1,500}{1,500}", None, "more than 4096 KiB", "repetitions smaller"),
        ] {
            let why = Query::new(query, false).expect_err(query);
            assert_eq!(why.position, position, "{query}: {why:?}");
            assert!(why.to_string().contains(word), "{query}: {why}");
            assert!(why.hint.contains(hint), "{query}: {why:?}");
        }
        assert!(Query::new(&"a".repeat(501), false).is_err());
        assert!(Query::new(&"ä".repeat(500), false).is_ok());
    }

    #[test]
    fn what_explodes_elsewhere_is_linear_here() {
        let text = [vec![b'a'; 200_000], b"!".to_vec()].concat();
        for query in ["(a+)+$", "(a|a)*c$", "(x*)*y", "(a*)*b", "(.*)(.*)(.*)(.*)[^a!]"] {
            assert!(!Query::new(query, false).unwrap().lines(false).matches(&text), "{query}");
        }
    }

    #[test]
    fn the_end_of_a_line_is_before_its_carriage_return() {
        let query = Query::new("fail$", false).unwrap();
        assert!(query.lines(true).matches(b"it did FAIL\r\n"));
        assert!(!query.lines(false).matches(b"it did FAIL\r\n"));
        for crlf in [false, true] {
            assert!(query.lines(crlf).matches(b"it did fail"));
            assert!(!query.lines(crlf).matches(b"fails\n"));
        }
        assert!(Query::new("fail\\r$", false).unwrap().lines(true).matches(b"it did fail\r\n"));
    }

    proptest! {
        #[test]
        fn any_text_compiles_or_is_refused(text in "[a-c\\\\(){}\\[\\]?*+.^$|0-9<=!>ä-]{0,30}") {
            if let Err(why) = Query::new(&text, false) {
                prop_assert!(!why.hint.is_empty() && !why.message.is_empty());
                prop_assert!(why.position.is_none_or(|at| at <= text.chars().count()));
            }
        }
    }
}
