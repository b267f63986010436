//! Which models may answer a query, and in which order they are tried.
//!
//! Hard constraints first; what they leave is scored in whole per mille and ordered. There is no
//! float and no chance in it: one snapshot gives one decision on every machine. What does not
//! change from query to query is made once, with the catalogue.

mod constraint;
mod index;
mod model;
mod model_set;
mod order;
mod rules;
mod score;
mod signals;

pub use constraint::Exclusion;
pub use model::{Decision, ModelRecord, Preference, RateStep, RouteQuery, Scored};
pub use rules::{Rules, Strategy, WeightTable, Weights};
pub use signals::{Breaker, Health, Signal, Signals};

use thiserror::Error;

use crate::budget::AmountError;
use index::Index;
use order::Wishes;

/// A caller's mistake with a query or with a catalogue's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RouteError {
    /// Sizes are given for each wire of the catalogue, those of files for each model, in order.
    #[error("sizes need one item for each wire of the catalogue, of files for each model")]
    Sizes,
    /// A strategy whose factors all count nothing has no scores.
    #[error("a strategy's weights need a sum above 0")]
    Weights,
    /// A bound cannot be computed.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

/// Why a decision would be as it is: what does not stand with its candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis<'a> {
    /// What each factor counts.
    pub weights: Weights,
    /// The provider that the query's role prefers.
    pub role_default: Option<&'a str>,
    /// The provider that the query's task prefers.
    pub task_default: Option<&'a str>,
}

/// All models, and what an operator has set of routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    index: Index,
    rules: Rules,
}

impl Catalogue {
    /// Takes the models, by whose index decisions name them.
    ///
    /// # Errors
    /// [`RouteError::Weights`].
    pub fn new(records: &[ModelRecord], rules: Rules) -> Result<Self, RouteError> {
        if rules.weights.all().iter().any(|weights| weights.sum() == 0) {
            return Err(RouteError::Weights);
        }
        Ok(Self { index: Index::new(records, &rules), rules })
    }

    /// The wires of the models, in the order in which a query gives its sizes.
    #[must_use]
    pub fn wires(&self) -> &[String] {
        &self.index.wires
    }

    /// What is known of the providers now; one that is not named has neutral signals.
    #[must_use]
    pub fn signals(&self, known: &[(String, Signal)]) -> Signals {
        let told = |provider: &str| known.iter().find(|(name, _)| name == provider);
        let signal = |provider| told(provider).map(|(_, signal)| *signal).unwrap_or_default();
        Signals { of_provider: self.index.providers().map(signal).collect() }
    }

    /// Decides which models may answer `query`, best first.
    ///
    /// # Errors
    /// [`RouteError`].
    pub fn route(&self, query: &RouteQuery, signals: &Signals) -> Result<Decision, RouteError> {
        let (wires, media) = (self.index.wires.len(), query.media_tokens.len());
        // Sizes that were made for another catalogue would price each model by the body of some
        // other wire.
        let sized = query.body_bytes.len() == wires && query.extra_tokens.len() == wires;
        if !sized || !(media == 0 || media == self.index.facts.len()) {
            return Err(RouteError::Sizes);
        }
        let wishes = match Wishes::of(&self.index, &self.rules, query) {
            Ok(wishes) => wishes,
            Err(unknown) => {
                // Told and never replaced: another model is not what was asked for.
                let unknown_preferred = Some(unknown.clone());
                return Ok(Decision { unknown_preferred, ..Decision::default() });
            }
        };
        let (mut candidates, exclusions) = constraint::sift(&self.index, query, &wishes)?;
        let weights = self.rules.weights.of(query.strategy);
        score::score(&self.index, weights, signals, &mut candidates);
        order::order(&self.index, &wishes, signals, &mut candidates);
        Ok(Decision { candidates, exclusions, unknown_preferred: None })
    }

    /// What a decision about `query` rests on, besides the models.
    #[must_use]
    pub fn basis(&self, query: &RouteQuery) -> Basis<'_> {
        Basis {
            weights: self.rules.weights.of(query.strategy),
            role_default: self.rules.role_default(&query.agent_role),
            task_default: self.rules.task_default(&query.task_type),
        }
    }
}
