//! system/pkglist.txt: `rpm -qa` (unsorted) or `dpkg --list`.

use super::words::{Words, complaint, text};
use super::{Lines, Parsed, Span};

/// One package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Where it stands.
    pub span: Span,
    /// Its name.
    pub name: String,
    /// The version and, behind a hyphen, the release.
    pub version: String,
    /// The architecture; empty for keys.
    pub arch: String,
}

/// Which tool wrote the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Amazon Linux, Red Hat.
    Rpm,
    /// Ubuntu, Debian.
    Dpkg,
}

/// The whole list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packages {
    /// The tool; none for an empty list.
    pub manager: Option<Manager>,
    /// Installed packages, in the list's order.
    pub packages: Vec<Package>,
}

impl Packages {
    /// The package of that name; several versions may be installed (kernels): the last of the list.
    pub fn named(&self, name: &str) -> Option<&Package> {
        self.packages.iter().rev().find(|package| package.name == name)
    }
}

/// `name-version-release.arch`.
fn rpm(span: Span, line: &[u8]) -> Option<Package> {
    const ARCHITECTURES: [&str; 6] = ["x86_64", "aarch64", "noarch", "i686", "i386", "(none)"];
    let line = std::str::from_utf8(line).ok()?.trim();
    let (nvr, arch) = line.rsplit_once('.').filter(|(_, arch)| ARCHITECTURES.contains(arch)).unwrap_or((line, ""));
    if arch.is_empty() && !line.starts_with("gpg-pubkey-") {
        return None;
    }
    let (name_version, release) = nvr.rsplit_once('-')?;
    let (name, version) = name_version.rsplit_once('-')?;
    let whole = !name.is_empty() && !version.is_empty() && !release.is_empty() && !line.contains(char::is_whitespace);
    whole.then(|| Package {
        span,
        name: name.to_owned(),
        version: format!("{version}-{release}"),
        arch: arch.to_owned(),
    })
}

/// `ii  name:arch  version  arch  description`; other states than `?i` are not installed.
fn dpkg(line: &[u8]) -> Option<[&[u8]; 4]> {
    let mut words = Words::new(line);
    let state = words.next()?;
    let letters =
        (2..=3).contains(&state.len()) && b"uihrp".contains(state.first()?) && b"ncHUFWti".contains(state.get(1)?);
    let rest = (words.next()?, words.next()?, words.next()?);
    letters.then_some([state, rest.0, rest.1, rest.2])
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Packages> {
    let mut parsed = Parsed::new(Packages::default());
    for (span, line) in Lines::new(file) {
        let packages = &mut parsed.value;
        if line.trim_ascii().is_empty() {
            continue;
        }
        if line.starts_with(b"Desired=") || line.starts_with(b"||/ Name") || line.starts_with(b"| Status=") {
            packages.manager = Some(Manager::Dpkg);
        } else if packages.manager == Some(Manager::Dpkg) {
            if line.starts_with(b"|/ ") || line.starts_with(b"+++-") {
                continue;
            }
            match dpkg(line) {
                Some([state, name, version, arch]) if state.get(1) == Some(&b'i') => {
                    let name = name.split(|byte| *byte == b':').next().unwrap_or(name);
                    packages.packages.push(Package {
                        span,
                        name: text(name),
                        version: text(version),
                        arch: text(arch),
                    });
                }
                Some(_) => {}
                None => parsed.problem(span, complaint(line).unwrap_or("not a row of dpkg --list")),
            }
        } else if let Some(package) = rpm(span, line) {
            packages.manager = Some(Manager::Rpm);
            packages.packages.push(package);
        } else {
            parsed.problem(span, complaint(line).unwrap_or("not a package of rpm -qa"));
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(rows in proptest::collection::vec(("[a-z][a-z0-9_+.-]{0,20}[a-z0-9]", "[0-9][0-9.]{0,6}", "[0-9]{1,3}\\.(amzn2023|eks\\.amzn2)", "(x86_64|aarch64|noarch)"), 0..8), rpm in any::<bool>()) {
            let mut printed = String::new();
            if !rpm {
                printed += "Desired=Unknown/Install/Remove/Purge/Hold\n| Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend\n|/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)\n||/ Name           Version      Architecture Description\n+++-==============-============-============-=================================\n";
            }
            let mut wanted = Packages { manager: if rpm { None } else { Some(Manager::Dpkg) }, packages: Vec::new() };
            for (name, version, release, arch) in rows {
                let version = format!("{version}-{release}");
                match rpm {
                    true => {
                        printed += &format!("{name}-{version}.{arch}\n");
                        wanted.manager = Some(Manager::Rpm);
                    }
                    false => printed += &format!("ii  {name:<20} {version:<12} {arch:<8} some words here\nrc  gone-{name} 1.0 {arch} was here\n"),
                }
                wanted.packages.push(Package { span: Span::default(), name, version, arch });
            }
            let mut parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            parsed.value.packages.iter_mut().for_each(|package| package.span = Span::default());
            prop_assert_eq!(parsed.value, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&file);
            parse(&[b"||/ Name\n", &file[..]].concat());
        }
    }

    #[test]
    fn names_hold_hyphens_and_keys_have_no_architecture() {
        let parsed =
            parse(b"nvidia-container-toolkit-1.17.1-1.x86_64\ngpg-pubkey-d832c631-6515c85e\nwarning: rpmdb: damaged\n");
        let toolkit = parsed.value.named("nvidia-container-toolkit").unwrap();
        assert_eq!((toolkit.version.as_str(), toolkit.span.line), ("1.17.1-1", 1));
        assert_eq!((parsed.value.packages.len(), parsed.problem_count), (2, 1));
    }
}
