//! The chain as JSON lines: one line for each entry, the last one states count and head.
//!
//! A line equals its re-encoding byte for byte: fixed key order, no spaces, lower-case hex. So a
//! changed byte anywhere in an export is found, also one that JSON itself would not mind. Each line
//! ends with a newline, the last one too.
//!
//! An entry whose stored bytes are damaged is exported as those bytes: the export shows it, and
//! does not verify there.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::canonical::Hash;

use super::entry::{LedgerEntry, LedgerError};
use super::verify::{Broken, ChainVerifier, Disclosed};

/// An entry's line; the order of its fields is the order of the keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    origin: Cow<'a, str>,
    ledger: u32,
    sequence: u64,
    #[serde(borrow)]
    entry_id: Cow<'a, str>,
    #[serde(borrow)]
    batch_id: Cow<'a, str>,
    time_us: i64,
    #[serde(borrow)]
    decision: Cow<'a, str>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    identity_id: Cow<'a, str>,
    #[serde(borrow)]
    principal_type: Cow<'a, str>,
    #[serde(borrow)]
    principal_id: Cow<'a, str>,
    acting_for: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    resource_kind: Cow<'a, str>,
    #[serde(borrow)]
    resource_id: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    payload_digest: Hex,
    prev_hash: Hex,
    entry_hash: Hex,
    salt: Option<Hex>,
    payload: Option<Cow<'a, str>>,
}

/// The line of an entry that cannot be read: its stored bytes, in hex of any length.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Damaged<'a> {
    sequence: u64,
    #[serde(borrow)]
    canonical: Cow<'a, str>,
    #[serde(borrow)]
    entry_hash: Cow<'a, str>,
    #[serde(borrow)]
    salt: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<Cow<'a, str>>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tail<'a> {
    #[serde(borrow)]
    origin: Cow<'a, str>,
    ledger: u32,
    entries: u64,
    #[serde(borrow)]
    head: Cow<'a, str>,
}

/// An entry as a database holds it, whole or damaged. Salt and payload are missing once erased.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The number that its row has.
    pub sequence: u64,
    /// Its canonical bytes.
    pub canonical: &'a [u8],
    /// Its hash, 32 bytes.
    pub entry_hash: &'a [u8],
    /// 32 bytes.
    pub salt: Option<&'a [u8]>,
    /// UTF-8 text.
    pub payload: Option<&'a [u8]>,
}

impl<'a> Stored<'a> {
    /// The line that verifies if the entry does; nothing when the bytes do not fit into one.
    fn line(&self) -> Option<Line<'a>> {
        // No line at all where anything does not fit: one with the rest of it would hide what is
        // stored.
        let entry = LedgerEntry::decode(self.canonical).ok()?;
        let hash = self.entry_hash.try_into().ok()?;
        let salt = self.salt.map(Hash::try_from).transpose().ok()?;
        let payload = self.payload.map(std::str::from_utf8).transpose().ok()?;
        Some(Line::new(entry, hash, salt, payload))
    }

    fn damaged(&self) -> Damaged<'static> {
        let text = |bytes| Cow::Owned(hex(bytes));
        Damaged {
            sequence: self.sequence,
            canonical: text(self.canonical),
            entry_hash: text(self.entry_hash),
            salt: self.salt.map(text),
            payload: self.payload.map(text),
        }
    }
}

impl<'a> Line<'a> {
    fn new(
        entry: LedgerEntry<'a>,
        hash: Hash,
        salt: Option<Hash>,
        payload: Option<&'a str>,
    ) -> Self {
        Self {
            origin: entry.origin,
            ledger: entry.ledger_number,
            sequence: entry.sequence,
            entry_id: entry.entry_id,
            batch_id: entry.batch_id,
            time_us: entry.time_us,
            decision: entry.decision,
            action: entry.action,
            identity_id: entry.identity_id,
            principal_type: entry.principal_type,
            principal_id: entry.principal_id,
            acting_for: entry.acting_for,
            resource_kind: entry.resource_kind,
            resource_id: entry.resource_id,
            reason: entry.reason,
            payload_digest: Hex(entry.payload_digest),
            prev_hash: Hex(entry.prev_hash),
            entry_hash: Hex(hash),
            salt: salt.map(Hex),
            payload: payload.map(Cow::Borrowed),
        }
    }

    fn entry(&self) -> LedgerEntry<'_> {
        LedgerEntry {
            origin: (&*self.origin).into(),
            ledger_number: self.ledger,
            sequence: self.sequence,
            entry_id: (&*self.entry_id).into(),
            batch_id: (&*self.batch_id).into(),
            time_us: self.time_us,
            decision: (&*self.decision).into(),
            action: (&*self.action).into(),
            identity_id: (&*self.identity_id).into(),
            principal_type: (&*self.principal_type).into(),
            principal_id: (&*self.principal_id).into(),
            acting_for: self.acting_for.iter().map(|who| (&**who).into()).collect(),
            resource_kind: (&*self.resource_kind).into(),
            resource_id: (&*self.resource_id).into(),
            reason: (&*self.reason).into(),
            payload_digest: self.payload_digest.0,
            prev_hash: self.prev_hash.0,
        }
    }

    fn disclosed(&self) -> Result<Option<Disclosed<'_>>, LedgerError> {
        Disclosed::from_parts(
            self.salt.as_ref().map(|salt| &salt.0),
            self.payload.as_deref().map(str::as_bytes),
        )
    }
}

/// The line of a stored entry, without its newline; an erased payload and its salt are `null`.
///
/// What is damaged is written as it is stored, so that the line does not verify.
#[must_use]
pub fn export_line(stored: &Stored<'_>) -> String {
    stored.line().map_or_else(|| json(&stored.damaged()), |line| json(&line))
}

/// The last line of an export, without its newline. A damaged head is written as it is stored.
#[must_use]
pub fn export_tail(origin: &str, ledger_number: u32, size: u64, head: &[u8]) -> String {
    let (origin, head) = (origin.into(), hex(head).into());
    json(&Tail { origin, ledger: ledger_number, entries: size, head })
}

/// Reads an export line by line and says whether all of it holds.
#[derive(Debug, Clone, Default)]
pub struct ExportVerifier {
    chain: Option<ChainVerifier>,
    lines: u64,
    ended: bool,
}

impl ExportVerifier {
    /// Checks the next line, given with its newline (`0x0a`).
    ///
    /// # Errors
    /// [`Broken`] says what does not hold.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        self.lines = self.lines.saturating_add(1);
        if self.ended {
            return Err(Broken::AfterTail(self.lines));
        }
        // Wanted of the last line too, or a file that lost its last byte would still be whole.
        let line = line.strip_suffix(b"\n").ok_or(Broken::Newline(self.lines))?;
        // Unknown keys are refused, so no line can be read as two of the three kinds.
        if let Ok(entry) = serde_json::from_slice::<Line<'_>>(line) {
            return self.entry_line(line, &entry);
        }
        if let Ok(damaged) = serde_json::from_slice::<Damaged<'_>>(line) {
            return Err(Broken::Unreadable(damaged.sequence));
        }
        let tail = serde_json::from_slice::<Tail<'_>>(line);
        self.tail_line(line, &tail.map_err(|_| Broken::Line(self.lines))?)
    }

    /// Ends the export.
    ///
    /// # Errors
    /// [`Broken::NoTail`] when its last line was not there.
    pub fn finish(&self) -> Result<(), Broken> {
        if self.ended { Ok(()) } else { Err(Broken::NoTail) }
    }

    /// How many entries held so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.chain.as_ref().map_or(0, ChainVerifier::size)
    }

    /// The hash of the last entry that held, [`super::NO_HEAD`] before the first.
    #[must_use]
    pub fn head(&self) -> Hash {
        self.chain.as_ref().map_or(super::NO_HEAD, |chain| *chain.head())
    }

    fn entry_line(&mut self, line: &[u8], parsed: &Line<'_>) -> Result<(), Broken> {
        self.check_form(line, parsed)?;
        // Made anew from what the line says: were the bytes in the file too, they and the fields
        // could differ.
        let canonical = parsed.entry().canonical()?;
        // Nobody says beforehand whose ledger it is: the first line does, and all others must
        // agree.
        let chain = self.chain.get_or_insert_with(|| ChainVerifier::new(None, parsed.ledger));
        chain.entry(&canonical, &parsed.entry_hash.0, parsed.disclosed()?)
    }

    fn tail_line(&mut self, line: &[u8], tail: &Tail<'_>) -> Result<(), Broken> {
        self.check_form(line, tail)?;
        let same_chain =
            self.chain.as_ref().is_none_or(|chain| chain.is_of(&tail.origin, tail.ledger));
        if !same_chain || tail.entries != self.entries() || tail.head != hex(&self.head()) {
            return Err(Broken::Tail);
        }
        // Only at the end is it known that no later entry explains a payload which is missing.
        self.chain.as_mut().map_or(Ok(()), ChainVerifier::finish)?;
        self.ended = true;
        Ok(())
    }

    fn check_form(&self, line: &[u8], parsed: &impl Serialize) -> Result<(), Broken> {
        if json(parsed).as_bytes() == line { Ok(()) } else { Err(Broken::Line(self.lines)) }
    }
}

/// Compact JSON. Texts, integers and lists always serialise; an empty line never verifies.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Bytes in lower-case hex.
fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A digest that is written in lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hex(Hash);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex(&self.0))
    }
}

impl<'a> Deserialize<'a> for Hex {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not 32 bytes in hex"))
    }
}

impl Hex {
    fn parse(text: &str) -> Option<Self> {
        // Capital letters are read as well and refused all the same: the line is not what it
        // encodes to again.
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits?;
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect();
        bytes?.try_into().ok().map(Self)
    }
}
