//! What the functions tell about themselves: JSON on stdout, where Lambda picks it up.

use tracing_subscriber::EnvFilter;

/// Starts logging. `EKS_LOGS_LOG` is a level for ours, or a tracing filter; libraries that log whole requests stay quiet at `info`.
pub fn start() {
    let asked = std::env::var("EKS_LOGS_LOG").unwrap_or_default();
    let directives = match asked.parse::<tracing::Level>() {
        Ok(level) => format!("warn,eks_logs_lambda={level}"),
        Err(_) if asked.is_empty() => "warn,eks_logs_lambda=info".to_owned(),
        Err(_) => asked,
    };
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("warn,eks_logs_lambda=info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stdout).with_ansi(false);
    let _ = logs.json().flatten_event(true).with_span_list(false).try_init();
    // A panic's own message may quote what was being read.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, "a call panicked");
    }));
}
