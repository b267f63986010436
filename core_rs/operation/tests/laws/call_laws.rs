//! What holds of calls that models proposed, at every commit and from one to the next.

use chenu_engine::vocabulary::{
    CheckpointState, EventType, LedgerDecision, PartKind, QueryState, ToolCallState,
};
use chenu_operation::decide::Effects;
use chenu_operation::rows::{Chunk, Content, Operation, StoredPart, ToolCall};
use chenu_operation::view::Row;

use crate::laws::decisions;
use crate::tool_calls::{ARGUMENTS, arguments, in_seconds};
use crate::world::World;

// --- at every commit ----------------------------------------------------------------------------

/// Check a call.
pub(crate) fn check(world: &World, operation: &Operation) {
    let call = world.tool_call(operation).unwrap();
    assert_eq!(0, operation.deadline_ms, "nothing but a person's time ends it");
    assert_eq!(operation.content_digest, operation.action_digest);
    check_release(world, operation, call);
    check_told(world, operation, call);
    check_entries(world, operation, call);
}

/// A release is made once, of what nothing holds any more, and is over before its approval is.
fn check_release(world: &World, operation: &Operation, call: &ToolCall) {
    let ToolCall { taken_us, expires_us, redeemed_us, .. } = *call;
    let taken = taken_us != 0;
    assert_eq!((taken, taken), (expires_us != 0, !call.key_id.is_empty()), "{call:?}");
    assert!(!taken || taken_us < expires_us && expires_us == in_seconds(expires_us), "{call:?}");
    assert!(redeemed_us == 0 || taken && (taken_us..expires_us).contains(&redeemed_us), "{call:?}");
    let completed = operation.status == QueryState::Completed;
    assert!(!taken || completed, "{operation:?}");
    if let Some(checkpoint) = world.checkpoint(operation) {
        assert_eq!(completed, taken, "what waited is completed by who takes it: {operation:?}");
        assert_eq!(taken_us, checkpoint.consumed_us);
        assert!(!taken || checkpoint.state == CheckpointState::Approved);
        assert!(!taken || expires_us <= checkpoint.use_before_us, "{call:?}: {checkpoint:?}");
        assert_eq!(operation.action_digest, checkpoint.action_digest);
    }
}

/// Its answer tells of it, as it was decided then; its arguments are kept unless it was refused.
fn check_told(world: &World, operation: &Operation, call: &ToolCall) {
    let answer = world.operation(&operation.identity_id, &call.query_id).unwrap();
    assert_eq!(QueryState::Completed, answer.status, "a failed answer has no calls");
    let part = &answer.query.output_parts[usize::try_from(call.part).unwrap()];
    let told = part.call.as_ref().unwrap();
    assert_eq!(operation.request_id, told.call_id);
    let refused = operation.checkpoint_id.is_empty() && operation.status == QueryState::Failed;
    let state = match (&*operation.checkpoint_id, refused) {
        (_, true) => ToolCallState::Refused,
        ("", false) => ToolCallState::Passed,
        _ => ToolCallState::Held,
    };
    assert_eq!((state, &operation.checkpoint_id), (told.state, &told.checkpoint_id));
    let reason = if refused { operation.outcome.name() } else { "" };
    assert_eq!(reason, told.reason);
    let expires_us = world.checkpoint(operation).map_or(0, |it| it.expires_us);
    assert_eq!(expires_us, told.expires_us);
    let kept = contents(world).filter(|it| it.request_id == operation.request_id);
    let kept: Vec<&str> =
        kept.filter(|it| it.identity_id == operation.identity_id).map(|it| &*it.request).collect();
    let wanted = arguments(&operation.request_id);
    assert_eq!(if refused { vec![] } else { vec![&*wanted] }, kept, "{operation:?}");
}

fn contents(world: &World) -> impl Iterator<Item = &Content> {
    world.rows().filter_map(|row| if let Row::Content(it) = row { Some(it) } else { None })
}

/// Each thing that became of it stands in the ledger, once.
fn check_entries(world: &World, operation: &Operation, call: &ToolCall) {
    use LedgerDecision::{Allow, Approve, Block, Deny, Execute, Expire, Reject, Settle};
    let count = |decision| decisions(world, operation, &[decision]);
    let is = |status| usize::from(operation.status == status);
    let checkpoint = world.checkpoint(operation);
    let held = usize::from(checkpoint.is_some());
    let approved = usize::from(checkpoint.is_some_and(|it| it.use_before_us != 0));
    let passed = (1 - held) * is(QueryState::Completed);
    assert_eq!((passed, held), (count(Allow), count(Block)), "{operation:?}");
    assert_eq!((approved, is(QueryState::Rejected)), (count(Approve), count(Reject)));
    assert_eq!(
        (is(QueryState::Expired), is(QueryState::Cancelled)),
        (count(Expire), count(Settle))
    );
    assert_eq!(usize::from(call.taken_us != 0), count(Execute));
    // What passed may be refused to whoever takes it, any number of times, until it is taken.
    assert!(passed == 1 || is(QueryState::Failed) == count(Deny), "{operation:?}");
    let redeemed = world.entries.iter().filter(|entry| {
        (&*entry.resource_kind, &entry.identity_id, &entry.resource_id)
            == ("release", &operation.identity_id, &operation.request_id)
    });
    assert_eq!(usize::from(call.redeemed_us != 0), redeemed.count());
}

// --- from one commit to the next ----------------------------------------------------------------

/// What a call has besides is set once, and never after.
pub(crate) fn goes_on(was: Option<&Row>, it: &ToolCall, by: &str, now_us: i64) {
    let Some(Row::ToolCall(was)) = was else {
        assert_eq!(("settle", 0, 0, 0), (by, it.taken_us, it.expires_us, it.redeemed_us));
        return;
    };
    match by {
        "take" => {
            assert_eq!((0, now_us), (was.taken_us, it.taken_us), "it is released once");
            let (expires_us, key_id) = (it.expires_us, it.key_id.clone());
            let taken = ToolCall { taken_us: now_us, expires_us, key_id, ..(**was).clone() };
            assert_eq!(&taken, it);
        }
        "redeem" => {
            assert_eq!(0, was.redeemed_us, "it is redeemed once");
            assert_eq!(&ToolCall { redeemed_us: now_us, ..(**was).clone() }, it);
        }
        _ => panic!("{by} changes {was:?}"),
    }
}

/// The arguments of a call stand in its own content; of one that passed, in the answer's output
/// besides. No other row, no entry and no answer has any.
pub(crate) fn check_step(before: &World, after: &World, effects: &Effects) {
    for row in &effects.rows {
        match row {
            Row::Content(it) if it.request.contains(ARGUMENTS) => {
                assert_eq!(arguments(&it.request_id), it.request);
            }
            Row::Chunk(it) if it.text.contains(ARGUMENTS) => {
                let passed = effects.rows.iter().any(|row| match row {
                    Row::Operation(of) => {
                        of.identity_id == it.identity_id
                            && of.status == QueryState::Completed
                            && it.text == arguments(&of.request_id)
                    }
                    _ => false,
                });
                assert!(passed, "only what passed is delivered: {it:?}");
            }
            other => assert!(!format!("{other:?}").contains(ARGUMENTS), "{other:?}"),
        }
    }
    let told = format!("{:?} {:?}", effects.entries, effects.answer);
    assert!(!told.contains(ARGUMENTS), "{told}");
    for row in &effects.rows {
        if let Row::Operation(it) = row {
            let was = before.operation(&it.identity_id, &it.request_id);
            if it.status == QueryState::Completed && was.is_some_and(|was| !was.is_final()) {
                check_output(after, it);
            }
        }
    }
}

/// The row of an answer says how long each part is that is delivered, and what became of each call.
fn check_output(world: &World, operation: &Operation) {
    let parts = &operation.query.output_parts;
    for (number, part) in (0..).zip(parts) {
        let delivered: usize = world
            .rows()
            .filter_map(|row| match row {
                Row::Chunk(it) if it.part == number && is_of(operation, it) => Some(it.text.len()),
                _ => None,
            })
            .sum();
        assert_eq!(part.length, i64::try_from(delivered).unwrap(), "{part:?}");
        assert_eq!(part.kind == PartKind::ToolCall, part.call.is_some(), "{part:?}");
        let passed = |it: &StoredPart| it.call.as_ref().map(|it| it.state == ToolCallState::Passed);
        assert!(passed(part).is_none_or(|passed| passed == (part.length > 0)), "{part:?}");
    }
    assert_eq!(parts.iter().map(|it| it.length).sum::<i64>(), operation.query.output_length);
    let states = parts.iter().filter_map(|it| it.call.as_ref().map(|it| it.state));
    let states: Vec<ToolCallState> = states.collect();
    for (kind, state) in [
        (EventType::ToolCallPassed, ToolCallState::Passed),
        (EventType::ToolCallHeld, ToolCallState::Held),
        (EventType::ToolCallRefused, ToolCallState::Refused),
    ] {
        let events = world.segments(operation).flat_map(|it| &it.events);
        let told = states.iter().filter(|it| **it == state).count();
        assert_eq!(told, events.filter(|it| it.kind == kind).count(), "{kind:?}");
    }
}

fn is_of(operation: &Operation, it: &Chunk) -> bool {
    (&it.identity_id, &it.request_id) == (&operation.identity_id, &operation.request_id)
}
