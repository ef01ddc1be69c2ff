//! Rows of data that speak of rules: an entry is an id, or a prefix that ends in `/` or `*`, or `*` first for an ending.

/// Whether a rule is among these entries.
pub(super) fn holds(entries: &[String], rule: &str) -> bool {
    entries.iter().any(|entry| {
        if let Some((front, back)) = entry.split_once('*') {
            rule.len() >= front.len() + back.len() && rule.starts_with(front) && rule.ends_with(back)
        } else if entry.ends_with('/') {
            rule.starts_with(entry.as_str())
        } else {
            rule == entry
        }
    })
}

#[cfg(test)]
pub(super) fn speaks_of_a_rule(entry: &str) -> bool {
    let entries = [entry.to_owned()];
    crate::Catalogue::builtin().rules().iter().any(|rule| holds(&entries, rule.id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn entries_are_ids_prefixes_and_patterns() {
        let entries = |entry: &str| vec![entry.to_owned()];
        assert!(holds(&entries("dns/"), "dns/lookup-timeout"));
        assert!(!holds(&entries("dns/"), "dnsx/lookup-timeout"));
        assert!(holds(&entries("network/*-allowance-exceeded"), "network/packet-allowance-exceeded"));
        assert!(!holds(&entries("network/*-allowance-exceeded"), "network/-exceeded"));
        assert!(holds(&entries("memory/eviction"), "memory/eviction"));
        assert!(!holds(&entries("memory/eviction"), "memory/eviction-x"));
    }
}
