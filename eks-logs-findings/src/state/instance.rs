//! Files of one word: system/instance-id.txt, system/region.txt, system/availability-zone.txt. When the metadata service gives no
//! answer they hold its error page, or nothing.

use super::words::text;
use super::{Lines, Parsed, Span};

/// The word, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it stands.
    pub span: Span,
    /// The word.
    pub text: String,
}

/// Reads the file; none for an empty one.
pub fn parse(file: &[u8]) -> Parsed<Option<Word>> {
    let mut parsed = Parsed::new(None);
    for (span, line) in Lines::new(file) {
        let word = line.trim_ascii();
        if word.is_empty() {
            continue;
        }
        let plain = word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        if plain && parsed.value.is_none() && parsed.problem_count == 0 {
            parsed.value = Some(Word { span, text: text(word) });
        } else {
            parsed.value = None;
            parsed.problem(span, "not one word: perhaps an error page of the metadata service");
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(word in "[a-z0-9-]{1,30}") {
            let parsed = parse(format!("{word}\n").as_bytes());
            prop_assert_eq!(parsed.value.unwrap().text, word);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse(&file);
        }
    }

    #[test]
    fn an_error_page_is_no_word() {
        let parsed = parse(b"<?xml version=\"1.0\"?>\n<html>\n404\n");
        assert_eq!((parsed.value, parsed.problem_count), (None, 3));
        assert_eq!(parse(b"\n"), Parsed::new(None));
    }
}
