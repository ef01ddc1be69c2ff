//! `lsmod`, here the rows about IPVS and connection tracking: which modules the kernel has loaded.

use super::{Lines, Parsed, Span};

/// A loaded module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its line.
    pub span: Span,
    /// Its name, with underscores.
    pub name: Box<str>,
    /// Its size in bytes.
    pub bytes: u64,
    /// How many use it; `None` where the kernel does not count (-2: it cannot be unloaded).
    pub users: Option<u32>,
    /// Modules that use it.
    pub used_by: Vec<Box<str>>,
}

/// Reads the rows; the header may be missing, as `grep` leaves it out.
pub fn parse(text: &[u8]) -> Parsed<Vec<Module>> {
    let mut parsed = Parsed::new(Vec::new());
    for (span, line) in Lines::new(text) {
        if line.trim_ascii().is_empty() || (line.starts_with(b"Module ") && line.trim_ascii_end().ends_with(b"Used by"))
        {
            continue;
        }
        match std::str::from_utf8(line).ok().and_then(|line| module(span, line)) {
            Some(module) => parsed.value.push(module),
            None => parsed.problem(span, "expected `MODULE SIZE USERS used,by`"),
        }
    }
    parsed
}

fn module(span: Span, line: &str) -> Option<Module> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?.into();
    let bytes = words.next()?.parse().ok()?;
    let users: i64 = words.next()?.parse().ok()?;
    let used_by = words.next().unwrap_or_default().split(',').filter(|name| !name.is_empty()).map(Into::into).collect();
    Some(Module { span, name, bytes, users: users.try_into().ok(), used_by })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = "\
ip_vs_sh               16384  0
ip_vs                 188416  6 ip_vs_rr,ip_vs_sh,ip_vs_wrr
nf_conntrack          188416  5 xt_conntrack,nf_nat,nf_conntrack_netlink,ip_vs,xt_MASQUERADE
";

    #[test]
    fn loaded_modules() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        assert_eq!((&*parsed.value[1].name, parsed.value[1].users), ("ip_vs", Some(6)));
        assert_eq!(parsed.value[1].used_by.len(), 3);
        assert_eq!(parse(b"").value, []);
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(modules in prop::collection::vec(("[a-z_]{1,12}", any::<u64>(), any::<u32>(), prop::collection::vec("[a-z_]{1,8}", 0..4)), 0..8)) {
            let text: String = modules.iter().map(|(name, size, users, by)| format!("{name:<22} {size:>8}  {users} {}\n", by.join(","))).collect();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.iter().map(|m| (m.name.to_string(), m.bytes, m.users.unwrap(), m.used_by.iter().map(|by| by.to_string()).collect::<Vec<_>>())).collect();
            prop_assert_eq!(read, modules);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
