//! Which nodes of a thousand to collect: nodes that look alike go into one bucket, a few of each bucket are drawn, and the plan says in
//! numbers what so few can show. Pure: the same nodes, options and seed give the same plan.

mod chance;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub use chance::{Chance, chances, share_seen};

/// A node that may be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawable {
    /// Its id.
    pub id: String,
    /// What is wrong with it, sorted; empty if nothing is known to be.
    pub troubles: Vec<String>,
    /// Where it is, such as eu-central-1a.
    pub zone: String,
    /// Its nodegroup or pool.
    pub group: String,
    /// Such as m5.large.
    pub instance_type: String,
    /// Its AMI.
    pub image: String,
    /// Launched before or after how many of its fellows: quarters, by age.
    pub age: u8,
    /// Why it cannot be collected.
    pub obstacle: Option<String>,
}

/// By what nodes that have the same troubles are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupBy {
    /// By what tells best the nodes in trouble from the others.
    #[default]
    Auto,
    /// By zone.
    Az,
    /// By nodegroup or pool.
    Nodegroup,
    /// By instance type.
    InstanceType,
    /// By AMI.
    Ami,
}

/// How many are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of each bucket.
    pub per_bucket: usize,
    /// In all.
    pub in_all: usize,
}

/// Nodes that look alike, and those drawn from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// What its nodes have in common.
    pub signature: String,
    /// How many there are.
    pub total: usize,
    /// How many of them can be collected.
    pub collectable: usize,
    /// Those drawn, by id.
    pub drawn: Vec<String>,
    /// A node that stands for the others.
    pub representative: Drawable,
}

const BY: [GroupBy; 4] = [GroupBy::Nodegroup, GroupBy::Az, GroupBy::InstanceType, GroupBy::Ami];

impl GroupBy {
    /// The word that answers use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Az => "az",
            Self::Nodegroup => "nodegroup",
            Self::InstanceType => "instance-type",
            Self::Ami => "ami",
        }
    }

    fn of(self, node: &Drawable) -> &str {
        match self {
            Self::Az => &node.zone,
            Self::Nodegroup | Self::Auto => &node.group,
            Self::InstanceType => &node.instance_type,
            Self::Ami => &node.image,
        }
    }

    /// What is meant by `auto`: the trait whose values tell best how many of their nodes are in trouble. Where none tells anything, the
    /// nodegroup.
    pub fn resolve(self, all: &[Drawable]) -> Self {
        if self != Self::Auto {
            return self;
        }
        let mut best = (0.0, Self::Nodegroup);
        for by in BY {
            let told = told(by, all);
            // A trait that is different for each node tells nothing that helps.
            if told > best.0 + 1e-9 {
                best = (told, by);
            }
        }
        best.1
    }
}

/// How many bits a trait tells of whether a node is in trouble, less what its number of values alone would seem to tell.
fn told(by: GroupBy, all: &[Drawable]) -> f64 {
    let entropy = |part: usize, whole: usize| {
        let share = |count: usize| count as f64 / whole as f64;
        [part, whole - part]
            .into_iter()
            .filter(|count| *count > 0)
            .map(|count| -share(count) * share(count).log2())
            .sum::<f64>()
    };
    if all.is_empty() {
        return 0.0;
    }
    let troubled = |nodes: &[&Drawable]| nodes.iter().filter(|node| !node.troubles.is_empty()).count();
    let mut values: BTreeMap<&str, Vec<&Drawable>> = BTreeMap::new();
    for node in all {
        values.entry(by.of(node)).or_default().push(node);
    }
    let whole: Vec<&Drawable> = all.iter().collect();
    let before = entropy(troubled(&whole), all.len());
    let after: f64 = values
        .values()
        .map(|nodes| entropy(troubled(nodes), nodes.len()) * nodes.len() as f64 / all.len() as f64)
        .sum();
    // Miller and Madow: each value beyond the first seems to tell 1 / (2 N ln 2) bits by chance.
    before - after - (values.len() - 1) as f64 / (2.0 * all.len() as f64 * std::f64::consts::LN_2)
}

/// The buckets, those in trouble first and the larger ones first, with what is drawn from each.
pub fn plan(wanted: &[Drawable], by: GroupBy, caps: Caps, all: bool, seed: u64) -> Vec<Bucket> {
    let mut buckets: BTreeMap<String, Vec<&Drawable>> = BTreeMap::new();
    for node in wanted {
        buckets.entry(signature(node, by)).or_default().push(node);
    }
    let mut buckets: Vec<(String, Vec<&Drawable>)> = buckets.into_iter().collect();
    let troubled = |nodes: &[&Drawable]| nodes.first().is_some_and(|node| !node.troubles.is_empty());
    buckets.sort_by(|(a, left), (b, right)| {
        (troubled(right), right.len()).cmp(&(troubled(left), left.len())).then_with(|| a.cmp(b))
    });
    let most = |nodes: &[&Drawable]| {
        let there = nodes.iter().filter(|node| node.obstacle.is_none()).count();
        if all { there } else { there.min(caps.per_bucket) }
    };
    // One for each bucket, then a second one, and so on: no bucket eats what there is.
    let mut counts = vec![0_usize; buckets.len()];
    let mut left = caps.in_all;
    while left > 0 {
        let mut grown = false;
        for (count, (_, nodes)) in counts.iter_mut().zip(&buckets) {
            if left > 0 && *count < most(nodes) {
                *count += 1;
                left -= 1;
                grown = true;
            }
        }
        if !grown {
            break;
        }
    }
    let bucket = |((signature, nodes), count): ((String, Vec<&Drawable>), usize)| {
        let drawn = draw(&nodes, count, seed);
        let standing = nodes
            .iter()
            .find(|node| drawn.first() == Some(&node.id))
            .or_else(|| nodes.iter().min_by_key(|node| &node.id))?;
        Some(Bucket {
            signature,
            total: nodes.len(),
            collectable: nodes.iter().filter(|node| node.obstacle.is_none()).count(),
            representative: (*standing).clone(),
            drawn,
        })
    };
    buckets.into_iter().zip(counts).filter_map(bucket).collect()
}

fn signature(node: &Drawable, by: GroupBy) -> String {
    let troubles = if node.troubles.is_empty() { "no known trouble".to_owned() } else { node.troubles.join("+") };
    let value = by.of(node);
    format!("{troubles}, {}={}", by.word(), if value.is_empty() { "none" } else { value })
}

/// Draws nodes one after the other: each the one that shows most of what is not drawn yet (zone, type, AMI, age), and among
/// equals the one that the seed prefers.
fn draw(nodes: &[&Drawable], count: usize, seed: u64) -> Vec<String> {
    let traits = |node: &Drawable| {
        [
            format!("zone {}", node.zone),
            format!("type {}", node.instance_type),
            format!("image {}", node.image),
            format!("age {}", node.age),
            format!("group {}", node.group),
        ]
    };
    let mut left: Vec<&&Drawable> = nodes.iter().filter(|node| node.obstacle.is_none()).collect();
    left.sort_by_key(|node| (xxh3_64_with_seed(node.id.as_bytes(), seed), node.id.clone()));
    let mut shown = BTreeSet::new();
    let mut drawn = Vec::new();
    while drawn.len() < count {
        let fresh = |node: &Drawable| traits(node).iter().filter(|value| !shown.contains(*value)).count();
        // The first of the best: `max_by_key` would take the last.
        let Some((at, _)) = left.iter().enumerate().rev().max_by_key(|(_, node)| fresh(node)) else { break };
        let node = left.remove(at);
        shown.extend(traits(node));
        drawn.push(node.id.clone());
    }
    drawn
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(number: usize, zone: &str, group: &str, troubles: &[&str]) -> Drawable {
        Drawable {
            id: format!("i-{number:017x}"),
            troubles: troubles.iter().map(|text| (*text).to_owned()).collect(),
            zone: zone.to_owned(),
            group: group.to_owned(),
            instance_type: "m5.large".to_owned(),
            image: "ami-1".to_owned(),
            age: (number % 4) as u8,
            obstacle: None,
        }
    }

    const CAPS: Caps = Caps { per_bucket: 3, in_all: 15 };

    #[test]
    fn auto_takes_what_tells_the_ill_from_the_well() {
        let nodes: Vec<Drawable> = (0..40)
            .map(|number| {
                let zone = ["a", "b", "c", "d"][number % 4];
                node(
                    number,
                    zone,
                    ["web", "batch"][number / 20],
                    if zone == "c" { &["NotReady/KubeletNotReady"] } else { &[] },
                )
            })
            .collect();
        assert_eq!(GroupBy::Auto.resolve(&nodes), GroupBy::Az);
        assert_eq!(GroupBy::Auto.resolve(&[]), GroupBy::Nodegroup);
        let well: Vec<Drawable> = (0..8).map(|number| node(number, "a", "web", &[])).collect();
        assert_eq!(GroupBy::Auto.resolve(&well), GroupBy::Nodegroup);
    }

    #[test]
    fn no_bucket_eats_what_there_is() {
        let mut nodes: Vec<Drawable> = (0..900).map(|number| node(number, "a", "large", &["NotReady/x"])).collect();
        nodes.extend((900..905).map(|number| node(number, "a", "small", &["DiskPressure"])));
        let plan = plan(&nodes, GroupBy::Nodegroup, Caps { per_bucket: 5, in_all: 4 }, false, 1);
        assert_eq!(plan.iter().map(|bucket| bucket.drawn.len()).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn a_draw_is_spread() {
        let nodes: Vec<Drawable> =
            (0..99).map(|number| node(number, ["a", "b", "c"][number % 3], "web", &[])).collect();
        let drawn = &plan(&nodes, GroupBy::Nodegroup, CAPS, false, 7)[0].drawn;
        let zones: BTreeSet<&str> =
            nodes.iter().filter(|node| drawn.contains(&node.id)).map(|node| node.zone.as_str()).collect();
        assert_eq!(zones.len(), 3);
    }

    #[test]
    fn what_cannot_be_collected_is_counted_and_not_drawn() {
        let mut nodes: Vec<Drawable> = (0..4).map(|number| node(number, "a", "web", &["ssm-ConnectionLost"])).collect();
        nodes[0].obstacle = Some("offline".to_owned());
        let bucket = &plan(&nodes, GroupBy::Nodegroup, CAPS, true, 7)[0];
        assert_eq!((bucket.total, bucket.collectable, bucket.drawn.len()), (4, 3, 3));
        assert!(!bucket.drawn.contains(&nodes[0].id));
    }

    proptest! {
        /// The order in which nodes come does not matter, caps hold, and nobody is drawn twice.
        #[test]
        fn a_plan_depends_on_nodes_and_seed_alone(
            zones in proptest::collection::vec(0_usize..4, 0..120), per_bucket in 1_usize..6, in_all in 1_usize..16, seed in any::<u64>(),
        ) {
            let nodes: Vec<Drawable> = zones
                .iter()
                .enumerate()
                .map(|(number, zone)| node(number, ["a", "b", "c", "d"][*zone], ["x", "y"][zone % 2], if *zone == 3 { &["DiskPressure"] } else { &[] }))
                .collect();
            let caps = Caps { per_bucket, in_all };
            let forth = plan(&nodes, GroupBy::Az, caps, false, seed);
            let mut back = nodes.clone();
            back.reverse();
            prop_assert_eq!(&forth, &plan(&back, GroupBy::Az, caps, false, seed));
            let drawn: Vec<&String> = forth.iter().flat_map(|bucket| &bucket.drawn).collect();
            prop_assert!(drawn.len() <= in_all);
            prop_assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
            prop_assert!(forth.iter().all(|bucket| bucket.drawn.len() <= per_bucket));
            prop_assert_eq!(forth.iter().map(|bucket| bucket.total).sum::<usize>(), nodes.len());
        }
    }
}
