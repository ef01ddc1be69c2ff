//! Text of a bundle on a terminal: nothing in it may move the cursor, change colours or reorder what is read.

/// Escapes control characters and the marks that reorder or hide text; a tab stays a blank.
pub(crate) fn neutral(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => safe.push(' '),
            c if c.is_control() || is_invisible(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Bidirectional controls, zero-width characters, tags and other format characters (Unicode category Cf and separators).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The beginning of a text, cut at a character, with a mark if something is missing.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(neutral("a\u{1b}[2Jb\rc\u{7}"), "a\\u{1b}[2Jb\\u{d}c\\u{7}");
        assert_eq!(neutral("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
        assert_eq!(neutral("grün\tok"), "grün ok");
    }

    #[test]
    fn shortening_cuts_no_character() {
        assert_eq!(shortened("grün", 3), "grü...");
        assert_eq!(shortened("grün", 4), "grün");
    }
}
