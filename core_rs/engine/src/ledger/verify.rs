//! Checking a chain, entry by entry.

use thiserror::Error;

use crate::canonical::Hash;

use super::NO_HEAD;
use super::entry::{LedgerEntry, LedgerError, entry_hash, payload_digest};

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

/// Follows one chain from its first entry.
#[derive(Debug, Clone)]
pub struct ChainVerifier {
    origin: Option<String>,
    ledger_number: u32,
    size: u64,
    head: Hash,
}

impl ChainVerifier {
    /// Starts before the first entry; without an `origin` the first entry's counts.
    #[must_use]
    pub fn new(origin: Option<String>, ledger_number: u32) -> Self {
        Self { origin, ledger_number, size: 0, head: NO_HEAD }
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
        if hash != stored_hash {
            return Err(Broken::EntryHash(entry.sequence));
        }
        if disclosed.is_some_and(|it| payload_digest(it.salt, it.payload) != entry.payload_digest) {
            return Err(Broken::PayloadDigest(entry.sequence));
        }
        self.origin.get_or_insert_with(|| entry.origin.into_owned());
        (self.size, self.head) = (entry.sequence, hash);
        Ok(())
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

    fn check_place(&self, entry: &LedgerEntry<'_>) -> Result<(), Broken> {
        let (expected, found) = (self.size.saturating_add(1), entry.sequence);
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
