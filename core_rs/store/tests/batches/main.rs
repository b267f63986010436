//! Batches of recorded commands against a database in memory.

#[cfg(test)]
mod drops;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod together;
#[cfg(test)]
#[path = "../../../operation/tests/vectors/walk.rs"]
mod walk;
