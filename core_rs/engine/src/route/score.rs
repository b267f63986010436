//! Scores in whole per mille: quality, speed and cost against the best candidate's.

use super::model::{ModelRecord, Scored, Strategy};

/// The best.
pub(super) const FULL: u32 = 1_000;

/// What each factor counts, in per mille of the score.
#[derive(Debug, Clone, Copy)]
struct Weights {
    quality: u32,
    speed: u32,
    cost: u32,
}

impl Weights {
    fn of(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Balanced | Strategy::Specific => Self { quality: 400, speed: 300, cost: 300 },
            Strategy::Quality => Self { quality: 800, speed: 100, cost: 100 },
            Strategy::Speed => Self { quality: 100, speed: 800, cost: 100 },
            Strategy::Cost => Self { quality: 100, speed: 100, cost: 800 },
        }
    }

    fn sum(self, scored: &Scored) -> u32 {
        let sum = self.quality * scored.quality + self.speed * scored.speed;
        (sum + self.cost * scored.cost) / FULL
    }
}

/// Scores `candidates`, whose bounds are known, against each other.
pub(super) fn score(records: &[ModelRecord], strategy: Strategy, candidates: &mut [Scored]) {
    let weights = Weights::of(strategy);
    let costs = Costs::of(candidates);
    let left = || candidates.iter().filter_map(|scored| records.get(scored.index));
    let quality_best = left().map(|record| record.quality).max().unwrap_or(0);
    let speed_best = left().map(|record| record.speed).max().unwrap_or(0);
    for scored in candidates {
        let Some(record) = records.get(scored.index) else {
            continue;
        };
        scored.quality = share(FULL, record.quality.into(), quality_best.into());
        scored.speed = share(FULL, record.speed.into(), speed_best.into());
        scored.cost = costs.factor(scored.bound);
        scored.score = weights.sum(scored);
    }
}

/// What the cost factor is measured against.
#[derive(Debug, Clone, Copy)]
struct Costs {
    cheapest_paid: i64,
    paid_best: u32,
}

impl Costs {
    /// A free candidate is infinitely cheaper than any other. So that the others still differ,
    /// they share the lower half of the scale beside one.
    fn of(candidates: &[Scored]) -> Self {
        let paid = candidates.iter().map(|scored| scored.bound).filter(|bound| *bound > 0);
        let any_free = candidates.iter().any(|scored| scored.bound == 0);
        Self {
            cheapest_paid: paid.min().unwrap_or(0),
            paid_best: if any_free { FULL / 2 } else { FULL },
        }
    }

    fn factor(self, bound: i64) -> u32 {
        if bound == 0 { FULL } else { share(self.paid_best, self.cheapest_paid, bound) }
    }
}

/// `scale * part / whole`, rounded down; all of it when there is nothing to compare with.
fn share(scale: u32, part: i64, whole: i64) -> u32 {
    let scaled = i128::from(scale) * i128::from(part);
    scaled.checked_div(whole.into()).and_then(|it| u32::try_from(it).ok()).unwrap_or(scale)
}
