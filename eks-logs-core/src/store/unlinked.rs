//! Opening a file below a directory without following a link on the way: a bundle is untrusted input, and a link planted in it must not
//! lead out of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::path::StorePath;

/// Why a path was not gone down.
enum Failed {
    Link,
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(why: io::Error) -> Self {
        Self::Io(why)
    }
}

/// A directory below which files are opened. Links above it are the caller's own and are followed.
pub(super) struct Unlinked<'a> {
    root: &'a Path,
    /// Held for as long as files are opened one after the other. `None` where the system cannot open without following links.
    #[cfg(target_os = "linux")]
    handle: Option<File>,
}

impl<'a> Unlinked<'a> {
    pub(super) fn below(root: &'a Path) -> Self {
        Self {
            root,
            #[cfg(target_os = "linux")]
            handle: File::open(root).ok(),
        }
    }

    /// A regular file, and its size in bytes.
    ///
    /// # Errors
    /// [`Error::Denied`] if a part of the path is a link, [`Error::NotFound`] if nothing or no regular file is there, [`Error::Io`].
    pub(super) fn open(&self, path: &StorePath) -> Result<(File, u64)> {
        let failed = |why: Failed| self.failed(path, why);
        let file = self.opened(path).map_err(failed)?;
        let meta = file.metadata().map_err(|why| failed(why.into()))?;
        if !meta.is_file() {
            return Err(Error::NotFound { path: self.shown(path) });
        }
        Ok((file, meta.len()))
    }

    /// Whether a path can be gone down without following a link; one at which nothing stands can.
    pub(super) fn check(&self, path: &StorePath) -> Result<()> {
        match self.looked_at(path) {
            Err(why @ Failed::Link) => Err(self.failed(path, why)),
            Ok(()) | Err(Failed::Io(_)) => Ok(()),
        }
    }

    /// In one call of the system, so that nobody can put a link there between looking and opening.
    #[cfg(target_os = "linux")]
    fn opened(&self, path: &StorePath) -> Result<File, Failed> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        use rustix::io::Errno;
        let Some(handle) = &self.handle else { return self.looked_at_and_opened(path) };
        // A pipe is opened at once, and then refused, instead of waiting for somebody who writes to it.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        match openat2(handle, path.as_str(), flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Ok(file) => Ok(File::from(file)),
            // Kernels before 5.6, and filters of system calls that do not know the call.
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => self.looked_at_and_opened(path),
            Err(Errno::LOOP) => Err(Failed::Link),
            Err(why) => Err(io::Error::from(why).into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn opened(&self, path: &StorePath) -> Result<File, Failed> {
        self.looked_at_and_opened(path)
    }

    fn looked_at_and_opened(&self, path: &StorePath) -> Result<File, Failed> {
        self.looked_at(path)?;
        Ok(File::open(self.full(path))?)
    }

    /// Looks at each part of a path without following it. What is neither a file nor a directory is not there.
    fn looked_at(&self, path: &StorePath) -> Result<(), Failed> {
        let mut at = self.root.to_owned();
        for part in path.as_str().split('/').filter(|part| !part.is_empty()) {
            at.push(part);
            let kind = fs::symlink_metadata(&at)?;
            if kind.is_symlink() {
                return Err(Failed::Link);
            }
            if !kind.is_file() && !kind.is_dir() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
        }
        Ok(())
    }

    fn failed(&self, path: &StorePath, why: Failed) -> Error {
        let path = self.shown(path);
        match why {
            Failed::Link => Error::Denied { path },
            Failed::Io(why) => Error::from_io(path, why),
        }
    }

    fn full(&self, path: &StorePath) -> PathBuf {
        self.root.join(path.as_str())
    }

    fn shown(&self, path: &StorePath) -> String {
        self.full(path).display().to_string()
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    /// Both ways of opening, for the one is taken where the other does not exist.
    fn ways(root: &Path) -> Vec<Unlinked<'_>> {
        let usual = Unlinked::below(root);
        #[cfg(target_os = "linux")]
        let ways = vec![usual, Unlinked { root, handle: None }];
        #[cfg(not(target_os = "linux"))]
        let ways = vec![usual];
        ways
    }

    #[test]
    fn links_are_denied_wherever_they_stand() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, elsewhere) = (inside.path(), outside.path());
        fs::write(elsewhere.join("secret"), "secret").unwrap();
        fs::create_dir(root.join("kubelet")).unwrap();
        fs::write(root.join("kubelet/kubelet.log"), "line\n").unwrap();
        symlink(elsewhere.join("secret"), root.join("kubelet/link.log")).unwrap();
        symlink(elsewhere, root.join("out")).unwrap();
        // Even one that stays inside.
        symlink("kubelet", root.join("again")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        let path = |text| StorePath::parse(text).unwrap();
        for way in ways(root) {
            assert_eq!(way.open(&path("kubelet/kubelet.log")).unwrap().1, 5);
            for link in ["kubelet/link.log", "out/secret", "again/kubelet.log", "dangling", "out"] {
                assert!(matches!(way.open(&path(link)), Err(Error::Denied { .. })), "{link}");
                assert!(matches!(way.check(&path(link)), Err(Error::Denied { .. })), "{link}");
            }
            for nothing in ["kubelet", "kubelet/none.log", "none/none.log"] {
                assert!(matches!(way.open(&path(nothing)), Err(Error::NotFound { .. })), "{nothing}");
                assert!(way.check(&path(nothing)).is_ok(), "{nothing}");
            }
        }
    }

    #[test]
    fn a_root_behind_a_link_is_the_callers_own() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("real")).unwrap();
        fs::write(directory.path().join("real/kubelet.log"), "line\n").unwrap();
        symlink("real", directory.path().join("bundle")).unwrap();
        for way in ways(&directory.path().join("bundle")) {
            assert_eq!(way.open(&StorePath::parse("kubelet.log").unwrap()).unwrap().1, 5);
        }
    }

    #[test]
    fn nobody_waits_for_a_pipe() {
        let directory = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(directory.path().join("pipe")).status();
        assert!(made.unwrap().success());
        for way in ways(directory.path()) {
            let opened = way.open(&StorePath::parse("pipe").unwrap());
            assert!(matches!(opened, Err(Error::NotFound { .. })), "{opened:?}");
        }
    }
}
