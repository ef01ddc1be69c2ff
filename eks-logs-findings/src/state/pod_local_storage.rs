//! storage/pod_local_storage.txt: `du -sh` of the writable layer of each running container.

use super::words::{Words, complaint, size, text};
use super::{Lines, Parsed, Span};

/// One writable layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Where it stands.
    pub span: Span,
    /// What the container wrote, rounded as printed.
    pub bytes: u64,
    /// The directory of the snapshot.
    pub path: String,
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Vec<Layer>> {
    let mut parsed = Parsed::new(Vec::new());
    for (span, line) in Lines::new(file) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let mut words = Words::new(line);
        let bytes = words.next().and_then(size);
        match (bytes, words.rest()) {
            (Some(bytes), path) if path.starts_with(b"/") => parsed.value.push(Layer { span, bytes, path: text(path) }),
            _ => parsed.problem(span, complaint(line).unwrap_or("not a size and a path of du")),
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
        fn what_is_printed_is_parsed_back(layers in proptest::collection::vec((0..1023u64, "[KMGT]", "/[a-z0-9/. ]{0,30}"), 0..6)) {
            let mut printed = String::new();
            let mut wanted = Vec::new();
            for (count, unit, path) in layers {
                printed += &format!("{count}{unit}\t{path}\n");
                let power = "KMGT".find(&unit).unwrap() as u32 + 1;
                wanted.push(Layer { span: Span::default(), bytes: count << (10 * power), path });
            }
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            let back: Vec<_> = parsed.value.into_iter().map(|layer| Layer { span: Span::default(), ..layer }).collect();
            prop_assert_eq!(back, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..100)) {
            parse(&file);
        }
    }

    #[test]
    fn a_message_of_du_is_no_layer() {
        let parsed = parse(b"du: cannot access '/x/fs': No such file or directory\n4.0K\t/x/fs\n");
        assert_eq!((parsed.value.len(), parsed.value[0].bytes, parsed.problem_count), (1, 4096, 1));
    }
}
