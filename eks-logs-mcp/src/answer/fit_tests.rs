use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parts(answer: &Value, lists: &[String], budget: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut cursor = None;
    loop {
        let part = fit(answer.clone(), Order { first: lists, brief: &[] }, budget, "asked", cursor).unwrap();
        let next = part.left.as_ref().and_then(|left| left.next_cursor.clone());
        parts.push(part);
        assert!(parts.len() < 5000, "parts without end");
        match next {
            Some(next) => cursor = Some(Cursor::read(&next).unwrap()),
            None => return parts,
        }
    }
}

fn first(names: &[String]) -> Order<'_> {
    Order { first: names, brief: &[] }
}

fn entries(value: &Value, list: &str) -> Vec<Value> {
    value[list].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_small_answer_stays_as_it_is() {
    let answer = json!({ "success": true, "findings": [1, 2, 3] });
    let part = fit(answer.clone(), Order::default(), 1000, "asked", None).unwrap();
    assert_eq!(part.value, answer);
    assert!(part.left.is_none());
}

#[test]
fn what_matters_comes_first() {
    let line = "x ".repeat(200);
    let answer = json!({ "a": vec![line.clone(); 10], "z": vec![line; 10] });
    let part = fit(answer, first(&["z".to_owned()]), 2500, "asked", None).unwrap();
    assert!(entries(&part.value, "z").len() > entries(&part.value, "a").len());
    let left = part.left.unwrap();
    assert!(left.tokens <= 2500 && left.next_cursor.is_some());
    assert_eq!((left.lists[0].list.as_str(), left.lists[0].total), ("z", 10));
}

#[test]
fn a_cursor_of_another_answer_is_refused() {
    let answer = |last: u64| json!({ "findings": (0..500).map(|at| json!({ "id": at })).chain([json!(last)]).collect::<Vec<_>>() });
    let next = fit(answer(1), Order::default(), 300, "asked", None).unwrap().left.unwrap().next_cursor.unwrap();
    let cursor = Some(Cursor::read(&next).unwrap());
    assert!(fit(answer(1), Order::default(), 300, "asked", cursor).is_ok());
    assert!(fit(answer(2), Order::default(), 300, "asked", cursor).is_err(), "the content has changed");
    assert!(fit(answer(1), Order::default(), 300, "asked otherwise", cursor).is_err(), "another question");
}

#[test]
fn one_entry_that_is_too_large_is_shortened_and_said() {
    let lines: Vec<Value> = (0..4000).map(|at| json!({ "text": format!("line {at} {}", "y".repeat(3000)) })).collect();
    let answer = json!({ "findings": [{ "id": "F-001", "count": 4000, "evidence": lines }] });
    let part = fit(answer, first(&["findings".to_owned()]), 4000, "asked", None).unwrap();
    let left = part.left.unwrap();
    assert!(estimate(&part.value.to_string()) <= 4000);
    assert_eq!(part.value["findings"][0]["count"], 4000);
    assert_eq!(left.collapsed[0]["total"], 4000);
    assert!(left.shortened > 0);
}

#[test]
fn a_long_text_is_told_by_lines() {
    let text: String = (0..3000).map(|at| format!("line {at} of the file\n")).collect();
    let answer = json!({ "content": text, "endByte": text.len() });
    let told: String = parts(&answer, &["content".to_owned()], 2000)
        .iter()
        .map(|part| part.value["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, text);
}

proptest! {
    #[test]
    fn parts_hold_every_entry_once_and_in_order(
        a in proptest::collection::vec("[a-z ]{0,80}", 0..60),
        b in proptest::collection::vec(0_u32..1000, 0..60),
        budget in 300_usize..900,
    ) {
        let answer = json!({ "scalar": "s", "a": a, "inner": { "b": b } });
        let parts = parts(&answer, &["inner/b".to_owned()], budget);
        for (list, whole) in [("a", &answer["a"]), ("inner/b", &answer["inner"]["b"])] {
            let of = |part: &Part| list.split('/').fold(&part.value, |at, name| &at[name]).as_array().cloned().unwrap_or_default();
            let told = |part: &Part| part.left.as_ref().is_some_and(|left| left.lists.iter().any(|one| one.list == list));
            // A small list stays in every part.
            let all: Vec<Value> = if told(&parts[0]) { parts.iter().flat_map(of).collect() } else { of(&parts[0]) };
            prop_assert_eq!(&Value::from(all), whole);
        }
        for part in &parts {
            prop_assert_eq!(&part.value["scalar"], "s");
            if let Some(left) = &part.left {
                let entries: usize = left.lists.iter().map(|list| list.to - list.from).sum();
                prop_assert!(left.tokens <= budget || entries <= 1, "{} of {}", left.tokens, budget);
            }
        }
    }
}

#[test]
fn what_has_a_fixed_length_keeps_it() {
    let line = "x ".repeat(400);
    let answer =
        json!({ "load": [0.5, 0.25, 0.125], "findings": vec![json!({ "load": [1, 2, 3, 4], "text": line }); 9] });
    for part in parts(&answer, &[], 1000) {
        assert_eq!(part.value["load"], json!([0.5, 0.25, 0.125]));
        for finding in entries(&part.value, "findings") {
            assert_eq!(finding["load"], json!([1, 2, 3, 4]));
        }
    }
}
