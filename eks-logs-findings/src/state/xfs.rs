//! storage/xfs.txt: `xfs_info` and `xfs_db -c 'freesp -s'` of each XFS, without separators (xfsprogs).

use super::words::{Words, complaint, find, number, text};
use super::{Lines, Parsed, Span};

/// A class of free extents, by their length in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Where it stands.
    pub span: Span,
    /// The shortest extent of the class.
    pub from: u64,
    /// The longest.
    pub to: u64,
    /// How many there are.
    pub extents: u64,
    /// How many blocks they hold.
    pub blocks: u64,
}

/// One file system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Xfs {
    /// The line of its device.
    pub span: Span,
    /// Its device.
    pub device: String,
    /// Bytes of a block.
    pub block_size: Option<u64>,
    /// Blocks in all.
    pub blocks: Option<u64>,
    /// Whether inode chunks may be sparse: without it a new chunk needs a run of free blocks.
    pub sparse: Option<bool>,
    /// Free space by extent length; empty when `xfs_db` gave none.
    pub free: Vec<Bucket>,
    /// `average free extent size`, in blocks, as printed, and where.
    pub average_free_extent: Option<(Span, f64)>,
}

impl Xfs {
    /// Blocks per free extent, from the summary or else from the classes; none without free extents.
    pub fn average_free(&self) -> Option<f64> {
        self.average_free_extent.map(|(_, average)| average).or_else(|| {
            let extents: u64 = self.free.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.extents));
            let blocks: u64 = self.free.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.blocks));
            (extents > 0).then(|| blocks as f64 / extents as f64)
        })
    }

    /// Free blocks over all classes.
    pub fn free_blocks(&self) -> u64 {
        self.free.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.blocks))
    }
}

/// The value of `key=` in a line of xfs_info.
fn value<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = &line[find(line, key)? + key.len()..];
    Some(&rest[..rest.iter().position(|byte| matches!(byte, b',' | b' ')).unwrap_or(rest.len())])
}

fn bucket(span: Span, line: &[u8]) -> Option<Bucket> {
    let words: Vec<&[u8]> = Words::new(line).collect();
    let [from, to, extents, blocks, _percent] = words[..] else { return None };
    Some(Bucket { span, from: number(from)?, to: number(to)?, extents: number(extents)?, blocks: number(blocks)? })
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Vec<Xfs>> {
    const IN_INFO: [&[u8]; 6] = [b"data ", b"naming ", b"log ", b"realtime ", b"metadir ", b" "];
    const IN_FREE: [&[u8]; 2] = [b"total free extents", b"total free blocks"];
    let mut parsed = Parsed::new(Vec::<Xfs>::new());
    for (span, line) in Lines::new(file) {
        let words = line.trim_ascii();
        if words.is_empty() || (words.starts_with(b"from ") && words.ends_with(b"pct")) {
            continue;
        }
        if let Some(device) = value(line, b"meta-data=") {
            parsed.value.push(Xfs { span, device: text(device), ..Xfs::default() });
            continue;
        }
        let known = parsed.value.last_mut().is_some_and(|xfs| {
            if let Some(bucket) = bucket(span, line) {
                xfs.free.push(bucket);
                return true;
            }
            if let Some(average) = words.strip_prefix(b"average free extent size ").and_then(number) {
                xfs.average_free_extent = Some((span, average));
                return true;
            }
            if line.starts_with(b"data ") {
                xfs.block_size = value(line, b"bsize=").and_then(number);
                xfs.blocks = value(line, b"blocks=").and_then(number);
            } else if let Some(sparse) = value(line, b"sparse=") {
                xfs.sparse = Some(sparse == b"1");
            }
            IN_FREE.iter().any(|known| words.starts_with(known))
                || (IN_INFO.iter().any(|known| line.starts_with(known)) && line.contains(&b'='))
        });
        if !known {
            parsed.problem(span, complaint(line).unwrap_or("neither xfs_info nor free space of xfs_db"));
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn print(xfs: &Xfs) -> String {
        let mut out = format!(
            "meta-data={}   isize=512    agcount=4, agsize=524159 blks\n         =                       sectsz=4096  attr=2, projid32bit=1\n         =                       crc=1        finobt=1, sparse={}, rmapbt=0\ndata     =                       bsize={}   blocks={}, imaxpct=25\n         =                       sunit=0      swidth=0 blks\nnaming   =version 2              bsize=16384  ascii-ci=0, ftype=1\nlog      =internal log           bsize=4096   blocks=16384, version=2\nrealtime =none                   extsz=4096   blocks=0, rtextents=0\n   from      to extents  blocks    pct\n",
            xfs.device,
            u8::from(xfs.sparse == Some(true)),
            xfs.block_size.unwrap(),
            xfs.blocks.unwrap()
        );
        for bucket in &xfs.free {
            out += &format!(
                "{:>7} {:>7} {:>7} {:>7} {:>6.2}\n",
                bucket.from, bucket.to, bucket.extents, bucket.blocks, 0.5
            );
        }
        if let Some((_, average)) = xfs.average_free_extent {
            out += &format!("total free extents 1\ntotal free blocks 2\naverage free extent size {average}\n");
        }
        out
    }

    prop_compose! {
        fn xfs_of()(
            device in "/dev/[a-z0-9]{3,9}", block_size in 512..65536u64, blocks in 1..1u64 << 40, sparse in any::<bool>(),
            free in proptest::collection::vec((1..9u64, 1..99u64, 0..999u64, 0..9999u64), 0..5),
            average in proptest::option::of((0..99999u32).prop_map(|tenths| f64::from(tenths) / 10.0)),
        ) -> Xfs {
            let span = Span::default();
            let free = free.into_iter().map(|(from, to, extents, blocks)| Bucket { span, from, to, extents, blocks }).collect();
            Xfs { span, device, block_size: Some(block_size), blocks: Some(blocks), sparse: Some(sparse), free, average_free_extent: average.map(|average| (span, average)) }
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(systems in proptest::collection::vec(xfs_of(), 0..4)) {
            let printed: String = systems.iter().map(print).collect();
            let mut parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            for xfs in &mut parsed.value {
                xfs.span = Span::default();
                xfs.free.iter_mut().for_each(|bucket| bucket.span = Span::default());
                xfs.average_free_extent = xfs.average_free_extent.map(|(_, average)| (Span::default(), average));
            }
            prop_assert_eq!(parsed.value, systems);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&file);
            parse(&[b"meta-data=/dev/sda1 isize=512\n", &file[..]].concat());
        }
    }

    #[test]
    fn the_average_comes_from_the_classes_when_it_is_not_printed() {
        let parsed = parse(b"meta-data=/dev/sda1 isize=512\n   from      to extents  blocks    pct\n      1       1    1204    1204   0.01\n      8      15      44     352   0.10\n");
        let average = parsed.value[0].average_free().unwrap();
        assert!((average - 1556.0 / 1248.0).abs() < 1e-9);
        assert_eq!(parsed.value[0].free_blocks(), 1556);
        assert_eq!(Xfs::default().average_free(), None);
    }
}
