//! Completing ids and paths while somebody types them.

use std::sync::Arc;

use eks_logs_tools::Failure;
use futures_lite::future::block_on;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};

use crate::bundles;
use crate::call::Watch;
use crate::resource::finding_ids;
use crate::server::Shared;
use crate::{prompt, resource};

/// What an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bundle,
    Node,
    Nodes,
    Path,
    Finding,
    Nothing,
}

fn kind(request: &CompleteRequestParams, shared: &Shared) -> Kind {
    let name = request.argument.name.as_str();
    let known = match &request.r#ref {
        // Somebody who types at an unknown place gets nothing, and no error.
        Reference::Prompt(prompt) => prompt::arguments(&prompt.name),
        Reference::Resource(template) => {
            let known = resource::templates(&shared.offer).into_iter().any(|one| one.uri_template == template.uri);
            if known { vec!["id", "path", "finding", "start", "end"] } else { Vec::new() }
        }
        _ => Vec::new(),
    };
    match name {
        _ if !known.contains(&name) => Kind::Nothing,
        "id" | "bundleId" => Kind::Bundle,
        "instanceId" => Kind::Node,
        "instanceIds" => Kind::Nodes,
        "path" => Kind::Path,
        "finding" => Kind::Finding,
        _ => Kind::Nothing,
    }
}

/// What the text of an argument may become: what begins with it first, then what holds it.
pub(crate) async fn complete(
    shared: &Arc<Shared>,
    request: CompleteRequestParams,
    watch: Arc<Watch>,
) -> Result<CompleteResult, Failure> {
    let kind = kind(&request, shared);
    let typed = request.argument.value;
    let given = |name: &str| request.context.as_ref().and_then(|context| context.get_argument(name)).cloned();
    let bundle = given("id").or_else(|| given("bundleId"));
    let (typed, before) = match kind {
        // The last of several nodes is the one that is typed.
        Kind::Nodes => match typed.rsplit_once(',') {
            Some((before, last)) => (last.trim().to_owned(), format!("{before},")),
            None => (typed, String::new()),
        },
        _ => (typed, String::new()),
    };
    let all = match (kind, bundle) {
        (Kind::Nothing, _) | (Kind::Path | Kind::Finding, None) => Vec::new(),
        (Kind::Finding, Some(id)) => finding_ids(shared, &id, watch).await.unwrap_or_default(),
        (kind, bundle) => {
            let begun = typed.clone();
            let work = move |context: &eks_logs_tools::Context| {
                block_on(async {
                    Ok(match (kind, bundle) {
                        (Kind::Path, Some(id)) => {
                            let files = bundles::files(context, &id).await.map(|(_, files)| files).unwrap_or_default();
                            files.into_iter().map(|file| file.path.to_string()).collect()
                        }
                        (Kind::Node | Kind::Nodes, _) => {
                            let known = bundles::beginning(context, &begun).await?;
                            let mut nodes: Vec<String> = known.into_iter().filter_map(|known| known.instance).collect();
                            nodes.sort();
                            nodes.dedup();
                            nodes
                        }
                        _ => bundles::beginning(context, &begun).await?.into_iter().map(|known| known.id).collect(),
                    })
                })
            };
            shared.runner.run(watch, work).await?
        }
    };
    let (mut values, inside): (Vec<String>, Vec<String>) =
        all.into_iter().filter(|value| value.contains(&typed)).partition(|value| value.starts_with(&typed));
    values.extend(inside);
    let total = values.len();
    values.truncate(CompletionInfo::MAX_VALUES);
    let values = values.into_iter().map(|value| format!("{before}{value}")).collect();
    let more = total > CompletionInfo::MAX_VALUES;
    let info = CompletionInfo::with_pagination(values, u32::try_from(total).ok(), more).unwrap_or_default();
    Ok(CompleteResult::new(info))
}
