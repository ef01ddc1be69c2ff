//! What we store beside the files of a bundle, under its root. None of it is a file of the bundle: it is neither scanned nor searched.

use crate::path::StorePath;

/// What the bundle holds: files, sizes, checksums.
pub const MANIFEST: &str = "manifest.json";
/// What is wrong with the node.
pub const FINDINGS_INDEX: &str = "findings_index.json";
/// The same findings with more of their lines each.
pub const EVENTS_INDEX: &str = "events_index.json";
/// The directory of line indexes: `line_index/<path of the file>.json`.
pub const LINE_INDEX: &str = "line_index";

/// Whether a path below the root of a bundle is a record of ours.
pub fn is_record(below_root: &StorePath) -> bool {
    match below_root.split_first() {
        (name, None) => name == MANIFEST || name == FINDINGS_INDEX || name == EVENTS_INDEX,
        (first, Some(_)) => first == LINE_INDEX,
    }
}
