//! The records, queries and decisions of the router.

use crate::budget::Worst;

use super::constraint::Exclusion;

/// The role that is served by one model alone.
const NOVA: &str = "nova";

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelRecord {
    /// The provider that serves it; of several instances of a provider each has a name of its own.
    pub provider: String,
    /// The provider that `provider` is an instance of; empty if it is none.
    pub instance_of: String,
    /// Its name at the provider.
    pub model: String,
    /// The protocol that the provider speaks.
    pub wire: String,
    /// 0 to 100.
    pub quality: u32,
    /// Output tokens a second.
    pub speed: u32,
    /// Nano-USD per million input tokens.
    pub input_rate: i64,
    /// Nano-USD per million output tokens.
    pub output_rate: i64,
    /// The dearest rate that can apply to input; `None` when the price is unknown.
    pub dearest_input_rate: Option<i64>,
    /// Tokens of input and output together.
    pub context_tokens: i64,
    /// Tokens of output.
    pub output_tokens_max: i64,
    /// What it can do, beyond text.
    pub capabilities: Vec<String>,
    /// Every region in which it may process data.
    pub regions: Vec<String>,
    /// Its price class.
    pub tier: String,
    /// The role that is served by this record, or others with the same lock, alone.
    pub locked_role: Option<String>,
}

impl ModelRecord {
    /// The provider whose models these are, whatever its instance is called.
    pub(super) fn maker(&self) -> &str {
        if self.instance_of.is_empty() { &self.provider } else { &self.instance_of }
    }

    /// Whether `name` means its provider: an instance's name that one, a provider's all of its own.
    pub(super) fn is_meant_by(&self, name: &str) -> bool {
        self.provider == name || self.instance_of == name
    }
}

/// What counts most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Quality a little before speed and cost.
    Balanced,
    /// Cost above all.
    Cost,
    /// Quality above all.
    Quality,
    /// Speed above all.
    Speed,
    /// The preferred model and no other.
    Specific,
}

impl Strategy {
    /// The strategy of this name in lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "balanced" => Some(Self::Balanced),
            "cost" => Some(Self::Cost),
            "quality" => Some(Self::Quality),
            "speed" => Some(Self::Speed),
            "specific" => Some(Self::Specific),
            _ => None,
        }
    }
}

/// What a query asks of the router. Empty lists of providers, regions, capabilities ask nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteQuery {
    /// `code`, `analysis` and so on; may have a default provider.
    pub task_type: String,
    /// `nova`, `analyst` and so on; may have a default provider.
    pub agent_role: String,
    /// Told with the query; no rule depends on it.
    pub priority: String,
    /// What counts most.
    pub strategy: Strategy,
    /// Its models come first.
    pub preferred_provider: Option<String>,
    /// It comes first, or alone with [`Strategy::Specific`].
    pub preferred_model: Option<String>,
    /// All are needed.
    pub capabilities: Vec<String>,
    /// The most that an attempt may cost, in nano-USD.
    pub cost_ceiling: Option<i64>,
    /// No other provider may answer.
    pub allowed_providers: Vec<String>,
    /// None of these may answer.
    pub forbidden_providers: Vec<String>,
    /// Data may be processed in these alone.
    pub regions: Vec<String>,
    /// Length of the serialised upstream body for each record of the catalogue.
    pub body_bytes: Vec<i64>,
    /// The wire's constants for images and tools for each record of the catalogue.
    pub extra_tokens: Vec<i64>,
    /// Tokens that each record counts the query's files as at most, `None` where it does not take
    /// them; empty for a query without files.
    pub media_tokens: Vec<Option<i64>>,
    /// Tokens that may come back.
    pub output_cap: i64,
    /// The provider of the model that the role `nova` is locked to.
    pub nova_provider: Option<String>,
    /// The model that the role `nova` is locked to.
    pub nova_model: Option<String>,
}

impl RouteQuery {
    /// Whether the lock of the query's role leaves `record`; no preference can change it.
    pub(super) fn unlocked(&self, record: &ModelRecord, role_is_locked: bool) -> bool {
        if self.is_nova() {
            return self.nova_provider.as_deref() == Some(record.maker())
                && self.nova_model.as_deref() == Some(&record.model);
        }
        !role_is_locked || self.locks(record)
    }

    /// Whether `record` keeps the query's role to itself.
    pub(super) fn locks(&self, record: &ModelRecord) -> bool {
        record.locked_role.as_ref() == Some(&self.agent_role)
    }

    pub(super) fn is_nova(&self) -> bool {
        self.agent_role == NOVA
    }

    /// Whether `record` is the preferred model, or one of the preferred provider's.
    pub(super) fn prefers(&self, record: &ModelRecord) -> bool {
        self.prefers_provider(record)
            && self.preferred_model.as_ref().is_none_or(|name| *name == record.model)
    }

    pub(super) fn prefers_provider(&self, record: &ModelRecord) -> bool {
        self.preferred_provider.as_ref().is_none_or(|name| record.is_meant_by(name))
    }

    /// What makes an attempt with `record` dear; an unknown price counts as none.
    pub(super) fn worst(&self, record: &ModelRecord, body_bytes: i64, extra_tokens: i64) -> Worst {
        Worst {
            body_bytes,
            extra_tokens,
            dearest_input_rate: record.dearest_input_rate.unwrap_or(0),
            output_cap: self.output_cap,
            output_rate: record.output_rate,
        }
    }
}

/// A candidate and why it stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scored {
    /// Its index in the catalogue.
    pub index: usize,
    /// The weighted sum of its factors, times its provider's standing: 0 to 1,000.
    pub score: u32,
    /// Its quality against the best candidate's: 0 to 1,000.
    pub quality: u32,
    /// Its speed against the fastest candidate's: 0 to 1,000.
    pub speed: u32,
    /// The cheapest candidate's bound against its own: 0 to 1,000.
    pub cost: u32,
    /// The most that an attempt can cost, in nano-USD.
    pub bound: i64,
}

/// Which models may answer, and why not the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// What the hard constraints leave, best first.
    pub candidates: Vec<Scored>,
    /// The records that they exclude, by index, in the catalogue's order.
    pub exclusions: Vec<(usize, Exclusion)>,
    /// A preferred model or provider that the catalogue does not know; then nothing else is set.
    pub unknown_preferred: Option<String>,
}

impl Decision {
    /// The indexes of the candidates, in the order in which they are tried.
    #[must_use]
    pub fn chain(&self) -> Vec<usize> {
        self.candidates.iter().map(|scored| scored.index).collect()
    }

    /// The largest bound over all candidates; 0 if there are none.
    #[must_use]
    pub fn dearest_bound(&self) -> i64 {
        self.candidates.iter().map(|scored| scored.bound).max().unwrap_or(0)
    }

    /// Whether some record fits but for its unknown price, and no record fits.
    #[must_use]
    pub fn price_unknown_only(&self) -> bool {
        let unknown = |(_, exclusion): &(usize, Exclusion)| *exclusion == Exclusion::PriceUnknown;
        self.candidates.is_empty() && self.exclusions.iter().any(unknown)
    }
}
