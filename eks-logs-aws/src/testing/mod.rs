//! For tests over the wire (feature `testing`): where the real servers are, a proxy that does what networks and services do on bad days, and
//! a fake of what nobody emulates: SSM Automation.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests fail by panicking and say what they skip"
)]

mod automation;
mod fake_ssm;
mod http;
mod machines;
mod proxy;
mod services;

pub use fake_ssm::{FakeNode, FakeOptions, FakeSsm};
pub use machines::{FakeCluster, FakeGroup};
pub use proxy::{Fault, Proxy, Seen};
pub use services::{Servers, sdk_config, sdk_config_with, servers};
