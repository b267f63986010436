//! Calls to providers: HTTP/1.1 on a thread of its own, which needs no interpreter.
//!
//! A [`Client`] keeps the connections to one provider. Each call is an [`Exchange`]: it is sent
//! once and never repeated, its answer is decoded as it comes and waits there for its reader, in
//! bounded memory. Dropping it closes its connection.

mod client;
mod connect;
mod departure;
mod exchange;
mod io_thread;
mod pool;
mod reading;
mod running;
mod silence;
mod stream;
mod trust;
mod unpacked;

pub use client::{Client, Destination, Limits, OnLeave, Request, Unsendable};
pub use connect::{Proxy, Unreached, Way};
pub use exchange::{End, Exchange, Failure, News};
pub use reading::Form;
pub use trust::{NoCertificates, Trust};
