//! Batches of commands: what they load and leave, their time, seal and answers, in memory and on a
//! `SQLite` file; and what is sent of them to `PostgreSQL`.

#[cfg(test)]
mod clock;
#[cfg(test)]
mod drops;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod pg;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod seal;
#[cfg(test)]
mod sqlite;
#[cfg(test)]
mod together;
#[cfg(test)]
mod told;
#[cfg(test)]
#[path = "../../../operation/tests/vectors/walk.rs"]
mod walk;
