//! Policies: what may run, what may not, and what a person must approve first.
//!
//! The language and the engine are Cedar's: nothing is allowed by default, and a forbid wins over
//! every permit. A query is evaluated twice. *Hard*: all permits and the forbids without
//! `@checkpoint`; must allow. *Gate*: a permit for everything and the forbids with
//! `@checkpoint("type")`; the satisfied ones name what a person must approve. Cedar skips a policy
//! that fails to evaluate; here any such failure, in either evaluation, denies.

mod load;
mod query;
mod set;
mod vocabulary;

pub use load::PolicyError;
pub use query::Query;
pub use set::{PolicySet, Sources, Verdict};
