use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
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

/// Waits. Adapters hand one to work that asks again until something has happened, or that gives up after a while.
#[async_trait]
pub trait Timer: fmt::Debug + Send + Sync {
    /// Returns after this long.
    async fn sleep(&self, duration: Duration);
}
