//! The hard constraints: what no score and no preference outweighs.

use crate::budget::{AmountError, Worst, bound};

use super::RouteError;
use super::index::{Facts, Index};
use super::model::{RouteQuery, Scored};
use super::model_set::ModelSet;
use super::order::Wishes;
use super::rules::Strategy;

/// Dense text (base64, Chinese) has about this many bytes to a token. A prompt that is denser still
/// is refused by the provider, and costs nothing.
const BYTES_PER_TOKEN: i64 = 2;

/// Why a record may not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// The query's role is locked to another model.
    NovaLocked,
    /// The query takes its preferred model only, or is Nova's and prefers another than hers.
    NotPreferredModel,
    /// Its provider is not among the allowed ones.
    ProviderNotAllowed,
    /// Its provider is forbidden.
    ProviderForbidden,
    /// It lacks a capability.
    CapabilityMissing,
    /// It may process data outside the allowed regions.
    RegionNotAllowed,
    /// A file is larger than it takes, or there are more.
    MediaTooLarge,
    /// Prompt and answer do not fit its context.
    ContextTooSmall,
    /// It cannot answer at the length asked for.
    OutputCapTooLarge,
    /// Nobody knows its price.
    PriceUnknown,
    /// An attempt may cost more than the ceiling.
    OverCostCeiling,
}

impl Exclusion {
    /// The reason's name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NovaLocked => "nova_locked",
            Self::NotPreferredModel => "not_preferred_model",
            Self::ProviderNotAllowed => "provider_not_allowed",
            Self::ProviderForbidden => "provider_forbidden",
            Self::CapabilityMissing => "capability_missing",
            Self::RegionNotAllowed => "region_not_allowed",
            Self::MediaTooLarge => "media_too_large",
            Self::ContextTooSmall => "context_too_small",
            Self::OutputCapTooLarge => "output_cap_too_large",
            Self::PriceUnknown => "price_unknown",
            Self::OverCostCeiling => "over_cost_ceiling",
        }
    }
}

/// What the constraints leave, not yet scored, in the catalogue's order; and what they do not.
pub(super) type Sifted = (Vec<Scored>, Vec<(usize, Exclusion)>);

/// Splits the records. Each is excluded by the first constraint that it does not meet.
///
/// The price comes after all else, so that an unknown one is told only where it alone stands in
/// the way.
pub(super) fn sift(
    index: &Index,
    query: &RouteQuery,
    wishes: &Wishes,
) -> Result<Sifted, RouteError> {
    let mut sieve = Sieve::new(index);
    sieve.by_words(index, query, wishes);
    // Numbers last: the words have taken out most of a catalogue by then, with a few
    // operations on bits.
    let left = std::mem::take(&mut sieve.left);
    let mut candidates = Vec::with_capacity(index.facts.len());
    for (place, facts) in left.iter().filter_map(|it| index.facts.get(it).map(|facts| (it, facts)))
    {
        match measured(place, facts, query)? {
            Ok(scored) => candidates.push(scored),
            Err(exclusion) => sieve.exclude(place, exclusion),
        }
    }
    Ok((candidates, sieve.exclusions()))
}

/// What is left of a catalogue, and why the rest is not.
struct Sieve {
    left: ModelSet,
    reasons: Vec<Option<Exclusion>>,
}

impl Sieve {
    fn new(index: &Index) -> Self {
        Self { left: index.all.clone(), reasons: vec![None; index.facts.len()] }
    }

    /// The constraints that are sets of models.
    fn by_words(&mut self, index: &Index, query: &RouteQuery, wishes: &Wishes) {
        if let Some(locked) = index.locked(&query.agent_role) {
            self.keep(locked, Exclusion::NovaLocked);
        }
        // Nova has one model: to prefer another is to ask for what she is not, under any strategy.
        // For everybody else a preference is an order of trying, and a condition only where it is
        // specific.
        if query.is_nova() {
            self.keep(wishes.preferred.as_ref().unwrap_or(&index.all), NOT_PREFERRED);
        } else if query.strategy == Strategy::Specific {
            // A provider alone names no model, and then this strategy leaves none.
            let named = wishes.preferred.as_ref().filter(|_| query.preferred_model.is_some());
            self.keep(named.unwrap_or(&index.none()), NOT_PREFERRED);
        }
        if !query.allowed_providers.is_empty() {
            let allowed = index.of_providers(&query.allowed_providers);
            self.keep(&allowed, Exclusion::ProviderNotAllowed);
        }
        if !query.forbidden_providers.is_empty() {
            let forbidden = index.of_providers(&query.forbidden_providers);
            self.drop(&forbidden, Exclusion::ProviderForbidden);
        }
        if !query.capabilities.is_empty() {
            self.keep(&index.able(&query.capabilities), Exclusion::CapabilityMissing);
        }
        if !query.regions.is_empty() {
            self.keep(&index.resident(&query.regions), Exclusion::RegionNotAllowed);
        }
    }

    fn keep(&mut self, kept: &ModelSet, why: Exclusion) {
        let mut gone = self.left.clone();
        gone.drop(kept);
        self.drop(&gone, why);
    }

    fn drop(&mut self, gone: &ModelSet, why: Exclusion) {
        // Only of what is left, so that each model keeps the first reason that it met.
        let mut dropped = self.left.clone();
        dropped.keep(gone);
        self.left.drop(&dropped);
        dropped.iter().for_each(|place| self.exclude(place, why));
    }

    fn exclude(&mut self, place: usize, why: Exclusion) {
        if let Some(reason) = self.reasons.get_mut(place) {
            *reason = Some(why);
        }
    }

    fn exclusions(self) -> Vec<(usize, Exclusion)> {
        let told = self.reasons.into_iter().enumerate();
        told.filter_map(|(place, reason)| reason.map(|why| (place, why))).collect()
    }
}

const NOT_PREFERRED: Exclusion = Exclusion::NotPreferredModel;

/// A model with the bound of an attempt, or the first of the constraints on numbers that it breaks.
fn measured(
    index: usize,
    facts: &Facts,
    query: &RouteQuery,
) -> Result<Result<Scored, Exclusion>, AmountError> {
    let body = query.body_bytes.get(facts.wire).copied().unwrap_or(0);
    let extra_tokens = query.extra_tokens.get(facts.wire).copied().unwrap_or(0);
    // A body is measured once for each wire; the model's name is all that differs from model to
    // model.
    let body_bytes = body.checked_add(facts.name_bytes).ok_or(AmountError::Overflow)?;
    let Some(media) = query.media_tokens.get(index).copied().unwrap_or(Some(0)) else {
        return Ok(Err(Exclusion::MediaTooLarge));
    };
    // Saturated, for what does not fit 64 bits fits no context either.
    let sent = body_bytes.div_euclid(BYTES_PER_TOKEN).saturating_add(extra_tokens);
    if query.output_cap > facts.output_tokens_max {
        return Ok(Err(Exclusion::OutputCapTooLarge));
    }
    if sent.saturating_add(query.output_cap) > facts.context_tokens {
        return Ok(Err(Exclusion::ContextTooSmall));
    }
    // What files count as at most is a bound of the cost, beside all else that fills the context,
    // and no reason to exclude: a document of one page counts as a whole context.
    let room = facts.context_tokens.saturating_sub(body_bytes).saturating_sub(extra_tokens);
    let extra_tokens = extra_tokens.saturating_add(media.min(room).max(0));
    let prompt_tokens = body_bytes.saturating_add(extra_tokens);
    let Some((dearest_input_rate, output_rate)) = facts.dearest_rates(prompt_tokens) else {
        return Ok(Err(Exclusion::PriceUnknown));
    };
    let bound = bound(&Worst {
        body_bytes,
        extra_tokens,
        dearest_input_rate,
        output_cap: query.output_cap,
        output_rate,
    })?;
    if query.cost_ceiling.is_some_and(|ceiling| bound > ceiling) {
        return Ok(Err(Exclusion::OverCostCeiling));
    }
    Ok(Ok(Scored {
        index,
        bound,
        body_bytes,
        extra_tokens,
        dearest_input_rate,
        output_rate,
        ..Scored::default()
    }))
}
