//! Every store passes the one conformance suite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fs;
use std::io::{Cursor, Write as _};

use eks_logs_core::testing::{FaultyStore, Fixture, reads, writes};
use eks_logs_core::{ArchiveFormat, ArchiveStore, LocalStore, MemoryStore, StorePath};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_lite::future::block_on;
use proptest::prelude::*;

fn fixture() -> Fixture {
    let files: [(&str, Vec<u8>); 5] = [
        ("kubelet/kubelet.log", b"one\ntwo\r\nthree".to_vec()),
        ("kubelet/config.json", Vec::new()),
        ("kernel/dmesg.current", (0..300_000_u32).map(|n| (n % 251) as u8).collect()),
        (
            "var_log/kube-system_aws-node-7hq2p_0363f3c1-ad9f-735c-e266-4c45bae016d8/aws-node/a-rather-long-name-beyond-tar-s-hundred-bytes.log",
            b"x\n".to_vec(),
        ),
        ("top", b"at the root".to_vec()),
    ];
    files.into_iter().map(|(path, content)| (StorePath::parse(path).unwrap(), content)).collect()
}

fn memory(fixture: &Fixture) -> MemoryStore {
    let store = MemoryStore::new();
    for (path, content) in fixture {
        store.insert(path.clone(), content.clone());
    }
    store
}

fn tar(fixture: &Fixture) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    // As the collector does it: the directory itself first, members with a leading `./`.
    for (path, content) in fixture.iter().rev() {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("./{path}"), content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zip(fixture: &Fixture, backslashes: bool) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (path, content) in fixture {
        let name = if backslashes { path.as_str().replace('/', "\\") } else { path.to_string() };
        writer.start_file(name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn memory_conforms() {
    block_on(reads(&memory(&fixture()), &fixture()));
    block_on(writes(&MemoryStore::new()));
}

#[test]
fn a_directory_conforms() {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in fixture() {
        let full = directory.path().join(path.as_str());
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, content).unwrap();
    }
    block_on(reads(&LocalStore::open(directory.path()).unwrap(), &fixture()));
    let empty = tempfile::tempdir().unwrap();
    block_on(writes(&LocalStore::open(empty.path()).unwrap()));
}

#[test]
fn every_kind_of_archive_conforms() {
    let fixture = fixture();
    let tar = tar(&fixture);
    let (half, rest) = tar.split_at(tar.len() / 2);
    let two_members = [gzip(half), gzip(rest)].concat();
    for (bytes, format) in [
        (gzip(&tar), ArchiveFormat::TarGz),
        (two_members, ArchiveFormat::TarGz),
        (tar, ArchiveFormat::Tar),
        (zip(&fixture, false), ArchiveFormat::Zip),
        (zip(&fixture, true), ArchiveFormat::Zip),
    ] {
        let store = ArchiveStore::from_bytes(bytes, "archive").unwrap();
        assert_eq!(store.format(), format);
        block_on(reads(&store, &fixture));
    }
}

#[test]
fn an_archive_on_disk_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    // The name says nothing: the content decides.
    let path = directory.path().join("bundle.txt");
    fs::write(&path, gzip(&tar(&fixture()))).unwrap();
    block_on(reads(&ArchiveStore::open(&path).unwrap(), &fixture()));
}

#[test]
fn a_store_without_faults_conforms() {
    block_on(reads(&FaultyStore::new(memory(&fixture())), &fixture()));
}

#[cfg(unix)]
#[test]
fn a_directory_store_never_follows_a_link() {
    use eks_logs_core::{ByteRange, Store as _, StoreExt as _};
    let directory = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), directory.path().join("file")).unwrap();
    std::os::unix::fs::symlink(outside.path(), directory.path().join("dir")).unwrap();
    let store = LocalStore::open(directory.path()).unwrap();
    assert!(block_on(store.list_all(&StorePath::root())).unwrap().is_empty());
    let linked = StorePath::parse("dir").unwrap();
    assert!(block_on(store.list_all(&linked)).is_err());
    assert!(block_on(store.children(&linked)).is_err());
    assert!(block_on(store.state(&linked)).is_err());
    for path in ["file", "dir/secret"] {
        let path = StorePath::parse(path).unwrap();
        assert!(block_on(store.get(&path, ByteRange::WHOLE)).is_err(), "{path}");
        assert!(block_on(store.head(&path)).is_err(), "{path}");
    }
}

/// Twenty writers that each add one to a counter through compare and swap lose nothing.
#[test]
fn concurrent_writers_of_a_directory_lose_nothing() {
    use eks_logs_core::{Error, PutMode, Store as _, StoreExt as _, StoreWriter as _};
    let directory = tempfile::tempdir().unwrap();
    let at = StorePath::parse("baselines/prod/counter").unwrap();
    let store = LocalStore::open(directory.path()).unwrap();
    block_on(store.put(&at, "0".into(), PutMode::Create)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let store = LocalStore::open(directory.path()).unwrap();
                for _ in 0..5 {
                    loop {
                        let version = block_on(store.head(&at)).unwrap().version.unwrap();
                        let text = block_on(store.get_all(&at)).unwrap();
                        let count: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
                        let next = (count + 1).to_string();
                        match block_on(store.put(&at, next.into(), PutMode::Match(version))) {
                            Ok(_) => break,
                            Err(Error::Precondition { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(block_on(store.get_all(&at)).unwrap(), "100");
}

proptest! {
    /// No bytes make an archive panic, hang or yield a path that leaves the bundle.
    #[test]
    fn damaged_archives_do_no_harm(at in any::<prop::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 1..40), kind in 0..3) {
        use eks_logs_core::StoreExt as _;
        let mut archive = match kind { 0 => tar(&fixture()), 1 => gzip(&tar(&fixture())), _ => zip(&fixture(), false) };
        let at = at.index(archive.len());
        for (offset, byte) in bytes.iter().enumerate() {
            if let Some(place) = archive.get_mut(at + offset) {
                *place = *byte;
            }
        }
        if let Ok(store) = ArchiveStore::from_bytes(archive, "damaged")
            && let Ok(members) = block_on(store.list_all(&StorePath::root()))
        {
            for member in members {
                prop_assert!(!member.path.as_str().split('/').any(|part| part == ".."));
                let _ = block_on(store.get_all(&member.path));
            }
        }
    }
}

/// A member that is asked for after another is found by reading on from there, over members that are skipped.
#[test]
fn members_are_found_one_after_the_other() {
    use eks_logs_core::{ByteRange, Store as _};
    let mut fixture = Fixture::default();
    for at in 0..12_u8 {
        let path = StorePath::parse(&format!("var_log/file-{at:02}")).unwrap();
        fixture.insert(path, vec![b'a' + at; 40_000 + usize::from(at) * 777]);
    }
    let plain = tar(&fixture);
    for bytes in [gzip(&plain), plain] {
        let store = ArchiveStore::from_bytes(bytes, "test").unwrap();
        // In the archive's order, which is the reverse, with gaps between them.
        for (path, content) in fixture.iter().rev().step_by(3) {
            let read = block_on(store.get(path, ByteRange::WHOLE)).unwrap();
            assert_eq!(read, content.as_slice(), "{path}");
        }
        assert_eq!(block_on(store.children(&StorePath::parse("var_log").unwrap())).unwrap().objects.len(), 12);
    }
}
