//! The audit ledger: a chain of hashed entries, its export and its verification.
//!
//! An entry's hash is `SHA-256(0x00 || canonical bytes)`, the leaf hash of RFC 6962, so that a
//! Merkle tree can be laid over the chain. Each entry names the hash of the one before it; the
//! first names 32 zero bytes. A payload stands in the entry as `SHA-256(salt || payload)` only, so
//! that it can be erased together with its salt while the chain still holds. Erasure is an entry
//! itself: a payload that is missing without one does not verify.

mod entry;
mod export;
mod seal;
mod verify;

pub use entry::{LedgerEntry, LedgerError, entry_hash, payload_digest};
pub use export::{ExportVerifier, Stored, export_line, export_tail};
pub use seal::{Batch, EntryDraft, SealedEntry, seal};
pub use verify::{Broken, ChainVerifier, Disclosed};

use crate::canonical::Hash;

/// The head of a chain that has no entry.
pub const NO_HEAD: Hash = [0; 32];
