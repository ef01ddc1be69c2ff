//! Like lines, told once with how many there are.

use std::collections::BTreeMap;

use serde_json::Value;

/// Entries of one form that are told of each list.
const OF_ONE_FORM: usize = 2;
/// Entries of a list inside an entry that are told in all.
const OF_ONE_LIST: usize = 12;
/// Fields that hold a line of a log, the first that is there counts.
const LINES: [&str; 3] = ["text", "line", "content"];

/// A list inside an entry of which like lines are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Collapsed {
    /// Which list.
    pub(crate) list: String,
    /// Entries that are told.
    pub(crate) told: usize,
    /// Entries that there are.
    pub(crate) total: usize,
    /// Forms of lines that are told, and how many lines have each.
    pub(crate) forms: Vec<(String, usize)>,
}

/// A line without what differs between like ones: numbers, ids, quoted words.
pub(crate) fn form(line: &str) -> String {
    let mut form = String::with_capacity(line.len().min(160));
    for word in line.split_ascii_whitespace() {
        if form.len() > 160 {
            form.push('…');
            break;
        }
        if !form.is_empty() {
            form.push(' ');
        }
        for piece in word.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let end = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len();
            let (name, mark) = piece.split_at(end);
            let numbered = name.bytes().any(|byte| byte.is_ascii_digit());
            match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
                // eth0, vda1: a name with a number behind it.
                stem if numbered
                    && !stem.is_empty()
                    && name.len() < 5
                    && !stem.bytes().any(|byte| byte.is_ascii_digit()) =>
                {
                    form.push_str(stem);
                    form.push('#');
                }
                _ if numbered => form.push('#'),
                _ => form.push_str(name),
            }
            form.push_str(mark);
        }
    }
    form
}

/// Leaves of each list inside a value the first and the last line of each form, and tells what it left out. Order stays.
pub(crate) fn collapse(value: &mut Value, path: &str, told: &mut Vec<Collapsed>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                collapse(field, &format!("{path}/{name}"), told);
            }
        }
        Value::Array(entries) => {
            if let Some(left) = of_list(entries, path) {
                told.push(left);
            }
            for (at, entry) in entries.iter_mut().enumerate() {
                collapse(entry, &format!("{path}/{at}"), told);
            }
        }
        _ => {}
    }
}

fn of_list(entries: &mut Vec<Value>, path: &str) -> Option<Collapsed> {
    let total = entries.len();
    if total <= OF_ONE_FORM {
        return None;
    }
    let line = |entry: &Value| {
        let text = LINES.iter().find_map(|name| entry.get(name)?.as_str()).or_else(|| entry.as_str());
        text.map(form).unwrap_or_default()
    };
    let forms: Vec<String> = entries.iter().map(line).collect();
    if forms.iter().all(String::is_empty) {
        return None;
    }
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (at, form) in forms.iter().enumerate() {
        let (count, last) = counts.entry(form).or_default();
        *count += 1;
        *last = at;
    }
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut keep: Vec<bool> = Vec::with_capacity(total);
    let mut kept = 0;
    for (at, form) in forms.iter().enumerate() {
        let is_first = *first.entry(form).or_insert(at) == at;
        let is_last = counts.get(form.as_str()).is_some_and(|(_, last)| *last == at);
        let wanted = (is_first || is_last) && kept < OF_ONE_LIST;
        kept += usize::from(wanted);
        keep.push(wanted);
    }
    if kept == total {
        return None;
    }
    let mut shown: Vec<(String, usize)> = Vec::new();
    for (at, form) in forms.iter().enumerate() {
        if keep[at] && !form.is_empty() && !shown.iter().any(|(known, _)| known == form) {
            shown.push((form.clone(), counts.get(form.as_str()).map_or(0, |(count, _)| *count)));
        }
    }
    let mut keep = keep.into_iter();
    entries.retain(|_| keep.next().unwrap_or(false));
    Some(Collapsed { list: path.to_owned(), told: kept, total, forms: shown })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn like_lines_have_one_form() {
        assert_eq!(
            form("Killed process 2977 (aws-k8s-agent) total-vm:1327480kB"),
            form("Killed process 31 (aws-k8s-agent) total-vm:99kB")
        );
        assert_eq!(form("pod web-7d4b9c6f5d-x2x4k on eth0"), "pod web-#-# on eth#");
        assert_ne!(form("Killed process 2977 (java)"), form("Killed process 2977 (node)"));
    }

    #[test]
    fn the_first_and_the_last_of_each_form_stay_and_counts_are_exact() {
        let lines: Vec<Value> = (0..100)
            .map(|at| json!({ "line": at, "text": format!("pod {at} {}", if at == 50 { "odd" } else { "died" }) }))
            .collect();
        let mut value = json!({ "evidence": lines });
        let mut told = Vec::new();
        collapse(&mut value, "findings/0", &mut told);
        let texts: Vec<&str> =
            value["evidence"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["pod 0 died", "pod 50 odd", "pod 99 died"]);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].list.as_str(), told[0].told, told[0].total), ("findings/0/evidence", 3, 100));
        assert_eq!(told[0].forms, [("pod # died".to_owned(), 99), ("pod # odd".to_owned(), 1)]);
    }

    #[test]
    fn what_is_short_stays_whole() {
        let mut value = json!({ "evidence": [{ "text": "a" }, { "text": "a" }], "n": 1 });
        let whole = value.clone();
        let mut told = Vec::new();
        collapse(&mut value, "", &mut told);
        assert_eq!((value, told), (whole, Vec::new()));
    }
}
