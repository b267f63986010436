//! How money is held, posted and released, and what becomes of a bill that was too high.

mod overruns;
mod post;
mod reserve;
mod rows;
