//! The bodies that providers are sent, byte for byte.

#[cfg(test)]
mod chat;
#[cfg(test)]
mod media;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod needs;
#[cfg(test)]
mod prompts;
#[cfg(test)]
mod random;
