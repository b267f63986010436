//! The engine, as Python sees it. Converts and forwards; decides nothing.

#![expect(clippy::needless_pass_by_value, reason = "an extracted argument is the function's own")]

use mimalloc::MiMalloc;
use pyo3::prelude::*;

mod boundary;
mod budget;
mod canonical;
mod classes;
mod completions;
mod contract;
mod convert;
mod fields;
mod intent;
mod kernel;
mod ledger;
mod limit;
mod media;
mod policy;
mod prompt;
mod request;
mod route;
mod shape;
mod upstream;
mod wire;

// What is allocated in here; Python and its libraries keep their own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

// Every class is frozen and keeps what changes behind a lock, so a Python without a GIL may call
// from all its threads.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::boundary::{BoundaryVerdict, choose_identity, owns, role_allowed};
    #[pymodule_export]
    use super::budget::{cost, period_start};
    #[pymodule_export]
    use super::canonical::{digest, encode_list};
    #[pymodule_export]
    use super::completions::Completions;
    #[pymodule_export]
    use super::contract::{
        answered_message, asked_message, query_message, snapshot_message, stop_reason,
    };
    #[pymodule_export]
    use super::intent::{Analysis, analyze, sensitivity_of};
    #[pymodule_export]
    use super::kernel::intake::Intake;
    #[pymodule_export]
    use super::kernel::parameters::Rows;
    #[pymodule_export]
    use super::kernel::rows::{RowReader, RowReaders};
    #[pymodule_export]
    use super::kernel::sqlite::{SqliteSession, failpoints_armed, has_sqlite, sqlite_entry_point};
    #[pymodule_export]
    use super::kernel::{Batch, Clock, Command, Ending, Rules, tables};
    #[pymodule_export]
    use super::ledger::{
        ChainVerifier, EntryDraft, ExportVerifier, LedgerEntry, SealedEntry, decode_entry,
        export_line, export_tail, seal,
    };
    #[pymodule_export]
    use super::limit::{Arrival, CallBuckets, FairQueue, IdentityWindows, WindowState};
    #[pymodule_export]
    use super::media::{MediaLimits, look};
    #[pymodule_export]
    use super::policy::{CallVerdict, PolicyQuery, PolicySet, PolicyVerdict};
    #[pymodule_export]
    use super::prompt::{Prompt, wire_offers};
    #[pymodule_export]
    use super::request::CanonicalRequest;
    #[pymodule_export]
    use super::route::{
        Catalogue, Decision, ModelRecord, RouteQuery, RouteRules, Scored, Signal, Signals,
    };
    #[pymodule_export]
    use super::shape::{Shape, Unread};
    #[pymodule_export]
    use super::upstream::{CallLimits, Destination, Upstream, UpstreamCall, has_certificates};
    #[pymodule_export]
    use super::wire::{
        AnswerFault, AnswerForm, AnswerPiece, AnswerTold, AnswerUsage, Refusal, check_schemas,
        is_json_object, refusal_of, unfenced,
    };
}
