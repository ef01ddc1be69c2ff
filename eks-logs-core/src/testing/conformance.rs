//! What every store must do. Each store's tests call these; a store that passes can be scanned.
#![expect(clippy::expect_used, reason = "a suite fails by panicking")]

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::StreamExt as _;

use crate::store::Children;
use crate::{
    ByteRange, Error, FileEnd, FileSink, Flow, Object, PutMode, Refusal, Result, Store, StoreExt as _, StorePath,
    StoreWriter,
};

/// The content that a store under test must hold, by path.
pub type Fixture = BTreeMap<StorePath, Vec<u8>>;

fn path(text: &str) -> StorePath {
    StorePath::parse(text).expect("a valid path")
}

/// A sink that keeps everything, with a buffer that is small enough to be filled many times.
#[derive(Default)]
struct Collected {
    buffer: Vec<u8>,
    current: Option<(StorePath, Vec<u8>)>,
    files: Vec<(StorePath, Vec<u8>, FileEnd)>,
    refused: Vec<Refusal>,
    cut: Vec<String>,
}

#[async_trait]
impl FileSink for Collected {
    async fn begin(&mut self, file: &Object) -> Result<Flow> {
        assert!(self.current.is_none(), "begin before end");
        self.current = Some((file.path.clone(), Vec::new()));
        Ok(Flow::Read)
    }

    fn space(&mut self) -> &mut [u8] {
        self.buffer.resize(7, 0);
        &mut self.buffer
    }

    async fn filled(&mut self, count: usize) -> Result<Flow> {
        let (_, content) = self.current.as_mut().expect("filled between begin and end");
        content.extend_from_slice(&self.buffer[..count]);
        Ok(Flow::Read)
    }

    async fn end(&mut self, end: FileEnd) -> Result<()> {
        let (path, content) = self.current.take().expect("end after begin");
        self.files.push((path, content, end));
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) {
        self.refused.push(refusal);
    }

    fn cut(&mut self, reason: String) {
        self.cut.push(reason);
    }
}

/// The reading side, against a store that holds exactly the fixture, which must not be empty.
pub async fn reads(store: &dyn Store, fixture: &Fixture) {
    let root = StorePath::root();
    let listed = store.list_all(&root).await.expect("list");
    let expected: Vec<_> = fixture.iter().map(|(path, content)| (path.clone(), content.len() as u64)).collect();
    assert_eq!(
        listed.iter().map(|object| (object.path.clone(), object.size)).collect::<Vec<_>>(),
        expected,
        "list is sorted and whole"
    );

    for (path, content) in fixture {
        assert_eq!(store.head(path).await.expect("head").size, content.len() as u64);
        assert_eq!(store.stat(path).await.expect("stat").size, content.len() as u64);
        assert_eq!(store.get_all(path).await.expect("get"), content);
        let size = content.len() as u64;
        for (start, end) in [(0, 0), (0, 1), (size / 3, size / 2), (size / 2, size + 100), (size, size)] {
            let want = &content[start.min(size) as usize..end.min(size).max(start) as usize];
            let range = ByteRange::new(start, end.max(start));
            assert_eq!(store.get(path, range).await.expect("range"), want, "{path} {start}..{end}");
            let mut streamed = Vec::new();
            let mut pieces = store.stream(path, range).await.expect("stream");
            while let Some(piece) = pieces.next().await {
                streamed.extend_from_slice(&piece.expect("piece"));
            }
            assert_eq!(streamed, want, "{path} {start}..{end} streamed");
        }
        assert_eq!(
            store.get(path, ByteRange::starting_at(size / 2)).await.expect("tail"),
            &content[(size / 2) as usize..]
        );
        let beyond = store.get(path, ByteRange::starting_at(size + 1)).await;
        assert!(matches!(beyond, Err(Error::InvalidRange { .. })), "{beyond:?}");
    }

    let missing = path("no/such/object");
    assert!(matches!(store.head(&missing).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.stat(&missing).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.get_all(&missing).await, Err(Error::NotFound { .. })));
    assert!(store.stream(&missing, ByteRange::WHOLE).await.is_err());
    assert!(store.list_all(&missing).await.expect("an empty list").is_empty());

    let mut everything = Collected::default();
    store.walk(&root, &mut everything).await.expect("walk");
    everything.files.sort_by(|a, b| a.0.cmp(&b.0));
    let whole: Vec<_> = fixture.iter().map(|(path, content)| (path.clone(), content.clone(), FileEnd::Whole)).collect();
    assert_eq!(everything.files, whole, "walk hands over every byte once");
    assert!(everything.refused.is_empty() && everything.cut.is_empty());

    if let Some((first, _)) = fixture.iter().find(|(path, _)| path.as_str().contains('/')) {
        let directory = path(first.split_first().0);
        let below: Vec<_> = fixture.keys().filter(|path| path.below(&directory).is_some()).cloned().collect();
        let mut some = Collected::default();
        store.walk(&directory, &mut some).await.expect("walk below a prefix");
        some.files.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(some.files.into_iter().map(|file| file.0).collect::<Vec<_>>(), below);
        assert!(store.children(&root).await.expect("children").directories.contains(&directory));
        let named = |beginning: String| async move { store.children_named(&StorePath::root(), &beginning).await };
        let whole = directory.as_str().to_owned();
        assert!(named(whole.clone()).await.expect("named").directories.contains(&directory));
        let other = named(format!("{whole}-")).await.expect("named");
        assert!(!other.directories.contains(&directory), "{other:?}");
    }

    let level = store.children(&root).await.expect("children");
    let mut one_by_one = Children::default();
    let mut after = String::new();
    loop {
        let next = store.children_after(&root, &after, 1).await.expect("the next one");
        let names = next.directories.iter().map(|path| format!("{}/", path.name()));
        let mut names: Vec<String> =
            names.chain(next.objects.iter().map(|object| object.path.name().to_owned())).collect();
        assert!(names.len() <= 1, "more than was asked for: {names:?}");
        let Some(name) = names.pop() else { break };
        assert!(name > after, "{name} does not stand behind {after}");
        after = name;
        one_by_one.directories.extend(next.directories);
        one_by_one.objects.extend(next.objects);
    }
    one_by_one.directories.sort();
    one_by_one.objects.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(one_by_one, level, "one at a time makes the whole level");
}

/// The writing side, against an empty store.
pub async fn writes(store: &dyn StoreWriter) {
    let at = path("idempotency/i-0123abcd/token.json");
    let first = store.put(&at, Bytes::from_static(b"one"), PutMode::Create).await.expect("create");
    let again = store.put(&at, Bytes::from_static(b"two"), PutMode::Create).await;
    assert!(matches!(again, Err(Error::Precondition { .. })), "{again:?}");
    assert_eq!(store.get_all(&at).await.expect("get"), "one");
    assert_eq!(
        store.head(&at).await.expect("head").version.as_ref(),
        Some(&first),
        "put and head agree on the version"
    );

    let second = store.put(&at, Bytes::from_static(b"two"), PutMode::Match(first.clone())).await.expect("swap");
    assert_ne!(first, second);
    let stale = store.put(&at, Bytes::from_static(b"three"), PutMode::Match(first)).await;
    assert!(matches!(stale, Err(Error::Precondition { .. })), "{stale:?}");
    let absent = store.put(&path("none"), Bytes::from_static(b"x"), PutMode::Match(second)).await;
    assert!(matches!(absent, Err(Error::Precondition { .. })), "{absent:?}");
    store.put(&at, Bytes::from_static(b"four"), PutMode::Overwrite).await.expect("overwrite");
    assert_eq!(store.get_all(&at).await.expect("get"), "four");
    let all = store.list_all(&StorePath::root()).await.expect("list");
    assert_eq!(all.len(), 1, "nothing but the record is visible: {all:?}");

    let member = path("eks_i-0123abcd_x/extracted/kubelet/kubelet.log");
    let mut given_up = store.upload(&member).await.expect("upload");
    given_up.write(Bytes::from_static(b"half")).await.expect("write");
    given_up.abort().await.expect("abort");
    assert!(matches!(store.head(&member).await, Err(Error::NotFound { .. })), "what was given up is not seen");
    for content in [Vec::new(), b"small".to_vec(), (0..20_000_000_u32).map(|n| (n % 253) as u8).collect::<Vec<_>>()] {
        let mut upload = store.upload(&member).await.expect("upload");
        for piece in content.chunks(300_000) {
            upload.write(Bytes::copy_from_slice(piece)).await.expect("write");
        }
        let version = upload.finish().await.expect("finish");
        let head = store.head(&member).await.expect("head");
        assert_eq!((head.size, head.version), (content.len() as u64, Some(version)));
        assert!(store.get_all(&member).await.expect("get") == content, "an upload is what was written");
    }
}
