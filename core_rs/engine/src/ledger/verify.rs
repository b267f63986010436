//! Checking a chain, entry by entry.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::canonical::Hash;

use super::NO_HEAD;
use super::entry::{LedgerEntry, LedgerError, entry_hash, payload_digest};

/// How many payloads may be missing at once before the entries that erased them have come. It
/// bounds a verifier's memory to about 100 MB, whatever it is given.
const MISSING_MAX: usize = 1 << 20;

/// Why a chain or its export does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Broken {
    /// The entry cannot be read.
    #[error("unreadable entry: {0}")]
    Entry(#[from] LedgerError),
    /// The entry stands in a ledger that is not its own.
    #[error("entry {0} belongs to another ledger")]
    OtherLedger(u64),
    /// An entry is missing, repeated or out of order.
    #[error("entry {found} stands where entry {expected} belongs")]
    Sequence {
        /// The number that comes next in the chain.
        expected: u64,
        /// The number that the entry has.
        found: u64,
    },
    /// The entry does not name the hash of the one before it.
    #[error("entry {0} does not continue the chain")]
    Chain(u64),
    /// The entry's bytes do not have the hash that is stored with it.
    #[error("entry {0} does not have its stored hash")]
    EntryHash(u64),
    /// The payload is not the one whose digest the entry holds.
    #[error("entry {0} does not have its payload's digest")]
    PayloadDigest(u64),
    /// A payload is missing that no later entry erased.
    #[error("entry {0} has no payload, and no later entry says that it was erased")]
    Unerased(u64),
    /// The entry erases what is still there, was erased before, or never stood before it.
    #[error("entry {0} erases a payload that is not missing before it")]
    NotErased(u64),
    /// More payloads are missing than are followed.
    #[error("entry {0} has no payload, and too many before it wait for the entry that erased them")]
    TooManyMissing(u64),
    /// A line holds the bytes of an entry that the server could not read.
    #[error("entry {0} was exported as bytes: what is stored is no entry")]
    Unreadable(u64),
    /// A line of an export has no newline at its end.
    #[error("line {0} does not end with a newline")]
    Newline(u64),
    /// A line of an export is not what its content encodes to.
    #[error("line {0} is not in canonical form")]
    Line(u64),
    /// The last line does not state the chain's count and head.
    #[error("the last line does not state the chain's origin, count and head")]
    Tail,
    /// The export has no last line.
    #[error("the export has no last line: its end is missing")]
    NoTail,
    /// Something follows the last line.
    #[error("line {0} follows the last line")]
    AfterTail(u64),
}

/// A payload and the salt of its digest, as far as they are not erased.
#[derive(Debug, Clone, Copy)]
pub struct Disclosed<'a> {
    /// 32 bytes.
    pub salt: &'a Hash,
    /// The payload's bytes.
    pub payload: &'a [u8],
}

impl<'a> Disclosed<'a> {
    /// Both, or neither when both are erased.
    ///
    /// # Errors
    /// [`LedgerError::HalfErased`] when only one is there.
    pub fn from_parts(
        salt: Option<&'a Hash>,
        payload: Option<&'a [u8]>,
    ) -> Result<Option<Self>, LedgerError> {
        match (salt, payload) {
            (Some(salt), Some(payload)) => Ok(Some(Self { salt, payload })),
            (None, None) => Ok(None),
            _ => Err(LedgerError::HalfErased),
        }
    }
}

/// Where the chain stood before an entry whose payload is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Before {
    size: u64,
    head: Hash,
}

/// Follows one chain from its first entry.
///
/// A missing payload must be erased by a later entry, and each such entry must erase one that is
/// missing before it. So what is remembered is only what is missing and not yet explained.
#[derive(Debug, Clone)]
pub struct ChainVerifier {
    origin: Option<String>,
    ledger_number: u32,
    size: u64,
    head: Hash,
    missing: BTreeMap<Hash, Before>,
}

impl ChainVerifier {
    /// Starts before the first entry; without an `origin` the first entry's counts.
    #[must_use]
    pub fn new(origin: Option<String>, ledger_number: u32) -> Self {
        Self { origin, ledger_number, size: 0, head: NO_HEAD, missing: BTreeMap::new() }
    }

    /// Checks the next stored entry; one that does not hold is not followed.
    ///
    /// # Errors
    /// [`Broken`] says what does not hold.
    pub fn entry(
        &mut self,
        canonical: &[u8],
        stored_hash: &[u8],
        disclosed: Option<Disclosed<'_>>,
    ) -> Result<(), Broken> {
        let entry = LedgerEntry::decode(canonical)?;
        let hash = entry_hash(canonical);
        self.check_place(&entry)?;
        // The chain holds without it, but it is what readers are shown as the entry's hash.
        if hash != stored_hash {
            return Err(Broken::EntryHash(entry.sequence));
        }
        if disclosed.is_some_and(|it| payload_digest(it.salt, it.payload) != entry.payload_digest) {
            return Err(Broken::PayloadDigest(entry.sequence));
        }
        // The last of the checks, because it is the first that changes something.
        self.follow_erasure(&entry, disclosed.is_none())?;
        self.origin.get_or_insert_with(|| entry.origin.into_owned());
        (self.size, self.head) = (entry.sequence, hash);
        Ok(())
    }

    /// Ends the chain. If it does not hold, `size` and `head` are those before the failed entry.
    ///
    /// # Errors
    /// [`Broken::Unerased`] for the first entry whose payload is missing without a reason.
    pub fn finish(&mut self) -> Result<(), Broken> {
        // The earliest hole counts: all that follows it stands on a chain that nobody can vouch
        // for.
        let Some(before) = self.missing.values().min().copied() else { return Ok(()) };
        (self.size, self.head) = (before.size, before.head);
        Err(Broken::Unerased(before.size.saturating_add(1)))
    }

    /// How many entries held so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash of the last entry that held, [`NO_HEAD`] before the first.
    #[must_use]
    pub fn head(&self) -> &Hash {
        &self.head
    }

    /// Whether the chain is that of `origin`; one without entries or origin is anybody's.
    #[must_use]
    pub fn is_of(&self, origin: &str, ledger_number: u32) -> bool {
        self.ledger_number == ledger_number && self.origin.as_deref().is_none_or(|it| it == origin)
    }

    fn follow_erasure(&mut self, entry: &LedgerEntry<'_>, missing: bool) -> Result<(), Broken> {
        let erased = entry.erases().map(key_of);
        // Both refusals stand before both changes, for an entry that does not hold must leave no
        // trace.
        if erased.is_some_and(|key| !self.missing.contains_key(&key)) {
            return Err(Broken::NotErased(entry.sequence));
        }
        if missing && self.missing.len() >= MISSING_MAX {
            return Err(Broken::TooManyMissing(entry.sequence));
        }
        if let Some(key) = erased {
            self.missing.remove(&key);
        }
        if missing {
            let before = Before { size: self.size, head: self.head };
            self.missing.insert(key_of(&entry.entry_id), before);
        }
        Ok(())
    }

    fn check_place(&self, entry: &LedgerEntry<'_>) -> Result<(), Broken> {
        let (expected, found) = (self.size.saturating_add(1), entry.sequence);
        // Before its number is looked at: an entry of another ledger would else be told as a gap.
        if !self.is_of(&entry.origin, entry.ledger_number) {
            return Err(Broken::OtherLedger(found));
        }
        if found != expected {
            return Err(Broken::Sequence { expected, found });
        }
        if entry.prev_hash != self.head {
            return Err(Broken::Chain(found));
        }
        Ok(())
    }
}

/// An entry's id in 32 bytes, however long it is.
fn key_of(entry_id: &str) -> Hash {
    Sha256::digest(entry_id).into()
}
