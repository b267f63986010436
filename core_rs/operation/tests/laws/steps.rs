//! What one command may change: the tables of ARCHITECTURE.md §2 as data, and what else holds
//! between a commit and the next.

use std::fmt::Debug;

use chenu_engine::vocabulary::{
    CheckpointState, LedgerAction, LedgerDecision, OperationKind, QueryState,
};
use chenu_operation::command::Command;
use chenu_operation::decide::{Effects, name};
use chenu_operation::rows::{Attempt, AttemptState, Checkpoint, Hold, HoldState, Operation};
use chenu_operation::view::Row;

use crate::world::World;
use crate::{answers, bills, call_laws, freezing, money, shortage, slots, spends, tool_calls};

/// From, to, and by which commands.
type Table<S> = &'static [(Option<S>, S, &'static [&'static str])];

const OPERATION: Table<QueryState> = &[
    (None, QueryState::Running, &["admit"]),
    (None, QueryState::Blocked, &["admit"]),
    (None, QueryState::Failed, &["admit"]),
    (Some(QueryState::Blocked), QueryState::Approved, &["resolve", "resolve_all"]),
    (Some(QueryState::Blocked), QueryState::Rejected, &["resolve", "resolve_all"]),
    (Some(QueryState::Blocked), QueryState::Expired, &["expire", "resolve"]),
    (Some(QueryState::Blocked), QueryState::Cancelled, &["cancel"]),
    (Some(QueryState::Approved), QueryState::Running, &["consume"]),
    (Some(QueryState::Approved), QueryState::Failed, &["consume"]),
    (Some(QueryState::Approved), QueryState::Expired, &["expire", "consume"]),
    (Some(QueryState::Approved), QueryState::Cancelled, &["cancel"]),
    (Some(QueryState::Running), QueryState::Running, &["retry"]),
    (Some(QueryState::Running), QueryState::Completed, &["settle"]),
    (Some(QueryState::Running), QueryState::Failed, &["settle", "recover"]),
    (Some(QueryState::Running), QueryState::Cancelled, &["settle"]),
    // A bill that comes late, for what `recover` has ended.
    (Some(QueryState::Failed), QueryState::Failed, &["settle"]),
];

/// As [`OPERATION`], of money that a service spends itself.
const RESERVATION: Table<QueryState> = &[
    (None, QueryState::Running, &["reserve"]),
    (None, QueryState::Blocked, &["reserve"]),
    (None, QueryState::Failed, &["reserve"]),
    (Some(QueryState::Blocked), QueryState::Approved, &["resolve", "resolve_all"]),
    (Some(QueryState::Blocked), QueryState::Rejected, &["resolve", "resolve_all"]),
    (Some(QueryState::Blocked), QueryState::Expired, &["expire", "resolve"]),
    (Some(QueryState::Blocked), QueryState::Cancelled, &["cancel", "void"]),
    (Some(QueryState::Approved), QueryState::Running, &["reserve"]),
    (Some(QueryState::Approved), QueryState::Failed, &["reserve"]),
    (Some(QueryState::Approved), QueryState::Expired, &["expire", "reserve"]),
    (Some(QueryState::Approved), QueryState::Cancelled, &["cancel", "void"]),
    (Some(QueryState::Running), QueryState::Completed, &["post"]),
    (Some(QueryState::Running), QueryState::Cancelled, &["void"]),
    // Whoever asks once its time is over finds it ended.
    (Some(QueryState::Running), QueryState::Expired, &["lapse", "reserve", "post", "void"]),
];

/// As [`OPERATION`], of a call that a model proposed. It never runs: it is decided on as its answer
/// is settled, and who takes it ends its waiting.
const TOOL_CALL: Table<QueryState> = &[
    (None, QueryState::Completed, &["settle"]),
    (None, QueryState::Blocked, &["settle"]),
    (None, QueryState::Failed, &["settle"]),
    (Some(QueryState::Blocked), QueryState::Approved, &["resolve", "resolve_all"]),
    (Some(QueryState::Blocked), QueryState::Rejected, &["resolve", "resolve_all"]),
    (Some(QueryState::Blocked), QueryState::Expired, &["expire", "resolve", "take"]),
    (Some(QueryState::Blocked), QueryState::Cancelled, &["cancel"]),
    (Some(QueryState::Approved), QueryState::Completed, &["take"]),
    (Some(QueryState::Approved), QueryState::Failed, &["take"]),
    (Some(QueryState::Approved), QueryState::Expired, &["expire", "take"]),
    (Some(QueryState::Approved), QueryState::Cancelled, &["cancel"]),
];

const CHECKPOINT: Table<CheckpointState> = &[
    (None, CheckpointState::Pending, &["admit", "reserve", "settle"]),
    (Some(CheckpointState::Pending), CheckpointState::Approved, &["resolve", "resolve_all"]),
    (Some(CheckpointState::Pending), CheckpointState::Rejected, &["resolve", "resolve_all"]),
    (Some(CheckpointState::Pending), CheckpointState::Expired, &["expire", "resolve", "take"]),
    (Some(CheckpointState::Pending), CheckpointState::Cancelled, &["cancel", "void"]),
    (Some(CheckpointState::Approved), CheckpointState::Approved, &["consume", "reserve", "take"]),
    (
        Some(CheckpointState::Approved),
        CheckpointState::Cancelled,
        &["cancel", "consume", "void", "reserve", "take"],
    ),
    (
        Some(CheckpointState::Approved),
        CheckpointState::Expired,
        &["expire", "consume", "reserve", "take"],
    ),
];

const HOLD: Table<HoldState> = &[
    (None, HoldState::Held, &["admit", "reserve"]),
    // `resolve` sets until when the money of an approved operation is held.
    (
        Some(HoldState::Held),
        HoldState::Held,
        &["retry", "consume", "resolve", "resolve_all", "reserve"],
    ),
    (Some(HoldState::Held), HoldState::Posted, &["settle", "post"]),
    (
        Some(HoldState::Held),
        HoldState::Voided,
        &["resolve", "resolve_all", "cancel", "consume", "settle", "void", "reserve"],
    ),
    // All but `expire`, `recover` and `lapse` where they come too late.
    (
        Some(HoldState::Held),
        HoldState::Expired,
        &["expire", "resolve", "consume", "recover", "lapse", "reserve", "post", "void"],
    ),
    (Some(HoldState::Expired), HoldState::Expired, &["settle"]),
];

const ATTEMPT: Table<AttemptState> = &[
    (None, AttemptState::Executing, &["admit", "retry", "consume"]),
    (Some(AttemptState::Executing), AttemptState::Succeeded, &["settle"]),
    (Some(AttemptState::Executing), AttemptState::Failed, &["retry", "settle"]),
    (Some(AttemptState::Executing), AttemptState::Interrupted, &["recover"]),
    // A bill that comes late: its cost grows, and nothing else changes.
    (Some(AttemptState::Interrupted), AttemptState::Interrupted, &["settle"]),
    (Some(AttemptState::Failed), AttemptState::Failed, &["settle"]),
];

/// Check what a command has changed.
pub(crate) fn check(before: &World, after: &World, command: &Command, effects: &Effects) {
    for row in &effects.rows {
        check_row(before.same(row), row, name(command), before.now_us);
    }
    check_entries(before, after, effects);
    answers::check(before, command, effects);
    money::check_step(before, after, command, effects);
    bills::check(before, after, command, effects);
    shortage::check(before, command, &effects.answer);
    freezing::check(before, command, effects);
    slots::check_wait(before, command, effects);
    spends::check(before, after, command, effects);
    tool_calls::check(before, after, command, effects);
    call_laws::check_step(before, after, effects);
}

fn check_row(before: Option<&Row>, row: &Row, by: &str, now_us: i64) {
    match (before, row) {
        (None, Row::Operation(it)) => moves(table_of(it), None, it.status, by),
        (Some(Row::Operation(was)), Row::Operation(it)) => {
            assert_eq!(was.kind, it.kind);
            moves(table_of(it), Some(was.status), it.status, by);
            operation_goes_on(was, it);
        }
        (None, Row::Checkpoint(it)) => moves(CHECKPOINT, None, it.state, by),
        (Some(Row::Checkpoint(was)), Row::Checkpoint(it)) => {
            moves(CHECKPOINT, Some(was.state), it.state, by);
            checkpoint_goes_on(was, it, by, now_us);
        }
        (None, Row::Hold(it)) => moves(HOLD, None, it.state, by),
        (Some(Row::Hold(was)), Row::Hold(it)) => {
            moves(HOLD, Some(was.state), it.state, by);
            hold_goes_on(was, it);
        }
        (None, Row::Attempt(it)) => moves(ATTEMPT, None, it.state, by),
        (Some(Row::Attempt(was)), Row::Attempt(it)) => {
            moves(ATTEMPT, Some(was.state), it.state, by);
            attempt_goes_on(was, it);
        }
        (None, Row::Segment(it)) => {
            assert!(!it.events.is_empty() && it.events.iter().all(|it| it.time_us == now_us));
        }
        (was, Row::ToolCall(it)) => call_laws::goes_on(was, it, by, now_us),
        _ => {}
    }
}

fn table_of(it: &Operation) -> Table<QueryState> {
    match it.kind {
        OperationKind::Query => OPERATION,
        OperationKind::Reservation => RESERVATION,
        OperationKind::ToolCall => TOOL_CALL,
    }
}

fn moves<S: Copy + PartialEq + Debug>(table: Table<S>, from: Option<S>, to: S, by: &str) {
    let allowed = |(was, is, whose): &(Option<S>, S, &[&str])| {
        (*was, *is) == (from, to) && whose.contains(&by)
    };
    assert!(table.iter().any(allowed), "{by} makes {from:?} {to:?}");
}

fn operation_goes_on(was: &Operation, it: &Operation) {
    if was.is_final() {
        let billed = Operation { cost_nanousd: it.cost_nanousd, ..was.clone() };
        assert_eq!(&billed, it, "nothing but a late bill changes what is final");
        assert!(it.cost_nanousd > was.cost_nanousd);
    }
    assert!(was.event_count <= it.event_count && was.query.attempts <= it.query.attempts);
    assert_eq!((was.created_us, &was.subject), (it.created_us, &it.subject));
    assert_eq!((&was.content_digest, &was.action_digest), (&it.content_digest, &it.action_digest));
}

/// An approval is used once, and only in time; nothing is decided in or after the last instant.
fn checkpoint_goes_on(was: &Checkpoint, it: &Checkpoint, by: &str, now_us: i64) {
    assert_eq!(0, was.consumed_us, "what is used is changed no more");
    let lapsed = it.state == CheckpointState::Expired;
    // A release is good for whole seconds, so none is made in the last part of one.
    let none_left = by == "take" && was.state == CheckpointState::Approved && {
        tool_calls::in_seconds(was.use_before_us) <= now_us
    };
    let in_time = !was.has_lapsed(now_us) && !none_left;
    assert!(["cancel", "void"].contains(&by) || lapsed != in_time, "{by} at {now_us}: {was:?}");
    assert_eq!(it.consumed_us != 0, was.state == it.state, "only its use leaves it approved");
    if it.consumed_us != 0 {
        assert_eq!(&Checkpoint { consumed_us: now_us, ..was.clone() }, it);
    }
    if was.state == CheckpointState::Pending && it.state == CheckpointState::Approved {
        assert_eq!(now_us + it.lifetime_us, it.use_before_us);
    }
}

fn hold_goes_on(was: &Hold, it: &Hold) {
    assert_eq!((&was.legs, was.created_us), (&it.legs, it.created_us));
    assert!(was.posted_nanousd <= it.posted_nanousd && was.overrun_nanousd <= it.overrun_nanousd);
}

fn attempt_goes_on(was: &Attempt, it: &Attempt) {
    if was.state == it.state {
        assert_eq!(&Attempt { cost_nanousd: it.cost_nanousd, ..was.clone() }, it);
        assert!(it.cost_nanousd > was.cost_nanousd, "a late bill only adds");
    }
    assert_eq!((was.bound_nanousd, was.admitted_us), (it.bound_nanousd, it.admitted_us));
}

/// What an entry says with which an operation ends.
const CLOSING: [LedgerDecision; 4] =
    [LedgerDecision::Deny, LedgerDecision::Expire, LedgerDecision::Reject, LedgerDecision::Settle];

/// Each attempt that opens has its `execute` entry beside it, each end its one closing entry.
fn check_entries(before: &World, after: &World, effects: &Effects) {
    let entries = |kinds: &[&str], decisions: &[LedgerDecision]| {
        let about = effects.entries.iter().filter(|entry| {
            kinds.contains(&&*entry.resource_kind) && decisions.contains(&entry.decision)
        });
        about.count()
    };
    let opened = effects
        .rows
        .iter()
        .filter(|row| matches!(row, Row::Attempt(it) if it.state == AttemptState::Executing));
    assert_eq!(opened.count(), entries(&["query"], &[LedgerDecision::Execute]));
    // Proposed calls have entries of their own, which `call_laws` counts.
    let counts = |it: &&Operation| it.is_final() && it.kind != OperationKind::ToolCall;
    let ended = |world: &World| world.operations().filter(counts).count();
    assert_eq!(ended(after) - ended(before), entries(&["query", "reservation"], &CLOSING));
    for entry in &effects.entries {
        assert!(entry.action != LedgerAction::Create || entry.decision == LedgerDecision::Admin);
    }
}
