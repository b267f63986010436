//! The hard constraints: what no score and no preference outweighs.

use crate::budget::{AmountError, Worst, bound};

use super::model::{ModelRecord, RouteQuery, Strategy};

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

/// The bound of an attempt with `record`, or the first constraint that excludes it.
///
/// The price comes after all else, so that an unknown one is told only where it alone stands in
/// the way. What files count as at most (`media`) is a bound of the cost and no reason to exclude:
/// a document of one page counts as a whole context.
pub(super) fn check(
    query: &RouteQuery,
    record: &ModelRecord,
    role_is_locked: bool,
    worst: &Worst,
    media: Option<i64>,
) -> Result<Result<i64, Exclusion>, AmountError> {
    let checks = [
        (query.unlocked(record, role_is_locked), Exclusion::NovaLocked),
        (is_specified(query, record), Exclusion::NotPreferredModel),
        (is_allowed(&query.allowed_providers, record), Exclusion::ProviderNotAllowed),
        (!names(&query.forbidden_providers, record), Exclusion::ProviderForbidden),
        (has_all(&record.capabilities, &query.capabilities), Exclusion::CapabilityMissing),
        (stays_within(&query.regions, &record.regions), Exclusion::RegionNotAllowed),
        (media.is_some(), Exclusion::MediaTooLarge),
        (query.output_cap <= record.output_tokens_max, Exclusion::OutputCapTooLarge),
        (tokens(worst) <= record.context_tokens, Exclusion::ContextTooSmall),
        (record.dearest_input_rate.is_some(), Exclusion::PriceUnknown),
    ];
    if let Some((_, exclusion)) = checks.into_iter().find(|(passed, _)| !passed) {
        return Ok(Err(exclusion));
    }
    let extra_tokens = worst.extra_tokens.saturating_add(media.unwrap_or_default());
    let bound = bound(&Worst { extra_tokens, ..*worst })?;
    let affordable = query.cost_ceiling.is_none_or(|ceiling| bound <= ceiling);
    Ok(if affordable { Ok(bound) } else { Err(Exclusion::OverCostCeiling) })
}

/// Nova has one model: to prefer another is to ask for what she is not, under any strategy. For
/// everybody else a preference is an order of trying, and a condition only where it is specific.
fn is_specified(query: &RouteQuery, record: &ModelRecord) -> bool {
    let preferred = query.prefers(record);
    match query.strategy {
        _ if query.is_nova() => preferred,
        Strategy::Specific => query.preferred_model.is_some() && preferred,
        _ => true,
    }
}

fn is_allowed(allowed: &[String], record: &ModelRecord) -> bool {
    allowed.is_empty() || names(allowed, record)
}

fn names(providers: &[String], record: &ModelRecord) -> bool {
    providers.iter().any(|name| record.is_meant_by(name))
}

fn has_all(present: &[String], needed: &[String]) -> bool {
    needed.iter().all(|item| present.contains(item))
}

/// Data may end up in any of a record's regions, so all of them must be allowed.
fn stays_within(allowed: &[String], regions: &[String]) -> bool {
    allowed.is_empty() || (!regions.is_empty() && has_all(allowed, regions))
}

fn tokens(worst: &Worst) -> i64 {
    let body = worst.body_bytes.div_euclid(BYTES_PER_TOKEN);
    body.saturating_add(worst.extra_tokens).saturating_add(worst.output_cap)
}
