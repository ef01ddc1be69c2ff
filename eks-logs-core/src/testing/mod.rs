//! For tests of stores and of what reads them (feature `testing`): the conformance suite, and stores that misbehave on purpose.

mod conformance;
mod faulty;

pub use conformance::{Fixture, reads, writes};
pub use faulty::FaultyStore;
