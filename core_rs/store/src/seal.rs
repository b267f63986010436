//! Drafts become ledger rows: numbered, timed and chained at the end of their batch.

use chenu_engine::canonical::Hash;
use chenu_engine::ledger::{self, Batch, LedgerError};
use chenu_operation::entry::EntryDraft;
use uuid::Uuid;

use crate::column::{Column as _, Value};

/// Where a chain ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Which ledger.
    pub ledger_number: u32,
    /// Names the database that it began in.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The last one's hash; zeros before the first.
    pub last_hash: Hash,
}

/// What an entry is given that is no command's to know: an id of its own, and the salt that keeps
/// its payload from being guessed once that is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// A UUID.
    pub entry_id: String,
    /// 32 random bytes.
    pub salt: Hash,
}

impl Named {
    /// As many as that, each given once; their ids ascend.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn fresh(count: usize) -> Result<Vec<Self>, getrandom::Error> {
        let mut salts = vec![0; count * size_of::<Hash>()];
        // One read for all: each is a call of the system.
        getrandom::fill(&mut salts)?;
        let mut ids: Vec<String> = (0..count).map(|_| Uuid::now_v7().to_string()).collect();
        // An index over them grows at one end, whatever two clocks of one millisecond drew.
        ids.sort_unstable();
        let salted = salts.chunks_exact(size_of::<Hash>()).filter_map(|salt| salt.try_into().ok());
        Ok(ids.into_iter().zip(salted).map(|(entry_id, salt)| Self { entry_id, salt }).collect())
    }
}

/// The rows of `ledger_entries` and `ledger_payloads`, column by column, and the chain's new head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// One row an entry.
    pub entries: Vec<Vec<Value>>,
    /// One row an entry.
    pub payloads: Vec<Vec<Value>>,
    /// Behind the last of them.
    pub head: Head,
}

/// Seal the entries of a batch, each with its name, behind a head.
///
/// # Errors
/// [`LedgerError`]: the chain is as long as it may be, or a text is too long for it.
pub fn seal(
    head: &Head,
    batch_id: &str,
    time_us: i64,
    drafts: &[EntryDraft],
    names: &[Named],
) -> Result<Sealed, LedgerError> {
    let batch = Batch {
        origin: &head.origin,
        ledger_number: head.ledger_number,
        batch_id,
        time_us,
        size: head.size,
        head: head.last_hash,
    };
    let whole: Vec<ledger::EntryDraft> =
        drafts.iter().zip(names).map(|(draft, name)| engine_draft(draft, name)).collect();
    let sealed = ledger::seal(&batch, &whole)?;
    let end = sealed.last().map_or((head.size, head.last_hash), |it| (it.sequence, it.entry_hash));
    let entries = whole.iter().zip(&sealed).map(|(draft, sealed)| {
        // The bytes have room for twice as many as a database has numbers for.
        let sequence = i64::try_from(sealed.sequence).map_err(|_| LedgerError::SequenceOverflow)?;
        Ok(vec![
            i64::from(head.ledger_number).put(),
            sequence.put(),
            draft.entry_id.put(),
            Value::Text(batch_id.to_owned()),
            time_us.put(),
            draft.decision.put(),
            draft.action.put(),
            draft.identity_id.put(),
            draft.principal_type.put(),
            draft.principal_id.put(),
            draft.resource_kind.put(),
            draft.resource_id.put(),
            draft.reason.put(),
            Value::Blob(sealed.canonical.clone()),
            Value::Blob(sealed.entry_hash.to_vec()),
        ])
    });
    // In rows of their own, so that a payload is erased by deleting one and the chain stays whole.
    let payloads = drafts.iter().zip(names).map(|(draft, name)| {
        vec![name.entry_id.put(), Value::Blob(name.salt.to_vec()), draft.payload.put()]
    });
    Ok(Sealed {
        entries: entries.collect::<Result<_, LedgerError>>()?,
        payloads: payloads.collect(),
        head: Head { size: end.0, last_hash: end.1, ..head.clone() },
    })
}

/// Who ends a batch, what it is called, and its time.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Who writes.
    pub writer_id: &'a str,
    /// The batch's own id.
    pub batch_id: &'a str,
    /// When.
    pub time_us: i64,
}

/// What is written at a batch's end in a table of this name: rows, column by column.
pub type Ended = (&'static str, Vec<Vec<Value>>);

/// The rows that end a batch, table by table: its entries behind a head, each with its name, the
/// chain's new head, and the batch itself.
///
/// # Errors
/// As [`seal`].
pub fn ending(
    head: &Head,
    end: End<'_>,
    drafts: &[EntryDraft],
    names: &[Named],
) -> Result<Vec<Ended>, LedgerError> {
    let End { writer_id, batch_id, time_us } = end;
    let sealed = seal(head, batch_id, time_us, drafts, names)?;
    // Also without entries: no later batch may be at an earlier time, and it is by its row that
    // a COMMIT without an answer is looked up.
    let ended = vec![
        i64::from(head.ledger_number).put(),
        sealed.head.origin.put(),
        // Never cut: `seal` has refused an entry whose number no database has.
        Value::Int(i64::try_from(sealed.head.size).unwrap_or(i64::MAX)),
        Value::Blob(sealed.head.last_hash.to_vec()),
        time_us.put(),
    ];
    let last = [writer_id, batch_id].map(|text| Value::Text(text.to_owned()));
    let last = last.into_iter().chain([time_us.put()]).collect();
    let mut rows = vec![
        ("ledger_entries", sealed.entries),
        ("ledger_payloads", sealed.payloads),
        ("ledger_heads", vec![ended]),
        ("batches", vec![last]),
    ];
    rows.retain(|(_, rows)| !rows.is_empty());
    Ok(rows)
}

fn engine_draft(draft: &EntryDraft, name: &Named) -> ledger::EntryDraft {
    ledger::EntryDraft {
        entry_id: name.entry_id.clone(),
        decision: draft.decision.wire_name().to_owned(),
        action: draft.action.wire_name().to_owned(),
        identity_id: draft.identity_id.clone(),
        principal_type: draft.subject.kind.wire_name().to_owned(),
        principal_id: draft.subject.id.clone(),
        acting_for: draft.acting_for.clone(),
        resource_kind: draft.resource_kind.clone(),
        resource_id: draft.resource_id.clone(),
        reason: draft.reason.clone(),
        salt: name.salt,
        payload: draft.payload.clone().into_bytes(),
    }
}
