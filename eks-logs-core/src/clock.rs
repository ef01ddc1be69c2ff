use std::fmt;

use jiff::Timestamp;

/// What time it is now. Analysis never asks; adapters hand one to tools that tell how old something is.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
}

/// A clock that stands still, for tests.
impl Clock for Timestamp {
    fn now(&self) -> Timestamp {
        *self
    }
}
