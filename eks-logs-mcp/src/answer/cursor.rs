//! Where the last part of an answer ended.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eks_logs_tools::{Code, Failure};
use xxhash_rust::xxh3::xxh3_64;

/// A place in an answer. Valid for the same content only: a cursor of another answer, or of a bundle that has changed since, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Entries of lists that were told before.
    pub(crate) told: u64,
    /// What it belongs to.
    pub(crate) bound_to: u64,
}

impl Cursor {
    pub(crate) fn write(self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.told.to_be_bytes());
        bytes[8..].copy_from_slice(&self.bound_to.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        let bytes: [u8; 16] =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
                Failure::new(
                    Code::BadArgument,
                    format!("cursor {text:?} is none"),
                    "give answerPart.nextCursor of the last part as it stands, or leave cursor out for the first part",
                )
            })?;
        let half = |from: usize| {
            let mut half = [0; 8];
            half.copy_from_slice(&bytes[from..from + 8]);
            u64::from_be_bytes(half)
        };
        Ok(Self { told: half(0), bound_to: half(8) })
    }

    /// Refuses a cursor of another answer.
    pub(crate) fn belongs_to(self, bound_to: u64) -> Result<(), Failure> {
        if self.bound_to == bound_to {
            return Ok(());
        }
        Err(Failure::new(
            Code::BadArgument,
            "the cursor is of another answer: other arguments, or the bundle has changed since",
            "ask again without cursor, with the same arguments for each part",
        ))
    }
}

/// What a cursor is bound to.
pub(crate) fn bound_to(parts: &[&str]) -> u64 {
    xxh3_64(parts.join("\0").as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(told: u64, bound_to: u64) {
            let cursor = Cursor { told, bound_to };
            prop_assert_eq!(Cursor::read(&cursor.write()).unwrap(), cursor);
            prop_assert!(cursor.belongs_to(bound_to).is_ok());
            prop_assert!(cursor.belongs_to(bound_to.wrapping_add(1)).is_err());
        }

        #[test]
        fn what_is_none_is_refused(text in "\\PC{0,30}") {
            if let Ok(cursor) = Cursor::read(&text) {
                prop_assert_eq!(cursor.write(), text);
            }
        }
    }
}
