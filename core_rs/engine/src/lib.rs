//! Decisions without side effects: limits, budgets, routes, boundaries, policies, the ledger,
//! what providers answer, and the messages that callers are answered with.
//!
//! Nothing here reads a clock, starts a thread or touches a file. Time comes in as an argument, so
//! every decision can be replayed, tested against a plain model and measured alone.

pub mod boundary;
pub mod budget;
pub mod canonical;
pub mod contract;
pub mod intent;
pub mod ledger;
pub mod limit;
pub mod policy;
pub mod reasons;
pub mod request;
pub mod route;
pub mod vocabulary;
pub mod wire;
mod word;
