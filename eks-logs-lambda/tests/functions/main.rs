//! The real binaries, driven through an emulator of Lambda's Runtime API: S3 is SeaweedFS, EC2 and EKS are moto, SSM our fake. What needs
//! those servers skips, by name, without them (python3 .ci/services.py cargo test ...).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod account;
mod emulator;
mod ingest;
mod protocol;
mod tools;
