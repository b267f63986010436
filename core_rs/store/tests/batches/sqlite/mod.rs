//! Whole batches on a file, by the machine's own library.

mod commits;
mod database;
mod failures;
mod faulty;
mod log;
mod paging;
mod samples;
mod serving;
mod statements;
mod walks;
