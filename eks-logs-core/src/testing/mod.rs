//! For tests of stores and of what reads them (feature `testing`): the conformance suite, and stores that misbehave, count or never end.

mod conformance;
mod counting;
mod endless;
mod faulty;

pub use conformance::{Fixture, reads, writes};
pub use counting::{CountingStore, Requests};
pub use endless::RepeatingStore;
pub use faulty::FaultyStore;
