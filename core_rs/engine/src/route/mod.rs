//! Which models may answer a query, and in which order they are tried.
//!
//! Hard constraints first; what they leave is scored in whole per mille and ordered. There is no
//! float and no chance in it: one snapshot gives one decision on every machine.

mod constraint;
mod model;
mod order;
mod score;

pub use constraint::Exclusion;
pub use model::{Decision, ModelRecord, RouteQuery, Scored, Strategy};

use thiserror::Error;

use crate::budget::AmountError;
use order::Order;

/// A caller's mistake with a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RouteError {
    /// Sizes are given for each record, in the catalogue's order.
    #[error("sizes need one item for each record of the catalogue")]
    Sizes,
    /// A bound cannot be computed.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

/// All models, and the providers that tasks and roles prefer.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// The models; decisions name them by their index.
    pub records: Vec<ModelRecord>,
    /// Default provider by task type.
    pub task_defaults: Vec<(String, String)>,
    /// Default provider by agent role.
    pub role_defaults: Vec<(String, String)>,
}

impl Catalogue {
    /// Decides which models may answer `query`, best first.
    ///
    /// `standings` are the providers' present standings in per mille: a score is multiplied by it,
    /// and a provider's models come last at 0. A provider that is not named stands at 1,000.
    ///
    /// # Errors
    /// [`RouteError`].
    pub fn route(
        &self,
        query: &RouteQuery,
        standings: &[(String, u32)],
    ) -> Result<Decision, RouteError> {
        if let Some(unknown) = self.unknown_preference(query) {
            return Ok(Decision { unknown_preferred: Some(unknown), ..Decision::default() });
        }
        let mut decision = self.constrain(query)?;
        score::score(&self.records, query.strategy, &mut decision.candidates);
        Order::new(self, query, standings).apply(&mut decision.candidates);
        Ok(decision)
    }

    /// The preferred model or provider that no record has.
    fn unknown_preference(&self, query: &RouteQuery) -> Option<String> {
        let named = query.preferred_model.as_ref().or(query.preferred_provider.as_ref())?;
        let known = self.records.iter().any(|record| query.prefers(record));
        (!known).then(|| named.clone())
    }

    /// Splits the records into candidates, not yet scored, and exclusions.
    fn constrain(&self, query: &RouteQuery) -> Result<Decision, RouteError> {
        let count = self.records.len();
        let no_media = query.media_tokens.is_empty();
        if query.body_bytes.len() != count
            || query.extra_tokens.len() != count
            || !(no_media || query.media_tokens.len() == count)
        {
            return Err(RouteError::Sizes);
        }
        let role_is_locked = self.records.iter().any(|record| query.locks(record));
        let sizes = query.body_bytes.iter().zip(&query.extra_tokens);
        let mut decision = Decision::default();
        for (index, (record, (&body, &extra))) in self.records.iter().zip(sizes).enumerate() {
            let worst = query.worst(record, body, extra);
            let media = query.media_tokens.get(index).copied().unwrap_or(Some(0));
            match constraint::check(query, record, role_is_locked, &worst, media)? {
                Ok(bound) => decision.candidates.push(Scored { index, bound, ..Scored::default() }),
                Err(exclusion) => decision.exclusions.push((index, exclusion)),
            }
        }
        Ok(decision)
    }
}
