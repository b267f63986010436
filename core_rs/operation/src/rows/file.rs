//! Images and documents: files by what they are, and who needs them.

use serde::{Deserialize, Serialize};

use super::Bytes;

/// A file that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Who owns it.
    pub identity_id: String,
    /// What it is.
    pub sha256: Bytes,
    /// Its bytes.
    pub size: i64,
}

/// A file that a recorded operation was asked with. Never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedFile {
    /// Who owns it.
    pub identity_id: String,
    /// Which file.
    pub sha256: Bytes,
    /// The operation's id.
    pub request_id: String,
}

/// A piece of a file at its offset. Never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChunk {
    /// Who owns it.
    pub identity_id: String,
    /// Of which file.
    pub sha256: Bytes,
    /// From which byte on.
    pub offset: i64,
    /// What.
    pub data: Bytes,
}

/// A file that a process needs for what is not admitted yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFile {
    /// By which hold.
    pub hold_id: String,
    /// Which.
    pub sha256: Bytes,
    /// Who owns it.
    pub identity_id: String,
    /// The process.
    pub owner_id: String,
}
