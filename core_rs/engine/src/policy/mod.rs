//! Policies: what may run, what may not, and what a person must approve first.
//!
//! The language and the engine are Cedar's: nothing is allowed by default, and a forbid wins over
//! every permit. A query is evaluated twice. *Hard*: all permits and the forbids without
//! `@checkpoint`; must allow. *Gate*: a permit for everything and the forbids with
//! `@checkpoint("type")`; the satisfied ones name what a person must approve. Cedar skips a policy
//! that fails to evaluate; here any such failure, in either evaluation, denies.
//!
//! A call that a model proposes is judged like a query: under the action of its configured tool,
//! with arguments that are typed by the tool's JSON schema, or else under that of all unlisted
//! tools. What cannot be told to the policies exactly is held for a person, and never passes.

mod arguments;
mod call;
mod load;
mod query;
mod set;
mod shape;
mod tools;
mod vocabulary;

pub use call::{CallVerdict, ProposedCall};
pub use load::PolicyError;
pub use query::Query;
pub use set::{PolicySet, Sources, Verdict};
pub use tools::ToolDeclaration;
