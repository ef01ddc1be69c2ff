//! Words, numbers and sizes of a line, and tables whose header names their columns.

use std::str::FromStr;

/// The words of a line; what was not taken yet is its rest.
#[derive(Clone, Debug)]
pub(crate) struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// What follows the last word, without the one blank behind it.
    pub(crate) fn rest(&self) -> &'a [u8] {
        match self.rest.first() {
            Some(b' ' | b'\t') => &self.rest[1..],
            _ => self.rest,
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.rest.trim_ascii_start();
        if line.is_empty() {
            self.rest = line;
            return None;
        }
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        self.rest = &line[end..];
        Some(&line[..end])
    }
}

/// Bytes as text; what is no UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A number that is the whole word.
pub(crate) fn number<T: FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// A number of bytes (or inodes) as df, du and lsblk print it for people: powers of 1024, one letter.
pub(crate) fn size(word: &[u8]) -> Option<u64> {
    let word = word.strip_suffix(b"iB").or_else(|| word.strip_suffix(b"B")).unwrap_or(word);
    let (digits, unit) = match word.split_last()? {
        (unit, digits) if unit.is_ascii_alphabetic() => (digits, *unit),
        _ => (word, b'B'),
    };
    let power = b"BKMGTPEZY".iter().position(|known| *known == unit.to_ascii_uppercase())?;
    if !digits.first()?.is_ascii_digit() || digits.iter().any(|byte| !byte.is_ascii_digit() && *byte != b'.') {
        return None;
    }
    if power == 0 {
        return number(digits);
    }
    let value: f64 = number(digits)?;
    Some((value * 1024f64.powi(i32::try_from(power).ok()?)) as u64)
}

/// Where two byte strings meet.
pub(crate) fn find(line: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(line, needle)
}

/// The columns that a header names; the last one takes what is left of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    names: Vec<String>,
}

impl Columns {
    pub(crate) fn header(line: &[u8]) -> Self {
        Self { names: Words::new(line).map(text).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Puts a row's cells into `cells`: false when it has fewer than the header.
    pub(crate) fn row<'a>(&self, line: &'a [u8], cells: &mut Vec<&'a [u8]>) -> bool {
        cells.clear();
        let mut words = Words::new(line);
        for _ in 1..self.names.len() {
            match words.next() {
                Some(word) => cells.push(word),
                None => return false,
            }
        }
        cells.push(words.rest());
        !self.names.is_empty() && cells.last().is_some_and(|cell| !cell.trim_ascii().is_empty())
    }
}

/// The cell of a column that the header may lack.
pub(crate) fn cell<'a>(cells: &[&'a [u8]], index: Option<usize>) -> Option<&'a [u8]> {
    cells.get(index?).copied()
}

/// What a line says when a tool could not do its work: output and errors share many files.
pub(crate) fn complaint(line: &[u8]) -> Option<&'static str> {
    const SAID: [(&[u8], &str); 11] = [
        (b"failed to run command", "the tool is not installed"),
        (b"command not found", "the tool is not installed"),
        (b"not installed", "the tool is not installed"),
        (b"executable file not found", "the tool is not installed"),
        (b"Permission denied", "the tool was refused"),
        (b"Operation not permitted", "the tool was refused"),
        (b"System has not been booted with systemd", "the node does not run systemd"),
        (b"Failed to connect to bus", "systemd did not answer"),
        (b"Failed to list units", "systemd did not answer"),
        (b"failed to dial", "the daemon did not answer"),
        (b"connection error", "the daemon did not answer"),
    ];
    SAID.iter().find(|(phrase, _)| find(line, phrase).is_some()).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size(b"80G"), Some(80 << 30));
        assert_eq!(size(b"1.5K"), Some(1536));
        assert_eq!(size(b"0"), Some(0));
        assert_eq!(size(b"512B"), Some(512));
        assert_eq!(size(b"31.5MiB"), Some(63 << 19));
        for none in [&b""[..], b"-", b"G", b"1,5G", b"1e9", b"G1", b"1Q"] {
            assert_eq!(size(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_last_column_takes_the_rest() {
        let columns = Columns::header(b"  PID TTY  COMMAND");
        let mut cells = Vec::new();
        assert!(columns.row(b" 12 ?   \\_ sh -c x ", &mut cells));
        assert_eq!(cells, [&b"12"[..], b"?", b"  \\_ sh -c x "]);
        assert!(!columns.row(b" 12 ?", &mut cells));
    }
}
