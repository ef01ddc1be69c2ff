//! `rules` for people.

use std::fmt::Write as _;

use eks_logs_tools::{CheckAnswer, RuleAnswer, RulesAnswer};

use super::{BOLD, colour};

pub(crate) fn rules(answer: &RulesAnswer) -> String {
    let mut out = String::new();
    for rule in &answer.rules {
        let style = colour(rule.severity);
        say!(out, "{style}{:<8}{style:#} {:<44} {}", rule.severity, rule.id, rule.title);
    }
    say!(out, "{} rules", answer.count);
    out
}

pub(crate) fn checked(answer: &CheckAnswer) -> String {
    let mut out = String::new();
    for overlap in &answer.overlaps {
        let how = if overlap.shadowed { "is shadowed by" } else { "overlaps with" };
        say!(out, "{} {how} {}: every example of it matches there too", overlap.rule, overlap.by);
    }
    let rules =
        if answer.count == 1 { "1 rule is sound".to_owned() } else { format!("{} rules are sound", answer.count) };
    say!(out, "{rules} ({} in all with the built-in ones)", answer.in_all);
    out
}

pub(crate) fn rule(answer: &RuleAnswer) -> String {
    let mut out = String::new();
    let style = colour(answer.line.severity);
    say!(out, "{BOLD}{}{BOLD:#}: {}", answer.line.id, answer.line.title);
    say!(out, "{style}{}{style:#}: {}", answer.line.severity, answer.severity_reason);
    let mut list = |name: &str, items: &[String]| {
        if !items.is_empty() {
            say!(out, "{BOLD}{name}{BOLD:#}");
            for item in items {
                say!(out, "  {item}");
            }
        }
    };
    list("Read in lines of", &[answer.line.sources.join(", ")]);
    list("A line holds one of", &answer.literals);
    list("and its message matches", answer.regex.as_slice());
    list("unless", &answer.unless);
    list("Can bring about", &answer.causes);
    list("What to do", &answer.remedy.steps);
    list("Commands", &answer.remedy.commands);
    list("Examples", &answer.examples);
    list("Not this", &answer.counter_examples);
    list("Printed by", std::slice::from_ref(&answer.origin));
    list("More", &answer.docs);
    out
}
