//! How a proposed call gets to who executes it: taken once, and redeemed once.

use chenu_engine::vocabulary::{
    CheckpointState, LedgerAction, LedgerDecision, OperationKind, QueryState,
};

use super::waiting::{self, Place, Waiting};
use super::{consume, judge, log, spending};
use crate::answer::Answer;
use crate::command::{Caller, Redeem, Take, Verdict};
use crate::entry::{self, Payload};
use crate::refusal::{Outcome, Refusal};
use crate::rows::{Checkpoint, Operation, Principal, ToolCall};
use crate::rules::Rules;
use crate::view::{Need, Row, View};
use crate::{Broken, Decided, Moment};

const SECOND_US: i64 = 1_000_000;
/// What the ledger calls a release that somebody has redeemed.
const RELEASE: &str = "release";

/// The operation, and what a call has besides.
pub(crate) fn needs(caller: &Caller, call_id: &str) -> Vec<Need> {
    let key = spending::key(&caller.identity_id, call_id);
    vec![Need::Operation(key.clone()), Need::ToolCall(key)]
}

/// Where it waits.
pub(crate) fn needs_next(caller: &Caller, call_id: &str, view: &View<'_>) -> Vec<Need> {
    let key = spending::key(&caller.identity_id, call_id);
    let waits = view.operation(&key).filter(|found| !found.checkpoint_id.is_empty());
    let need = waits.map(|it| Need::Checkpoint(key.0.clone(), it.checkpoint_id.clone()));
    need.into_iter().collect()
}

fn found(view: &View<'_>, caller: &Caller, call_id: &str) -> Option<(Operation, ToolCall)> {
    let key = spending::key(&caller.identity_id, call_id);
    let of_kind = |found: &&Operation| found.kind == OperationKind::ToolCall;
    let operation = view.operation(&key).filter(of_kind)?;
    Some((operation.clone(), view.tool_call(&key)?.clone()))
}

/// It is taken, or told why not; taken before, it is told as it was then.
pub(crate) fn take(
    view: &mut View<'_>,
    asked: &Take,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let Some((operation, call)) = found(view, &asked.caller, &asked.call_id) else {
        return Ok(Answer::Absent);
    };
    // Who asked, for whom it was asked: a call is approved for nobody else.
    if operation.subject != asked.caller.principal
        || operation.acting_for != asked.caller.acting_for
    {
        return Ok(Answer::Conflict);
    }
    if call.taken_us != 0 {
        return Ok(as_taken(operation, call, now));
    }
    // A verdict of other policies than those that are entered as having given it is nobody's.
    if asked.policies_revision != rules.policies_revision {
        return Ok(Answer::Outdated);
    }
    match operation.status {
        QueryState::Completed => Ok(take_passed(view, asked, operation, call, now)),
        QueryState::Blocked | QueryState::Approved => {
            let waiting = waiting_at(view, operation)?;
            take_waiting(view, asked, waiting, call, now)
        }
        _ => Ok(Answer::Closed(Box::new(operation))),
    }
}

/// The same bytes until they expire, and then nothing: never a second release.
fn as_taken(operation: Operation, call: ToolCall, now: &Moment) -> Answer {
    if now.now_us >= call.expires_us {
        return Answer::Late(Box::new(operation));
    }
    Answer::Taken { operation: Box::new(operation), call: Box::new(call) }
}

fn take_passed(
    view: &mut View<'_>,
    asked: &Take,
    operation: Operation,
    call: ToolCall,
    now: &Moment,
) -> Answer {
    // It has passed for good; what the policies of now do not let pass is refused to whoever takes
    // it, and may be taken when they are mended.
    if let Some(refusal) = not_now(None, &asked.verdict) {
        return refused(view, &operation, &refusal);
    }
    let expires_us = in_seconds(now.now_us + asked.ttl_us);
    release(view, asked, operation, call, expires_us, now)
}

fn take_waiting(
    view: &mut View<'_>,
    asked: &Take,
    waiting: Waiting,
    call: ToolCall,
    now: &Moment,
) -> Decided<Answer> {
    let checkpoint = &waiting.checkpoint;
    let approved = checkpoint.state == CheckpointState::Approved;
    let expires_us = in_seconds((now.now_us + asked.ttl_us).min(checkpoint.use_before_us));
    // A release is good for whole seconds. In the last part of one the approval would be used for
    // one that is over when it is signed.
    if checkpoint.has_lapsed(now.now_us) || (approved && expires_us <= now.now_us) {
        let ended = waiting::expire_waiting(view, waiting::expired(waiting, now), now)?;
        return Ok(Answer::Closed(Box::new(ended)));
    }
    if !approved {
        let Waiting { checkpoint, operation, .. } = waiting;
        let (operation, checkpoint) = (Box::new(operation), Box::new(checkpoint));
        return Ok(Answer::Blocked { operation, checkpoint });
    }
    if let Some(refusal) = not_now(Some(checkpoint), &asked.verdict) {
        return Ok(Answer::Closed(Box::new(refuse(view, waiting, &refusal, now)?)));
    }
    let Waiting { checkpoint, mut operation, .. } = waiting;
    consume::use_once(view, checkpoint, now)?;
    let (released, no) = (QueryState::Completed, Outcome::default());
    log::close(view, &mut operation, released, no, Vec::new(), now)?;
    Ok(release(view, asked, operation, call, expires_us, now))
}

/// Why the policies of now do not let it go, if so; what a person approved then is covered.
fn not_now(checkpoint: Option<&Checkpoint>, verdict: &Verdict) -> Option<Refusal> {
    if let Some(refusal) = judge::policy_refusal(verdict) {
        return Some(refusal);
    }
    match checkpoint {
        Some(checkpoint) => consume::covered(checkpoint, verdict).err(),
        None if verdict.checkpoints.is_empty() => None,
        None => Some(judge::policy_denied(judge::policies_of(verdict))),
    }
}

/// Entered, and nothing else: what may not go now may go when the policies are mended.
fn refused(view: &mut View<'_>, operation: &Operation, refusal: &Refusal) -> Answer {
    let payload = Payload::new().with("action_digest", operation.action_digest.hex());
    let (decision, action) = (LedgerDecision::Deny, LedgerAction::Execute);
    let reason = refusal.reason.wire_name();
    view.record(entry::about(operation, decision, action, reason, &payload));
    Answer::Refused(refusal.outcome())
}

fn release(
    view: &mut View<'_>,
    asked: &Take,
    operation: Operation,
    call: ToolCall,
    expires_us: i64,
    now: &Moment,
) -> Answer {
    let key_id = asked.key_id.clone();
    let call = ToolCall { taken_us: now.now_us, expires_us, key_id, ..call };
    let mut payload = Payload::new()
        .with("action_digest", operation.action_digest.hex())
        .with("expires_us", expires_us)
        .with("key_id", call.key_id.as_str())
        .with("tool", call.tool.as_str());
    if !operation.checkpoint_id.is_empty() {
        payload = payload.with("checkpoint_id", operation.checkpoint_id.as_str());
    }
    let (decision, action) = (LedgerDecision::Execute, LedgerAction::Execute);
    view.record(entry::about(&operation, decision, action, "", &payload));
    view.put(Row::ToolCall(Box::new(call.clone())));
    Answer::Taken { operation: Box::new(operation), call: Box::new(call) }
}

fn refuse(
    view: &mut View<'_>,
    waiting: Waiting,
    refusal: &Refusal,
    now: &Moment,
) -> Decided<Operation> {
    let Waiting { checkpoint, mut operation, .. } = waiting;
    let reason = refusal.reason.wire_name();
    waiting::withdraw(view, checkpoint, &Principal::system(), reason, now);
    let payload = Payload::new()
        .with("checkpoint_id", operation.checkpoint_id.as_str())
        .with("status", QueryState::Failed.wire_name());
    let (decision, action) = (LedgerDecision::Deny, LedgerAction::Execute);
    let entry = entry::about(&operation, decision, action, reason, &payload);
    let failed = QueryState::Failed;
    waiting::close_waiting(view, &mut operation, failed, refusal, Vec::new(), entry, now)?;
    Ok(operation)
}

fn waiting_at(view: &View<'_>, operation: Operation) -> Decided<Waiting> {
    let place = Place {
        identity: &operation.identity_id,
        request: &operation.request_id,
        checkpoint: &operation.checkpoint_id,
    };
    let missing = Broken::Missing("what waits has its checkpoint");
    let checkpoint = view.checkpoint(place.identity, place.checkpoint).cloned().ok_or(missing)?;
    Ok(Waiting { checkpoint, operation, hold: None })
}

/// Rounded down: a release's claims tell whole seconds.
fn in_seconds(time_us: i64) -> i64 {
    time_us.div_euclid(SECOND_US) * SECOND_US
}

/// Its release is used up: of any number of redeemers the first alone is told so.
pub(crate) fn redeem(view: &mut View<'_>, asked: &Redeem, rules: &Rules, now: &Moment) -> Answer {
    let Some((operation, call)) = found(view, &asked.caller, &asked.call_id) else {
        return Answer::Absent;
    };
    // Whoever signs what nobody has taken here has another's database, or a key that leaked.
    if call.taken_us == 0 {
        return Answer::Conflict;
    }
    if call.redeemed_us != 0 {
        return Answer::Used(Box::new(operation));
    }
    if now.now_us >= call.expires_us {
        return Answer::Late(Box::new(operation));
    }
    if asked.policies_revision != rules.policies_revision {
        return Answer::Outdated;
    }
    // The last who asks before it is executed, and so the last at whom a policy can stop it.
    let checkpoint = view.checkpoint(&operation.identity_id, &operation.checkpoint_id);
    if let Some(refusal) = not_now(checkpoint, &asked.verdict) {
        return refused(view, &operation, &refusal);
    }
    let call = ToolCall { redeemed_us: now.now_us, ..call };
    let payload = Payload::new()
        .with("action_digest", operation.action_digest.hex())
        .with("key_id", call.key_id.as_str())
        .with("tool", call.tool.as_str());
    let (decision, action) = (LedgerDecision::Settle, LedgerAction::Execute);
    let mut entry = entry::about(&operation, decision, action, "", &payload);
    // By who executes it, which need not be who took it.
    entry.subject = asked.caller.principal.clone();
    entry.acting_for.clone_from(&asked.caller.acting_for);
    RELEASE.clone_into(&mut entry.resource_kind);
    view.record(entry);
    view.put(Row::ToolCall(Box::new(call.clone())));
    Answer::Redeemed { operation: Box::new(operation), call: Box::new(call) }
}
