//! Whether ipamd answered the collector.

use crate::checks::{Cite, Fault, Outcome, State};

/// The answers of ipamd's introspection endpoint that every running VPC CNI gives.
const ANSWERS: [&str; 3] = ["ipamd/enis.json", "ipamd/pods.json", "ipamd/networkutils-env-settings.json"];
/// Written where introspection is switched off or was not asked for.
const IGNORED: &str = "ipamd/ipam_introspection_ignore.txt";

/// The collector asked ipamd for its state and got nothing: it is down, hangs or does not answer.
pub(super) fn empty(state: &State) -> Outcome {
    if state.files.get(IGNORED).is_some() {
        return Outcome::NotApplicable("the collection left introspection out".to_owned());
    }
    let asked: Vec<_> = ANSWERS.iter().filter_map(|path| state.files.get(path)).collect();
    if asked.is_empty() {
        return Outcome::Unknown(
            "ipamd/enis.json and its like are absent: whether ipamd answers is not known".to_owned(),
        );
    }
    let blank = |content: &[u8]| content.iter().all(u8::is_ascii_whitespace);
    if !asked.iter().all(|file| blank(&file.content)) {
        return Outcome::Passed;
    }
    let names: Vec<&str> = asked.iter().map(|file| file.path.as_str()).collect();
    Outcome::of(vec![Fault {
        detail: format!(
            "{} hold nothing: ipamd's port 61679 gave no answer within the collector's 3 seconds",
            names.join(", ")
        ),
        cites: asked.into_iter().map(Cite::head).collect(),
        ..Fault::default()
    }])
}
