//! Chunks tile every file in every store; lines are those of the naive split; few requests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;

use eks_logs_core::read::{Chunk, LONGEST, Reader};
use eks_logs_core::testing::{CountingStore, RepeatingStore};
use eks_logs_core::text::{LineIndexBuilder, segments};
use eks_logs_core::{Error, Located, MemoryStore, StorePath};
use futures_lite::future::block_on;
use proptest::prelude::*;
use support::{everywhere, gzip, memory, path, shared};

/// Arbitrary bytes in which newlines, carriage returns, cut UTF-8 and NULs are common.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-z ]{0,40}\n".prop_map(String::into_bytes),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\n\n".to_vec()),
        1 => "[äß→😀]{0,9}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..60),
        1 => Just(vec![0; 7]),
        1 => (1_usize..40_000).prop_map(|length| vec![b'x'; length]),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// Follows a file from chunk to chunk.
fn follow(reader: &Reader, file: &StorePath, size: u64, step: u64) -> (Vec<u8>, Vec<Chunk>) {
    let (mut all, mut chunks, mut at) = (Vec::new(), Vec::new(), 0);
    loop {
        let chunk = block_on(reader.bytes(file, at, Some(at + step))).unwrap();
        assert_eq!((chunk.start, chunk.size), (at, size), "no gap, no overlap");
        assert_eq!(chunk.content.len() as u64, chunk.end - chunk.start);
        assert!(chunk.content.len() as u64 <= LONGEST);
        all.extend_from_slice(&chunk.content);
        let end = chunk.end;
        chunks.push(chunk);
        if end == size {
            return (all, chunks);
        }
        assert!(end > at, "a chunk goes on");
        at = end;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn chunks_tile_any_file_in_any_store(content in content(), step in 1_u64..50_000, cuts in proptest::collection::vec(any::<prop::sample::Index>(), 1..6)) {
        prop_assume!(!content.starts_with(&[0x1f, 0x8b]));
        let compressed = gzip(&content);
        let (bundles, _directory) = everywhere(&[("kubelet/kubelet.log", &content), ("ipamd/old.log.gz", &compressed)]);
        let mut cuts: Vec<u64> = cuts.iter().map(|cut| cut.index(content.len() + 1) as u64).collect();
        cuts.extend([0, content.len() as u64]);
        cuts.sort_unstable();
        for (kind, bundle) in &bundles {
            for file in ["kubelet/kubelet.log", "ipamd/old.log.gz"] {
                let (reader, file) = (Reader::new(bundle), path(file));
                let (all, chunks) = follow(&reader, &file, content.len() as u64, step);
                prop_assert!(all == content, "{kind} {file}");
                prop_assert!(chunks.iter().all(|chunk| chunk.content.is_empty() || chunk.content.ends_with(b"\n") || chunk.end == chunk.size));
                // Ranges that were chosen beforehand tile as well.
                let mut all = Vec::new();
                for pair in cuts.windows(2) {
                    let chunk = block_on(reader.bytes(&file, pair[0], Some(pair[1]))).unwrap();
                    all.extend_from_slice(&chunk.content);
                }
                prop_assert!(all == content, "{kind} {file} {cuts:?}");
                let (from, to) = (cuts[cuts.len() / 2], cuts[cuts.len() - 1]);
                let exact = block_on(reader.exact(&file, from, to)).unwrap();
                prop_assert_eq!(&exact.content[..], &content[from as usize..to as usize]);
            }
        }
    }

    #[test]
    fn lines_are_those_of_the_naive_split(content in content(), starts in proptest::collection::vec(-60_i64..60, 1..5), count in 1_u64..40) {
        prop_assume!(!content.starts_with(&[0x1f, 0x8b]));
        let compressed = gzip(&content);
        let (bundles, _directory) = everywhere(&[("kubelet/kubelet.log", &content), ("ipamd/old.log.gz", &compressed)]);
        let lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
        for (kind, bundle) in &bundles {
            let reader = Reader::new(bundle);
            for file in ["kubelet/kubelet.log", "ipamd/old.log.gz"] {
                for &start in starts.iter().filter(|start| **start != 0) {
                    let chunk = block_on(reader.lines(&path(file), start, count)).unwrap();
                    check_lines(&chunk, &lines, start, count).map_err(|why| TestCaseError::fail(format!("{kind} {file} {start}: {why}")))?;
                }
            }
        }
    }
}

/// Compares a chunk with the lines of the file.
fn check_lines(chunk: &Chunk, lines: &[&[u8]], start: i64, count: u64) -> Result<(), String> {
    let first = if start > 0 { start as usize - 1 } else { lines.len().saturating_sub(start.unsigned_abs() as usize) };
    let first = first.min(lines.len());
    let last = (first + count as usize).min(lines.len());
    let want = lines[first..last].concat();
    let offset: usize = lines[..first].iter().map(|line| line.len()).sum();
    let numbers = (last > first).then_some((first as u64 + 1, last as u64));
    let same = chunk.content == want
        && chunk.start == offset as u64
        && chunk.end == (offset + want.len()) as u64
        && chunk.start_line.zip(chunk.end_line) == numbers
        && chunk.size == lines.iter().map(|line| line.len() as u64).sum::<u64>()
        && chunk.lines.is_none_or(|known| known == lines.len() as u64);
    if same { Ok(()) } else { Err(format!("{chunk:?}, wanted lines {first}..{last} at {offset}")) }
}

#[test]
fn lines_longer_than_a_chunk_come_in_pieces() {
    let longest = LONGEST as usize;
    let mut content = b"first\n".to_vec();
    content.extend(vec![b'a'; 2 * longest + 17]);
    content.extend_from_slice(b"\nshort\n");
    content.extend(vec![b'b'; longest]);
    content.extend_from_slice(b"\n");
    content.extend(vec![b'c'; longest + 1]);
    let bundle = Located::in_store(memory(&[("log", &content)]));
    let (reader, file) = (Reader::new(&bundle), path("log"));
    for step in [1 << 20, 3 << 20, 5 << 20, 9 << 20] {
        let (all, chunks) = follow(&reader, &file, content.len() as u64, step);
        assert!(all == content, "{step}");
        assert!(
            chunks.iter().any(|chunk| chunk.ends_inside_line) && chunks.iter().any(|chunk| chunk.starts_inside_line)
        );
        for pair in chunks.windows(2) {
            assert_eq!(pair[0].ends_inside_line, pair[1].starts_inside_line);
        }
    }
    // Ranges that know nothing of lines.
    for step in [LONGEST - 1, LONGEST / 3] {
        let mut all = Vec::new();
        let mut at = 0;
        while at < content.len() as u64 {
            let to = (at + step).min(content.len() as u64);
            let chunk = block_on(reader.bytes(&file, at, Some(to))).unwrap();
            all.extend_from_slice(&chunk.content);
            // A cut chunk says where it ends: the next one starts there.
            at = if chunk.end < to { chunk.end } else { to };
        }
        assert!(all == content, "{step}");
    }
    let chunk = block_on(reader.lines(&file, 2, 1)).unwrap();
    assert_eq!((chunk.start, chunk.end, chunk.ends_inside_line), (6, 6 + LONGEST, true));
    assert_eq!((chunk.start_line, chunk.end_line), (Some(2), Some(2)));
    let chunk = block_on(reader.lines(&file, 1, 3)).unwrap();
    assert_eq!((&chunk.content[..], chunk.end_line), (&b"first\n"[..], Some(1)), "whole lines, as many as fit");
    let chunk = block_on(reader.lines(&file, -1, 1)).unwrap();
    assert_eq!((chunk.content.len() as u64, chunk.start_line), (LONGEST, Some(5)));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let bundle = Located::in_store(memory(&[("log", b"a\nb\n"), ("empty", b"")]));
    let reader = Reader::new(&bundle);
    let file = path("log");
    assert!(matches!(block_on(reader.bytes(&file, 5, None)), Err(Error::InvalidRange { .. })));
    assert!(matches!(block_on(reader.bytes(&file, 3, Some(1))), Err(Error::InvalidRange { .. })));
    assert!(matches!(block_on(reader.lines(&file, 0, 1)), Err(Error::InvalidLines { .. })));
    assert!(matches!(block_on(reader.lines(&file, 1, 0)), Err(Error::InvalidLines { .. })));
    assert!(matches!(block_on(reader.lines(&file, 1, 10_001)), Err(Error::InvalidLines { .. })));
    assert!(matches!(block_on(reader.lines(&path("none"), 1, 1)), Err(Error::NotFound { .. })));
    let empty = block_on(reader.bytes(&path("empty"), 0, None)).unwrap();
    assert_eq!((empty.content.len(), empty.end, empty.size), (0, 0, 0));
    assert_eq!(block_on(reader.lines(&path("empty"), -5, 5)).unwrap().start_line, None);
    let last = block_on(reader.bytes(&file, 4, None)).unwrap();
    assert_eq!((last.start, last.end, last.content.len()), (4, 4, 0));
}

#[test]
fn a_byte_range_costs_one_look_and_one_read() {
    let text: String = (0..200_000).map(|n| format!("{n} line of some length {}\n", n * 7919)).collect();
    let size = text.len() as u64;
    let store = Arc::new(CountingStore::new(memory(&[("kubelet/kubelet.log", text.as_bytes())])));
    let reader = Reader::new(&shared(&store));
    let file = path("kubelet/kubelet.log");
    for (start, end) in [
        (0, None),
        (1, None),
        (size / 2, Some(size / 2 + 300)),
        (size - 1, None),
        (77, Some(4 << 20)),
        (0, Some(u64::MAX)),
    ] {
        let chunk = block_on(reader.bytes(&file, start, end)).unwrap();
        assert!(chunk.start >= start);
        let asked = store.take();
        assert!(asked.heads <= 1 && asked.gets <= 1, "{start}: {asked:?}");
        assert!(asked.bytes <= chunk.content.len() as u64 + (64 << 10), "{start}: {asked:?}");
    }
}

/// A text whose lines have many lengths.
fn lines_of_many_lengths() -> Vec<u8> {
    let mut text = Vec::new();
    for n in 0..6000_usize {
        text.extend(std::iter::repeat_n(b'a' + (n % 26) as u8, (n * 37) % 331));
        text.extend_from_slice(format!(" {n}\n").as_bytes());
    }
    text
}

#[test]
fn a_line_of_five_gigabytes_costs_three_reads_and_two_megabytes() {
    let text = lines_of_many_lengths();
    let (period, size) = (text.len() as u64, 5_000_000_000_u64);
    let lines_of = text.split_inclusive(|byte| *byte == b'\n').count() as u64;
    let starts: Vec<u64> = text
        .split_inclusive(|byte| *byte == b'\n')
        .scan(0, |at, line| Some(std::mem::replace(at, *at + line.len() as u64)))
        .collect();
    // The index as a scan makes it, from blocks of whole lines: here from one period after the other.
    let mut builder = LineIndexBuilder::default();
    let one = segments(0, &text);
    let mut at = 0;
    while at + period <= size {
        builder.add(
            one.iter().map(|segment| eks_logs_core::text::Segment { start: segment.start + at, ..*segment }).collect(),
            false,
        );
        at += period;
    }
    let rest = &text[..(size - at) as usize];
    builder.add(segments(at, rest), !rest.ends_with(b"\n"));
    let index = builder.finish(size, None);
    let file = path("kubelet/kubelet.log");
    let json = index.to_json(file.as_str());

    let records = MemoryStore::new();
    records.insert(Reader::index_path(&StorePath::root(), &file).unwrap(), json.clone());
    let store = Arc::new(CountingStore::new(Layered { records, file: RepeatingStore::new(file.clone(), text, size) }));
    for (line, count) in
        [(1_u64, 1_u64), (lines_of * 4000 + 17, 50), (index.lines() - 20, 1000), (lines_of * 1234 + 5999, 3)]
    {
        // A reader of its own: nothing is kept from before.
        let reader = Reader::new(&shared(&store));
        let chunk = block_on(reader.lines(&file, line as i64, count)).unwrap();
        let asked = store.take();
        assert!(asked.heads <= 1 && asked.gets <= 3 && asked.bytes <= 2_000_000, "{line}: {asked:?}");
        let start = (line - 1) / lines_of * period + starts[((line - 1) % lines_of) as usize];
        assert_eq!((chunk.start, chunk.start_line), (start, Some(line)));
        assert_eq!(chunk.end_line, Some((line + count - 1).min(index.lines())));
        let back = block_on(reader.lines(&file, line as i64 - 1 - index.lines() as i64, count)).unwrap();
        assert_eq!(back.content, chunk.content);
        assert_eq!(store.take().gets, 1, "the index is kept");
    }
    // Without the index: the same, only slower.
    let near = Reader::new(&shared(&Arc::new(RepeatingStore::new(file.clone(), lines_of_many_lengths(), 40_000_000))));
    let chunk = block_on(near.lines(&file, 100_000, 3)).unwrap();
    assert_eq!(chunk.start, 99_999 / lines_of * period + starts[(99_999 % lines_of) as usize]);
}

#[test]
fn a_stale_index_is_refused() {
    let lines = |word: &str| (0..200_000).map(|n| format!("{word} {n:06}\n")).collect::<String>();
    let (old, new) = (lines("old"), lines("new"));
    let file = path("kubelet/kubelet.log");
    let mut builder = LineIndexBuilder::default();
    builder.add(segments(0, old.as_bytes()), false);
    let json = builder.finish(old.len() as u64, None).to_json(file.as_str());
    let longer = format!("{new}one more\n");
    for content in [&new, &longer] {
        for index in [json.clone(), b"{}".to_vec(), b"nonsense".to_vec()] {
            let store = memory(&[(file.as_str(), content.as_bytes())]);
            store.insert(Reader::index_path(&StorePath::root(), &file).unwrap(), index);
            let chunk = block_on(Reader::new(&Located::in_store(store)).lines(&file, 100_000, 1)).unwrap();
            assert_eq!(&chunk.content[..], b"new 099999\n");
            assert!(chunk.stale_index);
        }
    }
}

#[test]
fn a_member_of_an_archive_is_not_decompressed_from_the_start_each_time() {
    use eks_logs_core::{ArchiveStore, ByteRange, Store as _};
    let text: Vec<u8> = (0..1_500_000_u64)
        .flat_map(|n| format!("{n} {}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes())
        .collect();
    let archive = gzip(&support::tar(&[("a", b"first\n"), ("kubelet/kubelet.log", &text), ("z", b"last\n")]));
    let store = ArchiveStore::from_bytes(archive, "archive").unwrap();
    let file = path("kubelet/kubelet.log");
    block_on(store.get(&file, ByteRange::WHOLE)).unwrap();
    // Ranges in any order give the bytes, whatever was read before.
    let mut at = 1_u64;
    for _ in 0..200 {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let start = at % text.len() as u64;
        let end = (start + at % 3000).min(text.len() as u64);
        let got = block_on(store.get(&file, ByteRange::new(start, end))).unwrap();
        assert_eq!(got, &text[start as usize..end as usize]);
    }
    assert_eq!(block_on(store.get(&path("z"), ByteRange::WHOLE)).unwrap(), "last\n");
    assert_eq!(block_on(store.get(&path("a"), ByteRange::WHOLE)).unwrap(), "first\n");
}

/// Records beside a file that takes no room.
#[derive(Debug)]
struct Layered {
    records: MemoryStore,
    file: RepeatingStore,
}

#[async_trait::async_trait]
impl eks_logs_core::Store for Layered {
    fn locator(&self) -> String {
        self.file.locator()
    }

    fn list<'a>(&'a self, prefix: &'a StorePath) -> eks_logs_core::store::ObjectStream<'a> {
        self.file.list(prefix)
    }

    async fn children(&self, prefix: &StorePath) -> Result<eks_logs_core::store::Children, Error> {
        self.file.children(prefix).await
    }

    async fn head(&self, path: &StorePath) -> Result<eks_logs_core::Object, Error> {
        match self.records.head(path).await {
            Err(_) => self.file.head(path).await,
            found => found,
        }
    }

    async fn get(&self, path: &StorePath, range: eks_logs_core::ByteRange) -> Result<bytes::Bytes, Error> {
        match self.records.get(path, range).await {
            Err(_) => self.file.get(path, range).await,
            found => found,
        }
    }

    async fn stream<'a>(
        &'a self,
        path: &'a StorePath,
        range: eks_logs_core::ByteRange,
    ) -> Result<eks_logs_core::store::ByteStream<'a>, Error> {
        self.file.stream(path, range).await
    }
}
