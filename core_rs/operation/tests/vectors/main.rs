//! Recorded walks, walked again: what each command met, and what it left.

#[cfg(test)]
mod replays;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod walk;
