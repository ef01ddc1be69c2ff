//! What tests do to a file to see that a parser survives it: cut it, overwrite bytes, append it to itself.

use proptest::prelude::*;

use super::Parsed;

/// A file as an aborted, cut or disturbed collection may have left it; sometimes bytes that never were such a file.
pub(super) fn damaged(file: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let whole = file.as_bytes().to_vec();
    let length = whole.len();
    let overwritten = prop::collection::vec((0..length.max(1), any::<u8>()), 0..8);
    let broken = (0..=length, overwritten, any::<bool>()).prop_map(move |(cut, overwritten, again)| {
        let mut bytes = whole[..cut].to_vec();
        if again {
            bytes.extend_from_slice(&whole);
        }
        for (place, byte) in overwritten {
            if let Some(spot) = bytes.get_mut(place) {
                *spot = byte;
            }
        }
        bytes
    });
    prop_oneof![4 => broken, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// That every problem stands where the file has bytes.
pub(super) fn problems_stand_in<T>(parsed: &Parsed<T>, text: &[u8]) {
    for problem in &parsed.problems {
        assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len() as u64, "{problem:?}");
        let before = text.iter().take(problem.span.start as usize).filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(problem.span.line, before + 1, "{problem:?}");
    }
    assert!(parsed.problem_count >= parsed.problems.len() as u64);
}
