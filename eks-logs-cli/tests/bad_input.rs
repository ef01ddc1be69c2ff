//! What a broken, hostile or mistaken input gets: a message that names it, an exit status, and everything else still analysed.
//! Each test drives the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::fs;
use std::io::{self, Write as _};

use support::{FAULT, Members, eks_logs, found_rules, gzip, triage};
use tar::EntryType;

#[track_caller]
fn fails(status: i32, args: &[&str], says: &[&str]) {
    let run = eks_logs(args);
    assert_eq!(run.status, status, "{args:?}: {}", run.stderr);
    for words in says {
        assert!(run.stderr.contains(words), "{words:?} is not in: {}", run.stderr);
    }
    // The same as JSON: an object that says so, never an empty success.
    let run = eks_logs(&[args, &["--format", "json"]].concat());
    assert_eq!(run.status, status);
    if status != 2 || run.stdout.starts_with('{') {
        let answer: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        assert_eq!(answer["success"], false);
        assert!(answer["details"]["suggestion"].as_str().is_some_and(|text| !text.is_empty()));
    }
}

#[test]
fn a_path_that_does_not_exist() {
    fails(3, &["triage", "/no/such/bundle.tar.gz"], &["/no/such/bundle.tar.gz: not found"]);
}

#[test]
fn arguments_that_mean_nothing() {
    for args in [
        vec!["triage"],
        vec!["triage", ".", "--severity", "fatal"],
        vec!["triage", ".", "--evidence", "0"],
        vec!["triage", ".", "--fail-on", "warning"],
        vec!["nonsense"],
    ] {
        assert_eq!(eks_logs(&args).status, 2, "{args:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let bundle = Members::new().file("kernel/dmesg.current", FAULT).directory(directory.path());
    fails(2, &["errors", &bundle, "--page-size", "0"], &["pageSize 0 is out of range"]);
    fails(2, &["errors", &bundle, "--page-token", "AAAA"], &["page token is of another bundle"]);
    if cfg!(not(feature = "aws")) {
        fails(2, &["triage", "s3://bucket/prefix"], &["local bundles only"]);
    }
}

#[test]
fn a_file_that_is_no_archive() {
    let directory = tempfile::tempdir().unwrap();
    for (content, says) in [
        (b"just some text\n".to_vec(), "plain text"),
        (vec![0xff; 2000], "unknown data"),
        (Vec::new(), "the file is empty (0 bytes)"),
        (gzip(&[b'x'; 4000]), "gzip around a single file"),
        (b"\xfd7zXZ\0rest".to_vec(), "xz"),
    ] {
        let path = directory.path().join("bundle.tar.gz");
        fs::write(&path, content).unwrap();
        fails(3, &["triage", path.to_str().unwrap()], &["not an archive", says]);
    }
}

#[test]
fn an_empty_archive() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Members::new().tar_gz(directory.path());
    fails(3, &["triage", &bundle], &["the archive is empty"]);
    let path = directory.path().join("empty.zip");
    fs::write(&path, b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").unwrap();
    fails(3, &["triage", path.to_str().unwrap()], &["the archive is empty"]);
}

#[test]
fn an_archive_or_a_directory_without_one_known_file() {
    let directory = tempfile::tempdir().unwrap();
    let photos = Members::new().file("photos/a.txt", "a\n").file("photos/b.txt", "b\n");
    fails(3, &["triage", &photos.tar_gz(directory.path())], &["not an EKS node log bundle", "none of its 2 files"]);
    let empty = tempfile::tempdir().unwrap();
    fails(3, &["triage", empty.path().to_str().unwrap()], &["not an EKS node log bundle"]);
}

#[test]
fn a_directory_of_several_bundles() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["eks_i-0123abcd_2026-11-20_0312-UTC_0.7.9", "eks_i-0123abce_2026-11-20_0313-UTC_0.7.9"] {
        Members::new().file("kernel/dmesg.current", FAULT).directory(&directory.path().join(name));
    }
    fails(2, &["triage", directory.path().to_str().unwrap()], &["holds 2 bundles", "i-0123abcd_", "i-0123abce_"]);
}

#[test]
fn a_gzip_that_is_cut_in_the_middle() {
    let directory = tempfile::tempdir().unwrap();
    let noise: String = (0..200_000_u64).map(|n| format!("{:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let members = Members::new().file("kernel/dmesg.current", FAULT).file("kubelet/kubelet.log", &noise);
    let whole = fs::read(members.tar_gz(directory.path())).unwrap();
    let path = directory.path().join("cut.tar.gz");
    fs::write(&path, &whole[..whole.len() * 2 / 3]).unwrap();
    let answer = triage(path.to_str().unwrap());
    assert_eq!(found_rules(&answer), ["network/conntrack-table-full"], "what came before the cut is analysed");
    assert_eq!(answer["coverage"]["scanComplete"], false);
    let gaps = answer["gaps"].to_string();
    assert!(gaps.contains("\"kind\":\"cut\"") && gaps.contains("kubelet/kubelet.log"), "{gaps}");
    // Cut before anything can be read there is nothing to analyse.
    fs::write(&path, &whole[..40]).unwrap();
    fails(3, &["triage", path.to_str().unwrap()], &["damaged or cut before its first file"]);
}

#[test]
fn a_gzip_whose_checksum_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let mut content = fs::read(Members::new().file("kernel/dmesg.current", FAULT).tar_gz(directory.path())).unwrap();
    let crc = content.len() - 8;
    content[crc] ^= 0xff;
    let path = directory.path().join("bad.tar.gz");
    fs::write(&path, content).unwrap();
    let answer = triage(path.to_str().unwrap());
    assert_eq!(found_rules(&answer).len(), 1);
    assert!(answer["gaps"].to_string().contains("checksum"), "{}", answer["gaps"]);
}

#[test]
fn members_that_would_leave_the_bundle() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Members::new()
        .file("kernel/dmesg.current", FAULT)
        .raw_name(b"/etc/cron.d/x", EntryType::Regular)
        .raw_name(b"kubelet/../../../x", EntryType::Regular)
        .raw_name(b"system/top.txt", EntryType::Symlink)
        .raw_name(b"system/ps.txt", EntryType::Link)
        .raw_name(b"system/null", EntryType::Char)
        .raw_name(b"system/pipe", EntryType::Fifo)
        .raw_name(b"system/a\x1b[2J.txt", EntryType::Regular)
        .tar_gz(directory.path());
    let answer = triage(&bundle);
    assert_eq!(found_rules(&answer), ["network/conntrack-table-full"]);
    let skipped = answer["coverage"]["skipped"].as_array().unwrap();
    let reason = |file: &str| {
        let entry = skipped.iter().find(|entry| entry["file"] == file);
        entry.unwrap_or_else(|| panic!("{file} is not in {skipped:?}"))["reason"].as_str().unwrap().to_owned()
    };
    assert!(reason("/etc/cron.d/x").contains("absolute"));
    assert!(reason("kubelet/../../../x").contains("`..`"));
    assert!(reason("system/top.txt").contains("a link: not followed"));
    assert!(reason("system/ps.txt").contains("a link: not followed"));
    assert!(reason("system/null").contains("a device or pipe"));
    assert!(reason("system/pipe").contains("a device or pipe"));
    assert!(reason("system/a\u{1b}[2J.txt").contains("control characters"));
    assert_eq!(answer["coverage"]["scanComplete"], false);
    // On a terminal the name does nothing.
    assert!(!eks_logs(&["triage", &bundle, "--color", "never"]).stdout.contains('\u{1b}'));
}

#[test]
fn a_second_member_of_one_name() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Members::new()
        .file("kernel/dmesg.current", FAULT)
        .file("kernel/dmesg.current", "[ 1.0] quiet\n")
        .tar_gz(directory.path());
    let answer = triage(&bundle);
    assert_eq!(answer["findings"][0]["count"], 1);
    assert!(answer["coverage"]["skipped"].to_string().contains("only the first is analysed"));
}

#[test]
fn a_hundred_thousand_members() {
    let directory = tempfile::tempdir().unwrap();
    let mut members = Members::new().file("kernel/dmesg.current", FAULT);
    for number in 0..100_000 {
        members = members.file(&format!("system/{number}"), "");
    }
    let answer = triage(&members.tar_gz(directory.path()));
    assert_eq!(found_rules(&answer), ["network/conntrack-table-full"]);
    assert_eq!(answer["coverage"]["filesScanned"], 65_536);
    assert!(answer["gaps"].to_string().contains("more than 65536 files in the archive"), "{}", answer["gaps"]);
}

#[test]
fn members_that_expand_a_thousand_times() {
    let directory = tempfile::tempdir().unwrap();
    let zeros = vec![0; 300 << 20];
    let bomb = Members::new().bytes("kubelet/kubelet.log", &zeros).file("kernel/dmesg.current", FAULT);
    let inner = Members::new()
        .bytes("var_log/aws-routed-eni/ipamd-2026-11-20T03-12-00.000.log.gz", &gzip(&zeros))
        .file("kernel/dmesg.current", FAULT);
    for bundle in [bomb.tar_gz(directory.path()), inner.tar_gz(directory.path())] {
        let answer = triage(&bundle);
        assert_eq!(found_rules(&answer), ["network/conntrack-table-full"], "the rest is analysed");
        assert!(answer["coverage"]["skipped"].to_string().contains("decompression bomb"), "{}", answer["coverage"]);
    }
}

#[test]
fn bytes_that_are_no_text() {
    let directory = tempfile::tempdir().unwrap();
    let mut kernel =
        b"\0\0\xff\xfe\xfa junk\r\n[ 1.000001] \xc3\x28 nf_conntrack: nf_conntrack: table full, dropping packet\r\n"
            .to_vec();
    kernel.extend_from_slice(b"[ 2.000001] nf_conntrack: nf_conntrack: table full, dropping packet");
    let bundle = Members::new()
        .bytes("kernel/dmesg.current", &kernel)
        .file("kubelet/kubelet.log", "")
        .bytes("var_log/messages", b"\xff\xfeu\0t\0f\0")
        .tar_gz(directory.path());
    let answer = triage(&bundle);
    let finding = &answer["findings"][0];
    assert_eq!((finding["rule"].as_str(), finding["count"].as_u64()), (Some("network/conntrack-table-full"), Some(2)));
    for line in finding["evidence"].as_array().unwrap() {
        let span = line["startByte"].as_u64().unwrap() as usize..line["endByte"].as_u64().unwrap() as usize;
        assert_eq!(String::from_utf8_lossy(&kernel[span]), line["text"].as_str().unwrap());
        assert!(!line["text"].as_str().unwrap().contains(['\r', '\n']));
    }
    assert_eq!(answer["coverage"]["linesScanned"].as_u64(), Some(3 + 1), "the last line has no newline");
    assert!(answer["gaps"].to_string().contains("UTF-16"));
}

#[test]
fn a_line_of_200_megabytes() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("bundle");
    fs::create_dir_all(root.join("kernel")).unwrap();
    let mut file = io::BufWriter::new(fs::File::create(root.join("kernel/dmesg.current")).unwrap());
    writeln!(file, "[ 1.000001] first").unwrap();
    write!(file, "[ 2.000001] ").unwrap();
    let filler = vec![b'x'; 1 << 20];
    for _ in 0..200 {
        file.write_all(&filler).unwrap();
    }
    writeln!(file, " nf_conntrack: nf_conntrack: table full, dropping packet").unwrap();
    write!(file, "{}", FAULT).unwrap();
    file.into_inner().unwrap();
    let run = eks_logs(&["triage", root.to_str().unwrap(), "--format", "json", "--evidence", "all"]);
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let finding = &answer["findings"][0];
    assert_eq!(finding["count"], 2);
    assert_eq!(finding["evidence"][0]["line"], 2);
    assert_eq!(finding["evidence"][1]["line"], 3);
    assert!(finding["evidence"][0]["text"].as_str().unwrap().len() <= 16 << 10);
    assert!(answer["gaps"].to_string().contains("overlong-line"));
    assert_eq!(answer["coverage"]["linesScanned"], 3);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("bundle");
    let bundle = Members::new().file("kernel/dmesg.current", FAULT).file("kubelet/kubelet.log", "x\n").directory(&root);
    fs::set_permissions(root.join("kubelet/kubelet.log"), fs::Permissions::from_mode(0o000)).unwrap();
    symlink("/etc/passwd", root.join("kubelet/svc.log")).unwrap();
    for path in [directory.path(), &root, &root.join("kubelet"), &root.join("kernel")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let Some(run) = support::as_nobody(&["triage", &bundle, "--format", "json"]) else {
        let _ = writeln!(
            io::stderr(),
            "skipped: a_file_that_cannot_be_read: the binary cannot be run as a user without rights"
        );
        return;
    };
    assert_eq!(run.status, 0, "{}", run.stderr);
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(found_rules(&answer), ["network/conntrack-table-full"]);
    let skipped = answer["coverage"]["skipped"].to_string();
    assert!(skipped.contains("permission denied") && skipped.contains("a symbolic link: not followed"), "{skipped}");
    // The bundle itself unreadable is denied, not empty.
    fs::set_permissions(&root, fs::Permissions::from_mode(0o000)).unwrap();
    let run = support::as_nobody(&["triage", &bundle]).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run.status, 4, "{}", run.stderr);
    assert!(run.stderr.contains("permission denied"));
}

#[test]
fn rule_files_that_do_not_load() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = Members::new().file("kernel/dmesg.current", FAULT).directory(&directory.path().join("bundle"));
    let rules = directory.path().join("rules");
    fs::create_dir_all(rules.join("site")).unwrap();
    let sound = include_str!("support/site_rule.toml");
    let check = |text: &str, says: &[&str]| {
        fs::write(rules.join("site/disk-quota.toml"), text).unwrap();
        fails(2, &["triage", &bundle, "--rules", rules.to_str().unwrap()], says);
        fails(2, &["rules", "check", rules.to_str().unwrap()], says);
    };
    check(
        &sound.replace("quota exceeded for", "quota (exceeded"),
        &["site/disk-quota.toml:10: bad regex", "unclosed group"],
    );
    check(&sound.replace("quota exceeded for", r"quota(?=x)"), &["site/disk-quota.toml:10: bad regex", "look-around"]);
    check(
        &sound.replace("'quota exceeded for'", "'quota exceeded for|'"),
        &["site/disk-quota.toml:10:", "and so every line"],
    );
    check(&sound.replace("\"kubelet\"", "\"cubelet\""), &["site/disk-quota.toml:4: unknown source \"cubelet\""]);
    check(&sound.replace("[\"quota exceeded for\"]", "[]"), &["site/disk-quota.toml:9:", "needs a literal"]);
    check(&sound.replace("severity = \"low\"", "severity = \"bad\""), &["site/disk-quota.toml:2:", "unknown variant"]);
    check(&sound.replace("title =", "titel ="), &["site/disk-quota.toml:1:", "unknown field `titel`"]);
    check(&sound.replace("within quota", "quota exceeded for 3"), &["counter-example matches"]);
    check(sound.split("[[counter_examples]]").next().unwrap(), &["at least 2 examples and 1 counter-example"]);
    fails(3, &["triage", &bundle, "--rules", "/no/such/rules"], &["/no/such/rules: not found"]);
    fs::remove_file(rules.join("site/disk-quota.toml")).unwrap();
    fails(2, &["triage", &bundle, "--rules", rules.to_str().unwrap()], &["no rule in it"]);
    fails(
        3,
        &["rules", "show", "network/conntrack-table-ful"],
        &["no rule", "did you mean network/conntrack-table-full"],
    );
}
