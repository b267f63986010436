//! Messages of the contract that every governed call is answered with, as bytes.
//!
//! Each field stands with its number as `proto/chenu/api/pipeline/v1/message.proto` has it; the
//! server's tests read them with the code that protobuf generates from there.

mod answer;
mod message;
mod query;

pub use answer::{Part, answered};
pub use query::{
    Asked, LaneReport, OutputPart, ProposedCall, Query, Recorded, Usage, route_snapshot,
};
