//! What a path that a person names means.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use eks_logs_core::bundle::{discover, open};
use eks_logs_core::{Error, LocalStore};
use futures_lite::future::block_on;

const NAME: &str = "eks_i-0123456789abcdef0_2026-11-20_0312-UTC_0.7.9";
const OTHER: &str = "eks_i-0123456789abcdef1_11111111-2222-3333-4444-555555555555";

fn file(root: &Path, path: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "x\n").unwrap();
}

fn archive(path: &Path) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    builder.append_data(&mut header, "./kernel/dmesg.current", &b"x\n"[..]).unwrap();
    builder.into_inner().unwrap();
}

/// The root that `open` finds, and the node that its name tells.
fn opened(path: &Path) -> (String, Option<String>) {
    let located = block_on(open(path)).unwrap();
    let instance = located.name.and_then(|name| name.instance).map(|id| id.to_string());
    (located.root.to_string(), instance)
}

#[test]
fn a_directory_that_is_a_bundle() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "kernel/dmesg.current");
    assert_eq!(opened(directory.path()), (String::new(), None));
    let named = directory.path().join(NAME);
    file(&named, "kubelet/kubelet.log");
    assert_eq!(opened(&named), (String::new(), Some("i-0123456789abcdef0".to_owned())));
}

#[test]
fn a_directory_as_the_sample_server_lays_it_out() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), &format!("{NAME}/extracted/kernel/dmesg.current"));
    let want = Some("i-0123456789abcdef0".to_owned());
    assert_eq!(opened(directory.path()), (format!("{NAME}/extracted"), want.clone()));
    assert_eq!(opened(&directory.path().join(NAME)), ("extracted".to_owned(), want.clone()));
    assert_eq!(opened(&directory.path().join(NAME).join("extracted")), (String::new(), want));
}

#[test]
fn a_directory_that_holds_one_bundle_in_a_directory_or_an_archive() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "unpacked/kernel/dmesg.current");
    file(directory.path(), "notes/todo.txt");
    assert_eq!(opened(directory.path()), ("unpacked".to_owned(), None));

    let directory = tempfile::tempdir().unwrap();
    archive(&directory.path().join(format!("{NAME}.tar.gz")));
    let located = block_on(open(directory.path())).unwrap();
    assert!(located.locator.ends_with(".tar.gz") && located.root.is_root());
    assert_eq!(located.name.unwrap().collection, "2026-11-20_0312-UTC_0.7.9");
}

#[test]
fn an_archive_and_what_was_extracted_from_it_are_one_bundle() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), &format!("{NAME}/extracted/kernel/dmesg.current"));
    archive(&directory.path().join(format!("{NAME}.tar.gz")));
    assert_eq!(opened(directory.path()).0, format!("{NAME}/extracted"));
}

#[test]
fn a_directory_of_many() {
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), &format!("{NAME}/extracted/kernel/dmesg.current"));
    archive(&directory.path().join(format!("{OTHER}.tar.gz")));
    file(directory.path(), "idempotency/i-0123456789abcdef0/token.json");
    file(directory.path(), "baselines/prod/patterns.json");
    let store = LocalStore::open(directory.path()).unwrap();
    let found = block_on(discover(&store)).unwrap();
    let told: Vec<(&str, bool)> = found.iter().map(|bundle| (bundle.path.as_str(), bundle.archive)).collect();
    let archive_name = format!("{OTHER}.tar.gz");
    let extracted = format!("{NAME}/extracted");
    assert_eq!(told, [(extracted.as_str(), false), (archive_name.as_str(), true)]);
    match block_on(open(directory.path())) {
        Err(Error::ManyBundles { bundles, .. }) => assert_eq!(bundles.len(), 2),
        other => panic!("{other:?}"),
    }
}
