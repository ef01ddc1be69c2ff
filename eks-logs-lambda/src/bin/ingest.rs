//! The function that hears of uploaded archives.

use std::process::ExitCode;

use eks_logs_lambda::{Ingest, Settings, serve, start_telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    start_telemetry();
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(why) => {
            tracing::error!(error = %why, "the function is not set up");
            return ExitCode::FAILURE;
        }
    };
    let Err(why) = serve(Ingest::new(&settings).await).await else { return ExitCode::SUCCESS };
    tracing::error!(error = %why, "the function ends");
    ExitCode::FAILURE
}
