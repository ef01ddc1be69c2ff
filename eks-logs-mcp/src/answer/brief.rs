//! Entries of a list told in brief, so that a reader sees all of them at once instead of a few in full.

use serde_json::Value;

use super::fit::List;
use super::tokens::estimate;

/// Bytes of the plain values (ids, steps) of one inner list.
const PLAIN: usize = 320;
/// Objects of an inner list, from much to little.
const INNER: [usize; 4] = [3, 2, 1, 0];

/// Shortens the inner lists of the lists that may be told in brief, as little as makes all lists together fit. Tells how many objects of
/// each inner list are left.
pub(crate) fn shorten(lists: &mut [List], may: &[String], budget: usize) -> Option<usize> {
    let cost = |lists: &[List]| {
        lists.iter().flat_map(|list| &list.entries).map(|entry| estimate(&entry.to_string())).sum::<usize>()
    };
    if may.is_empty() || cost(lists) <= budget {
        return None;
    }
    for keep in INNER {
        for list in lists.iter_mut().filter(|list| may.contains(&list.name())) {
            list.entries.iter_mut().for_each(|entry| cut(entry, keep));
        }
        if cost(lists) <= budget {
            return Some(keep);
        }
    }
    INNER.last().copied()
}

fn cut(value: &mut Value, keep: usize) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| cut(field, keep)),
        Value::Array(entries) => {
            let plain = entries.iter().all(|entry| !entry.is_object() && !entry.is_array());
            if plain {
                let mut bytes = 0;
                entries.retain(|entry| {
                    bytes += entry.as_str().map_or(8, str::len);
                    bytes <= PLAIN
                });
            } else {
                entries.truncate(keep);
                entries.iter_mut().for_each(|entry| cut(entry, keep));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lists() -> Vec<List> {
        let lines: Vec<Value> = (0..50).map(|at| json!({ "text": format!("line {at} of many") })).collect();
        let entry = |at: usize| json!({ "id": format!("F-{at:03}"), "effects": ["F-001", "F-002"], "evidence": lines });
        vec![List { path: vec!["findings".to_owned()], entries: (0..40).map(entry).collect(), text: false }]
    }

    #[test]
    fn all_entries_are_told_with_less_of_each() {
        let mut short = lists();
        let kept = shorten(&mut short, &["findings".to_owned()], 1500).unwrap();
        assert!(kept < 3);
        assert_eq!(short[0].entries.len(), 40);
        assert_eq!(short[0].entries[39]["effects"], json!(["F-001", "F-002"]));
        assert_eq!(short[0].entries[39]["evidence"].as_array().unwrap().len(), kept);
    }

    #[test]
    fn what_fits_or_must_stay_whole_is_left_alone() {
        for (may, budget) in [(vec!["findings".to_owned()], 1_000_000), (Vec::new(), 100)] {
            let mut whole = lists();
            assert_eq!(shorten(&mut whole, &may, budget), None);
            assert_eq!(whole[0].entries, lists()[0].entries);
        }
    }
}
