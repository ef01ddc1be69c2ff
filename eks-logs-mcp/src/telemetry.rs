//! What the server tells about itself, on stderr: calls, times, outcomes. Never what logs say.

use tracing::Level;
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;
use crate::start::StartError;

/// Starts logging.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), StartError> {
    // A bare level is ours alone; the protocol library logs whole messages when it is asked to talk.
    let directives = match filter.parse::<Level>() {
        Ok(level) => format!("warn,eks_logs_mcp={level}"),
        Err(_) => filter.to_owned(),
    };
    let filter = EnvFilter::try_new(&directives).map_err(|why| {
        StartError::Usage(format!("--log {filter}: {why}; give a level such as info, or a tracing filter"))
    })?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A second start in one process keeps the first one's settings.
    let _ = match format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    Ok(())
}
