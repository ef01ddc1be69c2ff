use std::time::Duration;

use async_trait::async_trait;
use eks_logs_core::Timer;

/// Waits on tokio's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
