use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eks_logs_core::collection::stage::{bundle_id, stored};
use eks_logs_core::collection::{Execution, ExecutionFilter, ExecutionState, record};
use eks_logs_core::{Error, InstanceId, Region};
use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Account;
use crate::context::{Call, Context};
use crate::failure::{Code, Failure};
use crate::tool::{About, Effect, Needs, Request};

/// Collections on a page, at the most.
const MOST: usize = 50;
/// Executions that one call looks at, at the most, to find those of one node.
const LOOKED_AT: usize = 400;
/// Executions that are looked up at a time.
const AT_A_TIME: usize = 8;

fn twenty() -> usize {
    20
}

/// Which collections there were.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryRequest {
    /// Only those of one node.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(i-([0-9a-f]{8}|[0-9a-f]{17})|mi-[0-9a-f]{17})$"))]
    pub instance_id: Option<String>,
    /// Collections on a page, 1 to 50.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 50))]
    pub max_results: usize,
    /// Only those in this state: running, completed, failed, cancelling or cancelled (or SSM's words).
    #[serde(default)]
    pub status: Option<String>,
    /// Only those of one region; without it, all enabled regions.
    #[serde(default)]
    pub region: Option<String>,
    /// Where the last page ended: its nextPageToken.
    #[serde(default)]
    pub page_token: Option<String>,
}

impl Default for HistoryRequest {
    fn default() -> Self {
        Self { instance_id: None, max_results: twenty(), status: None, region: None, page_token: None }
    }
}

/// Which collections there were.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryAnswer {
    /// Always true.
    pub success: bool,
    /// Newest first.
    pub collections: Vec<Collection>,
    /// How many are on this page.
    pub count: usize,
    /// The regions that were asked.
    pub searched_regions: Vec<String>,
    /// Regions that could not be asked: what ran there is not known.
    pub gaps: Vec<RegionGap>,
    /// What was asked for.
    pub filters: Filters,
    /// Whether there are more.
    pub has_more: bool,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// One collection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Collection {
    /// The execution.
    pub execution_id: String,
    /// running, completed, failed, cancelling or cancelled: of the document's run.
    pub status: &'static str,
    /// When it began, UTC.
    pub start_time: Option<Timestamp>,
    /// When it ended, UTC.
    pub end_time: Option<Timestamp>,
    /// The node; `null` where neither our record nor SSM tells.
    pub instance_id: Option<String>,
    /// Where it ran.
    pub region: String,
    /// Whether the bucket still has its archive or its files.
    pub bundle_exists: bool,
    /// The bundle, for the analysis tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_id: Option<String>,
}

/// A region that could not be asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RegionGap {
    /// The region.
    pub region: String,
    /// Why.
    pub detail: String,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Filters {
    /// One node.
    pub instance_id: Option<String>,
    /// One state.
    pub status: Option<String>,
    /// One region.
    pub region: Option<String>,
}

/// Where a page ended: for each region that has more, its page and how many of it are told already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// Of which question it is a page.
    q: u64,
    /// Region, token of its page, rows of it that are told.
    r: BTreeMap<String, (Option<String>, usize)>,
}

impl Place {
    fn token(&self) -> Option<String> {
        serde_json::to_vec(self).ok().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
    }

    fn parse(token: &str, question: u64) -> Result<Self, Failure> {
        let place = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        place.filter(|place| place.q == question).ok_or_else(|| {
            Failure::new(
                Code::BadArgument,
                "the page token is of another question",
                "ask again without pageToken, or with the filters that the token came with",
            )
        })
    }
}

/// One region's executions, read page by page as they are wanted.
struct Feed {
    region: Region,
    /// The token of the page that is held.
    token: Option<String>,
    page: Vec<Execution>,
    told: usize,
    next: Option<String>,
}

fn state(word: &str) -> Result<ExecutionState, Failure> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "running" | "inprogress" | "pending" | "waiting" => ExecutionState::Running,
        "completed" | "success" => ExecutionState::Success,
        "failed" | "timedout" => ExecutionState::Failed,
        "cancelling" => ExecutionState::Cancelling,
        "cancelled" => ExecutionState::Cancelled,
        _ => {
            return Err(Failure::new(
                Code::BadArgument,
                format!("status {word:?} is none"),
                "give running, completed, failed, cancelling or cancelled",
            ));
        }
    })
}

fn word(state: ExecutionState) -> &'static str {
    match state {
        ExecutionState::Running => "running",
        ExecutionState::Success => "completed",
        ExecutionState::Failed => "failed",
        ExecutionState::Cancelling => "cancelling",
        ExecutionState::Cancelled => "cancelled",
    }
}

impl Feed {
    async fn open(
        account: &Account<'_>,
        region: Region,
        filter: &ExecutionFilter,
        token: Option<String>,
        told: usize,
    ) -> Result<Self, (Region, Error)> {
        match account.collector.executions(&region, filter, token.as_deref()).await {
            Ok(page) => Ok(Self { region, token, page: page.executions, told, next: page.next }),
            Err(why) => Err((region, why)),
        }
    }

    /// The next execution, without taking it.
    async fn peek(&mut self, account: &Account<'_>, filter: &ExecutionFilter) -> Result<Option<&Execution>, Error> {
        while self.told >= self.page.len() {
            let Some(next) = self.next.take() else { return Ok(None) };
            let page = account.collector.executions(&self.region, filter, Some(&next)).await?;
            (self.page, self.told, self.token, self.next) = (page.executions, 0, Some(next), page.next);
        }
        Ok(self.page.get(self.told))
    }

    fn has_more(&self) -> bool {
        self.told < self.page.len() || self.next.is_some()
    }
}

#[async_trait]
impl Request for HistoryRequest {
    type Answer = HistoryAnswer;
    const ABOUT: About = About {
        name: "history",
        title: "Which collections there were",
        description: "Lists collections of node logs, newest first, over all enabled regions or one: of one node (instanceId) or of all, with their \
                      state and whether their bundle is still in the bucket. Look here before you collect: a recent bundle can be analysed at once \
                      (errors, triage with its bundleId). SSM remembers 30 days.",
        needs: Needs::Aws,
        effect: Effect::Reads,
    };

    async fn answer(&self, context: &Context, _: Call<'_>) -> Result<HistoryAnswer, Failure> {
        if !(1..=MOST).contains(&self.max_results) {
            let error = format!("maxResults {} is out of range", self.max_results);
            return Err(Failure::new(Code::BadArgument, error, "give 1 to 50"));
        }
        let node = self.instance_id.as_deref().map(InstanceId::parse).transpose()?;
        let filter = ExecutionFilter { state: self.status.as_deref().map(state).transpose()?, started_after: None };
        let explicit = self.region.as_deref().map(Region::parse).transpose()?;
        let account = context.account("history")?;
        let question = xxh3_64(format!("{:?}/{:?}/{:?}", self.instance_id, filter.state, self.region).as_bytes());
        let place = self.page_token.as_deref().map(|token| Place::parse(token, question)).transpose()?;

        let mut places: Vec<(Region, Option<String>, usize)> = Vec::new();
        if let Some(place) = place {
            for (region, (token, told)) in place.r {
                places.push((Region::parse(&region)?, token, told));
            }
        } else {
            let regions = match (explicit, account.inventory) {
                (Some(region), _) => vec![region],
                (None, Some(inventory)) => inventory.regions().await?,
                (None, None) => vec![account.collector.default_region()],
            };
            places.extend(regions.into_iter().map(|region| (region, None, 0)));
        }
        let searched_regions = places.iter().map(|(region, ..)| region.to_string()).collect();
        let (mut feeds, gaps) = open(&account, places, &filter).await?;
        let collections = merge(&account, &mut feeds, &filter, node.as_ref(), self.max_results).await?;
        let place = Place {
            q: question,
            r: feeds
                .into_iter()
                .filter(Feed::has_more)
                .map(|feed| (feed.region.to_string(), (feed.token, feed.told)))
                .collect(),
        };
        let next_page_token = if place.r.is_empty() { None } else { place.token() };
        Ok(HistoryAnswer {
            success: true,
            count: collections.len(),
            collections,
            searched_regions,
            gaps,
            filters: Filters {
                instance_id: self.instance_id.clone(),
                status: self.status.clone(),
                region: self.region.clone(),
            },
            has_more: next_page_token.is_some(),
            next_page_token,
        })
    }
}

async fn open(
    account: &Account<'_>,
    places: Vec<(Region, Option<String>, usize)>,
    filter: &ExecutionFilter,
) -> Result<(Vec<Feed>, Vec<RegionGap>), Failure> {
    let mut opened: FuturesUnordered<_> =
        places.into_iter().map(|(region, token, told)| Feed::open(account, region, filter, token, told)).collect();
    let (mut feeds, mut failed) = (Vec::new(), Vec::new());
    while let Some(feed) = opened.next().await {
        match feed {
            Ok(feed) => feeds.push(feed),
            Err(why) => failed.push(why),
        }
    }
    feeds.sort_by(|a, b| a.region.cmp(&b.region));
    failed.sort_by(|a, b| a.0.cmp(&b.0));
    if feeds.is_empty()
        && let Some((_, why)) = failed.pop()
    {
        return Err(why.into());
    }
    let gap = |(region, why): (Region, Error)| RegionGap { region: region.to_string(), detail: why.to_string() };
    Ok((feeds, failed.into_iter().map(gap).collect()))
}

/// Takes the newest of all regions, again and again; the nodes of some are looked up together.
async fn merge(
    account: &Account<'_>,
    feeds: &mut [Feed],
    filter: &ExecutionFilter,
    node: Option<&InstanceId>,
    most: usize,
) -> Result<Vec<Collection>, Failure> {
    let mut found = Vec::new();
    let mut looked = 0;
    while found.len() < most && looked < LOOKED_AT {
        let mut taken = Vec::new();
        // No more than are wanted: what is taken is told, and does not come again.
        while taken.len() < (most - found.len()).min(AT_A_TIME) {
            let mut best: Option<(usize, (Option<Timestamp>, String))> = None;
            for (number, feed) in feeds.iter_mut().enumerate() {
                let Some(execution) = feed.peek(account, filter).await? else { continue };
                let key = (execution.started_at, execution.id.to_string());
                if best.as_ref().is_none_or(|(_, other)| key > *other) {
                    best = Some((number, key));
                }
            }
            let Some((number, _)) = best else { break };
            let feed = &mut feeds[number];
            taken.push(feed.page[feed.told].clone());
            feed.told += 1;
        }
        if taken.is_empty() {
            break;
        }
        looked += taken.len();
        let mut rows = stream::iter(taken).map(|execution| describe(account, execution)).buffered(AT_A_TIME);
        while let Some(row) = rows.next().await {
            let row = row?;
            if node.is_none_or(|node| row.instance_id.as_deref() == Some(node.as_str())) {
                found.push(row);
            }
        }
    }
    Ok(found)
}

/// Adds the node, from our record or from the execution itself, and whether there is a bundle.
async fn describe(account: &Account<'_>, execution: Execution) -> Result<Collection, Failure> {
    let node = match record::region_of(account.store(), &execution.id).await {
        Ok(Some((_, Some(node)))) => Some(node),
        // A record that cannot be read tells nothing; SSM may.
        Ok(_) | Err(Error::Corrupt { .. }) => {
            match account.collector.execution(&execution.id, &execution.region).await {
                Ok(whole) => whole.instance,
                Err(Error::NotFound { .. }) => None,
                Err(why) => return Err(why.into()),
            }
        }
        Err(why) => return Err(why.into()),
    };
    let there = match &node {
        Some(node) => {
            let stored = stored(account.store(), node, execution.id.as_str()).await?;
            stored.archive.is_some() || stored.directory.is_some()
        }
        None => false,
    };
    let bundle_id = node.as_ref().filter(|_| there).map(|node| bundle_id(node, execution.id.as_str()));
    Ok(Collection {
        execution_id: execution.id.to_string(),
        status: word(execution.state),
        start_time: execution.started_at,
        end_time: execution.ended_at,
        instance_id: node.map(|node| node.to_string()),
        region: execution.region.to_string(),
        bundle_exists: there,
        bundle_id,
    })
}
