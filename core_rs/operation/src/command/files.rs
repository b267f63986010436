//! Files are stored before what they came with is admitted.

use serde::{Deserialize, Serialize};

use crate::rows::{Bytes, FileChunk, StoredFile};

/// Hold files for a process, and find out which of them are not stored yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldFiles {
    /// Whose.
    pub identity_id: String,
    /// An id of this hold.
    pub hold_id: String,
    /// The process that needs them.
    pub owner_id: String,
    /// Which.
    pub digests: Vec<Bytes>,
}

/// Store one chunk of a held file, and with the last one that the file is whole.
///
/// Only while it is held: who was taken for dead has lost what he had stored before, and would
/// call a file whole whose beginning is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepChunk {
    /// By which hold.
    pub hold_id: String,
    /// What.
    pub chunk: FileChunk,
    /// The file, with its last chunk.
    pub whole: Option<StoredFile>,
}
