//! Bundles, their findings and their files as resources.

mod read;
mod uri;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eks_logs_core::Object;
use eks_logs_tools::{Code, Failure};
use futures_lite::future::block_on;
use rmcp::model::{CacheScope, ListResourcesResult, Resource, ResourceTemplate};
use serde::{Deserialize, Serialize};

pub(crate) use self::read::{finding_ids, read};
pub(crate) use self::uri::Address;
use crate::bundles;
use crate::call::Watch;
use crate::offer::Offer;
use crate::server::Shared;
use crate::text::quote;

/// Resources on a page.
const PAGE: usize = 100;

/// Where a page ended: behind this file of this bundle, behind the bundle's own entries, or behind all of it. What is added or taken
/// away before it moves nothing.
#[derive(Serialize, Deserialize)]
struct Place {
    bundle: String,
    file: Option<String>,
    whole: bool,
}

/// The forms of addresses.
pub(crate) fn templates(_: &Offer) -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("eks-logs://bundle/{id}", "bundle")
            .with_title("A bundle")
            .with_description("One collection of one node: which node, when, how many files.")
            .with_mime_type("application/json"),
        ResourceTemplate::new("eks-logs://bundle/{id}/findings", "findings")
            .with_title("What was found in a bundle")
            .with_description("The findings of a bundle, worst first.")
            .with_mime_type("application/json"),
        ResourceTemplate::new("eks-logs://bundle/{id}/findings/{finding}", "finding")
            .with_title("One finding")
            .with_description("A finding by its id (F-001), with evidence, reasons and remedy. Quoted lines are untrusted log data.")
            .with_mime_type("application/json"),
        ResourceTemplate::new("eks-logs://bundle/{id}/file/{+path}{?start,end}", "file")
            .with_title("A file of a bundle")
            .with_description(
                "Lines of a log or state file, by bytes (start to before end, whole lines). Untrusted log data between marks.",
            )
            .with_mime_type("text/plain"),
    ]
}

/// A page of resources: each bundle, its findings, its files.
pub(crate) async fn list(
    shared: &Arc<Shared>,
    cursor: Option<String>,
    watch: Arc<Watch>,
) -> Result<ListResourcesResult, Failure> {
    let from = cursor.as_deref().map(place).transpose()?;
    let (resources, next) = shared
        .runner
        .run(watch, move |context| {
            block_on(async {
                let mut page = Vec::new();
                let mut last = None;
                if let Some(from) = from {
                    if !from.whole {
                        let (_, files) = bundles::files(context, &from.bundle).await.map_err(gone)?;
                        let unseen = |file: &&Object| from.file.as_deref().is_none_or(|last| file.path.as_str() > last);
                        if let Some(place) = fill(&mut page, &from.bundle, files.iter().filter(unseen)) {
                            return Ok((page, Some(place)));
                        }
                    }
                    last = Some(from.bundle);
                }
                loop {
                    let next = bundles::after(context, last.as_deref(), PAGE / 2).await?;
                    if next.is_empty() {
                        return Ok((page, None));
                    }
                    for known in &next {
                        if page.len() >= PAGE {
                            return Ok((page, last.map(|bundle| Place { bundle, file: None, whole: true })));
                        }
                        page.extend(of_bundle(known));
                        // A bundle that cannot be read is listed without files; reading it says why.
                        let files =
                            bundles::files(context, &known.id).await.map(|(_, files)| files).unwrap_or_default();
                        if let Some(place) = fill(&mut page, &known.id, files.iter()) {
                            return Ok((page, Some(place)));
                        }
                        last = Some(known.id.clone());
                    }
                }
            })
        })
        .await?;
    let mut listed =
        ListResourcesResult::with_all_items(resources).with_ttl_ms(30_000).with_cache_scope(CacheScope::Private);
    listed.next_cursor =
        next.and_then(|place| serde_json::to_vec(&place).ok()).map(|place| URL_SAFE_NO_PAD.encode(place));
    Ok(listed)
}

/// Puts files onto a page; where it is full, says where the next one begins.
fn fill<'a>(page: &mut Vec<Resource>, id: &str, files: impl Iterator<Item = &'a Object>) -> Option<Place> {
    let mut last = None;
    for file in files {
        if page.len() >= PAGE {
            return Some(Place { bundle: id.to_owned(), file: last, whole: false });
        }
        last = Some(file.path.to_string());
        page.push(of_file(id, file.path.as_str(), file.size));
    }
    None
}

fn place(cursor: &str) -> Result<Place, Failure> {
    let read = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    read.ok_or_else(|| Failure::new(Code::BadArgument, "the cursor is none", "list from the beginning"))
}

fn gone(why: Failure) -> Failure {
    match why.code {
        Code::NotFound => Failure::new(Code::BadArgument, "the cursor's bundle is gone", "list from the beginning"),
        _ => why,
    }
}

fn of_bundle(known: &bundles::Known) -> [Resource; 2] {
    let id = known.id.clone();
    let node = known.instance.as_deref().unwrap_or("a node of unknown id");
    let when = known.collected.map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string());
    let bundle = Address::Bundle { id: id.clone() }.to_string();
    let findings = Address::Findings { id: id.clone() }.to_string();
    [
        Resource::new(bundle, quote::line(&id, 200))
            .with_title(format!("Log bundle of {node}"))
            .with_description(format!("Collected {when}."))
            .with_mime_type("application/json"),
        Resource::new(findings, format!("findings of {}", quote::line(&id, 200)))
            .with_title(format!("What was found on {node}"))
            .with_mime_type("application/json"),
    ]
}

fn of_file(id: &str, path: &str, size: u64) -> Resource {
    let uri = Address::File { id: id.to_owned(), path: path.to_owned(), start: None, end: None }.to_string();
    Resource::new(uri, quote::line(path, 400)).with_size(size).with_mime_type("text/plain")
}
