//! Stopping collections. No tool of the contract does it; a protocol whose tasks can be cancelled does.

use eks_logs_core::{ExecutionId, Region};

use super::batch_status::entries;
use super::status::find;
use super::{Account, is_refusal};
use crate::context::Context;
use crate::failure::{Code, Failure};

/// Stops what runs of an execution (an executionId of collect) or of a batch (a batchId of batch_collect); what has ended stays as it is.
/// Only runs of the document with which this account collects are stopped.
///
/// # Errors
/// `bad_argument` for what is neither, `not_found` where nothing is known of it, `denied` for another document's run or where the account
/// may not stop it.
pub async fn stop_collections(context: &Context, id: &str) -> Result<(), Failure> {
    let account = context.account("stopping a collection")?;
    if let Ok(execution) = ExecutionId::parse(id) {
        let (region, _) = find(&account, &execution, None).await?;
        return stop(&account, &execution, &region).await;
    }
    let mut refused = None;
    for entry in entries(&account, id).await? {
        let Some(execution) = entry.execution_id else { continue };
        let execution = ExecutionId::parse(&execution)?;
        let region = match entry.region {
            Some(region) => Region::parse(&region)?,
            None => find(&account, &execution, None).await?.0,
        };
        // One that cannot be stopped does not keep the others running.
        if let Err(why) = stop(&account, &execution, &region).await {
            refused.get_or_insert(why);
        }
    }
    refused.map_or(Ok(()), Err)
}

async fn stop(account: &Account<'_>, id: &ExecutionId, region: &Region) -> Result<(), Failure> {
    let execution = account.collector.execution(id, region).await?;
    if execution.document != account.collector.document() {
        return Err(Failure::new(
            Code::Denied,
            format!("{id} is a run of {}, not of {}", execution.document, account.collector.document()),
            "stop it where it was started",
        ));
    }
    if execution.state.is_over() {
        return Ok(());
    }
    match account.collector.cancel(id, region).await {
        Ok(()) => Ok(()),
        Err(why) if is_refusal(&why) => Err(why.into()),
        // It may have ended in between, which SSM answers with an error.
        Err(why) => match account.collector.execution(id, region).await {
            Ok(execution) if execution.state.is_over() => Ok(()),
            _ => Err(why.into()),
        },
    }
}
