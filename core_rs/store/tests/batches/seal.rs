//! A batch's entries as rows of the ledger: one chain, whose payloads can be erased from it.

use std::collections::BTreeSet;

use chenu_engine::ledger::{Broken, ChainVerifier, Disclosed, LedgerEntry, LedgerError};
use chenu_operation::entry::EntryDraft;
use chenu_store::Value;
use chenu_store::seal::{End, Head, Named, Sealed, ending, seal};
use uuid::{Uuid, Version};

use crate::walk::walks;

fn start() -> Head {
    Head { ledger_number: 7, origin: "origin".to_owned(), size: 0, last_hash: [0; 32] }
}

/// What a walk has left, with an entry that acts for somebody.
fn drafts() -> Vec<EntryDraft> {
    let steps = walks().into_iter().flat_map(|walk| walk.steps);
    let mut drafts: Vec<EntryDraft> =
        steps.flat_map(|(_, step)| step.effects().entries).take(30).collect();
    drafts[3].acting_for = vec!["user:ann".to_owned(), "service:crm".to_owned()];
    drafts
}

fn named(drafts: &[EntryDraft]) -> Vec<Named> {
    Named::fresh(drafts.len()).unwrap()
}

fn blob(value: &Value) -> &[u8] {
    match value {
        Value::Blob(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

fn follow(verifier: &mut ChainVerifier, sealed: &Sealed) -> Result<(), Broken> {
    for (entry, payload) in sealed.entries.iter().zip(&sealed.payloads) {
        let salt = blob(&payload[1]).try_into().unwrap();
        let disclosed = Disclosed { salt: &salt, payload: text(&payload[2]).as_bytes() };
        verifier.entry(blob(&entry[13]), blob(&entry[14]), Some(disclosed))?;
    }
    Ok(())
}

/// Whoever has the export can check it without a word of ours: each batch goes on where the last
/// one ended.
#[test]
fn two_batches_are_one_chain() {
    let drafts = drafts();
    let (first, second) = drafts.split_at(17);
    let one = seal(&start(), "one", 5, first, &named(first)).unwrap();
    let two = seal(&one.head, "two", 9, second, &named(second)).unwrap();
    let mut verifier = ChainVerifier::new(Some("origin".to_owned()), 7);
    follow(&mut verifier, &one).unwrap();
    let between = (verifier.size(), *verifier.head());
    follow(&mut verifier, &two).unwrap();

    assert_eq!((one.head.size, one.head.last_hash), between);
    assert_eq!((two.head.size, two.head.last_hash), (verifier.size(), *verifier.head()));
    assert_eq!(30, verifier.size());
    assert_eq!(Ok(()), verifier.finish());
}

/// The columns are what is searched by, and the canonical bytes what counts: they say the same.
#[test]
fn an_entrys_columns_say_what_its_bytes_say() {
    let drafts = drafts();
    let names = named(&drafts);
    let head = Head { size: 40, last_hash: [9; 32], ..start() };
    let sealed = seal(&head, "batch", 5, &drafts, &names).unwrap();
    for (((draft, name), row), number) in drafts.iter().zip(&names).zip(&sealed.entries).zip(41..) {
        let bound = LedgerEntry::decode(blob(&row[13])).unwrap();
        let words = [
            (&bound.entry_id, name.entry_id.as_str()),
            (&bound.batch_id, "batch"),
            (&bound.decision, draft.decision.wire_name()),
            (&bound.action, draft.action.wire_name()),
            (&bound.identity_id, &draft.identity_id),
            (&bound.principal_type, draft.subject.kind.wire_name()),
            (&bound.principal_id, &draft.subject.id),
            (&bound.resource_kind, &draft.resource_kind),
            (&bound.resource_id, &draft.resource_id),
            (&bound.reason, &draft.reason),
        ];
        let columns = [2, 3, 5, 6, 7, 8, 9, 10, 11, 12].map(|at: usize| text(&row[at]));

        assert_eq!(words.map(|(_, said)| said), columns);
        assert_eq!(words.map(|(bound, _)| &**bound), columns);
        assert_eq!(draft.acting_for, bound.acting_for);
        assert_eq!([Value::Int(7), Value::Int(number)], row[..2]);
        assert_eq!(Value::Int(5), row[4]);
        assert_eq!(15, row.len());
        assert_eq!(
            (7, u64::try_from(number).unwrap(), 5),
            (bound.ledger_number, bound.sequence, bound.time_us,)
        );
    }
}

/// A payload stands behind its entry's id, with the salt that keeps it from being guessed.
#[test]
fn a_payload_stands_apart_with_its_salt() {
    let drafts = drafts();
    let names = named(&drafts);
    let sealed = seal(&start(), "batch", 5, &drafts, &names).unwrap();
    let expected = drafts.iter().zip(&names).map(|(draft, name)| {
        vec![
            Value::Text(name.entry_id.clone()),
            Value::Blob(name.salt.to_vec()),
            Value::Text(draft.payload.clone()),
        ]
    });

    assert_eq!(expected.collect::<Vec<_>>(), sealed.payloads);
}

/// With one salt for two, who may read one payload could find out whether the other is the same.
#[test]
fn names_are_given_once_and_ascend() {
    let names: Vec<Named> = (0..5).flat_map(|_| Named::fresh(200).unwrap()).collect();
    let salts: BTreeSet<_> = names.iter().map(|name| name.salt).collect();
    let halves: BTreeSet<_> = names.iter().flat_map(|name| name.salt.chunks(16)).collect();
    let ids: BTreeSet<_> = names.iter().map(|name| &name.entry_id).collect();
    let is_sorted = |names: &[Named]| names.is_sorted_by_key(|name| name.entry_id.clone());
    let version = |name: &Named| Uuid::parse_str(&name.entry_id).unwrap().get_version();

    assert_eq!([1_000, 2_000, 1_000], [salts.len(), halves.len(), ids.len()]);
    assert!(names.chunks(200).all(is_sorted));
    assert!(names.iter().all(|name| version(name) == Some(Version::SortRand)));
    assert_eq!(Vec::<Named>::new(), Named::fresh(0).unwrap());
}

#[test]
fn without_entries_the_chain_stands_where_it_stood() {
    let head = Head { size: 40, last_hash: [9; 32], ..start() };
    let sealed = seal(&head, "batch", 5, &[], &[]).unwrap();

    assert_eq!(Sealed { entries: Vec::new(), payloads: Vec::new(), head }, sealed);
}

/// A database counts to 2^63: the entry behind it would be stored under another one's number.
#[test]
fn a_chain_is_as_long_as_its_numbers_are() {
    let drafts = drafts();
    let most = i64::MAX.unsigned_abs();
    let before = |size| Head { size, ..start() };
    let two = &drafts[..2];
    let last = seal(&before(most - 2), "batch", 5, two, &named(two)).unwrap();

    assert_eq!((Value::Int(i64::MAX), most), (last.entries[1][1].clone(), last.head.size));
    for size in [most - 1, most, u64::MAX] {
        let refused = seal(&before(size), "batch", 5, two, &named(two));

        assert_eq!(Err(LedgerError::SequenceOverflow), refused, "{size}");
    }
}

/// No later batch may be at an earlier time, and a COMMIT without an answer is looked up by its
/// batch: both are written whatever there is to enter, and no table is written without rows.
#[test]
fn a_batch_without_entries_ends_with_its_head_and_itself() {
    let end = End { writer_id: "writer", batch_id: "batch", time_us: 5 };
    let (head, drafts) = (start(), drafts());
    let tables = |drafts: &[EntryDraft]| -> Vec<(&str, usize)> {
        let ended = ending(&head, end, drafts, &named(drafts)).unwrap();
        ended.into_iter().map(|(table, rows)| (table, rows.len())).collect()
    };

    let last = [("ledger_heads", 1), ("batches", 1)];
    assert_eq!(last.to_vec(), tables(&[]));
    assert_eq!(
        [&[("ledger_entries", 30), ("ledger_payloads", 30)], &last[..]].concat(),
        tables(&drafts)
    );
}
