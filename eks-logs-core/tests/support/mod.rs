//! The same files in every kind of store.
#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::io::{Cursor, Write as _};
use std::sync::Arc;

use eks_logs_core::{ArchiveStore, LocalStore, Located, MemoryStore, StorePath};
use flate2::Compression;
use flate2::write::GzEncoder;

pub(crate) fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("./{path}"), *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        writer.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(crate) fn memory(files: &[(&str, &[u8])]) -> MemoryStore {
    let store = MemoryStore::new();
    for (name, content) in files {
        store.insert(path(name), content.to_vec());
    }
    store
}

pub(crate) fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let full = directory.path().join(name);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, content).unwrap();
    }
    directory
}

/// Bundles of these files: memory, directory, tar.gz, tar, zip. The directory goes with the guard.
pub(crate) fn everywhere(files: &[(&str, &[u8])]) -> (Vec<(&'static str, Located)>, tempfile::TempDir) {
    let directory = directory(files);
    let tar = tar(files);
    let archive = |bytes: Vec<u8>| Located::in_store(ArchiveStore::from_bytes(bytes, "archive").unwrap());
    let bundles = vec![
        ("memory", Located::in_store(memory(files))),
        ("directory", Located::in_store(LocalStore::open(directory.path()).unwrap())),
        ("tar.gz", archive(gzip(&tar))),
        ("tar", archive(tar)),
        ("zip", archive(zip(files))),
    ];
    (bundles, directory)
}

/// A bundle in a store that the caller keeps a hand on.
pub(crate) fn shared<S: eks_logs_core::Store + 'static>(store: &Arc<S>) -> Located {
    let store: Arc<dyn eks_logs_core::Store> = Arc::<S>::clone(store);
    Located { locator: store.locator(), store, root: StorePath::root(), name: None }
}
