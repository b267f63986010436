//! What an answer says is true of the rows on which it was decided.

use std::collections::BTreeSet;

use chenu_engine::vocabulary::{CheckpointDecision, CheckpointState, CheckpointType};
use chenu_operation::answer::Answer;
use chenu_operation::command::{Admit, Caller, Command, Consume, Resolve, ResolveAll, Verdict};
use chenu_operation::decide::Effects;
use chenu_operation::rows::{Bytes, Checkpoint, HoldState, Operation, Principal, RETIRED_US};
use chenu_operation::view::{Loaded, Row, View};

use crate::world::World;

/// Check it.
pub(crate) fn check(before: &World, command: &Command, effects: &Effects) {
    check_nothing_left(command, effects);
    match command {
        Command::Admit(asked) => check_admit(before, asked, &effects.answer),
        Command::Consume(asked) => check_consume(before, asked, &effects.answer),
        Command::Resolve(asked) => check_resolve(before, asked, &effects.answer),
        Command::ResolveAll(asked) => check_resolve_all(before, asked, effects),
        _ => check_other(before, command, &effects.answer),
    }
}

/// An answer that says that nothing happened leaves nothing.
fn check_nothing_left(command: &Command, effects: &Effects) {
    let left = (effects.rows.len(), effects.entries.len());
    match &effects.answer {
        Answer::Wait { .. } => {
            assert!(effects.rows.iter().all(is_slot_taken_away), "{command:?}: {effects:?}");
            assert_eq!(0, left.1);
        }
        Answer::Known(_)
        | Answer::Full { .. }
        | Answer::FilesGone
        | Answer::Conflict
        | Answer::NotResumable(_)
        | Answer::TooDear
        | Answer::NotHeld
        | Answer::Repeated(_)
        | Answer::Lost(_)
        | Answer::OtherAction(_)
        | Answer::OwnAction(_)
        | Answer::NoneResolved(_)
        | Answer::Exists { .. }
        | Answer::Absent
        | Answer::Stale { .. }
        | Answer::InUse
        | Answer::Outdated
        | Answer::Late(_)
        | Answer::Used(_)
        | Answer::Done(false) => assert_eq!((0, 0), left, "{command:?}: {effects:?}"),
        Answer::Validation { .. } | Answer::Refused(_) => assert_eq!((0, 1), left),
        Answer::Violation(_) => assert_eq!((1, 1), left),
        _ => {}
    }
}

/// A call that waits may find a hold over, or bring the slots nearer to a lowered limit.
fn is_slot_taken_away(row: &Row) -> bool {
    matches!(row, Row::Slot(slot) if slot.free_at_us > 0 && slot.free_at_us <= RETIRED_US)
}

/// An id is its principal's, for one content; an action waits once for each who asks.
fn check_admit(before: &World, asked: &Admit, answer: &Answer) {
    let known = used(before, asked);
    let same = Some((asked.caller.principal.clone(), asked.content_digest.clone()));
    match answer {
        Answer::Known(_) => assert_eq!(same, known),
        Answer::Conflict => assert!(known.is_some() && known != same),
        Answer::Attached(first) => {
            assert_eq!(None, known);
            let checkpoint = before.checkpoint(first).unwrap();
            assert!(checkpoint.is_open() && !checkpoint.has_lapsed(before.now_us));
            assert_eq!(asked.plan.action_digest, checkpoint.action_digest);
            assert!(is_by(first, &asked.caller), "{first:?}");
        }
        Answer::Full { limit } => {
            assert_eq!(before.pending(&asked.caller.identity_id), *limit);
        }
        Answer::FilesGone => assert!(!asked.asked.files.is_empty()),
        Answer::Admitted { .. } => {
            assert_eq!(None, known);
            assert!(asked.verdict.allowed && asked.verdict.checkpoints.is_empty());
            let stored = before.rows().any(|row| matches!(row, Row::StoredFile(_)));
            assert!(stored || asked.asked.files.is_empty(), "its file is stored");
        }
        Answer::Blocked { .. } => {
            assert_eq!(None, known);
            assert!(asked.verdict.allowed && !asked.verdict.checkpoints.is_empty());
        }
        _ => assert_eq!(None, known),
    }
}

/// By whom and for what an id was used.
fn used(world: &World, asked: &Admit) -> Option<(Principal, Bytes)> {
    let (of, id) = (&asked.caller.identity_id, &asked.asked.request_id);
    let alias = world.aliases().find(|it| (of, id) == (&it.identity_id, &it.request_id));
    let own = world.operation(of, id).map(|it| (it.subject.clone(), it.content_digest.clone()));
    alias.map(|it| (it.subject.clone(), it.content_digest.clone())).or(own)
}

fn is_by(operation: &Operation, caller: &Caller) -> bool {
    (&operation.identity_id, &operation.subject, &operation.acting_for)
        == (&caller.identity_id, &caller.principal, &caller.acting_for)
}

/// What runs after an approval is what was approved, as the policies see it now.
fn check_consume(before: &World, asked: &Consume, answer: &Answer) {
    let operation = before.operation(&asked.identity_id, &asked.request_id).unwrap();
    let checkpoint = before.checkpoint(operation).unwrap();
    if let Answer::Admitted { .. } = answer {
        assert_eq!(checkpoint.action_digest, asked.plan.action_digest);
        assert!(asked.verdict.allowed && covers(checkpoint, &asked.verdict), "{asked:?}");
    }
}

fn covers(checkpoint: &Checkpoint, verdict: &Verdict) -> bool {
    verdict.checkpoints.iter().all(|(kind, _)| checkpoint.types.contains(kind))
}

/// Who is told that he has decided has, on the action that he saw; and for nobody but others where
/// that is asked for.
fn check_resolve(before: &World, asked: &Resolve, answer: &Answer) {
    let own = |it: &Checkpoint| {
        let first = format!("{}:{}", it.requested_by_type.wire_name(), it.requested_by);
        let all: BTreeSet<&String> = it.acting_for.iter().chain([&first]).collect();
        let strict = it.types.contains(&CheckpointType::ExecutionApproval);
        strict && all.contains(&asked.by.to_string())
    };
    match answer {
        Answer::Resolved(it) => assert!(!own(it), "{asked:?}: {it:?}"),
        Answer::OwnAction(it) => {
            assert!(
                own(it) && it.state == CheckpointState::Pending && !it.has_lapsed(before.now_us)
            );
        }
        _ => {}
    }
    let (Answer::Resolved(it) | Answer::Repeated(it)) = answer else { return };
    let approved = asked.decision == CheckpointDecision::Approve;
    assert_eq!(approved, it.use_before_us != 0);
    assert!(asked.expected_digest.0.is_empty() || asked.expected_digest == it.action_digest);
    let told = (&asked.by.to_string(), &asked.decision_id, &asked.reason);
    assert_eq!(told, (&it.resolved_by, &it.decision_id, &it.reason));
}

/// All leave what they would one after the other, or the first that could not keeps all from it.
fn check_resolve_all(before: &World, asked: &ResolveAll, effects: &Effects) {
    let mut alone = before.clone();
    let (mut rows, mut entries) = (Vec::new(), Vec::new());
    for each in &asked.decisions {
        let left = alone.take(&Command::Resolve(each.clone()));
        if !matches!(left.answer, Answer::Resolved(_) | Answer::Repeated(_)) {
            assert_eq!(Answer::NoneResolved(Box::new(left.answer)), effects.answer);
            return;
        }
        rows.extend(left.rows);
        entries.extend(left.entries);
    }
    let Answer::AllResolved { checkpoints, .. } = &effects.answer else {
        panic!("nothing was in the way: {asked:?}: {effects:?}")
    };
    assert_eq!(asked.decisions.len(), checkpoints.len());
    assert_eq!((put(rows), entries), (effects.rows.clone(), effects.entries.clone()));
}

/// As one command leaves them: of a row that is put again only the last is left.
fn put(rows: Vec<Row>) -> Vec<Row> {
    let nothing = Loaded::new();
    let mut view = View::new(&nothing);
    for row in rows {
        view.put(row);
    }
    view.done().0
}

fn check_other(before: &World, command: &Command, answer: &Answer) {
    match (command, answer) {
        (Command::Recover(asked), Answer::Done(true)) => {
            let operation = before.operation(&asked.identity_id, &asked.request_id).unwrap();
            assert_eq!(asked.dead_owner_id, operation.owner_id, "another's is left alone");
        }
        (Command::Retry(asked), Answer::NotHeld) => {
            assert_ne!(HoldState::Held, before.hold(&asked.operation).unwrap().state);
        }
        (Command::DeleteBudget(asked), Answer::Deleted(_) | Answer::InUse) => {
            let of = before.periods().filter(|period| period.budget_id == asked.budget_id);
            let reserved: i64 = of.map(|period| period.reserved_nanousd).sum();
            assert_eq!(reserved != 0, *answer == Answer::InUse);
        }
        (Command::KeepChunk(asked), Answer::Done(true)) => {
            let held = |row: &Row| matches!(row, Row::HeldFile(it) if it.hold_id == asked.hold_id);
            assert!(before.rows().any(held), "who has lost his hold keeps nothing");
        }
        (Command::UpdateBudget(asked), Answer::Standing(_)) => {
            let version = before.budget(&asked.budget_id).version;
            assert_eq!(version, asked.version.unwrap_or(version));
        }
        (Command::UpdateBudget(asked), Answer::Stale { version }) => {
            assert_ne!(asked.version, Some(*version));
        }
        _ => {}
    }
}
