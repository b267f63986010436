//! The laws of governed operations, after any commands in any order.
//!
//! `world` keeps the rows and decides on those that a command names. `steps`, `answers`, `money`,
//! `bills`, `shortage` and `freezing` say what one command may do, `laws` what holds at every
//! commit, `slots` what providers are promised. `walks` goes at random through all of it, `orders`
//! through every order of a few concurrent commands. `hex` is about how rows are written.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod asks;
#[cfg(test)]
mod bills;
#[cfg(test)]
mod call_laws;
#[cfg(test)]
mod call_starts;
#[cfg(test)]
mod freezing;
#[cfg(test)]
mod hex;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod money;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod shortage;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod spend_starts;
#[cfg(test)]
mod spends;
#[cfg(test)]
mod starts;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tool_calls;
#[cfg(test)]
mod walk_step;
#[cfg(test)]
mod walker;
#[cfg(test)]
mod walks;
#[cfg(test)]
mod world;
