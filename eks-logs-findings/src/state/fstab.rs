//! fstab(5): what the node mounts at boot.

use super::words::{Words, text};
use super::{Lines, Parsed, Span};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub span: Span,
    /// The device, `UUID=...`, `LABEL=...` or `server:/path`.
    pub device: String,
    /// Where it is mounted; `none` or `swap` for swap.
    pub target: String,
    /// The type.
    pub fs_type: String,
    /// The options, separated by commas.
    pub options: String,
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Vec<Entry>> {
    let mut parsed = Parsed::new(Vec::new());
    for (span, line) in Lines::new(file) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let mut words = Words::new(line);
        match (words.next(), words.next(), words.next()) {
            (Some(device), Some(target), Some(fs_type)) => parsed.value.push(Entry {
                span,
                device: text(device),
                target: text(target),
                fs_type: text(fs_type),
                options: words.next().map_or_else(|| "defaults".to_owned(), text),
            }),
            _ => parsed.problem(span, "not an entry of fstab"),
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
        fn what_is_printed_is_parsed_back(entries in proptest::collection::vec(("[A-Z/][a-zA-Z0-9=/-]{0,20}", "/[a-z/]{0,9}", "[a-z0-9]{1,5}", "[a-z,=.-]{1,20}"), 0..6)) {
            let mut printed = String::from("#\n");
            let mut wanted = Vec::new();
            for (device, target, fs_type, options) in entries {
                printed += &format!("{device}  {target}\t{fs_type}   {options} 0 2\n");
                wanted.push(Entry { span: Span::default(), device, target, fs_type, options });
            }
            let back: Vec<_> = parse(printed.as_bytes()).value.into_iter().map(|entry| Entry { span: Span::default(), ..entry }).collect();
            prop_assert_eq!(back, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse(&file);
        }
    }
}
