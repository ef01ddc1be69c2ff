//! storage/inodes.txt: `df --inodes`, appended to what an aborted earlier run left. Bottlerocket prints it with units.

use super::Parsed;
use super::df::{self, Filesystem};

/// Reads the file; the counts are inodes.
pub fn parse(file: &[u8]) -> Parsed<Vec<Filesystem>> {
    df::parse(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_without_inodes_have_no_percentage() {
        let parsed = parse(
            b"Filesystem         Inodes  IUsed    IFree IUse% Mounted on\n/dev/nvme0n1p1   41942512 181204 41761308    1% /\n/dev/nvme0n1p128        0      0        0     - /boot/efi\n",
        );
        assert_eq!(parsed.problem_count, 0);
        assert_eq!(parsed.value[0].available, Some(41_761_308));
        assert_eq!((parsed.value[1].percent, parsed.value[1].total), (None, Some(0)));
    }
}
