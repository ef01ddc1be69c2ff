//! What goes with the findings: remedies with the names that this bundle gives, states of pods and conditions of the node, what was looked
//! for and is not there, and where to look outside the bundle.

mod absence;
mod fill;
mod outside;
mod rows;
mod states;

use schemars::JsonSchema;
use serde::Serialize;

pub use absence::{Absence, Answer, absences};
pub use fill::{Filled, FilledRemedy, Names, remedy};
pub use outside::{OutsideCheck, outside};
pub use states::{NodeCondition, PodState, node_conditions, pod_states};

use crate::finding::Scan;
use crate::hypothesis::Diagnosis;
use crate::rule::Catalogue;

/// All that goes with a diagnosis.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// For each hypothesis, in order: what to do, with names filled in.
    pub remedies: Vec<FilledRemedy>,
    /// Pods and the states they are in.
    pub pod_states: Vec<PodState>,
    /// Conditions of the node.
    pub node_conditions: Vec<NodeCondition>,
    /// What was looked for and is not there, what decides between hypotheses first.
    pub absences: Vec<Absence>,
    /// Where to look outside the bundle.
    pub outside: Vec<OutsideCheck>,
}

/// What goes with this diagnosis of this scan.
pub fn context(catalogue: &Catalogue, scan: &Scan, diagnosis: &Diagnosis) -> Context {
    let names = Names::of_each(scan, &diagnosis.hypotheses);
    let hypotheses = || diagnosis.hypotheses.iter().zip(&names);
    Context {
        remedies: hypotheses().map(|(hypothesis, names)| remedy(scan, hypothesis, names)).collect(),
        pod_states: pod_states(&scan.findings),
        node_conditions: node_conditions(&scan.findings),
        absences: absences(catalogue, scan, diagnosis),
        outside: outside(hypotheses()),
    }
}
