//! system/services.txt: `systemctl list-units`. A unit that is not as it should be has a bullet in front. The last line counts the
//! units: without it the table was cut.

use super::words::{Words, complaint, find, number, text};
use super::{Lines, Parsed, Span};

/// One unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Where it stands.
    pub span: Span,
    /// Its name, with `.service` or another type; a table for a narrow terminal cuts it.
    pub name: String,
    /// `loaded`, `not-found`, `bad-setting`, `error`, `masked`.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`, `maintenance`.
    pub active: String,
    /// The state in the words of its type: `running`, `auto-restart`, `mounted`.
    pub sub: String,
    /// What it is.
    pub description: String,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// Units, in the table's order.
    pub units: Vec<Unit>,
    /// How many there are by the last line.
    pub listed: Option<u64>,
}

impl Services {
    /// The unit of that name.
    pub fn unit(&self, name: &str) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.name == name)
    }
}

fn unit(span: Span, line: &[u8], job_column: Option<(usize, usize)>) -> Option<Unit> {
    const BULLETS: [&str; 5] = ["●", "×", "○", "↻", "*"];
    const LOAD: [&[u8]; 7] = [b"loaded", b"not-found", b"bad-setting", b"error", b"masked", b"stub", b"merged"];
    let mut words = Words::new(line);
    let mut name = words.next()?;
    if BULLETS.iter().any(|bullet| name == bullet.as_bytes()) {
        name = words.next()?;
    }
    let (load, active, sub) = (words.next()?, words.next()?, words.next()?);
    if !LOAD.contains(&load) || !active.iter().all(u8::is_ascii_lowercase) {
        return None;
    }
    let description = match job_column {
        // A job is rare: its cell is empty in most rows, so the column's place decides.
        Some((_, description)) => text(line).chars().skip(description).collect::<String>().trim().to_owned(),
        None => text(words.rest().trim_ascii()),
    };
    Some(Unit { span, name: text(name), load: text(load), active: text(active), sub: text(sub), description })
}

/// Reads the file.
pub fn parse(file: &[u8]) -> Parsed<Services> {
    let mut parsed = Parsed::new(Services::default());
    let mut job_column = None;
    let (mut in_table, mut has_table) = (false, false);
    for (span, line) in Lines::new(file) {
        let trimmed = line.trim_ascii();
        if trimmed.starts_with(b"UNIT ") {
            (in_table, has_table) = (true, true);
            job_column = find(line, b" JOB ").zip(find(line, b"DESCRIPTION"));
        } else if trimmed.is_empty() {
            in_table = false;
        } else if in_table {
            match unit(span, line, job_column) {
                Some(unit) => parsed.value.units.push(unit),
                None => parsed.problem(span, complaint(line).unwrap_or("not a row of systemctl list-units")),
            }
        } else if find(line, b"units listed").is_some() {
            parsed.value.listed = Words::new(line).next().and_then(number);
        } else if !has_table {
            parsed.problem(span, complaint(line).unwrap_or("not a table of systemctl list-units"));
        }
    }
    if parsed.value.listed.is_none() && !parsed.value.units.is_empty() {
        let end = parsed.value.units.last().map_or_else(Span::default, |unit| unit.span);
        parsed.problem(end, "the table ends here without its count of units: it was cut");
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEGEND: &str = "\nLOAD   = Reflects whether the unit definition was properly loaded.\nACTIVE = The high-level unit activation state, i.e. generalization of SUB.\nSUB    = The low-level unit activation state, values depend on unit type.\n";

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_back(
            rows in proptest::collection::vec(("[a-z@\\\\x0-9-]{1,20}\\.(service|mount|timer)", "(loaded|not-found|masked)", "(active|failed|inactive|activating)", "(running|failed|dead|auto-restart)", "[A-Za-z][A-Za-z0-9/ .-]{0,30}[a-z]"), 0..8),
            jobs in any::<bool>(),
        ) {
            let mut printed = format!("  {:<32} {:<9} {:<10} {:<12} {}DESCRIPTION\n", "UNIT", "LOAD", "ACTIVE", "SUB", if jobs { "JOB   " } else { "" });
            let mut wanted = Services { listed: Some(rows.len() as u64), ..Services::default() };
            for (name, load, active, sub, description) in rows {
                let bullet = if active == "failed" { "●" } else { " " };
                printed += &format!("{bullet} {name:<32} {load:<9} {active:<10} {sub:<12} {}{description}\n", if jobs { "      " } else { "" });
                wanted.units.push(Unit { span: Span::default(), name, load, active, sub, description });
            }
            printed += LEGEND;
            printed += &format!("{} loaded units listed. Pass --all to see loaded but inactive units, too.\n", wanted.units.len());
            let mut parsed = parse(printed.as_bytes());
            prop_assert_eq!(parsed.problem_count, 0);
            parsed.value.units.iter_mut().for_each(|unit| unit.span = Span::default());
            prop_assert_eq!(parsed.value, wanted);
        }

        #[test]
        fn any_bytes_are_survived(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&file);
            parse(&[b"  UNIT LOAD ACTIVE SUB JOB DESCRIPTION\n", &file[..]].concat());
        }
    }

    #[test]
    fn a_cut_table_and_a_node_without_systemd_say_so() {
        let cut = parse(
            "  UNIT LOAD ACTIVE SUB DESCRIPTION\n● kdump.service loaded failed failed Crash recovery kernel arming\n"
                .as_bytes(),
        );
        assert_eq!((cut.value.units[0].active.as_str(), cut.problem_count), ("failed", 1));
        let none = parse(b"System has not been booted with systemd as init system (PID 1). Can't operate.\n");
        assert_eq!((none.value.units.len(), none.problems[0].what.as_str()), (0, "the node does not run systemd"));
    }
}
