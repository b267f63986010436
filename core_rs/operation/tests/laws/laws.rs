//! What holds at every commit, whatever the commands were.

use std::collections::{BTreeMap, BTreeSet};

use chenu_engine::vocabulary::{
    CheckpointState, EventType, Lane, LaneStatus, LedgerDecision, OperationKind, QueryState,
};
use chenu_operation::rows::{Attempt, AttemptState, Event, Operation, Query};

use crate::world::World;
use crate::{call_laws, money, slots};

/// Check all of them.
pub(crate) fn check(world: &World) {
    for operation in world.operations() {
        check_end(operation);
        match operation.kind {
            OperationKind::Query => {
                check_log(world, operation);
                check_calls(world, operation);
                check_lanes(operation);
            }
            OperationKind::Reservation => check_spending(world, operation),
            OperationKind::ToolCall => {
                check_spending(world, operation);
                call_laws::check(world, operation);
            }
        }
        check_checkpoint(world, operation);
        if operation.kind != OperationKind::ToolCall {
            check_ledger(world, operation);
        }
    }
    check_names(world);
    check_waiting(world);
    money::check(world);
    slots::check(world);
}

/// What has ended has a time, and a reason unless it completed.
fn check_end(operation: &Operation) {
    let completed = operation.status == QueryState::Completed;
    let is_final = operation.is_final();
    assert_eq!(completed || !is_final, operation.outcome.reason.is_none());
    assert_eq!(is_final, operation.ended_us != 0);
}

/// Nobody runs it, nobody is called for it, and no log tells of it.
fn check_spending(world: &World, operation: &Operation) {
    assert_eq!((0, Query::default()), (operation.event_count, operation.query.clone()));
    assert!(operation.owner_id.is_empty() && !operation.estimated);
    assert!(
        world.segments(operation).next().is_none() && world.attempts(operation).next().is_none()
    );
    let completed = operation.status == QueryState::Completed;
    assert!(completed || operation.cost_nanousd == 0, "{operation:?}");
}

/// Sequences are dense, times never go back, and the final event is last, once, and only there.
fn check_log(world: &World, operation: &Operation) {
    let events: Vec<&Event> = world.segments(operation).flat_map(|it| &it.events).collect();
    let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!((1..=operation.event_count).collect::<Vec<i64>>(), sequences, "{operation:?}");
    assert!(events.is_sorted_by_key(|event| event.time_us), "{events:?}");
    let last = events.last().unwrap();
    let finals = events.iter().filter(|event| event.kind.is_final()).count();
    let is_final = operation.is_final();
    assert_eq!((usize::from(is_final), is_final), (finals, last.kind.is_final()));
    let completed = operation.status == QueryState::Completed;
    assert_eq!(completed, last.kind == EventType::PipelineComplete);
    assert_eq!(if is_final { last.time_us } else { 0 }, operation.ended_us);

    let lanes: Vec<Lane> = events.iter().filter_map(|event| lane_of(event)).collect();
    assert!(lanes.is_sorted(), "lanes come in their order: {lanes:?}");
}

fn lane_of(event: &Event) -> Option<Lane> {
    let of_lane = [EventType::LaneStart, EventType::LaneComplete, EventType::LaneError];
    of_lane.contains(&event.kind).then(|| {
        let lane = event.body.split('"').nth(3); // the value after the first key
        lane.and_then(Lane::from_wire_name).unwrap()
    })
}

/// One attempt executes exactly while the operation runs; each has one `execute` entry and is told
/// in the log once as it begins and once as it ends.
fn check_calls(world: &World, operation: &Operation) {
    let attempts: Vec<&Attempt> = world.attempts(operation).collect();
    let numbers: Vec<i64> = attempts.iter().map(|attempt| attempt.attempt).collect();
    let executing = attempts.iter().filter(|it| it.state == AttemptState::Executing).count();
    let running = operation.status == QueryState::Running;
    assert_eq!(usize::from(running), executing, "{operation:?}: {attempts:?}");
    assert_eq!((1..=operation.query.attempts).collect::<Vec<i64>>(), numbers);
    assert!(attempts.iter().all(|it| (it.state == AttemptState::Executing) == (it.ended_us == 0)));
    let executes = decisions(world, operation, &[LedgerDecision::Execute]);
    assert_eq!(attempts.len(), executes, "one entry for each attempt");

    let told = |kinds: &[EventType]| {
        let events = world.segments(operation).flat_map(|it| &it.events);
        events.filter(|event| kinds.contains(&event.kind)).count()
    };
    assert_eq!(attempts.len(), told(&[EventType::LlmCallStart]));
    let ends = told(&[EventType::LlmCallComplete, EventType::LlmCallError]);
    assert_eq!(attempts.len() - executing, ends, "{operation:?}");
    assert_eq!(running, !operation.owner_id.is_empty(), "who runs it owns it");
}

/// Lanes stand in their order; at the end all do, and each has come to something.
fn check_lanes(operation: &Operation) {
    let lanes: Vec<Lane> = operation.query.lanes.iter().map(|report| report.lane).collect();
    assert!(lanes.is_sorted_by(|one, other| one < other), "{lanes:?}");
    if operation.is_final() {
        assert_eq!(Lane::ALL, lanes, "{operation:?}");
        let ended = [LaneStatus::Completed, LaneStatus::Failed, LaneStatus::Skipped];
        assert!(operation.query.lanes.iter().all(|report| ended.contains(&report.status)));
    }
}

/// An operation waits exactly while its checkpoint is open, and runs after one only by its use.
fn check_checkpoint(world: &World, operation: &Operation) {
    let Some(checkpoint) = world.checkpoint(operation) else {
        assert!(operation.checkpoint_id.is_empty() && !operation.waits(), "{operation:?}");
        return;
    };
    let used = checkpoint.consumed_us != 0;
    let ran = operation.query.attempts > 0 || operation.kind != OperationKind::Query;
    assert!(!used || ran, "an approval is used as it runs");
    assert!(used || operation.query.attempts == 0 && operation.status != QueryState::Running);
    let expected = match operation.status {
        QueryState::Blocked => (CheckpointState::Pending, false),
        QueryState::Approved => (CheckpointState::Approved, false),
        QueryState::Rejected => (CheckpointState::Rejected, false),
        QueryState::Expired if !used => (CheckpointState::Expired, false),
        _ if used => (CheckpointState::Approved, true),
        _ => (CheckpointState::Cancelled, false),
    };
    assert_eq!(expected, (checkpoint.state, used), "{operation:?}");
    assert_eq!(operation.waits(), checkpoint.is_open());
}

/// What has ended has one closing entry, and nothing else has.
fn check_ledger(world: &World, operation: &Operation) {
    use LedgerDecision::{Deny, Expire, Reject, Settle};
    let closing = decisions(world, operation, &[Deny, Expire, Reject, Settle]);
    assert_eq!(usize::from(operation.is_final()), closing, "{operation:?}");
}

pub(crate) fn decisions(world: &World, of: &Operation, among: &[LedgerDecision]) -> usize {
    let about = world.entries.iter().filter(|entry| {
        entry.resource_kind == of.kind.wire_name()
            && (&entry.identity_id, &entry.resource_id) == (&of.identity_id, &of.request_id)
    });
    about.filter(|entry| among.contains(&entry.decision)).count()
}

/// An id names one operation, as its own or as another name of it.
fn check_names(world: &World) {
    for alias in world.aliases() {
        assert!(world.operation(&alias.identity_id, &alias.request_id).is_none(), "{alias:?}");
        let first = world.operation(&alias.identity_id, &alias.first_request_id).unwrap();
        assert!(!first.checkpoint_id.is_empty() && first.subject == alias.subject);
    }
}

/// No more wait for a person than may, and nobody is asked twice for what waits already.
fn check_waiting(world: &World) {
    let mut pending: BTreeMap<&str, i64> = BTreeMap::new();
    let mut asked = BTreeSet::new();
    for it in world.checkpoints().filter(|it| it.is_open()) {
        *pending.entry(&it.identity_id).or_insert(0) +=
            i64::from(it.state == CheckpointState::Pending);
        let who = (&it.identity_id, it.requested_by_type, &it.requested_by, &it.acting_for);
        let twice = !it.has_lapsed(world.now_us) && !asked.insert((who, it.action_digest.clone()));
        assert!(!twice, "a person is asked twice: {it:?}");
    }
    assert!(pending.values().all(|count| *count <= world.rules.pending_max), "{pending:?}");
}
