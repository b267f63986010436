//! Numbering and hashing the drafts of one transaction.

use std::borrow::Cow;

use crate::canonical::Hash;

use super::entry::{LedgerEntry, LedgerError, entry_hash, payload_digest};

/// An entry before it has a number, a time and a predecessor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDraft {
    /// The entry's UUID; other rows refer to it.
    pub entry_id: String,
    /// What was decided.
    pub decision: String,
    /// What it was decided about.
    pub action: String,
    /// The identity that the decision belongs to.
    pub identity_id: String,
    /// `user`, `service` or `agent`.
    pub principal_type: String,
    /// Who acted.
    pub principal_id: String,
    /// On whose behalf, nearest first.
    pub acting_for: Vec<String>,
    /// What kind of thing it was done to.
    pub resource_kind: String,
    /// Which one.
    pub resource_id: String,
    /// Why it was decided so.
    pub reason: String,
    /// 32 random bytes, erased with the payload.
    pub salt: Hash,
    /// The details, as UTF-8 text.
    pub payload: Vec<u8>,
}

/// Where a transaction's entries continue the chain.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Names the database that the chain began in.
    pub origin: &'a str,
    /// Which of the origin's ledgers this is.
    pub ledger_number: u32,
    /// The transaction's UUID.
    pub batch_id: &'a str,
    /// The transaction's Unix time in microseconds.
    pub time_us: i64,
    /// How many entries the chain has.
    pub size: u64,
    /// The hash of its last entry, [`super::NO_HEAD`] when it has none.
    pub head: Hash,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEntry {
    /// Its number; the first entry of a ledger has 1.
    pub sequence: u64,
    /// Its canonical bytes.
    pub canonical: Vec<u8>,
    /// The digest of its salted payload.
    pub payload_digest: Hash,
    /// The hash of the entry before it.
    pub prev_hash: Hash,
    /// Its own hash: the head of the chain that ends with it.
    pub entry_hash: Hash,
}

/// Numbers, chains and hashes `drafts`, in their order.
///
/// # Errors
/// [`LedgerError::PayloadNotUtf8`], [`LedgerError::TooLong`] or
/// [`LedgerError::SequenceOverflow`]; then none is sealed.
pub fn seal<'d>(
    batch: &Batch<'_>,
    drafts: impl IntoIterator<Item = &'d EntryDraft>,
) -> Result<Vec<SealedEntry>, LedgerError> {
    let (mut sequence, mut prev_hash) = (batch.size, batch.head);
    let seal_next = |draft: &'d EntryDraft| {
        sequence = sequence.checked_add(1).ok_or(LedgerError::SequenceOverflow)?;
        let sealed = seal_one(batch, draft, sequence, prev_hash)?;
        prev_hash = sealed.entry_hash;
        Ok(sealed)
    };
    // In order, for each names the hash of the one before; the first that cannot be sealed gives up
    // the whole batch, so no number is skipped.
    drafts.into_iter().map(seal_next).collect()
}

fn seal_one(
    batch: &Batch<'_>,
    draft: &EntryDraft,
    sequence: u64,
    prev_hash: Hash,
) -> Result<SealedEntry, LedgerError> {
    // Before anything is hashed: what no export can hold must not become part of the chain.
    std::str::from_utf8(&draft.payload).map_err(|_| LedgerError::PayloadNotUtf8)?;
    let payload_digest = payload_digest(&draft.salt, &draft.payload);
    let canonical = entry(batch, draft, sequence, payload_digest, prev_hash).canonical()?;
    let entry_hash = entry_hash(&canonical);
    Ok(SealedEntry { sequence, canonical, payload_digest, prev_hash, entry_hash })
}

fn entry<'a>(
    batch: &Batch<'a>,
    draft: &'a EntryDraft,
    sequence: u64,
    payload_digest: Hash,
    prev_hash: Hash,
) -> LedgerEntry<'a> {
    LedgerEntry {
        origin: batch.origin.into(),
        ledger_number: batch.ledger_number,
        sequence,
        entry_id: (&draft.entry_id).into(),
        batch_id: batch.batch_id.into(),
        time_us: batch.time_us,
        decision: (&draft.decision).into(),
        action: (&draft.action).into(),
        identity_id: (&draft.identity_id).into(),
        principal_type: (&draft.principal_type).into(),
        principal_id: (&draft.principal_id).into(),
        acting_for: draft.acting_for.iter().map(Cow::from).collect(),
        resource_kind: (&draft.resource_kind).into(),
        resource_id: (&draft.resource_id).into(),
        reason: (&draft.reason).into(),
        payload_digest,
        prev_hash,
    }
}
