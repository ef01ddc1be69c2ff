//! `sysctl --all`: kernel parameters.

use std::collections::BTreeMap;

use super::{Lines, Parsed, Span};

/// All parameters, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sysctl {
    settings: BTreeMap<Box<str>, Setting>,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its line.
    pub span: Span,
    /// Its value as printed; several values have tabs between them.
    pub value: Box<str>,
}

impl Sysctl {
    /// A parameter: `net.ipv4.ip_forward`.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// A parameter that is one whole number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.value.parse().ok()
    }

    /// The parameters whose names start so, by name.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Setting)> {
        let from = self.settings.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        from.take_while(move |(name, _)| name.starts_with(prefix)).map(|(name, setting)| (&**name, setting))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.settings.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }
}

/// Reads the parameters. The collector appends to what an aborted run left: the last value counts.
pub fn parse(text: &[u8]) -> Parsed<Sysctl> {
    let mut parsed = Parsed::new(Sysctl::default());
    let mut told = false;
    for (span, line) in Lines::new(text) {
        // A refused or unknown parameter is told on stderr, which some collectors mix in.
        if line.trim_ascii().is_empty() || line.starts_with(b"sysctl: ") {
            continue;
        }
        let said = std::str::from_utf8(line).ok().and_then(|line| line.split_once('='));
        let Some((name, value)) = said.map(|(name, value)| (name.trim(), value.trim())) else {
            parsed.problem(span, "expected `NAME = VALUE`");
            continue;
        };
        if name.is_empty() || name.contains([' ', '\t']) {
            parsed.problem(span, "expected `NAME = VALUE`");
            continue;
        }
        let before = parsed.value.settings.insert(name.into(), Setting { span, value: value.into() });
        // Two `%`-named devices may share a name; a whole second dump is told once.
        if before.is_some() && !told {
            told = true;
            parsed
                .problem(span, format!("{name} is printed a second time: an aborted collection left its output above"));
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::damage::{damaged, problems_stand_in};
    use super::*;

    const NODE: &str = "\
kernel.core_pattern = |/usr/lib/systemd/systemd-coredump %P %u
net.ipv4.conf.eth0.rp_filter = 2
net.ipv4.ip_local_port_range = 32768\t60999
sysctl: permission denied on key 'fs.protected_fifos'
net.ipv4.conf.all.arp_notify = 0
kernel.domainname = (none)
kernel.hotplug = 
";

    #[test]
    fn parameters_by_name() {
        let parsed = parse(NODE.as_bytes());
        assert_eq!(parsed.problems, []);
        let sysctl = parsed.value;
        assert_eq!(sysctl.len(), 6);
        assert_eq!(sysctl.number("net.ipv4.conf.eth0.rp_filter"), Some(2));
        assert_eq!(sysctl.get("net.ipv4.ip_local_port_range").map(|s| &*s.value), Some("32768\t60999"));
        assert_eq!(sysctl.get("kernel.hotplug").map(|s| (&*s.value, s.span.line)), Some(("", 7)));
        let conf: Vec<_> = sysctl.under("net.ipv4.conf.").map(|(name, _)| name).collect();
        assert_eq!(conf, ["net.ipv4.conf.all.arp_notify", "net.ipv4.conf.eth0.rp_filter"]);
    }

    #[test]
    fn the_last_value_counts() {
        let parsed =
            parse(b"vm.swappiness = 60\nkernel.pid_max = 32768\nvm.swappiness = 0\nkernel.pid_max = 4194304\n");
        assert_eq!((parsed.value.number("vm.swappiness"), parsed.problem_count), (Some(0), 1));
    }

    proptest! {
        #[test]
        fn what_was_printed_is_read_back(settings in prop::collection::btree_map("[a-z]{1,5}(\\.[a-z0-9_]{1,5}){1,3}", "([!-~]{1,6}(\t[!-~]{1,6})?)?", 0..20)) {
            let text: String = settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
            let parsed = parse(text.as_bytes());
            prop_assert_eq!(&parsed.problems, &[]);
            let read: BTreeMap<_, _> = parsed.value.under("").map(|(name, setting)| (name.to_owned(), setting.value.to_string())).collect();
            prop_assert_eq!(read, settings);
        }

        #[test]
        fn any_bytes_are_survived(text in damaged(NODE)) {
            problems_stand_in(&parse(&text), &text);
        }
    }
}
