//! Recorded walks, which `python -m tests.twins.record` has written, walked again.

#[cfg(test)]
mod replays;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod walk;
