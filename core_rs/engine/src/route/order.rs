//! The order in which candidates are tried: preferences, then score, then names.

use std::cmp::Reverse;

use super::Catalogue;
use super::model::{ModelRecord, RouteQuery, Scored};
use super::score::FULL;

/// What the order of one query's candidates depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    records: &'a [ModelRecord],
    query: &'a RouteQuery,
    standings: &'a [(String, u32)],
    role_default: Option<&'a str>,
    task_default: Option<&'a str>,
}

impl<'a> Order<'a> {
    pub(super) fn new(
        catalogue: &'a Catalogue,
        query: &'a RouteQuery,
        standings: &'a [(String, u32)],
    ) -> Self {
        Self {
            records: &catalogue.records,
            query,
            standings,
            role_default: default_of(&catalogue.role_defaults, &query.agent_role),
            task_default: default_of(&catalogue.task_defaults, &query.task_type),
        }
    }

    /// Applies the standings to the scores and sorts, best first.
    pub(super) fn apply(&self, candidates: &mut [Scored]) {
        for scored in candidates.iter_mut() {
            scored.score = scored.score * self.standing(scored.index) / FULL;
        }
        candidates.sort_by_cached_key(|scored| self.key(scored));
    }

    fn key(&self, scored: &Scored) -> impl Ord + use<'a> {
        let record = self.records.get(scored.index);
        let down = self.standing(scored.index) == 0;
        let group = record.map(|record| self.group(record));
        let name = record.map(|record| (record.provider.as_str(), record.model.as_str()));
        (down, group, Reverse(scored.score), name, scored.index)
    }

    /// The preferred model, the preferred provider, the role's default, the task's, the rest.
    fn group(&self, record: &ModelRecord) -> u8 {
        let maker = Some(record.maker());
        let (query, named_provider) = (self.query, self.query.preferred_provider.is_some());
        match record {
            _ if query.preferred_model.is_some() && query.prefers(record) => 0,
            _ if named_provider && query.prefers_provider(record) => 1,
            _ if maker == self.role_default => 2,
            _ if maker == self.task_default => 3,
            _ => 4,
        }
    }

    fn standing(&self, index: usize) -> u32 {
        let provider = self.records.get(index).map(|record| &record.provider);
        let named = self.standings.iter().find(|(name, _)| Some(name) == provider);
        named.map_or(FULL, |(_, standing)| FULL.min(*standing))
    }
}

fn default_of<'a>(defaults: &'a [(String, String)], key: &str) -> Option<&'a str> {
    defaults.iter().find(|(name, _)| name == key).map(|(_, provider)| provider.as_str())
}
