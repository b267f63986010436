//! The order in which candidates are tried: preferences, then score, then names.

use super::index::Index;
use super::model::{Preference, RouteQuery, Scored};
use super::model_set::ModelSet;
use super::rules::Rules;
use super::score::FULL;
use super::signals::Signals;

/// More overrides than this are as one.
const OVERRIDES_MAX: usize = 15;

/// Which models a query or a default would have before others.
#[derive(Debug, Clone)]
pub(super) struct Wishes<'a> {
    /// What the query prefers: its model, or its provider's; `None` if it prefers nothing.
    pub(super) preferred: Option<ModelSet>,
    provider: Option<&'a ModelSet>,
    overrides: &'a [usize],
    role: Option<&'a ModelSet>,
    task: Option<&'a ModelSet>,
    names_model: bool,
}

impl<'a> Wishes<'a> {
    /// The wishes, or the preferred name that no record has.
    pub(super) fn of(
        index: &'a Index,
        rules: &'a Rules,
        query: &'a RouteQuery,
    ) -> Result<Self, &'a String> {
        let default = |provider: Option<&str>| provider.and_then(|name| index.of_provider(name));
        let preferred = preferred(index, query)?;
        Ok(Self {
            preferred,
            provider: default(query.preferred_provider.as_deref()),
            overrides: &query.overrides,
            role: default(rules.role_default(&query.agent_role)),
            task: default(rules.task_default(&query.task_type)),
            names_model: query.preferred_model.is_some(),
        })
    }

    /// Why a model stands before others, and its place among those of the same reason.
    fn of_model(&self, place: usize) -> (Preference, usize) {
        let among = |models: Option<&ModelSet>| models.is_some_and(|it| it.contains(place));
        if self.names_model && among(self.preferred.as_ref()) {
            return (Preference::Model, 0);
        }
        if among(self.provider) {
            return (Preference::Provider, 0);
        }
        if let Some(at) = self.overrides.iter().position(|it| *it == place) {
            return (Preference::Override, at.min(OVERRIDES_MAX));
        }
        match () {
            () if among(self.role) => (Preference::Role, 0),
            () if among(self.task) => (Preference::Task, 0),
            () => (Preference::Score, 0),
        }
    }
}

fn preferred<'a>(index: &Index, query: &'a RouteQuery) -> Result<Option<ModelSet>, &'a String> {
    let (model, provider) = (query.preferred_model.as_ref(), query.preferred_provider.as_ref());
    let Some(named) = model.or(provider) else {
        return Ok(None);
    };
    let mut preferred = index.all.clone();
    if let Some(model) = model {
        preferred.keep(index.named(model).ok_or(model)?);
    }
    // Both must fit: a model of that name at another provider is not what was asked for.
    if let Some(provider) = provider {
        preferred.keep(index.of_provider(provider).ok_or(provider)?);
    }
    if preferred.is_empty() { Err(named) } else { Ok(Some(preferred)) }
}

/// Sorts, best first: what is down last, then by preference, score, and name.
pub(super) fn order(
    index: &Index,
    wishes: &Wishes,
    signals: &Signals,
    candidates: &mut Vec<Scored>,
) {
    let mut keys: Vec<(u64, usize)> = Vec::with_capacity(candidates.len());
    for (at, scored) in candidates.iter_mut().enumerate() {
        let Some(facts) = index.facts.get(scored.index) else { continue };
        let (preference, place) = wishes.of_model(scored.index);
        scored.preference = preference;
        // Where nothing is known of anybody nobody is down, and no standing is computed to see it.
        let is_down = !signals.of_provider.is_empty() && signals.of(facts.provider).standing() == 0;
        keys.push((key(is_down, preference, place, scored.score, facts.rank), at));
    }
    // The place makes every pair different, so an unstable sort has one result.
    keys.sort_unstable();
    *candidates = keys.iter().filter_map(|(_, at)| candidates.get(*at).copied()).collect();
}

/// One number to compare instead of five: the first in the highest bits.
fn key(is_down: bool, preference: Preference, place: usize, score: u32, rank: usize) -> u64 {
    // Four bits hold `OVERRIDES_MAX` places and sixteen a score. What is down comes last even where
    // it is preferred, for another one answers.
    let group = (preference as u64) << 4 | place as u64;
    let worse = u64::from(FULL - score.min(FULL));
    u64::from(is_down) << 63 | group << 48 | worse << 32 | (rank as u64 & u64::from(u32::MAX))
}
