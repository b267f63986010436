//! The ledger: published vectors, and every change to a chain or its export is found.

use chenu_engine::canonical::Hash;
use chenu_engine::ledger::{
    Batch, Broken, ChainVerifier, Disclosed, EntryDraft, ExportVerifier, LedgerEntry, LedgerError,
    NO_HEAD, SealedEntry, Stored, export_line, export_tail, seal,
};
use proptest::prelude::*;
use serde::Deserialize;

const ORIGIN: &str = "chenu/7d4f";

#[derive(Deserialize)]
struct Vectors {
    origin: String,
    ledger_number: u32,
    batches: Vec<BatchVector>,
    export: Vec<String>,
}

#[derive(Deserialize)]
struct BatchVector {
    batch_id: String,
    time_us: i64,
    drafts: Vec<DraftVector>,
    sealed: Vec<SealedVector>,
}

#[derive(Deserialize)]
struct DraftVector {
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
    salt: String,
    payload: String,
}

#[derive(Deserialize)]
struct SealedVector {
    sequence: u64,
    canonical: String,
    payload_digest: String,
    prev_hash: String,
    entry_hash: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn hash(hex: &str) -> Hash {
    let pair = |at: usize| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap();
    std::array::from_fn(pair)
}

impl DraftVector {
    fn draft(&self) -> EntryDraft {
        EntryDraft {
            entry_id: self.entry_id.clone(),
            decision: self.decision.clone(),
            action: self.action.clone(),
            identity_id: self.identity_id.clone(),
            principal_type: self.principal_type.clone(),
            principal_id: self.principal_id.clone(),
            acting_for: self.acting_for.clone(),
            resource_kind: self.resource_kind.clone(),
            resource_id: self.resource_id.clone(),
            reason: self.reason.clone(),
            salt: hash(&self.salt),
            payload: self.payload.clone().into_bytes(),
        }
    }
}

impl SealedVector {
    fn assert_is(&self, sealed: &SealedEntry) {
        assert_eq!(self.sequence, sealed.sequence);
        assert_eq!(self.canonical, hex(&sealed.canonical));
        assert_eq!(self.payload_digest, hex(&sealed.payload_digest));
        assert_eq!(self.prev_hash, hex(&sealed.prev_hash));
        assert_eq!(self.entry_hash, hex(&sealed.entry_hash));
    }
}

/// Anyone can write a verifier from the vectors alone.
#[test]
fn entries_and_export_are_as_published() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../../tests/vectors/ledger.json")).unwrap();
    let (mut size, mut head, mut lines) = (0, NO_HEAD, Vec::new());
    for batch in &vectors.batches {
        let drafts: Vec<EntryDraft> = batch.drafts.iter().map(DraftVector::draft).collect();
        let origin = vectors.origin.as_str();
        let (ledger_number, batch_id, time_us) =
            (vectors.ledger_number, batch.batch_id.as_str(), batch.time_us);
        let place = Batch { origin, ledger_number, batch_id, time_us, size, head };
        let sealed = seal(&place, &drafts).unwrap();
        assert_eq!(batch.sealed.len(), sealed.len());
        batch.sealed.iter().zip(&sealed).for_each(|(expected, actual)| expected.assert_is(actual));
        lines.extend(sealed.iter().zip(&drafts).map(|(entry, draft)| line(entry, draft)));
        (size, head) = (sealed.last().unwrap().sequence, sealed.last().unwrap().entry_hash);
    }
    lines.push(export_tail(&vectors.origin, vectors.ledger_number, size, &head));

    assert_eq!(vectors.export, lines);
}

fn line(entry: &SealedEntry, draft: &EntryDraft) -> String {
    export_line(&stored(entry, Some(draft)))
}

/// An entry as it stands in a database, with its draft's payload or without one.
fn stored<'a>(entry: &'a SealedEntry, draft: Option<&'a EntryDraft>) -> Stored<'a> {
    Stored {
        sequence: entry.sequence,
        canonical: &entry.canonical,
        entry_hash: &entry.entry_hash,
        salt: draft.map(|it| it.salt.as_slice()),
        payload: draft.map(|it| it.payload.as_slice()),
    }
}

fn draft(number: u8, payload: &str) -> EntryDraft {
    EntryDraft {
        entry_id: format!("0190c8a0-0000-7000-8000-0000000000{number:02}"),
        decision: "allow".into(),
        action: "execute".into(),
        identity_id: "acme".into(),
        principal_type: "agent".into(),
        principal_id: "agent-\u{e9}\n".into(),
        acting_for: vec!["user-1".into(), "service-2".into()],
        resource_kind: "query".into(),
        resource_id: format!("q{number}"),
        reason: String::new(),
        salt: [number; 32],
        payload: payload.into(),
    }
}

fn chain(payloads: &[&str]) -> (Vec<EntryDraft>, Vec<SealedEntry>) {
    let numbered = (1..).zip(payloads);
    let drafts: Vec<EntryDraft> = numbered.map(|(number, text)| draft(number, text)).collect();
    let sealed = seal(&START, &drafts).unwrap();
    (drafts, sealed)
}

fn export(payloads: &[&str]) -> Vec<u8> {
    let (drafts, sealed) = chain(payloads);
    let mut lines: Vec<String> =
        sealed.iter().zip(&drafts).map(|(entry, draft)| line(entry, draft)).collect();
    let last = sealed.last().unwrap();
    lines.push(export_tail(ORIGIN, 0, last.sequence, &last.entry_hash));
    file(&lines)
}

/// Lines as a file holds them.
fn file(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into_bytes()
}

fn verify_export(bytes: &[u8]) -> Result<u64, Broken> {
    let mut verifier = ExportVerifier::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        verifier.line(line)?;
    }
    verifier.finish()?;
    Ok(verifier.entries())
}

/// The promise of the export: nobody can change one byte of it unseen.
#[test]
fn every_changed_byte_of_an_export_is_found() {
    let good = export(&["{\"model\":\"x\"}", "d\u{e9}j\u{e0} vu \u{1f600} \"\\\u{7}", ""]);
    assert_eq!(Ok(3), verify_export(&good));

    for at in 0..good.len() {
        for flip in [0x01, 0x20, 0x80, 0xff, good[at] ^ b'\n', good[at] ^ b' '] {
            let mut changed = good.clone();
            changed[at] ^= flip;
            assert!(flip == 0 || verify_export(&changed).is_err(), "byte {at} with {flip:#04x}");
        }
    }
}

/// Nor cut it anywhere, the last newline included.
#[test]
fn every_cut_of_an_export_is_found() {
    let good = export(&["a", "b"]);

    for end in 0..good.len() {
        assert!(verify_export(&good[..end]).is_err(), "cut to {end} bytes");
        assert!(verify_export(&good[end + 1..]).is_err(), "without its first {} bytes", end + 1);
        let without = [&good[..end], &good[end + 1..]].concat();
        assert!(verify_export(&without).is_err(), "without byte {end}");
    }
}

/// An export whose end is missing says nothing about what was cut.
#[test]
fn a_cut_or_extended_export_is_found() {
    let good = export(&["a", "b"]);
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();

    assert_eq!(Err(Broken::NoTail), verify_export(&lines[..2].concat()));
    assert_eq!(Err(Broken::NoTail), verify_export(b""));
    assert_eq!(Err(Broken::Tail), verify_export(&[lines[0], lines[2]].concat()));
    assert_eq!(Err(Broken::AfterTail(4)), verify_export(&[&good, lines[0]].concat()));
    assert_eq!(Err(Broken::AfterTail(4)), verify_export(&[&good, &b"\n"[..]].concat()));
    assert_eq!(Err(Broken::AfterTail(4)), verify_export(&[&good, &b" "[..]].concat()));
    assert_eq!(Err(Broken::Newline(3)), verify_export(&good[..good.len() - 1]));
    assert_eq!(
        Err(Broken::Sequence { expected: 1, found: 2 }),
        verify_export(&[lines[1], lines[0], lines[2]].concat())
    );
}

/// A tool that rewrote the line ends has rewritten the file.
#[test]
fn other_line_ends_are_found() {
    let text = String::from_utf8(export(&["a", "b"])).unwrap();
    let doubled = text.replacen('\n', "\n\n", 1);

    assert_eq!(Err(Broken::Line(1)), verify_export(text.replace('\n', "\r\n").as_bytes()));
    assert_eq!(Err(Broken::Newline(1)), verify_export(text.replace('\n', "\r").as_bytes()));
    assert_eq!(Err(Broken::Line(2)), verify_export(doubled.as_bytes()));
}

/// JSON that means the same in other bytes would let a change hide in the form.
#[test]
fn only_the_canonical_form_of_a_line_is_accepted() {
    let text = String::from_utf8(export(&["abc"])).unwrap();

    assert_eq!(Err(Broken::Line(1)), verify_export(text.replacen(':', ": ", 1).as_bytes()));
    assert_eq!(Err(Broken::Line(1)), verify_export(text.replace("abc", "\\u0061bc").as_bytes()));
    assert_eq!(
        Err(Broken::Line(1)),
        verify_export(text.replacen("\"origin", "\"x\":1,\"origin", 1).as_bytes())
    );
}

/// The form of the entry that says a payload was erased.
fn erasure(number: u8, entry_id: &str) -> EntryDraft {
    EntryDraft {
        decision: "admin".into(),
        action: "delete".into(),
        resource_kind: "ledger_entry".into(),
        resource_id: entry_id.into(),
        ..draft(number, "{}")
    }
}

/// Seals `drafts` and exports them; those whose numbers are in `missing` have no payload.
fn export_without(drafts: &[EntryDraft], missing: &[u64]) -> (Vec<SealedEntry>, Vec<u8>) {
    let sealed = seal(&START, drafts).unwrap();
    let shown = |entry: &SealedEntry| !missing.contains(&entry.sequence);
    let mut lines: Vec<String> = sealed
        .iter()
        .zip(drafts)
        .map(|(entry, draft)| export_line(&stored(entry, shown(entry).then_some(draft))))
        .collect();
    let last = sealed.last().unwrap();
    lines.push(export_tail(ORIGIN, 0, last.sequence, &last.entry_hash));
    (sealed, file(&lines))
}

const START: Batch<'static> = Batch {
    origin: ORIGIN,
    ledger_number: 0,
    batch_id: "0190c8a0-0000-7000-8000-0000000000ff",
    time_us: 1_795_000_000_000_000,
    size: 0,
    head: NO_HEAD,
};

/// Erasure takes payload and salt and says so; then the chain still holds.
#[test]
fn a_missing_payload_holds_only_with_its_erasure_entry() {
    let (kept, gone) = (draft(1, "kept"), draft(2, "gone"));
    let erased = erasure(3, &gone.entry_id);
    let check =
        |drafts: &[EntryDraft], missing: &[u64]| verify_export(&export_without(drafts, missing).1);
    let all = [kept.clone(), gone.clone(), erased.clone()];

    assert_eq!(Ok(3), check(&all, &[2]));
    assert_eq!(Err(Broken::Unerased(2)), check(&all[..2], &[2]));
    assert_eq!(Err(Broken::NotErased(3)), check(&all, &[]));
    assert_eq!(Err(Broken::NotErased(3)), check(&all, &[1]));
    assert_eq!(Err(Broken::Unerased(1)), check(&all, &[1, 2]));
    assert_eq!(Err(Broken::NotErased(2)), check(&[kept.clone(), erased, gone], &[3]));
    let again = erasure(4, &all[1].entry_id);
    assert_eq!(Err(Broken::NotErased(4)), check(&[&all[..], &[again]].concat(), &[2]));
    let own = EntryDraft { resource_id: draft(1, "").entry_id, ..erasure(1, "") };
    assert_eq!(Err(Broken::NotErased(1)), check(&[own], &[1]));
}

/// An entry that looks nearly like an erasure erases nothing.
#[test]
fn only_the_exact_form_of_an_erasure_counts() {
    let gone = draft(1, "gone");
    let erased = erasure(2, &gone.entry_id);
    let forms = [
        EntryDraft { decision: "allow".into(), ..erased.clone() },
        EntryDraft { action: "update".into(), ..erased.clone() },
        EntryDraft { resource_kind: "query".into(), ..erased.clone() },
    ];

    for form in forms {
        let (_, bytes) = export_without(&[gone.clone(), form], &[1]);
        assert_eq!(Err(Broken::Unerased(1)), verify_export(&bytes));
    }
}

/// What the erasure erased is told as erased, also of an erasure's own payload.
#[test]
fn an_erasure_can_be_erased() {
    let gone = draft(1, "gone");
    let first = erasure(2, &gone.entry_id);
    let second = erasure(3, &first.entry_id);

    assert_eq!(Ok(3), verify_export(&export_without(&[gone, first, second], &[1, 2]).1));
}

/// The verdict says how far the chain holds, though the end alone tells that an erasure is missing.
#[test]
fn an_unexplained_payload_leaves_the_chain_before_it() {
    let drafts = [draft(1, "kept"), draft(2, "gone"), draft(3, "kept")];
    let (sealed, _) = export_without(&drafts, &[]);
    let mut verifier = ChainVerifier::new(None, 0);
    for (entry, draft) in sealed.iter().zip(&drafts) {
        let shown = Disclosed { salt: &draft.salt, payload: &draft.payload };
        let shown = (entry.sequence != 2).then_some(shown);
        verifier.entry(&entry.canonical, &entry.entry_hash, shown).unwrap();
    }

    assert_eq!(Err(Broken::Unerased(2)), verifier.finish());
    assert_eq!((1, &sealed[0].entry_hash), (verifier.size(), verifier.head()));
}

/// Salt and payload go together; one alone is a change.
#[test]
fn half_an_erasure_is_found() {
    let (drafts, sealed) = chain(&["gone"]);
    let whole = stored(&sealed[0], Some(&drafts[0]));
    let tail = export_tail(ORIGIN, 0, 1, &sealed[0].entry_hash);

    for half in [Stored { salt: None, ..whole }, Stored { payload: None, ..whole }] {
        let bytes = file(&[export_line(&half), tail.clone()]);
        assert_eq!(Err(Broken::Entry(LedgerError::HalfErased)), verify_export(&bytes));
    }
}

/// No export hides a damaged row: what it holds is written, and does not verify.
#[test]
fn a_damaged_row_is_exported_as_it_is() {
    let (drafts, sealed) = chain(&["a"]);
    let whole = stored(&sealed[0], Some(&drafts[0]));
    let tail = export_tail(ORIGIN, 0, 1, &sealed[0].entry_hash);
    let check = |damaged: Stored<'_>| verify_export(&file(&[export_line(&damaged), tail.clone()]));

    assert_eq!(Ok(1), check(whole));
    assert_eq!(Err(Broken::Unreadable(1)), check(Stored { canonical: b"", ..whole }));
    let short = &whole.canonical[1..];
    assert_eq!(Err(Broken::Unreadable(1)), check(Stored { canonical: short, ..whole }));
    assert_eq!(Err(Broken::Unreadable(1)), check(Stored { entry_hash: b"short", ..whole }));
    assert_eq!(Err(Broken::Unreadable(1)), check(Stored { salt: Some(b"short"), ..whole }));
    assert_eq!(Err(Broken::Unreadable(1)), check(Stored { payload: Some(b"\xff"), ..whole }));
    assert_eq!(Err(Broken::EntryHash(1)), check(Stored { entry_hash: &NO_HEAD, ..whole }));
    assert_eq!(Err(Broken::PayloadDigest(1)), check(Stored { payload: Some(b"b"), ..whole }));
    let bad_tail = file(&[export_line(&whole), export_tail(ORIGIN, 0, 1, b"short")]);
    assert_eq!(Err(Broken::Tail), verify_export(&bad_tail));
}

/// Each way in which a stored row can be wrong has its own name.
#[test]
fn a_stored_chain_says_what_is_wrong() {
    let (drafts, sealed) = chain(&["a", "b"]);
    let shown = Disclosed { salt: &drafts[0].salt, payload: b"other" };
    let check = |origin: &str, ledger, entry: &SealedEntry, hash: &Hash, shown| {
        ChainVerifier::new(Some(origin.into()), ledger).entry(&entry.canonical, hash, shown)
    };

    assert_eq!(Ok(()), check(ORIGIN, 0, &sealed[0], &sealed[0].entry_hash, None));
    assert_eq!(Err(Broken::EntryHash(1)), check(ORIGIN, 0, &sealed[0], &NO_HEAD, None));
    let hash = &sealed[0].entry_hash;
    assert_eq!(Err(Broken::PayloadDigest(1)), check(ORIGIN, 0, &sealed[0], hash, Some(shown)));
    assert_eq!(Err(Broken::OtherLedger(1)), check("else", 0, &sealed[0], hash, None));
    assert_eq!(Err(Broken::OtherLedger(1)), check(ORIGIN, 1, &sealed[0], hash, None));
}

/// An entry that was rewritten with a matching hash still breaks the chain after it.
#[test]
fn a_rewritten_entry_breaks_the_chain_after_it() {
    let (_, sealed) = chain(&["a", "b"]);
    let (_, other) = chain(&["x", "b"]);
    let mut verifier = ChainVerifier::new(None, 0);
    verifier.entry(&other[0].canonical, &other[0].entry_hash, None).unwrap();

    let next = verifier.entry(&sealed[1].canonical, &sealed[1].entry_hash, None);

    assert_eq!(Err(Broken::Chain(2)), next);
    assert_eq!((1, &other[0].entry_hash), (verifier.size(), verifier.head()));
}

/// A payload that is not text could never be exported, so it is never sealed.
#[test]
fn a_payload_must_be_text() {
    let mut bad = draft(1, "");
    bad.payload = vec![0xff];

    assert_eq!(Err(LedgerError::PayloadNotUtf8), seal(&START, [&bad]));
    let full = Batch { size: u64::MAX, ..START };
    assert_eq!(Err(LedgerError::SequenceOverflow), seal(&full, [&draft(1, "")]));
}

proptest! {
    /// Nor put anything into it.
    #[test]
    fn every_insertion_into_an_export_is_found(
        at in any::<prop::sample::Index>(), added in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut changed = export(&["a", "b"]);
        let at = at.index(changed.len() + 1);
        changed.splice(at..at, added);

        prop_assert!(verify_export(&changed).is_err());
    }

    /// Bytes that decode are the bytes that were encoded: an entry has one form.
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let (_, sealed) = chain(&["payload"]);
        let mut changed = sealed[0].canonical.clone();
        let at = at.index(changed.len());
        changed[at] ^= flip;

        if let Ok(entry) = LedgerEntry::decode(&changed) {
            prop_assert_eq!(Ok(changed.clone()), entry.canonical());
            prop_assert_ne!(LedgerEntry::decode(&sealed[0].canonical).unwrap(), entry);
        }
    }

    /// Any number of batches makes the same chain as one.
    #[test]
    fn a_chain_does_not_depend_on_its_batches(count in 1_usize..9, split in 0_usize..9) {
        let payloads = vec!["p"; count];
        let (drafts, whole) = chain(&payloads);
        let (first, second) = drafts.split_at(split.min(count));
        let mut parts = seal(&START, first).unwrap();
        let (size, head) = parts.last().map_or((0, NO_HEAD), |it| (it.sequence, it.entry_hash));
        parts.extend(seal(&Batch { size, head, ..START }, second).unwrap());

        prop_assert_eq!(whole, parts);
    }
}
