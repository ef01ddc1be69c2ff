use std::io::{Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;

use super::ReadSeek;
use crate::error::{Error, Result};

/// Bytes of a tar block.
const BLOCK: usize = 512;

/// An archive's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// tar, compressed with gzip (one or more gzip members).
    TarGz,
    /// tar, not compressed.
    Tar,
    /// zip, stored or deflated members.
    Zip,
}

/// Tells the format from the first bytes, never from the name.
pub(super) fn recognise(mut reader: Box<dyn ReadSeek>, locator: &str) -> Result<ArchiveFormat> {
    let failed = |why| Error::from_io(locator, why);
    let head = read_up_to(&mut reader, BLOCK).map_err(failed)?;
    let not_an_archive = |found: &str| Err(Error::NotAnArchive { path: locator.to_owned(), found: found.to_owned() });
    match head.as_slice() {
        [] => not_an_archive("the file is empty (0 bytes)"),
        [0x1f, 0x8b, ..] => {
            reader.seek(SeekFrom::Start(0)).map_err(failed)?;
            match read_up_to(&mut MultiGzDecoder::new(reader), BLOCK) {
                Ok(block) if is_tar(&block) => Ok(ArchiveFormat::TarGz),
                Ok(block) if block.is_empty() => Err(Error::EmptyArchive { path: locator.to_owned() }),
                Ok(_) => not_an_archive("gzip around a single file, not around a tar"),
                Err(why) => Err(Error::Corrupt {
                    path: locator.to_owned(),
                    detail: format!("gzip, damaged or cut before its first file: {why}; copy the archive again"),
                }),
            }
        }
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(ArchiveFormat::Zip),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => not_an_archive("xz; unpack it with `tar xJf` and point at the directory"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            not_an_archive("zstd; unpack it with `tar --zstd -xf` and point at the directory")
        }
        [b'B', b'Z', b'h', ..] => not_an_archive("bzip2; unpack it with `tar xjf` and point at the directory"),
        block if is_tar(block) => Ok(ArchiveFormat::Tar),
        text if std::str::from_utf8(text).is_ok() => not_an_archive("plain text"),
        _ => not_an_archive("unknown data"),
    }
}

/// Tells the format from the first bytes of a stream.
pub(super) fn recognise_head(head: &[u8], locator: &str) -> Result<ArchiveFormat> {
    recognise(Box::new(std::io::Cursor::new(head.to_vec())), locator)
}

fn read_up_to(reader: &mut dyn Read, count: usize) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(count);
    reader.take(count as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// A tar header whose checksum holds, or the block of zeros with which an empty tar begins.
fn is_tar(block: &[u8]) -> bool {
    if block.len() < BLOCK {
        return false;
    }
    if block.iter().all(|&byte| byte == 0) {
        return true;
    }
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(&block[..BLOCK]);
    let claimed = header.cksum();
    let sum: u32 = block[..BLOCK]
        .iter()
        .enumerate()
        .map(|(at, &byte)| if (148..156).contains(&at) { u32::from(b' ') } else { u32::from(byte) })
        .sum();
    claimed.is_ok_and(|claimed| claimed == sum)
}
