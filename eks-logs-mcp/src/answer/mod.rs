//! Answers on the wire: bounded, in parts where they are large, with a text for models beside the structure for programs.

mod brief;
pub(crate) mod cursor;
pub(crate) mod fit;
mod like;
pub(crate) mod tokens;
