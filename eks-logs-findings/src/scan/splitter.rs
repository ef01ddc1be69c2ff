//! Cutting a file into blocks of whole lines, wherever its bytes come from and in whatever pieces: sans I/O.

/// Bytes of a block. Memory is a few of these, whatever the size of the file.
pub(super) const BLOCK: usize = 1 << 20;
/// What a piece of an overlong line repeats of the piece before, so that a phrase on the cut is found.
pub(super) const OVERLAP: usize = 4 << 10;
/// Bytes in front of a block that it carries along, to be looked back at and not to be scanned again.
pub(super) const CONTEXT: usize = 8 << 10;

/// Takes bytes and gives blocks that end behind a newline; where a line is longer than a block, pieces of it.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    buffer: Vec<u8>,
    filled: usize,
    /// Offset in the file of the first byte of `buffer`.
    start: u64,
    /// Bytes at the start of `buffer` that are context.
    context: usize,
    /// Bytes behind the context that were in the last block too.
    repeated: usize,
    /// Blocks that ended inside a line.
    pub(super) overlong: bool,
}

/// A block with its context, and the offset at which the context starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) start: u64,
    /// Bytes of `data` in front of the block.
    pub(super) context: usize,
    pub(super) data: Vec<u8>,
}

impl Splitter {
    /// Begins a file with a buffer to reuse.
    pub(super) fn begin(&mut self, buffer: Vec<u8>) {
        *self = Splitter { buffer, ..Splitter::default() };
        self.buffer.resize(BLOCK, 0);
    }

    /// Where the next bytes go; never empty.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Bytes of the file so far.
    pub(super) fn position(&self) -> u64 {
        self.start + self.filled as u64
    }

    /// The file's first bytes, as long as no block has been cut.
    pub(super) fn peek(&self) -> &[u8] {
        &self.buffer[..self.buffer.len().min(4)]
    }

    /// Takes everything back that was written, with `count` bytes that are in `space`: it was not text.
    pub(super) fn take_back(&mut self, count: usize) -> Vec<u8> {
        let taken = self.buffer[..self.filled + count].to_vec();
        self.filled = 0;
        taken
    }

    /// `count` bytes were written to `space`; a full buffer yields a block and goes on in `next`.
    pub(super) fn filled(&mut self, count: usize, next: impl FnOnce() -> Vec<u8>) -> Option<Cut> {
        self.filled += count;
        if self.filled < self.buffer.len() {
            return None;
        }
        let line_end = memchr::memrchr(b'\n', &self.buffer[self.context..]).map(|newline| self.context + newline + 1);
        // Nothing but the repeated bytes may be carried over, or a block would never get smaller.
        let (end, carried) = match line_end {
            Some(end) => (end, end),
            None => {
                self.overlong = true;
                (self.filled, self.filled - OVERLAP)
            }
        };
        let context = carried.min(CONTEXT);
        let mut buffer = next();
        buffer.resize(context + BLOCK, 0);
        let kept = carried - context;
        let rest = self.filled - kept;
        buffer[..rest].copy_from_slice(&self.buffer[kept..self.filled]);
        let mut data = std::mem::replace(&mut self.buffer, buffer);
        data.truncate(end);
        let cut = Cut { start: self.start, context: self.context, data };
        self.start += kept as u64;
        self.filled = rest;
        self.context = context;
        self.repeated = end - carried;
        Some(cut)
    }

    /// The file is over: the last block, unless nothing is left, and otherwise the unused buffer.
    pub(super) fn finish(&mut self) -> Result<Cut, Vec<u8>> {
        let mut data = std::mem::take(&mut self.buffer);
        if self.filled <= self.context + self.repeated {
            return Err(data);
        }
        data.truncate(self.filled);
        Ok(Cut { start: self.start, context: self.context, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(content: &[u8], pieces: &[usize]) -> Vec<Cut> {
        let mut splitter = Splitter::default();
        splitter.begin(Vec::new());
        let (mut cuts, mut at, mut piece) = (Vec::new(), 0, 0);
        while at < content.len() {
            let space = splitter.space();
            let count = space.len().min(content.len() - at).min(pieces[piece % pieces.len()].max(1));
            space[..count].copy_from_slice(&content[at..at + count]);
            cuts.extend(splitter.filled(count, Vec::new));
            at += count;
            piece += 1;
        }
        cuts.extend(splitter.finish());
        cuts
    }

    /// Lines of many lengths, some longer than a block.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![8 => 0_usize..3000, 1 => (BLOCK - 5)..(BLOCK + 5), 1 => (2 * BLOCK)..(2 * BLOCK + 9)];
        (proptest::collection::vec(line, 0..12), any::<bool>()).prop_map(|(lengths, newline)| {
            let mut content = Vec::new();
            for (number, length) in lengths.iter().enumerate() {
                content.extend(std::iter::repeat_n(b'a' + (number % 26) as u8, *length));
                content.push(b'\n');
            }
            if !newline {
                content.pop();
            }
            content
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn blocks_tile_the_file_and_do_not_depend_on_the_pieces(
            content in content(), pieces in proptest::collection::vec(1_usize..BLOCK, 1..4),
        ) {
            let cuts = split(&content, &pieces);
            prop_assert_eq!(&cuts, &split(&content, &[BLOCK]));
            let mut covered = 0_usize;
            for cut in &cuts {
                let start = cut.start as usize + cut.context;
                prop_assert_eq!(cut.context, start.min(CONTEXT));
                prop_assert_eq!(&cut.data[..cut.context], &content[start - cut.context..start]);
                let body = &cut.data[cut.context..];
                prop_assert!(start == covered || (start + OVERLAP == covered && !content[start..covered].contains(&b'\n')));
                prop_assert_eq!(body, &content[start..start + body.len()]);
                covered = start + body.len();
                let whole = covered == content.len() || body.ends_with(b"\n");
                prop_assert!(whole || !body.contains(&b'\n'));
            }
            prop_assert_eq!(covered, content.len());
        }
    }
}
