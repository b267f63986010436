//! The records, queries and decisions of the router.

use super::constraint::Exclusion;
use super::rules::Strategy;

/// The role that is served by one model alone.
pub(super) const NOVA: &str = "nova";

/// What a model's tokens cost once a prompt is longer than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateStep {
    /// Of tokens of a prompt: one more costs these rates, and so does all else.
    pub above: i64,
    /// The dearest rate that can apply to input.
    pub dearest_input_rate: i64,
    /// Nano-USD per million output tokens.
    pub output_rate: i64,
}

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelRecord {
    /// The provider that serves it; of several instances of a provider each has a name of its own.
    pub provider: String,
    /// The provider that `provider` is an instance of; empty if it is none.
    pub instance_of: String,
    /// Its name at the provider.
    pub model: String,
    /// Other names that it may be asked for by.
    pub aliases: Vec<String>,
    /// The protocol that the provider speaks.
    pub wire: String,
    /// Bytes that its name takes in a body.
    pub name_bytes: i64,
    /// 0 to 100.
    pub quality: u32,
    /// Output tokens a second.
    pub speed: u32,
    /// Nano-USD per million output tokens.
    pub output_rate: i64,
    /// The dearest rate that can apply to input; `None` when the price is unknown.
    pub dearest_input_rate: Option<i64>,
    /// Rates of longer prompts.
    pub rate_steps: Vec<RateStep>,
    /// Tokens of input and output together.
    pub context_tokens: i64,
    /// Tokens of output.
    pub output_tokens_max: i64,
    /// What it can do, beyond text.
    pub capabilities: Vec<String>,
    /// Every region in which it may process data.
    pub regions: Vec<String>,
    /// The role that is served by this record, or others with the same lock, alone.
    pub locked_role: Option<String>,
}

impl ModelRecord {
    /// The provider whose models these are, whatever its instance is called.
    pub(super) fn maker(&self) -> &String {
        if self.instance_of.is_empty() { &self.provider } else { &self.instance_of }
    }

    /// What means its provider: an instance's name that one, a provider's all of its own.
    pub(super) fn meanings(&self) -> Vec<&String> {
        let maker = Some(self.maker()).filter(|maker| **maker != self.provider);
        [&self.provider].into_iter().chain(maker).collect()
    }
}

/// What a query asks of the router. Empty lists of providers, regions, capabilities ask nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteQuery {
    /// `code`, `analysis` and so on; may have a default provider.
    pub task_type: String,
    /// `nova`, `analyst` and so on; may have a default provider.
    pub agent_role: String,
    /// What counts most.
    pub strategy: Strategy,
    /// Its models come first.
    pub preferred_provider: Option<String>,
    /// It comes first, or alone with [`Strategy::Specific`].
    pub preferred_model: Option<String>,
    /// Models that are tried before any default, in this order, by their index. A constraint
    /// takes them out as it does any other.
    pub overrides: Vec<usize>,
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
    /// Length of the body without a model's name, for each of [`super::Catalogue::wires`].
    pub body_bytes: Vec<i64>,
    /// The wire's constants for images and tools, for each of [`super::Catalogue::wires`].
    pub extra_tokens: Vec<i64>,
    /// Tokens that each record counts the query's files as at most, `None` where it does not take
    /// them; empty for a query without files.
    pub media_tokens: Vec<Option<i64>>,
    /// Tokens that may come back.
    pub output_cap: i64,
}

impl RouteQuery {
    pub(super) fn is_nova(&self) -> bool {
        self.agent_role == NOVA
    }
}

/// Why a candidate stands before others, whatever their scores. The first comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Preference {
    /// It is the query's preferred model.
    Model,
    /// It is one of the query's preferred provider.
    Provider,
    /// It is named by an override.
    Override,
    /// Its provider is the default of the query's role.
    Role,
    /// Its provider is the default of the query's task.
    Task,
    /// Its score alone counts.
    #[default]
    Score,
}

impl Preference {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Override => "override",
            Self::Role => "role",
            Self::Task => "task",
            Self::Score => "score",
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
    /// Why it stands before others.
    pub preference: Preference,
    /// The most that an attempt can cost, in nano-USD.
    pub bound: i64,
    /// Length of its body.
    pub body_bytes: i64,
    /// What its wire adds, and files at most.
    pub extra_tokens: i64,
    /// The rate of input that its bound is made of.
    pub dearest_input_rate: i64,
    /// That of output.
    pub output_rate: i64,
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
