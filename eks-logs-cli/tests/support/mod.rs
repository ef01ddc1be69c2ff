//! Bundles made on the spot, and the real binary run on them.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

/// One fault, as the kernel prints it.
pub const FAULT: &str = "[ 4711.123456] nf_conntrack: nf_conntrack: table full, dropping packet\n";

/// What a run printed.
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("it exits by itself"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eks-logs"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

pub fn eks_logs(args: &[&str]) -> Run {
    binary().args(args).output().expect("the binary runs").into()
}

/// `triage` as JSON; it must succeed.
pub fn triage(bundle: &str) -> serde_json::Value {
    let run = eks_logs(&["triage", bundle, "--format", "json", "--evidence", "all"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).expect("JSON")
}

pub fn found_rules(answer: &serde_json::Value) -> Vec<&str> {
    answer["findings"].as_array().unwrap().iter().map(|finding| finding["rule"].as_str().unwrap()).collect()
}

/// Runs the binary as a user without rights: as we are, or as `nobody` if we are root; `None` where neither works.
#[cfg(unix)]
pub fn as_nobody(args: &[&str]) -> Option<Run> {
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;
    let mut command = binary();
    command.args(args);
    let root = fs::metadata("/proc/self").map(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0).unwrap_or(false);
    if root {
        // The target directory may be closed to others: run a copy.
        let copy = Path::new("/tmp").join(format!("eks-logs-test-{}", std::process::id()));
        fs::copy(env!("CARGO_BIN_EXE_eks-logs"), &copy).ok()?;
        command = Command::new(&copy);
        command.args(args).uid(NOBODY).gid(NOBODY);
        let output = command.output();
        let _ = fs::remove_file(&copy);
        return output.ok().map(Run::from);
    }
    command.output().ok().map(Run::from)
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Members of a bundle in order, to be written as an archive or as a directory.
#[derive(Default)]
pub struct Members(Vec<(Vec<u8>, EntryType, Vec<u8>)>);

impl Members {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn file(self, path: &str, content: &str) -> Self {
        self.bytes(path, content.as_bytes())
    }

    pub fn bytes(mut self, path: &str, content: &[u8]) -> Self {
        self.0.push((format!("./{path}").into_bytes(), EntryType::Regular, content.to_vec()));
        self
    }

    /// A member whose name no careful writer would write.
    pub fn raw_name(mut self, name: &[u8], kind: EntryType) -> Self {
        self.0.push((name.to_vec(), kind, Vec::new()));
        self
    }

    pub fn tar(&self) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, content) in &self.0 {
            let mut header = Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name);
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            if matches!(kind, EntryType::Symlink | EntryType::Link) {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, content.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// Writes `bundle.tar.gz` and returns its path.
    pub fn tar_gz(&self, directory: &Path) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let path = directory.join(format!("bundle-{}.tar.gz", NUMBER.fetch_add(1, Ordering::Relaxed)));
        fs::write(&path, gzip(&self.tar())).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes the files below a directory and returns its path.
    pub fn directory(&self, root: &Path) -> String {
        for (name, _, content) in &self.0 {
            let path = root.join(std::str::from_utf8(name).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root.to_str().unwrap().to_owned()
    }
}
