//! Scores in whole per mille: quality, speed and cost against the best candidate's.

use super::index::{Facts, Index};
use super::model::Scored;
use super::rules::Weights;
use super::signals::Signals;

/// The best.
pub(super) const FULL: u32 = 1_000;

impl Weights {
    /// The weighted mean of a candidate's factors.
    fn mean(self, scored: &Scored) -> u32 {
        let parts =
            [(self.quality, scored.quality), (self.speed, scored.speed), (self.cost, scored.cost)];
        // No factor is above 1,000, so three products fit 64 bits; weights that add up to 0 were
        // refused with the catalogue.
        let sum: u64 = parts.iter().map(|(it, factor)| u64::from(*it) * u64::from(*factor)).sum();
        sum.checked_div(self.sum()).and_then(|mean| u32::try_from(mean).ok()).unwrap_or(0)
    }
}

/// Scores `candidates`, whose bounds are known, against each other.
pub(super) fn score(index: &Index, weights: Weights, signals: &Signals, candidates: &mut [Scored]) {
    let costs = Costs::of(candidates);
    let (mut quality_best, mut speed_best) = (0, 0);
    for scored in candidates.iter_mut() {
        let Some(facts) = index.facts.get(scored.index) else { continue };
        // The numbers themselves until the best is known.
        (scored.quality, scored.speed) = (facts.quality, speed_of(facts, signals));
        quality_best = quality_best.max(scored.quality);
        speed_best = speed_best.max(scored.speed);
    }
    for scored in candidates {
        let Some(facts) = index.facts.get(scored.index) else { continue };
        scored.quality = share(FULL, scored.quality.into(), quality_best.into());
        scored.speed = share(FULL, scored.speed.into(), speed_best.into());
        scored.cost = costs.factor(scored.bound);
        scored.score = weights.mean(scored);
        if !signals.of_provider.is_empty() {
            // Both are 1,000 at most, so 32 bits hold the product.
            scored.score = scored.score * signals.of(facts.provider).standing() / FULL;
        }
    }
}

fn speed_of(facts: &Facts, signals: &Signals) -> u32 {
    if signals.of_provider.is_empty() {
        return facts.speed;
    }
    signals.of(facts.provider).speed(facts.speed)
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
        if bound == 0 {
            return FULL;
        }
        let whole = u64::try_from(bound).unwrap_or(0);
        share(self.paid_best, u64::try_from(self.cheapest_paid).unwrap_or(0), whole)
    }
}

/// `scale * part / whole`, rounded down; all of it when there is nothing to compare with.
fn share(scale: u32, part: u64, whole: u64) -> u32 {
    if whole == 0 {
        return scale;
    }
    let shared = match u64::from(scale).checked_mul(part) {
        Some(scaled) => scaled / whole,
        // A division of 128 bits takes ten times as long, and no bill is that high.
        None => {
            u64::try_from(u128::from(scale) * u128::from(part) / u128::from(whole)).unwrap_or(0)
        }
    };
    u32::try_from(shared).unwrap_or(scale)
}
