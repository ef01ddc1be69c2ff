//! The function behind an AgentCore Gateway target.

use std::process::ExitCode;

use eks_logs_lambda::{Settings, Tools, serve, start_telemetry};

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
    let Err(why) = serve(Tools::new(&settings).await).await else { return ExitCode::SUCCESS };
    tracing::error!(error = %why, "the function ends");
    ExitCode::FAILURE
}
