//! One entry, its canonical bytes and its hash.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::canonical::{Decoder, Encoder, Hash, Malformed, TooLong};

const TAG: &str = "chenu.ledger.v1";
// RFC 6962 hashes leaves behind 0 and inner nodes behind 1, so that no node of a tree over the
// chain can be shown as an entry.
const LEAF: [u8; 1] = [0];

/// Why an entry cannot be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// A field does not fit its length prefix.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The bytes are no canonical entry.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The bytes are an entry of another version, or none.
    #[error("the bytes do not start with the tag {TAG}")]
    WrongTag,
    /// A digest field is not 32 bytes long.
    #[error("a digest is not 32 bytes long")]
    DigestLength,
    /// The sequence would pass its 64 bits.
    #[error("the ledger is full: its sequence does not fit 64 bits")]
    SequenceOverflow,
    /// The payload is not UTF-8, so it could never be exported.
    #[error("the payload is not UTF-8")]
    PayloadNotUtf8,
    /// Only one of salt and payload is there; they are kept and erased together.
    #[error("salt and payload are kept and erased together, but only one is there")]
    HalfErased,
}

/// One decision as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry<'a> {
    /// Names the database that the chain began in.
    pub origin: Cow<'a, str>,
    /// Which of the origin's ledgers this is.
    pub ledger_number: u32,
    /// Counts from 1 without a gap.
    pub sequence: u64,
    /// The entry's UUID; other rows refer to it.
    pub entry_id: Cow<'a, str>,
    /// The UUID of the transaction that wrote it.
    pub batch_id: Cow<'a, str>,
    /// Unix time in microseconds.
    pub time_us: i64,
    /// What was decided: `allow`, `deny`, `execute` and so on.
    pub decision: Cow<'a, str>,
    /// What it was decided about: `create`, `read`, `execute` and so on.
    pub action: Cow<'a, str>,
    /// The identity that the decision belongs to.
    pub identity_id: Cow<'a, str>,
    /// `user`, `service` or `agent`.
    pub principal_type: Cow<'a, str>,
    /// Who acted.
    pub principal_id: Cow<'a, str>,
    /// On whose behalf, nearest first.
    pub acting_for: Vec<Cow<'a, str>>,
    /// What kind of thing it was done to.
    pub resource_kind: Cow<'a, str>,
    /// Which one.
    pub resource_id: Cow<'a, str>,
    /// Why it was decided so; empty when the decision says it.
    pub reason: Cow<'a, str>,
    /// [`payload_digest`] of the salted payload.
    pub payload_digest: Hash,
    /// The hash of the entry before it.
    pub prev_hash: Hash,
}

impl<'a> LedgerEntry<'a> {
    /// The canonical bytes: what is hashed, stored and exported.
    ///
    /// # Errors
    /// [`LedgerError::TooLong`].
    pub fn canonical(&self) -> Result<Vec<u8>, LedgerError> {
        let acting_for: Vec<&[u8]> = self.acting_for.iter().map(|who| who.as_bytes()).collect();
        let encoder = Encoder::with_capacity(512)
            .bytes(TAG.as_bytes())
            .bytes(self.origin.as_bytes())
            .u32(self.ledger_number)
            .u64(self.sequence)
            .bytes(self.entry_id.as_bytes())
            .bytes(self.batch_id.as_bytes())
            .i64(self.time_us)
            .bytes(self.decision.as_bytes())
            .bytes(self.action.as_bytes())
            .bytes(self.identity_id.as_bytes())
            .bytes(self.principal_type.as_bytes())
            .bytes(self.principal_id.as_bytes())
            .list(&acting_for)
            .bytes(self.resource_kind.as_bytes())
            .bytes(self.resource_id.as_bytes())
            .bytes(self.reason.as_bytes())
            .bytes(&self.payload_digest)
            .bytes(&self.prev_hash);
        Ok(encoder.finish()?)
    }

    /// The id of the entry whose payload this one erases, if it does: an `admin` decision to
    /// `delete` what a ledger entry holds beside the chain.
    #[must_use]
    pub fn erases(&self) -> Option<&str> {
        let form = (&*self.decision, &*self.action, &*self.resource_kind);
        (form == ("admin", "delete", "ledger_entry")).then_some(&*self.resource_id)
    }

    /// Reads an entry from its canonical bytes.
    ///
    /// Whatever it accepts encodes to the same bytes again.
    ///
    /// # Errors
    /// [`LedgerError::WrongTag`], [`LedgerError::DigestLength`] or [`LedgerError::Malformed`].
    pub fn decode(canonical: &'a [u8]) -> Result<Self, LedgerError> {
        let mut fields = Decoder::new(canonical);
        // Before all else, for the bytes of another version might well be read as other fields of
        // this one.
        if fields.bytes()? != TAG.as_bytes() {
            return Err(LedgerError::WrongTag);
        }
        let entry = Self {
            origin: fields.text()?.into(),
            ledger_number: fields.u32()?,
            sequence: fields.u64()?,
            entry_id: fields.text()?.into(),
            batch_id: fields.text()?.into(),
            time_us: fields.i64()?,
            decision: fields.text()?.into(),
            action: fields.text()?.into(),
            identity_id: fields.text()?.into(),
            principal_type: fields.text()?.into(),
            principal_id: fields.text()?.into(),
            acting_for: fields.texts()?.into_iter().map(Cow::Borrowed).collect(),
            resource_kind: fields.text()?.into(),
            resource_id: fields.text()?.into(),
            reason: fields.text()?.into(),
            payload_digest: hash_field(&mut fields)?,
            prev_hash: hash_field(&mut fields)?,
        };
        // What stood behind the last field would be hashed and shown to nobody.
        fields.finish()?;
        Ok(entry)
    }
}

/// The hash that the next entry names: `SHA-256(0x00 || canonical)`, an RFC 6962 leaf hash.
#[must_use]
pub fn entry_hash(canonical: &[u8]) -> Hash {
    Sha256::new().chain_update(LEAF).chain_update(canonical).finalize().into()
}

/// The digest of a payload in an entry: `SHA-256(salt || payload)`.
///
/// The salt keeps a short payload from being guessed from its digest after it was erased.
#[must_use]
pub fn payload_digest(salt: &Hash, payload: &[u8]) -> Hash {
    Sha256::new().chain_update(salt).chain_update(payload).finalize().into()
}

fn hash_field(fields: &mut Decoder<'_>) -> Result<Hash, LedgerError> {
    fields.bytes()?.try_into().map_err(|_| LedgerError::DigestLength)
}
