//! zip, in the order in which its members are stored.

use std::io::{Read, Seek, SeekFrom};

use zip::ZipArchive;

use super::pass::{Output, Step, Unwanted};
use super::{Limits, ReadSeek};
use crate::path::StorePath;
use crate::store::{Object, Refusal, RefusalReason};

/// What the member headers say, before any is read.
struct Member {
    index: usize,
    start: u64,
    stored: u64,
}

pub(super) fn run(
    mut reader: Box<dyn ReadSeek>,
    size: u64,
    limits: Limits,
    mut output: Output,
) -> Result<(), Unwanted> {
    if let Err(why) = reader.seek(SeekFrom::Start(0)) {
        return output.send(Step::Cut(format!("cannot be read: {why}")));
    }
    let mut archive = match ZipArchive::new(reader) {
        Ok(archive) => archive,
        Err(why) => {
            return output.send(Step::Cut(format!("the zip's directory at its end is missing or damaged: {why}")));
        }
    };
    let mut members = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        match archive.by_index_raw(index) {
            Ok(file) => members.push(Member { index, start: file.header_start(), stored: file.compressed_size() }),
            Err(why) => {
                let detail = format!("its header is damaged: {why}");
                output.send(Step::Refused(Refusal {
                    name: format!("member {index}"),
                    reason: RefusalReason::Unreadable,
                    detail,
                }))?;
            }
        }
    }
    members.sort_by_key(|member| member.start);
    for (files, member) in members.iter().enumerate() {
        output.send(Step::Progress(member.start, size))?;
        if files as u64 == limits.members {
            return output.send(Step::Cut(format!("more than {files} files in the archive: the rest is not read")));
        }
        let mut file = match archive.by_index(member.index) {
            Ok(file) => file,
            Err(why) => {
                let detail = format!("cannot be read: {why}");
                let name = format!("member {}", member.index);
                output.send(Step::Refused(Refusal { name, reason: RefusalReason::Unreadable, detail }))?;
                continue;
            }
        };
        let name = file
            .name()
            .map_or_else(|_| String::from_utf8_lossy(file.name_raw()).into_owned(), |name| name.into_owned());
        if file.is_symlink() {
            let detail = "a link: not followed".to_owned();
            output.send(Step::Refused(Refusal { name, reason: RefusalReason::Link, detail }))?;
            continue;
        }
        // Windows PowerShell stores a directory as a name that ends in a backslash.
        if file.is_dir() || name.ends_with('\\') {
            continue;
        }
        let path = match StorePath::from_member(&name) {
            Ok(path) if !path.is_root() => path,
            Ok(_) => continue,
            Err(why) => {
                output.send(Step::Refused((name, why).into()))?;
                continue;
            }
        };
        let object = Object { path, size: file.size(), version: None };
        // zip tells a member's compressed size up front: the ratio is judged against the whole of it.
        output.member(object, &mut |buffer| file.read(buffer), &|| member.stored, &limits)?;
    }
    output.send(Step::Progress(size, size))
}
