//! How the SDKs' clients behave: retries and timeouts are set here, not left to defaults that change with versions.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ssm::config::retry::{RetryPartition, TokenBucket};

/// Of the 500 tokens for retries, so many come back in a second without a success: what a retry costs (twice that after a
/// timeout). A long outage thus slows retries down and does not end them.
const REFILL: f32 = 5.0;

/// How long and how often is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// Attempts of one request, the first included.
    pub attempts: u32,
    /// Before the second attempt, at the most; doubles from there, with jitter.
    pub first_pause: Duration,
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the first byte of an answer.
    pub read: Duration,
    /// For one attempt, without the body of what is downloaded.
    pub attempt: Duration,
    /// A body of which nothing arrives for so long is given up, and taken up again where it stopped.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(200),
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            attempt: Duration::from_secs(60),
            stall: Duration::from_secs(10),
        }
    }
}

impl Patience {
    /// Sets the number of attempts.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the pause before the second attempt.
    #[must_use]
    pub fn with_first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }

    /// Sets how long an answer and the rest of a body may take to begin.
    #[must_use]
    pub fn with_waits(mut self, read: Duration, stall: Duration) -> Self {
        (self.read, self.stall) = (read, stall);
        self
    }

    pub(crate) fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .read_timeout(self.read)
            .operation_attempt_timeout(self.attempt)
            .build()
    }

    /// For calls that start something: an answer must come, or be given up, well within the lease of a claim
    /// ([`eks_logs_core::collection::once::LEASE`]).
    pub(crate) fn start_timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .read_timeout(self.read.min(Duration::from_secs(8)))
            .operation_attempt_timeout(Duration::from_secs(8))
            .operation_timeout(Duration::from_secs(20))
            .build()
    }

    pub(crate) fn retries(&self) -> RetryConfig {
        RetryConfig::standard().with_max_attempts(self.attempts).with_initial_backoff(self.first_pause)
    }

    /// What a client may spend on retries, of its own. By default all clients of a service and region in a process draw on
    /// one quota, which fills up only as requests succeed: a bucket that fails would leave the next one without a second attempt.
    pub(crate) fn budget(&self, client: &'static str) -> RetryPartition {
        RetryPartition::custom(client).token_bucket(TokenBucket::builder().refill_rate(REFILL).build()).build()
    }
}

/// Loads credentials, region and endpoints from where the AWS CLI takes them: environment, profiles, SSO, IMDS.
/// `region` replaces the one that is found there.
pub async fn load(region: Option<&eks_logs_core::Region>, patience: Patience) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(patience.retries())
        .timeout_config(patience.timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(patience.stall).build());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_string()));
    }
    loader.load().await
}

/// The region of a configuration, or us-east-1, which every partition's tools fall back to.
pub(crate) fn region_of(config: &SdkConfig) -> eks_logs_core::Region {
    let named = config.region().map_or("us-east-1", Region::as_ref);
    // A name that is not one is refused by the first request, with the name in the message.
    eks_logs_core::Region::parse(named).unwrap_or_else(|_| fallback())
}

fn fallback() -> eks_logs_core::Region {
    #[expect(clippy::expect_used, reason = "a literal of the right form")]
    eks_logs_core::Region::parse("us-east-1").expect("a region")
}
