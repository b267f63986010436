//! What a person's decision, or the lack of one, does to an operation that waits for it.

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    CheckpointDecision, CheckpointState, EventType, Lane, LaneStatus, LedgerAction, LedgerDecision,
    OperationKind, QueryState,
};

use super::{budgets, log, spending};
use crate::answer::Answer;
use crate::command::{Cancel, Expire, Resolve};
use crate::entry::{self, EntryDraft, Payload};
use crate::event::{self, EventDraft};
use crate::refusal::Refusal;
use crate::rows::{Checkpoint, Hold, HoldState, LaneReport, Operation, OperationKey, Principal};
use crate::rules::Rules;
use crate::view::{Need, Row, View};
use crate::{Broken, Decided, Moment};

/// Which operation waits, and where.
pub(crate) struct Place<'a> {
    pub(crate) identity: &'a str,
    pub(crate) request: &'a str,
    pub(crate) checkpoint: &'a str,
}

impl Place<'_> {
    pub(crate) fn key(&self) -> OperationKey {
        (self.identity.to_owned(), self.request.to_owned())
    }

    /// The checkpoint, its operation and the money held for it.
    pub(crate) fn needs(&self) -> Vec<Need> {
        let (identity_id, checkpoint_id) = (self.identity, self.checkpoint);
        vec![
            Need::Checkpoint(identity_id.to_owned(), checkpoint_id.to_owned()),
            Need::Operation(self.key()),
            Need::Hold(self.key()),
        ]
    }

    /// The budgets that the money is held in.
    pub(crate) fn needs_next(&self, view: &View<'_>) -> Vec<Need> {
        budgets::needs_for_legs(view.hold(&self.key()))
    }

    /// The three rows, which are written together and never removed.
    pub(crate) fn loaded(&self, view: &View<'_>) -> Decided<Waiting> {
        let checkpoint = view.checkpoint(self.identity, self.checkpoint).cloned();
        let operation = view.operation(&self.key()).cloned();
        let hold = view.hold(&self.key()).cloned();
        match (checkpoint, operation) {
            // A proposed call costs nothing; whatever else waits has its money held.
            (Some(checkpoint), Some(operation))
                if hold.is_some() || operation.kind == OperationKind::ToolCall =>
            {
                Ok(Waiting { checkpoint, operation, hold })
            }
            _ => Err(Broken::Missing("a checkpoint stands beside its operation and its money")),
        }
    }
}

/// What waits for a person.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) operation: Operation,
    /// None of what costs nothing.
    pub(crate) hold: Option<Hold>,
}

impl Waiting {
    /// The money that is held for what costs some.
    pub(crate) fn held(&self) -> Decided<&Hold> {
        self.hold.as_ref().ok_or(Broken::Missing("what runs has its money held"))
    }
}

impl<'a> From<&'a Resolve> for Place<'a> {
    fn from(asked: &'a Resolve) -> Self {
        let Resolve { identity_id, request_id, checkpoint_id, .. } = asked;
        Self { identity: identity_id, request: request_id, checkpoint: checkpoint_id }
    }
}

impl<'a> From<&'a Expire> for Place<'a> {
    fn from(asked: &'a Expire) -> Self {
        let Expire { identity_id, request_id, checkpoint_id } = asked;
        Self { identity: identity_id, request: request_id, checkpoint: checkpoint_id }
    }
}

impl<'a> From<&'a Cancel> for Place<'a> {
    fn from(asked: &'a Cancel) -> Self {
        let Cancel { identity_id, request_id, checkpoint_id, .. } = asked;
        Self { identity: identity_id, request: request_id, checkpoint: checkpoint_id }
    }
}

/// How a resolution went; only `Resolved` and `Lapsed` write.
pub(crate) fn resolve(
    view: &mut View<'_>,
    asked: &Resolve,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let mut waiting = Place::from(asked).loaded(view)?;
    let checkpoint = &mut waiting.checkpoint;
    if checkpoint.state != CheckpointState::Pending {
        let checkpoint = Box::new(checkpoint.clone());
        let repeated = is_repeat(&checkpoint, asked);
        return Ok(if repeated { Answer::Repeated(checkpoint) } else { Answer::Lost(checkpoint) });
    }
    // Before the decision is looked at, and ended here: the sweep may be late, and an approval must
    // not win by that.
    if now.now_us >= checkpoint.expires_us {
        end(checkpoint, CheckpointState::Expired, now);
        let lapsed = Box::new(checkpoint.clone());
        expire_waiting(view, waiting, now)?;
        return Ok(Answer::Lapsed(lapsed));
    }
    // By the rules as they are now and not as they were when it was asked: who is to decide is what
    // an operator tightens when something has gone wrong.
    if rules.asks_four_eyes(&checkpoint.types) && checkpoint.is_asked_by(&asked.by.to_string()) {
        return Ok(Answer::OwnAction(Box::new(checkpoint.clone())));
    }
    // Nothing is written, so that it goes on waiting for somebody who has seen the right action.
    if saw_another(checkpoint, asked) {
        return Ok(Answer::OtherAction(Box::new(checkpoint.clone())));
    }
    let approved = asked.decision == CheckpointDecision::Approve;
    end(checkpoint, state_of(asked.decision), now);
    checkpoint.resolved_by = asked.by.to_string();
    checkpoint.decision_id.clone_from(&asked.decision_id);
    checkpoint.reason.clone_from(&asked.reason);
    // From the approval on: what a person took to decide is not taken from who uses it.
    checkpoint.use_before_us = if approved { now.now_us + checkpoint.lifetime_us } else { 0 };
    let resolved = Box::new(checkpoint.clone());
    if approved {
        approve(view, waiting, asked, now)?;
    } else {
        reject(view, waiting, asked, now)?;
    }
    Ok(Answer::Resolved(resolved))
}

fn state_of(decision: CheckpointDecision) -> CheckpointState {
    match decision {
        CheckpointDecision::Approve => CheckpointState::Approved,
        CheckpointDecision::Reject => CheckpointState::Rejected,
    }
}

/// Whether this person made this very decision before, down to the reason that is recorded.
///
/// Somebody else who sends the winner's id has decided nothing, and must not be told so.
fn is_repeat(checkpoint: &Checkpoint, asked: &Resolve) -> bool {
    checkpoint.decision_id == asked.decision_id
        && checkpoint.state == state_of(asked.decision)
        && checkpoint.resolved_by == asked.by.to_string()
        && checkpoint.reason == asked.reason
        && !saw_another(checkpoint, asked)
}

fn saw_another(checkpoint: &Checkpoint, asked: &Resolve) -> bool {
    !asked.expected_digest.0.is_empty() && asked.expected_digest != checkpoint.action_digest
}

fn end(checkpoint: &mut Checkpoint, state: CheckpointState, now: &Moment) {
    checkpoint.state = state;
    checkpoint.resolved_us = now.now_us;
}

fn approve(view: &mut View<'_>, waiting: Waiting, asked: &Resolve, now: &Moment) -> Decided<()> {
    let Waiting { checkpoint, mut operation, hold } = waiting;
    let (approved, entry) = (EventType::CheckpointApproved, LedgerDecision::Approve);
    let event = event::checkpoint_resolved(approved, &checkpoint)?;
    let entry = resolved_entry(&operation, &checkpoint, entry, LedgerAction::Approve, asked);
    // The money must not go back before the approval can be used no more, or the approved query
    // would find none.
    let expires_us = checkpoint.use_before_us;
    view.put(Row::Checkpoint(Box::new(checkpoint)));
    if let Some(hold) = hold {
        view.put(Row::Hold(Hold { expires_us, ..hold }));
    }
    operation.status = QueryState::Approved;
    log::append(view, &mut operation, vec![event], now);
    view.put(Row::Operation(Box::new(operation)));
    view.record(entry);
    Ok(())
}

fn reject(view: &mut View<'_>, waiting: Waiting, asked: &Resolve, now: &Moment) -> Decided<()> {
    let Waiting { checkpoint, mut operation, hold } = waiting;
    let (rejected, entry) = (EventType::CheckpointRejected, LedgerDecision::Reject);
    let drafts = vec![event::checkpoint_resolved(rejected, &checkpoint)?];
    let entry = resolved_entry(&operation, &checkpoint, entry, LedgerAction::Reject, asked);
    let refusal = Refusal::new(ErrorReason::CheckpointRejected)
        .text("checkpoint_id", checkpoint.checkpoint_id.as_str());
    view.put(Row::Checkpoint(Box::new(checkpoint)));
    void(view, hold.as_ref(), now)?;
    close_waiting(view, &mut operation, QueryState::Rejected, &refusal, drafts, entry, now)
}

/// Whether it expired now.
pub(crate) fn expire(view: &mut View<'_>, asked: &Expire, now: &Moment) -> Decided<Answer> {
    let mut waiting = Place::from(asked).loaded(view)?;
    // The sweep has read its list before: meanwhile it may have been approved, used or withdrawn.
    let lapsed = waiting.operation.waits() && waiting.checkpoint.has_lapsed(now.now_us);
    if lapsed {
        end(&mut waiting.checkpoint, CheckpointState::Expired, now);
        expire_waiting(view, waiting, now)?;
    }
    Ok(Answer::Done(lapsed))
}

/// Expired means denied: the checkpoint, which has, the operation and its money end together.
pub(crate) fn expire_waiting(
    view: &mut View<'_>,
    waiting: Waiting,
    now: &Moment,
) -> Decided<Operation> {
    let Waiting { checkpoint, mut operation, hold } = waiting;
    let drafts = vec![event::checkpoint_resolved(EventType::CheckpointExpired, &checkpoint)?];
    let checkpoint_id = checkpoint.checkpoint_id.as_str();
    let refusal = Refusal::new(ErrorReason::CheckpointExpired).text("checkpoint_id", checkpoint_id);
    let payload = Payload::new().with("checkpoint_id", checkpoint_id);
    let (decision, action) = (LedgerDecision::Expire, LedgerAction::Update);
    let entry = entry::about(&operation, decision, action, "CHECKPOINT_EXPIRED", &payload);
    let entry = entry.by(Principal::system());
    view.put(Row::Checkpoint(Box::new(checkpoint)));
    if let Some(hold) = hold.filter(|hold| hold.state == HoldState::Held) {
        budgets::expire(view, &hold, now.now_us)?;
    }
    close_waiting(view, &mut operation, QueryState::Expired, &refusal, drafts, entry, now)?;
    Ok(operation)
}

/// The checkpoint as it is once its time is over.
pub(crate) fn expired(mut waiting: Waiting, now: &Moment) -> Waiting {
    end(&mut waiting.checkpoint, CheckpointState::Expired, now);
    waiting
}

/// The operation as it is now; one that does not wait is left as it is.
pub(crate) fn cancel(view: &mut View<'_>, asked: &Cancel, now: &Moment) -> Decided<Answer> {
    let Waiting { checkpoint, mut operation, hold } = Place::from(asked).loaded(view)?;
    // What runs is stopped by its own run, which alone knows what was spent.
    if !operation.waits() {
        return Ok(Answer::Cancelled(Box::new(operation)));
    }
    withdraw(view, checkpoint, &asked.by, &asked.reason, now);
    void(view, hold.as_ref(), now)?;
    let (refusal, reason) = withdrawn(&operation);
    let payload = Payload::new()
        .with("checkpoint_id", operation.checkpoint_id.as_str())
        .with("reason", asked.reason.as_str());
    let (decision, action) = (LedgerDecision::Settle, LedgerAction::Update);
    let entry = entry::about(&operation, decision, action, reason, &payload);
    let entry = entry.by(asked.by.clone());
    let cancelled = QueryState::Cancelled;
    close_waiting(view, &mut operation, cancelled, &refusal, Vec::new(), entry, now)?;
    Ok(Answer::Cancelled(Box::new(operation)))
}

fn void(view: &mut View<'_>, hold: Option<&Hold>, now: &Moment) -> Decided<()> {
    hold.map_or(Ok(()), |hold| budgets::void(view, hold, now.now_us))
}

/// What an operation that is withdrawn answers from then on, and what the ledger calls it.
fn withdrawn(operation: &Operation) -> (Refusal, &'static str) {
    match operation.kind {
        OperationKind::Query => {
            let request_id = operation.request_id.as_str();
            let refusal = Refusal::new(ErrorReason::QueryCancelled).text("request_id", request_id);
            (refusal, "QUERY_CANCELLED")
        }
        OperationKind::Reservation => spending::voided(operation),
        OperationKind::ToolCall => {
            let call_id = operation.request_id.as_str();
            let refusal = Refusal::new(ErrorReason::ToolCallCancelled).text("call_id", call_id);
            (refusal, "TOOL_CALL_CANCELLED")
        }
    }
}

/// Put the checkpoint, withdrawn with its operation.
pub(crate) fn withdraw(
    view: &mut View<'_>,
    mut checkpoint: Checkpoint,
    by: &Principal,
    reason: &str,
    now: &Moment,
) {
    end(&mut checkpoint, CheckpointState::Cancelled, now);
    checkpoint.resolved_by = by.to_string();
    reason.clone_into(&mut checkpoint.reason);
    view.put(Row::Checkpoint(Box::new(checkpoint)));
}

/// End an operation that never ran, with its entry.
pub(crate) fn close_waiting(
    view: &mut View<'_>,
    operation: &mut Operation,
    status: QueryState,
    refusal: &Refusal,
    mut drafts: Vec<EventDraft>,
    entry: EntryDraft,
    now: &Moment,
) -> Decided<()> {
    if operation.has_log() {
        let ended = LaneReport::new(Lane::ECheckpoint, LaneStatus::Failed, 0);
        drafts.push(event::lane_end(&ended)?);
        log::report(&mut operation.query.lanes, ended);
    }
    log::close(view, operation, status, refusal.outcome(), drafts, now)?;
    view.record(entry);
    Ok(())
}

fn resolved_entry(
    operation: &Operation,
    checkpoint: &Checkpoint,
    decision: LedgerDecision,
    action: LedgerAction,
    asked: &Resolve,
) -> EntryDraft {
    let types: Vec<&str> = checkpoint.types.iter().map(|kind| kind.wire_name()).collect();
    let payload = Payload::new()
        .with("action_digest", checkpoint.action_digest.hex())
        .with("checkpoint_id", checkpoint.checkpoint_id.as_str())
        .with("decision_id", checkpoint.decision_id.as_str())
        .with("reason", checkpoint.reason.as_str())
        .with("types", types)
        .with("use_before_us", checkpoint.use_before_us)
        .and(signed_in(asked));
    entry::about(operation, decision, action, "", &payload).by(asked.by.clone())
}

/// How who decided was known, as far as a token has said.
fn signed_in(asked: &Resolve) -> Payload {
    let mut payload = Payload::new();
    // What no token says is left out: an empty list would read as if nobody had signed in.
    if !asked.methods.is_empty() {
        payload = payload.with("amr", asked.methods.clone());
    }
    if !asked.client.is_empty() {
        payload = payload.with("client", asked.client.as_str());
    }
    payload
}
