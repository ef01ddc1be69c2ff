//! kubelet's command line flags: from its unit with drop-ins (ExecStart and the variables that Environment sets), from the running
//! process's row of ps, or from Ubuntu's snap settings. Flags win over the configuration file.

use super::systemd_unit::{Assignment, Unit};
use super::words::{Words, complaint, text};
use super::{Lines, Parsed, Span};

/// One flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Where it stands.
    pub span: Span,
    /// Its name, without hyphens.
    pub name: String,
    /// Its value; none for a bare switch.
    pub value: Option<String>,
}

/// All flags, in the order of the command line: of one that stands twice the last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The flags.
    pub flags: Vec<Flag>,
    /// Variables whose values are in files that are not in the bundle (EnvironmentFile): flags may hide there.
    pub unresolved: Vec<String>,
    /// Words that are neither a flag nor its value, and where.
    pub stray: Vec<(Span, String)>,
}

impl Flags {
    /// The flag in effect.
    pub fn get(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().rev().find(|flag| flag.name == name)
    }

    /// The value in effect.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name)?.value.as_deref()
    }

    /// Adds the words of a command line that follow the program.
    fn add(&mut self, span: Span, words: impl IntoIterator<Item = String>) {
        let mut open = None;
        for word in words {
            if let Some(flag) =
                word.strip_prefix("--").filter(|flag| flag.starts_with(|letter: char| letter.is_ascii_alphanumeric()))
            {
                let (name, value) =
                    flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
                open = value.is_none().then_some(self.flags.len());
                self.flags.push(Flag { span, name: name.to_owned(), value });
            } else if let Some(flag) = open.take().and_then(|at: usize| self.flags.get_mut(at)) {
                flag.value = Some(word);
            } else {
                self.stray.push((span, word));
            }
        }
    }

    /// The flags of a running kubelet, from its command line as ps prints it (quotes are gone there: a value with a blank falls apart).
    pub fn of_command_line(span: Span, command: &str) -> Self {
        let mut flags = Self::default();
        flags.add(span, command.split_whitespace().skip(1).map(str::to_owned));
        flags
    }

    /// The flags of a unit's ExecStart, its variables replaced by what Environment assigns.
    pub fn of_unit(unit: &Unit) -> Self {
        let mut flags = Self::default();
        let mut variables: Vec<(String, String, Span)> = Vec::new();
        for assignment in in_effect(unit, "Environment") {
            for word in quoted_words(&assignment.value) {
                if let Some((name, value)) = word.split_once('=') {
                    variables.push((name.to_owned(), value.to_owned(), assignment.span));
                }
            }
        }
        if let Some(start) = in_effect(unit, "ExecStart").last() {
            for word in quoted_words(&start.value).into_iter().skip(1) {
                let Some(name) = word.strip_prefix('$').map(|name| name.trim_matches(['{', '}'])) else {
                    flags.add_after(start.span, word);
                    continue;
                };
                match variables.iter().rev().find(|(known, ..)| known == name) {
                    Some((_, value, span)) => flags.add(*span, quoted_words(value)),
                    None => flags.unresolved.push(name.to_owned()),
                }
            }
        }
        flags
    }

    /// Adds one word of a line, which may be the value of the flag before it on that line.
    fn add_after(&mut self, span: Span, word: String) {
        match self.flags.last_mut().filter(|flag| flag.span == span && flag.value.is_none() && !word.starts_with("--"))
        {
            Some(flag) => flag.value = Some(word),
            None => self.add(span, [word]),
        }
    }
}

/// The assignments of the service that are in effect: an empty one takes back all before it.
fn in_effect<'a>(unit: &'a Unit, key: &'a str) -> Vec<&'a Assignment> {
    let mut values = Vec::new();
    for assignment in unit.all("Service", key) {
        if assignment.value.is_empty() {
            values.clear();
        } else {
            values.push(assignment);
        }
    }
    values
}

/// Words of a systemd command line: single and double quotes keep blanks together.
fn quoted_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut started = false;
    for letter in line.chars() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                started = true;
            }
            (letter, None) if letter.is_whitespace() => {
                if started {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (letter, _) => {
                word.push(letter);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}

/// Reads kubelet/kubelet-eks_service.txt, what `snap get kubelet-eks` prints: a table of flags and values.
pub fn parse(file: &[u8]) -> Parsed<Flags> {
    let mut parsed = Parsed::new(Flags::default());
    for (span, line) in Lines::new(file) {
        let mut words = Words::new(line);
        match (words.next(), words.rest().trim_ascii()) {
            (None, _) | (Some(b"Key"), b"Value") => {}
            (Some(name), value) if !value.is_empty() && complaint(line).is_none() && !name.starts_with(b"error:") => {
                parsed.value.flags.push(Flag { span, name: text(name), value: Some(text(value)) });
            }
            _ => parsed.problem(span, complaint(line).unwrap_or("not a setting of the snap")),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::systemd_unit;
    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(flags in proptest::collection::vec(("[a-z][a-z-]{1,10}[a-z]", proptest::option::of("[a-z0-9=/:.,]{1,12}")), 0..8), glued in any::<bool>()) {
            let mut line = String::from("/usr/bin/kubelet");
            for (name, value) in &flags {
                line += &match value {
                    Some(value) if glued => format!(" --{name}={value}"),
                    Some(value) => format!(" --{name} {value}"),
                    None => format!(" --{name}"),
                };
            }
            let wanted: Vec<Flag> = flags.into_iter().map(|(name, value)| Flag { span: Span::default(), name, value }).collect();
            let of_process = Flags::of_command_line(Span::default(), &line);
            prop_assert_eq!(&of_process.flags, &wanted);
            let unit = systemd_unit::parse(format!("[Service]\nExecStart={line}\n").as_bytes());
            let mut of_unit = Flags::of_unit(&unit.value);
            of_unit.flags.iter_mut().for_each(|flag| flag.span = Span::default());
            prop_assert_eq!(of_unit.flags, wanted);
        }

        #[test]
        fn any_text_is_survived(line in "[ -~]{0,80}", file in proptest::collection::vec(any::<u8>(), 0..80)) {
            Flags::of_command_line(Span::default(), &line);
            parse(&file);
            let unit = systemd_unit::parse(format!("[Service]\nEnvironment={line}\nExecStart={line} $A\n").as_bytes());
            Flags::of_unit(&unit.value);
        }
    }

    #[test]
    fn variables_come_from_drop_ins() {
        let unit = systemd_unit::parse(b"# /etc/systemd/system/kubelet.service\n[Service]\nExecStart=/usr/bin/kubelet --config /etc/kubernetes/kubelet/kubelet-config.json \\\n    $KUBELET_ARGS $KUBELET_EXTRA_ARGS $ELSEWHERE\n# /etc/systemd/system/kubelet.service.d/10-kubelet-args.conf\n[Service]\nEnvironment='KUBELET_ARGS=--node-ip=10.0.12.7 --v=2'\n# /etc/systemd/system/kubelet.service.d/30-kubelet-extra-args.conf\n[Service]\nEnvironment='KUBELET_EXTRA_ARGS=--max-pods=110 --node-labels=a=b'\n");
        let flags = Flags::of_unit(&unit.value);
        assert_eq!((flags.value("max-pods"), flags.value("node-labels")), (Some("110"), Some("a=b")));
        assert_eq!(flags.value("config"), Some("/etc/kubernetes/kubelet/kubelet-config.json"));
        assert_eq!(
            (flags.get("max-pods").unwrap().span.line, flags.unresolved.as_slice()),
            (10, &["ELSEWHERE".to_owned()][..])
        );
    }

    #[test]
    fn an_empty_assignment_takes_back() {
        let unit = systemd_unit::parse(b"[Service]\nExecStart=/usr/bin/kubelet --v=2\n# /etc/systemd/system/kubelet.service.d/10-x.conf\n[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --v=4\n");
        assert_eq!(Flags::of_unit(&unit.value).flags.len(), 1);
        assert_eq!(Flags::of_unit(&unit.value).value("v"), Some("4"));
    }

    #[test]
    fn settings_of_the_snap() {
        let parsed = parse(b"Key              Value\ncluster-dns      10.100.0.10\nmax-pods         29\n");
        assert_eq!((parsed.value.value("max-pods"), parsed.problem_count), (Some("29"), 0));
        assert_eq!(parse(b"error: snap \"kubelet-eks\" has no configuration\n").problem_count, 1);
    }
}
