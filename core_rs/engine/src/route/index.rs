//! What of a catalogue does not change from query to query, made once.

use std::collections::BTreeMap;

use super::model::{ModelRecord, NOVA, RateStep};
use super::model_set::ModelSet;
use super::rules::Rules;

/// Sets of models by a word that they share.
type SetsByName = BTreeMap<String, ModelSet>;

/// The numbers of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) provider: usize,
    pub(super) wire: usize,
    pub(super) name_bytes: i64,
    pub(super) quality: u32,
    pub(super) speed: u32,
    pub(super) output_rate: i64,
    pub(super) dearest_input_rate: Option<i64>,
    pub(super) rate_steps: Vec<RateStep>,
    pub(super) context_tokens: i64,
    pub(super) output_tokens_max: i64,
    /// Its place among all models by provider and name: what breaks ties.
    pub(super) rank: usize,
}

impl Facts {
    /// The dearest rates of input and of output for a prompt of at most so many tokens; `None` when
    /// the price is unknown.
    pub(super) fn dearest_rates(&self, tokens: i64) -> Option<(i64, i64)> {
        // Each rate by itself, for a shorter prompt than that one may be billed at dearer ones.
        let reached = self.rate_steps.iter().filter(|step| tokens > step.above);
        let first = (self.dearest_input_rate?, self.output_rate);
        Some(reached.fold(first, |(input, output), step| {
            (input.max(step.dearest_input_rate), output.max(step.output_rate))
        }))
    }
}

/// A catalogue as its queries need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) facts: Vec<Facts>,
    pub(super) wires: Vec<String>,
    pub(super) all: ModelSet,
    /// In order; a provider's place is its number in [`Facts`].
    providers: Vec<String>,
    /// By provider, and by the provider that it is an instance of.
    meanings: SetsByName,
    /// By name and by alias.
    names: SetsByName,
    capabilities: SetsByName,
    regions: SetsByName,
    somewhere: ModelSet,
    locks: SetsByName,
}

impl Index {
    pub(super) fn new(records: &[ModelRecord], rules: &Rules) -> Self {
        let sets = |words: fn(&ModelRecord) -> Vec<&String>| grouped(records, words);
        let providers = sets(|record| vec![&record.provider]);
        let wires = sets(|record| vec![&record.wire]);
        let regions = sets(|record| record.regions.iter().collect());
        let mut locks = sets(|record| record.locked_role.iter().collect());
        // In the place of what records say of this role: who Nova is the rules alone decide.
        locks.insert(NOVA.to_owned(), novas(records, rules));
        Self {
            facts: facts(records, &providers, &wires),
            wires: wires.into_keys().collect(),
            all: ModelSet::all(records.len()),
            providers: providers.into_keys().collect(),
            meanings: sets(ModelRecord::meanings),
            names: sets(|record| record.aliases.iter().chain([&record.model]).collect()),
            capabilities: sets(|record| record.capabilities.iter().collect()),
            somewhere: united(records.len(), regions.values()),
            regions,
            locks,
        }
    }

    pub(super) fn none(&self) -> ModelSet {
        ModelSet::none(self.facts.len())
    }

    pub(super) fn providers(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(String::as_str)
    }

    /// The models of a provider and its instances; none of one that nobody knows.
    pub(super) fn of_provider(&self, name: &str) -> Option<&ModelSet> {
        self.meanings.get(name)
    }

    pub(super) fn of_providers(&self, names: &[String]) -> ModelSet {
        let known = names.iter().filter_map(|name| self.of_provider(name));
        united(self.facts.len(), known)
    }

    /// The models of this name or alias.
    pub(super) fn named(&self, name: &str) -> Option<&ModelSet> {
        self.names.get(name)
    }

    /// The models that may serve a role, if it is locked.
    pub(super) fn locked(&self, role: &str) -> Option<&ModelSet> {
        self.locks.get(role)
    }

    /// The models that can do all of this.
    pub(super) fn able(&self, capabilities: &[String]) -> ModelSet {
        let mut able = self.all.clone();
        for capability in capabilities {
            match self.capabilities.get(capability) {
                Some(models) => able.keep(models),
                // A word that no record has is no mistake of the query: nothing can do it, and the
                // refusal says so.
                None => return self.none(),
            }
        }
        able
    }

    /// The models that process data in these regions and nowhere else.
    ///
    /// Data may end up in any of a record's regions, so all of them must be allowed.
    pub(super) fn resident(&self, allowed: &[String]) -> ModelSet {
        let elsewhere = self.regions.iter().filter(|(name, _)| !allowed.contains(name));
        // Of a record that tells no region nobody knows where it runs, so it is in none.
        let mut resident = self.somewhere.clone();
        elsewhere.for_each(|(_, models)| resident.drop(models));
        resident
    }
}

/// The model that speaks as Nova: none but the one that the rules name.
fn novas(records: &[ModelRecord], rules: &Rules) -> ModelSet {
    let mut models = ModelSet::none(records.len());
    let is_nova = |record: &ModelRecord| {
        let named = rules.nova.as_ref();
        named.is_some_and(|(provider, model)| provider == record.maker() && *model == record.model)
    };
    let places = records.iter().enumerate().filter(|(_, record)| is_nova(record));
    places.for_each(|(index, _)| models.insert(index));
    models
}

fn grouped(records: &[ModelRecord], words: fn(&ModelRecord) -> Vec<&String>) -> SetsByName {
    let mut sets = SetsByName::new();
    for (index, record) in records.iter().enumerate() {
        for word in words(record) {
            let models = sets.entry(word.clone());
            models.or_insert_with(|| ModelSet::none(records.len())).insert(index);
        }
    }
    sets
}

fn united<'a>(count: usize, sets: impl Iterator<Item = &'a ModelSet>) -> ModelSet {
    sets.fold(ModelSet::none(count), |mut all, set| {
        all.add(set);
        all
    })
}

fn facts(records: &[ModelRecord], providers: &SetsByName, wires: &SetsByName) -> Vec<Facts> {
    // Ties are broken by name and not by place in the catalogue, or the order of its files would
    // choose who is called.
    let mut names: Vec<_> = records.iter().map(|it| (&it.provider, &it.model)).collect();
    names.sort();
    // The first of equal names: two such records have one rank, and their places tell them apart.
    let rank = |it: &ModelRecord| names.partition_point(|name| *name < (&it.provider, &it.model));
    records.iter().map(|record| facts_of(record, rank(record), providers, wires)).collect()
}

fn facts_of(
    record: &ModelRecord,
    rank: usize,
    providers: &SetsByName,
    wires: &SetsByName,
) -> Facts {
    // Its place in the map's order, which is that of the list that is made of the map's keys.
    let place = |sets: &SetsByName, word: &String| sets.range::<String, _>(..word).count();
    Facts {
        provider: place(providers, &record.provider),
        wire: place(wires, &record.wire),
        name_bytes: record.name_bytes,
        quality: record.quality,
        speed: record.speed,
        output_rate: record.output_rate,
        dearest_input_rate: record.dearest_input_rate,
        rate_steps: record.rate_steps.clone(),
        context_tokens: record.context_tokens,
        output_tokens_max: record.output_tokens_max,
        rank,
    }
}
