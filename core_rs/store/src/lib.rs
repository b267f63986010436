//! The rows of governed operations as a database has them, and a batch of commands on them.
//!
//! [`schema`] says of each kind of row in which table it stands and what its columns hold;
//! [`fetch`] says where the rows stand that a command needs; [`batch`] loads what its commands
//! name, lets them decide in order, each seeing the writes of those before it, and has the rows
//! and sealed ledger entries that they leave. A database is whatever answers a batch's fetches and
//! takes its writes; on a `SQLite` file [`sqlite`] does so by itself, from BEGIN to COMMIT, and for
//! `PostgreSQL` [`pg`] has them as its statements take them.

pub mod batch;
mod checkpoint;
pub mod clock;
pub mod column;
pub mod fetch;
pub mod intake;
pub mod pg;
pub mod schema;
pub mod seal;
pub mod serve;
pub mod sqlite;
pub mod told;

pub use column::{Unreadable, Value};
