//! storage/mounts.txt: what `mount` prints, then `df --human-readable`. Also /proc/mounts and df alone, as Bottlerocket collects them.

use super::df::{self, Filesystem};
use super::words::{Words, complaint, find, number, text};
use super::{Lines, Parsed, Span};

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it stands.
    pub span: Span,
    /// What is mounted: a device, `server:/path`, or a name without meaning.
    pub device: String,
    /// Where.
    pub target: String,
    /// The type, such as `xfs`, `overlay`, `nfs4`.
    pub fs_type: String,
    /// The options, separated by commas.
    pub options: String,
}

impl Mount {
    /// The value of an option; empty for one without a value.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.split(',').find_map(|option| match option.split_once('=') {
            Some((key, value)) if key == name => Some(value),
            None if option == name => Some(""),
            _ => None,
        })
    }

    /// Whether nothing can be written to it.
    pub fn read_only(&self) -> bool {
        self.option("ro").is_some()
    }
}

/// Both tables of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// The mount table, in the order of mounting.
    pub mounts: Vec<Mount>,
    /// df's table; empty when df hung (a dead network file system) or is not part of the file.
    pub filesystems: Vec<Filesystem>,
}

impl Mounts {
    /// What is mounted at a place: the last mount hides those before it.
    pub fn at(&self, target: &str) -> Option<&Mount> {
        self.mounts.iter().rev().find(|mount| mount.target == target)
    }
}

/// `DEVICE on TARGET type TYPE (OPTIONS)`.
fn printed(span: Span, line: &[u8]) -> Option<Mount> {
    let on = find(line, b" on ")?;
    let (device, rest) = (&line[..on], &line[on + 4..]);
    let at = memchr::memmem::rfind(rest, b" type ")?;
    let (target, rest) = (&rest[..at], &rest[at + 6..]);
    let open = find(rest, b" (")?;
    let options = &rest[open + 2..];
    let options = &options[..memchr::memrchr(b')', options)?];
    Some(Mount {
        span,
        device: text(device),
        target: text(target),
        fs_type: text(&rest[..open]),
        options: text(options),
    })
}

/// A line of /proc/mounts: six fields, the last two numbers; blanks are octal escapes (proc(5)).
fn of_proc(span: Span, line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = Words::new(line).collect();
    let [device, target, fs_type, options, dump, pass] = fields[..] else { return None };
    number::<u8>(dump).and(number::<u8>(pass))?;
    Some(Mount {
        span,
        device: unescaped(device),
        target: unescaped(target),
        fs_type: text(fs_type),
        options: text(options),
    })
}

fn unescaped(field: &[u8]) -> String {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let code =
            tail.get(..3).filter(|code| *first == b'\\' && code.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        match code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    text(&out)
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Mounts> {
    let mut parsed = Parsed::new(Mounts::default());
    let mut in_df = false;
    for (span, line) in Lines::new(file) {
        if df::is_header(line) {
            in_df = true;
        } else if line.trim_ascii().is_empty() {
        } else if let Some(row) = in_df.then(|| df::row(span, line)).flatten() {
            parsed.value.filesystems.push(row);
        } else if let Some(mount) = printed(span, line).or_else(|| of_proc(span, line)) {
            if in_df {
                parsed.problem(span, "an earlier run's tables stand in front of this line and are not counted");
                parsed.value = Mounts::default();
                in_df = false;
            }
            parsed.value.mounts.push(mount);
        } else {
            parsed.problem(span, complaint(line).unwrap_or("neither a mount nor a row of df"));
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn mount_of()(
            device in "[a-z/][a-z0-9/:.]{0,20}",
            target in "/[a-zA-Z0-9/_.~]{0,30}( [a-z]{1,5})?",
            fs_type in "[a-z0-9.]{1,10}",
            options in "[a-z0-9=:/,]{1,40}",
        ) -> Mount {
            Mount { span: Span::default(), device, target, fs_type, options }
        }
    }

    fn bare(mut mounts: Mounts) -> Mounts {
        mounts.mounts.iter_mut().for_each(|mount| mount.span = Span::default());
        mounts.filesystems.iter_mut().for_each(|row| row.span = Span::default());
        mounts
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(
            mounts in proptest::collection::vec(mount_of(), 0..8),
            filesystems in proptest::collection::vec(df::tests::row_of(), 0..5),
            of_proc in any::<bool>(),
        ) {
            let mut printed = String::new();
            for mount in &mounts {
                let Mount { device, target, fs_type, options, .. } = mount;
                printed += &match of_proc {
                    true => format!("{device} {} {fs_type} {options} 0 0\n", target.replace(' ', "\\040")),
                    false => format!("{device} on {target} type {fs_type} ({options})\n"),
                };
            }
            printed.push('\n');
            printed += &df::tests::print(&filesystems);
            let parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            for mount in &parsed.value.mounts {
                let line = &printed[mount.span.start as usize..mount.span.end as usize];
                prop_assert!(line.starts_with(&mount.device));
            }
            prop_assert_eq!(bare(parsed.value), Mounts { mounts, filesystems });
        }

        #[test]
        fn any_bytes_are_survived(file in "[ -~\n\\\\()]{0,200}") {
            parse(file.as_bytes());
        }
    }

    #[test]
    fn options_and_layers() {
        let parsed = parse(b"/dev/xvda1 on / type xfs (rw,noatime)\n/dev/xvda1 on / type xfs (ro,errors=remount-ro)\n127.0.0.1:/ on /d type nfs4 (rw,port=20313,addr=127.0.0.1)\n");
        let root = parsed.value.at("/").unwrap();
        assert!(root.read_only() && root.span.line == 2);
        assert_eq!(parsed.value.at("/d").unwrap().option("port"), Some("20313"));
        assert_eq!(parsed.value.at("/d").unwrap().option("ro"), None);
        assert_eq!(parsed.value.at("/missing"), None);
    }

    #[test]
    fn a_hung_df_leaves_no_table() {
        let parsed = parse(b"/dev/xvda1 on / type xfs (rw,noatime)\n\n");
        assert!(parsed.value.filesystems.is_empty() && parsed.problem_count == 0);
    }
}
