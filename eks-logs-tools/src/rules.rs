use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use async_trait::async_trait;
use eks_logs_findings::rule::{Example, Remedy, Section, overlapping};
use eks_logs_findings::{Catalogue, Rule, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::{Call, Context};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

/// What is looked for, and why.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RulesRequest {
    /// One rule with all that it says, such as network/conntrack-table-full; without it, the list.
    #[serde(default)]
    pub id: Option<String>,
    /// Only rules of this area (cni, kernel, kubelet, ...).
    #[serde(default)]
    pub area: Option<String>,
}

#[async_trait]
impl Request for RulesRequest {
    type Answer = RulesAnswer;
    const ABOUT: About = About {
        name: "rules",
        title: "What is looked for, and why",
        description: "The rules behind the findings: the list (optionally of one area), or one rule with its meaning, severity and reason, \
                      what it can bring about and what to do. Use it to learn what a finding's rule means, or whether a fault is looked for.",
        needs: Needs::Nothing,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, _: Call<'_>) -> Result<RulesAnswer, Failure> {
        if let Some(id) = &self.id {
            let rule = describe_rule(&context.catalogue, id)?;
            return Ok(RulesAnswer { success: true, count: 1, rules: vec![rule.line.clone()], rule: Some(rule) });
        }
        let mut answer = list_rules(&context.catalogue);
        if let Some(area) = &self.area {
            answer.rules.retain(|rule| rule.id.split_once('/').is_some_and(|(of, _)| of == area));
            if answer.rules.is_empty() {
                let areas: BTreeSet<&str> = context.catalogue.rules().iter().map(|rule| rule.id.area()).collect();
                let there = areas.into_iter().collect::<Vec<_>>().join(", ");
                return Err(Failure::new(Code::NotFound, format!("no rules in {area:?}"), format!("areas: {there}")));
            }
            answer.count = answer.rules.len();
        }
        Ok(answer)
    }
}

/// One rule in a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleLine {
    /// Its id.
    pub id: String,
    /// How bad one occurrence is.
    pub severity: Severity,
    /// What it is.
    pub title: String,
    /// Whose lines it reads.
    pub sources: Vec<&'static str>,
}

/// The catalogue.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RulesAnswer {
    /// Always true.
    pub success: bool,
    /// How many rules.
    pub count: usize,
    /// The rules, by id.
    pub rules: Vec<RuleLine>,
    /// The one that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleAnswer>,
}

/// One rule with all that it says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct RuleAnswer {
    pub success: bool,
    #[serde(flatten)]
    pub line: RuleLine,
    pub severity_reason: String,
    pub origin: String,
    pub since: String,
    pub signals: Vec<String>,
    pub causes: Vec<String>,
    pub docs: Vec<String>,
    pub subject: Vec<String>,
    /// The part of the node's state that it reads, for a rule that reads no lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Section>,
    pub literals: Vec<String>,
    pub regex: Option<String>,
    /// Where the subject stands in a message that matches, if not in what `regex` matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_regex: Option<String>,
    pub unless: Vec<String>,
    pub remedy: Remedy,
    pub examples: Vec<String>,
    pub counter_examples: Vec<String>,
}

fn line(rule: &Rule) -> RuleLine {
    RuleLine {
        id: rule.id.to_string(),
        severity: rule.severity,
        title: rule.title.clone(),
        sources: rule.sources.iter().map(|source| source.name()).collect(),
    }
}

/// All rules, by id.
pub fn list_rules(catalogue: &Catalogue) -> RulesAnswer {
    let rules: Vec<RuleLine> = catalogue.rules().iter().map(line).collect();
    RulesAnswer { success: true, count: rules.len(), rules, rule: None }
}

/// One rule.
///
/// # Errors
/// `not_found`, with the ids that come close.
pub fn describe_rule(catalogue: &Catalogue, id: &str) -> Result<RuleAnswer, Failure> {
    let Some(rule) = catalogue.get(id) else {
        let mut close: Vec<(f64, &str)> = catalogue
            .rules()
            .iter()
            .map(|rule| rule.id.as_str())
            .map(|known| {
                (
                    strsim::jaro_winkler(known, id)
                        .max(strsim::jaro_winkler(known.rsplit('/').next().unwrap_or(known), id)),
                    known,
                )
            })
            .filter(|(likeness, _)| *likeness > 0.8)
            .collect();
        close.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let close: Vec<&str> = close.into_iter().take(3).map(|(_, known)| known).collect();
        let suggestion = if close.is_empty() {
            "`eks-logs rules list` names them all".to_owned()
        } else {
            format!("did you mean {}?", close.join(", "))
        };
        return Err(Failure::new(Code::NotFound, format!("no rule {id:?}"), suggestion));
    };
    let told = |example: &Example| match example.files.is_empty() {
        true => example.line.clone(),
        false => example.files.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
    };
    let lines = |examples: &[Example]| examples.iter().map(told).collect();
    Ok(RuleAnswer {
        success: true,
        line: line(rule),
        severity_reason: rule.severity_reason.clone(),
        origin: rule.origin.clone(),
        since: rule.since.clone(),
        signals: rule.signals.clone(),
        causes: rule.effects().iter().map(|edge| edge.rule.to_string()).collect(),
        docs: rule.docs.clone(),
        subject: rule.subject.clone(),
        check: rule.check,
        literals: rule.matcher.literals.clone(),
        regex: rule.matcher.pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
        subject_regex: rule.matcher.subject.as_ref().map(|pattern| pattern.as_str().to_owned()),
        unless: rule.unless.iter().map(|unless| format!("{}: {}", unless.reason, unless.pattern.as_str())).collect(),
        remedy: rule.remedy.clone(),
        examples: lines(&rule.examples),
        counter_examples: lines(&rule.counter_examples),
    })
}

/// Two rules that speak about the same lines.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overlap {
    /// The rule whose examples all match elsewhere.
    pub rule: String,
    /// Where they match.
    pub by: String,
    /// The other rule is as severe or worse: this one adds nothing.
    pub shadowed: bool,
}

/// A directory of rules that loads.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckAnswer {
    /// Always true.
    pub success: bool,
    /// Rules of the directory.
    pub count: usize,
    /// With the built-in ones.
    pub in_all: usize,
    /// Rules of the directory that speak about lines of other rules.
    pub overlaps: Vec<Overlap>,
}

/// Loads a directory of rules, runs every example, and says which rules speak about the same lines.
///
/// # Errors
/// As [`load_rules`].
pub fn check_rules(directory: &Path) -> Result<CheckAnswer, Failure> {
    let catalogue = load_rules(directory)?;
    let of_directory = |rule: &&Rule| directory.join(format!("{}.toml", rule.id)).exists();
    let checked: Vec<&Rule> = catalogue.rules().iter().filter(of_directory).collect();
    let overlaps = checked.iter().flat_map(|rule| {
        overlapping(rule, &catalogue).into_iter().map(|by| Overlap {
            rule: rule.id.to_string(),
            by: by.id.to_string(),
            shadowed: by.severity <= rule.severity,
        })
    });
    Ok(CheckAnswer {
        success: true,
        count: checked.len(),
        in_all: catalogue.rules().len(),
        overlaps: overlaps.collect(),
    })
}

/// Without escapes of characters that mean nothing special, which older regex engines refuse (`\'`, `\"`, `\/`).
fn plainly_escaped(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match (c, rest.clone().next()) {
            ('\\', Some('\'' | '"' | '/' | ':' | ',' | ';' | '=' | '@' | '%' | '!' | ' ')) => {}
            ('\\', Some(escaped)) => {
                rest.next();
                out.extend(['\\', escaped]);
            }
            _ => out.push(c),
        }
    }
    out
}

/// What a rule looks for, as patterns for a line-oriented search tool: its regex without the names of its captures (tools join
/// patterns, and a name may stand once), or its literals escaped.
pub fn rule_patterns(rule: &Rule) -> Vec<String> {
    match &rule.matcher.pattern {
        Some(pattern) => {
            let mut unnamed = String::new();
            let mut parts = pattern.as_str().split("(?P<");
            unnamed.push_str(parts.next().unwrap_or_default());
            for part in parts {
                unnamed.push_str("(?:");
                unnamed.push_str(part.split_once('>').map_or(part, |(_, rest)| rest));
            }
            vec![plainly_escaped(&unnamed)]
        }
        None => rule.matcher.literals.iter().map(|literal| regex::escape(literal)).collect(),
    }
}

/// The built-in rules and those of a directory (`<area>/<name>.toml`), which replace rules of the same id.
///
/// # Errors
/// A directory that cannot be read or holds no rule; rules that do not load, each with file, line and reason.
pub fn load_rules(directory: &Path) -> Result<Catalogue, Failure> {
    let failed = |path: &Path, why| Failure::from(eks_logs_core::Error::from_io(path.display().to_string(), why));
    let mut files = Vec::new();
    let mut areas: Vec<_> = fs::read_dir(directory)
        .and_then(|areas| areas.map(|area| Ok(area?.path())).collect())
        .map_err(|why| failed(directory, why))?;
    areas.sort();
    for area in areas.into_iter().filter(|area| area.is_dir()) {
        let mut inside: Vec<_> = fs::read_dir(&area)
            .and_then(|files| files.map(|file| Ok(file?.path())).collect())
            .map_err(|why| failed(&area, why))?;
        inside.sort();
        for path in inside.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
            let text = fs::read_to_string(&path).map_err(|why| failed(&path, why))?;
            let name =
                |path: &Path| path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            files.push((format!("{}/{}", name(&area), name(&path)), text));
        }
    }
    if files.is_empty() {
        return Err(Failure::new(
            Code::BadArgument,
            format!("{}: no rule in it", directory.display()),
            "rule files stand in <directory>/<area>/<name>.toml",
        ));
    }
    Ok(Catalogue::builtin().extended(files.iter().map(|(id, text)| (id.as_str(), text.as_str())))?)
}

#[cfg(test)]
mod tests {
    use super::plainly_escaped;

    #[test]
    fn needless_escapes_go_and_needed_ones_stay() {
        assert_eq!(
            plainly_escaped(r#"type \'(\w+)\' at \/etc\/x \"a\.b\" \\\'"#),
            r#"type '(\w+)' at /etc/x "a\.b" \\'"#
        );
    }
}
