//! Cutting a file into blocks of whole lines, wherever its bytes come from and in whatever pieces: sans I/O.

/// Bytes of a block. Memory is a few of these, whatever the size of the file.
pub const BLOCK: usize = 1 << 20;
/// The least bytes of the buffer with which a file begins. Most files are small, and a buffer is zeroed before it is written to.
const FIRST: usize = 4 << 10;
/// What a piece of an overlong line repeats of the piece before, so that a phrase on the cut is found.
pub const OVERLAP: usize = 4 << 10;

/// Takes bytes and gives blocks that end behind a newline; where a line is longer than the longest that is held, pieces of it.
///
/// Where it cuts depends on the bytes alone, never on the pieces in which they arrive.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    filled: usize,
    /// Offset in the file of the first byte of `buffer`.
    start: u64,
    /// Bytes at the start of `buffer` that are context.
    context: usize,
    /// Bytes behind the context that were in the last block too.
    repeated: usize,
    /// The longest line that is kept whole, in bytes.
    longest: usize,
    /// Bytes in front of a block that it carries along.
    carries: usize,
    /// Some block ended inside a line.
    overlong: bool,
}

/// A block with its context, and the offset at which the context starts.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    /// Offset in the file of the first byte of `data`.
    pub start: u64,
    /// Bytes of `data` in front of the block: to be looked back at, and in the block before.
    pub context: usize,
    /// The context, then whole lines, or a piece of one line that is longer than the longest that is held.
    pub data: Vec<u8>,
}

impl Splitter {
    /// One that keeps lines whole up to `longest` bytes (a block at least), and whose blocks carry no context.
    pub fn holding(longest: usize) -> Self {
        let longest = longest.max(BLOCK);
        Self { buffer: Vec::new(), filled: 0, start: 0, context: 0, repeated: 0, longest, carries: 0, overlong: false }
    }

    /// Has blocks carry up to `bytes` of what is in front of them.
    #[must_use]
    pub fn with_context(mut self, bytes: usize) -> Self {
        self.carries = bytes;
        self
    }

    /// Begins a file with a buffer to reuse. `expected` says how many bytes it has, as far as that is known: where it cuts does not depend
    /// on it.
    pub fn begin(&mut self, buffer: Vec<u8>, expected: u64) {
        *self = Splitter { buffer, ..Splitter::holding(self.longest).with_context(self.carries) };
        // One byte more than the file: its end is seen with room to spare.
        let first = usize::try_from(expected).map_or(BLOCK, |expected| expected.saturating_add(1));
        self.buffer.resize(first.clamp(FIRST, BLOCK), 0);
    }

    /// Whether some line of the file was longer than the longest that is held.
    pub fn overlong(&self) -> bool {
        self.overlong
    }

    /// Where the next bytes go; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Bytes of the file so far.
    pub fn position(&self) -> u64 {
        self.start + self.filled as u64
    }

    /// The file's first bytes, as long as no block has been cut.
    pub fn peek(&self) -> &[u8] {
        &self.buffer[..self.buffer.len().min(4)]
    }

    /// Takes everything back that was written, with `count` bytes that are in `space`: it was not text.
    pub fn take_back(&mut self, count: usize) -> Vec<u8> {
        let taken = self.buffer[..self.filled + count].to_vec();
        self.filled = 0;
        taken
    }

    /// `count` bytes were written to `space`; a full buffer yields a block and goes on in `next`.
    pub fn filled(&mut self, count: usize, next: impl FnOnce() -> Vec<u8>) -> Option<Cut> {
        self.filled += count;
        if self.filled < self.buffer.len() {
            return None;
        }
        if self.buffer.len() < BLOCK {
            self.buffer.resize((self.buffer.len() * 4).min(BLOCK), 0);
            return None;
        }
        let line_end = memchr::memrchr(b'\n', &self.buffer[self.context..]).map(|newline| self.context + newline + 1);
        let block = self.buffer.len() - self.context;
        if line_end.is_none() && block < self.longest {
            let larger = self.context + (2 * block).min(self.longest);
            self.buffer.resize(larger, 0);
            return None;
        }
        // Nothing but the repeated bytes may be carried over, or a block would never get smaller.
        let (end, carried) = match line_end {
            Some(end) => (end, end),
            None => {
                self.overlong = true;
                (self.filled, self.filled - OVERLAP)
            }
        };
        let context = carried.min(self.carries);
        let kept = carried - context;
        let rest = self.filled - kept;
        let mut buffer = next();
        buffer.resize((context + BLOCK).max(rest + 1), 0);
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
    pub fn finish(&mut self) -> Result<Cut, Vec<u8>> {
        let mut data = std::mem::take(&mut self.buffer);
        if self.filled <= self.context + self.repeated {
            return Err(data);
        }
        data.truncate(self.filled);
        let (start, context) = (self.start, self.context);
        self.start += self.filled as u64;
        (self.filled, self.context, self.repeated) = (0, 0, 0);
        Ok(Cut { start, context, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(content: &[u8], pieces: &[usize], longest: usize, context: usize, expected: u64) -> Vec<Cut> {
        let mut splitter = Splitter::holding(longest).with_context(context);
        splitter.begin(Vec::new(), expected);
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
            longest in prop_oneof![Just(BLOCK), Just(2 * BLOCK)], context in prop_oneof![Just(0), Just(8 << 10)],
            expected in prop_oneof![0_u64..3 << 20, Just(u64::MAX)],
        ) {
            let cuts = split(&content, &pieces, longest, context, expected);
            prop_assert_eq!(&cuts, &split(&content, &[BLOCK], longest, context, content.len() as u64));
            let mut covered = 0_usize;
            for cut in &cuts {
                let start = cut.start as usize + cut.context;
                prop_assert_eq!(cut.context, start.min(context));
                prop_assert_eq!(&cut.data[..cut.context], &content[start - cut.context..start]);
                let body = &cut.data[cut.context..];
                prop_assert!(start == covered || (start + OVERLAP == covered && !content[start..covered].contains(&b'\n')));
                prop_assert_eq!(body, &content[start..start + body.len()]);
                covered = start + body.len();
                let whole = covered == content.len() || body.ends_with(b"\n");
                prop_assert!(whole || (body.len() == longest && !body.contains(&b'\n')));
            }
            prop_assert_eq!(covered, content.len());
        }
    }
}
