//! The laws of each part, held against plain models that are obviously right and slow.

#[cfg(test)]
mod boundary;
#[cfg(test)]
mod buckets;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod canonical;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod rate_steps;
#[cfg(test)]
mod request;
#[cfg(test)]
mod route;
#[cfg(test)]
mod route_properties;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod vocabulary;
#[cfg(test)]
mod windows;
