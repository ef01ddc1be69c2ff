/// What reading one archive may cost. A limit that is hit stops that member (or the walk) and is said; the rest is still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Members that are read; the walk stops behind the last one. A collector writes hundreds.
    pub members: u64,
    /// Bytes that one member may expand to.
    pub member_bytes: u64,
    /// How many times its compressed size a member may expand to. Logs reach 10 to 100; deflate cannot exceed 1032.
    pub expansion_ratio: u64,
    /// Bytes up to which a member may expand at any ratio.
    pub expansion_floor: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { members: 65_536, member_bytes: 256 << 30, expansion_ratio: 400, expansion_floor: 64 << 20 }
    }
}

impl Limits {
    /// Sets how many members are read.
    #[must_use]
    pub fn with_members(mut self, members: u64) -> Self {
        self.members = members;
        self
    }

    /// Sets how many bytes one member may expand to.
    #[must_use]
    pub fn with_member_bytes(mut self, bytes: u64) -> Self {
        self.member_bytes = bytes;
        self
    }

    /// Sets the expansion ratio, and the size up to which it does not matter.
    #[must_use]
    pub fn with_expansion(mut self, ratio: u64, floor: u64) -> Self {
        self.expansion_ratio = ratio;
        self.expansion_floor = floor;
        self
    }

    /// Why a member that took `stored` bytes so far may not grow beyond `expanded`; `None` while it may.
    pub fn exceeded(&self, stored: u64, expanded: u64) -> Option<String> {
        if expanded > self.member_bytes {
            return Some(format!(
                "larger than the limit of {} bytes for one file; the rest of it is not read",
                self.member_bytes
            ));
        }
        // Below one compressed block nothing can be said about a ratio.
        let stored = stored.max(512);
        if expanded > self.expansion_floor && expanded / stored > self.expansion_ratio {
            return Some(format!(
                "expands more than {} times (a decompression bomb?): stopped after {expanded} bytes from {stored}; the rest of it is not read",
                self.expansion_ratio
            ));
        }
        None
    }
}
