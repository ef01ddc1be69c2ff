//! What a policy of a bucket or a key says to a node's role: as much of IAM's evaluation as such policies use
//! (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html). What a condition decides that cannot be known from
//! outside is told as such, never guessed.

use eks_logs_core::access::Role;
use serde_json::Value;

/// What is asked of a policy.
pub(super) struct Ask<'a> {
    pub(super) role: &'a Role,
    pub(super) action: &'a str,
    pub(super) resource: &'a str,
    /// The service through which the call comes, as `kms:ViaService` has it.
    pub(super) via: Option<String>,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// A statement denies it.
    Deny(String),
    /// A statement allows it to the role itself, or to everybody of its account.
    Allow,
    /// The account is allowed it, which leaves it to the role's own policies.
    Delegates,
    /// A condition decides that is not known here.
    Depends(String),
    /// Nothing.
    Silent,
}

/// Evaluates a policy; `Err` if it is no JSON.
pub(super) fn says(policy: &str, ask: &Ask<'_>) -> Result<Says, String> {
    let policy: Value = serde_json::from_str(policy).map_err(|why| why.to_string())?;
    let (mut allowed, mut delegated, mut depends) = (false, false, None);
    for (number, statement) in listed(&policy["Statement"]).into_iter().enumerate() {
        let name = statement["Sid"].as_str().map_or_else(|| format!("statement {}", number + 1), str::to_owned);
        let whom = principal(statement, ask.role);
        if whom == Whom::Other || !covers(statement, ask) {
            continue;
        }
        let holds = conditions(statement, ask);
        match (statement["Effect"].as_str(), holds) {
            (_, Holds::No) => {}
            (Some("Deny"), Holds::Yes) => return Ok(Says::Deny(name)),
            (Some("Deny"), Holds::Unknown(what)) => depends = Some(format!("{name} denies it, where {what}")),
            (Some("Allow"), Holds::Yes) if whom == Whom::Account => delegated = true,
            (Some("Allow"), Holds::Yes) => allowed = true,
            (Some("Allow"), Holds::Unknown(what)) => {
                depends = depends.or(Some(format!("{name} allows it, where {what}")));
            }
            _ => {}
        }
    }
    Ok(match (allowed, delegated, depends) {
        // A denial under a condition counts for more than what is allowed.
        (_, _, Some(what)) if what.contains(" denies ") => Says::Depends(what),
        (true, _, _) => Says::Allow,
        (_, true, _) => Says::Delegates,
        (_, _, Some(what)) => Says::Depends(what),
        _ => Says::Silent,
    })
}

fn listed(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(entries) => entries.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn words(value: &Value) -> Vec<&str> {
    listed(value).into_iter().filter_map(Value::as_str).collect()
}

/// Whom a statement speaks of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// The role, or anybody.
    Role,
    /// Its account.
    Account,
    Other,
}

fn principal(statement: &Value, role: &Role) -> Whom {
    let root = format!("arn:{}:iam::{}:root", role.partition(), role.account());
    let named = |value: &Value| {
        let names: Vec<&str> = if value.is_string() { words(value) } else { words(&value["AWS"]) };
        if names.iter().any(|name| *name == "*" || *name == role.arn) {
            Whom::Role
        } else if names.iter().any(|name| *name == root || *name == role.account()) {
            Whom::Account
        } else {
            Whom::Other
        }
    };
    match (&statement["Principal"], &statement["NotPrincipal"]) {
        (Value::Null, Value::Null) => Whom::Other,
        (Value::Null, not) if named(not) == Whom::Other => Whom::Role,
        (Value::Null, _) => Whom::Other,
        (principal, _) => named(principal),
    }
}

/// Whether a statement speaks of the action and the resource.
fn covers(statement: &Value, ask: &Ask<'_>) -> bool {
    let any = |patterns: &Value, text: &str, ignore_case: bool| {
        words(patterns).iter().any(|pattern| {
            if ignore_case {
                matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
            } else {
                matches(pattern, text)
            }
        })
    };
    let action = match &statement["NotAction"] {
        Value::Null => any(&statement["Action"], ask.action, true),
        not => !any(not, ask.action, true),
    };
    // A key's policy speaks of its key, whatever it names.
    let resource = ask.action.starts_with("kms:")
        || match &statement["NotResource"] {
            Value::Null => any(&statement["Resource"], ask.resource, false),
            not => !any(not, ask.resource, false),
        };
    action && resource
}

/// `*` for any text, `?` for any character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut in_text, mut star, mut from) = (0, 0, None, 0);
    while in_text < text.len() {
        if at < pattern.len() && pattern[at] == '*' {
            star = Some(at);
            from = in_text;
            at += 1;
        } else if at < pattern.len() && (pattern[at] == '?' || pattern[at] == text[in_text]) {
            at += 1;
            in_text += 1;
        } else if let Some(star) = star {
            at = star + 1;
            from += 1;
            in_text = from;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

enum Holds {
    Yes,
    No,
    Unknown(String),
}

/// What a key of the request's context is, for a node that uploads over TLS.
fn known(key: &str, ask: &Ask<'_>) -> Option<String> {
    Some(match key.to_ascii_lowercase().as_str() {
        "aws:securetransport" => "true".to_owned(),
        "s3:tlsversion" => "1.3".to_owned(),
        "aws:principalarn" => ask.role.arn.clone(),
        "aws:principalaccount" | "kms:calleraccount" => ask.role.account().to_owned(),
        "aws:principaltype" => "AssumedRole".to_owned(),
        "aws:principalisawsservice" => "false".to_owned(),
        "kms:viaservice" => ask.via.clone()?,
        _ => return None,
    })
}

fn conditions(statement: &Value, ask: &Ask<'_>) -> Holds {
    let Some(operators) = statement["Condition"].as_object() else { return Holds::Yes };
    let mut unknown = None;
    for (operator, keys) in operators {
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            let wanted: Vec<String> = listed(wanted)
                .into_iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
            match known(key, ask).and_then(|is| holds(operator, &is, &wanted)) {
                Some(true) => {}
                Some(false) => return Holds::No,
                None => unknown = unknown.or(Some(format!("{operator} {key} {}", wanted.join(", ")))),
            }
        }
    }
    unknown.map_or(Holds::Yes, Holds::Unknown)
}

fn holds(operator: &str, is: &str, wanted: &[String]) -> Option<bool> {
    let any = |test: &dyn Fn(&str) -> bool| wanted.iter().any(|wanted| test(wanted));
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    Some(match operator.trim_end_matches("IfExists") {
        "StringEquals" => any(&|wanted| wanted == is),
        "StringNotEquals" => !any(&|wanted| wanted == is),
        "Bool" | "StringEqualsIgnoreCase" => any(&|wanted| wanted.eq_ignore_ascii_case(is)),
        "StringLike" | "ArnLike" | "ArnEquals" => any(&|wanted| matches(wanted, is)),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => !any(&|wanted| matches(wanted, is)),
        "NumericLessThan" => any(&|wanted| number(is) < number(wanted)),
        "NumericLessThanEquals" => any(&|wanted| number(is) <= number(wanted)),
        "NumericGreaterThanEquals" => any(&|wanted| number(is) >= number(wanted)),
        "Null" => any(&|wanted| wanted == "false"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(statement: &Value) -> Says {
        let role = Role { arn: "arn:aws:iam::123456789012:role/nodes".to_owned() };
        let resource = "arn:aws:s3:::logs/eks_i-0123abcd_x.tar.gz";
        let ask = Ask {
            role: &role,
            action: "s3:PutObject",
            resource,
            via: Some("s3.eu-central-1.amazonaws.com".to_owned()),
        };
        says(&json!({ "Version": "2012-10-17", "Statement": statement }).to_string(), &ask).unwrap()
    }

    fn allow(more: &Value) -> Value {
        let mut statement = json!({ "Sid": "S", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::123456789012:role/nodes" },
                                    "Action": "s3:Put*", "Resource": "arn:aws:s3:::logs/eks_*" });
        for (name, value) in more.as_object().unwrap() {
            statement[name] = value.clone();
        }
        statement
    }

    #[test]
    fn what_a_statement_speaks_of_decides() {
        assert_eq!(ask(&allow(&json!({}))), Says::Allow);
        for (more, says) in [
            (json!({ "Principal": "*" }), Says::Allow),
            (json!({ "Principal": { "AWS": ["x", "123456789012"] } }), Says::Delegates),
            (json!({ "Principal": { "AWS": "arn:aws:iam::123456789012:root" } }), Says::Delegates),
            (json!({ "Principal": { "AWS": "arn:aws:iam::123456789012:role/others" } }), Says::Silent),
            (json!({ "Principal": { "Service": "s3.amazonaws.com" } }), Says::Silent),
            (json!({ "Action": ["S3:PUTOBJECT"] }), Says::Allow),
            (json!({ "Action": "s3:GetObject" }), Says::Silent),
            (json!({ "Resource": "arn:aws:s3:::logs" }), Says::Silent),
            (json!({ "Resource": ["arn:aws:s3:::logs/eks_?-*.tar.gz"] }), Says::Allow),
            (json!({ "Effect": "Deny" }), Says::Deny("S".to_owned())),
        ] {
            assert_eq!(ask(&allow(&more)), says, "{more}");
        }
        let not =
            json!({ "Effect": "Deny", "Principal": "*", "Action": "*", "NotResource": "arn:aws:s3:::logs/eks_*" });
        assert_eq!(ask(&not), Says::Silent);
        assert_eq!(
            ask(&json!([allow(&json!({})), allow(&json!({ "Effect": "Deny", "Sid": "No" }))])),
            Says::Deny("No".to_owned())
        );
    }

    #[test]
    fn conditions_that_are_known_hold_or_not_and_others_are_told() {
        for (condition, says) in [
            (json!({ "Bool": { "aws:SecureTransport": "true" } }), Says::Allow),
            (json!({ "Bool": { "aws:SecureTransport": false } }), Says::Silent),
            (json!({ "NumericLessThan": { "s3:TlsVersion": "1.2" } }), Says::Silent),
            (json!({ "StringEquals": { "aws:PrincipalAccount": "123456789012" } }), Says::Allow),
            (json!({ "StringEquals": { "kms:ViaService": "s3.us-east-1.amazonaws.com" } }), Says::Silent),
            (json!({ "ArnNotLike": { "aws:PrincipalArn": ["arn:aws:iam::*:role/nodes"] } }), Says::Silent),
            (
                json!({ "StringEquals": { "aws:SourceVpce": "vpce-1" } }),
                Says::Depends("S allows it, where StringEquals aws:SourceVpce vpce-1".to_owned()),
            ),
        ] {
            assert_eq!(ask(&allow(&json!({ "Condition": condition }))), says, "{condition}");
        }
        let denied = allow(
            &json!({ "Effect": "Deny", "Sid": "V", "Condition": { "StringNotEquals": { "aws:SourceVpce": "vpce-1" } } }),
        );
        let says = ask(&json!([allow(&json!({})), denied]));
        assert_eq!(says, Says::Depends("V denies it, where StringNotEquals aws:SourceVpce vpce-1".to_owned()));
        assert!(
            super::says("{", &Ask { role: &Role { arn: String::new() }, action: "a", resource: "b", via: None })
                .is_err()
        );
    }

    #[test]
    fn wildcards_match_as_iam_has_it() {
        for (pattern, text, is) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xxaxxbxb", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }
}
