//! What a sample can show, in numbers.

use schemars::JsonSchema;
use serde::Serialize;

/// The shares of a bucket, in percent, for which a plan gives the chance to have seen a fault.
const SHARES: [u8; 5] = [5, 10, 20, 50, 100];

/// The chance that a fault which affects a part of a bucket is in at least one of the nodes drawn.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chance {
    /// How much of the bucket the fault affects, in percent.
    pub affected_percent: u8,
    /// How many nodes that is: rounded up.
    pub affected_nodes: usize,
    /// The chance, 0 to 1, in thousandths.
    pub chance: f64,
}

/// The chance that at least one of `drawn` nodes is among the `affected` of `total`: drawn without putting back.
fn seen(total: usize, affected: usize, drawn: usize) -> f64 {
    if affected == 0 || drawn == 0 {
        return 0.0;
    }
    let well = total.saturating_sub(affected);
    if drawn > well {
        return 1.0;
    }
    let missed: f64 = (0..drawn).map(|number| (well - number) as f64 / (total - number) as f64).product();
    1.0 - missed
}

/// The chances for a bucket. They hold for a fault that strikes at random within it; a spread draw does no worse for one that
/// follows zone, type, AMI or age.
pub fn chances(total: usize, drawn: usize) -> Vec<Chance> {
    let of = |share: u8| {
        let affected = (total * usize::from(share)).div_ceil(100).min(total);
        let chance = (seen(total, affected, drawn) * 1000.0).round() / 1000.0;
        Chance { affected_percent: share, affected_nodes: affected, chance }
    };
    SHARES.into_iter().map(of).collect()
}

/// The smallest number of affected nodes that the draw shows with this chance at least; `None` if nothing is drawn.
pub fn share_seen(total: usize, drawn: usize, chance: f64) -> Option<usize> {
    if drawn == 0 {
        return None;
    }
    let (mut low, mut high) = (1, total);
    while low < high {
        let middle = (low + high) / 2;
        if seen(total, middle, drawn) >= chance { high = middle } else { low = middle + 1 }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_those_of_the_hypergeometric_distribution() {
        // 3 of 10, 2 affected: 1 - C(8,3)/C(10,3) = 1 - 56/120.
        assert!((seen(10, 2, 3) - (1.0 - 56.0 / 120.0)).abs() < 1e-12);
        assert_eq!(seen(10, 0, 3), 0.0);
        assert_eq!(seen(10, 8, 3), 1.0);
        assert_eq!(seen(1, 1, 1), 1.0);
        assert_eq!(seen(0, 0, 0), 0.0);
    }

    #[test]
    fn three_of_a_thousand_show_what_affects_most() {
        let all = chances(1000, 3);
        assert_eq!(all.iter().map(|chance| chance.affected_nodes).collect::<Vec<_>>(), [50, 100, 200, 500, 1000]);
        assert!(all[0].chance < 0.15 && all[3].chance > 0.87 && all[4].chance == 1.0);
        let needed = share_seen(1000, 3, 0.95).unwrap();
        assert!(seen(1000, needed, 3) >= 0.95 && seen(1000, needed - 1, 3) < 0.95);
        assert_eq!(share_seen(1000, 0, 0.95), None);
        assert_eq!(share_seen(5, 5, 0.95), Some(1));
    }
}
