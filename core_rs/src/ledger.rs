//! Binding of [`chenu_engine::ledger`].

use std::sync::Mutex;

use chenu_engine::ledger::{self as engine, Disclosed};
use pyo3::prelude::*;

use crate::classes::{argument_class, result_class};
use crate::convert::{hash, locked, mistake};

argument_class! {
    /// An entry before it has a number, a time and a predecessor.
    EntryDraft(engine::EntryDraft) {
        entry_id: String,
        decision: String,
        action: String,
        identity_id: String,
        principal_type: String,
        principal_id: String,
        acting_for: Vec<String>,
        resource_kind: String,
        resource_id: String,
        reason: String,
        salt: &[u8] = hash("salt", salt)?,
        payload: &[u8] = payload.to_vec(),
    }
}

result_class! {
    /// An entry as it is stored.
    SealedEntry from sealed: engine::SealedEntry {
        sequence: u64 = sealed.sequence,
        canonical: Vec<u8> = sealed.canonical,
        payload_digest: [u8; 32] = sealed.payload_digest,
        prev_hash: [u8; 32] = sealed.prev_hash,
        entry_hash: [u8; 32] = sealed.entry_hash,
    }
}

result_class! {
    /// An entry as it was decided.
    LedgerEntry from entry: engine::LedgerEntry<'_> {
        origin: String = entry.origin.into(),
        ledger_number: u32 = entry.ledger_number,
        sequence: u64 = entry.sequence,
        entry_id: String = entry.entry_id.into(),
        batch_id: String = entry.batch_id.into(),
        time_us: i64 = entry.time_us,
        decision: String = entry.decision.into(),
        action: String = entry.action.into(),
        identity_id: String = entry.identity_id.into(),
        principal_type: String = entry.principal_type.into(),
        principal_id: String = entry.principal_id.into(),
        acting_for: Vec<String> = entry.acting_for.into_iter().map(Into::into).collect(),
        resource_kind: String = entry.resource_kind.into(),
        resource_id: String = entry.resource_id.into(),
        reason: String = entry.reason.into(),
        payload_digest: [u8; 32] = entry.payload_digest,
        prev_hash: [u8; 32] = entry.prev_hash,
    }
}

/// Numbers, chains and hashes drafts after the entry whose hash is `head`.
#[pyfunction]
#[pyo3(signature = (*, origin, ledger_number, batch_id, time_us, size, head, drafts))]
pub(crate) fn seal(
    origin: &str,
    ledger_number: u32,
    batch_id: &str,
    time_us: i64,
    size: u64,
    head: &[u8],
    drafts: Vec<PyRef<'_, EntryDraft>>,
) -> PyResult<Vec<SealedEntry>> {
    let head = hash("head", head)?;
    let batch = engine::Batch { origin, ledger_number, batch_id, time_us, size, head };
    let sealed = engine::seal(&batch, drafts.iter().map(|draft| &draft.0)).map_err(mistake)?;
    Ok(sealed.into_iter().map(SealedEntry::from).collect())
}

/// Reads an entry from its canonical bytes.
#[pyfunction]
pub(crate) fn decode_entry(canonical: &[u8]) -> PyResult<LedgerEntry> {
    engine::LedgerEntry::decode(canonical).map(LedgerEntry::from).map_err(mistake)
}

/// The line of a stored entry in an export, without its newline.
#[pyfunction]
#[pyo3(signature = (*, sequence, canonical, entry_hash, salt, payload))]
pub(crate) fn export_line(
    sequence: u64,
    canonical: &[u8],
    entry_hash: &[u8],
    salt: Option<&[u8]>,
    payload: Option<&[u8]>,
) -> String {
    // Bytes of any length: what is stored may be damaged, and is exported as it stands.
    engine::export_line(&engine::Stored { sequence, canonical, entry_hash, salt, payload })
}

/// The last line of an export, without its newline.
#[pyfunction]
pub(crate) fn export_tail(origin: &str, ledger_number: u32, size: u64, head: &[u8]) -> String {
    engine::export_tail(origin, ledger_number, size, head)
}

/// Follows one stored chain from its first entry.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct ChainVerifier(Mutex<engine::ChainVerifier>);

#[pymethods]
impl ChainVerifier {
    #[new]
    fn new(origin: Option<String>, ledger_number: u32) -> Self {
        Self(Mutex::new(engine::ChainVerifier::new(origin, ledger_number)))
    }

    /// Checks the next entry: `None` when it holds, else why not.
    fn entry(
        &self,
        canonical: &[u8],
        entry_hash: &[u8],
        salt: Option<&[u8]>,
        payload: Option<&[u8]>,
    ) -> PyResult<Option<String>> {
        // Damage that no entry can have is raised; whoever reads the rows tells it as this entry's.
        let salt = salt.map(|salt| hash("salt", salt)).transpose()?;
        let disclosed = Disclosed::from_parts(salt.as_ref(), payload).map_err(mistake)?;
        Ok(why(locked(&self.0).entry(canonical, entry_hash, disclosed)))
    }

    /// Ends the chain: `None` when all of it holds, else why not.
    fn finish(&self) -> Option<String> {
        why(locked(&self.0).finish())
    }

    #[getter]
    fn size(&self) -> u64 {
        locked(&self.0).size()
    }

    #[getter]
    fn head(&self) -> [u8; 32] {
        *locked(&self.0).head()
    }
}

/// Reads an export line by line and says whether all of it holds.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct ExportVerifier(Mutex<engine::ExportVerifier>);

#[pymethods]
impl ExportVerifier {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    /// Checks the next line, given with its newline: `None` when it holds, else why not.
    fn line(&self, line: &[u8]) -> Option<String> {
        why(locked(&self.0).line(line))
    }

    /// Ends the export: `None` when all of it holds, else why not.
    fn finish(&self) -> Option<String> {
        why(locked(&self.0).finish())
    }

    #[getter]
    fn entries(&self) -> u64 {
        locked(&self.0).entries()
    }

    #[getter]
    fn head(&self) -> [u8; 32] {
        locked(&self.0).head()
    }
}

fn why(outcome: Result<(), engine::Broken>) -> Option<String> {
    outcome.err().map(|broken| broken.to_string())
}
