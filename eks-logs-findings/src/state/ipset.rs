//! `ipset --list` and `ipset --save`: sets of addresses that rules compare with (kube-proxy in ipvs mode, Calico).

use super::{Lines, Parsed, Span};

/// One set. Its members are counted, not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpSet {
    /// The line of its name.
    pub span: Span,
    /// Its name.
    pub name: Box<str>,
    /// `hash:ip,port`, `bitmap:port` ...
    pub kind: Box<str>,
    /// Its options as printed: `family inet hashsize 1024 maxelem 65536`.
    pub header: Box<str>,
    /// How many rules refer to it.
    pub references: Option<u64>,
    /// Members that were printed.
    pub members: u64,
    /// Members as the tool counts them; older versions do not.
    pub declared: Option<u64>,
}

impl IpSet {
    /// How many members it may have.
    pub fn limit(&self) -> Option<u64> {
        let mut words = self.header.split(' ');
        words.find(|word| *word == "maxelem").and_then(|_| words.next()?.parse().ok())
    }
}

/// Reads the sets of the list; the save form after it says the same again, and counts only where there is no list.
pub fn parse(text: &[u8]) -> Parsed<Vec<IpSet>> {
    let mut parsed = Parsed::new(Vec::<IpSet>::new());
    let mut saved = Vec::<IpSet>::new();
    let mut members = false;
    for (span, line) in Lines::new(text) {
        let Ok(line) = std::str::from_utf8(line) else {
            parsed.problem(span, "the line is not UTF-8");
            continue;
        };
        let line = line.trim();
        if line.is_empty() {
            members = false;
            continue;
        }
        if let Some(name) = line.strip_prefix("Name: ") {
            members = false;
            parsed.value.push(IpSet { span, name: name.into(), ..IpSet::default() });
            continue;
        }
        if let Some((name, rest)) = line.strip_prefix("create ").and_then(|rest| rest.split_once(' ')) {
            members = false;
            let (kind, header) = rest.split_once(' ').unwrap_or((rest, ""));
            let set = IpSet { span, name: name.into(), kind: kind.into(), header: header.into(), ..IpSet::default() };
            saved.push(set);
            continue;
        }
        if let (Some(rest), Some(set)) = (line.strip_prefix("add "), saved.last_mut())
            && !members
        {
            match rest.split_once(' ') {
                Some((name, _)) if *name == *set.name => set.members += 1,
                _ => parsed.problem(span, "a member of a set that was not created"),
            }
            continue;
        }
        let Some(set) = parsed.value.last_mut() else {
            parsed.problem(span, "expected `Name: SET` or `create SET ...`");
            continue;
        };
        match line.split_once(':') {
            _ if members => set.members += 1,
            Some(("Type", kind)) => set.kind = kind.trim().into(),
            Some(("Header", header)) => set.header = header.trim().into(),
            Some(("References", count)) => set.references = count.trim().parse().ok(),
            Some(("Number of entries", count)) => set.declared = count.trim().parse().ok(),
            Some(("Revision" | "Size in memory", _)) => {}
            Some(("Members", "")) => members = true,
            _ => parsed.problem(span, "expected a property of the set, or its members"),
        }
    }
    if parsed.value.is_empty() {
        parsed.value = saved;
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = "\
Name: KUBE-CLUSTER-IP
Type: hash:ip,port
Revision: 5
Header: family inet hashsize 1024 maxelem 65536
Size in memory: 408
References: 3
Number of entries: 2
Members:
172.20.0.1,tcp:443
172.20.0.10,udp:53


create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536
add KUBE-CLUSTER-IP 172.20.0.1,tcp:443
add KUBE-CLUSTER-IP 172.20.0.10,udp:53
";

    #[test]
    fn the_list_counts_and_the_save_form_stands_in() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let set = &parsed.value[0];
        assert_eq!((set.members, set.declared, set.references, set.limit()), (2, Some(2), Some(3), Some(65536)));
        let saved = parse(&NODE.as_bytes()[NODE.find("create").unwrap()..]).value;
        assert_eq!((saved.len(), saved[0].members, &*saved[0].kind), (1, 2, "hash:ip,port"));
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(sets in prop::collection::vec(("[A-Z][A-Z0-9-]{1,8}", "hash:ip(,port)?", any::<u64>(), 0..20u64, 1..99_999u64), 0..5)) {
            let mut text = String::new();
            for (name, kind, references, members, limit) in &sets {
                text += &format!("Name: {name}\nType: {kind}\nRevision: 4\nHeader: family inet maxelem {limit}\nSize in memory: 1\nReferences: {references}\nNumber of entries: {members}\nMembers:\n");
                text.extend((0..*members).map(|n| format!("10.0.0.{n},tcp:80\n")));
                text += "\n";
            }
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: Vec<_> = parsed.value.iter().map(|set| (set.name.to_string(), set.kind.to_string(), set.references.unwrap(), set.members, set.limit().unwrap())).collect();
            prop_assert_eq!(read, sets);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
